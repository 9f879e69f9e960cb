"""Producers and readers in virtual time, over the log in memory: two workers where it matters."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from unbroken.testing import FakeClock, run
from unbroken_gateway.streams import Fenced, LogUnavailable, Page
from unbroken_gateway.streams.cursors import Refusal, new_id, parse_cursor
from unbroken_gateway.streams.live import Draining, Streams
from unbroken_gateway.streams.memory import MemoryLog
from unbroken_gateway.streams.reading import KEEPALIVE
from unbroken_gateway.streams.writing import Writer

from .cuts import OWNER, frame_of, streams

LEASE, GRACE = 5.0, 30.0


class House:
    """A log with faults on demand, and two workers over it."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.log = MemoryLog(4_000_000, self.clock)
        self.failures: list[tuple[str, Exception]] = []
        self.here, self.there = self.worker(), self.worker()

    def worker(self, **settings: Any) -> Streams:
        settings = {"lease": LEASE, "grace": GRACE, "clock": self.clock, **settings}
        return streams(self.log, self.failures, **settings)

    def run(self, test: Callable[[], Awaitable[Any]]) -> None:
        async def whole() -> None:
            await test()
            for worker in (self.here, self.there):
                await worker.aclose()
            await self.log.aclose()

        run(whole, clock=self.clock)

    async def page(self, id: str) -> Page:
        found = await self.log.read(id, 0)
        assert found is not None
        return found


@pytest.fixture
def house() -> House:
    return House()


class Sink:
    """What a reader got, and when."""

    def __init__(self, clock: FakeClock) -> None:
        self.parts: list[tuple[float, bytes, bool]] = []
        self._clock = clock

    async def __call__(self, data: bytes, more: bool) -> None:
        self.parts.append((self._clock.monotonic(), data, more))

    @property
    def data(self) -> bytes:
        return b"".join(data for _, data, _ in self.parts)


def frame(number: int) -> bytes:
    return b"data: %d\n\n" % number


def ticking(count: int, seconds: float = 1.0) -> Callable[[Writer], Awaitable[None]]:
    async def produce(writer: Writer) -> None:
        for number in range(1, count + 1):
            await writer.write([frame(number)], "done" if number == count else None)
            await asyncio.sleep(seconds)

    return produce


async def silent(writer: Writer) -> None:
    await asyncio.Event().wait()


def with_ids(id: str, *frames: bytes) -> bytes:
    return b"".join(b"id: %b.%d\n%b" % (id.encode(), number, each) for number, each in enumerate(frames, 1))


def error(kind: str) -> bytes:
    return b"event: error\ndata: messages %b\n\n" % kind.encode()


@pytest.mark.parametrize("elsewhere", [False, True], ids=["same-worker", "other-worker"])
def test_a_reader_gets_each_frame_when_it_comes(house: House, elsewhere: bool) -> None:
    async def test() -> None:
        id = await house.here.start(OWNER, ticking(3))
        began, sink = house.clock.monotonic(), Sink(house.clock)
        reader = house.there if elsewhere else house.here
        assert await reader.serve(id, OWNER, 0, sink, keepalive=15) is None
        assert sink.data == with_ids(id, frame(1), frame(2), frame(3))
        assert [more for _, _, more in sink.parts] == [True, True, False]
        assert [at - began for at, _, _ in sink.parts] == pytest.approx([0, 1, 2], abs=0.03)

    house.run(test)


def test_a_reader_without_ids_gets_the_frames_alone(house: House) -> None:
    async def test() -> None:
        id = await house.here.start(OWNER, ticking(2))
        sink = Sink(house.clock)
        await house.here.serve(id, OWNER, 0, sink, keepalive=15, ids=False)
        assert sink.data == frame(1) + frame(2)

    house.run(test)


