"""Until the first content event is handed over everything may be retried unseen; after it nothing is repeated."""

import pytest

from unbroken import (
    Event,
    GiveUp,
    NetworkError,
    OverloadedError,
    PluginError,
    Replay,
    StreamError,
    TimeoutError,
    TruncatedStreamError,
    TryAgain,
)
from unbroken.messages import Timeouts
from unbroken.testing import STALL, Answer, sse

from ..kit import Retry as RetryPolicy

START = ("message_start", {"type": "message_start", "message": {"usage": {"input_tokens": 7}}})
BLOCK = ("content_block_start", {"type": "content_block_start", "index": 0})
PING = ("ping", {"type": "ping"})
STOP = ("message_stop", {"type": "message_stop"})
ERROR = ("error", {"type": "error", "error": {"type": "overloaded_error", "message": "busy"}})


def delta(text: str) -> tuple[str, dict]:
    return (
        "content_block_delta",
        {"type": "content_block_delta", "delta": {"type": "text_delta", "text": text}},
    )


GOOD = Answer(body=sse(START, BLOCK, delta("good"), STOP))
GOOD_TYPES = ["message_start", "content_block_start", "content_block_delta", "message_stop"]


def test_preamble_is_held_until_the_first_content_event(talk, spy, fake_clock):
    """Then everything comes at once, in order; the commit is told of once, before, with the content event."""
    body = [sse(START), 5.0, sse(BLOCK, PING), 5.0, sse(delta("a")), 5.0, sse(STOP)]
    times = []
    played = talk([Answer(body=body)], [spy], consume=lambda _: times.append(fake_clock.monotonic()))
    assert played.types == [
        "message_start",
        "content_block_start",
        "ping",
        "content_block_delta",
        "message_stop",
    ]
    assert times == [1010.0, 1010.0, 1010.0, 1010.0, 1015.0]
    assert spy.call.committed_at == 1010.0
    assert [event.type for event in spy.payloads("on_commit")] == ["content_block_delta"]
    assert spy.hooks.index("on_commit") < spy.hooks.index("on_event")


@pytest.mark.parametrize(
    ("body", "error"),
    [
        pytest.param([sse(START, BLOCK, PING, ERROR)], OverloadedError, id="error-event"),
        pytest.param([sse(ERROR)], OverloadedError, id="error-event-first"),
        pytest.param([sse(START, BLOCK)], TruncatedStreamError, id="truncated"),
        pytest.param([], TruncatedStreamError, id="empty"),
        pytest.param([sse(START), NetworkError("reset")], NetworkError, id="reset"),
        pytest.param([sse(START, PING), STALL], TimeoutError, id="first-event-timeout"),
        pytest.param([sse(START), b"event: content_block_delta\ndata: {"], TruncatedStreamError, id="cut-event"),
    ],
)
def test_a_failure_before_the_commit_is_retried_unseen(talk, spy, body, error):
    """The consumer gets one clean stream; no hook sees an event of the attempt that failed."""
    played = talk([Answer(body=body), GOOD], [spy, RetryPolicy()])
    assert played.error is None
    assert played.types == GOOD_TYPES
    assert [event.type for event in spy.payloads("on_event")] == GOOD_TYPES
    assert spy.hooks.count("on_commit") == 1
    assert [(attempt.number, attempt.error) for attempt in played.history] == [(1, error.__name__)]
    assert spy.statuses("after_request") == ["failure", "success"]
    assert played.attempts == len(played.requests) == 2
    assert played.transport.open_exchanges == 0


def test_the_tokens_of_a_failed_attempt_are_not_those_of_the_next(talk):
    """Usage begins anew with each attempt."""
    played = talk([Answer(body=sse(START, ERROR)), Answer(body=sse(delta("a"), STOP))], [RetryPolicy()])
    assert played.error is None
    assert played.usage is None


@pytest.mark.parametrize(("count", "committed"), [(1024, False), (1025, True)])
def test_held_preamble_is_bounded_in_number(talk, spy, count, committed):
    """One event too many commits: what was held is delivered, and a failure after that is not retried."""
    body = [sse(*[BLOCK] * count), NetworkError("reset")]
    played = talk([Answer(body=body), GOOD], [spy, RetryPolicy()])
    assert (played.error is not None) is committed
    assert len(played.events) == (count if committed else 4)
    assert [event.type for event in spy.payloads("on_commit")] == [
        "content_block_start" if committed else "content_block_delta"
    ]


@pytest.mark.parametrize(
    "event",
    [
        pytest.param(sse(("ping", "x" * 100_000)), id="data"),
        pytest.param(b"id: " + b"i" * 100_000 + b"\n" + sse(PING), id="ids"),
    ],
)
@pytest.mark.parametrize(("count", "committed"), [(2, False), (3, True)])
def test_held_preamble_is_bounded_in_bytes(talk, event, count, committed):
    """256 KiB, with everything that an event keeps alive."""
    played = talk([Answer(body=[event * count, NetworkError("reset")]), GOOD], [RetryPolicy()])
    assert (played.error is not None) is committed
    assert len(played.events) == (count if committed else 4)


