"""A plugin that watches everything, and whole calls in the dialect `Talk`."""

import functools
from collections.abc import Callable
from importlib.metadata import EntryPoint
from typing import Any

import pytest

from unbroken import Plugin, registry
from unbroken.testing import Played

from ..kit import Talk


class Spy(Plugin):
    """Notes each hook with its payload; answers what it was given for that hook: a value, or a function."""

    name = "spy"

    def __init__(self, name: str = "spy", **answers: Any) -> None:
        super().__init__()
        self.name = name  # type: ignore[misc]
        self.answers = answers
        self.seen: list[tuple[str, Any]] = []
        self.call: Any = None

    @property
    def hooks(self) -> list[str]:
        return [hook for hook, _ in self.seen]

    def payloads(self, hook: str) -> list[Any]:
        return [payload for name, payload in self.seen if name == hook]

    def statuses(self, hook: str) -> list[str]:
        return [outcome.status for outcome in self.payloads(hook)]

    def _note(self, hook: str, call: Any, payload: Any) -> Any:
        self.call = call
        self.seen.append((hook, payload))
        answer = self.answers.get(hook)
        return answer(call, payload) if callable(answer) else answer

    def before_request(self, call, request):
        return self._note("before_request", call, request)

    def on_response(self, call, response):
        return self._note("on_response", call, response)

    def on_commit(self, call, event):
        return self._note("on_commit", call, event)

    def on_event(self, call, event):
        return self._note("on_event", call, event)

    def on_error(self, call, error):
        return self._note("on_error", call, error)

    def should_retry(self, call, error):
        return self._note("should_retry", call, error)

    def after_request(self, call, outcome):
        return self._note("after_request", call, outcome)

    def on_finish(self, call, outcome):
        return self._note("on_finish", call, outcome)

    def on_decision(self, call, decision, plugin):
        return self._note("on_decision", call, (plugin, decision))


@pytest.fixture
def make_spy() -> type[Spy]:
    return Spy


@pytest.fixture
def spy() -> Spy:
    return Spy()


@pytest.fixture
def talk(play: Callable[..., Played]) -> Callable[..., Played]:
    """`play` with the dialect `Talk`."""
    return functools.partial(play, dialect=Talk())


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Makes a client find plugins or dialects by their names, in place of what is really installed."""

    def install(group: str, *classes: type) -> None:
        found = [EntryPoint(cls.name, f"{cls.__module__}:{cls.__name__}", group) for cls in classes]
        monkeypatch.setattr(registry, "_entry_points", lambda asked: found if asked == group else [])

    return install
