"""FAULTS A, C and D in virtual time: what the scripted transport can show of bytes and connections."""

import pytest

from unbroken import (
    Error,
    EventTooLargeError,
    NetworkError,
    OverloadedError,
    RateLimitError,
    ServerError,
    TimeoutError,
    TruncatedStreamError,
)
from unbroken.testing import STALL, Answer, sse
from unbroken_anthropic import Anthropic
from unbroken_retry import Retry
from unbroken_timeout import Timeout

START = ("message_start", {"type": "message_start"})
DELTA = ("content_block_delta", {"delta": {"type": "text_delta", "text": "a"}})
PING = ("ping", {"type": "ping"})
STOP = ("message_stop", {"type": "message_stop"})
GOOD = Answer(body=sse(START, DELTA, STOP))


def error_event(kind: str) -> tuple[str, dict]:
    return ("error", {"type": "error", "error": {"type": kind, "message": "words"}})


@pytest.fixture
def ask(play):
    """A call with the policies that everybody has, in the Anthropic dialect."""

    def ask(script, **arguments):
        plugins = [Timeout(connect=5, first_event=60, idle=60), Retry(initial_delay=1.0, jitter=0)]
        return play(script, plugins, **{"dialect": Anthropic(), **arguments})

    return ask


@pytest.mark.parametrize(
    "body",
    [
        pytest.param([b"data: ", *[b"x" * 65_536] * 20_000], id="A1-one-line"),
        pytest.param([b"data: " + b"x" * 65_530 + b"\n"] * 20_000, id="A2-lines"),
    ],
)
def test_A1_an_event_without_end_is_refused_at_the_limit(ask, body):
    """A gigabyte is offered, 16 megabytes are read; the connection is closed, nothing is retried."""
    played = ask([Answer(body=body)])
    assert isinstance(played.error, EventTooLargeError)
    assert played.error.limit == 16 * 1024 * 1024
    assert len(played.transport.exchanges[0]._body) > 20_000 - 260
    assert [exchange.released for exchange in played.transport.exchanges] == [False]


@pytest.mark.parametrize("line", [b": comment\n", b":" + b"x" * 65_536, b"unknown: " + b"x" * 65_536 + b"\n"])
def test_A3_endless_comments_are_stopped_by_the_idle_clock(ask, line):
    """They take no memory and are no progress."""
    played = ask([Answer(body=[sse(DELTA), *[1.0, line] * 1000])])
    assert isinstance(played.error, TimeoutError)
    assert (played.error.timeout, played.elapsed) == ("idle", 60.0)


@pytest.mark.parametrize("line", [b": comment\n", sse(PING)], ids=["A3-comments", "C40-pings"])
def test_A3_and_before_the_first_event_by_that_clock(ask, line):
    """Each attempt gets its 60 seconds, then the back-off; the second of them is the last."""
    played = ask(lambda _: Answer(body=[1.0, line] * 1000))
    assert isinstance(played.error, TimeoutError)
    assert played.error.timeout == "first_event"
    assert played.elapsed == 2 * 60 + 1


@pytest.mark.parametrize(
    ("reply", "kind", "clock", "seconds"),
    [
        pytest.param(Answer(failure=NetworkError("refused")), NetworkError, None, 0.0, id="C34-refused"),
        pytest.param(Answer(connect=0.5, failure=NetworkError("DNS")), NetworkError, None, 0.5, id="C34-dns"),
        pytest.param(Answer(connect=STALL), TimeoutError, "connect", 5.0, id="C34-black-hole"),
        pytest.param(
            Answer(latency=1.0, failure=NetworkError("reset")),
            NetworkError,
            None,
            1.0,
            id="C35-before-headers",
        ),
        pytest.param(Answer(body=[1.0, NetworkError("reset")]), NetworkError, None, 1.0, id="C35-before-content"),
        pytest.param(
            Answer(body=[sse(START), NetworkError("bad chunk")]),
            NetworkError,
            None,
            0.0,
            id="C36-before-content",
        ),
        pytest.param(Answer(body=sse(START)), TruncatedStreamError, None, 0.0, id="C37-before-content"),
    ],
)
def test_C34_a_failure_before_the_first_event_is_retried(ask, reply, kind, clock, seconds):
    """Three times, then it surfaces with its history; one that passes is never seen."""
    played = ask([reply, GOOD])
    assert played.error is None
    assert played.types == ["message_start", "content_block_delta", "message_stop"]
    assert played.elapsed == seconds + 1.0
    lasting = ask(lambda _: reply)
    assert type(lasting.error) is kind
    assert getattr(lasting.error, "timeout", None) == clock
    assert lasting.elapsed == 4 * seconds + 7.0
    assert [attempt.error for attempt in lasting.error.history] == [kind.__name__] * 4
    assert lasting.transport.open_exchanges == 0


