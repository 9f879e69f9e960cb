"""A failure that the consumer finds, in a text or by assembling, is the call's: all see it as they see any other."""

import traceback

import pytest

from unbroken import Client, Dialect, Error, NetworkError, RateLimitError, StreamError, TryAgain
from unbroken.errors import ValidationError
from unbroken.messages import Event
from unbroken.testing import Answer, FakeClock, ScriptedTransport, sse

from ..kit import Retry

START = ("message_start", {"type": "message_start"})
DELTA = ("content_block_delta", {"delta": {"type": "text_delta", "text": "a"}})
BROKEN = ("content_block_delta", "{not json")
STOP = ("message_stop", {"type": "message_stop"})
BODY = sse(START, DELTA, BROKEN, DELTA, STOP)


@pytest.mark.parametrize("cut", [False, True], ids=["whole", "in-pieces"])
@pytest.mark.parametrize("watched", [False, True], ids=["", "watched"])
def test_data_that_is_no_json_is_the_failure_of_the_call(talk, make_spy, cut, watched):
    """Outcome, history, request id and all plugins say so; it is not retried, whatever the policies think."""

    class Eager(Retry):
        def should_retry(self, call, error):
            raise AssertionError("nobody is asked")

    spy = make_spy()
    eager = Eager()
    if watched:
        eager = type("Watching", (Eager,), {"on_event": lambda *_: None})()
    body = [BODY[at : at + 7] for at in range(0, len(BODY), 7)] if cut else BODY
    played = talk([Answer(body=body)], [spy, eager], consume=Event.json)
    assert type(played.error) is StreamError
    assert played.outcome.status == "failure"
    assert played.outcome.error is played.error
    assert [(each.number, each.error, each.decided_by) for each in played.error.history] == [
        (1, "StreamError", "engine")
    ]
    assert "the consumer found the failure" in played.error.history[0].reason
    assert (played.error.attempts, played.error.phase, played.error.delivered) == (1, "streaming", True)
    assert (spy.statuses("after_request"), spy.statuses("on_finish")) == (["failure"], ["failure"])
    assert spy.payloads("on_error") == [played.error]
    assert [exchange.released for exchange in played.transport.exchanges] == [False]


def raising(error, at):
    def consume(event):
        if event.type == at:
            raise error

    return consume


@pytest.mark.parametrize(
    ("error", "status"),
    [
        pytest.param(lambda: StreamError("x"), "failure", id="without-an-id"),
        pytest.param(lambda: StreamError("x", request_id="another"), "cancelled", id="another-calls"),
        pytest.param(lambda: ValidationError("x"), "cancelled", id="of-no-call"),
        pytest.param(lambda: ValueError("x"), "cancelled", id="the-consumers-own"),
        pytest.param(KeyboardInterrupt, "cancelled", id="interrupt"),
    ],
)
def test_only_an_error_of_this_call_is_its_failure(talk, error, status):
    """Another call of the same block may fail, and the consumer may raise what it likes."""
    error = error()
    played = talk([Answer(body=BODY)], consume=raising(error, "content_block_delta"))
    assert played.error is error
    assert played.outcome.status == status


def test_the_last_event_may_show_the_failure(talk):
    """What is missing from an answer is known only then: the consumer has not asked for more."""
    error = StreamError("no stop reason")
    played = talk([Answer(body=sse(DELTA, STOP))], consume=raising(error, "message_stop"))
    assert (played.error, played.outcome.status) == (error, "failure")


def test_after_the_end_nothing_changes_the_outcome():
    """The outcome is decided and told."""
    clock = FakeClock()
    transport = ScriptedTransport([Answer(body=b"data: a\n\n")], clock)
    with Client([], clock=clock, transport=transport) as client:
        stream = client.stream("GET", "https://example.org")
        with pytest.raises(StreamError), stream:  # noqa: PT012
            list(stream)
            raise StreamError("too late", request_id=stream.request_id)
    assert stream.outcome.status == "success"


def test_an_error_before_the_first_event_is_taken_counts():
    """The stream is entered, and the consumer finds its head wrong."""
    clock = FakeClock()
    transport = ScriptedTransport([Answer(body=b"data: a\n\n")], clock)
    with Client([], clock=clock, transport=transport) as client:
        stream = client.stream("GET", "https://example.org")
        with pytest.raises(RateLimitError), stream:
            raise RateLimitError("x", request_id=stream.request_id)
    assert (stream.outcome.status, stream.history[0].error) == ("failure", "RateLimitError")


def test_a_plugin_may_replace_the_failure(talk, make_spy):
    """Then the consumer sees the other one, as always."""
    other = NetworkError("replaced")
    spy = make_spy(on_error=other, should_retry=TryAgain(0))
    played = talk([Answer(body=BODY)], [spy], consume=Event.json)
    assert played.error is other
    assert played.outcome.error is other
    assert isinstance(other.__context__, Error)
    assert spy.payloads("should_retry") == []


def test_the_traceback_is_the_consumers():
    """No frame of the engine is added to it."""
    clock = FakeClock()
    transport = ScriptedTransport([Answer(body=b"data: {\n\n")], clock)
    with Client([], clock=clock, transport=transport) as client:
        stream = client.stream("GET", "https://example.org")
        with pytest.raises(StreamError) as caught, stream:
            next(iter(stream)).json()
    names = [frame.name for frame in traceback.extract_tb(caught.value.__traceback__)]
    assert names == ["test_the_traceback_is_the_consumers", "json", "_mended_json"]


def test_text_that_cannot_be_read_is_the_failure_of_the_call():
    """The iterator of the text is a consumer like any other."""

    class Texts(Dialect):
        def text(self, event: Event) -> str | None:
            return event.json()

    clock = FakeClock()
    transport = ScriptedTransport([Answer(body=sse('"a"', "{"))], clock)
    with Client([], clock=clock, transport=transport, dialect=Texts()) as client:
        stream = client.stream("GET", "https://example.org")
        with pytest.raises(StreamError), stream:
            list(stream.text())
    assert stream.outcome.status == "failure"