def test_commit_on_the_first_event_holds_nothing(talk, spy):
    """Preamble is delivered at once; what fails after it is not retried."""
    played = talk(
        [Answer(body=[sse(START), NetworkError("reset")])],
        [spy, RetryPolicy()],
        client={"commit": "first-event"},
    )
    assert played.types == ["message_start"]
    assert [event.type for event in spy.payloads("on_commit")] == ["message_start"]
    assert type(played.error) is NetworkError
    assert played.failure.phase == "streaming"


def test_commit_on_the_first_event_tells_of_the_first_one_even_if_it_is_a_ping(talk, spy):
    """`on_commit` has no content event to show when there is none among what is delivered first."""
    answer = Answer(body=[sse(PING, START), 1.0, sse(delta("a"), STOP)])
    played = talk([answer], [spy], client={"commit": "first-event"})
    assert played.error is None
    assert len(spy.payloads("on_commit")) == 1


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(TryAgain(0.5, reason="again"), id="retry"),
        pytest.param(Replay([Event.make("message")]), id="replay"),
    ],
)
def test_a_repetition_after_the_commit_is_refused_by_the_engine(talk, make_spy, answer):
    """The failure surfaces, the history says who decided, and observers hear of it."""
    spy = make_spy(should_retry=answer)
    played = talk([Answer(body=[sse(START, delta("a")), NetworkError("reset")]), GOOD], [spy])
    assert played.types == ["message_start", "content_block_delta"]
    assert type(played.error) is NetworkError
    assert len(played.requests) == 1
    (attempt,) = played.failure.history
    assert (attempt.decided_by, attempt.delay) == ("engine", None)
    assert attempt.reason == "the consumer already has part of the stream"
    assert spy.payloads("on_decision") == [("engine", GiveUp(reason=attempt.reason))]
    assert played.history == played.failure.history


def test_a_retry_that_resumes_is_honoured_after_the_commit(talk, make_spy, fake_clock):
    """The stream goes on where it was; the commit is not told of again, and phases and clocks are right."""
    again: list = []

    def resume(call, error):
        again.append(call.request.with_headers({"Last-Event-ID": call.last_event_id}))
        return TryAgain(2.0, request=again[0], resume=True, reason="resumed")

    spy = make_spy(should_retry=resume)
    first = Answer(body=[b"id: 7\n" + sse(delta("a")), b"id: 8\n", NetworkError("reset")])
    second = Answer(body=[sse(START), 3.0, sse(delta("b"), STOP)])
    played = talk([first, second], [spy])
    assert played.error is None
    assert played.types == ["content_block_delta", "message_start", "content_block_delta", "message_stop"]
    assert played.requests[1].headers["last-event-id"] == "7"
    assert spy.hooks.count("on_commit") == 1
    assert spy.call.committed_at == 1000.0
    assert played.elapsed == 5.0
    assert [attempt.decided_by for attempt in played.history] == ["spy"]


def test_a_resumed_stream_that_is_cut_before_an_event_is_resumed_from_the_same_place(talk, make_spy):
    """Its tokens stay counted as well."""
    cursors: list = []

    def resume(call, error):
        cursors.append((call.last_event_id, call.usage and call.usage.input_tokens))
        return TryAgain(request=call.request.with_headers({"Last-Event-ID": call.last_event_id}), resume=True)

    first = Answer(body=[sse(START) + b"id: 7\n" + sse(delta("a")), NetworkError("reset")])
    cut = Answer(body=[b"id: 8\ndata: {", NetworkError("reset")])
    played = talk([first, cut, Answer(body=[sse(delta("b"), STOP)])], [make_spy(should_retry=resume)])
    assert played.error is None
    assert cursors == [("7", 7), ("7", 7)]
    assert [request.headers.get("last-event-id") for request in played.requests] == [None, "7", "7"]


def test_a_resumed_attempt_that_fails_unseen_is_not_repeated_by_a_plain_retry(talk, make_spy):
    """What was committed stays committed, also while the resumed attempt has delivered nothing."""
    answers = iter([TryAgain(resume=True), TryAgain()])
    spy = make_spy(should_retry=lambda call, error: next(answers))
    played = talk([Answer(body=[sse(delta("a"))]), Answer(body=sse(ERROR))], [spy])
    assert played.types == ["content_block_delta"]
    assert isinstance(played.error, OverloadedError)
    assert [attempt.decided_by for attempt in played.failure.history] == ["spy", "engine"]
    assert played.failure.phase == "streaming"