@pytest.mark.parametrize(
    ("end", "kind"),
    [
        pytest.param([NetworkError("reset")], NetworkError, id="C35-reset"),
        pytest.param([b"event: content_bl", NetworkError("short body")], NetworkError, id="C36-short-body"),
        pytest.param([], TruncatedStreamError, id="C37-polite"),
        pytest.param([b"event: message_stop\ndata: {}\n"], TruncatedStreamError, id="C37-cut"),
        pytest.param([sse(("message_delta", {}))], TruncatedStreamError, id="C37-almost"),
    ],
)
def test_C35_after_the_first_event_nothing_is_started_again(ask, end, kind):
    """The error surfaces, what was delivered stands."""
    played = ask([Answer(body=[sse(START, DELTA), *end])])
    assert type(played.error) is kind
    assert played.types[:2] == ["message_start", "content_block_delta"]
    assert len(played.requests) == len(played.error.history) == 1
    assert played.error.phase == "streaming"


@pytest.mark.parametrize("cut", range(1, len(sse(DELTA, STOP))))
def test_C37_wherever_the_stream_is_cut_it_is_not_taken_for_complete(cut):
    """Every byte of it."""
    from unbroken.testing import play

    whole = sse(DELTA, STOP)
    played = play([Answer(body=whole[:cut])], dialect=Anthropic())
    assert isinstance(played.error, TruncatedStreamError)
    assert len(played.events) == (cut >= len(sse(DELTA)))


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("overloaded_error", OverloadedError),
        ("api_error", ServerError),
        ("rate_limit_error", RateLimitError),
        ("new", ServerError),
    ],
)
@pytest.mark.parametrize("before", [(), (START,), (START, PING)], ids=["D47-first", "D47-start", "D47-ping"])
def test_D47_an_error_event_before_content_is_retried_unseen(ask, kind, expected, before):
    """And is the class of its HTTP twin when it stays."""
    reply = Answer(body=sse(*before, error_event(kind)))
    played = ask([reply, GOOD])
    assert played.error is None
    assert played.types == ["message_start", "content_block_delta", "message_stop"]
    assert [attempt.error for attempt in played.history] == [expected.__name__]
    assert type(ask(lambda _: reply).error) is expected


def test_D47_an_error_event_that_trying_again_cannot_cure_is_not_retried(ask):
    """As its twin would not be."""
    played = ask([Answer(body=sse(START, error_event("invalid_request_error")))])
    assert isinstance(played.error, Error)
    assert not played.error.retryable
    assert played.events == []


@pytest.mark.parametrize("apart", [True, False], ids=["D48-apart", "D48-in-one-piece"])
def test_D48_an_error_event_after_content_surfaces(ask, apart):
    """No retry, and the delivered events stand."""
    first, second = sse(START, DELTA), sse(error_event("overloaded_error"), DELTA, STOP)
    played = ask([Answer(body=[first, 1.0, second] if apart else first + second)])
    assert isinstance(played.error, OverloadedError)
    assert played.types == ["message_start", "content_block_delta"]
    assert len(played.requests) == 1
    assert (played.error.phase, played.error.status_code) == ("streaming", None)


@pytest.mark.parametrize(
    "event",
    [
        pytest.param(("content_block_delta", {"delta": {"type": "new_delta"}}), id="D46-delta"),
        pytest.param(("something_new", {"a": 1}), id="D46-event"),
        pytest.param(("content_block_start", {"content_block": {"type": "new_block"}}), id="D46-block"),
    ],
)
def test_D46_what_is_not_known_is_passed_through(ask, event):
    """Streams grow."""
    played = ask([Answer(body=sse(START, event, DELTA, STOP))])
    assert played.error is None
    assert played.types == ["message_start", event[0], "content_block_delta", "message_stop"]
