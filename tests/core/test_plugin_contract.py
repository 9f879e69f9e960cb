"""The contract of DESIGN.md §4, line by line, in each backend: what hooks are told, what their answers and bugs do."""

import logging
import pickle
from collections.abc import Callable, Coroutine, Generator
from typing import Any

import attrs
import pytest

from unbroken import (
    DROP,
    FINISH,
    AuthenticationError,
    Call,
    Client,
    Error,
    Event,
    GiveUp,
    Key,
    NetworkError,
    Outcome,
    OverloadedError,
    Plugin,
    PluginError,
    Reject,
    Replay,
    Request,
    ServerError,
    Timeouts,
    TryAgain,
    Usage,
    ValidationError,
    Wait,
    hookimpl,
)
from unbroken._engine.hooks import HOOKS
from unbroken.dialect import USAGE, Kind
from unbroken.testing import STALL, Answer, FakeClock, Played, ScriptedTransport, sse
from unbroken.testing._scenarios import ContractDialect

Play = Callable[..., Played]

CANARY = "sk-canary-1234567890"
DIALECT = ContractDialect()
GOOD = Answer(body=sse(("start", "{}"), ("delta", '{"n":1}'), ("delta", '{"n":2}'), ("stop", "{}")))
COUNTED = Answer(body=sse(("start", "{}"), ("delta", "7"), ("stop", "{}")))
DOWN = Answer(status=503)
BROKEN = Answer(body=(sse(("start", "{}"), ("delta", '{"n":1}')), NetworkError("reset")))

CONTAINED = ("on_decision", "after_request", "on_finish")
# Hooks whose failure fails the call; the last two are asked about a failure only.
FATAL = ("before_request", "on_response", "on_usage", "on_commit", "on_event", "on_error", "should_retry")


def plugin(name: str, **hooks: Callable[..., Any]) -> Any:
    """A plugin of functions ``(call, payload)``."""
    methods = {hook: _method(hook, function) for hook, function in hooks.items()}
    return type("Probe", (Plugin,), {"name": name, **methods})()


def _method(hook: str, function: Callable[..., Any]) -> Callable[..., Any]:
    arguments = {
        "before_request": "call, request",
        "on_response": "call, response",
        "on_usage": "call, usage",
        "on_commit": "call, event",
        "on_event": "call, event",
        "on_error": "call, error",
        "should_retry": "call, error",
        "after_request": "call, outcome",
        "on_finish": "call, outcome",
        "on_decision": "call, decision, plugin",
        "wrap_transport": "transport",
        "wrap_async_transport": "transport",
    }[hook]
    space: dict[str, Any] = {"function": function}
    exec(f"def {hook}(self, {arguments}): return function({arguments})", space)
    method: Callable[..., Any] = space[hook]
    return method


def always(decision: Any) -> Callable[..., Any]:
    return lambda *_: decision


class Eager(Plugin):
    """Retries everything, for ever as far as it is asked."""

    name = "eager"

    def should_retry(self, call: Call, error: Error) -> TryAgain:
        return TryAgain(1.0, reason="eager")


class Counting(ContractDialect):
    """Each event whose data is a number reports so many output tokens."""

    def classify(self, event: Event) -> Kind:
        return super().classify(event) | (USAGE if event.data.isdigit() else 0)

    def usage(self, event: Event) -> Usage:
        return Usage(output_tokens=int(event.data))


class Watcher(Plugin):
    """Notes every hook that it is called for, with its plugin's name in front."""

    def __init__(self, name: str = "watcher", trace: list[str] | None = None) -> None:
        super().__init__()
        self.name = name  # type: ignore[misc]
        self.trace: list[str] = [] if trace is None else trace
        self.outcomes: list[tuple[str, Outcome]] = []
        self.decisions: list[tuple[Any, str]] = []

    def _note(self, what: str) -> None:
        self.trace.append(f"{self.name} {what}")

    def before_request(self, call: Call, request: Request) -> None:
        self._note(f"before_request {call.attempt}")

    def on_response(self, call: Call, response: Any) -> None:
        self._note(f"on_response {response.status_code}")

    def on_commit(self, call: Call, event: Event) -> None:
        self._note(f"on_commit {event.type}")

    def on_event(self, call: Call, event: Event) -> None:
        self._note(f"on_event {event.type}")

    def on_error(self, call: Call, error: Error) -> None:
        self._note(f"on_error {type(error).__name__}")

    def should_retry(self, call: Call, error: Error) -> None:
        self._note(f"should_retry {type(error).__name__}")

    def after_request(self, call: Call, outcome: Outcome) -> None:
        self._note(f"after_request {outcome.status}")
        self.outcomes.append(("after_request", outcome))

    def on_finish(self, call: Call, outcome: Outcome) -> None:
        self._note(f"on_finish {outcome.status}")
        self.outcomes.append(("on_finish", outcome))

    def on_decision(self, call: Call, decision: Any, plugin: str) -> None:
        self._note(f"on_decision {type(decision).__name__} {plugin}")
        self.decisions.append((decision, plugin))

    def ended(self, hook: str) -> list[str]:
        return [outcome.status for name, outcome in self.outcomes if name == hook]


