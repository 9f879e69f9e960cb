"""What servers let through or not: heads and bodies that are slow, huge or ambiguous, over raw sockets."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from ..gateway_client import Reply, ask, run, send
from ..gateway_process import Gateway, running


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    place = tmp_path_factory.mktemp("gateway")
    with running(place, gateway="head_deadline = 0.5\nbody_deadline = 0.5") as running_gateway:
        yield running_gateway


HEAD = "POST /v1/messages HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"
GET = "GET /v1/models HTTP/1.1\r\nhost: localhost\r\n"


def answered(gateway: Gateway, text: str, *, key: bool = True) -> Reply:
    """Send bytes, and return the answer once the gateway has closed the connection."""

    async def story() -> Reply:
        credential = f"authorization: Bearer {gateway.key}\r\n" if key else ""
        reply = await send(gateway.url, text.replace("KEY\r\n", credential).encode("latin-1"))
        await reply.head()
        if reply.status:
            reply.body = await reply.reader.read()  # to the end of the connection
        return reply

    return run(story())


@pytest.mark.parametrize("start", ["", "P", HEAD, HEAD + "x: " + "y" * 1000])
def test_s15_a_head_that_does_not_end_in_time_is_408(gateway: Gateway, start: str) -> None:
    reply = answered(gateway, start)
    assert (reply.status, reply.headers["connection"]) == (408, "close")


def test_s15_a_head_that_comes_in_drops_has_one_deadline(gateway: Gateway) -> None:
    async def story() -> Reply:
        reply = await send(gateway.url, b"")
        heading = asyncio.ensure_future(reply.head())
        for byte in (HEAD + "x: y" * 1000).encode():
            if heading.done():
                break
            reply.writer.write(bytes([byte]))
            await asyncio.sleep(0.01)
        await heading
        return reply

    assert run(story()).status == 408


def test_s15_a_second_request_on_a_connection_has_its_own_deadline(gateway: Gateway) -> None:
    async def story() -> list[int]:
        first = await send(gateway.url, b"GET /health/live HTTP/1.1\r\nhost: localhost\r\n\r\n")
        await first.head()
        await first.part()
        first.writer.write(b"GET /health/live HTTP/1.1\r\n")
        second = Reply("", first.reader, first.writer)
        await second.head()
        return [first.status, second.status]

    assert run(story()) == [200, 408]


def test_s15_a_head_without_an_end_is_431(gateway: Gateway) -> None:
    assert answered(gateway, HEAD + "x: " + "y" * 66_000).status == 431


@pytest.mark.parametrize("more", ["x: " + "y" * 33_000, "\r\n".join(f"x-{n}: y" for n in range(101))])
def test_s15_a_head_that_is_too_large_is_431(gateway: Gateway, more: str) -> None:
    assert answered(gateway, f"{HEAD}KEY\r\n{more}\r\ncontent-length: 2\r\n\r\n{{}}").status == 431


@pytest.mark.parametrize("framing", ["content-length: 100", "transfer-encoding: chunked"])
def test_s15_a_body_that_does_not_end_in_time_is_408(gateway: Gateway, framing: str) -> None:
    reply = answered(gateway, f"{HEAD}KEY\r\n{framing}\r\n\r\n")
    assert (reply.status, b"invalid_request_error" in reply.body) == (408, True)


def test_s15_a_chunked_body_that_is_too_large_is_413(gateway: Gateway) -> None:
    chunk = "8000\r\n" + " " * 0x8000 + "\r\n"
    reply = answered(gateway, f"{HEAD}KEY\r\ntransfer-encoding: chunked\r\n\r\n" + chunk * 40)
    assert (reply.status, b"request_too_large" in reply.body) == (413, True)


@pytest.mark.parametrize(
    "framing",
    [
        "content-length: 2\r\ntransfer-encoding: chunked",
        "transfer-encoding: chunked\r\ncontent-length: 2",
        "content-length: 2\r\ncontent-length: 3",
        "content-length: 2\r\ncontent-length: 2",
        "content-length: +2",
        "content-length: 2, 2",
        "transfer-encoding: chunked, chunked",
        "transfer-encoding: xchunked",
        "transfer-encoding: chunked\r\ntransfer-encoding: identity",
        "content-length : 2",
        "content_length: 2",
    ],
)
def test_s14_an_ambiguous_length_is_refused_and_ends_the_connection(gateway: Gateway, framing: str) -> None:
    asked = gateway.asked()
    smuggled = "GET /v1/models HTTP/1.1\r\nhost: localhost\r\nKEY\r\n\r\n"
    reply = answered(gateway, f"{HEAD}KEY\r\n{framing}\r\n\r\n{{}}{smuggled}")
    assert reply.status in (400, 408, 411)
    assert b'"object":"list"' not in reply.body
    assert gateway.asked() == asked


@pytest.mark.parametrize(
    "host",
    [
        "",
        "host: localhost\r\nhost: localhost\r\n",
        "host: localhost\r\nhost: evil.example\r\n",
        "host: evil.example\r\n",
        "host: localhost, evil.example\r\n",
        "host: localhost:99999\r\n",
        "host:\r\n",
    ],
)
def test_s13_any_host_but_one_of_the_list_is_400(gateway: Gateway, host: str) -> None:
    reply = answered(gateway, f"GET /v1/models HTTP/1.1\r\n{host}KEY\r\nconnection: close\r\n\r\n")
    assert reply.status == 400


@pytest.mark.parametrize(
    "target", ["http://evil.example/v1/models", "http://localhost/v1/models", "*", "evil.example:443"]
)
def test_s13_an_absolute_target_is_no_path(gateway: Gateway, target: str) -> None:
    reply = answered(gateway, f"GET {target} HTTP/1.1\r\nhost: localhost\r\nKEY\r\nconnection: close\r\n\r\n")
    assert reply.status in (400, 404)


@pytest.mark.parametrize(
    "path", ["/v1/../v1/models", "/v1/%6dodels", "/v1%2fmodels", "//v1/models", "/v1/models/", "/v1/models%00"]
)
def test_s18_a_path_is_as_it_was_sent(gateway: Gateway, path: str) -> None:
    assert (
        answered(gateway, f"GET {path} HTTP/1.1\r\nhost: localhost\r\nKEY\r\nconnection: close\r\n\r\n").status == 404
    )


def test_s26_a_client_that_does_not_read_ends(tmp_path: Path) -> None:
    """Its connection is cut, and the upstream's with it."""
    from unbroken_faults import Fault

    async def story(gateway: Gateway) -> None:
        reply = await ask(gateway.url, gateway.key)
        await gateway.upstream.await_idle(60)  # which it is not before the call has ended
        reply.writer.transport.abort()

    with running(tmp_path, gateway="send_deadline = 0.5") as gateway:
        gateway.push(Fault(insert=b": " + b"x" * 60_000 + b"\n", after=5, times=0), Fault(text="word " * 4_000_000))
        run(story(gateway))
