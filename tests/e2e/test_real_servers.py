"""Servers that nobody here wrote: uvicorn, granian and hypercorn, and nginx and haproxy in front of one of them."""

import importlib.util
import os
import signal
import ssl
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import trustme

import unbroken
from unbroken._wire import async_transport, transport
from unbroken.messages import Timeouts

from ..programs import binary, free_port, listens, need
from .streaming_app import TEXTS

HERE = Path(__file__).parent
PYTHON = ("uvicorn", "granian", "hypercorn")
PROXIES = ("nginx", "haproxy")

NGINX = """
daemon off; master_process off; pid {place}/nginx.pid; error_log {place}/errors.log;
events {{ worker_connections 256; }}
http {{
    access_log off;
    client_body_temp_path {place}/body; proxy_temp_path {place}/proxy; fastcgi_temp_path {place}/fastcgi;
    uwsgi_temp_path {place}/uwsgi; scgi_temp_path {place}/scgi;
    upstream app {{ server 127.0.0.1:{upstream}; keepalive 16; }}
    server {{
        listen 127.0.0.1:{port} {tls};
        proxy_http_version 1.1; proxy_set_header Connection ""; proxy_buffering off;
        proxy_hide_header X-Connection; add_header X-Connection $connection always;
        location / {{ proxy_pass http://app; }}
        location /close {{ keepalive_timeout 0; proxy_pass http://app; }}
    }}
}}
"""
NGINX_TLS = "ssl; ssl_certificate {certificate}; ssl_certificate_key {certificate}"

HAPROXY = """
defaults
    mode http
    timeout connect 10s
    timeout client 60s
    timeout server 60s
frontend front
    bind 127.0.0.1:{port} {tls}
    http-response set-header X-Connection %[src_port]
    http-request set-var(txn.path) path
    http-response set-header Connection close if {{ var(txn.path) -m str /close }}
    default_backend app
backend app
    server app 127.0.0.1:{upstream}
"""
HAPROXY_TLS = "ssl crt {certificate}"


class Servers:
    """Starts each server when it is asked for, and stops them all."""

    def __init__(self, place: Path) -> None:
        self._place = place
        self._started: dict[tuple[str, bool], str] = {}
        self._processes: list[subprocess.Popen[bytes]] = []
        authority = trustme.CA()
        self.trusting = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        authority.configure_trust(self.trusting)
        self._certificate = place / "server.pem"
        authority.issue_cert("localhost").private_key_and_cert_chain_pem.write_to_path(self._certificate)

    def url(self, name: str, *, tls: bool = False) -> str:
        """Return the base URL of a server."""
        if (name, tls) not in self._started:
            _need(name)
            self._started[name, tls] = self._start(name, tls)
        return self._started[name, tls]

    def _start(self, name: str, tls: bool) -> str:
        for _ in range(5):  # a port that was free may be taken when the server is there
            port = free_port()
            log = (self._place / f"{name}-{port}.log").open("wb")
            process = subprocess.Popen(
                self._command(name, port, tls), cwd=HERE, stdout=log, stderr=log, start_new_session=True
            )
            log.close()
            self._processes.append(process)
            if listens(process, port):
                return f"https://localhost:{port}" if tls else f"http://127.0.0.1:{port}"
        pytest.fail(f"{name} does not start: {Path(log.name).read_text('utf-8')}")

    def _command(self, name: str, port: int, tls: bool) -> list[str]:
        file = str(self._certificate)
        if name == "uvicorn":
            options = ["--ssl-certfile", file, "--ssl-keyfile", file] if tls else []
            return [sys.executable, "-m", name, "streaming_app:app", "--port", str(port), *options]
        if name == "hypercorn":
            options = ["--certfile", file, "--keyfile", file] if tls else []
            return [sys.executable, "-m", name, "streaming_app:app", "--bind", f"127.0.0.1:{port}", *options]
        if name == "granian":
            options = ["--ssl-certificate", file, "--ssl-keyfile", file] if tls else []
            options += ["--port", str(port), "--interface", "asgi", "--loop", "asyncio"]
            return [sys.executable, "-m", name, "streaming_app:app", *options]
        return self._proxy(name, port, tls)

    def _proxy(self, name: str, port: int, tls: bool) -> list[str]:
        template, how = (NGINX, NGINX_TLS) if name == "nginx" else (HAPROXY, HAPROXY_TLS)
        place = self._place / f"{name}-{port}"
        place.mkdir()
        options = how.format(certificate=self._certificate) if tls else ""
        upstream = self.url("uvicorn").rpartition(":")[2]
        file = place / "configuration"
        file.write_text(template.format(place=place, port=port, tls=options, upstream=upstream))
        program = binary(name)
        assert program is not None
        return [program, *(["-c", str(file)] if name == "nginx" else ["-db", "-f", str(file)])]

    def stop(self) -> None:
        """End what was started, the children of the servers with them."""
        for process in self._processes:
            if process.poll() is None:  # its id may belong to another process once it was waited for
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _need(name: str) -> None:
    """Skip the test, or fail it, when the server is not installed."""
    if name in PYTHON:
        need(name, importlib.util.find_spec(name), f"pip install {name}")
    else:
        need(name, binary(name), f"apt-get install {name}")


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    """All of them, each started when the first test needs it."""
    found = Servers(tmp_path_factory.mktemp("servers"))
    yield found
    found.stop()


