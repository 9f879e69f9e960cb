"""Decisions that are only reported, and timeouts that are only tried out: the call goes on as if there were none."""

import anyio
import attrs
import pytest

from unbroken import (
    AsyncClient,
    GiveUp,
    NetworkError,
    Plugin,
    Reject,
    Replay,
    ServerError,
    TimeoutError,
    Timeouts,
    TryAgain,
    ValidationError,
    Wait,
    hookimpl,
)
from unbroken.messages import Event
from unbroken.testing import STALL, Answer, AsyncScriptedTransport, FakeClock, run, sse

from ..kit import Talk

CONTENT = ("content_block_delta", "{}")
GOOD = Answer(body=sse(CONTENT, CONTENT, ("message_stop", "{}")))


def of(hook, decision):
    """A plugin that always answers `decision` in one hook."""

    def answer(self, call):
        return decision

    return type("Shady", (Plugin,), {"name": "shady", hook: answer})()


@pytest.mark.parametrize(
    ("hook", "make"),
    [
        ("before_request", lambda: Wait(5.0, shadow=True)),
        ("before_request", lambda: Wait(1e6, shadow=True)),
        ("before_request", lambda: Reject(ValidationError("no"), shadow=True)),
        ("before_request", lambda: Replay((), shadow=True)),
        ("on_response", lambda: Reject(ValidationError("no"), shadow=True)),
        ("on_event", lambda: Reject(ValidationError("no"), shadow=True)),
    ],
    ids=["wait", "wait-past-the-deadline", "reject", "replay", "on-response", "on-event"],
)
def test_a_decision_in_shadow_is_reported_and_ignored(play, make_spy, hook, make):
    """The call is the same to the last bit."""
    spy, decision = make_spy(), make()
    played = play([GOOD], [of(hook, decision), spy], dialect=Talk(), timeouts=Timeouts(total=100))
    assert (played.error, played.elapsed, len(played.events)) == (None, 0.0, 3)
    told = spy.payloads("on_decision")
    assert told == [("shady", decision)] * (3 if hook == "on_event" else 1)
    if isinstance(decision, Reject):
        assert decision.error.is_local


@pytest.mark.parametrize(
    "decision",
    [TryAgain(1.0, shadow=True), GiveUp(shadow=True), Replay((), shadow=True)],
    ids=["try-again", "give-up", "replay"],
)
def test_a_decision_in_shadow_about_a_failure_leaves_it_to_the_others(play, make_spy, decision):
    """To the next plugin, and if there is none, the failure is raised."""
    spy = make_spy()
    played = play([Answer(status=503)], [of("should_retry", decision), spy])
    assert isinstance(played.error, ServerError)
    assert (played.attempts, played.elapsed) == (1, 0.0)
    assert spy.payloads("on_decision") == [("shady", decision)]
    assert [attempt.decided_by for attempt in played.history] == [None]
    spy = make_spy(should_retry=lambda call, _: TryAgain(2.0) if call.attempt == 1 else None)
    played = play([Answer(status=503), GOOD], [of("should_retry", decision), spy], dialect=Talk())
    assert (played.error, played.elapsed) == (None, 2.0)
    assert [by for by, _ in spy.payloads("on_decision")] == ["shady", "spy"]


def test_a_wrapper_in_shadow_changes_nothing_either(play, make_spy):
    """The inner decision stays, with its author."""

    class Wrapper(Plugin):
        name = "wrapper"

        @hookimpl(wrapper=True)
        def should_retry(self, call, error):
            yield
            return GiveUp(shadow=True)

    spy = make_spy(should_retry=lambda call, _: TryAgain(2.0) if call.attempt == 1 else None)
    played = play([Answer(status=503), GOOD], [Wrapper(), spy], dialect=Talk())
    assert (played.error, played.elapsed) == (None, 2.0)
    assert [by for by, _ in spy.payloads("on_decision")] == ["wrapper", "spy"]


# Timeouts


def tried(play, spy, script, timeouts, **options):
    """Play `script` with timeouts in shadow; return the call and what would have expired."""
    played = play(script, [spy], dialect=Talk(), timeouts=attrs.evolve(timeouts, shadow=True), **options)
    decisions = [decision for by, decision in spy.payloads("on_decision") if by == "engine"]
    expired = [decision.error for decision in decisions if isinstance(decision, Reject)]
    assert all(decision.shadow for decision in decisions if isinstance(decision, Reject))
    assert all(isinstance(error, TimeoutError) and not error.is_local for error in expired)
    return played, [(error.timeout, error.seconds) for error in expired]


