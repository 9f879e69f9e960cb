"""The contract of the stores: each test runs with each of them."""

import asyncio
import base64
import secrets
from pathlib import Path

import pytest

from unbroken_gateway.streams import Fenced, LogUnavailable, Page, StreamLog

from .conftest import KEY, Store

END = b"data: end\n\n"


def new_id() -> str:
    return secrets.token_urlsafe(18)


def frames(*numbers: int) -> list[bytes]:
    return [b"data: %d\n\n" % number for number in numbers]


async def opened(store: Store, *, ttl: float = 600, lease: float = 60) -> tuple[StreamLog, str]:
    log, id = store.open(), new_id()
    assert await log.create(id, "alice", ttl, lease) == 1
    return log, id


async def page(log: StreamLog, id: str, after: int = 0, limit: int = 256) -> Page:
    found = await log.read(id, after, limit)
    assert found is not None
    return found


def test_a_new_log_is_empty_open_and_alive(store: Store) -> None:
    async def test() -> None:
        log, id = await opened(store)
        assert await page(log, id) == Page(
            frames=(), first=1, last=0, state="open", owner="alice", lease=True, readers=0
        )

    store.run(test)


def test_an_id_is_given_once(store: Store) -> None:
    async def test() -> None:
        log, id = await opened(store)
        with pytest.raises(Fenced):
            await log.create(id, "bob", 600, 60)
        assert (await page(log, id)).owner == "alice"

    store.run(test)


def test_frames_are_numbered_from_1_and_read_after_a_cursor(store: Store) -> None:
    async def test() -> None:
        log, id = await opened(store)
        assert await log.append(id, 1, 1, frames(1, 2)) == 2
        assert await log.append(id, 1, 3, frames(3), "done") == 3
        whole = await page(log, id)
        assert whole.frames == tuple(frames(1, 2, 3))
        assert (whole.last, whole.state, whole.lease) == (3, "done", False)
        assert (await page(log, id, 1)).frames == tuple(frames(2, 3))
        assert (await page(log, id, 1, 1)).frames == tuple(frames(2))
        assert (await page(log, id, 3)).frames == ()
        assert (await page(log, id, 0, 0)).frames == ()
        assert (await page(log, id, 9_999_999_999)).frames == ()

    store.run(test)


def test_any_bytes_come_back(store: Store) -> None:
    async def test() -> None:
        log, id = await opened(store)
        odd = [bytes(range(256)), b"", "é😀\u2028".encode()]
        await log.append(id, 1, 1, odd)
        assert (await page(log, id)).frames == tuple(odd)

    store.run(test)


def test_another_worker_reads_the_same(store: Store) -> None:
    async def test() -> None:
        log, id = await opened(store)
        await log.append(id, 1, 1, frames(1))
        assert await page(store.open(), id) == await page(log, id)

    store.run(test)


def test_an_unknown_log_is_none_and_fenced(store: Store) -> None:
    async def test() -> None:
        log, id = store.open(), new_id()
        assert await log.read(id, 0) is None
        assert not await log.beat(id, 1)
        assert not await log.cancel(id, END)
        assert await log.bury(id, END) is None
        assert not await log.attend(id, "r", 60)
        assert await log.advance(id, "t", 5) == 5
        await log.wait(id, 0, 60)
        await log.delete(id)
        with pytest.raises(Fenced):
            await log.append(id, 1, 1, frames(1))

    store.run(test)


def test_r27_a_repeated_append_adds_nothing_and_a_number_is_never_used_again(store: Store) -> None:
    async def test() -> None:
        log, id = await opened(store)
        for _ in range(3):
            assert await log.append(id, 1, 1, frames(1, 2)) == 2
        for seq, some, end in (
            (1, frames(9), None),
            (4, frames(9), None),
            (2, frames(9, 9), None),
            (2, frames(2), "done"),
        ):
            with pytest.raises(ValueError, match="frame 3 is next"):
                await log.append(id, 1, seq, some, end)  # type: ignore[arg-type]
        for _ in range(3):
            assert await log.append(id, 1, 3, frames(3), "done") == 3
        assert (await page(log, id)).frames == tuple(frames(1, 2, 3))

    store.run(test)


