"""Who takes part: how each is started, and how it is asked."""

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from ..harness.processes import cores

HOUSE: Final = Path(__file__).parents[3]
SHAPES: Final = {"burst": "burst/10/10", "apart": "apart/500/200", "held": "held/8/20"}
"""The beginning of the path at the replay server, by the name of a way to send."""
PATHS: Final = {"messages": "/v1/messages", "chat": "/v1/chat/completions"}
STARTING: Final = 300.0
"""Seconds that a contestant may take to start."""
_TICKS: Final = os.sysconf("SC_CLK_TCK")
_PAGE: Final = os.sysconf("SC_PAGE_SIZE")


class Contestant:
    """One process that is asked, with its children."""

    name: str
    slow: int = 1
    """It is asked so many times less often."""

    def __init__(self, command: list[str], place: Path, log: Path, check: Callable[[], bool] | None = None) -> None:
        started = time.monotonic()
        # Without bytecode the start of a contestant is the compiler's time.
        left_out = ("COV", "PYTEST", "PYTHONDONTWRITEBYTECODE")
        environment = {name: value for name, value in os.environ.items() if not name.startswith(left_out)}
        environment |= {"LITELLM_LOCAL_MODEL_COST_MAP": "True", "PYTHONWARNINGS": "ignore"}
        with log.open("wb") as out:
            self._process = subprocess.Popen(
                command, cwd=place, env=environment, stdout=out, stderr=out, start_new_session=True
            )
        pinned = cores()
        if pinned is not None:
            os.sched_setaffinity(self._process.pid, pinned[1])
        while not (check or self.listens)():
            if self._process.poll() is not None or time.monotonic() - started > STARTING:
                self.__exit__(None, None, None)
                raise RuntimeError(f"{self.name} does not start: {log.read_text('utf-8', 'replace')[-2_000:]}")
            time.sleep(0.01)
        self.start_seconds = time.monotonic() - started

    port: int

    def listens(self) -> bool:
        """Whether it accepts connections."""
        try:
            socket.create_connection(("127.0.0.1", self.port), 1).close()
        except OSError:
            return False
        return True

    def headers(self) -> dict[str, str]:
        """Return the headers of each request."""
        return {"content-type": "application/json"}

    def asked(self, shape: str, api: str) -> tuple[str, bytes]:
        """Return path and body of a request for a stream of this shape."""
        body: dict[str, Any] = {"model": f"{shape}-{api}", "stream": True, "max_tokens": 4096}
        body["messages"] = [{"role": "user", "content": "Say it in many words."}]
        return PATHS[api], json.dumps(body).encode()

    def pids(self) -> list[int]:
        """Return the ids of its process and of all their children."""
        found, waiting = [], [self._process.pid]
        while waiting:
            pid = waiting.pop()
            found.append(pid)
            for children in Path(f"/proc/{pid}/task").glob("*/children"):
                waiting += map(int, children.read_text().split())
        return found

    def cpu(self) -> float:
        """Return the seconds of CPU, user and system, since it was started."""
        fields = [Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split() for pid in self.pids()]
        return sum(int(each[11]) + int(each[12]) for each in fields) / _TICKS

    def memory(self) -> int:
        """Return the bytes that are resident."""
        return sum(int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * _PAGE for pid in self.pids())

    def connection(self) -> http.client.HTTPConnection:
        """Return a connection to it."""
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=120)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()


def free_port() -> int:
    """Return a port that is free at the moment."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


class PassThrough(Contestant):
    """The application of forty lines."""

    name = "bare pass-through"

    def __init__(self, upstream: str, place: Path) -> None:
        self.port = free_port()
        module = "tests.benchmarks.gateway.passthrough"
        super().__init__([sys.executable, "-m", module, upstream, str(self.port)], HOUSE, place / "passthrough.log")

    def asked(self, shape: str, api: str) -> tuple[str, bytes]:
        """The shape is in the path, as nothing is looked up."""
        path, body = super().asked(shape, api)
        return f"/{SHAPES[shape]}{path}", body


class Direct(PassThrough):
    """The upstream itself, for what a contestant adds to the time."""

    name = "upstream"

    def __init__(self, upstream: str) -> None:
        self.port = int(upstream.rpartition(":")[2])


_GATEWAY: Final = """
[gateway]
admin_listen = "127.0.0.1:0"
audit = {{ path = "{place}/audit.db" }}
[gateway.plans.development]
models = ["*"]
requests = "1000000000/min"
tokens = "1000000000/min"
streams = 100000
budget = "1000000/day"
"""
_UPSTREAM: Final = """
[gateway.upstreams.{name}]
dialect = "{dialect}"
url = "{url}"
key = "upstream"
[gateway.models.{name}]
upstream = "{name}"
model = "replayed"
price = {{ input = 3.0, output = 15.0 }}
"""


class Gateway(Contestant):
    """The gateway with authentication, limits, a budget, the audit and the default policies."""

    name = "Unbroken gateway"

    def __init__(self, upstream: str, place: Path) -> None:
        text = _GATEWAY.format(place=place)
        for shape, begin in SHAPES.items():
            for api, dialect in (("messages", "anthropic"), ("chat", "openai")):
                text += _UPSTREAM.format(name=f"{shape}-{api}", dialect=dialect, url=f"{upstream}/{begin}")
        file, self._log = place / "gateway.toml", place / "gateway.log"
        file.write_text(text, "utf-8")
        self.port = 0
        command = [sys.executable, "-m", "unbroken_gateway", "serve", "--json", "--config", str(file)]
        super().__init__([*command, "--listen", "127.0.0.1:0"], place, self._log, self._is_ready)

    def _is_ready(self) -> bool:
        said = [line for line in self._log.read_text("utf-8").splitlines() if line.startswith('{"url"')]
        if said:
            told = json.loads(said[0])
            self.port, self._token = int(told["url"].rpartition(":")[2]), told["token"]
        return bool(said)

    def headers(self) -> dict[str, str]:
        """Return the headers of each request, with the token of the development."""
        return {**super().headers(), "authorization": f"Bearer {self._token}"}


class LiteLLM(Contestant):
    """LiteLLM's proxy with a master key, which is the authentication that it has without a database."""

    name = "LiteLLM proxy"
    slow = 10

    def __init__(self, upstream: str, place: Path, python: Path) -> None:
        self.port = free_port()
        models = []
        for shape, begin in SHAPES.items():
            for api, kind, end in (("messages", "anthropic", ""), ("chat", "openai", "/v1")):
                parameters = {
                    "model": f"{kind}/replayed",
                    "api_base": f"{upstream}/{begin}{end}",
                    "api_key": "upstream",
                }
                models.append({"model_name": f"{shape}-{api}", "litellm_params": parameters})
        file = place / "litellm.yaml"  # JSON is YAML
        settings = {"telemetry": False, "num_retries": 0}
        known = {"model_list": models, "litellm_settings": settings, "general_settings": {"master_key": "sk-bench"}}
        file.write_text(json.dumps(known), "utf-8")
        command = [str(python), str(python.with_name("litellm")), "--config", str(file), "--telemetry", "False"]
        super().__init__([*command, "--host", "127.0.0.1", "--port", str(self.port)], place, place / "litellm.log")

    def headers(self) -> dict[str, str]:
        """Return the headers of each request, with its master key."""
        return {**super().headers(), "authorization": "Bearer sk-bench"}
