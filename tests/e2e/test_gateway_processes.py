"""The gateway as processes: what signals do to streams, limits over workers, and a worker that dies."""

import asyncio
import os
import re
import signal
import sqlite3
import subprocess
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from unbroken_faults import Fault

from ..gateway_client import PATHS, PROOFS, Reply, admitted, ask, run
from ..gateway_process import Gateway, running
from ..redis_server import running_redis

SLOW = Fault(text="word " * 40, slice_delay=0.02)
STALL = Fault(text="word " * 40, after=6, then="stall")
MANY = 100
RESUME = {"unbroken-resume": "1"}


def whole_events(body: bytes) -> bool:
    return body.endswith(b"\n\n") or not body


def rows(place: Path) -> list[str | None]:
    """Return the endings of the audit."""
    with sqlite3.connect(f"file:{place}/audit.db?mode=ro", uri=True) as connection:
        return [ending for (ending,) in connection.execute("SELECT ending FROM calls ORDER BY id")]


def admitted_rows(place: Path) -> list[str | None]:
    """Return the endings of the calls that were admitted."""
    return [ending for ending in rows(place) if ending != "failed"]


async def streams(gateway: Gateway, number: int, *, resumable: int = 4) -> list[Reply]:
    """Open streams over all routes, each `resumable`-th with a log, and wait until each has an event."""

    async def one(place: int) -> Reply:
        headers = RESUME if place % resumable == 0 else {}
        reply = await admitted(gateway.url, gateway.key, PATHS[place % 2], headers=headers)
        assert reply.status == 200
        return await reply.until(b"\n\n")

    return list(await asyncio.gather(*(one(place) for place in range(number))))


def workers_of(process: "subprocess.Popen[str]") -> list[int]:
    """Return the ids of the children of a process."""
    text = subprocess.run(["ps", "-o", "pid=", "--ppid", str(process.pid)], capture_output=True, text=True, check=True)
    return [int(each) for each in text.stdout.split()]


def settings_of(workers: int, place: Path) -> dict[str, str]:
    return {} if workers == 1 else {"gateway": f'workers = {workers}\nstate = "sqlite:{place}/state.db"'}


@pytest.mark.parametrize(("to", "workers"), [("process", 1), ("group", 2)])
def test_r20_a_stop_lets_a_hundred_streams_end(tmp_path: Path, workers: int, to: str) -> None:
    """Also where the whole group gets the signal, as from a terminal or a service manager."""

    async def story(gateway: Gateway) -> None:
        opened = await streams(gateway, MANY)
        (os.killpg if to == "group" else os.kill)(gateway.process.pid, signal.SIGTERM)
        for reply in await asyncio.gather(*(each.whole() for each in opened)):
            assert reply.complete
            assert PROOFS[reply.path] in reply.body.decode()
            assert whole_events(reply.body)

    with running(tmp_path, **settings_of(workers, tmp_path)) as gateway:
        gateway.push(*[SLOW] * MANY)
        run(story(gateway))
        assert gateway.process.wait(60) == 0
    # Those of resumable streams are cancelled whose client was told 503, as the log did not answer in time.
    assert [ending for ending in admitted_rows(tmp_path) if ending != "cancelled"] == ["success"] * MANY


@pytest.mark.parametrize("workers", [1, 2])
def test_r20_a_second_stop_ends_each_stream_with_an_error(tmp_path: Path, workers: int) -> None:
    async def story(gateway: Gateway) -> None:
        opened = await streams(gateway, MANY)
        gateway.process.terminate()
        with pytest.raises(subprocess.TimeoutExpired):
            gateway.process.wait(0.5)
        gateway.process.terminate()
        for reply in await asyncio.gather(*(each.whole() for each in opened)):
            assert reply.complete
            assert whole_events(reply.body)
            last = reply.body.decode().strip().split("\n\n")[-1]
            assert '"error":{' in last
            assert PROOFS[reply.path] not in reply.body.decode()

    with running(tmp_path, **settings_of(workers, tmp_path)) as gateway:
        gateway.push(*[STALL] * MANY)
        run(story(gateway))
        assert gateway.process.wait(60) == 0
    assert [ending for ending in admitted_rows(tmp_path) if ending != "cancelled"] == ["cut"] * MANY


def test_r20_a_stop_ends_what_takes_longer_than_the_drain(tmp_path: Path) -> None:
    async def story(gateway: Gateway) -> None:
        opened = await streams(gateway, 6)
        gateway.process.terminate()
        for reply in await asyncio.gather(*(each.whole() for each in opened)):
            assert (reply.complete, '"error":{' in reply.body.decode()) == (True, True)

    with running(tmp_path, gateway="drain = 1") as gateway:
        gateway.push(*[STALL] * 6)
        run(story(gateway))
        assert gateway.process.wait(60) == 0
    assert rows(tmp_path) == ["cut"] * 6


@pytest.fixture
def redis_url() -> Iterator[str]:
    with running_redis() as server:
        yield server.url


def of_sqlite(place: Path, request: pytest.FixtureRequest) -> str:
    return f"sqlite:{place}/state.db"


def of_redis(place: Path, request: pytest.FixtureRequest) -> str:
    url: str = request.getfixturevalue("redis_url")
    return url


State = Callable[[Path, pytest.FixtureRequest], str]
STATES = pytest.mark.parametrize("state", [of_sqlite, of_redis], ids=["sqlite", "redis"])


