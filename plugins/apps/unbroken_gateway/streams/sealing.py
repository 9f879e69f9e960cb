"""Encryption of the frames at rest, for any store."""

import base64
import functools
import hashlib
import hmac
import os
from collections.abc import Sequence
from typing import Any, Final

from . import LogUnavailable, Page, StreamLog, StreamState

_NONCE: Final = 12


def sealing_key(text: str) -> bytes:
    """Return the key of which `text` is the Base64. Raises ValueError unless it has 32 bytes."""
    try:
        key = base64.b64decode(text, validate=True)
    except ValueError:
        key = b""
    if len(key) != 32:
        raise ValueError("the encryption key of the resume log must be the Base64 of 32 bytes")
    return key


class SealedLog:
    """A `StreamLog` that keeps its frames in `log`, each sealed with AES-256-GCM.

    Each stream has a key of its own, derived from `key`. The associated data are the id of the stream and the number
    of the frame, so that a frame that was moved does not open. The frame by which a log is closed from outside gets its
    number only in the store: its associated data say that it is an end, and it opens only as the last of a closed log.
    """

    def __init__(self, log: StreamLog, key: bytes) -> None:
        self._key = key
        self._log = log
        self._cipher = functools.lru_cache(1024)(self._make_cipher)

    async def create(self, id: str, owner: str, ttl: float, lease: float) -> int:
        """Open a log of `owner` and return its epoch. Raises Fenced if there is one with this `id`."""
        return await self._log.create(id, owner, ttl, lease)

    async def append(
        self, id: str, epoch: int, seq: int, frames: Sequence[bytes], end: StreamState | None = None
    ) -> int:
        """Append frames, renew the lease, and with `end` close the log. Raises Fenced and ValueError."""
        sealed = [self._seal(id, str(number), frame) for number, frame in enumerate(frames, seq)]
        return await self._log.append(id, epoch, seq, sealed, end)

    async def beat(self, id: str, epoch: int) -> bool:
        """Renew the lease. Returns False when the log is not open or is another writer's."""
        return await self._log.beat(id, epoch)

    async def read(self, id: str, after: int, limit: int = 256) -> Page | None:
        """Return the frames after number `after`, at most `limit`; None for an unknown log.

        Raises LogUnavailable for a frame that does not open: it was changed, or another worker has another key.
        """
        page = await self._log.read(id, after, limit)
        if page is None:
            return None
        numbered = enumerate(page.frames, max(after + 1, page.first))
        frames = tuple(self._open(id, number, frame, page) for number, frame in numbered)
        return Page(
            frames=frames,
            first=page.first,
            last=page.last,
            state=page.state,
            owner=page.owner,
            lease=page.lease,
            readers=page.readers,
        )

    async def wait(self, id: str, after: int, seconds: float) -> None:
        """Return when there may be frames after `after` or a new state, at the latest after `seconds`."""
        await self._log.wait(id, after, seconds)

    async def bury(self, id: str, frame: bytes) -> int | None:
        """Close an open log without a lease: raise the epoch, append `frame`, state ``error``. None if it is not so."""
        return await self._log.bury(id, self._seal(id, "end", frame))

    async def cancel(self, id: str, frame: bytes) -> bool:
        """Close an open log at its reader's wish: raise the epoch, append `frame`, state ``cancelled``."""
        return await self._log.cancel(id, self._seal(id, "end", frame))

    async def attend(self, id: str, reader: str, seconds: float, limit: int | None = None) -> bool:
        """Count `reader` among the readers of a log for `seconds`, if it is among the first `limit`."""
        return await self._log.attend(id, reader, seconds, limit)

    async def advance(self, id: str, mark: str, to: int) -> int:
        """Move a named mark of a log forward to `to`, never back. Returns where it stands."""
        return await self._log.advance(id, mark, to)

    async def delete(self, id: str) -> None:
        """Remove a log and its content."""
        await self._log.delete(id)

    async def aclose(self) -> None:
        """Close the store."""
        await self._log.aclose()

    def _make_cipher(self, id: str) -> Any:
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        return AESGCM(hmac.digest(self._key, f"unbroken stream {id}".encode(), hashlib.sha256))

    def _seal(self, id: str, place: str, frame: bytes) -> bytes:
        nonce = os.urandom(_NONCE)
        sealed: bytes = self._cipher(id).encrypt(nonce, frame, f"{id}.{place}".encode())
        return nonce + sealed

    def _open(self, id: str, number: int, sealed: bytes, page: Page) -> bytes:
        from cryptography.exceptions import InvalidTag

        places = [str(number), "end"] if number == page.last and page.state != "open" else [str(number)]
        for place in places:
            try:
                frame: bytes = self._cipher(id).decrypt(sealed[:_NONCE], sealed[_NONCE:], f"{id}.{place}".encode())
                return frame
            except (InvalidTag, ValueError):  # ValueError: too short
                continue
        raise LogUnavailable("a frame does not open with this encryption key")
