"""The APIs that the demonstration speaks, as data."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

import typer
from attrs import evolve, frozen

from ._scenarios import CHAPTERS, Chapter, Scenario

_ASKED: Final = "Tell me how you are."
_MESSAGES: Final = [{"role": "user", "content": _ASKED}]


@frozen(kw_only=True)
class Api:
    """One API: what is asked there, how its answers are read, and which rows are different in it."""

    name: str
    """Used by ``--dialect`` and in the JSON document."""
    dialect: str
    path: str
    body: Mapping[str, Any]
    slice_size: tuple[int, int] = (40, 160)
    """Bytes of a piece of the body, which is sent every 5 ms: more where an answer of the same words is longer."""
    without: frozenset[str] = frozenset()
    """The rows that have no meaning in this API."""
    scripts: Mapping[str, str] = {}
    """The scripts of rows whose fault is at another place here, by row."""
    status_codes: Mapping[str, int] = {}
    """The status codes that this API has in an error where Messages has none, by row."""

    def rows(self, scenarios: Iterable[Scenario]) -> list[Scenario]:
        """Return `scenarios` as they are in this API, without those that have no meaning here."""
        return [self._row(scenario) for scenario in scenarios if scenario.name not in self.without]

    def chapters(self) -> tuple[Chapter, ...]:
        """Return the chapters of the demonstration; the title of each says what is left out."""
        return tuple(map(self._chapter, CHAPTERS))

    def _row(self, scenario: Scenario) -> Scenario:
        expect = scenario.expect
        status_code = self.status_codes.get(scenario.name, expect.status_code)
        script = self.scripts.get(scenario.name, scenario.script)
        return evolve(scenario, script=script, expect=evolve(expect, status_code=status_code))

    def _chapter(self, chapter: Chapter) -> Chapter:
        missing = ", ".join(each.title for each in chapter.scenarios if each.name in self.without)
        title = f"{chapter.title} (without: {missing})" if missing else chapter.title
        return Chapter(title, tuple(self.rows(chapter.scenarios)))


_ONE_TERMINAL: Final = {"no-terminal-event": "omit_terminal"}
"""For an API whose terminal event is one piece; elsewhere two belong to the end."""

MESSAGES: Final = Api(
    name="anthropic",
    dialect="anthropic",
    path="/v1/messages",
    body={"model": "claude-unbroken", "max_tokens": 64, "stream": True, "messages": _MESSAGES},
)
APIS: Final = (
    MESSAGES,
    Api(
        name="openai",
        dialect="openai",
        path="/v1/chat/completions",
        body={"model": "gpt-unbroken", "stream": True, "messages": _MESSAGES},
    ),
    Api(
        name="responses",
        dialect="openai",
        path="/v1/responses",
        body={"model": "gpt-unbroken", "stream": True, "input": _ASKED},
        slice_size=(120, 480),
    ),
    Api(
        name="gemini",
        dialect="gemini",
        path="/v1beta/models/gemini-unbroken:streamGenerateContent?alt=sse",
        body={"contents": [{"role": "user", "parts": [{"text": _ASKED}]}]},
        without=frozenset({"socket-kept-open"}),  # the end of the body is part of the proof
        scripts=_ONE_TERMINAL,
        status_codes={"error-midway": 503},
    ),
    Api(
        name="ollama",
        dialect="ollama",
        path="/api/chat",
        body={"model": "llama-unbroken", "messages": _MESSAGES},
        scripts=_ONE_TERMINAL,
    ),
    Api(
        name="bedrock",
        dialect="bedrock",
        path="/model/anthropic.unbroken-v1:0/converse-stream",
        body={"messages": [{"role": "user", "content": [{"text": _ASKED}]}]},
    ),
)


def api_named(name: str) -> Api:
    """Return the API with this name. Raises BadParameter."""
    known = {api.name: api for api in APIS}
    if name not in known:
        raise typer.BadParameter(f"the demo has no {name!r}; it has {', '.join(known)}", param_hint="--dialect")
    return known[name]