@STATES
def test_r9_two_workers_keep_one_limit(tmp_path: Path, state: State, request: pytest.FixtureRequest) -> None:
    async def story(gateway: Gateway) -> None:
        replies = await asyncio.gather(*(admitted(gateway.url, gateway.key, PATHS[n % 2]) for n in range(30)))
        statuses = sorted(reply.status for reply in replies)
        assert statuses == [200] * 3 + [429] * 27
        for reply in replies:
            reply.leave()
        await until(lambda: free(gateway))

    async def free(gateway: Gateway) -> bool:
        """Whether the places are free again."""
        several = [await admitted(gateway.url, gateway.key, PATHS[0]) for _ in range(3)]
        for reply in several:
            reply.leave()
        return all(reply.status == 200 for reply in several)

    where = state(tmp_path, request)
    with running(tmp_path, gateway=f'workers = 2\nstate = "{where}"', plan="streams = 3") as gateway:
        gateway.push(*[STALL] * 100)
        run(story(gateway))


async def until(reached: Callable[[], Awaitable[bool]]) -> None:
    """Ask again until it is so; a gateway where it never is hangs until the time limit of the test."""
    async with asyncio.timeout(60):
        while not await reached():  # noqa: ASYNC110
            await asyncio.sleep(0.05)


@STATES
def test_r8_workers_that_are_killed_are_replaced_and_their_calls_are_lost(
    tmp_path: Path, state: State, request: pytest.FixtureRequest
) -> None:
    """One after the other, as one of them may have taken all calls."""

    async def killed(gateway: Gateway, victim: int) -> None:
        os.kill(victim, signal.SIGKILL)

        async def replaced() -> bool:
            now = workers_of(gateway.process)
            return len(now) == 2 and victim not in now

        await until(replaced)

    async def ended(gateway: Gateway, id: str) -> bool:
        """Read a stream whose producer has died to its end. A client that is cut without an end asks again."""
        path, body = f"/v1/streams/{id}", b""
        while b'"error":{' not in body:
            body = (await (await admitted(gateway.url, gateway.key, path, method="GET")).until(b'"error":{')).body
        return True

    async def story(gateway: Gateway) -> None:
        opened = await streams(gateway, 20, resumable=2)
        for victim in workers_of(gateway.process):
            await killed(gateway, victim)
        ids = [reply.headers["unbroken-stream"] for reply in opened if "unbroken-stream" in reply.headers]
        assert all(await asyncio.gather(*(ended(gateway, id) for id in ids)))

        async def lost() -> bool:
            return rows(tmp_path).count("lost") == 20

        await until(lost)
        fresh = [await admitted(gateway.url, gateway.key, PATHS[0]) for _ in range(10)]
        for reply in fresh:
            await reply.whole()
            assert (reply.status, reply.complete) == (200, True)

    where = state(tmp_path, request)
    with running(tmp_path, gateway=f'workers = 2\nstate = "{where}"\n[gateway.resume]\nlease = 1') as gateway:
        gateway.push(*[STALL] * 20)
        run(story(gateway))
        gateway.process.terminate()
        assert gateway.process.wait(60) == 0
    endings = admitted_rows(tmp_path)
    assert sorted(ending or "" for ending in endings if ending != "cancelled") == ["lost"] * 20 + ["success"] * 10


def rss(pid: int) -> int:
    """Return the resident memory of a process in bytes."""
    found = re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{pid}/status").read_text("utf-8"))
    assert found is not None
    return int(found[1]) * 1024


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="memory is read from /proc")
def test_r19_memory_does_not_grow_with_the_streams(tmp_path: Path) -> None:
    number = 10_000 if os.environ.get("UNBROKEN_LONG") else 300

    async def some(gateway: Gateway, count: int) -> None:
        gate = asyncio.Semaphore(20)

        async def one(place: int) -> None:
            async with gate:
                reply = await ask(gateway.url, gateway.key, PATHS[place % 2])
                if place % 5:
                    await reply.whole()
                else:
                    await reply.head()
                    reply.leave()

        await asyncio.gather(*(one(place) for place in range(count)))

    async def story(gateway: Gateway) -> None:
        await some(gateway, 300)
        before = rss(gateway.process.pid)
        await some(gateway, number)
        grown = rss(gateway.process.pid) - before
        assert grown < 16 * 1024 * 1024, f"{grown / number:.0f} bytes a stream"

    with running(tmp_path) as gateway:
        run(story(gateway))


def test_r18_the_loop_goes_on_while_a_body_of_megabytes_is_read(tmp_path: Path) -> None:
    """6 MB, about 1.5 million tokens. The figure is printed; the verdict is only that nothing stands still."""
    content = "word " * 1_200_000
    body: dict[str, Any] = {"messages": [{"role": "user", "content": content}]}

    async def story(gateway: Gateway) -> list[float]:
        loop, took = asyncio.get_running_loop(), list[float]()
        replies = [asyncio.ensure_future(whole(gateway)) for _ in range(4)]
        while not all(each.done() for each in replies):
            began = loop.time()
            health = await (await ask(gateway.url, gateway.key, "/health/live", method="GET")).whole()
            assert health.status == 200
            took.append(loop.time() - began)
        assert [each.result().status for each in replies] == [200] * 4
        return took

    async def whole(gateway: Gateway) -> Reply:
        return await (await ask(gateway.url, gateway.key, body=body)).whole()

    with running(tmp_path, limits='max_body = "16 MiB"') as gateway:
        took = sorted(run(story(gateway)))
    print(f"p99 of {len(took)} requests meanwhile: {took[-(-len(took) * 99 // 100) - 1] * 1000:.1f} ms")
    assert len(took) >= 2
