"""The keys of an issuer over real sockets, and a canary that must never be called."""

import asyncio
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from unbroken_gateway.auth.authenticator import Authenticator
from unbroken_gateway.config.settings import Settings
from unbroken_gateway.replies.errors import Refused
from unbroken_gateway.values import Principal

from ..plugins.gateway.auth.issuing import bearer, claims, issuer, jwk, jwks, settings, token


@contextmanager
def server(answer: Any) -> Iterator[tuple[str, list[str]]]:
    """Serve on loopback; yields the base and the paths that were asked for."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            status, headers, body = answer(self.path)
            self.send_response(status)
            for name, value in {"content-length": str(len(body)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            """Say nothing."""

    running = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{running.server_port}", asked
    finally:
        running.shutdown()
        thread.join()
        running.server_close()


def now_claims(**changes: Any) -> dict[str, Any]:
    import time

    return claims(iat=int(time.time()), exp=int(time.time()) + 600, **changes)


def ask(given: Settings, *tokens: bytes) -> list[Principal | int]:
    """Return the principal or the status of a request with each token."""

    async def never(principal: Principal) -> bool:
        return False

    async def asking() -> list[Principal | int]:
        made = Authenticator(given, revoked=never)
        seen: list[Principal | int] = []
        for each in tokens:
            try:
                seen.append(await made.authenticate(bearer(each), "127.0.0.1"))
            except Refused as refused:
                seen.append(refused.problem.status)
        await made.aclose()
        return seen

    return asyncio.run(asking())


def test_s5_keys_are_fetched_over_the_wire() -> None:
    """Once, by a plain GET."""
    with server(lambda path: (200, {}, jwks(jwk()))) as (base, asked):
        good = token(now_claims())
        seen = ask(settings(issuer(jwks=f"{base}/jwks")), good, good)
    assert [isinstance(each, Principal) for each in seen] == [True, True]
    assert asked == ["/jwks"]


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_s5_a_redirect_is_not_followed(status: int) -> None:
    """Not even to the same server."""
    with server(lambda path: (status, {"location": "/elsewhere"}, jwks(jwk()))) as (base, asked):
        seen = ask(settings(issuer(jwks=f"{base}/jwks")), token(now_claims()))
    assert seen == [503]
    assert asked == ["/jwks"]


def test_s5_a_large_document_is_not_read_to_its_end() -> None:
    body = json.dumps({"keys": [jwk()], "x": "y" * 10_000_000}).encode()
    with server(lambda path: (200, {}, body)) as (base, _):
        assert ask(settings(issuer(jwks=f"{base}/jwks")), token(now_claims())) == [503]


def test_s1_a_canary_that_headers_name_is_never_called() -> None:
    """By whatever parameter, with a signature that its key would verify."""
    with (
        server(lambda path: (200, {}, jwks(jwk("RS256-foreign")))) as (canary, called),
        server(lambda path: (200, {}, jwks(jwk()))) as (base, _),
    ):
        named = {
            "jku": canary,
            "x5u": canary,
            "jwk": {**jwk("RS256-foreign"), "x5u": canary},
            "kid": canary,
            "iss": canary,
        }
        tokens = [token(now_claims(), key="RS256-foreign", **{name: value}) for name, value in named.items()]
        tokens.append(token(now_claims(iss=canary), key="RS256-foreign"))
        seen = ask(settings(issuer(jwks=f"{base}/jwks")), *tokens, token(now_claims()))
    assert seen[:-1] == [401] * 6
    assert isinstance(seen[-1], Principal)
    assert called == []
