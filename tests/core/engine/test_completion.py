"""Complete means proven complete, and nothing can fail a complete answer."""

import pytest

from unbroken import DROP, FINISH, Dialect, NetworkError, StreamError, TruncatedStreamError
from unbroken.dialect import CONTENT, HIDDEN, PREAMBLE, TERMINAL
from unbroken.messages import Timeouts
from unbroken.testing import STALL, Answer, sse

from ..kit import Retry, Talk

START = ("message_start", {"type": "message_start"})
DELTA = ("content_block_delta", {"delta": {"type": "text_delta", "text": "a"}})
STOP = ("message_stop", {"type": "message_stop"})


@pytest.mark.parametrize(
    ("after", "kept"),
    [
        pytest.param([], True, id="C44-end"),
        pytest.param([STALL], False, id="C44-kept-open"),
        pytest.param([b"garbage"], False, id="C44-garbage"),
        pytest.param([NetworkError("reset")], False, id="C44-reset"),
        pytest.param([sse(DELTA)], False, id="C44-more-events"),
    ],
)
def test_C44_nothing_after_the_terminal_event_can_fail_the_call(talk, spy, after, kept):
    """It succeeds at once; the connection is kept only when nothing was left on it."""
    played = talk([Answer(body=[sse(START, DELTA, STOP), *after])], [spy])
    assert played.error is None
    assert played.types == ["message_start", "content_block_delta", "message_stop"]
    assert played.elapsed == 0.0
    assert played.outcome.status == "success"
    assert [exchange.released for exchange in played.transport.exchanges] == [kept]
    assert (spy.statuses("after_request"), spy.statuses("on_finish")) == (["success"], ["success"])


@pytest.mark.parametrize("garbage", [sse(DELTA), b"\xff\xfe", b"data: " + b"x" * 2000], ids=["events", "bytes", "long"])
def test_C44_nor_what_is_in_the_same_piece(talk, spy, garbage):
    """Events behind the terminal one are not delivered."""
    played = talk([Answer(body=sse(DELTA, STOP) + garbage)], [spy], client={"max_event_size": 1000})
    assert played.error is None
    assert played.types == ["content_block_delta", "message_stop"]
    assert len(spy.payloads("on_event")) == 2


class Marked(Dialect):
    """The end is a mark that is not delivered."""

    has_terminal_event = True

    def classify(self, event):
        return TERMINAL | HIDDEN if event.data == "END" else PREAMBLE if event.data == "wait" else CONTENT


@pytest.mark.parametrize("rest", [[], [STALL], [sse("more")]], ids=["end", "kept-open", "more-events"])
@pytest.mark.parametrize(
    ("body", "data"),
    [
        pytest.param([sse("wait", "a", "END")], ["wait", "a"], id="together"),
        pytest.param([sse("a"), sse("END")], ["a"], id="apart"),
        pytest.param([sse("wait"), sse("END")], ["wait"], id="without-content"),
        pytest.param([sse("END")], [], id="alone"),
        pytest.param([sse("a"), b"data: END\n"], ["a"], id="without-blank-line"),
        pytest.param([sse("a"), b"data: END"], ["a"], id="without-line-end"),
    ],
)
def test_a_hidden_mark_ends_the_stream(play, spy, body, data, rest):
    """It is proof like any terminal event, and no consumer and no plugin sees it as an event."""
    if body[-1].endswith(b"\n\n") or not rest:
        played = play([Answer(body=[*body, *rest])], [spy], dialect=Marked())
        assert (played.error, played.data, played.outcome.status) == (None, data, "success")
        assert len(spy.payloads("on_event")) == len(data)


def test_only_a_hidden_mark_may_lack_its_line_end(play):
    """Of any other event nobody knows whether it is whole (WHATWG HTML §9.2.6)."""
    for rest in (b"data: EN", b"data: more", b"data: END\ndata: more", b"id: 3", b": END"):
        played = play([Answer(body=[sse("a"), rest])], dialect=Marked())
        assert isinstance(played.error, TruncatedStreamError)


def test_C37_a_polite_end_without_the_terminal_event_is_truncation(talk):
    """After the commit it is not retried, though a new call can help; what was delivered stands."""
    played = talk([Answer(body=sse(START, DELTA))], [Retry()])
    assert played.types == ["message_start", "content_block_delta"]
    assert isinstance(played.error, TruncatedStreamError)
    assert played.error.retryable
    assert played.error.delivered
    assert played.error.phase == "streaming"
    assert [exchange.released for exchange in played.transport.exchanges] == [True]


def test_C37_before_the_commit_truncation_is_retryable(talk):
    """Without a retry policy it surfaces as such."""
    played = talk([Answer(body=sse(START))])
    assert isinstance(played.error, TruncatedStreamError)
    assert played.error.retryable
    assert played.error.phase == "first_event"
    assert played.events == []