# The order


def test_a_successful_call_in_order(play: Play) -> None:
    """Every hook in the order of the list; what cleans up in reverse; nobody is asked about errors."""
    trace: list[str] = []
    played = play([GOOD], [Watcher("a", trace), Watcher("b", trace)], dialect=DIALECT)
    assert played.types == ["start", "delta", "delta", "stop"]
    both = [
        "before_request 1",
        "on_response 200",
        "on_commit delta",
        "on_event start",
        "on_event delta",
        "on_event delta",
        "on_event stop",
    ]
    clean = ["after_request success", "on_finish success"]
    assert trace == [f"{name} {what}" for what in both for name in "ab"] + [
        f"{name} {what}" for what in clean for name in "ba"
    ]


def test_a_failed_attempt_in_order(play: Play) -> None:
    """The error is settled before the attempt is concluded, and concluded before anybody decides what follows."""
    watcher = Watcher("w")
    played = play([DOWN, GOOD], [watcher, Eager()], dialect=DIALECT)
    assert played.error is None
    assert [entry[2:] for entry in watcher.trace] == [
        "before_request 1",
        "on_response 503",
        "on_error ServerError",
        "after_request failure",
        "should_retry ServerError",
        "on_decision TryAgain eager",
        "before_request 2",
        "on_response 200",
        "on_commit delta",
        *[f"on_event {kind}" for kind in ("start", "delta", "delta", "stop")],
        "after_request success",
        "on_finish success",
    ]


# before_request


def test_before_request_may_change_the_request(play: Play) -> None:
    """Plugins behind see what those in front made of it; the call keeps what was asked; each attempt begins anew."""
    seen: list[tuple[str | None, str | None]] = []

    def first(call: Call, request: Request) -> Request:
        return request.with_headers({"x-a": f"{request.headers.get('x-a', '')}{call.attempt}"})

    def second(call: Call, request: Request) -> None:
        seen.append((request.headers.get("x-a"), call.request.headers.get("x-a")))

    played = play(
        [DOWN, GOOD],
        [plugin("a", before_request=first), plugin("b", before_request=second), Eager()],
        dialect=DIALECT,
        headers={"x-a": "0"},
    )
    assert seen == [("01", "0"), ("02", "0")]
    assert [request.headers["x-a"] for request in played.requests] == ["01", "02"]


def test_before_request_may_wait(play: Play) -> None:
    """Then the next plugin is asked, and the request is sent."""
    watcher = Watcher()
    wait = Wait(2.5, "slowly")
    played = play([GOOD], [watcher, plugin("a", before_request=always(wait)), plugin("b", before_request=always(wait))])
    assert played.transport.sent_at == [1005.0]
    assert played.clock.slept == [2.5, 2.5]
    assert watcher.decisions == [(wait, "a"), (wait, "b")]


def test_before_request_may_reject(play: Play) -> None:
    """Nothing is sent, plugins behind are not asked, and the error is this client's own."""
    trace: list[str] = []
    error = ValidationError("not today")
    played = play([], [Watcher("a", trace), plugin("no", before_request=always(Reject(error))), Watcher("b", trace)])
    assert played.error is error
    assert (error.is_local, error.phase, played.requests) == (True, "before", [])
    assert trace == [
        "a before_request 1",
        *[f"{name} {what}" for what in ("on_decision Reject no", "on_error ValidationError") for name in "ab"],
        *[f"{name} after_request rejected" for name in "ba"],
        *[f"{name} should_retry ValidationError" for name in "ab"],
        *[f"{name} on_finish rejected" for name in "ba"],
    ]
    assert played.outcome is not None
    assert played.outcome.status == "rejected"


def test_before_request_may_replay(play: Play) -> None:
    """The events are the answer: nothing is sent, and they go the way of all events."""
    watcher = Watcher("w")
    replay = Replay([Event("delta", b"1"), Event("stop", b"2")])
    played = play([], [plugin("cache", before_request=always(replay)), watcher], dialect=DIALECT)
    assert (played.types, played.error, played.requests) == (["delta", "stop"], None, [])
    assert watcher.decisions == [(replay, "cache")]
    assert [entry[2:] for entry in watcher.trace] == [
        "on_decision Replay cache",
        "on_commit delta",
        "on_event delta",
        "on_event stop",
        "after_request success",
        "on_finish success",
    ]


def test_before_request_may_replay_nothing(play: Play) -> None:
    """An empty answer is an answer."""
    played = play([], [plugin("cache", before_request=always(Replay(())))])
    assert (played.types, played.error) == ([], None)
    assert played.outcome is not None
    assert played.outcome.status == "success"