def test_a_closed_stream_is_replayed_after_the_cursor_in_pages(house: House) -> None:
    async def produce(writer: Writer) -> None:
        await writer.write([frame(number) for number in range(1, 701)], "done")

    async def test() -> None:
        id = await house.here.start(OWNER, produce)
        await house.here.drain()
        sink = Sink(house.clock)
        await house.there.serve(id, OWNER, 100, sink, keepalive=15)
        assert sink.data.count(b"id: ") == 600
        assert sink.data.startswith(b"id: %b.101\ndata: 101\n\n" % id.encode())
        assert [more for _, _, more in sink.parts] == [True, True, False]

    house.run(test)


def test_r11_a_silent_stream_sends_comments_of_one_line(house: House) -> None:
    async def produce(writer: Writer) -> None:
        await asyncio.sleep(40)
        await writer.write([frame(1)], "done")

    async def test() -> None:
        id = await house.here.start(OWNER, produce)
        for worker in (house.here, house.there):
            sink = Sink(house.clock)
            began = house.clock.monotonic()
            await worker.serve(id, OWNER, 0, sink, keepalive=15)
            silences = [at - began for at, data, _ in sink.parts if data == KEEPALIVE]
            assert silences == pytest.approx([15, 30] if worker is house.here else [], abs=0.01)
            assert sink.data == KEEPALIVE * len(silences) + with_ids(id, frame(1))

    house.run(test)


def test_the_first_frame_waits_for_nothing_and_dense_ones_20_ms_at_most(house: House) -> None:
    appended: list[tuple[float, int]] = []

    async def produce(writer: Writer) -> None:
        await asyncio.sleep(1)
        for number in range(100):
            await writer.write([frame(number)])
            await asyncio.sleep(0.005)
        await writer.write([frame(number) for number in range(200)])  # too many to wait
        await writer.write([], "done")

    async def test() -> None:
        append = house.log.append

        async def noted(id: str, epoch: int, seq: int, frames: Any, end: Any = None) -> int:
            appended.append((house.clock.monotonic() - began, len(frames)))
            return await append(id, epoch, seq, frames, end)

        house.log.append = noted  # type: ignore[method-assign]
        began = house.clock.monotonic()
        id = await house.here.start(OWNER, produce)
        await house.here.drain()
        assert appended[0] == (pytest.approx(1), 1)
        assert len(appended) < 40
        assert max(count for _, count in appended[:-2]) <= 5
        assert (await house.page(id)).last == 300

    house.run(test)


def test_a_producer_without_an_end_ends_with_an_error(house: House) -> None:
    async def forgets(writer: Writer) -> None:
        await writer.write([frame(1)])

    async def fails(writer: Writer) -> None:
        await writer.write([frame(1)])
        raise RuntimeError("bug")

    async def test() -> None:
        for produce in (forgets, fails):
            id = await house.here.start(OWNER, produce)
            await asyncio.sleep(1)
            found = await house.page(id)
            assert (found.frames, found.state) == ((frame(1), error("interrupted")), "error")
        assert [(each[0], str(each[1])) for each in house.failures] == [(id, "bug")]

    house.run(test)


def test_nothing_is_written_after_the_end(house: House) -> None:
    async def produce(writer: Writer) -> None:
        await writer.write([frame(1)], "done")
        assert writer.ended
        with pytest.raises(Fenced):
            await writer.write([frame(2)])
        await asyncio.sleep(100)  # settles its accounts; no reader, no beat and no lease matter any more
        house.failures.append((writer.id, RuntimeError("went on")))

    async def test() -> None:
        id = await house.here.start(OWNER, produce)
        await house.here.drain()
        assert (await house.page(id)).frames == (frame(1),)
        assert len(house.failures) == 1

    house.run(test)


def test_a_stream_nobody_reads_is_cancelled_after_the_grace_period(house: House) -> None:
    ended: list[Any] = []

    async def produce(writer: Writer) -> None:
        try:
            await silent(writer)
        finally:
            ended.append((house.clock.monotonic(), writer.reason))

    async def test() -> None:
        began = house.clock.monotonic()
        id = await house.here.start(OWNER, produce)
        await house.here.drain()
        assert GRACE <= ended[0][0] - began <= GRACE + LEASE
        assert ended[0][1] == "cancelled"
        found = await house.page(id)
        assert (found.frames, found.state) == ((error("cancelled"),), "cancelled")

    house.run(test)


