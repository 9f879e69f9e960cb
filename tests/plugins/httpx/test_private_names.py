"""The canary: a version of httpcore or httpcore2 that has renamed what the guards need is named here, in words."""

import asyncio
from typing import Any

import pytest

from unbroken_httpx._library import Library
from unbroken_httpx._private import PRIVATE

ANSWER = [b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n", b"ok"]


def parts(lib: Library) -> dict[str, Any]:
    """Every kind of object of `PRIVATE`, as the sync side makes it."""
    core = lib.core
    pool = core.ConnectionPool(network_backend=core.MockBackend(list(ANSWER)))
    with pool.stream("GET", "http://x/") as response:
        (pool_request,), (connection,) = pool._requests, pool.connections
        body = response.stream._stream
        http11 = body._connection
    return named(lib, lib.httpx.HTTPTransport(), pool, pool_request, connection, body, http11, "")


async def async_parts(lib: Library) -> dict[str, Any]:
    core = lib.core
    pool = core.AsyncConnectionPool(network_backend=core.AsyncMockBackend(list(ANSWER)))
    async with pool.stream("GET", "http://x/") as response:
        (pool_request,), (connection,) = pool._requests, pool.connections
        body = response.stream._stream
        http11 = body._connection
    return named(lib, lib.httpx.AsyncHTTPTransport(), pool, pool_request, connection, body, http11, "Async")


def named(lib: Library, transport: Any, pool: Any, request: Any, connection: Any, body: Any, http11: Any, kind: str):
    origin = lib.core.Origin(b"https", b"x", 443)
    proxy = getattr(lib.core, f"{kind}HTTPProxy")("http://127.0.0.1:9")
    socks = getattr(lib.core, f"{kind}SOCKSProxy")("socks5://127.0.0.1:9")
    assert socks.create_connection(origin)._connection is None  # until there is a way to the server
    return {
        "transport": transport,
        "pool": pool,
        "pool request": request,
        "connection": connection,
        "tunnel": proxy.create_connection(origin),
        "body": body,
        "HTTP/1.1 connection": http11,
    }


def missing(found: dict[str, Any]) -> list[str]:
    assert found.keys() == PRIVATE.keys()
    return [
        f"{name} of its {kind}" for kind, names in PRIVATE.items() for name in names if not hasattr(found[kind], name)
    ]


@pytest.mark.parametrize("backend", ["sync", "async"])
def test_this_version_has_every_private_name_that_the_guards_need(lib: Library, backend: str) -> None:
    """Whoever raises the upper bound of a library learns here what to look at."""
    lacking = missing(parts(lib) if backend == "sync" else asyncio.run(async_parts(lib)))
    version = f"{lib.core.__name__} {lib.core.__version__}"
    assert not lacking, f"{version} lacks {', '.join(lacking)}: see plugins/transports/unbroken_httpx/_private.py"


def test_a_name_that_is_gone_would_be_found(lib: Library) -> None:
    """Without it the canary proves nothing."""
    found = {**parts(lib), "pool": object()}
    assert "_requests of its pool" in missing(found)
