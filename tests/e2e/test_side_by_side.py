"""The vendors' SDKs and Unbroken, fault by fault: the table in docs/why.md is what is true of them."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import anthropic
import openai
import pytest
from attrs import evolve
from packaging.version import Version

from unbroken_cli.demo.compare import APIS, ROWS, Api, Cell, Consumer, Run, _consumers, participants
from unbroken_faults import FaultServer, faults

PAGE = Path(__file__).parents[2] / "docs" / "why.md"
HANGS = "hangs"
PATIENT = 60.0
SILENT = {"silence", "silent-stream", "socket-kept-open", "stall", "pings-only", "pings-midway"}
"""The rows whose fault is silence."""
IMPATIENT = 3.0
"""Seconds for a call that hangs: three times the silence that is allowed."""

Places = list[tuple[Api, Consumer]]


def _table() -> tuple[dict[str, str], dict[str, dict[str, list[str]]]]:
    """Return the versions of the page by consumer, and its cells by the title of the row and by consumer."""
    section = PAGE.read_text("utf-8").partition("\n## Side by side\n")[2].partition("\n## ")[0]
    lines = [line.strip("|").split("|") for line in section.splitlines() if line.startswith("|")]
    head, _, *rows = [[cell.strip() for cell in line] for line in lines]
    versions = dict(name.split(maxsplit=1) for name in head[1:3])
    columns = [*versions, "Unbroken"]
    split = [(title, [cell.replace("`", "").split(", ") for cell in cells]) for title, *cells in rows]
    return versions, {title: dict(zip(columns, cells, strict=True)) for title, cells in split}


VERSIONS, TABLE = _table()


@pytest.fixture(scope="module")
def places() -> Places:
    """All four consumers, after their first calls."""
    found, missing = participants()
    assert missing == []
    return found


def test_the_page_has_the_rows_of_the_command():
    """In the same order, with a column for each SDK."""
    assert list(TABLE) == [row.title for row in ROWS]
    assert list(VERSIONS) == [api.package for api in APIS] == ["anthropic", "openai"]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_each_consumer_sees_what_the_page_says(places: Places, row: Any, monkeypatch: pytest.MonkeyPatch):
    """Of the SDKs how it ended and how many words came; of Unbroken all that is required of it.

    A second of silence ends a call only where silence is the fault: a busy machine may be silent longer.
    """
    cells = TABLE[row.title]
    hangs = any(cell[0] == HANGS for cell in cells.values())
    if not hangs and row.name not in SILENT:
        monkeypatch.setattr(_consumers, "SILENCE", PATIENT)
    row = evolve(row, expect=evolve(row.expect, at_most=PATIENT))
    seen = Run(give_up=IMPATIENT if hangs else PATIENT).all([row], places, lambda: None)
    for api, consumer in places:
        cell = seen[row.name, consumer]
        if consumer.ours:
            assert cell.problems == (), api.title
        expect_the_same(cell, consumer, cells["Unbroken" if consumer.ours else consumer.name])


def measured(consumer: Consumer) -> bool:
    """Whether the page has to be right about this version: it is the one that was measured, or a later one."""
    return consumer.ours or Version(consumer.version) >= Version(VERSIONS[consumer.name])


def expect_the_same(cell: Cell, consumer: Consumer, said: list[str]) -> None:
    """Fail with what to do about it when the end or the words are others than the page says.

    Versions older than the page's had other classes for the same errors.
    """
    end = HANGS if cell.sort == "hang" else cell.error_class or "success"
    alike = end == said[0] if measured(consumer) else (cell.sort == "error") == (said[0] not in {HANGS, "success"})
    if not alike or cell.words != said[1]:
        pytest.fail(
            f"{consumer} ends '{cell.scenario.title}' with {end}, {cell.words} words; docs/why.md says {said[0]}, "
            f"{said[1]} (measured with {VERSIONS}). If it has changed, measure again: unbroken demo --compare"
        )


def test_a_cut_is_a_success_of_the_sdks_without_a_stop_reason(places: Places):
    """It is the one thing by which their users can tell."""
    rows = [row for row in ROWS if row.name in {"cut", "no-fault"}]
    seen = Run().all(rows, places, lambda: None)
    reasons = {(name, consumer.name): cell.stop_reason for (name, consumer), cell in seen.items() if not consumer.ours}
    assert reasons == {
        ("no-fault", "anthropic"): "end_turn",
        ("no-fault", "openai"): "stop",
        ("cut", "anthropic"): None,
        ("cut", "openai"): None,
    }


def test_a_redirect_takes_the_prompt_elsewhere_but_not_the_key(places: Places):
    """With the SDKs; Unbroken sends no second request."""
    row = next(row for row in ROWS if row.name == "redirect")
    seen = Run().all([row], places, lambda: None)
    for _, consumer in places:
        sent = seen["redirect", consumer].sent_elsewhere()
        assert (sent["requests"], sent["prompt"]) == ((0, False) if consumer.ours else (1, True))
        assert not (sent["key"] and measured(consumer)), f"{consumer} sends the key along; docs/why.md says otherwise"


def _anthropic(url: str) -> AbstractContextManager[Any]:
    return anthropic.Anthropic(base_url=url, api_key="test", max_retries=0, timeout=5.0)


def _openai(url: str) -> AbstractContextManager[Any]:
    return openai.OpenAI(base_url=f"{url}/v1", api_key="test", max_retries=0, timeout=5.0)


def _deltas(client: Any) -> Iterator[str]:
    ask: dict[str, Any] = {"model": "m", "stream": True, "messages": [{"role": "user", "content": "Hello"}]}
    if isinstance(client, anthropic.Anthropic):
        with client.messages.create(max_tokens=64, **ask) as stream:
            yield from (event.delta.text for event in stream if event.type == "content_block_delta")
    else:
        with client.chat.completions.create(**ask) as stream:
            yield from (chunk.choices[0].delta.content or "" for chunk in stream)


@pytest.mark.parametrize(
    ("fault", "words"),
    [pytest.param(faults.cut(after=5), 2, id="cut"), pytest.param(faults.captive_portal(), 0, id="html")],
)
@pytest.mark.parametrize("make", [_anthropic, _openai], ids=["anthropic", "openai"])
def test_the_plain_streams_of_the_sdks_end_without_an_error(
    make: Callable[[str], AbstractContextManager[Any]], fault: Any, words: int
):
    """Without the helper there is no final message to ask for, and a page of HTML is an answer without words."""
    with FaultServer([fault]) as server, make(server.url) as client:
        assert len("".join(_deltas(client)).split()) == words