def test_A14_an_event_that_the_end_cuts_is_not_delivered(talk):
    """Not even the terminal one."""
    played = talk([Answer(body=sse(DELTA) + sse(STOP)[:-1])])
    assert played.types == ["content_block_delta"]
    assert isinstance(played.error, TruncatedStreamError)


@pytest.mark.parametrize("body", [b"", sse("a", "b"), sse("a", "b") + b"data: cut"], ids=["empty", "two", "cut"])
def test_plain_sse_ends_with_the_body(play, spy, body):
    """A dialect without terminal events says so; then the end is the end, also of a stream without events."""
    played = play([Answer(body=body)], [spy])
    assert played.error is None
    assert played.data == (["a", "b"] if body else [])
    assert played.outcome.status == "success"
    assert [exchange.released for exchange in played.transport.exchanges] == [True]
    assert spy.statuses("on_finish") == ["success"]


def test_a_stream_of_preamble_alone_is_delivered_at_its_end(play, spy):
    """When the dialect has no terminal event that is a complete stream."""

    class Held(Dialect):
        def classify(self, event):
            return PREAMBLE if event.data == "p" else CONTENT

    played = play([Answer(body=sse("p", "p"))], [spy], dialect=Held())
    assert played.error is None
    assert played.data == ["p", "p"]
    assert spy.hooks.count("on_commit") == 1


@pytest.mark.parametrize("watched", [True, False])
def test_a_break_among_the_events_that_the_end_has_released_is_a_cancellation(play, spy, watched):
    """The body was read to its end, but a connection is not kept after an interrupt."""

    class Held(Dialect):
        def classify(self, event):
            return PREAMBLE

    plugins = [spy] if watched else []
    played = play([Answer(body=sse("p", "q", "r"))], plugins, dialect=Held(), consume=lambda event: event.data != "q")
    assert (played.data, played.outcome.status) == (["p", "q"], "cancelled")
    assert [exchange.released for exchange in played.transport.exchanges] == [False]


def test_plain_sse_that_breaks_is_an_error(play):
    """Only a polite end is one."""
    played = play([Answer(body=[sse("a"), NetworkError("reset")])])
    assert played.data == ["a"]
    assert type(played.error) is NetworkError


def test_an_event_that_was_too_large_is_told_of_at_the_end_too(play):
    """The decoder's error is not lost when the body ends right behind it."""
    played = play([Answer(body=[sse("a") + b"data: " + b"x" * 99])], client={"max_event_size": 50})
    assert played.data == ["a"]
    assert isinstance(played.error, StreamError)


def test_a_break_right_after_the_terminal_event_is_a_success(talk, spy):
    """The consumer has everything."""
    played = talk([Answer(body=[sse(START, DELTA, STOP), STALL])], [spy], consume=lambda e: e.type != "message_stop")
    assert played.outcome.status == "success"
    assert spy.statuses("after_request") == spy.statuses("on_finish") == ["success"]


@pytest.mark.parametrize("last", ["message_start", "content_block_delta"])
def test_a_break_before_it_is_a_cancellation(talk, spy, last):
    """Even when the terminal event has been received in the same piece."""
    played = talk([Answer(body=[sse(START, DELTA, STOP)])], [spy], consume=lambda e: e.type != last)
    assert played.types[-1] == last
    assert played.error is None
    assert spy.statuses("after_request") == spy.statuses("on_finish") == ["cancelled"]
    assert [exchange.released for exchange in played.transport.exchanges] == [False]


@pytest.mark.parametrize("watched", [True, False])
@pytest.mark.parametrize("left_at", [255, 256, 257])
def test_a_break_among_more_events_than_one_turn_has_is_a_cancellation(talk, spy, watched, left_at):
    """Even between two turns, when the terminal event has been received."""
    taken = []
    body = sse(*[DELTA] * 299, STOP)
    played = talk(
        [Answer(body=body)],
        [spy] if watched else [],
        consume=lambda event: taken.append(event) or len(taken) < left_at,
    )
    assert (len(taken), played.outcome.status) == (left_at, "cancelled")


def test_leaving_without_iterating_is_a_cancellation(talk, spy, fake_clock):
    """The first content event was here, and nobody took it: no commit."""
    from unbroken import Client
    from unbroken.testing import ScriptedTransport

    transport = ScriptedTransport([Answer(body=sse(START, DELTA, STOP))], fake_clock)
    with (
        Client([spy], transport=transport, clock=fake_clock, dialect=Talk()) as client,
        client.stream("POST", "https://api.example.org") as stream,
    ):
        assert stream.outcome is None
    assert stream.outcome.status == "cancelled"
    assert "on_commit" not in spy.hooks
    assert transport.open_exchanges == 0