def test_before_request_that_would_wait_past_the_deadline_fails_at_once(play: Play) -> None:
    """With the last error if there was one; nobody is asked about it."""
    wait = plugin("wait", before_request=lambda call, _: Wait(50) if call.attempt == 2 else None)
    request = plugin("clocks", before_request=lambda _, request: attrs.evolve(request, timeouts=Timeouts(total=10)))
    played = play([DOWN], [request, wait, Eager()], dialect=DIALECT)
    assert isinstance(played.error, ServerError)
    assert played.elapsed == 1.0


# on_response


def test_on_response_may_reject(play: Play) -> None:
    """The attempt fails, whatever the server said, and may be retried as any other."""
    watcher = Watcher()
    reject = plugin("strict", on_response=lambda call, _: Reject(OverloadedError("no")) if call.attempt == 1 else None)
    played = play([GOOD, GOOD], [watcher, reject, Eager()], dialect=DIALECT)
    assert (played.error, played.attempts, len(played.events)) == (None, 2, 4)
    assert [by for _, by in watcher.decisions] == ["strict", "eager"]
    assert watcher.ended("after_request") == ["failure", "success"]


def test_on_response_sees_every_head(play: Play) -> None:
    """That of an error, too."""
    watcher = Watcher("w")
    play([Answer(status=404)], [watcher])
    assert "w on_response 404" in watcher.trace


# on_usage, on_commit and on_event


def test_on_usage_is_told_of_counts_that_are_new(play: Play) -> None:
    """Once for each chunk that has some, before its events; of each attempt anew, and never of the others."""
    chunks = tuple(sse(event) for event in [("start", "5"), ("delta", "{}"), ("delta", "7"), ("stop", "{}")])
    early = Answer(body=(sse(("start", "5")), NetworkError("reset")))
    seen: list[Any] = []
    watch = plugin(
        "watch",
        on_usage=lambda call, usage: seen.append((usage.output_tokens, usage is call.usage, call.committed_at)),
        on_event=lambda _, event: seen.append(event.type),
    )
    played = play([early, Answer(body=chunks)], [watch, Eager()], dialect=Counting())
    assert played.error is None
    assert seen[:3] == [(5, True, None), (5, True, None), "start"]
    assert [entry[0] if isinstance(entry, tuple) else entry for entry in seen[3:]] == ["delta", 7, "delta", "stop"]


def test_on_commit_is_told_once(play: Play) -> None:
    """Of the first content event, not of the preamble in front of it, and not of attempts that failed before."""
    early = Answer(body=(sse(("start", "{}")), NetworkError("reset")))
    watcher = Watcher("w")
    play([early, GOOD], [watcher, Eager()], dialect=DIALECT)
    assert [entry for entry in watcher.trace if "on_commit" in entry] == ["w on_commit delta"]
    assert [entry for entry in watcher.trace if "on_event" in entry] == [
        f"w on_event {kind}" for kind in ("start", "delta", "delta", "stop")
    ]


def test_on_event_may_change_and_drop_events(play: Play) -> None:
    """Plugins behind see the changed event, and nothing of the dropped one; only what is delivered is counted."""
    seen: list[str] = []
    change = plugin(
        "change",
        on_event=lambda _, event: event.replace(raw=b"changed") if event.type == "delta" else None,
    )
    drop = plugin("drop", on_event=lambda _, event: DROP if event.type == "start" else None)
    counts: list[int] = []
    watch = plugin(
        "watch",
        on_event=lambda _, event: seen.append(f"{event.type} {event.data}"),
        on_finish=lambda call, _: counts.append(call.events),
    )
    played = play([GOOD], [change, drop, watch], dialect=DIALECT)
    assert seen == ["delta changed", "delta changed", "stop {}"]
    assert [f"{event.type} {event.data}" for event in played.events] == seen
    assert counts == [3]


def test_on_event_may_finish_the_call(play: Play) -> None:
    """The event is delivered, the call is a success, nothing more is read."""
    endless = Answer(body=(sse(("delta", "{}"), ("delta", "{}")), STALL))
    watcher = Watcher()
    finish = plugin("enough", on_event=lambda call, _: FINISH if call.events == 1 else None)
    played = play([endless], [finish, watcher], dialect=DIALECT)
    assert (played.types, played.error) == (["delta", "delta"], None)
    assert watcher.ended("after_request") == watcher.ended("on_finish") == ["success"]
    assert played.transport.open_exchanges == 0


def test_on_event_may_finish_with_an_event_that_another_drops(play: Play) -> None:
    """Both are obeyed."""
    finish = plugin("enough", on_event=lambda call, _: FINISH if call.events == 1 else None)
    drop = plugin("drop", on_event=lambda call, _: DROP if call.events == 1 else None)
    played = play([GOOD], [finish, drop], dialect=DIALECT)
    assert (played.types, played.error) == (["start"], None)


