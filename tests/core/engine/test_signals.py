"""Waits that end early: ``Wait(until=signal)``, from another task, another thread, and before it has begun."""

import threading

import anyio
import pytest

from unbroken import AsyncClient, Client, NetworkError, Plugin, Reject, Replay, Signal, ValidationError, Wait
from unbroken.messages import Event
from unbroken.testing import AsyncScriptedTransport, FakeClock, ScriptedTransport, play, run

URL = "https://api.example.org/v1/messages"
HOUR = 3600.0
ANSWER = Replay([Event("message", b"1")])


class Waiting(Plugin):
    """Waits for its signal, then gives the next of its answers."""

    name = "waiting"

    def __init__(self, *answers, seconds=HOUR):
        super().__init__()
        self.answers, self.seconds, self.signal, self.asked = list(answers), seconds, Signal(), 0

    def before_request(self, call, request):
        self.asked += 1
        return Wait(self.seconds, until=self.signal) if self.asked == 1 else self.answers.pop(0)


@pytest.fixture(params=["asyncio", "trio"])
def async_backend(request):
    return request.param


async def anything(stream):
    async with stream:
        return [event async for event in stream]


def test_a_signal_ends_a_wait_in_another_task(async_backend):
    """At once, and the same plugin is asked again."""
    clock, plugin = FakeClock(), Waiting(ANSWER)
    client = AsyncClient([plugin], transport=AsyncScriptedTransport([], clock), clock=clock)

    async def main():
        async with anyio.create_task_group() as group:
            group.start_soon(anything, client.stream("POST", URL))
            await anyio.sleep(5.0)
            plugin.signal.set()
        assert clock.monotonic() == 1005.0

    run(main, clock=clock, backend=async_backend)
    assert plugin.asked == 2
    assert plugin.signal._wakes == client._setup.closing._wakes == {}


def test_a_signal_ends_a_wait_in_another_thread():
    """On the clock of the machine: it would last an hour."""
    plugin, seen = Waiting(ANSWER), []
    client = Client([plugin], transport=ScriptedTransport([], FakeClock()))

    def call():
        with client.stream("POST", URL) as stream:
            seen.extend(stream)

    thread = threading.Thread(target=call, daemon=True)
    thread.start()
    while not plugin.signal._wakes:
        threading.Event().wait(0.001)
    plugin.signal.set()
    plugin.signal.set()
    thread.join(60)
    assert (len(seen), plugin.asked, plugin.signal._wakes) == (1, 2, {})


@pytest.mark.parametrize("backend", ["sync", "asyncio", "trio"])
def test_a_signal_that_is_set_already_makes_no_wait(backend):
    """Whoever comes between the decision and the wait is heard."""
    plugin = Waiting(ANSWER)
    plugin.signal.set()
    assert play([], [plugin], backend=backend).elapsed == 0.0


def test_a_signal_that_is_set_already_makes_no_wait_on_the_machine_s_clock():
    """Without a look at the lock."""
    plugin = Waiting(ANSWER)
    plugin.signal.set()
    with Client([plugin]).stream("POST", URL) as stream:
        assert len(list(stream)) == 1


@pytest.mark.parametrize("backend", ["sync", "asyncio", "trio"])
def test_without_the_signal_the_plugin_is_asked_again_after_the_seconds(backend):
    """It may wait once more, for the signal or without one; then others have their turn."""
    plugin = Waiting(Wait(2.0, until=Signal()), Wait(3.0), seconds=1.0)
    played = play([], [plugin, Replays()], backend=backend)
    assert (played.elapsed, plugin.asked, len(played.events)) == (6.0, 3, 1)
    plugin = Waiting(Reject(ValidationError("no")), seconds=1.0)
    assert play([], [plugin], backend=backend).failure.message == "no"


class Replays(Plugin):
    """Answers by itself."""

    name = "replays"

    def before_request(self, call, request):
        return ANSWER


def test_a_signal_after_the_wait_harms_nobody(async_backend):
    """The loop is told, and the task is somewhere else by then."""
    clock, plugin = FakeClock(), Waiting(ANSWER, seconds=1.0)
    client = AsyncClient([plugin], transport=AsyncScriptedTransport([], clock), clock=clock)
    woken = []

    async def main():
        async with anyio.create_task_group() as group:
            group.start_soon(anything, client.stream("POST", URL))
            await anyio.sleep(0.5)
            woken.extend(plugin.signal._wakes.values())
        for wake in woken:
            wake()
        await anyio.sleep(1.0)

    run(main, clock=clock, backend=async_backend)
    assert len(woken) == 1


def test_a_waiter_that_is_gone_keeps_the_signal_from_no_other():
    """Its lock is open, or its loop is over."""
    signal, woken = Signal(), []

    def gone():
        raise RuntimeError("Event loop is closed")

    signal.note("gone", gone)
    signal.note("there", lambda: woken.append(True))
    signal.set()
    assert (woken, signal.is_set) == ([True], True)


def test_a_client_that_is_closed_ends_a_wait_for_a_signal(async_backend):
    """As any other wait."""
    clock, plugin = FakeClock(), Waiting(ANSWER)
    client = AsyncClient([plugin], transport=AsyncScriptedTransport([], clock), clock=clock)

    async def call():
        with pytest.raises(NetworkError, match="closed"):
            await anything(client.stream("POST", URL))

    async def main():
        async with anyio.create_task_group() as group:
            group.start_soon(call)
            await anyio.sleep(1.0)
            await client.aclose()

    run(main, clock=clock, backend=async_backend)
    assert plugin.signal._wakes == {}


def test_only_a_signal_is_a_signal():
    """Not an event of a library that a wait cannot be woken by."""
    with pytest.raises(TypeError, match="until must be of type Signal"):
        Wait(1.0, until=threading.Event())