@pytest.mark.parametrize("elsewhere", [False, True], ids=["same-worker", "other-worker"])
def test_a_reader_keeps_a_stream_alive_and_grace_begins_when_it_leaves(house: House, elsewhere: bool) -> None:
    async def test() -> None:
        id = await house.here.start(OWNER, silent)
        worker = house.there if elsewhere else house.here
        serving = asyncio.create_task(worker.serve(id, OWNER, 0, Sink(house.clock), keepalive=15))
        await asyncio.sleep(100)
        assert (await house.page(id)).readers == 1
        serving.cancel()
        await asyncio.wait([serving])
        await asyncio.sleep(GRACE - 8)
        found = await house.page(id)
        assert (found.state, found.readers) == ("open", 0)
        began = house.clock.monotonic()
        await house.here.drain()
        assert house.clock.monotonic() - began <= 8 + LEASE + GRACE / 4

    house.run(test)


@pytest.mark.parametrize("elsewhere", [False, True], ids=["same-worker", "other-worker"])
@pytest.mark.parametrize("how", ["cancel", "delete"])
@pytest.mark.parametrize("busy", [False, True], ids=["silent", "writing"])
def test_a_cancel_ends_the_producer_wherever_it_is(house: House, elsewhere: bool, how: str, busy: bool) -> None:
    reasons: list[Any] = []

    async def produce(writer: Writer) -> None:
        try:
            await (ticking(1000, 0.5)(writer) if busy else silent(writer))
        except BaseException as failure:
            reasons.append((writer.reason, type(failure)))
            raise

    async def test() -> None:
        id = await house.here.start(OWNER, produce)
        sink = Sink(house.clock)
        reading = asyncio.create_task(house.here.serve(id, OWNER, 0, sink, keepalive=15))
        await asyncio.sleep(1.25)
        began = house.clock.monotonic()
        worker = house.there if elsewhere else house.here
        assert not await getattr(worker, how)(id, "issuer|bob")
        assert await getattr(worker, how)(id, OWNER)
        await house.here.drain()
        assert house.clock.monotonic() - began <= (LEASE / 2 if elsewhere else 0)
        assert reasons[0][0] == "cancelled"
        await reading
        assert sink.data.endswith(error("cancelled"))
        assert sink.parts[-1][2] is False
        assert (await house.log.read(id, 0) is None) == (how == "delete")
        assert await getattr(worker, how)(id, OWNER) == (how == "cancel")

    house.run(test)


def test_a_dead_producer_is_buried_within_lease_and_one_second(house: House) -> None:
    """The producer's process is killed: none of its tasks runs any more."""

    async def test() -> None:
        id = new_id()
        await house.log.create(id, f"messages {OWNER}", 600, LEASE)
        await house.log.append(id, 1, 1, [frame(1)])
        began = house.clock.monotonic()
        sinks = [Sink(house.clock) for _ in range(3)]
        workers = [house.here, house.there, house.worker()]
        readings = (each.serve(id, OWNER, 0, sink, keepalive=15) for each, sink in zip(workers, sinks, strict=True))
        await asyncio.gather(*readings)
        for sink in sinks:
            assert sink.data == with_ids(id, frame(1), error("interrupted"))
            assert LEASE <= sink.parts[-1][0] - began <= LEASE + 1

    house.run(test)


def test_a_producer_that_sleeps_too_long_is_fenced_and_cancelled(house: House) -> None:
    """The process is stopped for a while: its lease ends, a reader buries, and it wakes up again."""
    reasons: list[Any] = []

    async def produce(writer: Writer) -> None:
        await writer.write([frame(1)])
        try:
            await silent(writer)
        except asyncio.CancelledError:
            reasons.append(writer.reason)
            raise

    async def test() -> None:
        id = await house.here.start(OWNER, produce)
        await asyncio.sleep(0)
        house.clock.advance(LEASE + 1)  # nobody ran
        assert await house.log.bury(id, error("interrupted")) == 2
        await house.here.drain()
        assert reasons == ["interrupted"]
        assert (await house.page(id)).frames == (frame(1), error("interrupted"))

    house.run(test)