def test_on_event_may_reject(play: Play) -> None:
    """After the commit that is final: what is asked of `should_retry` is refused by the engine."""
    watcher = Watcher()
    error = ValidationError("blocked")
    filter_ = plugin("filter", on_event=lambda _, event: Reject(error) if event.data == '{"n":2}' else None)
    played = play([GOOD], [watcher, filter_, Eager()], dialect=DIALECT)
    assert played.error is error
    assert played.types == ["start", "delta"]
    assert [(type(decision).__name__, by) for decision, by in watcher.decisions] == [
        ("Reject", "filter"),
        ("GiveUp", "engine"),
    ]


def test_on_event_that_rejects_what_another_finishes_leaves_nothing_behind(play: Play) -> None:
    """The next attempt is not finished by the FINISH of an event that was never delivered."""
    finish = plugin("finish", on_event=lambda call, _: FINISH if call.attempt == 1 else None)
    reject = plugin("reject", on_event=lambda call, _: Reject(OverloadedError("no")) if call.attempt == 1 else None)
    resume = plugin("resume", should_retry=always(TryAgain(resume=True)))
    played = play([GOOD, GOOD], [finish, reject, resume], dialect=DIALECT)
    assert played.types == ["start", "delta", "delta", "stop"]


def test_on_event_is_limited_to_its_types(play: Play) -> None:
    """The others pass it by."""
    seen: list[str] = []

    class Limited(Plugin):
        @hookimpl(events={"stop", "never"})
        def on_event(self, call: Call, event: Event) -> None:
            seen.append(event.type)

    assert len(play([GOOD], [Limited()], dialect=DIALECT).events) == 4
    assert seen == ["stop"]


# on_error


def test_on_error_may_replace_the_error(play: Play) -> None:
    """Each plugin is given what the one in front made of it; the consumer gets the last."""
    seen: list[str] = []

    def note(_: Call, error: Error) -> None:
        seen.append(type(error).__name__)

    last = AuthenticationError("expired")
    played = play(
        [DOWN],
        [
            plugin("a", on_error=always(OverloadedError("busy"))),
            plugin("b", on_error=note),
            plugin("c", on_error=always(last)),
            plugin("d", on_error=note, after_request=lambda _, outcome: note(_, outcome.error)),
        ],
    )
    assert seen == ["OverloadedError", "AuthenticationError", "AuthenticationError"]
    assert played.error is last
    assert last.request_id == played.request_id
    assert [attempt.error for attempt in last.history] == ["AuthenticationError"]


@pytest.mark.parametrize("bug", ["before_request", "on_response", "on_event"])
def test_on_error_is_not_told_of_a_bug(play: Play, bug: str) -> None:
    """Or a plugin could turn it into something that is retried."""
    hide = plugin("hide", on_error=always(OverloadedError("busy")))
    played = play([GOOD], [plugin("bug", **{bug: _raise}), hide, Eager()], dialect=DIALECT)
    assert isinstance(played.error, PluginError)
    assert played.attempts == 1


# should_retry


def test_should_retry_takes_the_first_answer(play: Play) -> None:
    """Who has no opinion is passed over; who is behind is not asked; the observers are told whose it was."""
    asked: list[str] = []
    watcher = Watcher("w")

    def never(call: Call, error: Error) -> None:
        asked.append("never")

    plugins = [
        watcher,
        plugin("none", should_retry=always(None)),
        plugin("first", should_retry=always(TryAgain(3.0, reason="because"))),
        plugin("second", should_retry=never),
    ]
    played = play([DOWN, GOOD], plugins, dialect=DIALECT)
    assert played.transport.sent_at == [1000.0, 1003.0]
    assert asked == []
    assert watcher.decisions == [(TryAgain(3.0, reason="because"), "first")]
    (attempt,) = played.history
    assert (attempt.error, attempt.delay, attempt.decided_by, attempt.reason) == (
        "ServerError",
        3.0,
        "first",
        "because",
    )


def test_should_retry_without_an_answer_raises_the_failure(play: Play) -> None:
    """And nobody is told of a decision."""
    watcher = Watcher()
    played = play([DOWN], [watcher])
    assert isinstance(played.error, ServerError)
    assert watcher.decisions == []
    assert played.error.history[0].decided_by is None


@pytest.mark.parametrize("error", [None, AuthenticationError("other")], ids=["failure-itself", "another-error"])
def test_should_retry_may_give_up(play: Play, error: Error | None) -> None:
    """With the failure itself or with a better error, whose cause it is then."""
    played = play([DOWN], [plugin("no", should_retry=always(GiveUp(error, "enough"))), Eager()])
    if error is None:
        assert isinstance(played.error, ServerError)
    else:
        assert played.error is error
        assert isinstance(error.__cause__, ServerError)
    assert isinstance(played.error, Error)
    assert (played.error.history[0].decided_by, played.error.history[0].reason) == ("no", "enough")
    assert played.attempts == 1


