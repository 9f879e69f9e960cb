"""Programs that nobody here wrote and that tests run: where they are, ports for them, and whether they listen."""

import contextlib
import os
import random
import shutil
import socket
import subprocess
import time
from typing import Final

import pytest

REQUIRED: Final = "UNBROKEN_REQUIRE_SERVERS"
"""This variable of the environment names programs; a test that lacks one of them fails, and is skipped without it."""
STARTING_SECONDS: Final = 600
"""A server that is neither listening nor dead after this time hangs. It takes less than a second on an idle machine."""


def binary(name: str) -> str | None:
    """Return the path of a program, None without it."""
    return shutil.which(name, path=os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin"]))


def need(name: str, is_here: object, how: str) -> None:
    """Skip the test, or fail it, when `name` is not installed; `how` says how to install it."""
    if not is_here:
        reason = f"{name} is not installed: {how}"
        pytest.fail(reason) if name in os.environ.get(REQUIRED, "").split() else pytest.skip(reason)


def free_port() -> int:
    """Return a port that is free, below those that the system gives to clients. No two workers of pytest share one."""
    first = 20_000 + 1_000 * (int(os.environ.get("PYTEST_XDIST_WORKER", "gw0")[2:]) % 10)
    while True:
        port = random.randrange(first, first + 1_000)
        with contextlib.suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port


def listens(process: "subprocess.Popen[bytes]", port: int) -> bool:
    """Wait until there is an answer at `port`. Return False when the server ended."""
    deadline = time.monotonic() + STARTING_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return process.poll() is None
        time.sleep(0.02)
    return False
