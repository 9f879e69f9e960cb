"""A real redis-server for the tests, on a socket of its own."""

import os
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

import pytest

REQUIRED = "UNBROKEN_REQUIRE_SERVERS"
"""This variable of the environment names servers; a test that lacks one of them fails, and is skipped without it."""
STARTING_SECONDS = 60


class RedisServer:
    """A redis-server without a port. Its socket is in a short directory, as the names of sockets are."""

    def __init__(self) -> None:
        self._place = Path(tempfile.mkdtemp(prefix="redis-"))
        socket = self._place / "socket"
        self.url = f"unix://{socket}"
        command = ["redis-server", "--port", "0", "--unixsocket", str(socket), "--save", "", "--appendonly", "no"]
        self._process = subprocess.Popen(
            command, cwd=self._place, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
        )
        give_up = time.monotonic() + STARTING_SECONDS
        while not socket.exists():
            assert self._process.poll() is None, "redis-server does not start"
            assert time.monotonic() < give_up, "redis-server neither starts nor ends"
            time.sleep(0.01)

    def freeze(self) -> None:
        """Stop the process: it takes commands and does not answer."""
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on and answer what it took."""
        self._process.send_signal(signal.SIGCONT)

    def stop(self) -> None:
        """Kill the server and remove its files."""
        self._process.kill()
        self._process.wait()
        shutil.rmtree(self._place)


def start_redis() -> RedisServer:
    """Return a new server. Skips the test where there is no redis-server, unless `REQUIRED` names it."""
    if shutil.which("redis-server") is None:
        if "redis-server" in os.environ.get(REQUIRED, "").replace(",", " ").split():
            pytest.fail("redis-server is required and not installed")
        pytest.skip("redis-server is not installed")
    return RedisServer()