@pytest.mark.parametrize(
    ("body", "cursor"),
    [
        pytest.param([b"id: 1\n" + sse(delta("a")) + b"id: 2\n" + sse(STOP)], "2", id="all"),
        pytest.param([b"id: 1\n" + sse(delta("a")), b"id: 2\n\n", NetworkError("")], "2", id="only-an-id"),
        pytest.param([b"id: 1\n" + sse(delta("a")) + b"id: 2\n" + sse(ERROR)], "1", id="error-behind"),
        pytest.param([b"id: 1\n" + sse(START), NetworkError("")], "", id="held"),
        pytest.param([b"id: 1\n" + sse(delta("a")), b"id: 2\ndata: x", NetworkError("")], "1", id="cut"),
    ],
)
def test_A10_the_cursor_is_what_was_delivered(talk, spy, body, cursor):
    """`Call.last_event_id` is fit to resume from: never past an event that the consumer did not get."""
    talk([Answer(body=body)], [spy])
    assert spy.call.last_event_id == cursor


def test_what_came_before_an_error_event_in_one_piece_is_delivered(talk):
    """The events stand, then the error surfaces."""
    played = talk([Answer(body=sse(START, delta("a"), ERROR, delta("b")))], [RetryPolicy()])
    assert played.types == ["message_start", "content_block_delta"]
    assert isinstance(played.error, OverloadedError)


def test_what_came_before_an_event_that_is_too_large_is_delivered(talk):
    """Also when both are in one piece."""
    body = [sse(delta("a")) + b"data: " + b"x" * 2000, 1.0, sse(STOP)]
    played = talk([Answer(body=body)], [RetryPolicy()], client={"max_event_size": 1000})
    assert played.types == ["content_block_delta"]
    assert isinstance(played.error, StreamError)
    assert played.failure.history[0].decided_by is None
    assert played.elapsed == 0.0


@pytest.mark.parametrize("events", [[], [Event.make("one"), Event.make("two")]], ids=["empty", "two"])
def test_a_replay_takes_the_place_of_sending(talk, make_spy, events):
    """No request, the outcome is a success, and hooks see the events."""
    spy = make_spy(before_request=Replay(events))
    played = talk([], [spy])
    assert played.error is None
    assert played.events == events
    assert (played.requests, played.outcome.status) == ([], "success")
    assert (spy.statuses("after_request"), spy.statuses("on_finish")) == (["success"], ["success"])
    assert spy.hooks.count("on_event") == len(events)
    assert spy.hooks.count("on_commit") == (1 if events else 0)


@pytest.mark.parametrize("events", [[], [Event.make("one"), Event.make("two")]], ids=["empty", "two"])
def test_a_replay_takes_the_place_of_failing(talk, make_spy, events):
    """The call is a success, the attempt was not; each is told once."""
    spy = make_spy(should_retry=Replay(events))
    played = talk([Answer(status=500)], [spy])
    assert played.error is None
    assert played.events == events
    assert (spy.statuses("after_request"), spy.statuses("on_finish")) == (["failure"], ["success"])
    assert played.outcome.status == "success"
    assert [(attempt.error, attempt.decided_by) for attempt in played.history] == [("ServerError", "spy")]


def test_leaving_a_replay_before_its_end_is_a_cancellation(talk, make_spy):
    """Even when the same event is in it twice."""
    event = Event.make("twice")
    for hook, script in (("before_request", []), ("should_retry", [Answer(status=500)])):
        spy = make_spy(**{hook: Replay([event, event])})
        played = talk(script, [spy], consume=lambda _: False)
        assert played.outcome.status == "cancelled"
        assert spy.statuses("on_finish") == ["cancelled"]
        assert spy.hooks.count("after_request") == 1


def test_a_plugin_that_fails_during_a_replay_is_an_error_like_any_other(talk, make_spy):
    """It has the request id, the phase and the history."""

    def explode(call, event):
        raise ZeroDivisionError

    spy = make_spy(should_retry=Replay([Event.make("one")]), on_event=explode)
    played = talk([Answer(status=500)], [spy], request_id="call-1")
    assert isinstance(played.error, PluginError)
    assert (played.error.request_id, played.error.phase) == ("call-1", "streaming")
    assert [attempt.error for attempt in played.error.history] == ["ServerError"]
    assert spy.statuses("on_finish") == ["failure"]


def test_phases_are_those_of_the_design(talk, make_spy):
    """Each hook sees the phase that it belongs to."""
    seen = []
    note = lambda call, payload: seen.append(call.phase)  # noqa: E731
    hooks = ("before_request", "on_response", "on_commit", "on_event", "after_request", "on_finish")
    talk([GOOD], [make_spy(**dict.fromkeys(hooks, note))], timeouts=Timeouts())
    assert seen == ["before", "headers", *["streaming"] * 5, "complete", "complete"]


def test_the_time_of_the_first_content_stays(talk, spy):
    """Neither the preamble before it nor the content after it changes that."""
    played = talk([Answer(body=[sse(START), 1.0, sse(delta("a")), 1.0, sse(delta("b")), 1.0, sse(STOP)])], [spy])
    assert played.error is None
    assert spy.call.first_content_at - spy.call.started_at == 1.0
