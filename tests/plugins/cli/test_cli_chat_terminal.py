"""A conversation as a user has it: the command in a terminal of its own, driven through a pty."""

import json
import os
import re
import select
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from time import monotonic

import pytest

from unbroken_faults import FaultServer, faults

pty = pytest.importorskip("pty")

# A session leader that opens a terminal gets it as its own, with Ctrl-C and all. A job in the background of a shell is
# started with SIGINT ignored, and so are its children.
CHAT = """
import os, signal
os.open(os.ttyname(0), os.O_RDWR)
signal.signal(signal.SIGINT, signal.default_int_handler)
from unbroken_cli import main
main()
"""
DEADLINE = 30.0
CTRL_C, CTRL_D = "\x03", "\x04"


class Talk:
    """A terminal with `unbroken chat` in it."""

    def __init__(self, *arguments: str) -> None:
        self.fd, slave = pty.openpty()
        environ = {name: value for name, value in os.environ.items() if name not in {"INPUTRC", "COLUMNS"}}
        self.process = subprocess.Popen(
            [sys.executable, "-c", CHAT, "chat", *arguments],
            stdin=slave,
            stdout=slave,
            stderr=slave,
            start_new_session=True,
            env={**environ, "TERM": "dumb"},
        )
        os.close(slave)
        self.shown = ""

    def type(self, text: str) -> None:
        """Press keys."""
        os.write(self.fd, text.encode())

    def press(self, key: str) -> None:
        """Press a key once the program waits for one.

        Between prompt and waiting, Python's readline keeps a Ctrl-C to itself until the next line.
        """
        deadline = monotonic() + DEADLINE
        while not self.is_waiting():
            assert monotonic() < deadline, f"never waited: {self}"
        self.type(key)

    def is_waiting(self) -> bool:
        """Whether the process sleeps; where that cannot be known, it counts as asleep."""
        status = Path(f"/proc/{self.process.pid}/stat")
        return not status.exists() or status.read_text().rpartition(") ")[2].startswith("S")

    def until(self, pattern: str) -> str:
        """Return what is shown up to the first match of `pattern`; what is behind it is kept for later."""
        deadline = monotonic() + DEADLINE
        while (found := re.search(pattern, self.shown)) is None:
            assert select.select([self.fd], [], [], max(0.0, deadline - monotonic()))[0], (
                f"waited for {pattern!r}: {self}"
            )
            try:
                data = os.read(self.fd, 4096)
            except OSError:  # on Linux: no process has the terminal open any more
                data = b""
            assert data, f"ended before {pattern!r}: {self}"
            self.shown += data.decode()
        before, self.shown = self.shown[: found.end()], self.shown[found.end() :]
        return before

    def leaves(self) -> int:
        """Return the exit code."""
        return self.process.wait(DEADLINE)

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        os.close(self.fd)

    def __repr__(self) -> str:
        return repr(self.shown)


@pytest.fixture
def talk(server: FaultServer) -> Iterator[Talk]:
    running = Talk("--endpoint", f"{server.url}/v1/messages", "--plugins", "timeout")
    running.until("Ctrl-D leaves")
    running.until("> ")
    yield running
    running.close()


def last_messages(server: FaultServer) -> list[str]:
    return [message["role"] for message in json.loads(server.requests[-1].body)["messages"]]


def test_a_whole_conversation(talk: Talk, server: FaultServer):
    """A question, its answer, one that is given up, one that fails, a command, and out."""
    server.push(faults.ok("Water runs."), faults.stall(after=5), faults.status(400), faults.ok("It falls."))
    talk.type("Where to?\n")
    assert "Water runs.\r\n" in talk.until("> $")
    talk.type("Slowly\n")
    talk.until(r"Slowly\r\n\w+ \w+")
    talk.press(CTRL_C)
    talk.until("cancelled\r\n")
    talk.until("> ")
    talk.type("Wrongly\n")
    assert "This message cannot be answered." in talk.until("ValidationError: HTTP 400")
    talk.until("hint .*\n")
    talk.until("> ")
    talk.type("And then?\n")
    talk.until("It falls.\r\n> ")
    assert last_messages(server) == ["user", "assistant", "user"]
    talk.type("/usage\n")
    talk.until("3 answers: .* Of 1 not finished")
    talk.type("/quit\n")
    assert talk.leaves() == 0
    server.wait_idle(DEADLINE)


@pytest.mark.parametrize("key", [CTRL_C, CTRL_D], ids=["ctrl-c", "ctrl-d"])
def test_leaving_from_an_empty_prompt(talk: Talk, server: FaultServer, key: str):
    """Also when the prompt was not empty the last time."""
    talk.type("Where to?\n")
    talk.until("\r\n.*\r\n> $")
    talk.press(key)
    assert talk.leaves() == 0


def test_giving_up_a_half_typed_line(talk: Talk, server: FaultServer):
    """The line is dropped, not the conversation."""
    pytest.importorskip("readline")
    talk.type("half a li")
    talk.until("half a li")
    talk.press(CTRL_C)
    talk.until("> ")
    talk.type("/quit\n")
    assert talk.leaves() == 0
    assert server.requests == []
