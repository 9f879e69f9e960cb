"""An authenticator in virtual time, whose issuer is a script."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from attrs import define, field

from unbroken.testing import Answer, AsyncScriptedTransport, FakeClock, run
from unbroken_gateway.auth.authenticator import Authenticator
from unbroken_gateway.config.settings import Settings
from unbroken_gateway.replies.errors import Problem, Refused
from unbroken_gateway.values import Principal

from .issuing import bearer, issuer, jwk, jwks, settings

PEER = "203.0.113.7"
JSON = {"content-type": "application/json"}


def document(*keys: dict[str, Any]) -> Answer:
    return Answer(headers=JSON, body=jwks(*(keys or (jwk(),))))


@define
class Door:
    """An authenticator and what it stands between."""

    clock: FakeClock
    settings: Settings = field(factory=lambda: settings(issuer()))
    answer: Callable[[Any], Answer] = field(default=lambda request: document())
    """What the issuer answers."""
    revoked: Callable[[Principal], bool] = field(default=lambda principal: False)
    transport: Any = None

    def run(self, visit: Callable[[Authenticator], Awaitable[Any]]) -> Any:
        """Run `visit` with an authenticator, in virtual time."""
        self.transport = AsyncScriptedTransport(lambda request: self.answer(request), self.clock)

        async def revoked(principal: Principal) -> bool:
            return self.revoked(principal)

        async def visiting() -> Any:
            made = Authenticator(self.settings, revoked=revoked, transport=self.transport, clock=self.clock)
            try:
                return await visit(made)
            finally:
                await made.aclose()

        return run(visiting, clock=self.clock)

    def ask(self, *tokens: bytes | str, peer: str = PEER) -> list[Principal | Problem]:
        """Return what came of a request with each token, one after the other."""

        async def visit(door: Authenticator) -> list[Principal | Problem]:
            return [await knock(door, bearer(each), peer) for each in tokens]

        return self.run(visit)

    def ask_one(self, token: bytes | str) -> Principal | Problem:
        return self.ask(token)[0]

    @property
    def fetched(self) -> list[str]:
        return [request.url for request in self.transport.requests]


async def knock(door: Authenticator, headers: Any, peer: str = PEER) -> Principal | Problem:
    """Return the principal, or the problem with which it is refused."""
    try:
        return await door.authenticate(headers, peer)
    except Refused as refused:
        return refused.problem


@pytest.fixture
def door(fake_clock: FakeClock) -> Door:
    return Door(fake_clock)
