"""The processes of a run: the server on one core, the contestants on another."""

import json
import os
import subprocess
import sys
import threading
from pathlib import Path
from types import TracebackType
from typing import Any, Self

HERE = Path(__file__).parent
LIMIT = 600.0
"""A process that says nothing for so many seconds hangs. A whole run takes about twenty minutes."""
KEPT_FROM_CHILDREN = ("COV_CORE_", "COVERAGE_")
"""Variables that would have coverage trace a contestant: that makes this library look many times as expensive."""


class DidNotFinish(Exception):
    """A contestant hung and was killed, or it ended."""


def cores() -> tuple[set[int], set[int]] | None:
    """Return the cores of the server and of the contestants, None where there is only one or no choice."""
    if not hasattr(os, "sched_getaffinity"):
        return None
    available = sorted(os.sched_getaffinity(0))
    return ({available[0]}, {available[1]}) if len(available) > 1 else None


class Process:
    """A module of this package, in any environment, led by lines."""

    def __init__(self, python: Path, module: str, *arguments: str, place: int | None, limit: float = LIMIT) -> None:
        self.limit = limit
        # The proxies of the machine are nobody's business here.
        environment = {
            name: value
            for name, value in os.environ.items()
            if "proxy" not in name.lower() and not name.startswith(KEPT_FROM_CHILDREN)
        }
        environment |= {"PYTHONPATH": str(HERE.parent), "PYTHONWARNINGS": "ignore"}
        self._process = subprocess.Popen(
            [python, "-m", f"harness.{module}", *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
        )
        pinned = None if place is None else cores()
        if pinned is not None and place is not None:
            os.sched_setaffinity(self._process.pid, pinned[place])

    def hear(self) -> str:
        """Return the next line. Raises EOFError when the process has ended; it is killed when it hangs."""
        assert self._process.stdout is not None
        watchdog = threading.Timer(self.limit, self._process.kill)
        watchdog.start()
        try:
            line = self._process.stdout.readline()
        finally:
            watchdog.cancel()
        if not line:
            raise EOFError(f"{self._process.args} ended with {self._process.wait()}")
        return line

    def say(self, line: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.communicate()


class Server(Process):
    """The replay server."""

    def __init__(self, certificate: Path | None = None, *, pin: bool = True) -> None:
        arguments = [] if certificate is None else [str(certificate)]
        super().__init__(Path(sys.executable), "replay", *arguments, place=0 if pin else None)
        port, tls_port = self.hear().split()
        self.url, self.tls_url = f"http://127.0.0.1:{port}", f"https://localhost:{tls_port}"

    def connections(self) -> int:
        """Return how many connections were made since this was asked last."""
        self.say("count")
        return int(self.hear())

    def go(self) -> int:
        """Let all held streams go on. Returns how many they are."""
        self.say("go")
        return int(self.hear())


class Worker(Process):
    """A contestant."""

    def __init__(self, python: Path, name: str, backend: str, *, pin: bool = True, limit: float = LIMIT) -> None:
        super().__init__(python, "worker", name, backend, place=1 if pin else None, limit=limit)
        self.name = name
        self.hear()

    def hear(self) -> str:
        """Return the next line. Raises DidNotFinish when the process has ended or was killed because it hung."""
        try:
            return super().hear()
        except EOFError as ended:
            raise DidNotFinish(f"{self.name}: {ended}") from None

    def ask(self, do: str, **options: Any) -> dict[str, Any]:
        """Have something measured. Raises RuntimeError when the contestant failed, DidNotFinish when it hung."""
        self.say(json.dumps({"do": do, **options}))
        return self.answer()

    def answer(self) -> dict[str, Any]:
        """Return the next answer. Raises RuntimeError when the contestant failed, DidNotFinish when it hung."""
        found: dict[str, Any] = json.loads(self.hear())
        if "error" in found:
            raise RuntimeError(f"{self.name}: {found['error']}")
        return found