def test_a_zombie_that_writes_is_fenced(house: House) -> None:
    told: list[Any] = []

    async def produce(writer: Writer) -> None:
        await writer.write([frame(1)])
        house.clock.advance(LEASE + 1)
        await house.log.bury(writer.id, error("interrupted"))
        with pytest.raises(Fenced):
            await writer.write([frame(2)])
        with pytest.raises(Fenced):
            await writer.write([frame(3)])
        await asyncio.sleep(LEASE)  # settles its accounts: no beat cancels what was told by an error
        told.append(writer.reason)

    async def test() -> None:
        id = await house.here.start(OWNER, produce)
        await house.here.drain()
        assert told == ["interrupted"]
        assert (await house.page(id)).frames == (frame(1), error("interrupted"))

    house.run(test)


def test_a_zombies_batch_is_fenced_and_cancels_it(house: House) -> None:
    async def produce(writer: Writer) -> None:
        await writer.write([frame(1)])
        await writer.write([frame(2)])  # waits for others
        house.clock.advance(LEASE + 1)
        await house.log.bury(writer.id, error("interrupted"))
        await silent(writer)

    async def test() -> None:
        id = await house.here.start(OWNER, produce)
        began = house.clock.monotonic()
        await house.here.drain()
        assert house.clock.monotonic() - began < LEASE + 1.1
        assert (await house.page(id)).frames == (frame(1), error("interrupted"))

    house.run(test)


def test_a_batch_that_finds_no_store_ends_the_producer_though_its_beats_do(house: House) -> None:
    reasons: list[Any] = []
    fault = Unavailable(house, "append")

    async def produce(writer: Writer) -> None:
        await writer.write([frame(1)])
        await writer.write([frame(2)])  # waits for others
        fault.on = True
        try:
            await silent(writer)
        finally:
            reasons.append(writer.reason)

    async def test() -> None:
        await house.here.start(OWNER, produce)
        began = house.clock.monotonic()
        await house.here.drain()
        assert house.clock.monotonic() - began <= LEASE + 1
        assert reasons == ["unavailable"]

    house.run(test)


def test_a_producer_that_writes_its_end_while_a_batch_is_fenced_is_told_once(house: House) -> None:
    append = house.log.append
    told: list[Any] = []

    async def slow(id: str, *arguments: Any) -> int:
        if arguments[1] > 1:
            await asyncio.sleep(0.1)
        return await append(id, *arguments)

    async def produce(writer: Writer) -> None:
        await writer.write([frame(1)])
        await writer.write([frame(2)])  # waits for others
        await asyncio.sleep(0.05)
        await house.log.cancel(writer.id, error("cancelled"))
        try:
            await writer.write([frame(3)], "done")
        except Fenced:
            await asyncio.sleep(1)  # settles its accounts
            told.append(writer.reason)

    async def test() -> None:
        house.log.append = slow  # type: ignore[method-assign]
        id = await house.here.start(OWNER, produce)
        await house.here.drain()
        assert told == ["cancelled"]
        assert (await house.page(id)).frames == (frame(1), error("cancelled"))

    house.run(test)


def test_what_waits_is_dropped_with_a_cancelled_stream(house: House) -> None:
    async def produce(writer: Writer) -> None:
        await writer.write([frame(1)])
        await writer.write([frame(2)])  # waits for others
        await silent(writer)

    async def test() -> None:
        id = await house.here.start(OWNER, produce)
        await asyncio.sleep(0)
        assert await house.here.cancel(id, OWNER)
        await house.here.drain()
        assert (await house.page(id)).frames == (frame(1), error("cancelled"))

    house.run(test)


def test_grace_waits_for_a_log_that_cannot_say_whether_there_are_readers(house: House) -> None:
    fault = Unavailable(house, "read")

    async def test() -> None:
        id = await house.here.start(OWNER, silent)
        fault.on = True
        await asyncio.sleep(GRACE * 2)
        fault.on = False
        assert (await house.page(id)).state == "open"
        await house.here.drain()
        assert (await house.page(id)).state == "cancelled"

    house.run(test)


