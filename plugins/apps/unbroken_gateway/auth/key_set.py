"""The public keys of an issuer: a JWKS document, reduced to keys that may verify tokens."""

import hashlib
from collections.abc import Collection, Mapping
from typing import Any, Final, Protocol, cast

import msgspec
from attrs import field, frozen
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, OctKey, OKPKey, RSAKey
from joserfc.util import base64_to_int

from .algorithms import KINDS, Kind
from .fetching import DocumentError

Key = RSAKey | ECKey | OKPKey | OctKey

MAX_KEYS: Final = 64
"""The most keys of one set; a longer set is refused."""
_RSA_BITS: Final = range(2048, 8192 + 1)
_PRIVATE: Final = ("d", "k")


class KeySource(Protocol):
    """Where the keys of an issuer come from."""

    async def find(self, kid: str | None, algorithm: str) -> Key:
        """Return the key of a token. Raises Rejected if there is none, Unavailable if that cannot be told."""
        ...

    def version(self) -> object:
        """Return a value that is equal as long as the keys are the same."""
        ...

    async def aclose(self) -> None:
        """Stop what is under way."""
        ...


@frozen
class _Entry:
    kid: str | None
    algorithms: frozenset[str]
    key: Key = field(repr=False)


@frozen
class KeySet:
    """The usable keys of one document."""

    version: bytes
    """Equal for equal documents."""
    _entries: tuple[_Entry, ...] = ()

    def pick(self, kid: str | None, algorithm: str) -> Key | None:
        """Return the only key that fits; None if there is none, or if there are several."""
        fitting = [
            entry.key for entry in self._entries if algorithm in entry.algorithms and (kid is None or kid == entry.kid)
        ]
        return fitting[0] if len(fitting) == 1 else None


def parse(document: bytes, allowed: Collection[str]) -> KeySet:
    """Return the keys of a JWKS `document` that may verify one of the `allowed` algorithms (RFC 7517 §5).

    Other keys are left out. Raises ValueError for what is not JSON, and DocumentError for what is not a JWKS of at most
    `MAX_KEYS` keys.
    """
    found: object = msgspec.json.decode(document)
    listed = cast("Mapping[str, object]", found).get("keys") if isinstance(found, dict) else None
    if not isinstance(listed, list):
        raise DocumentError("the document is not a JWKS")
    keys = cast("list[object]", listed)
    if len(keys) > MAX_KEYS:
        raise DocumentError(f"the document has more than {MAX_KEYS} keys")
    entries = (_entry(cast("dict[str, Any]", each), allowed) for each in keys if isinstance(each, dict))
    return KeySet(hashlib.sha256(document).digest(), tuple(entry for entry in entries if entry is not None))


def _entry(jwk: dict[str, Any], allowed: Collection[str]) -> _Entry | None:
    kid, kty, alg = jwk.get("kid"), jwk.get("kty"), jwk.get("alg")
    algorithms = frozenset(
        name
        for name in allowed
        if (kind := KINDS[name]).kty == kty and kind.crv in (None, jwk.get("crv")) and alg in (None, name)
    )
    if not algorithms or not isinstance(kid, str | None) or not _is_public_and_for_signatures(jwk):
        return None
    try:
        key = _imported(KINDS[min(algorithms)], jwk)
    except (JoseError, ValueError, TypeError, KeyError, OverflowError):
        return None
    return None if key is None else _Entry(kid, algorithms, key)


def _is_public_and_for_signatures(jwk: Mapping[str, Any]) -> bool:
    operations = jwk.get("key_ops", ["verify"])
    return (
        not any(name in jwk for name in _PRIVATE)
        and jwk.get("use", "sig") == "sig"
        and isinstance(operations, list)
        and "verify" in operations
    )


def _imported(kind: Kind, jwk: dict[str, Any]) -> Key | None:
    if kind.kty == "EC":
        return ECKey.import_key(jwk)
    if kind.kty == "OKP":
        return OKPKey.import_key(jwk)
    return RSAKey.import_key(jwk) if base64_to_int(jwk["n"]).bit_length() in _RSA_BITS else None


class SharedSecret:
    """The one key of an issuer that signs with a secret that it shares with the gateway."""

    def __init__(self, secret: str) -> None:
        self._key = OctKey.import_key(secret)

    async def find(self, kid: str | None, algorithm: str) -> Key:
        """Return the key, whatever it is called."""
        return self._key

    def version(self) -> object:
        """Return a constant."""
        return None

    async def aclose(self) -> None:
        """Do nothing."""
