"""FAULTS G85: what an error tracker collects of failures over real sockets, and of refused arguments."""

import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import unbroken
from unbroken.messages import Timeouts
from unbroken_fallback import Fallback, Target
from unbroken_retry import Retry

from ..locals import local_variables

pytestmark = pytest.mark.over_httpx

CANARY = "CANARY7f3a9c"
KEY = f"sk-ant-api03-{CANARY}-0123456789"
HERE = str(Path(__file__).parent)
HEADERS = {"authorization": f"Bearer {KEY}", "x-api-key": KEY, "cookie": f"session={CANARY}"}
QUICK = Timeouts(connect=0.3, first_event=0.3, idle=0.3)
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nSet-Cookie: " + KEY.encode() + b"\r\n"
DATA = b'data: {"type":"content_block_delta","x":"' + KEY.encode() + b'"}\n\n'

ANSWERS: dict[str, list[bytes]] = {
    "nothing": [],
    "reset": [HEAD + b"\r\n", b"reset"],
    "silence": [b"wait"],
    "stall": [HEAD + b"Transfer-Encoding: chunked\r\n\r\n%x\r\n%b\r\n" % (len(DATA), DATA), b"wait"],
    "cut": [HEAD + b"Content-Length: 9999\r\n\r\n" + DATA],
    "bad-head": [KEY.encode() + b"\r\n\r\n"],
    "bad-field": [HEAD + b"X" + KEY.encode() + b"\r\n\r\n"],
    "bad-length": [HEAD + b"Content-Length: " + KEY.encode() + b"\r\n\r\n"],
    "bad-chunk": [HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + KEY.encode() + b"\r\n"],
    "huge-head": [HEAD + b"X-More: " + KEY.encode() * 20_000],
    "status": [b"HTTP/1.1 503 No\r\nContent-Length: %d\r\n\r\n%b" % (len(CANARY), KEY.encode())],
    "page": [HEAD.replace(b"event-stream", b"html") + b"Content-Length: %d\r\n\r\n" % len(KEY) + KEY.encode()],
}


def shown(error: Any) -> list[str]:
    """Return where a secret is among the local variables, and in the words of the error."""
    assert isinstance(error, unbroken.Error)
    variables = [*local_variables(error, without=HERE), ("error", f"{error!r} {error} {vars(error)}")]
    assert len(variables) > 3
    return [where for where, value in variables if CANARY in value]


@pytest.fixture
def serve(raw: Any) -> Callable[[list[bytes]], str]:
    """Return a function that answers each request with pieces, and returns the URL."""

    def make(pieces: list[bytes]) -> str:
        def answer(client: Any, number: int) -> None:
            raw.request(client)
            for piece in pieces:
                if piece == b"wait":
                    raw.some(client)
                elif piece == b"reset":
                    raw.reset(client)
                else:
                    client.sendall(piece)

        return str(raw.server(answer).url)

    return make


@pytest.mark.parametrize("name", [pytest.param(name, id=f"G85-{name}") for name in ANSWERS])
def test_no_traceback_shows_a_secret(connect: Any, serve: Any, name: str) -> None:
    """In any local variable of any frame, whatever the server does; also of the attempts before."""
    caller = connect(plugins=[Retry(max_retries=1, initial_delay=0.0)], headers=HEADERS)
    url = f"{serve(ANSWERS[name])}?key={CANARY}"
    seen = caller.call(url, json={"prompt": CANARY, "stream": True}, timeouts=QUICK)
    assert shown(seen.error) == []


@pytest.mark.parametrize("name", [pytest.param(name, id=f"G85-{name}") for name in ANSWERS])
def test_no_traceback_shows_a_key_of_a_target(connect: Any, serve: Any, name: str) -> None:
    """Nor the client, nor what it says of itself."""
    body = {"prompt": CANARY}
    targets = [
        Target(url=f"{serve(ANSWERS[name])}?key={CANARY}", keys=[{"x-api-key": KEY}, {"cookie": KEY}], body=body)
    ]
    caller = connect(plugins=[Fallback(targets=targets)])
    seen = caller.call(f"{serve(ANSWERS['nothing'])}?key={CANARY}", timeouts=QUICK)
    assert shown(seen.error) == []
    assert CANARY not in f"{caller.client.describe()} {caller.client!r} {seen.stream!r} {seen.stream.history!r}"


@pytest.mark.parametrize("way", ["direct", "proxy", "tls"])
def test_no_traceback_shows_a_secret_of_a_connection_that_fails(connect: Any, raw: Any, way: str) -> None:
    """Nobody listens, or at the address of the proxy, or who does speaks no TLS."""
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        dead = f"127.0.0.1:{nobody.getsockname()[1]}"
        caller = connect(headers=HEADERS, proxy=f"http://user:{KEY}@{dead}" if way == "proxy" else None)
        url = raw.server(lambda client, _: client.sendall(raw.whole())).url.replace("http:", "https:")
        seen = caller.call(f"{url if way == 'tls' else f'http://{dead}/'}?key={CANARY}", json={"prompt": CANARY})
        assert shown(seen.error) == []
