"""From the headers of a request to a `Principal`, or to the one answer that all bad credentials get."""

import hashlib
import hmac
import logging
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from functools import partial
from typing import TYPE_CHECKING, Final, final

from attrs import frozen

from unbroken.clock import Clock, SystemClock
from unbroken.config import Given
from unbroken.errors import ConfigurationError
from unbroken.errors import Problem as InvalidSetting
from unbroken.registry import resolve_transport
from unbroken.transport import AsyncTransport, Connections

from ..config.settings import Settings
from ..replies.errors import Problem, Refused, no_credential, too_many_bad_credentials, unavailable
from ..values import Principal
from .addresses import Throttle, client_address, networks
from .checks import DEVELOPMENT, check_auth
from .credentials import Headers, credential
from .keys import PREFIX, KeyStore
from .proof import Proof, Rejected, Unavailable
from .stored import StoredKeys

if TYPE_CHECKING:
    from .jwt import Tokens
    from .key_set import KeySource

MAX_KNOWN: Final = 10_000
"""The most credentials that are remembered; the one that was used longest ago goes first."""

_log = logging.getLogger("unbroken.gateway")


@frozen
class _Known:
    """A credential that was good, and until when it need not be checked again."""

    proof: Proof
    until: float
    """Monotonic seconds."""


@final
class Authenticator:
    """Finds out who makes a request. For asyncio; close it with `aclose`.

    `revoked` is asked at each request. `transport` fetches the keys of issuers; None makes one, and closes it.
    Raises ConfigurationError for settings under which the gateway must not start.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        revoked: Callable[[Principal], Awaitable[bool]],
        transport: AsyncTransport | None = None,
        clock: Clock | None = None,
    ) -> None:
        _check(settings)
        self._clock = clock = SystemClock() if clock is None else clock
        self._revoked = revoked
        self._trusted = networks(settings.trusted_proxies)
        self._throttle = Throttle(settings.bad_credentials)
        self._known: OrderedDict[bytes, _Known] = OrderedDict()
        self._development = _development(settings)
        self._transport = _wire() if transport is None else transport
        self._owns_transport = transport is None
        self._sources: dict[str, KeySource] = {}
        self._tokens = self._verifier(settings) if settings.issuers else None
        self._stored = (
            None
            if settings.keys is None
            else StoredKeys(KeyStore(settings.keys, settings.pepper), settings.plans, clock)
        )

    async def authenticate(self, headers: Headers, peer: str) -> Principal:
        """Return who makes a request with these `headers` from the address `peer`.

        Raises Refused: 401 for a bad credential, 429 for an address that sent too many, 503 if it cannot be told.
        """
        outcome = await self._outcome(headers, peer)
        del headers  # the traceback of the error shall not show them
        if isinstance(outcome, Problem):
            raise Refused(outcome)
        return outcome

    async def aclose(self) -> None:
        """Stop what is under way, and close the file of keys."""
        for source in self._sources.values():
            await source.aclose()
        if self._stored is not None:
            await self._stored.aclose()
        if self._owns_transport:
            await self._transport.aclose()

    async def _outcome(self, headers: Headers, peer: str) -> Principal | Problem:
        """Return the principal or the answer. Nothing is raised whose traceback would hold the credential."""
        address = client_address(headers, peer, self._trusted)
        token = credential(headers)
        digest = b"" if token is None else hashlib.sha256(token).digest()
        known = self._known.get(digest)
        wait = self._throttle.wait(address, self._clock.monotonic())
        if wait and known is None:  # who came in before still can, for an address may be shared
            return too_many_bad_credentials(wait)
        try:
            principal = await self._principal(token, digest, known)
            if await self._revoked(principal):
                raise Rejected("revoked")
        except Rejected as reason:
            return self._rejected(address, digest, str(reason))
        except Unavailable as error:
            return unavailable(error.retry_after)
        except Exception as error:  # noqa: BLE001  # a bug, or a store that fails: nobody gets in by it
            _log.error("a credential cannot be checked: %s", type(error).__name__)  # with no traceback
            return unavailable()
        return principal

    async def _principal(self, token: bytes | None, digest: bytes, known: _Known | None) -> Principal:
        now = self._clock.monotonic()
        if known is not None and now < known.until and self._clock.time() < known.proof.ends and known.proof.holds():
            self._known.move_to_end(digest)
            return known.proof.principal
        if token is None:
            raise Rejected("not exactly one credential")
        proof = await self._prove(token)
        self._known[digest] = _Known(proof, now + proof.lasts)
        self._known.move_to_end(digest)
        if len(self._known) > MAX_KNOWN:
            self._known.popitem(last=False)
        return proof.principal

    async def _prove(self, token: bytes) -> Proof:
        if self._development is not None and hmac.compare_digest(token, self._development[0]):
            return self._development[1]
        if token.startswith(PREFIX.encode()):
            if self._stored is None:
                raise Rejected("there is no file of keys")
            return await self._stored.prove(token)
        if self._tokens is None:
            raise Rejected("there is no issuer of tokens")
        return await self._tokens.prove(token)

    def _rejected(self, address: str, digest: bytes, reason: str) -> Problem:
        self._known.pop(digest, None)
        self._throttle.note(address, self._clock.monotonic())
        _log.info("a credential from %s is refused: %s", address, reason)
        return no_credential()

    def _verifier(self, settings: Settings) -> "Tokens":
        # Cryptography takes a quarter of the time in which a gateway starts, and not every one has issuers.
        from .fetching import fetch
        from .jwks import RemoteKeys
        from .jwt import Tokens
        from .key_set import SharedSecret

        get = partial(fetch, self._transport, self._clock)
        for issuer in settings.issuers:
            self._sources[issuer.issuer] = (
                SharedSecret(issuer.secret or "")
                if issuer.jwks is None
                else RemoteKeys(issuer.jwks, issuer.algorithms, get, self._clock)
            )
        return Tokens(settings.issuers, self._sources, settings.plans, self._clock)


def _check(settings: Settings) -> None:
    """Raise ConfigurationError for what `checks` refuses, and for what `with_secrets` would have made."""
    found = [*check_auth(settings)]
    if settings.keys is not None and settings.pepper is None and "pepper" not in dict(found):
        found.append(("pepper", "is required for stored keys"))
    if found:
        raise ConfigurationError.of(*(InvalidSetting(f"gateway.{place}", message) for place, message in found))


def _development(settings: Settings) -> tuple[bytes, Proof] | None:
    if settings.development_token is None:
        return None
    principal = Principal(id=DEVELOPMENT, issuer=DEVELOPMENT, plan=settings.development_plan)
    return settings.development_token.encode(), Proof(principal=principal, lasts=float("inf"))


def _wire() -> AsyncTransport:
    _, factory = resolve_transport(Given("wire"))
    return factory.async_transport(Connections(max_connections=8))
