"""`cancel_sweep` passes what lets go wherever it is cancelled, and finds the one await where something stays."""

import itertools
from collections.abc import Callable
from typing import Any

import anyio
import anyio.lowlevel
import pytest

from unbroken import AsyncClient, Call, Key, Outcome, Plugin, Request, Wait
from unbroken.testing import Answer, AsyncScriptedTransport, FakeClock, cancel_sweep, sse

Sweep = Callable[..., int]


async def three_awaits() -> None:
    await anyio.sleep(1)
    await anyio.lowlevel.checkpoint()
    await anyio.sleep(1)


def nothing() -> int:
    return 0


def test_it_cancels_at_each_await_and_then_not_at_all(cancel_sweep: Sweep) -> None:
    """Each in a call and a clock of its own; the last run is the one that nobody cancelled."""
    clocks: list[FakeClock] = []
    ends: list[tuple[str, float]] = []

    def make_call(clock: FakeClock) -> Any:
        clocks.append(clock)

        async def call() -> None:
            end = "cancelled"
            try:
                await three_awaits()
                end = "complete"
            finally:
                ends.append((end, clock.monotonic() - 1000.0))

        return call, nothing

    assert cancel_sweep(make_call) == 3
    assert ends == [("cancelled", 0.0), ("cancelled", 1.0), ("cancelled", 1.0), ("complete", 2.0)]
    assert len(set(map(id, clocks))) == 4


def test_a_call_that_awaits_nothing_has_no_point(cancel_sweep: Sweep) -> None:
    """It comes to its end."""

    async def call() -> None: ...

    assert cancel_sweep(lambda clock: (call, nothing)) == 0


class Slots(Plugin):
    """Takes a slot per attempt; gives it back as the contract says, or only if all goes well."""

    name = "slots"
    SLOT: Key[bool] = Key("slots.slot")

    def __init__(self, *, careful: bool) -> None:
        super().__init__()
        self.careful, self.taken = careful, 0

    def before_request(self, call: Call, request: Request) -> Wait:
        self.taken += 1
        return Wait(1.0)

    def after_request(self, call: Call, outcome: Outcome) -> None:
        if self.careful or outcome.status == "success":
            self.taken -= 1


def slots(*, careful: bool, count: bool = False) -> Callable[[FakeClock], Any]:
    def make_call(clock: FakeClock) -> Any:
        plugin = Slots(careful=careful)
        reply = Answer(connect=1.0, latency=1.0, body=[sse("a"), 1.0, sse("b")])
        transport = AsyncScriptedTransport([reply], clock)
        client = AsyncClient([plugin], transport=transport, clock=clock)

        async def call() -> None:
            async with client.stream("POST", "https://api.example.org") as stream:
                assert [event.data async for event in stream] == ["a", "b"]

        def held() -> Any:
            return plugin.taken if count else {"exchanges": transport.open_exchanges, "slots": plugin.taken}

        return call, held

    return make_call


def test_a_plugin_that_gives_everything_back_passes(cancel_sweep: Sweep) -> None:
    """A wait, a connect, a head, a body, and what closes it."""
    assert cancel_sweep(slots(careful=True)) >= 4


@pytest.mark.parametrize(("count", "left"), [(False, "slots 1"), (True, "1")], ids=["by-name", "number"])
def test_a_plugin_that_gives_back_only_if_all_goes_well_is_found(cancel_sweep: Sweep, count: bool, left: str) -> None:
    """With the await at which the cancellation came, and what stayed."""
    with pytest.raises(AssertionError) as caught:
        cancel_sweep(slots(careful=False, count=count))
    assert str(caught.value) == f"still held after a cancellation at await 1: {left}"


def test_what_is_held_without_any_cancellation_is_found_too(cancel_sweep: Sweep) -> None:
    """The last run is judged like the others."""
    ends: list[str] = []

    def make_call(clock: FakeClock) -> Any:
        async def call() -> None:
            await three_awaits()
            ends.append("complete")

        return call, lambda: len(ends)

    with pytest.raises(AssertionError, match="still held after the call came to its end: 1"):
        cancel_sweep(make_call)


def test_what_the_call_raises_is_raised(cancel_sweep: Sweep) -> None:
    """Also what it makes of its cancellation."""

    def make_call(clock: FakeClock) -> Any:
        async def call() -> None:
            done = False
            try:
                await three_awaits()
                done = True
            finally:
                if not done:
                    raise LookupError("its own")

        return call, nothing

    with pytest.raises(LookupError, match="its own"):
        cancel_sweep(make_call)


def test_the_call_may_shield_an_await(cancel_sweep: Sweep) -> None:
    """A point at which the cancellation does not arrive is swept, too."""
    ends: list[int] = []

    def make_call(clock: FakeClock) -> Any:
        async def call() -> None:
            try:
                await anyio.sleep(1)
            finally:
                with anyio.CancelScope(shield=True):
                    await anyio.sleep(1)
                    ends.append(1)

        return call, nothing

    assert cancel_sweep(make_call) == 2
    by_task = cancel_sweep.keywords["by"] == "task"  # type: ignore[attr-defined]
    assert len(ends) == (2 if by_task else 3)  # against a task's own cancellation there is no shield


def test_a_call_without_end_is_no_call(cancel_sweep: Sweep) -> None:
    """There is a limit."""

    def make_call(clock: FakeClock) -> Any:
        async def call() -> None:
            for _ in itertools.count():
                await anyio.sleep(1)

        return call, nothing

    with pytest.raises(AssertionError, match="does not come to its end within 20 awaits"):
        cancel_sweep(make_call, limit=20)


def test_trio_has_no_tasks_to_cancel() -> None:
    """It is said at once."""
    with pytest.raises(ValueError, match="asyncio alone"):
        cancel_sweep(lambda clock: (three_awaits, nothing), backend="trio", by="task")