def test_a_log_may_be_closed_without_a_frame(store: Store) -> None:
    async def test() -> None:
        log, id = await opened(store)
        assert await log.append(id, 1, 1, (), "done") == 0
        assert await log.append(id, 1, 1, (), "done") == 0
        assert (await page(log, id)).state == "done"
        log, id = await opened(store)
        await log.append(id, 1, 1, frames(1))
        assert await log.append(id, 1, 2, (), "error") == 1
        closed = await page(log, id)
        assert (closed.frames, closed.last, closed.state) == (tuple(frames(1)), 1, "error")

    store.run(test)


def test_nothing_is_appended_to_a_closed_log(store: Store) -> None:
    async def test() -> None:
        log, id = await opened(store)
        await log.append(id, 1, 1, frames(1), "done")
        for seq, end in ((2, None), (1, None), (1, "error"), (2, "done")):
            with pytest.raises(Fenced):
                await log.append(id, 1, seq, frames(1), end)  # type: ignore[arg-type]
        assert not await log.beat(id, 1)
        assert not await log.cancel(id, END)
        await store.advance(61)
        assert await log.bury(id, END) is None
        assert (await page(log, id)).frames == tuple(frames(1))

    store.run(test)


def test_a_lease_is_renewed_by_append_and_beat(store: Store) -> None:
    async def test() -> None:
        log, id = await opened(store)
        await store.advance(40)
        assert await log.beat(id, 1)
        await store.advance(40)
        await log.append(id, 1, 1, frames(1))
        await store.advance(40)
        assert (await page(log, id)).lease
        await log.append(id, 1, 1, frames(1))  # repeated
        await store.advance(40)
        assert (await page(log, id)).lease
        await store.advance(21)
        assert not (await page(log, id)).lease
        assert await log.beat(id, 1)  # late, but nobody has buried it
        assert (await page(log, id)).lease

    store.run(test)


def test_an_open_log_without_a_lease_is_buried_and_its_writer_fenced(store: Store) -> None:
    async def test() -> None:
        log, id = await opened(store)
        await log.append(id, 1, 1, frames(1))
        assert await log.bury(id, END) is None
        await store.advance(61)
        assert await store.open().bury(id, END) == 2
        assert await log.bury(id, END) is None
        for seq, end in ((2, None), (3, None), (2, "error"), (3, "done")):
            with pytest.raises(Fenced):
                await log.append(id, 1, seq, frames(2), end)  # type: ignore[arg-type]
        assert not await log.beat(id, 1)
        buried = await page(log, id)
        assert (buried.frames, buried.state, buried.lease) == ((*frames(1), END), "error", False)

    store.run(test)


def test_one_of_many_burials_succeeds_against_a_zombie(store: Store) -> None:
    """Two workers bury while the writer appends: exactly one of them all has the number 2."""

    async def test() -> None:
        log, id = await opened(store)
        other = store.open()
        await log.append(id, 1, 1, frames(1))
        await store.advance(61)
        answers = await asyncio.gather(
            *(each.bury(id, END) for each in (log, other) * 5),
            *(each.append(id, 1, 2, frames(2)) for each in (log, other)),
            return_exceptions=True,
        )
        found = await page(log, id)
        assert len(found.frames) == 2
        if found.state == "error":
            assert [each for each in answers if each is not None and not isinstance(each, Fenced)] == [2]
        else:
            assert answers[:10] == [None] * 10

    for _ in range(10):
        store.run(test)