def test_should_retry_may_replay(play: Play) -> None:
    """An old answer for a failed one; the failure stays in the history."""
    watcher = Watcher()
    replay = Replay([Event("delta", b"old"), Event("stop", b"")])
    played = play([DOWN], [watcher, plugin("cache", should_retry=always(replay))], dialect=DIALECT)
    assert (played.types, played.error) == (["delta", "stop"], None)
    assert watcher.decisions == [(replay, "cache")]
    assert watcher.ended("on_finish") == ["success"]
    assert [attempt.decided_by for attempt in played.history] == ["cache"]


def test_should_retry_may_send_another_request(play: Play) -> None:
    """It goes through `before_request` as every attempt; what was asked for stays in the call."""
    other = Request.build("POST", "https://other.example.org/x", json={})
    stamp = plugin("stamp", before_request=lambda _, request: request.with_headers({"x-stamp": "1"}))
    seen: list[str] = []
    watch = plugin("watch", on_finish=lambda call, _: seen.extend([call.origin, call.current.origin]))
    retry = plugin("r", should_retry=always(TryAgain(request=other)))
    played = play([DOWN, GOOD], [stamp, retry, watch], dialect=DIALECT)
    assert [request.origin for request in played.requests] == [
        "https://api.example.org:443",
        "https://other.example.org:443",
    ]
    assert all(request.headers["x-stamp"] == "1" for request in played.requests)
    assert seen == ["https://api.example.org:443", "https://other.example.org:443"]


def test_should_retry_after_the_commit_needs_resume(play: Play) -> None:
    """A plain retry, or a replay, would repeat what the consumer has."""
    for answer in (TryAgain(), Replay([Event("stop")])):
        watcher = Watcher()
        played = play([BROKEN], [watcher, plugin("r", should_retry=always(answer))], dialect=DIALECT)
        assert isinstance(played.error, NetworkError)
        ((decision, by),) = watcher.decisions
        assert (type(decision), by) == (GiveUp, "engine")
    played = play([BROKEN, GOOD], [plugin("r", should_retry=always(TryAgain(resume=True)))], dialect=DIALECT)
    assert played.error is None
    assert played.types == ["start", "delta", "start", "delta", "delta", "stop"]


class Wrapper(Plugin):
    """Around `should_retry`."""

    def __init__(self, name: str, change: Callable[[Any], Any], seen: list[Any]) -> None:
        super().__init__()
        self.name = name  # type: ignore[misc]
        self.change = change
        self.seen = seen

    @hookimpl(wrapper=True)
    def should_retry(self, call: Call, error: Error) -> Generator[None, Any, Any]:  # type: ignore[override]
        self.seen.append(f"{self.name} {type(error).__name__}")
        answer = yield
        self.seen.append(f"{self.name} {type(answer).__name__}")
        return self.change(answer)


def test_should_retry_wrappers_see_and_change_the_answer(play: Play) -> None:
    """From outside in and back; who changed it last is named as the one who decided."""
    seen: list[Any] = []
    watcher = Watcher()
    budget = Wrapper("budget", lambda answer: GiveUp(reason="spent") if isinstance(answer, TryAgain) else answer, seen)
    look = Wrapper("look", lambda answer: answer, seen)
    played = play([DOWN], [watcher, look, budget, Eager()], dialect=DIALECT)
    assert seen == ["look ServerError", "budget ServerError", "budget TryAgain", "look GiveUp"]
    assert watcher.decisions == [(GiveUp(reason="spent"), "budget")]
    assert isinstance(played.error, ServerError)


def test_should_retry_wrappers_that_change_nothing_leave_the_name(play: Play) -> None:
    """The decision is still that of the policy."""
    watcher = Watcher()
    play([DOWN, GOOD], [watcher, Wrapper("look", lambda answer: answer, []), Eager()], dialect=DIALECT)
    assert [by for _, by in watcher.decisions] == ["eager"]


def test_should_retry_wrappers_may_answer_where_nobody_did(play: Play) -> None:
    """And may be the only ones who are there."""
    watcher = Watcher()
    play([DOWN, GOOD], [watcher, Wrapper("w", lambda _: TryAgain(), [])], dialect=DIALECT)
    assert watcher.decisions == [(TryAgain(), "w")]


def _yields_twice(self: Any, call: Any, error: Any) -> Any:
    yield
    yield


def _yields_never(self: Any, call: Any, error: Any) -> Any:
    if error is None:
        yield


def _yields_something(self: Any, call: Any, error: Any) -> Any:
    return (yield 5)


def _raises_before(self: Any, call: Any, error: Any) -> Any:
    raise KeyError(CANARY)
    yield


def _raises_behind(self: Any, call: Any, error: Any) -> Any:
    yield
    raise KeyError(CANARY)


def _returns_nonsense(self: Any, call: Any, error: Any) -> Any:
    yield
    return 5


