"""Files that only their owner can read, and that several processes open at once."""

import os
import sqlite3
import stat
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final

MODE: Final = 0o600
OPENING: Final = 5.0
"""Seconds to wait at the start for another process that creates the same file."""


def create_private(path: Path) -> None:
    """Create an empty file unless there is one, and take the rights of others away. Raises OSError."""
    with suppress(FileExistsError):
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, MODE))
    if stat.S_IMODE(path.stat().st_mode) & ~MODE:
        path.chmod(MODE)


def write_once(path: Path, text: str) -> str:
    """Write `text` to a new file, or leave the one that is there. Returns what the file says then. Raises OSError.

    Of several processes that start together one writes, and all return the same.
    """
    draft = path.with_name(f"{path.name}.{os.getpid()}.new")
    with suppress(FileNotFoundError):
        draft.unlink()
    with os.fdopen(os.open(draft, os.O_CREAT | os.O_EXCL | os.O_WRONLY, MODE), "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    try:
        with suppress(FileExistsError):
            os.link(draft, path)  # unlike a rename, it fails when the file is there already
    finally:
        draft.unlink()
    return path.read_text("utf-8")


def patiently(step: Callable[[], object]) -> None:
    """Run `step` again while another process opens the same SQLite file, for `OPENING` seconds at most.

    SQLite reports a change to WAL by two processes at once as locked, without waiting for its timeout.
    """
    end = time.monotonic() + OPENING
    while True:
        try:
            step()
            return
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > end:
                raise
            time.sleep(0.01)