def test_a_cancelled_log_fences_its_writer(store: Store) -> None:
    async def test() -> None:
        log, id = await opened(store)
        await log.append(id, 1, 1, frames(1))
        assert await store.open().cancel(id, END)
        assert not await log.cancel(id, END)
        assert not await log.beat(id, 1)
        with pytest.raises(Fenced):
            await log.append(id, 1, 2, frames(2))
        found = await page(log, id)
        assert (found.frames, found.state) == ((*frames(1), END), "cancelled")

    store.run(test)


def test_the_oldest_frames_are_trimmed_and_never_the_newest(store: Store) -> None:
    async def test() -> None:
        store.max_bytes = 100
        log, id = await opened(store)
        some = [b"%040d" % number for number in range(1, 6)]
        await log.append(id, 1, 1, some[:2])
        assert (await page(log, id)).first == 1
        await log.append(id, 1, 3, some[2:4])
        found = await page(log, id)
        assert (found.first, found.last, found.frames) == (3, 4, tuple(some[2:4]))
        assert (await page(log, id, 3)).frames == (some[3],)
        await log.append(id, 1, 5, [b"x" * 1000])
        found = await page(log, id)
        assert (found.first, found.last, found.frames) == (5, 5, (b"x" * 1000,))
        await log.append(id, 1, 6, some[:1], "done")
        found = await page(log, id, 2)
        assert (found.first, found.frames) == (6, (some[0],))

    store.run(test)


def test_s33_a_log_ends_its_ttl_after_the_last_event_or_beat(store: Store) -> None:
    async def test() -> None:
        log, id = await opened(store, ttl=100)
        await store.advance(60)
        await log.append(id, 1, 1, frames(1))
        await store.advance(60)
        await log.beat(id, 1)
        await store.advance(60)
        await log.cancel(id, END)
        await store.advance(60)
        await page(log, id)
        await store.advance(41)
        assert await log.read(id, 0) is None
        assert await log.create(id, "bob", 100, 60) == 1
        assert (await page(log, id)).frames == ()

    store.run(test)


def test_s33_a_deleted_log_is_gone_with_its_marks_and_readers(store: Store) -> None:
    async def test() -> None:
        log, id = await opened(store)
        await log.append(id, 1, 1, frames(1))
        await log.attend(id, "r", 60)
        await log.advance(id, "t", 5)
        await store.open().delete(id)
        assert await log.read(id, 0) is None
        await log.create(id, "alice", 600, 60)
        assert (await page(log, id)).readers == 0
        assert await log.advance(id, "t", 1) == 1

    store.run(test)


def test_readers_are_counted_up_to_a_limit_over_all_workers(store: Store) -> None:
    async def test() -> None:
        log, id = await opened(store)
        other = store.open()
        assert await log.attend(id, "a", 60, 2)
        assert await other.attend(id, "b", 30, 2)
        assert not await log.attend(id, "c", 60, 2)
        assert await log.attend(id, "a", 60, 2)  # again
        assert (await page(other, id)).readers == 2
        await store.advance(31)
        assert (await page(log, id)).readers == 1
        assert await log.attend(id, "c", 60, 2)
        assert await log.attend(id, "d", 60)  # without a limit
        assert (await page(log, id)).readers == 3
        for each in ("a", "c", "d", "never"):
            assert await log.attend(id, each, 0)
        assert (await page(log, id)).readers == 0

    store.run(test)


def test_a_mark_never_goes_back(store: Store) -> None:
    async def test() -> None:
        log, id = await opened(store)
        places = [await log.advance(id, "t", to) for to in (3, 7, 5, 10_000_000_000, 2)]
        assert places == [3, 7, 7, 10_000_000_000, 10_000_000_000]
        assert await store.open().advance(id, "u", 1) == 1

    store.run(test)