START, STOP = sse(CONTENT), sse(("message_stop", "{}"))


@pytest.mark.parametrize(
    ("answer", "timeouts", "expected"),
    [
        (Answer(body=(START, STOP)), Timeouts(connect=1, first_event=1, idle=1, total=1), []),
        (Answer(connect=2.0, body=(START, STOP)), Timeouts(connect=1), [("connect", 1)]),
        (
            Answer(connect=2.0, latency=3.0, body=(START, STOP)),
            Timeouts(connect=3, first_event=5),
            [("first_event", 5)],
        ),
        (Answer(connect=2.0, latency=3.0, body=(START, STOP)), Timeouts(connect=3, first_event=6), []),
        (Answer(latency=3.0, body=(START, STOP)), Timeouts(total=2), [("total", 2)]),
        (Answer(body=(4.0, START, STOP)), Timeouts(first_event=3), [("first_event", 3)]),
        (Answer(body=(START, 4.0, STOP)), Timeouts(idle=3), [("idle", 3)]),
        (Answer(body=(START, 2.0, START, 2.0, STOP)), Timeouts(idle=3), []),
        (Answer(body=(START, 4.0, START, 4.0, STOP)), Timeouts(idle=3), [("idle", 3)]),
        (Answer(body=(START, 2.0, sse(("ping", "{}")), 2.0, STOP)), Timeouts(idle=3), [("idle", 3)]),
        (Answer(body=(START, 4.0, START, 4.0, STOP)), Timeouts(total=6), [("total", 6)]),
    ],
)
def test_a_timeout_that_is_tried_out_is_reported_and_ends_nothing(play, make_spy, answer, timeouts, expected):
    """The first of an attempt: it would have ended it."""
    played, expired = tried(play, make_spy(), [answer], timeouts)
    assert (played.error, expired) == (None, expected)


def test_meanwhile_the_defaults_are_enforced(play, make_spy):
    """A stream that stalls ends after 60 s, and would have after 30."""
    played, expired = tried(play, make_spy(), [Answer(body=(START, STALL))], Timeouts(idle=30))
    assert isinstance(played.error, TimeoutError)
    assert (played.error.timeout, played.elapsed, expired) == ("idle", 60.0, [("idle", 30)])


def test_a_connection_that_fails_after_the_timeout_would_have_been_given_up(play, make_spy):
    """However it fails."""
    answer = Answer(connect=2.0, failure=NetworkError("refused"))
    played, expired = tried(play, make_spy(), [answer], Timeouts(connect=1))
    assert isinstance(played.error, NetworkError)
    assert expired == [("connect", 1)]


def test_a_total_timeout_that_is_tried_out_is_reported_once_per_call(play, make_spy):
    """It would have ended the call, so that there had been no other attempt."""
    spy = make_spy(should_retry=lambda call, _: TryAgain(8.0) if call.attempt < 3 else None)
    script = [Answer(latency=1.0, status=503), Answer(status=503), Answer(body=(START, STOP))]
    played, expired = tried(play, spy, script, Timeouts(total=5))
    assert (played.error, played.elapsed, expired) == (None, 17.0, [("total", 5)])


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_a_consumer_that_leaves_a_silent_stream_would_have_had_a_timeout_before(make_spy, backend):
    """The task is cancelled during the read."""
    clock, spy = FakeClock(), make_spy()
    transport = AsyncScriptedTransport([Answer(body=(START, STALL))], clock)
    client = AsyncClient([spy], transport=transport, clock=clock, dialect=Talk())

    async def main():
        with anyio.move_on_after(45.0):
            async with client.stream("POST", "https://x.org/", timeouts=Timeouts(idle=30, shadow=True)) as stream:
                async for _ in stream:
                    pass

    run(main, clock=clock, backend=backend)
    assert [decision.error.timeout for _, decision in spy.payloads("on_decision")] == ["idle"]


def test_replayed_events_try_nothing_out(play, make_spy):
    """Nothing is sent, so nothing is waited for."""
    spy = make_spy(before_request=Replay([Event(*CONTENT), Event("message_stop", b"{}")]))
    played, expired = tried(play, spy, [], Timeouts(idle=1))
    assert (played.error, expired) == (None, [])
