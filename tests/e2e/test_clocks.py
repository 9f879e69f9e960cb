"""FAULTS C40, C41, E70, E71 over real sockets: the right clock, in time, and only for its own call."""

import contextlib
import socket
import threading
import time
import tracemalloc
from typing import Any

import pytest

import unbroken
from unbroken.messages import Timeouts
from unbroken_faults import Fault, FaultServer, faults

pytestmark = pytest.mark.in_matrix

PATH = "/v1/messages"
CLOCK = 0.12


@pytest.mark.parametrize(
    ("fault", "clock"),
    [
        pytest.param(faults.silence(), "first_event", id="C40-no-headers"),
        pytest.param(faults.stall(after=0), "first_event", id="C40-after-headers"),
        pytest.param(faults.stall(after=2), "first_event", id="C40-after-preamble"),
        pytest.param(faults.stall(after=5), "idle", id="C40-after-5-events"),
        pytest.param(faults.comments(after=0, interval=0.02), "first_event", id="C40-only-comments"),
        pytest.param(faults.comments(after=5, interval=0.02), "idle", id="C40-comments-after-5"),
        pytest.param(faults.pings(after=0, interval=0.02), "first_event", id="C40-only-pings"),
        pytest.param(faults.pings(after=5, interval=0.02), "idle", id="C40-pings-after-5"),
        pytest.param(faults.drip(after=5, interval=0.02), "idle", id="C41-drip"),
        pytest.param(faults.endless_comment(), "first_event", id="A4-endless-comment"),
    ],
)
def test_silence_ends_with_the_clock_that_it_violates(caller: Any, fault: Fault, clock: Any) -> None:
    """Every byte re-arms httpx's read timeout; none re-arms these."""
    timeouts = Timeouts(**{"connect": 5, "first_event": 5, "idle": 5, clock: CLOCK})
    with FaultServer([fault]) as server:
        seen = caller.call(server.url + PATH, timeouts=timeouts)
        error = seen.failed(unbroken.TimeoutError)
        assert (error.timeout, error.seconds) == (clock, CLOCK)
        server.wait_idle()
        caller.call(server.url + PATH).succeeded()


def test_a_drip_ends_with_the_total_clock(caller: Any) -> None:
    """C41: events that come one by one, for ever."""
    fault = Fault(events=(faults.pings().insert,), times=None, interval=0.02, insert=b"data: x\n\n")
    with FaultServer([fault]) as server:
        timeouts = Timeouts(connect=5, first_event=5, idle=5, total=CLOCK)
        seen = caller.call(server.url + PATH, timeouts=timeouts)
        assert seen.failed(unbroken.TimeoutError).timeout == "total"
        server.wait_idle()


def test_the_request_itself_is_under_the_clock(caller: Any, raw: Any) -> None:
    """A server that takes no upload ends with the first-event clock, and the socket is closed at once."""
    closed = threading.Event()

    def serve(client: socket.socket, number: int) -> None:
        client.recv(1)
        time.sleep(0.4)
        client.settimeout(2)
        with contextlib.suppress(ConnectionError):
            while client.recv(1 << 20):
                pass
        closed.set()

    server = raw.server(serve)
    seen = caller.call(
        server.url,
        json=None,
        content=b"x" * 16_000_000,
        timeouts=Timeouts(connect=5, first_event=CLOCK, idle=5),
    )
    assert seen.failed(unbroken.TimeoutError).timeout == "first_event"
    assert closed.wait(5)


def test_an_upload_that_drips_is_under_the_clock(caller: Any, raw: Any) -> None:
    """A server that takes the upload spoon by spoon re-arms nothing."""

    def serve(client: socket.socket, number: int) -> None:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        while not server.stop.is_set():
            raw.some(client)
            time.sleep(0.02)

    server = raw.server(serve)
    seen = caller.call(
        server.url,
        json=None,
        content=b"x" * 16_000_000,
        timeouts=Timeouts(connect=5, first_event=CLOCK, idle=5),
    )
    assert seen.failed(unbroken.TimeoutError).timeout == "first_event"


def test_a_slow_consumer_is_no_timeout_and_costs_no_memory(caller: Any) -> None:
    """E70: the clocks run only while bytes are waited for; what waits meanwhile waits in the socket."""
    event = b"event: content_block_delta\ndata: " + b"x" * 600 + b"\n\n"
    fault = Fault(events=(faults.pings().insert,), insert=event * 10, times=1_000)
    peaks: list[int] = []
    count = [0]

    def consume(event: unbroken.Event) -> None:
        count[0] += 1
        if count[0] in {2, 5_000}:
            time.sleep(0.3)
            peaks.append(tracemalloc.get_traced_memory()[1])

    with FaultServer([fault]) as server:
        timeouts = Timeouts(connect=5, first_event=5, idle=0.2)
        stream = caller.client.stream("POST", server.url + PATH, json={"stream": True}, timeouts=timeouts)
        tracemalloc.start()
        try:
            error = _drain(caller, stream, consume)
        finally:
            tracemalloc.stop()
    assert isinstance(error, unbroken.TruncatedStreamError)
    assert count[0] == 10_001
    assert max(peaks) < 2_500_000, peaks  # of 6.4 MB sent


def _drain(caller: Any, stream: Any, consume: Any) -> Any:
    """Consume without keeping anything."""
    if caller.backend == "sync":
        try:
            with stream:
                for event in stream:
                    consume(event)
        except unbroken.Error as error:
            return error

    async def drain() -> Any:
        try:
            async with stream:
                async for event in stream:
                    consume(event)
        except unbroken.Error as error:
            return error

    return caller.run(drain)


def test_one_stalled_stream_of_a_hundred_leaves_the_others_alone(caller: Any) -> None:
    """E71: each call has its own clocks."""
    arrived = threading.Event()
    script = [faults.stall(after=5), *[faults.sliced(200, 400, delay=0.001)] * 99]
    with FaultServer(script) as server:
        short, patient = Timeouts(connect=30, first_event=30, idle=0.3), Timeouts(connect=30, first_event=30, idle=30)
        stalled = caller.start(server.url + PATH, lambda _: arrived.set(), timeouts=short)
        arrived.wait()
        others = [caller.start(server.url + PATH, timeouts=patient) for _ in range(99)]
        assert stalled.result(30).failed(unbroken.TimeoutError).timeout == "idle"
        for other in others:
            other.result(60).succeeded()
