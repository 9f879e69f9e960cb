"""Deaths, full disks, several processes. The processes are real, and so are their deaths."""

import contextlib
import os
import signal
import sqlite3
import subprocess
import sys
import threading
from pathlib import Path

import anyio
import pytest

from unbroken_gateway import audit as package
from unbroken_gateway.audit import AuditUnavailable, Reader, store, writer

from ..operator import ended, started
from .conftest import rows

WORKER = """
import sys, anyio
from unbroken_gateway.audit import Audit
from unbroken_gateway.values import AuditEnd, AuditStart

async def main(path, name, calls, wait):
    audit = Audit(path)

    async def one(number):
        row = dict(request_id=f"{name}-{number}", at=1.0)
        await audit.start(AuditStart(**row, user="u", issuer="i", plan="p", route="r", dialect="openai", model="m",
            upstream="x", streamed=False))
        if not wait:
            await audit.end(AuditEnd(**row, ending="success", status=200))

    async with anyio.create_task_group() as tasks:
        for number in range(int(calls)):
            tasks.start_soon(one, number)
    print("written", flush=True)
    if wait:
        sys.stdin.read()
    await audit.aclose()

anyio.run(main, *sys.argv[1:4], sys.argv[4:] == ["wait"])
"""


def worker(path: Path, name: str, calls: int, *wait: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", WORKER, str(path), name, str(calls), *wait]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


@pytest.fixture
def dead(path):
    """A worker that was killed in the middle of three calls, after it said that they are written."""
    process = worker(path, "dead", 3, "wait")
    with process:
        assert process.stdout.readline() == "written\n"
        os.kill(process.pid, signal.SIGKILL)
    return process


def test_a_started_row_survives_kill_9_and_is_lost_at_the_next_start(dead, path, make):
    """It is safe when `start` returns. Who starts next ends it."""
    assert [row["ending"] for row in rows(path)] == [None] * 3
    calls = make()
    calls.tail()  # the first look is over when this is answered
    assert [row["ending"] for row in rows(path)] == ["lost"] * 3
    assert calls.status.lost == 3
    assert {row.end.status for row in calls.tail()} == {0}


def test_rows_of_a_living_worker_are_not_lost(path, make):
    """However long it is silent. When it dies, the next look of another worker finds it."""
    with worker(path, "other", 2, "wait") as process:
        assert process.stdout.readline() == "written\n"
        calls = make()
        calls.tail()
        assert calls.status.lost == 0
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    look(calls)
    assert [row["ending"] for row in rows(path)] == ["lost"] * 2
    assert sorted(path.parent.glob("audit.db-*")) == sorted(
        path.with_name(f"audit.db-{end}") for end in ("shm", "wal", own(calls).worker)
    )


def own(calls) -> store.Store:
    return calls.audit._writer._store


def look(calls) -> None:
    """Have the thread look for dead workers, as it does every few seconds."""
    calls.audit._writer._looked = -1e9
    calls.tail()


def test_the_end_of_a_call_replaces_lost(dead, path, make):
    """A worker that was taken for dead knows better; a second ending changes nothing."""
    calls = make()
    calls.tail()
    calls.end(ended("dead-0", ending="success"))
    calls.end(ended("dead-0", ending="failed"))
    assert [row["ending"] for row in rows(path)] == ["success", "lost", "lost"]


def test_several_processes_share_one_file(path):
    """Each row of each is there, once."""
    workers = [worker(path, f"w{number}", 40) for number in range(3)]
    for process in workers:
        with process:
            assert process.communicate()[0] == "written\n"
            assert process.returncode == 0
    found = rows(path)
    assert len(found) == len({row["request_id"] for row in found}) == 120
    assert {row["ending"] for row in found} == {"success"}
    assert len({row["worker"] for row in found}) == 3


def test_a_worker_that_closes_leaves_only_the_file(path, make):
    calls = make()
    calls.start(started("r1"))
    calls.end(ended("r1"))
    calls.close()
    assert [each.name for each in path.parent.iterdir()] == ["audit.db"]


def test_rows_that_are_open_at_the_end_are_lost_later(path, make):
    calls = make()
    calls.start(started("r1"))
    calls.close()
    make().tail()
    assert [row["ending"] for row in rows(path)] == ["lost"]


def test_files_can_be_read_by_their_owner_only(path, make):
    calls = make()
    calls.start(started("r1"))
    assert {each.stat().st_mode & 0o777 for each in path.parent.iterdir()} == {0o600}


class Blocked:
    """Stops the thread at its next batch until the test goes on."""

    def __init__(self, calls) -> None:
        self.go, self.batches = threading.Event(), []
        self.real = own(calls).write
        own(calls).write = self.write

    def write(self, starts, ends):
        self.batches.append((len(starts), len(ends)))
        self.go.wait(60)
        self.real(starts, ends)


def test_rows_that_wait_at_the_same_time_share_a_commit(make, portal):
    """50 calls that begin together are two transactions: the first, and the others that came meanwhile."""
    calls = make()
    calls.tail()
    blocked = Blocked(calls)

    async def begin():
        async with anyio.create_task_group() as tasks:
            for number in range(50):
                tasks.start_soon(calls.audit.start, started(f"r{number}"))
            await anyio.wait_all_tasks_blocked()
            blocked.go.set()

    portal.call(begin)
    assert len(blocked.batches) <= 2
    assert sum(starts for starts, _ in blocked.batches) == 50


class Broken:
    """Lets batches fail while it is on."""

    def __init__(self, calls, error: Exception) -> None:
        self.on, self.error, self.real = True, error, own(calls).write
        own(calls).write = self.write

    def write(self, starts, ends):
        if self.on:
            raise self.error
        self.real(starts, ends)


FULL_DISK = sqlite3.OperationalError("database or disk is full")


@pytest.mark.parametrize("error", [FULL_DISK, OSError(5, "I/O error")], ids=["sqlite", "os"])
def test_refuse_refuses_the_call(make, path, error, caplog):
    """Nothing is left of it in the file, and the failure is counted."""
    calls = make(on_failure="refuse")
    broken = Broken(calls, error)
    with pytest.raises(AuditUnavailable, match=str(error.args[-1])):
        calls.start(started("r1"))
    broken.on = False
    calls.tail()
    assert rows(path) == []
    assert calls.status.failures >= 1
    assert calls.status.dropped == 0
    assert "audit: " in caplog.text


def test_go_on_writes_the_row_later(make, path):
    """The call is made, and its row comes when the disk is free again, start and ending in one."""
    calls = make(on_failure="go-on")
    broken = Broken(calls, FULL_DISK)
    calls.start(started("r1"))
    calls.end(ended("r1", micro_usd=3))
    assert calls.status.waiting == 2
    broken.on = False
    calls.start(started("r2"))
    assert [(row["request_id"], row["micro_usd"]) for row in rows(path)] == [("r1", 3), ("r2", None)]
    assert (calls.status.waiting, calls.status.dropped) == (0, 0)


def test_an_ending_is_tried_again_in_either_mode(make, path, caplog):
    """The call has been made, so its ending cannot be refused."""
    calls = make(on_failure="refuse")
    calls.start(started("r1"))
    broken = Broken(calls, FULL_DISK)
    calls.end(ended("r1"))
    assert "the ending of r1 is not written yet" in caplog.text
    broken.on = False
    calls.close()
    assert [row["ending"] for row in rows(path)] == ["success"]


def test_r22_what_is_given_up_is_counted_and_logged(make, caplog):
    """A full disk until the end of the process, and a queue that is full."""
    calls = make(on_failure="go-on")
    Broken(calls, FULL_DISK)
    calls.start(started("r1"))
    calls.close()
    assert calls.status.dropped == 1
    assert "1 row(s) could not be written and are given up" in caplog.text
    calls.start(started("r2"))
    calls.end(ended("r1"))
    assert calls.status.dropped == 3


@pytest.mark.parametrize("mode", ["refuse", "go-on"])
def test_the_queue_is_bounded(make, monkeypatch, mode):
    """A disk that hangs cannot fill the memory."""
    calls = make(on_failure=mode)
    calls.tail()
    monkeypatch.setattr(writer, "MOST_WAITING", 0)
    with pytest.raises(AuditUnavailable, match="0 rows wait") if mode == "refuse" else contextlib.nullcontext():
        calls.start(started("r1"))
    calls.end(ended("r1"))
    with pytest.raises(AuditUnavailable):
        calls.tail()
    assert calls.status.dropped == (1 if mode == "refuse" else 2)


def test_a_disk_that_hangs_refuses_within_the_deadline_and_ends_the_row(make, path, monkeypatch):
    """The row may come later; then it must not look as if the call had been made."""
    monkeypatch.setattr(package, "DEADLINE", 0.01)
    calls = make(on_failure="refuse")
    blocked = Blocked(calls)
    with pytest.raises(AuditUnavailable, match="not written within"):
        calls.start(started("r1"))
    blocked.go.set()
    calls.close()
    assert [(row["ending"], row["error"]) for row in rows(path)] == [("failed", "audit")]


def test_a_row_that_can_never_be_written_takes_no_other_with_it(make, path, portal):
    """It is given up alone; those of the same batch are written."""
    calls = make(on_failure="go-on")
    calls.tail()
    blocked = Blocked(calls)

    async def begin():
        async with anyio.create_task_group() as tasks:
            for id, at in (("first", 1.0), ("good", 2.0), ("bad", float("nan")), ("fine", 3.0)):
                tasks.start_soon(calls.audit.start, started(id, at=at))
                await anyio.wait_all_tasks_blocked()
            blocked.go.set()

    portal.call(begin)
    calls.end(ended("good"))
    assert [row["request_id"] for row in rows(path)] == ["first", "good", "fine"]
    assert calls.status.dropped == 1


def test_a_transaction_that_fails_leaves_nothing(make, path):
    """Neither half of a batch, nor a transaction that is open."""
    calls = make()
    calls.start(started("r1"))
    with pytest.raises(sqlite3.IntegrityError):
        own(calls).write([], [{"request_id": None, "at": 1.0, "orphan": True}])
    calls.end(ended("r1"))
    assert [row["ending"] for row in rows(path)] == ["success"]


def test_a_call_whose_event_loop_is_gone_is_written_all_the_same(make, path):
    """Nobody waits for it any more."""
    calls = make()
    blocked = Blocked(calls)

    async def leave():
        with anyio.move_on_after(0.001):
            await calls.audit.start(started("r1"))

    anyio.run(leave)
    blocked.go.set()
    calls.close()
    assert len(rows(path)) == 1


def test_a_question_that_fails_is_told(make):
    calls = make()
    own(calls).tail = lambda limit: 1 / 0
    with pytest.raises(AuditUnavailable, match="ZeroDivisionError"):
        calls.tail()


def test_a_look_for_dead_workers_that_fails_is_counted(make):
    calls = make()
    calls.tail()

    def fail(now):
        raise sqlite3.OperationalError

    own(calls).bury = fail
    look(calls)
    assert calls.status.failures == 1


@pytest.mark.parametrize("content", ["folder", "garbage", "newer"])
def test_a_file_that_cannot_be_used_is_told_at_once(make, path, content):
    """When the gateway starts, in either mode."""
    if content == "folder":
        path.mkdir()
    elif content == "garbage":
        path.write_bytes(b"this is not a database" * 100)
    else:
        connection = sqlite3.connect(path)
        connection.execute("PRAGMA user_version = 99")
        connection.close()
    with pytest.raises(AuditUnavailable, match=r"audit\.db"):
        make(on_failure="go-on")


def test_in_memory_the_oldest_calls_go(make, monkeypatch):
    """But those that are under way stay."""
    monkeypatch.setattr(store, "MOST_IN_MEMORY", 3)
    calls = make(path=None)
    calls.start(started("open"))
    for number in range(6):
        calls.start(started(f"r{number}"))
        calls.end(ended(f"r{number}"))
    assert [row.start.request_id for row in calls.tail()] == ["r5", "r4", "r3", "open"]
    look(calls)
    assert calls.status.lost == 0


def test_a_reader_changes_nothing(make, path):
    calls = make()
    calls.start(started("r1"))
    with Reader(path) as reader:
        assert [row.start.request_id for row in reader.tail(5)] == ["r1"]
        with pytest.raises(sqlite3.OperationalError, match="readonly"):
            reader._connection.execute("DELETE FROM calls")
