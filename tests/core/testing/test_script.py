"""What a scripted server does, in each backend."""

import builtins
from collections.abc import Callable
from typing import Any

import pytest

from unbroken import (
    Event,
    NetworkError,
    PluginError,
    Request,
    TimeoutError,
    Timeouts,
    TryAgain,
    hookimpl,
)
from unbroken.testing import (
    STALL,
    Answer,
    AsyncScriptedTransport,
    FakeClock,
    Played,
    ScriptedTransport,
    play,
    run,
    sse,
)
from unbroken.transport import Opening

Play = Callable[..., Played]
REQUEST = Request.build("GET", "https://example.org")


# Writing events


@pytest.mark.parametrize(
    ("events", "written"),
    [
        ([], b""),
        (["hello"], b"data: hello\n\n"),
        ([""], b"data: \n\n"),
        ([("delta", {"a": 1})], b'event: delta\ndata: {"a":1}\n\n'),
        ([("delta", "two\nlines")], b"event: delta\ndata: two\ndata: lines\n\n"),
        ([("delta", "ü".encode())], "event: delta\ndata: ü\n\n".encode()),
        ([("delta", None)], b"event: delta\ndata: null\n\n"),
        ([b": raw\n", ("", 1)], b": raw\ndata: 1\n\n"),
    ],
    ids=["none", "text", "empty", "json", "lines", "bytes", "null", "raw"],
)
def test_events_are_written(events: list[Any], written: bytes) -> None:
    """As a server would."""
    assert sse(*events) == written


# Replies


def test_a_reply_is_an_empty_stream_by_default() -> None:
    """200 and the right content type."""
    assert (Answer().status, dict(Answer().headers), Answer().body) == (
        200,
        {"content-type": "text/event-stream"},
        (),
    )  # type: ignore[call-overload]
    assert Answer(body=b"abc").body == (b"abc",)
    assert Answer(body=[b"a", 1.0]).body == (b"a", 1.0)


def test_replies_are_given_in_order(play: Play) -> None:
    """Each once; what was sent, and when, is kept."""
    played = play([Answer(body=sse("a"))], method="PUT", url="https://example.org/x", headers={"x-a": "1"})
    assert [event.data for event in played.events] == ["a"]
    (request,) = played.requests
    assert (request.method, request.url, request.headers["x-a"]) == ("PUT", "https://example.org/x", "1")
    assert request.json() == {"stream": True}
    assert played.transport.sent_at == [1000.0]
    assert played.response is not None
    assert played.response.status_code == 200


def test_a_script_can_be_a_function_of_the_request(play: Play) -> None:
    """For a server that looks at what it is asked."""
    played = play(lambda request: Answer(body=sse(request.method)), method="PUT")
    assert [event.data for event in played.events] == ["PUT"]


def test_a_request_too_many_is_an_error(play: Play) -> None:
    """It is the script's, and says so in the cause."""
    played = play([])
    assert isinstance(played.error, PluginError)
    assert isinstance(played.error.__cause__, AssertionError)
    assert "no further reply" in str(played.error.__cause__)


def test_connecting_and_answering_take_time(play: Play) -> None:
    """The head is dated when it arrives."""
    played = play([Answer(connect=1.0, latency=2.0, body=(3.0, sse("a"), 4.0))])
    assert played.elapsed == 10.0
    assert played.response is not None
    assert played.response.received_at == 1_700_000_003.0


@pytest.mark.parametrize(
    ("reply", "clock", "elapsed"),
    [
        pytest.param(Answer(connect=STALL), "connect", 5.0, id="no-connection"),
        pytest.param(Answer(connect=5.5), "connect", 5.0, id="late-connection"),
        pytest.param(Answer(connect=4.0, latency=STALL), "first_event", 20.0, id="no-head"),
        pytest.param(Answer(latency=25.0), "first_event", 20.0, id="late-head"),
        pytest.param(Answer(body=[STALL]), "first_event", 20.0, id="no-event"),
        pytest.param(Answer(body=[sse("a"), STALL]), "idle", 7.0, id="idle"),
        pytest.param(Answer(body=[sse("a"), 6.0, sse("b"), 8.0]), "idle", 13.0, id="late-event"),
    ],
)
def test_clocks_run_out(play: Play, reply: Answer, clock: str, elapsed: float) -> None:
    """At the very second."""
    played = play([reply], timeouts=Timeouts(connect=5, first_event=20, idle=7))
    assert isinstance(played.error, TimeoutError)
    assert (played.error.timeout, played.elapsed) == (clock, elapsed)
    assert played.transport.open_exchanges == 0


def test_a_failure_comes_after_its_delays(play: Play) -> None:
    """In place of the head, or in the middle of the body."""
    error = NetworkError("refused")
    played = play([Answer(connect=1.0, latency=1.0, failure=error)])
    assert (played.error, played.elapsed) == (error, 2.0)
    error = NetworkError("reset")
    played = play([Answer(body=[sse("a"), b"", 1.0, error])])
    assert (played.error, len(played.events), played.elapsed) == (error, 1, 1.0)


NO_CLOCKS = Timeouts(connect=None, first_event=None, idle=None)