def test_a_store_that_went_back_in_time_fences_the_writer(house: House) -> None:
    async def produce(writer: Writer) -> None:
        await writer.write([frame(1), frame(2)])
        await house.log.delete(writer.id)
        await house.log.create(writer.id, f"messages {OWNER}", 600, LEASE)
        with pytest.raises(Fenced):
            await writer.write([frame(3)], "done")

    async def test() -> None:
        await house.here.start(OWNER, produce)
        await house.here.drain()
        assert house.failures == []

    house.run(test)


def test_a_local_reader_does_not_bury_the_stream_of_its_own_worker(house: House) -> None:
    """The event loop stood still for longer than the lease."""

    beat = house.log.beat

    async def late(id: str, epoch: int) -> bool:
        await asyncio.sleep(LEASE * 3)
        return await beat(id, epoch)

    async def test() -> None:
        house.log.beat = late  # type: ignore[method-assign]
        id = await house.here.start(OWNER, ticking(9, LEASE * 1.5))
        sink = Sink(house.clock)
        await house.here.serve(id, OWNER, 0, sink, keepalive=600)
        assert sink.data == with_ids(id, *map(frame, range(1, 10)))

    house.run(test)


class Unavailable:
    """Makes operations of a log fail while it is on."""

    def __init__(self, house: House, *names: str, after: bool = False) -> None:
        self.on = False
        self.after = after
        for name in names:
            setattr(house.log, name, self._wrapped(getattr(house.log, name)))

    def _wrapped(self, operation: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        async def call(*arguments: Any) -> Any:
            if self.on and not self.after:
                raise LogUnavailable
            result = await operation(*arguments)
            if self.on:
                raise LogUnavailable
            return result

        return call


ALL = ("append", "beat", "read", "wait", "attend", "bury", "cancel")


@pytest.mark.parametrize("answer_lost", [False, True], ids=["not-done", "answer-lost"])
def test_a_log_that_is_away_for_less_than_the_lease_costs_nothing(house: House, answer_lost: bool) -> None:
    fault = Unavailable(house, *ALL, after=answer_lost)

    async def test() -> None:
        id = await house.here.start(OWNER, ticking(9))
        sinks = [Sink(house.clock) for _ in range(2)]
        workers = (house.here, house.there)
        readings = [
            asyncio.create_task(each.serve(id, OWNER, 0, sink, keepalive=15))
            for each, sink in zip(workers, sinks, strict=True)
        ]
        await asyncio.sleep(1.5)
        fault.on = True
        await asyncio.sleep(LEASE - 2)
        fault.on = False
        await asyncio.wait(readings)
        for sink in sinks:
            assert sink.data == with_ids(id, *map(frame, range(1, 10)))

    house.run(test)


@pytest.mark.parametrize("busy", [False, True], ids=["silent", "writing"])
def test_r23_a_log_that_stays_away_ends_producer_and_reader(house: House, busy: bool) -> None:
    reasons: list[Any] = []
    fault = Unavailable(house, *ALL)

    async def produce(writer: Writer) -> None:
        try:
            await (ticking(1000, 0.5)(writer) if busy else silent(writer))
        except BaseException:
            reasons.append(writer.reason)
            raise

    async def test() -> None:
        id = await house.here.start(OWNER, produce)
        sink = Sink(house.clock)
        reading = asyncio.create_task(house.there.serve(id, OWNER, 0, sink, keepalive=15))
        await asyncio.sleep(1.25)
        fault.on = True
        began = house.clock.monotonic()
        await house.here.drain()
        await reading
        assert house.clock.monotonic() - began <= LEASE + 2
        assert sink.data.endswith(error("unavailable"))
        assert b"id: " not in sink.parts[-1][1]
        assert reasons == ["unavailable"]
        with pytest.raises(LogUnavailable):
            await house.there.open(id, OWNER, 0)
        fault.on = False
        sink = Sink(house.clock)
        await house.there.serve(id, OWNER, 0, sink, keepalive=15)
        assert sink.data.endswith(error("interrupted"))

    house.run(test)


def test_an_end_that_gets_no_answer_is_repeated_before_the_stream_is_left(house: House) -> None:
    fault = Unavailable(house, "append", after=True)

    async def produce(writer: Writer) -> None:
        await writer.write([frame(1)])
        fault.on = True
        with pytest.raises(LogUnavailable):
            await writer.write([frame(2)], "done")
        fault.on = False

    async def test() -> None:
        id = await house.here.start(OWNER, produce)
        await house.here.drain()
        found = await house.page(id)
        assert (found.frames, found.state) == ((frame(1), frame(2)), "done")

    house.run(test)


def test_an_append_that_was_cancelled_is_repeated_exactly(house: House) -> None:
    """A deadline of the producer expires while the store works."""
    append = house.log.append
    slow = True

    async def after_a_while(*arguments: Any) -> int:
        last = await append(*arguments)
        if slow:
            await asyncio.sleep(1)
        return last

    async def produce(writer: Writer) -> None:
        nonlocal slow
        house.log.append = after_a_while  # type: ignore[method-assign]
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.5):
                await writer.write([frame(number) for number in range(1, 65)])
        slow = False
        await writer.write([frame(65)], "error")

    async def test() -> None:
        id = await house.here.start(OWNER, produce)
        await house.here.drain()
        assert (await house.page(id)).frames == tuple(frame(number) for number in range(1, 66))

    house.run(test)


