"""The public keys of an issuer, fetched when they are needed and kept for as long as that is safe.

====================  =========================================================================================
age of the keys       what a token meets
====================  =========================================================================================
none yet              it waits for the fetch
up to `FRESH`         its key; a ``kid`` that is not known waits for a fetch, for keys are rotated
up to `STALE`         its key, while they are fetched again in the background
over `STALE`          it waits for the fetch; if that fails, nothing can be checked
====================  =========================================================================================

Whatever asks, and whatever came of it, there is one fetch at a time and one per `COOLDOWN`: tokens with invented names
of keys cannot make the gateway flood its issuer.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection
from typing import Final, final

from unbroken.clock import Clock

from .key_set import Key, KeySet, parse
from .proof import Rejected, Unavailable

FRESH: Final = 300.0
"""Seconds for which keys are used without another fetch."""
STALE: Final = 3600.0
"""Seconds after which keys that cannot be fetched again are no longer used."""
COOLDOWN: Final = 30.0
"""Seconds from the start of a fetch to the next."""

_log = logging.getLogger("unbroken.gateway")


@final
class RemoteKeys:
    """The keys behind one URL. `get` returns the document or raises."""

    def __init__(
        self, url: str, algorithms: Collection[str], get: Callable[[str], Awaitable[bytes]], clock: Clock
    ) -> None:
        self._url = url
        self._algorithms = algorithms
        self._get = get
        self._clock = clock
        self._keys: KeySet | None = None
        self._fetched = float("-inf")
        self._tried = float("-inf")
        self._failed = False
        self._flight: asyncio.Task[None] | None = None

    async def find(self, kid: str | None, algorithm: str) -> Key:
        """Return the only key of the issuer that fits `kid`, which None leaves open, and `algorithm`.

        Raises Rejected if there is no such key, and Unavailable if the keys cannot be fetched.
        """
        if self._clock.monotonic() - self._fetched > FRESH:
            self._begin()
        key = self._pick(kid, algorithm)
        if key is None:
            self._begin()
            if self._flight is not None:
                await asyncio.wait({self._flight})  # it goes on if this request is cancelled: others wait for it too
            key = self._pick(kid, algorithm)
        if key is not None:
            return key
        if self._failed or self._usable() is None:
            left = self._tried + COOLDOWN - self._clock.monotonic()
            raise Unavailable("the keys of the issuer cannot be fetched", max(left, 0.0))
        raise Rejected("a key that the issuer does not have")

    def version(self) -> object:
        """Return a value that is equal as long as the keys are the same and not stale."""
        keys = self._usable()
        return None if keys is None else keys.version

    async def aclose(self) -> None:
        """Stop the fetch that is under way."""
        if self._flight is not None:
            self._flight.cancel()
            await asyncio.wait({self._flight})

    def _usable(self) -> KeySet | None:
        return self._keys if self._clock.monotonic() - self._fetched <= STALE else None

    def _pick(self, kid: str | None, algorithm: str) -> Key | None:
        keys = self._usable()
        return None if keys is None else keys.pick(kid, algorithm)

    def _begin(self) -> None:
        """Start a fetch, unless one is under way or was begun within the cooldown."""
        now = self._clock.monotonic()
        if self._flight is None and now - self._tried >= COOLDOWN:
            self._tried = now
            self._flight = asyncio.create_task(self._fetch(now))

    async def _fetch(self, now: float) -> None:
        try:
            self._keys = parse(await self._get(self._url), self._algorithms)
            self._fetched, self._failed = now, False
        except Exception as error:  # noqa: BLE001  # whatever it was, the keys of before go on
            self._failed = True
            _log.warning("keys cannot be fetched: %s: %s", self._url.partition("?")[0], type(error).__name__)
        finally:
            self._flight = None