@pytest.mark.parametrize(
    "wrapper",
    [_yields_twice, _yields_never, _yields_something, _raises_before, _raises_behind, _returns_nonsense],
    ids=lambda function: f"E64{function.__name__}",
)
def test_should_retry_wrappers_with_bugs_fail_the_call(play: Play, wrapper: Any) -> None:
    """As any other hook; the wrappers around it clean up at once."""
    closed: list[str] = []

    def tidy(self: Any, call: Any, error: Any) -> Any:
        try:
            return (yield)
        finally:
            closed.append("tidy")

    plugins = [
        type("Tidy", (Plugin,), {"should_retry": hookimpl(tidy, wrapper=True)})(),
        type("Bug", (Plugin,), {"name": "bug", "should_retry": hookimpl(wrapper, wrapper=True)})(),
        Eager(),
    ]
    played = play([DOWN], plugins)
    assert isinstance(played.error, PluginError)
    assert (played.error.plugin, played.error.hook) == ("bug", "should_retry")
    assert closed == ["tidy"]
    assert played.attempts == 1
    assert CANARY not in str(played.error)


def test_should_retry_wrappers_that_refuse_to_end_are_reported(play: Play, caplog: pytest.LogCaptureFixture) -> None:
    """They had their say: the failure that made them superfluous is what the consumer gets."""

    def clinging(self: Any, call: Any, error: Any) -> Any:
        try:
            yield
        finally:
            yield

    plugins = [
        type("Cling", (Plugin,), {"name": "cling", "should_retry": hookimpl(clinging, wrapper=True)})(),
        plugin("bug", should_retry=_raise),
    ]
    played = play([DOWN], plugins)
    assert isinstance(played.error, PluginError)
    assert played.error.plugin == "bug"
    assert "plugin 'cling' failed in should_retry" in caplog.text


# after_request, on_finish, on_decision

ENDINGS: list[Any] = [
    pytest.param([GOOD], {}, ["success"], "success", id="success"),
    pytest.param([DOWN], {}, ["failure"], "failure", id="failure"),
    pytest.param([DOWN, GOOD], {"should_retry": always(TryAgain())}, ["failure", "success"], "success", id="retried"),
    pytest.param(
        [], {"before_request": always(Reject(ValidationError("no")))}, ["rejected"], "rejected", id="rejected"
    ),
    pytest.param([], {"before_request": always(5)}, ["rejected"], "rejected", id="bug-before"),
    pytest.param([GOOD], {"on_event": always(5)}, ["failure"], "failure", id="bug-within"),
    pytest.param([DOWN], {"should_retry": always(5)}, ["failure"], "failure", id="bug-behind"),
    pytest.param([DOWN], {"on_error": always(5)}, ["failure"], "failure", id="bug-about-an-error"),
    pytest.param([Answer(failure=NetworkError("refused"))], {}, ["failure"], "failure", id="no-connection"),
    pytest.param([Answer(failure=RuntimeError("bug"))], {}, ["failure"], "failure", id="bug-in-the-transport"),
]


@pytest.mark.parametrize(("script", "hooks", "attempts", "call"), ENDINGS)
def test_after_request_and_on_finish_are_called_whatever_happens(
    play: Play, script: list[Answer], hooks: dict[str, Any], attempts: list[str], call: str
) -> None:
    """Once per attempt and once per call, in reverse, for plugins before and behind the one that made it end so."""
    trace: list[str] = []
    first, last = Watcher("a", trace), Watcher("b", trace)
    played = play(script, [first, plugin("p", **hooks), last], dialect=DIALECT)
    for watcher in (first, last):
        assert watcher.ended("after_request") == attempts
        assert watcher.ended("on_finish") == [call]
        assert [outcome.attempts for hook, outcome in watcher.outcomes if hook == "after_request"] == list(
            range(1, len(attempts) + 1)
        )
        assert watcher.outcomes[-1][1] == played.outcome
    ends = [entry for entry in trace if "after_request" in entry or "on_finish" in entry]
    assert [entry[0] for entry in ends] == ["b", "a"] * (len(attempts) + 1)


@pytest.mark.parametrize("leave", ["break", "exception", "interrupt"])
def test_after_request_and_on_finish_are_called_when_the_consumer_leaves(play: Play, leave: str) -> None:
    """The outcome is cancelled; there is no error, and nobody is asked about one."""

    def consume(event: Event) -> bool:
        if leave == "exception":
            raise RuntimeError("mine")
        if leave == "interrupt":
            raise KeyboardInterrupt
        return False

    watcher = Watcher("w")
    played = play([GOOD], [watcher, Eager()], dialect=DIALECT, consume=consume)
    assert watcher.ended("after_request") == watcher.ended("on_finish") == ["cancelled"]
    assert all(outcome.error is None for _, outcome in watcher.outcomes)
    assert not [entry for entry in watcher.trace if "on_error" in entry or "should_retry" in entry]
    assert played.transport.open_exchanges == 0