@pytest.fixture(params=[*PYTHON, *PROXIES])
def server(request: pytest.FixtureRequest, servers: Servers) -> str:
    """The base URL of a server, without TLS."""
    return servers.url(request.param)


@pytest.fixture(params=["plain", "tls"])
def either(request: pytest.FixtureRequest, servers: Servers) -> Callable[[str], str]:
    """Return the base URL of a server, without and with TLS."""
    return lambda name: servers.url(name, tls=request.param == "tls")


@pytest.fixture
def each(connect: Any, servers: Servers, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A client that trusts the servers, and that waits for the end of a body however slow the machine is."""
    for module in (transport, async_transport):
        monkeypatch.setattr(module, "DRAIN_SECONDS", 20)
    return connect(verify=servers.trusting)


def text(seen: Any) -> str:
    return "".join(event["delta"]["text"] for event in seen.events if event.type == "content_block_delta")


def connection(seen: Any) -> str:
    return str(seen.stream.response.headers["x-connection"])


@pytest.mark.parametrize("name", [*PYTHON, *PROXIES])
def test_a_stream_arrives_whole_and_its_connection_is_used_again(
    each: Any, either: Callable[[str], str], name: str
) -> None:
    """However the server cuts it into chunks: small events, one of 300 kB, text that is not ASCII."""
    url = either(name)
    calls = [each.call(f"{url}/v1/messages").succeeded() for _ in range(3)]
    assert [text(seen) for seen in calls] == ["".join(TEXTS)] * 3
    assert len({connection(seen) for seen in calls}) == 1
    assert each.transport.open_connections() == each.transport.idle_connections() == 1


def test_a_body_of_a_known_length(each: Any, server: str) -> None:
    """The server sends Content-Length and no chunks; the connection is used again."""
    calls = [each.call(f"{server}/length").succeeded() for _ in range(2)]
    assert [text(seen) for seen in calls] == ["".join(TEXTS)] * 2
    assert len({connection(seen) for seen in calls}) == 1


def test_a_server_that_closes_after_its_answer(each: Any, server: str) -> None:
    """The answer is whole, the connection is not kept, and the next call has one of its own."""
    calls = [each.call(f"{server}/close").succeeded() for _ in range(2)]
    assert [text(seen) for seen in calls] == ["".join(TEXTS)] * 2
    assert len({connection(seen) for seen in calls}) == 2
    assert each.transport.open_connections() == 0


def test_an_answer_that_ends_early_and_politely(each: Any, server: str) -> None:
    """A body that ends as HTTP wants it, without the event that proves the message complete."""
    seen = each.call(f"{server}/polite")
    seen.failed(unbroken.TruncatedStreamError)
    assert text(seen) == "".join(TEXTS[:2])


def test_an_application_that_fails_in_the_middle(each: Any, server: str) -> None:
    """The server breaks the connection or ends the body: it is an error in any case, and the next call works."""
    seen = each.call(f"{server}/rude")
    assert isinstance(seen.error, unbroken.NetworkError), repr(seen.error)
    assert text(seen) == "".join(TEXTS[:2])
    each.call(f"{server}/v1/messages").succeeded()


def test_a_head_that_comes_late(each: Any, server: str) -> None:
    """It is waited for, and when there is no time for it, the connection is given up and the next call works."""
    seen = each.call(f"{server}/silent", timeouts=Timeouts(first_event=0.05))
    seen.failed(unbroken.TimeoutError)
    late = each.call(f"{server}/slow").succeeded()
    assert text(late) == "".join(TEXTS)


def test_a_status_that_is_an_error(each: Any, server: str) -> None:
    """Its body is read, and the connection is used again."""
    seen = [each.call(f"{server}/refused") for _ in range(2)]
    for each_seen in seen:
        assert "too fast" in str(each_seen.failed(unbroken.RateLimitError))
    assert text(each.call(f"{server}/v1/messages").succeeded()) == "".join(TEXTS)
    assert each.transport.open_connections() == 1


def test_a_consumer_that_leaves(each: Any, server: str) -> None:
    """The stream would never end; its connection is closed at once and the next call has another."""
    left = each.call(f"{server}/endless", consume=lambda event: event.type != "content_block_delta")
    assert left.status == "cancelled"
    assert each.transport.open_connections() == 0
    each.call(f"{server}/v1/messages").succeeded()
