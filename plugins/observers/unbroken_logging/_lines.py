"""Lines in the process's own streams and in files, without a lock that a fork or the garbage collector could hold."""

import os
import sys
from collections.abc import Callable
from io import FileIO
from pathlib import Path
from typing import Final, TextIO


class File:
    """A file that lines are appended to, in UTF-8. One that was moved or deleted is made again.

    Each line is one unbuffered write at the end of the file, so the lines of several threads and processes stay whole.
    """

    def __init__(self, path: str) -> None:
        """Open the file; its folders are made. Raises OSError or ValueError."""
        self._path = Path(path).absolute()
        self._file = self._open()

    def write(self, line: str) -> None:
        """Append one line. Raises OSError."""
        if self._is_elsewhere():
            self._open_again()
        rest = memoryview(line.encode("utf-8", "backslashreplace"))
        while rest:
            rest = rest[self._file.write(rest) :]

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _open(self) -> FileIO:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        return self._path.open("ab", buffering=0)

    def _is_elsewhere(self) -> bool:
        try:
            there = self._path.stat()
        except FileNotFoundError:
            return True
        return not os.path.samestat(there, os.fstat(self._file.fileno()))

    def _open_again(self) -> None:
        with self._open() as new:
            # Other threads that write meanwhile do so to the old file or to the new one, under the same number.
            os.dup2(new.fileno(), self._file.fileno(), inheritable=False)


def _print(stream: TextIO | None, line: str) -> None:
    if stream is not None:
        encoding = getattr(stream, "encoding", None) or "utf-8"
        stream.write(line.encode(encoding, "backslashreplace").decode(encoding))
        stream.flush()


def _to_stderr(line: str) -> None:
    _print(sys.stderr, line)


def _to_stdout(line: str) -> None:
    _print(sys.stdout, line)


# The stream is looked up for each line because tests and servers replace it.
STREAMS: Final[dict[str, Callable[[str], None]]] = {"stderr": _to_stderr, "stdout": _to_stdout}
