"""nginx and haproxy with the files that are shipped, in front of the gateway, over TLS."""

import contextlib
import http.client
import json
import os
import re
import signal
import ssl
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import trustme

from unbroken_faults import Fault, FaultServer

from .. import gateway_process
from ..docs.gateway_pages import DEPLOY
from ..programs import binary, free_port, listens, need

QUESTION = {"model": "claude", "max_tokens": 100, "stream": True, "messages": [{"role": "user", "content": "Hello"}]}
NGINX = """
daemon off; master_process off; pid {place}/nginx.pid; error_log {place}/errors.log;
events {{ worker_connections 256; }}
http {{
client_body_temp_path {place}/body; proxy_temp_path {place}/proxy; fastcgi_temp_path {place}/fastcgi;
uwsgi_temp_path {place}/uwsgi; scgi_temp_path {place}/scgi;
{file}}}
"""


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[gateway_process.Gateway]:
    """One whose limit for bodies is the default, and that waits for content before it answers."""
    place = tmp_path_factory.mktemp("gateway")
    base = re.sub(r"^max_body = .*\n", "", gateway_process.BASE, flags=re.MULTILINE)
    with FaultServer() as upstream:
        file = place / "gateway.toml"
        file.write_text(
            base.format(upstream=upstream.url, origins="[]", place=place, gateway="open_after = 0", plan=""), "utf-8"
        )
        with gateway_process.serving("--config", str(file), place=place) as (told, process):
            yield gateway_process.Gateway(
                url=told["url"], admin=told["admin"], key=told["token"], upstream=upstream, process=process
            )


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    """What signs the certificate of the proxy."""
    return trustme.CA()


def _nginx(place: Path, port: int, upstream: str) -> str:
    text = (DEPLOY / "nginx.conf").read_text("utf-8")
    for shipped, ours in {
        "server 127.0.0.1:8080;": f"server {upstream};",
        "listen 443 ": f"listen 127.0.0.1:{port} ",
        "server_name api.example.com;": "server_name localhost;",
        "/etc/ssl/api.example.com": str(place),
        "/var/log/nginx": str(place),
    }.items():
        assert shipped in text
        text = text.replace(shipped, ours)
    return NGINX.format(place=place, file=text)


def _haproxy(place: Path, port: int, upstream: str) -> str:
    text = (DEPLOY / "haproxy.cfg").read_text("utf-8")
    for shipped, ours in {
        "bind :443 ": f"bind 127.0.0.1:{port} ",
        "/etc/haproxy/certs/": f"{place}/certs/",
        "10.0.0.11:8080": upstream,
        "10.0.0.12:8080": "127.0.0.1:1",  # a gateway that is down
    }.items():
        assert shipped in text
        text = text.replace(shipped, ours)
    return text


@contextlib.contextmanager
def proxy(name: str, upstream: str, place: Path) -> Iterator[int]:
    """Run a proxy with its shipped file, and yield its port."""
    program = binary(name)
    need(name, program, f"apt-get install {name}")
    for _ in range(5):  # a port that was free may be taken when the proxy is there
        port = free_port()
        file = place / f"{name}.conf"
        file.write_text((_nginx if name == "nginx" else _haproxy)(place, port, upstream), "utf-8")
        options = ["-c", str(file), "-p", str(place)] if name == "nginx" else ["-db", "-f", str(file)]
        with (place / f"{name}.log").open("wb") as log:
            process = subprocess.Popen([str(program), *options], stdout=log, stderr=log, start_new_session=True)
        try:
            if listens(process, port):
                yield port
                return
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    pytest.fail(f"{name} does not start: {(place / f'{name}.log').read_text('utf-8')}")


@pytest.fixture(params=["nginx", "haproxy"])
def connection(
    request: pytest.FixtureRequest, gateway: gateway_process.Gateway, authority: trustme.CA, tmp_path: Path
) -> Iterator[http.client.HTTPSConnection]:
    """A connection to a proxy in front of the gateway."""
    made = authority.issue_cert("localhost")
    made.cert_chain_pems[0].write_to_path(tmp_path / "fullchain.pem")
    made.private_key_pem.write_to_path(tmp_path / "privkey.pem")
    (tmp_path / "certs").mkdir()
    made.private_key_and_cert_chain_pem.write_to_path(tmp_path / "certs" / "localhost.pem")
    trusting = ssl.create_default_context()
    authority.configure_trust(trusting)
    gateway.upstream.reset()
    with proxy(request.param, gateway.url.removeprefix("http://"), tmp_path) as port:
        made_to = http.client.HTTPSConnection("localhost", port, context=trusting, timeout=60)
        yield made_to
        made_to.close()


def ask(connection: http.client.HTTPSConnection, gateway: gateway_process.Gateway, **more: Any) -> None:
    """Send the question."""
    headers = {"x-api-key": gateway.key, "content-type": "application/json"}
    connection.request("POST", "/v1/messages", json.dumps({**QUESTION, **more}), headers)


def test_events_arrive_while_the_stream_is_open_and_leaving_ends_it(
    connection: http.client.HTTPSConnection, gateway: gateway_process.Gateway
) -> None:
    """The proxy holds no event back, and passes on that its client has left."""
    gateway.push(Fault(after=5, then="stall"))
    ask(connection, gateway)
    answer = connection.getresponse()
    while b"content_block_delta" not in answer.readline():
        assert not answer.isclosed()
    answer.close()
    connection.close()
    gateway.upstream.wait_idle(60)


def test_leaving_before_the_answer_begins_ends_the_call(
    connection: http.client.HTTPSConnection, gateway: gateway_process.Gateway
) -> None:
    """This gateway never opens a stream without content, so nothing else would tell it."""
    gateway.push(Fault(before_head=True, then="stall"))
    ask(connection, gateway)
    while not gateway.asked():
        time.sleep(0.01)
    connection.close()
    gateway.upstream.wait_idle(60)


def test_a_large_body_passes(connection: http.client.HTTPSConnection, gateway: gateway_process.Gateway) -> None:
    """Such as one with a picture: nginx by default takes 1 MB."""
    ask(connection, gateway, system="x" * 2_000_000)
    answer = connection.getresponse()
    assert answer.status == 200, answer.read()
    assert (answer.status, len(json.loads(gateway.upstream.requests[-1].body)["system"])) == (200, 2_000_000)
    answer.close()


def test_a_whole_stream_passes(connection: http.client.HTTPSConnection, gateway: gateway_process.Gateway) -> None:
    """To its last event, with the id of the request."""
    ask(connection, gateway)
    answer = connection.getresponse()
    assert answer.headers["x-request-id"]
    assert answer.read().endswith(b'data: {"type":"message_stop"}\n\n')
