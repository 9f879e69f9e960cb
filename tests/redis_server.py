"""A real redis-server of the tests' own, on a socket in a temporary directory: it stores nothing on disk."""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

REQUIRED = "UNBROKEN_REQUIRE_SERVERS"
"""This variable of the environment names servers; a test that lacks one of them fails, and is skipped without it."""
STARTING_SECONDS = 600
"""A server that is neither listening nor dead after this time hangs."""


class RedisServer:
    """One server, which can be frozen, killed and started again at the same address."""

    def __init__(self, place: Path) -> None:
        self._socket = place / "redis.sock"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"unix://{self._socket}"

    def start(self) -> None:
        """Start the server and wait until it answers."""
        command = ["redis-server", "--port", "0", "--unixsocket", str(self._socket), "--save", "", "--appendonly", "no"]
        self._process = subprocess.Popen(
            command, cwd=self._socket.parent, stdout=subprocess.DEVNULL, start_new_session=True
        )
        deadline = time.monotonic() + STARTING_SECONDS
        while self._process.poll() is None and time.monotonic() < deadline:
            with contextlib.suppress(OSError):
                if self.ask("PING") == b"+PONG\r\n":
                    return
            time.sleep(0.02)
        pytest.fail("redis-server does not start")

    def ask(self, command: str) -> bytes:
        """Send one command and return the answer of one line."""
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(str(self._socket))
            connection.sendall(command.encode() + b"\r\n")
            return connection.makefile("rb").readline()

    def freeze(self) -> None:
        """Stop the process: it accepts connections, which the system does, and answers nothing."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self._signal(signal.SIGCONT)

    def kill(self) -> None:
        """End the process as a crash does."""
        if self._process is not None:
            if self._process.poll() is None:
                self._process.kill()
            self._process.wait()
            self._process = None

    def _signal(self, number: signal.Signals) -> None:
        assert self._process is not None
        self._process.send_signal(number)


def need_redis() -> None:
    """Skip the test, or fail it, when there is no redis-server."""
    if shutil.which("redis-server") is None:
        reason = "redis-server is not installed: apt-get install redis-server"
        pytest.fail(reason) if "redis-server" in os.environ.get(REQUIRED, "").split() else pytest.skip(reason)


@contextlib.contextmanager
def running_redis() -> Iterator[RedisServer]:
    """Run a server. The directory is made here because the path of a socket has at most 107 characters."""
    need_redis()
    with tempfile.TemporaryDirectory(prefix="redis-", ignore_cleanup_errors=True) as place:
        server = RedisServer(Path(place))
        server.start()
        try:
            yield server
        finally:
            server.kill()


@pytest.fixture(scope="session")
def redis_server() -> Iterator[RedisServer]:
    """A server for all tests of one worker of pytest; tests/plugins/gateway/conftest.py imports it."""
    with running_redis() as server:
        yield server
