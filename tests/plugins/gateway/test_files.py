"""Files that several processes open at once."""

import sqlite3
from types import SimpleNamespace

import pytest

from unbroken_gateway import files


def busy() -> sqlite3.OperationalError:
    error = sqlite3.OperationalError("database is locked")
    error.sqlite_errorcode = sqlite3.SQLITE_BUSY
    return error


def test_a_file_that_is_locked_at_the_start_is_tried_again_for_some_seconds(monkeypatch):
    """SQLite itself does not wait when two processes turn on WAL at once."""
    clock, failures = SimpleNamespace(now=0.0), [busy(), busy()]
    sleep = lambda seconds: setattr(clock, "now", clock.now + seconds)  # noqa: E731
    monkeypatch.setattr(files, "time", SimpleNamespace(monotonic=lambda: clock.now, sleep=sleep))

    def step():
        if failures:
            raise failures.pop()

    files.patiently(step)
    failures.extend(busy() for _ in range(10_000))
    with pytest.raises(sqlite3.OperationalError):
        files.patiently(step)
    assert clock.now == pytest.approx(files.OPENING, abs=0.1)
