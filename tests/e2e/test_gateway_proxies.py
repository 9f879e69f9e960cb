"""curl, and nginx and haproxy with their defaults, in front of the gateway or of what sends as it promises to."""

import contextlib
import json
import os
import signal
import socket
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve

from unbroken_faults import Fault, FaultServer, faults

from .. import gateway_process
from ..judges import python
from ..programs import binary, free_port, listens, need

SILENCE = 4
"""Seconds without a byte from the gateway after which the proxies give up; nginx's default is 60."""
KEEPALIVES = 6
"""As many, one each second, are more than `SILENCE`."""

NGINX = """
daemon off; master_process off; pid {place}/nginx.pid; error_log {place}/errors.log;
events {{ worker_connections 256; }}
http {{
    access_log off;
    client_body_temp_path {place}/body; proxy_temp_path {place}/proxy; fastcgi_temp_path {place}/fastcgi;
    uwsgi_temp_path {place}/uwsgi; scgi_temp_path {place}/scgi;
    server {{
        listen 127.0.0.1:{port};
        location / {{ proxy_pass http://{upstream}; proxy_read_timeout {silence}s; }}
    }}
}}
"""
HAPROXY = """
defaults
    mode http
    timeout connect 10s
    timeout client 60s
    timeout server {silence}s
frontend front
    bind 127.0.0.1:{port}
    default_backend app
backend app
    server app {upstream}
"""


@contextlib.contextmanager
def proxy(name: str, upstream: str, place: Path) -> Iterator[str]:
    """Run a proxy in front of `upstream` and yield its URL."""
    program = binary(name)
    need(name, program, f"apt-get install {name}")
    assert program is not None
    for _ in range(5):  # a port that was free may be taken when the proxy is there
        port = free_port()
        file = place / f"{name}-{port}"
        text = NGINX if name == "nginx" else HAPROXY
        file.write_text(
            text.format(place=place, port=port, upstream=upstream.removeprefix("http://"), silence=SILENCE), "utf-8"
        )
        options = ["-c", str(file)] if name == "nginx" else ["-db", "-f", str(file)]
        with (place / f"{name}.log").open("wb") as log:
            process = subprocess.Popen([program, *options], stdout=log, stderr=log, start_new_session=True)
        try:
            if listens(process, port):
                yield f"http://127.0.0.1:{port}"
                return
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    pytest.fail(f"{name} does not start: {(place / f'{name}.log').read_text('utf-8')}")


class StandIn:
    """The fault server with the one header that makes nginx pass on what it gets."""

    key = "test"
    silent = Fault(after=0, insert=b": keepalive\n", times=None, interval=1.0)

    def __init__(self, upstream: FaultServer) -> None:
        self.url, self.upstream = upstream.url, upstream

    def push(self, fault: Fault) -> None:
        """Add what it answers next."""
        self.upstream.push(evolve(fault, headers=[*fault.headers, ("x-accel-buffering", "no")]))


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """The gateway with a keep-alive each second."""
    if not gateway_process.is_here():
        yield None
        return
    with gateway_process.running(tmp_path_factory.mktemp("gateway"), "quick") as running:
        yield running


@pytest.fixture(params=["stand-in", "gateway"])
def target(request: pytest.FixtureRequest, gateway: Any) -> Iterator[Any]:
    """A stand-in, and the gateway."""
    if request.param == "gateway":
        if gateway is None:
            pytest.skip("there is no gateway yet")
        gateway.upstream.reset()
        yield gateway
        return
    with FaultServer() as server:
        yield StandIn(server)


@pytest.fixture(params=["nginx", "haproxy"])
def through(request: pytest.FixtureRequest, target: Any, tmp_path: Path) -> Iterator[str]:
    """The URL of a proxy in front of the target."""
    with proxy(request.param, target.url, tmp_path) as url:
        yield url


def request(url: str, key: str) -> tuple[socket.socket, Callable[[bytes], bytes]]:
    """Ask for a stream with plain bytes; the second value reads until what it is given has come."""
    host, _, port = url.removeprefix("http://").partition(":")
    body = json.dumps(ask("claude") | {"stream": True}).encode()
    lines = ["POST /v1/messages HTTP/1.1", f"host: {host}:{port}", f"x-api-key: {key}"]
    lines += ["anthropic-version: 2023-06-01", "content-type: application/json", f"content-length: {len(body)}"]
    client = socket.create_connection((host, int(port)), timeout=60)
    client.sendall("\r\n".join([*lines, "", ""]).encode() + body)
    seen = b""

    def until(wanted: bytes, count: int = 1) -> bytes:
        nonlocal seen
        while seen.count(wanted) < count:
            data = client.recv(65536)
            assert data, f"the body ended: {seen!r}"
            seen += data
        return seen

    return client, until


def ask(model: str) -> dict[str, Any]:
    return {"model": model, "max_tokens": 100, "messages": [{"role": "user", "content": "Hello"}]}