def test_the_end_of_the_worker_ends_its_streams_with_an_error(house: House) -> None:
    async def produce(writer: Writer) -> None:
        await writer.write([frame(1)])
        await writer.write([frame(2)])  # waits for others
        await silent(writer)

    async def test() -> None:
        id = await house.here.start(OWNER, produce)
        sink = Sink(house.clock)
        reading = asyncio.create_task(house.there.serve(id, OWNER, 0, sink, keepalive=15))
        await asyncio.sleep(0.01)
        await house.here.aclose()
        with pytest.raises(Draining):
            await house.here.start(OWNER, produce)
        await reading
        assert sink.data == with_ids(id, frame(1), frame(2), error("interrupted"))

    house.run(test)


def test_a_drain_waits_for_the_streams(house: House) -> None:
    async def test() -> None:
        id = await house.here.start(OWNER, ticking(5))
        await house.here.drain()
        assert (await house.page(id)).state == "done"

    house.run(test)


def test_r26_lookups_have_one_shape_for_all_that_is_not_yours(house: House) -> None:
    async def test() -> None:
        id = await house.here.start(OWNER, ticking(3, 0.1))
        assert await house.there.open(id, "issuer|bob", 0) is Refusal.UNKNOWN
        assert await house.there.open(new_id(), OWNER, 0) is Refusal.UNKNOWN
        assert await house.there.open(id, OWNER, 4) is Refusal.UNKNOWN
        await house.here.drain()
        assert await house.there.open(id, "issuer|bob", 3) is Refusal.UNKNOWN
        assert await house.there.open(id, OWNER, 3) is Refusal.END
        assert [refusal.value for refusal in Refusal] == [204, 400, 404, 410, 429]
        sink = Sink(house.clock)
        assert await house.there.serve(id, OWNER, 3, sink, keepalive=15) is Refusal.END
        assert sink.parts == []

    house.run(test)


def test_a_trimmed_cursor_is_410_and_a_reader_that_is_overtaken_gets_an_error(house: House) -> None:
    house.log = MemoryLog(60, house.clock)
    house.here, house.there = house.worker(), house.worker()
    go = asyncio.Event()

    async def produce(writer: Writer) -> None:
        await writer.write([frame(number) for number in range(1, 6)])
        await go.wait()
        await writer.write([frame(number) for number in range(6, 30)], "done")

    async def test() -> None:
        id = await house.here.start(OWNER, produce)
        sink = Sink(house.clock)

        async def slow(data: bytes, more: bool) -> None:
            await sink(data, more)
            go.set()
            await asyncio.sleep(1)

        assert await house.there.serve(id, OWNER, 0, slow, keepalive=15) is None
        assert sink.data == with_ids(id, *map(frame, range(1, 6))) + error("trimmed")
        assert sink.parts[-1][2] is False
        assert await house.there.open(id, OWNER, 5) is Refusal.TRIMMED

    house.run(test)


