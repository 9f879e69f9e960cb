"""Prove stored keys, away from the event loop."""

import asyncio
from collections.abc import Collection
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Final, final

from unbroken.clock import Clock

from ..values import Principal
from .checks import KEYS
from .keys import KeyStore
from .proof import Proof, Rejected

REUSE: Final = 4.0
"""Seconds for which a key is not looked up again; within 5 its revocation must be seen."""
DEADLINE: Final = 1.0
"""Seconds that a look-up may take."""


@final
class StoredKeys:
    """Looks keys up in a thread of its own, for a disk may be slow."""

    def __init__(self, store: KeyStore, plans: Collection[str], clock: Clock) -> None:
        self._store = store
        self._plans = plans
        self._clock = clock
        self._thread = ThreadPoolExecutor(1, "unbroken-gateway-keys")

    async def prove(self, key: bytes) -> Proof:
        """Return the proof of a key. Raises Rejected, builtin TimeoutError, and the sqlite3.Error of a broken file."""
        async with asyncio.timeout(DEADLINE):
            found = await asyncio.get_running_loop().run_in_executor(self._thread, self._store.find, key)
        if found is None:
            raise Rejected("an unknown key")
        if not found.is_valid(self._clock.time()):
            raise Rejected(f"the key {found.id} is revoked or expired")
        if found.plan not in self._plans:
            raise Rejected(f"the key {found.id} has a plan that is not configured")
        principal = Principal(
            id=found.name,
            issuer=KEYS,
            plan=found.plan,
            scopes=frozenset(found.scopes),
            expires_at=found.expires,
            issued_at=found.created,
            credential_id=found.id,
        )
        ends = float("inf") if found.expires is None else found.expires
        return Proof(principal=principal, lasts=REUSE, ends=ends)

    async def aclose(self) -> None:
        """Close the file, after the look-up that is under way. Does not wait for it: the disk may hang."""
        with suppress(RuntimeError):  # it is closed already
            self._thread.submit(self._store.close)
        self._thread.shutdown(wait=False)
