"""Each fault with the SDKs alone and under Unbroken: the table in docs/why.md is what `unbroken doctor` sees."""

from pathlib import Path
from typing import Any

import anthropic
import openai
import pytest
from packaging.version import Version

from unbroken_faults import FaultServer, faults
from unbroken_sdk.doctor import BEGIN, CLIENTS, END, FAULTS, ROWS, Cell, Client, Limits, diagnose

PAGE = Path(__file__).parents[2] / "docs" / "why.md"
UNHURRIED = Limits(silence=4.0, give_up=12.0)
"""A busy machine may be silent for a second."""
SDKS = [client for client in CLIENTS if client.name in {"anthropic", "openai"}]


def _table() -> tuple[dict[str, str], dict[str, list[str]]]:
    """Return the versions of the page by client, and its cells, without the seconds, by the title of the row."""
    between = PAGE.read_text("utf-8").partition(BEGIN)[2].partition(END)[0]
    lines = [line.strip("|").split("|") for line in between.splitlines() if line.startswith("|")]
    head, _, *rows = [[cell.strip() for cell in line] for line in lines]
    versions = dict(name.split() for name in head[1::2])
    return versions, {title: [cell.rpartition(", ")[0] for cell in cells] for title, *cells in rows}


VERSIONS, TABLE = _table()


def test_the_page_has_the_rows_of_the_command():
    """In the same order, with two columns for each SDK."""
    assert list(TABLE) == [row.title for row in ROWS]
    assert list(VERSIONS) == [client.name for client in SDKS]
    assert len(FAULTS) == 20


@pytest.mark.parametrize("client", SDKS, ids=lambda client: client.name)
def test_the_page_says_what_the_doctor_sees(client: Client):
    """Ends, words and requests; of versions older than the page's only that nothing is lost under Unbroken.

    The key stays with the origin, whatever the SDK does with a redirect.
    """
    report = diagnose([client], limits=UNHURRIED)
    assert (list(report.missing), report.problems) == ([], [])
    if Version(str(client.version)) < Version(VERSIONS[client.name]):
        return
    column = 2 * SDKS.index(client)
    said = {row.title: TABLE[row.title][column : column + 2] for row in ROWS}
    seen = {row.title: [_facts(cell) for cell in report.pair(client, row)] for row in ROWS}
    if seen != said:
        different = {title: (seen[title], said[title]) for title in seen if seen[title] != said[title]}
        pytest.fail(
            f"{client.name} {client.version} is not what docs/why.md says (seen, said): {different}. If it has "
            "changed, measure again: unbroken doctor anthropic openai --page docs/why.md"
        )
    assert not any(cell.leaks_key for cell in report.cells.values())


def _facts(cell: Cell) -> str:
    return f"{cell.saw}, {cell.counted}"


@pytest.mark.parametrize(("fault", "reasons"), [(faults.ok(), ["end_turn", "stop"]), (faults.cut(), [None, None])])
def test_a_cut_is_a_success_of_the_sdks_without_a_stop_reason(fault: Any, reasons: list[str | None]):
    """It is the one thing by which their users can tell."""
    ask: dict[str, Any] = {"model": "m", "messages": [{"role": "user", "content": "Hello"}]}
    with (
        FaultServer([fault, fault]) as server,
        anthropic.Anthropic(base_url=server.url, api_key="test") as client,
        openai.OpenAI(base_url=f"{server.url}/v1", api_key="test") as other,
        client.messages.stream(max_tokens=64, **ask) as stream,
        other.chat.completions.stream(**ask) as chunks,
    ):
        message, completion = stream.get_final_message(), chunks.get_final_completion()
    assert [message.stop_reason, completion.choices[0].finish_reason] == reasons
