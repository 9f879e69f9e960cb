"""``commit="complete"`` and checks: nothing is delivered before the answer is whole, so all of it can be retried."""

from collections.abc import Sequence
from typing import Any

import pytest

from unbroken import Client, Event, NetworkError, StreamError, TimeoutError, TruncatedStreamError
from unbroken._engine import commit_buffer
from unbroken.messages import Timeouts
from unbroken.testing import STALL, Answer, FakeClock, ScriptedTransport, sse

from ..kit import Retry, Talk

START = ("message_start", "{}")
DELTA = ("content_block_delta", '{"delta": {"text": "x"}}')
FAILED = ("error", '{"error": {"type": "overloaded_error"}}')
STOP = ("message_stop", "{}")
WHOLE = Answer(body=sse(START, DELTA, DELTA, STOP))
TYPES = ["message_start", "content_block_delta", "content_block_delta", "message_stop"]
COMPLETE = {"client": {"commit": "complete"}}

BROKEN = [
    pytest.param([sse(START, DELTA)], TruncatedStreamError, id="cut"),
    pytest.param([sse(START, DELTA), NetworkError("reset")], NetworkError, id="reset"),
    pytest.param([sse(START, DELTA), STALL], TimeoutError, id="stalled"),
    pytest.param([sse(START, DELTA, FAILED)], StreamError, id="reported"),
]


@pytest.mark.parametrize(("broken", "error"), BROKEN)
def test_a_fault_after_the_content_is_retried_unseen(talk, broken, error) -> None:
    """The consumer sees the events of one attempt only."""
    played = talk([Answer(body=broken), WHOLE], [Retry()], **COMPLETE)
    assert played.error is None
    assert (played.types, played.attempts, len(played.history)) == (TYPES, 2, 1)


@pytest.mark.parametrize(("broken", "error"), BROKEN)
def test_without_another_attempt_nothing_is_delivered(talk, broken, error) -> None:
    """One error, and no part of an answer."""
    played = talk([Answer(body=broken)], **COMPLETE)
    assert played.events == []
    assert (played.failure.phase, played.failure.delivered) == ("streaming", False)


def test_the_timeouts_are_those_of_every_stream(talk) -> None:
    """`first_event` ends with the content that is read, not with that which is delivered."""
    timeouts = Timeouts(first_event=10, idle=3)
    slow = Answer(body=[sse(START), 9.0, sse(DELTA), 2.0, sse(DELTA), 2.0, sse(DELTA), 2.0, sse(STOP)])
    assert talk([slow], timeouts=timeouts, **COMPLETE).elapsed == 15.0
    stalled = Answer(body=[sse(START, DELTA), STALL])
    assert talk([stalled], timeouts=timeouts, **COMPLETE).failure.timeout == "idle"


def test_the_time_of_the_first_content_is_that_of_the_attempt_which_succeeded(talk, spy) -> None:
    """It does not depend on the commit."""
    script = [Answer(body=[1.0, sse(START, DELTA)]), Answer(body=[2.0, sse(START, DELTA), 5.0, sse(STOP)])]
    played = talk(script, [Retry(initial_delay=4.0), spy], **COMPLETE)
    call = spy.call
    assert played.types == ["message_start", "content_block_delta", "message_stop"]
    assert (call.first_content_at - call.started_at, call.committed_at - call.started_at) == (7.0, 12.0)


def test_an_answer_that_is_too_large_to_be_held_is_one_error(talk, monkeypatch) -> None:
    """It says which setting holds it, and another attempt would not help."""
    monkeypatch.setattr(commit_buffer, "HELD_ANSWER", 1024 * 1024)
    large = ("content_block_delta", "x" * 300_000)
    played = talk([Answer(body=sse(START, large, large, large, large, STOP)), WHOLE], [Retry()], **COMPLETE)
    assert isinstance(played.error, StreamError)
    assert 'over 1 MiB, the most that commit="complete" holds' in str(played.error)
    assert (played.failure.retryable, played.failure.is_local, played.attempts) == (False, True, 1)


def test_millions_of_empty_events_are_too_large_too(talk, monkeypatch) -> None:
    """The objects count, not only their data."""
    monkeypatch.setattr(commit_buffer, "HELD_ANSWER", 1024 * 1024)
    played = talk([Answer(body=b"data:\n\n" * 50_000)], **COMPLETE)
    assert isinstance(played.error, StreamError)


def test_it_holds_more_events_than_preamble_may_have(talk) -> None:
    """The bound is in bytes alone."""
    played = talk([Answer(body=sse(START, *[DELTA] * 5000, STOP))], **COMPLETE)
    assert len(played.events) == 5002


def test_an_answer_without_terminal_events_is_complete_at_its_end(play) -> None:
    """Plain SSE; a cut is not."""
    assert play([Answer(body=[sse("a"), 1.0, sse("b")])], **COMPLETE).data == ["a", "b"]
    cut = Answer(body=[sse("a"), NetworkError("reset")])
    assert play([cut, Answer(body=sse("a", "b"))], [Retry()], **COMPLETE).data == ["a", "b"]


class Reader:
    """Reads all events of a call, in each backend, after handing a check to its stream."""

    def __init__(self, check: Any) -> None:
        self.check = check
        self.outcome: Any = None

    def __call__(self, script: Sequence[Answer], clock: FakeClock) -> list[str]:
        transport = ScriptedTransport(script, clock)
        with Client([Retry()], dialect=Talk(), transport=transport, clock=clock) as client:
            stream = client.stream("POST", "https://api.example.org/", json={"stream": True})
            stream.check(self.check)
            with stream:
                types = [event.type for event in stream]
            self.outcome = stream.outcome
            return types


def test_a_check_sees_each_complete_answer_before_it_is_delivered(fake_clock) -> None:
    """What it does not accept is the failure of the attempt, which is tried again."""
    seen: list[list[str]] = []

    def look(events: Sequence[Event]) -> None:
        seen.append([event.type for event in events])
        if len(seen) == 1:
            raise StreamError("the first one is wrong")

    reader = Reader(look)
    assert reader([Answer(body=sse(DELTA)), Answer(body=sse(DELTA, STOP)), WHOLE], fake_clock) == TYPES
    assert seen == [["content_block_delta", "message_stop"], TYPES]
    assert (reader.outcome.status, reader.outcome.attempts) == ("success", 3)


def test_a_check_belongs_to_a_stream_that_has_not_begun(play, fake_clock) -> None:
    """Later it would have missed events."""
    with Client([], transport=ScriptedTransport([WHOLE], fake_clock), clock=fake_clock) as client:
        stream = client.stream("GET", "https://api.example.org/")
        with stream, pytest.raises(RuntimeError, match="has been entered"):
            stream.check(print)


def test_a_check_that_is_wrong_itself_is_a_bug(fake_clock) -> None:
    """No policy tries that again."""

    def look(events: Sequence[Event]) -> None:
        raise ZeroDivisionError

    with pytest.raises(Exception, match="ZeroDivisionError") as caught:
        Reader(look)([WHOLE, WHOLE], fake_clock)
    assert caught.value.attempts == 1


def test_the_words_for_a_wrong_commit_name_all_three() -> None:
    """So that nobody has to look them up."""
    with pytest.raises(ValueError, match="content, first-event or complete, not 'whole'"):
        Client([], commit="whole")  # type: ignore[arg-type]
