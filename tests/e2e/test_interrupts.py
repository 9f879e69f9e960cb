"""FAULTS G76: KeyboardInterrupt at every line of the transport; the next call works and the pool is whole."""

import gc
import itertools
import ssl
import sys
from pathlib import Path
from typing import Any

import pytest
import trustme

import unbroken
import unbroken._wire
from unbroken.transport import Connections

from ..interrupt import Interrupt

HOUSE = (str(Path(unbroken._wire.__file__).parent),)


def call(client: unbroken.Client, url: str) -> list[str]:
    with client.stream("POST", url, json={"stream": True}) as stream:
        return [event.type for event in stream]


def whole(transport: Any, limit: int, where: str) -> None:
    """Everything was given back; what only a traceback held is given back with it."""
    if transport.requests_under_way():
        gc.collect()  # it takes long, and refcounts have done it nearly always
    assert transport.requests_under_way() == 0, where
    assert transport.open_connections() == transport.idle_connections() <= limit, where


@pytest.fixture(scope="module")
def contexts() -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """Those of a server and of a client that trusts it."""
    authority = trustme.CA()
    server, client = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    authority.issue_cert("localhost").configure_cert(server)
    authority.configure_trust(client)
    return server, client


def serve(raw: Any, context: ssl.SSLContext | None) -> Any:
    """A server whose answers have a length and chunks in turn; it closes every fifth connection behind an answer."""

    def answer(client: Any, number: int) -> None:
        if context is not None:
            client = context.wrap_socket(client.dup(), server_side=True)
        with client:
            for count in itertools.count():
                raw.request(client)
                body = raw.chunk(raw.EVENT) + raw.chunk(raw.STOP) + b"0\r\n\r\n"
                chunked = raw.HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + body
                client.sendall(chunked if count % 2 else raw.whole())
                if number % 5 == 0:
                    return

    return raw.server(answer)


@pytest.mark.filterwarnings("ignore::ResourceWarning")  # an interrupt in the making of a socket leaves it to refcounts
@pytest.mark.parametrize(("tls", "fresh"), [(False, True), (False, False), (True, True)], ids=["new", "kept", "tls"])
def test_an_interrupt_at_any_line_leaves_the_pool_whole(
    raw: Any, contexts: Any, monkeypatch: pytest.MonkeyPatch, tls: bool, fresh: bool
) -> None:
    """G76: with one place in the pool, so that one that is lost is missed by the next call."""
    # Python swallows an interrupt within a finaliser; pytest would keep it, and with it what is being finalised.
    monkeypatch.setattr(sys, "unraisablehook", lambda _: None)
    server = serve(raw, contexts[0] if tls else None)
    url = server.url.replace("http://127.0.0.1", "https://localhost" if tls else "http://localhost")
    transport = unbroken._wire.WireTransport(Connections(verify=contexts[1], max_connections=1))
    client = unbroken.Client([], dialect="anthropic", transport=transport)
    for at in itertools.count(0, 3 if tls else 1):
        if fresh:
            transport._pool.idle.close()
        else:
            call(client, url)
        interrupt = Interrupt(at, HOUSE)
        try:
            with interrupt.armed():
                call(client, url)
        except KeyboardInterrupt:
            pass
        if interrupt.left >= 0:
            break
        whole(transport, 1, interrupt.where)
        assert call(client, url)[-1] == "message_stop", interrupt.where
    assert at > 100
    client.close()
    del interrupt
    gc.collect()  # a socket that was being made warns when it is collected: let it be here, where that is expected