@pytest.mark.parametrize("reply", [Answer(connect=STALL), Answer(body=[STALL])], ids=["head", "body"])
def test_a_stall_that_nothing_ends_is_an_error(play: Play, reply: Answer, monkeypatch: pytest.MonkeyPatch) -> None:
    """And no hang: blocking code is told by the transport, async code by the runner."""
    monkeypatch.setattr("unbroken.testing.runner._GRACE", 0.02)
    monkeypatch.setattr("unbroken.testing.runner._GLANCES", 2)
    try:
        error = play([reply], timeouts=NO_CLOCKS).error
    except RuntimeError as hang:
        error = hang
    assert "would" in f"{error}{error.__cause__ if error else None}"


def test_a_read_past_the_deadline_times_out() -> None:
    """Even if bytes are there: the clock had run out before."""
    clock = FakeClock(start=0.0)
    exchange = ScriptedTransport([Answer(body=[b"a", b"b"])], clock).open(REQUEST, Opening())
    assert exchange.read(10.0) == b"a"
    clock.advance(10.0)
    with pytest.raises(builtins.TimeoutError):
        exchange.read(10.0)
    assert exchange.read(None) == b"b"
    assert exchange.read(None) == b""


@pytest.mark.parametrize(
    ("left", "reusable", "kept"),
    [
        ((), True, True),
        ((), False, False),
        ((b"",), True, True),
        ((b"x",), True, False),
        ((STALL,), True, False),
    ],
    ids=["all-read", "not-wanted", "nothing-left", "bytes-left", "not-ended"],
)
def test_a_connection_is_kept_when_its_body_was_read(left: tuple[Any, ...], reusable: bool, kept: bool) -> None:
    """And when that is wanted; in both backends alike."""
    clock = FakeClock()
    transport = ScriptedTransport([Answer(body=(b"a", *left))], clock)
    exchange = transport.open(REQUEST, Opening())
    exchange.read(None)
    assert (transport.open_exchanges, transport.exchanges[0].released) == (1, None)
    exchange.close(reusable=reusable)
    assert (transport.open_exchanges, transport.exchanges[0].released) == (0, kept)

    async def main() -> bool | None:
        transport = AsyncScriptedTransport([Answer(body=(b"a", *left))], clock)
        exchange = await transport.open(REQUEST, Opening())
        await exchange.read(None)
        if reusable:
            await exchange.aclose()
        else:
            exchange.abort()
        return transport.exchanges[0].released

    assert run(main, clock=clock) is kept


def test_the_phase_is_headers_once_the_connection_stands() -> None:
    """As the real transports say."""
    opening = Opening(connect_deadline=1001.0, deadline=1005.0)
    with pytest.raises(builtins.TimeoutError):
        ScriptedTransport([Answer(latency=9.0)], FakeClock()).open(REQUEST, opening)
    assert opening.phase == "headers"


# Playing


def test_what_the_consumer_does_is_played(play: Play) -> None:
    """It sees each event, may take its time, and may leave."""
    seen: list[str] = []

    def consume(event: Event) -> bool:
        seen.append(event.data)
        played_clock.advance(5.0)
        return event.data != "b"

    played_clock = play.keywords["clock"]  # type: ignore[attr-defined]
    played = play([Answer(body=sse("a", "b", "c"))], consume=consume)
    assert seen == ["a", "b"]
    assert (played.elapsed, played.error) == (10.0, None)
    assert played.outcome is not None
    assert played.outcome.status == "cancelled"


def test_an_error_of_the_consumer_is_returned(play: Play) -> None:
    """As every error of the call."""

    def consume(event: Event) -> None:
        raise KeyError("mine")

    assert isinstance(play([Answer(body=sse("a"))], consume=consume).error, KeyError)


def test_what_the_stream_says_of_itself_is_kept(play: Play) -> None:
    """After the call, whatever came of it."""

    class Again:
        @hookimpl
        def should_retry(self) -> TryAgain:
            return TryAgain()

    played = play([Answer(status=503), Answer(body=sse(("a", "1"), ("b", "2")))], [Again()], request_id="req_7")
    assert (played.attempts, [attempt.error for attempt in played.history]) == (2, ["ServerError"])
    assert (played.types, played.request_id, played.usage) == (["a", "b"], "req_7", None)
    assert played.transport.closed
    assert played.transport.exchanges[-1].released is True


def test_the_error_can_be_had_as_one_of_ours(play: Play) -> None:
    """For a test that goes on to its attributes; another error is a failed assertion that shows it."""
    assert play([Answer(status=503)]).failure.status_code == 503
    with pytest.raises(AssertionError, match="got None"):
        _ = play([Answer(body=sse("a"))]).failure


def test_the_data_of_the_events_is_at_hand(play: Play) -> None:
    """As text."""
    assert play([Answer(body=sse("a", ("b", {})))]).data == ["a", "{}"]


def test_playing_needs_no_fixture() -> None:
    """Blocking, on a clock of its own, with the client's own arguments."""
    played = play([Answer(body=sse("a"))], client={"headers": {"x-a": "1"}})
    assert played.requests[0].headers["x-a"] == "1"
    assert isinstance(played.clock, FakeClock)