def test_after_request_knows_how_long_the_attempt_took(play: Play) -> None:
    """And `on_finish` the call, with its waits."""
    watcher = Watcher()
    slow = Answer(latency=2.0, body=(3.0, GOOD.body[0]))
    play([slow], [plugin("wait", before_request=always(Wait(1.0))), watcher], dialect=DIALECT)
    durations = {hook: outcome.duration for hook, outcome in watcher.outcomes}
    assert durations == {"after_request": 6.0, "on_finish": 6.0}


def test_on_decision_is_told_by_whom(play: Play) -> None:
    """Of each decision that took effect, the engine's own among them, with the name of who decided."""
    watcher = Watcher()
    plugins = [
        watcher,
        plugin("limit", before_request=lambda call, _: Wait(1.0) if call.attempt == 1 else None),
        plugin("strict", on_response=lambda call, _: Reject(OverloadedError("no")) if call.attempt == 1 else None),
        plugin("again", should_retry=always(TryAgain(2.0))),
    ]
    play([GOOD, BROKEN], plugins, dialect=DIALECT)
    assert [(type(decision).__name__, by) for decision, by in watcher.decisions] == [
        ("Wait", "limit"),
        ("Reject", "strict"),
        ("TryAgain", "again"),
        ("GiveUp", "engine"),
    ]


def test_state_lives_in_the_call(play: Play) -> None:
    """From one hook to the next and from one attempt to the next, and not beyond the call."""
    key: Key[int] = Key("n")
    seen: list[int | None] = []

    def count(call: Call, _: Any) -> None:
        seen.append(call.get(key))
        call.set(key, (call.get(key) or 0) + 1)

    counting = plugin("count", before_request=count, after_request=count)
    for _ in range(2):
        play([DOWN, GOOD], [counting, Eager()], dialect=DIALECT)
    assert seen == [None, 1, 2, 3] * 2


# wrap_transport and wrap_async_transport


class Wrapped:
    """A transport in front of another, that notes who it is."""

    def __init__(self, inner: Any, name: str, trace: list[str]) -> None:
        self._inner = inner
        self._note = lambda: trace.append(name)

    def open(self, request: Request, opening: Any) -> Any:
        self._note()
        return self._inner.open(request, opening)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)


@pytest.fixture
def wrap_hook(backend: str) -> str:
    return "wrap_transport" if backend == "sync" else "wrap_async_transport"


def test_wrap_transport_and_wrap_async_transport_are_asked_once(play: Play, wrap_hook: str) -> None:
    """When the client is built; the first plugin is outermost; the other backend's hook is not asked."""
    trace: list[str] = []

    def wrapping(name: str) -> Any:
        hooks: dict[str, Any] = dict.fromkeys(("wrap_transport", "wrap_async_transport"), pytest.fail)
        return plugin(name, **{**hooks, wrap_hook: lambda transport: Wrapped(transport, name, trace)})

    played = play([DOWN, GOOD], [wrapping("a"), wrapping("b"), Eager()], dialect=DIALECT)
    assert played.error is None
    assert trace == ["a", "b"] * 2
    assert played.transport.closed


# Bugs


def _raise(*_: Any) -> Any:
    raise KeyError(CANARY)


_coroutines: list[Coroutine[Any, Any, None]] = []


def _coroutine(*_: Any) -> Any:
    async def nothing() -> None: ...

    _coroutines.append(nothing())
    return _coroutines[-1]


@pytest.fixture(autouse=True)
def _close_coroutines() -> Any:
    yield
    while _coroutines:
        _coroutines.pop().close()


BUGS: list[Any] = [
    pytest.param(_raise, "raised KeyError", id="E64-raises"),
    pytest.param(always(5), "returned int", id="E64-wrong-type"),
    pytest.param(always(Error), "returned type", id="E64-a-class"),
    pytest.param(_coroutine, "returned coroutine", id="E64-coroutine-object"),
]


def test_the_hooks_below_are_all_hooks() -> None:
    """A hook that is added must be entered above."""
    assert {*FATAL, *CONTAINED, "wrap_transport", "wrap_async_transport"} == set(HOOKS)


@pytest.mark.parametrize("hook", FATAL)
@pytest.mark.parametrize(("bug", "what"), BUGS)
def test_E64_a_bug_fails_the_call_and_is_never_retried(play: Play, hook: str, bug: Any, what: str) -> None:
    """It names plugin and hook and has the exception as its cause, whose text it does not repeat."""
    watcher = Watcher("w")
    script = [DOWN] if hook in {"on_error", "should_retry"} else [COUNTED]
    played = play(script, [watcher, plugin("buggy", **{hook: bug}), Eager()], dialect=Counting())
    error = played.error
    assert isinstance(error, PluginError)
    assert (error.plugin, error.hook) == ("buggy", hook)
    assert error.message == f"plugin 'buggy' {what} in {hook}"
    assert (error.retryable, error.is_local, error.request_id) == (False, True, played.request_id)
    assert isinstance(error.__cause__, KeyError if what == "raised KeyError" else (type(None), ServerError))
    assert played.attempts == 1
    assert len(watcher.ended("after_request")) == len(watcher.ended("on_finish")) == 1
    assert played.transport.open_exchanges == 0
    assert CANARY.encode() not in pickle.dumps(error)
    assert CANARY not in str(error)


