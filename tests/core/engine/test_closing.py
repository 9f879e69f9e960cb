"""FAULTS G82: closing a client ends whatever waits in it, at once, and says so; G83: so does using it afterwards."""

import threading

import anyio
import pytest

from unbroken import AsyncClient, Client, NetworkError, Plugin, SystemClock, TryAgain, Wait
from unbroken.messages import Timeouts
from unbroken.testing import Answer, AsyncScriptedTransport, FakeClock, ScriptedTransport, run, sse

URL = "https://api.example.org/v1"
DOWN = Answer(status=503)
HOUR = 3600.0


@pytest.fixture(params=["asyncio", "trio"])
def async_backend(request):
    return request.param


class Waiting(Plugin):
    """Has every call wait for an hour: before it is sent, or before it is tried again."""

    name = "waiting"

    def __init__(self, where):
        super().__init__()
        self.where = where
        self.reached = threading.Event()
        self.outcomes = []

    def before_request(self, call, request):
        if self.where == "limiter":
            self.reached.set()
            return Wait(HOUR)
        return None

    def should_retry(self, call, error):
        if self.where == "back-off" and not error.is_local:
            self.reached.set()
            return TryAgain(HOUR)
        return None

    def on_finish(self, call, outcome):
        self.outcomes.append(outcome.status)


def expect_closed(error):
    assert type(error) is NetworkError
    assert (error.message, error.is_local, error.retryable) == ("the client is closed", True, False)
    assert error.request_id


def consumed(stream):
    try:
        with stream:
            return list(stream)
    except NetworkError as error:
        return error


async def aconsumed(stream):
    try:
        async with stream:
            return [event async for event in stream]
    except NetworkError as error:
        return error


where = pytest.mark.parametrize("where", [pytest.param(name, id=f"G82-{name}") for name in ("limiter", "back-off")])


