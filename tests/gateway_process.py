"""The gateway as a process of its own, in front of a fault server of the test."""

import contextlib
import importlib.util
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from attrs import field, frozen

from unbroken_faults import Fault, FaultServer

SECONDS: Final = 120
"""A gateway that is neither ready nor dead after this time hangs."""

BASE: Final = """
[gateway]
listen = "127.0.0.1:0"
admin_listen = "127.0.0.1:0"
{limits}
{gateway}
[gateway.cors]
origins = {origins}
[gateway.upstreams.claude]
dialect = "anthropic"
url = "{upstream}"
key = "upstream-secret"
plugins = ["timeout"]
[gateway.upstreams.gpt]
dialect = "openai"
url = "{upstream}"
key = "upstream-secret"
plugins = ["timeout"]
[gateway.upstreams.impatient-claude]
dialect = "anthropic"
url = "{upstream}"
key = "upstream-secret"
first_event = 0.2
plugins = ["timeout"]
[gateway.upstreams.impatient-gpt]
dialect = "openai"
url = "{upstream}"
key = "upstream-secret"
first_event = 0.2
plugins = ["timeout"]
[gateway.models.claude]
upstream = "claude"
model = "claude-test"
price = {{ input = 3.0, output = 15.0 }}
[gateway.models.gpt]
upstream = "gpt"
model = "gpt-test"
price = {{ input = 3.0, output = 15.0 }}
[gateway.models.impatient-claude]
upstream = "impatient-claude"
model = "claude-test"
[gateway.models.impatient-gpt]
upstream = "impatient-gpt"
model = "gpt-test"
[gateway.audit]
path = "{place}/audit.db"
[gateway.plans.development]
models = ["*"]
{plan}
"""
"""Both dialects, a model of each that gives up soon, and the development token of loopback as the credential."""

CONFIGURATIONS: Final = {
    "open": {},
    "quick": {"gateway": "keepalive = 1\nopen_after = 1"},
    "fuzzed": {"gateway": "bad_credentials = 1000000"},
    "limited": {"plan": 'requests = "1/day"'},
    "spent": {"plan": 'budget = "0.000001/day"'},
}
"""Additions to `BASE`, by the name that tests use."""


def is_here() -> bool:
    """Whether there is a gateway to start."""
    try:
        return importlib.util.find_spec("unbroken_gateway.app") is not None
    except ModuleNotFoundError:
        return False


@frozen(kw_only=True)
class Gateway:
    """A running gateway."""

    url: str
    admin: str
    key: str = field(repr=False)
    """The credential of its one user."""
    upstream: FaultServer
    process: "subprocess.Popen[str]" = field(repr=False)

    def push(self, *answers: Fault) -> None:
        """Add what the upstream answers next."""
        self.upstream.push(*answers)

    def asked(self) -> int:
        """Return the number of requests that reached the upstream."""
        return len(self.upstream.requests)


@contextlib.contextmanager
def running(place: Path, name: str = "open", origins: tuple[str, ...] = (), **more: str) -> Iterator[Gateway]:
    """Start a gateway of `CONFIGURATIONS` in front of a fault server of its own, both stopped in the end.

    `more` is added to the configuration: to the tables ``gateway`` and ``plan``; ``limits`` replaces that of bodies.
    """
    with FaultServer() as upstream:
        additions = {"gateway": "", "plan": "", "limits": 'max_body = "1 MiB"', **CONFIGURATIONS[name], **more}
        file = place / "gateway.toml"
        text = BASE.format(upstream=upstream.url, origins=json.dumps(origins), place=place, **additions)
        file.write_text(text, "utf-8")
        with serving("--config", str(file), place=place) as (told, process):
            yield Gateway(url=told["url"], admin=told["admin"], key=told["token"], upstream=upstream, process=process)


@contextlib.contextmanager
def serving(*arguments: str, place: Path) -> Iterator[tuple[dict[str, Any], "subprocess.Popen[str]"]]:
    """Run ``serve`` with `arguments` in the folder `place`. Yields what it said when it was ready."""
    command = [sys.executable, "-m", "unbroken_gateway", "serve", "--json", *arguments]
    with (place / "gateway.log").open("w+", encoding="utf-8") as log:
        process = subprocess.Popen(
            [*command, *([] if "--listen" in arguments else ["--listen", "127.0.0.1:0"])],
            cwd=place,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            start_new_session=True,  # its workers are ended with it
        )
        watch = threading.Timer(SECONDS, process.kill)
        watch.start()
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            watch.cancel()
            assert line, f"the gateway did not start: {(place / 'gateway.log').read_text('utf-8')}"
            yield json.loads(line), process
        finally:
            watch.cancel()
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