@pytest.mark.parametrize(
    "answer", [Wait(1), TryAgain(), GiveUp(), DROP, FINISH, True, "no"], ids=lambda it: f"E64-{it}"[:12]
)
@pytest.mark.parametrize("hook", ["on_response", "on_commit", "on_error"])
def test_E64_a_decision_in_the_wrong_place_is_a_bug(play: Play, hook: str, answer: Any) -> None:
    """It is not obeyed, and not passed over."""
    played = play([DOWN if hook == "on_error" else GOOD], [plugin("buggy", **{hook: always(answer)})], dialect=DIALECT)
    assert isinstance(played.error, PluginError)
    assert played.error.hook == hook


@pytest.mark.parametrize("hook", CONTAINED)
@pytest.mark.parametrize(("bug", "what"), BUGS)
def test_E64_a_bug_of_an_observer_is_contained_and_reported(
    play: Play, hook: str, bug: Any, what: str, caplog: pytest.LogCaptureFixture
) -> None:
    """The stream goes on, the plugins before and behind are still called, and the logger `unbroken` tells of it."""
    watchers = [Watcher("a"), Watcher("b")]
    plugins = [
        watchers[0],
        plugin("buggy", **{hook: bug}),
        watchers[1],
        plugin("wait", before_request=always(Wait(1))),
    ]
    played = play([GOOD], plugins, dialect=DIALECT)
    assert played.error is None
    assert len(played.events) == 4
    for watcher in watchers:
        assert watcher.ended("after_request") == watcher.ended("on_finish") == ["success"]
        assert len(watcher.decisions) == 1
    (record,) = [record for record in caplog.records if record.name == "unbroken"]
    assert record.levelno == logging.ERROR
    assert record.getMessage() == f"plugin 'buggy' failed in {hook}; the stream goes on"
    assert record.exc_info is not None
    assert record.exc_info[0] is (KeyError if what == "raised KeyError" else PluginError)


@pytest.mark.parametrize(("bug", "what"), BUGS)
def test_E64_a_bug_in_wrap_transport_refuses_the_client(play: Play, wrap_hook: str, bug: Any, what: str) -> None:
    """There is no call yet that could fail."""
    with pytest.raises(PluginError, match=f"plugin 'buggy' {what} in {wrap_hook}"):
        play([GOOD], [plugin("buggy", **{wrap_hook: bug})])


def test_an_interrupt_within_a_hook_is_no_bug() -> None:
    """Ctrl-C hits wherever the thread is: it cancels, and is raised as it is."""
    watcher = Watcher()

    def interrupted(call: Call, request: Request) -> None:
        raise KeyboardInterrupt

    clock = FakeClock()
    client = Client(
        [watcher, plugin("p", before_request=interrupted)],
        transport=ScriptedTransport([], clock),
        clock=clock,
    )
    with pytest.raises(KeyboardInterrupt), client.stream("GET", "https://example.org"):
        pass
    assert watcher.ended("after_request") == watcher.ended("on_finish") == ["cancelled"]


# Secrets


@pytest.mark.parametrize(
    "script",
    [
        pytest.param(Answer(status=401), id="E68-refused"),
        pytest.param(Answer(status=503), id="E68-server-error"),
        pytest.param(Answer(failure=NetworkError("refused")), id="E68-no-connection"),
        pytest.param(Answer(connect=STALL), id="E68-timeout"),
        pytest.param(Answer(body=sse(("delta", "{}"))), id="E68-truncated"),
        pytest.param(Answer(headers={"content-type": "text/html", "set-cookie": CANARY}), id="E68-no-stream"),
        pytest.param(Answer(failure=RuntimeError("bug")), id="E68-bug-in-the-transport"),
    ],
)
def test_E68_no_error_carries_what_was_sent(play: Play, script: Answer) -> None:
    """Not in its text, its attributes, its attempts, its pickle; nor does the stream show it."""
    reprs: list[str] = []
    look = plugin("look", on_finish=lambda call, outcome: reprs.extend([repr(call), repr(outcome)]))
    played = play(
        [script],
        [look],
        dialect=DIALECT,
        url=f"https://example.org/v1?key={CANARY}",
        headers={"Authorization": f"Bearer {CANARY}", "x-api-key": CANARY, "Cookie": CANARY},
        json={"prompt": CANARY},
        client={"headers": {"X-Other": CANARY}},
    )
    error = played.error
    assert isinstance(error, Error)
    assert CANARY not in f"{error}{error!r}{vars(error)}{reprs}{played.response!r}{played.requests!r}"
    assert CANARY.encode() not in pickle.dumps(error)