@pytest.mark.parametrize("writer", ["append", "end", "bury", "cancel", "delete"])
@pytest.mark.parametrize("same", [True, False], ids=["same-worker", "other-worker"])
def test_a_waiting_reader_hears_of_news(store: Store, writer: str, same: bool) -> None:
    async def test() -> None:
        log, id = await opened(store)
        await log.append(id, 1, 1, frames(1))
        reader = log if same else store.open()
        await reader.wait(id, 0, 600)  # at once
        waiting = [asyncio.create_task(reader.wait(id, 1, 600)) for _ in range(2)]
        await asyncio.sleep(0.05)
        assert not any(task.done() for task in waiting)
        if writer == "append":
            await log.append(id, 1, 2, frames(2))
        elif writer == "end":
            await log.append(id, 1, 2, (), "done")
        elif writer == "bury":
            await store.advance(61)
            await log.bury(id, END)
        elif writer == "cancel":
            await log.cancel(id, END)
        else:
            await log.delete(id)
            if store.kind == "redis" and not same:  # Redis does not wake a reader whose stream is deleted
                for task in waiting:
                    task.cancel()
        done, _ = await asyncio.wait(waiting, timeout=60)
        assert len(done) == 2
        await reader.wait(id, 1, 600)  # at once

    store.run(test)


def test_a_wait_ends_by_itself(store: Store) -> None:
    async def test() -> None:
        log, id = await opened(store)
        await log.wait(id, 0, 0.01)
        await store.open().wait(id, 0, 0.01)

    store.run(test)


def test_a_reader_that_stops_waiting_leaves_nothing(store: Store) -> None:
    async def test() -> None:
        log, id = await opened(store)
        stays, leaves = (asyncio.create_task(log.wait(id, 0, 600)) for _ in range(2))
        await asyncio.sleep(0.02)
        leaves.cancel()
        await asyncio.wait([leaves])
        await log.append(id, 1, 1, frames(1))
        await asyncio.wait_for(stays, 60)

    store.run(test)


def test_s33_frames_are_sealed_at_rest_in_their_place(store: Store, tmp_path: Path) -> None:
    async def test() -> None:
        store.encryption_key = KEY
        log, id = await opened(store)
        secret = b"data: canary-3ba1\n\n"
        await log.append(id, 1, 1, [secret, secret])
        await log.cancel(id, END)
        found = await page(store.open(), id)
        assert found.frames == (secret, secret, END)
        assert (await page(log, id, 2)).frames == (END,)
        await log.attend(id, "r", 60)
        assert await log.advance(id, "t", 5) == 5
        assert not await log.beat(id, 1)
        await log.wait(id, 3, 1)
        assert await log.bury(id, END) is None
        bare = log._log  # type: ignore[attr-defined]
        stored = (await page(bare, id)).frames
        assert b"canary" not in b"".join(stored)
        assert len(set(stored)) == 3
        moved = new_id()
        await bare.create(moved, "alice", 600, 60)
        await bare.append(moved, 1, 1, stored)
        with pytest.raises(LogUnavailable, match="encryption key"):
            await log.read(moved, 0)
        swapped = await bare.read(id, 0)
        assert swapped is not None
        await log.delete(id)
        await bare.create(id, "alice", 600, 60)
        await bare.append(id, 1, 1, [stored[1]])
        with pytest.raises(LogUnavailable):
            await log.read(id, 0)
        await log.delete(id)
        await bare.create(id, "alice", 600, 60)
        await bare.append(id, 1, 1, [stored[2], b"short"], "done")  # an end that is not at the end
        with pytest.raises(LogUnavailable):
            await log.read(id, 0, 1)
        with pytest.raises(LogUnavailable):
            await log.read(id, 1)
        assert await log.read(new_id(), 0) is None
        store.encryption_key = base64.b64encode(bytes(32)).decode()
        await log.delete(id)
        await log.create(id, "alice", 600, 60)
        await log.append(id, 1, 1, [secret])
        if store.kind != "memory":
            with pytest.raises(LogUnavailable):
                await store.open().read(id, 0)

    store.run(test)