def test_finish_ends_the_call_as_a_success(talk, make_spy):
    """The event is delivered, then nothing more is read, whether the consumer comes back or not."""
    for consume in (None, lambda event: event.type != "content_block_delta"):
        spy = make_spy(on_event=lambda call, event: FINISH if event.type == "content_block_delta" else None)
        played = talk([Answer(body=[sse(START, DELTA, DELTA), STALL])], [spy], consume=consume)
        assert played.error is None
        assert played.types == ["message_start", "content_block_delta"]
        assert spy.statuses("after_request") == spy.statuses("on_finish") == ["success"]
        assert spy.call.events == 2


def test_finish_on_an_event_that_another_plugin_drops(talk, make_spy):
    """The end is the end, though the consumer does not see the event."""
    first = make_spy("first", on_event=FINISH)
    second = make_spy("second", on_event=DROP)
    played = talk([Answer(body=[sse(START, DELTA), STALL])], [first, second])
    assert played.error is None
    assert (played.events, played.outcome.status) == ([], "success")


def test_a_dropped_terminal_event_completes_the_stream(talk, make_spy):
    """What proves completeness need not be shown."""
    spy = make_spy(on_event=lambda call, event: DROP if event.type == "message_stop" else None)
    played = talk([Answer(body=[sse(START, DELTA, STOP), STALL])], [spy])
    assert played.error is None
    assert played.types == ["message_start", "content_block_delta"]
    assert (played.outcome.status, spy.call.events) == ("success", 2)


def test_a_changed_terminal_event_is_still_the_last(talk, make_spy):
    """A break after it is a success."""
    from unbroken import Event

    spy = make_spy(on_event=lambda call, event: Event.make(f"new_{event.type}"))
    played = talk([Answer(body=sse(DELTA, STOP))], [spy], consume=lambda event: event.type != "new_message_stop")
    assert played.types == ["new_content_block_delta", "new_message_stop"]
    assert played.outcome.status == "success"


@pytest.mark.parametrize("count", [255, 256, 257, 512])
def test_success_does_not_depend_on_the_number_of_events_in_a_piece(talk, count):
    """A turn for other tasks is given between events, not behind the last one."""
    played = talk([Answer(body=sse(*[DELTA] * (count - 1), STOP))], consume=lambda event: event.type != "message_stop")
    assert len(played.events) == count
    assert played.outcome.status == "success"


def test_nothing_is_read_ahead_beyond_one_piece(talk):
    """A slow consumer is back-pressure: a piece is read when the last one has been consumed."""
    body = [sse(DELTA), sse(DELTA), sse(DELTA), sse(STOP)]
    left = []
    played = None

    def consume(_):
        left.append(len(exchanges()[0]._body))

    transports = []
    from unbroken.testing import script as scripted

    original = scripted.Playback.__init__

    def remember(self, *arguments):
        original(self, *arguments)
        transports.append(self)

    def exchanges():
        return transports

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(scripted.Playback, "__init__", remember)
        played = talk([Answer(body=body)], consume=consume)
    assert played.error is None
    assert left == [3, 2, 1, 0]


def test_the_error_of_a_failed_call_is_raised_once_more_for_who_asks_again(talk, fake_clock):
    """A part is never taken for the whole: see test_stream for all the ways to ask."""
    played = talk([Answer(body=sse(DELTA))], timeouts=Timeouts())
    assert played.outcome.error is played.error


class Soft(Talk):
    """Complete at the end of the body once there was a ``message_delta``, which may come with any event."""

    def reader(self, call):
        return SoftReader(self)


class SoftReader:
    quiet = False

    def __init__(self, dialect):
        self.dialect, self.proven = dialect, False

    def classify(self, event):
        self.proven = self.proven or event.type == "message_delta"
        return self.dialect.classify(event)

    def text(self, event):
        return self.dialect.text(event)

    def complete_at_end(self):
        return self.proven


@pytest.mark.parametrize(
    ("rest", "error"),
    [
        ("", None),
        ("event: ping\ndata: {", None),
        ("event: content_block_stop\ndata: {}\n", None),
        ('event: content_block_delta\ndata: {"delta": {"te', "TruncatedStreamError"),
        ("event: content_block_delta\ndata: {}\n", "TruncatedStreamError"),
        ('event: error\ndata: {"error": {"type": "overloaded_error"}}\n', "OverloadedError"),
    ],
)
def test_a_body_that_ends_within_a_part_of_the_answer_is_cut(talk, rest, error):
    """Though the proof has come: in such an API more may follow it. An error needs no blank line."""
    body = sse(DELTA, ("message_delta", {})) + rest.encode()
    played = talk([Answer(body=body)], dialect=Soft())
    assert (played.error and type(played.error).__name__) == error
    assert played.types[:1] == ["content_block_delta"]


def test_a_plain_stream_may_end_anywhere(talk):
    """It has no terminal event, and what is unfinished is discarded, as the standard says."""
    played = talk([Answer(body=b"data: a\n\ndata: b")], dialect=Dialect())
    assert (played.error, len(played.events)) == (None, 1)