def test_a_stream_has_3_readers_at_most_and_a_place_is_given_back(house: House) -> None:
    async def test() -> None:
        id = await house.here.start(OWNER, silent)
        readings = [
            asyncio.create_task(each.serve(id, OWNER, 0, Sink(house.clock), keepalive=15))
            for each in (house.here, house.there, house.here)
        ]
        await asyncio.sleep(20)
        assert await house.there.open(id, OWNER, 0) is Refusal.CROWDED
        readings[0].cancel()
        await asyncio.sleep(0.1)
        reader = await house.there.open(id, OWNER, 0)
        assert not isinstance(reader, Refusal)
        assert await house.here.open(id, OWNER, 0) is Refusal.CROWDED
        reader.leave()
        await asyncio.sleep(0.1)
        assert (await house.page(id)).readers == 2
        for each in readings[1:]:
            each.cancel()

    house.run(test)


def test_a_reader_that_leaves_while_it_gets_its_place_gives_it_back(house: House) -> None:
    attend = house.log.attend

    async def slow(*arguments: Any) -> bool:
        answer = await attend(*arguments)
        await asyncio.sleep(1)
        return answer

    async def test() -> None:
        id = await house.here.start(OWNER, silent)
        house.log.attend = slow  # type: ignore[method-assign]
        opening = asyncio.create_task(house.here.open(id, OWNER, 0))
        await asyncio.sleep(0.5)
        opening.cancel()
        await asyncio.sleep(2)
        assert (await house.page(id)).readers == 0

    house.run(test)


def test_a_slow_reader_pauses_only_itself(house: House) -> None:
    async def test() -> None:
        id = await house.here.start(OWNER, ticking(5, 0.1))
        slow, fast = Sink(house.clock), Sink(house.clock)

        async def crawl(data: bytes, more: bool) -> None:
            await slow(data, more)
            await asyncio.sleep(20)

        began = house.clock.monotonic()
        crawling = asyncio.create_task(house.here.serve(id, OWNER, 0, crawl, keepalive=15))
        await house.here.serve(id, OWNER, 0, fast, keepalive=15)
        assert house.clock.monotonic() - began < 1
        await crawling
        assert slow.data == fast.data

    house.run(test)


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        (None, 0),
        ("", 0),
        ("{id}.0", 0),
        ("{id}.17", 17),
        ("{id}.9999999999", 9_999_999_999),
        ("{id}.10000000000", Refusal.MALFORMED),
        ("{id}.007", Refusal.MALFORMED),
        ("{id}.-1", Refusal.MALFORMED),
        ("{id}.٣", Refusal.MALFORMED),
        ("{id}.1\n", Refusal.MALFORMED),
        ("{id}", Refusal.MALFORMED),
        ("{id}x.1", Refusal.MALFORMED),
        ("17", Refusal.MALFORMED),
        ("AAAAAAAAAAAAAAAAAAAAAAAA.1", Refusal.UNKNOWN),
    ],
)
def test_cursors_are_read_strictly(text: str | None, answer: object) -> None:
    id = new_id()
    assert parse_cursor(id, text and text.format(id=id)) == answer
    assert len(id) == 24
    assert parse_cursor(id, f"{id}.5") == 5


def test_the_terminal_frame_has_the_form_of_the_stream_in_any_worker(house: House) -> None:
    async def test() -> None:
        id = await house.here.start(OWNER, silent, form="responses", ttl=50)
        assert await house.there.cancel(id, OWNER)
        assert (await house.page(id)).frames == (frame_of("responses", "cancelled"),)
        await asyncio.sleep(51)
        assert await house.log.read(id, 0) is None

    house.run(test)