def test_r10_bytes_pass_a_proxy_with_its_defaults_while_the_model_is_silent(target: Any, through: str) -> None:
    """They are not held back, and the proxy does not take the silence of the model for a dead server.

    Then the client leaves, which ends the request upstream.
    """
    target.push(StandIn.silent if isinstance(target, StandIn) else Fault(before_head=True, then="stall"))
    client, until = request(through, target.key)
    with client:
        seen = until(b": keepalive\n", KEEPALIVES)
    assert seen.startswith(b"HTTP/1.1 200 ")
    target.upstream.wait_idle(30)


def test_a_stream_tells_proxies_not_to_hold_it_back(target: Any) -> None:
    """nginx keeps the header for itself, so it is looked for without one."""
    target.push(Fault())
    client, until = request(target.url, target.key)
    with client:
        head = until(b"\r\n\r\n").partition(b"\r\n\r\n")[0].lower()
    assert b"x-accel-buffering: no" in head.split(b"\r\n")


@pytest.mark.parametrize("sdk", ["anthropic", "openai"])
def test_a_stream_passes_a_proxy_whole(target: Any, through: str, sdk: str) -> None:
    """Events of many sizes, for an SDK that does not know of the proxy."""
    text = " ".join(["Wörter\u2028", "x" * 100_000, "\n", "end"])
    target.push(Fault(text=text))
    model = "claude" if sdk == "anthropic" else "gpt"
    told = python.judge({"url": through, "key": target.key, "sdk": sdk, "do": "stream", "model": model})
    assert told.get("text") == text, told


def test_an_error_passes_a_proxy_as_it_is(gateway: Any, tmp_path: Path) -> None:
    """Neither status, body nor headers are replaced by pages of the proxy."""
    if gateway is None:
        pytest.skip("there is no gateway yet")
    for name in ("nginx", "haproxy"):
        with proxy(name, gateway.url, tmp_path) as url:
            gateway.push(faults.server_error())
            told = python.judge({"url": url, "key": gateway.key, "sdk": "anthropic", "do": "plain", "model": "claude"})
            error = told["error"]
            assert (error["status"], error["type"], error["should_retry"]) == (502, "api_error", "false")
            assert error["request_id"]


class Curl:
    """curl and the target that it asks."""

    def __init__(self, program: str, target: Any) -> None:
        self._program, self._target = program, target

    def __call__(
        self, *options: str, model: str = "claude", body: str | None = None
    ) -> "subprocess.CompletedProcess[str]":
        """Send a request; more options of curl may be given."""
        command = [self._program, "-sS", "--noproxy", "*", "--max-time", "60", f"{self._target.url}/v1/messages"]
        headers = [f"x-api-key: {self._target.key}", "anthropic-version: 2023-06-01", "content-type: application/json"]
        command += [word for header in headers for word in ("-H", header)]
        data = json.dumps(ask("claude") | {"stream": True}) if body is None else body
        return subprocess.run(
            [*command, "--data-binary", "@-", *options], input=data, capture_output=True, text=True, check=False
        )


@pytest.fixture
def curl(target: Any) -> Curl:
    """curl."""
    program = binary("curl")
    need("curl", program, "apt-get install curl")
    assert program is not None
    return Curl(program, target)


@pytest.mark.parametrize("version", ["--http1.1", "--http1.0"])
def test_curl_reads_a_stream_to_its_end(curl: Curl, target: Any, version: str) -> None:
    """Every event, and the end of the body as HTTP wants it, or curl would complain."""
    target.push(Fault(text="one two three"))
    done = curl("-N", version)
    assert done.returncode == 0, done.stderr
    kinds = [line for line in done.stdout.splitlines() if line.startswith("event: ")]
    assert (kinds[0], kinds[-1]) == ("event: message_start", "event: message_stop")


def test_curl_sees_that_a_stream_broke(curl: Curl, target: Any) -> None:
    """The gateway ends the body well and says in it what happened; no stop event is invented."""
    if isinstance(target, StandIn):
        target.push(faults.error_after())
    else:
        target.push(faults.reset(after=5))
    done = curl("-N")
    assert done.returncode == 0, done.stderr
    assert "event: error" in done.stdout
    assert "event: message_stop" not in done.stdout


def test_curl_fails_with_an_error(curl: Curl, target: Any) -> None:
    """The exit code is that of an HTTP error and the body is JSON, with ``--fail-with-body``."""
    target.push(faults.status(400))
    done = curl("--fail-with-body")
    assert done.returncode == 22
    assert json.loads(done.stdout)["error"]["type"] == "invalid_request_error"


def test_curl_is_told_that_its_body_is_too_large(curl: Curl, target: Any) -> None:
    """curl asks with ``Expect: 100-continue`` before it sends one of more than a megabyte."""
    if isinstance(target, StandIn):
        pytest.skip("the stand-in takes any body")
    done = curl("-w", "\n%{http_code}", body=json.dumps({**ask("claude"), "system": "x" * 2_000_000}))
    body, _, status = done.stdout.rpartition("\n")
    assert (status, json.loads(body)["error"]["type"]) == ("413", "request_too_large")
    assert target.asked() == 0