@where
def test_G82_a_wait_in_another_thread_ends(where):
    """On the clock of the machine: it would last an hour."""
    plugin, seen = Waiting(where), []
    client = Client([plugin], transport=ScriptedTransport(lambda _: DOWN, FakeClock()))
    threads = [
        threading.Thread(target=lambda: seen.append(consumed(client.stream("POST", URL))), daemon=True)
        for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    while len(client._setup.closing._wakes) < 3:
        threading.Event().wait(0.001)
    client.close()
    for thread in threads:
        thread.join(60)
    assert len(seen) == 3
    for error in seen:
        expect_closed(error)
    assert plugin.outcomes == ["rejected" if where == "limiter" else "failure"] * 3
    assert client._setup.closing._wakes == {}


@where
def test_G82_a_wait_in_another_task_ends(where, async_backend):
    """In virtual time, and none of it passes."""
    clock, plugin, seen = FakeClock(), Waiting(where), []
    client = AsyncClient([plugin], transport=AsyncScriptedTransport(lambda _: DOWN, clock), clock=clock)

    async def call():
        seen.append(await aconsumed(client.stream("POST", URL)))

    async def main():
        async with anyio.create_task_group() as group:
            for _ in range(3):
                group.start_soon(call)
            await anyio.sleep(1.0)
            await client.aclose()

    run(main, clock=clock, backend=async_backend)
    assert clock.monotonic() == 1001.0
    assert len(seen) == 3
    for error in seen:
        expect_closed(error)
    assert client._setup.closing._wakes == {}


@where
def test_G82_a_wait_in_another_event_loop_ends(where, async_backend):
    """In a thread of its own, on the clock of the machine."""
    plugin, seen = Waiting(where), []
    client = AsyncClient([plugin], transport=AsyncScriptedTransport(lambda _: DOWN, FakeClock()), clock=SystemClock())

    async def call():
        seen.append(await aconsumed(client.stream("POST", URL)))

    thread = threading.Thread(target=lambda: anyio.run(call, backend=async_backend), daemon=True)
    thread.start()
    while not client._setup.closing._wakes:
        threading.Event().wait(0.001)
    anyio.run(client.aclose)
    thread.join(60)
    (error,) = seen
    expect_closed(error)


def test_G82_a_clock_of_ones_own_is_asked_to_sleep_and_the_end_is_seen_behind_it(fake_clock):
    """It cannot be woken; virtual time lasts no longer for that."""
    plugin = Waiting("back-off")
    transport = ScriptedTransport([DOWN], fake_clock)
    client = Client([plugin], transport=transport, clock=fake_clock)
    sleep = fake_clock.sleep
    fake_clock.sleep = lambda seconds: (sleep(seconds), client.close())
    expect_closed(consumed(client.stream("POST", URL)))
    assert len(transport.requests) == 1


def test_G82_an_interrupt_during_the_wait_leaves_nothing(monkeypatch):
    """And the next call waits as if nothing had been."""
    plugin = Waiting("limiter")
    client = Client([plugin], transport=ScriptedTransport(lambda _: DOWN, FakeClock()))

    class Interrupted:
        def acquire(self, timeout=0.0):
            if timeout:
                raise KeyboardInterrupt

        def release(self):
            raise AssertionError

    with monkeypatch.context() as patch:
        patch.setattr(threading, "Lock", Interrupted)
        with pytest.raises(KeyboardInterrupt):
            consumed(client.stream("POST", URL))
    assert client._setup.closing._wakes == {}
    assert plugin.outcomes == ["cancelled"]


def test_G82_a_waiter_that_is_gone_stops_no_other():
    """Its lock is open, or its loop is over."""
    closing, woken = Client([])._setup.closing, []

    def gone():
        raise RuntimeError("Event loop is closed")

    closing._wakes.update({"gone": gone, "there": lambda: woken.append(True)})
    closing.close()
    assert woken == [True]


def test_G82_the_client_was_closed_just_before_the_wait(async_backend):
    """Whoever comes between the look and the wait is seen."""
    clock = FakeClock()
    client = Client([Waiting("limiter")], transport=ScriptedTransport([], clock))
    closing = client._setup.closing
    closing.closed = True
    with pytest.raises(NetworkError, match="closed"):
        closing.sleep(SystemClock(), HOUR)
    with pytest.raises(NetworkError, match="closed"):
        run(closing.asleep, clock, HOUR, clock=clock, backend=async_backend)
    assert clock.slept == []


def test_G83_a_call_begun_after_the_client_was_closed(fake_clock):
    """It is refused before any plugin is asked, and the transport neither."""
    plugin = Waiting("limiter")
    transport = ScriptedTransport([], fake_clock)
    client = Client([plugin], transport=transport, clock=fake_clock)
    stream = client.stream("POST", URL)
    client.close()
    client.close()
    expect_closed(consumed(stream))
    expect_closed(consumed(client.stream("POST", URL)))
    assert transport.requests == []
    assert plugin.outcomes == ["rejected"] * 2


def test_G83_an_async_call_begun_after_the_client_was_closed(async_backend):
    clock = FakeClock()
    transport = AsyncScriptedTransport([], clock)
    client = AsyncClient([], transport=transport, clock=clock)

    async def main():
        await client.aclose()
        expect_closed(await aconsumed(client.stream("POST", URL)))

    run(main, clock=clock, backend=async_backend)
    assert transport.requests == []


BODY = [sse("one", "two"), 1.0, sse("three")]


def test_G83_a_stream_that_is_used_after_its_client_was_closed(fake_clock):
    """What is here is delivered; what would have to be read is refused."""
    transport = ScriptedTransport([Answer(body=BODY)], fake_clock)
    client = Client([], transport=transport, clock=fake_clock)
    got = []

    def consume():
        with client.stream("POST", URL) as stream:
            for event in stream:
                got.append(event.data)
                client.close()

    with pytest.raises(NetworkError) as caught:
        consume()
    expect_closed(caught.value)
    assert (got, caught.value.delivered, transport.open_exchanges) == (["one", "two"], True, 0)


def test_G83_an_async_stream_that_is_used_after_its_client_was_closed(async_backend):
    clock = FakeClock()
    transport = AsyncScriptedTransport([Answer(body=BODY)], clock)
    client = AsyncClient([], transport=transport, clock=clock)
    got = []

    async def consume():
        async with client.stream("POST", URL) as stream:
            async for event in stream:
                got.append(event.data)
                await client.aclose()

    with pytest.raises(NetworkError) as caught:
        run(consume, clock=clock, backend=async_backend)
    expect_closed(caught.value)
    assert (got, transport.open_exchanges) == (["one", "two"], 0)


class Broken(ScriptedTransport):
    """Fails in its own way when the client is closed during the call."""

    def open(self, request, opening):
        self.client.close()
        raise OSError(9, "Bad file descriptor")


def test_G82_however_a_transport_fails_when_it_is_closed(fake_clock):
    """The user closed the client: that is what there is to say."""
    transport = Broken([], fake_clock)
    transport.client = client = Client([], transport=transport, clock=fake_clock)
    error = consumed(client.stream("POST", URL, timeouts=Timeouts(total=5.0)))
    expect_closed(error)
    assert isinstance(error.__cause__, OSError)
