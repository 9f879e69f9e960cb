"""Verify JSON web tokens of the configured issuers: their form, their signature, their claims.

The issuer is read from the token before anything is proven, but only to choose whose rules apply; what the header says
about keys beside ``kid`` is never followed.
"""

import json
from collections.abc import Collection, Mapping, Sequence
from functools import partial
from typing import Any, Final, NoReturn, cast, final

from joserfc import jws
from joserfc.errors import JoseError, UnsupportedAlgorithmError
from joserfc.jwa import JWSAlgModel
from joserfc.jws import JWSRegistry
from joserfc.jwt import JWTClaimsRegistry
from joserfc.util import urlsafe_b64decode

from unbroken.clock import Clock

from ..config.settings import Issuer
from .claims import MAX_LEEWAY, check_claims, principal_of, short_text
from .credentials import MAX_TOKEN
from .key_set import Key, KeySource
from .proof import Proof, Rejected

REUSE: Final = 60.0
"""Seconds for which a token that was verified is not verified again."""

_FORBIDDEN: Final = frozenset({"jwk", "jku", "x5u", "x5c", "crit", "b64", "zip", "enc"})
"""Header parameters that name keys, or change how the token is read."""
_TYPES: Final = frozenset({"jwt", "at+jwt"})


class Registry(JWSRegistry):
    """The algorithms of one issuer, within the limits of our tokens."""

    max_header_length = MAX_TOKEN
    max_signature_length = MAX_TOKEN

    def get_alg(self, name: str) -> JWSAlgModel:
        """Return an algorithm of the issuer; the registry of joserfc has defaults and warnings beside."""
        if name not in (self.allowed or ()):
            raise UnsupportedAlgorithmError
        return self.algorithms[name]


@final
class Tokens:
    """Verifies tokens. `keys` are the sources of the keys by issuer; `plans` the names that a token may give."""

    def __init__(
        self, issuers: Sequence[Issuer], keys: Mapping[str, KeySource], plans: Collection[str], clock: Clock
    ) -> None:
        self._issuers = {issuer.issuer: issuer for issuer in issuers}
        self._registries = {
            issuer.issuer: Registry(algorithms=[*issuer.algorithms], strict_check_header=False) for issuer in issuers
        }
        self._keys = keys
        self._plans = plans
        self._clock = clock

    async def prove(self, token: bytes) -> Proof:
        """Return the proof of a token. Raises Rejected, or Unavailable if the keys of its issuer cannot be fetched."""
        header, claims = _parsed(token)
        issuer = self._issuer(claims)
        algorithm, kid = _checked(header, issuer)
        source = self._keys[issuer.issuer]
        check_claims(issuer, claims, self._clock.time())  # before the keys: a token that is over fetches nothing
        key = await source.find(kid, algorithm)
        version = source.version()
        self._verify(token, key, issuer, claims)
        principal = principal_of(issuer, claims, kid or "", self._plans)
        ends = int(claims["exp"]) + issuer.leeway
        return Proof(principal=principal, lasts=REUSE, ends=ends, holds=partial(_is_version, source, version))

    def _issuer(self, claims: Mapping[str, Any]) -> Issuer:
        name = claims.get("iss")
        issuer = self._issuers.get(name) if isinstance(name, str) else None
        if issuer is None:
            raise Rejected("an issuer that is not configured")
        return issuer

    def _verify(self, token: bytes, key: Key, issuer: Issuer, claims: dict[str, Any]) -> None:
        """Raise Rejected unless the signature is right. joserfc checks the claims again, by its own lights."""
        try:
            jws.deserialize_compact(token, key, registry=self._registries[issuer.issuer])
            _claims_registry(issuer, self._clock.time()).validate(claims)
        except (JoseError, ValueError) as error:
            raise Rejected(f"refused by joserfc: {type(error).__name__}") from None


def _claims_registry(issuer: Issuer, now: float) -> JWTClaimsRegistry:
    # Its clock has whole seconds; the exact edges are those of `check_claims`.
    return JWTClaimsRegistry(
        now=int(now),
        leeway=int(MAX_LEEWAY) + 1,
        iss={"essential": True, "value": issuer.issuer},
        aud={"essential": True, "value": issuer.audience},
        sub={"essential": True},
        exp={"essential": True},
        iat={"essential": True},
    )


def _parsed(token: bytes) -> tuple[dict[str, Any], dict[str, Any]]:
    if len(token) > MAX_TOKEN:
        raise Rejected("too long")
    parts = token.split(b".")
    if len(parts) != 3:
        raise Rejected("not three parts")
    try:
        return _object(parts[0]), _object(parts[1])
    except (ValueError, RecursionError):
        raise Rejected("not JSON in base64url") from None


def _object(part: bytes) -> dict[str, Any]:
    text = urlsafe_b64decode(part).decode("utf-8")
    value: object = json.loads(text, object_pairs_hook=_unique, parse_constant=_refuse)
    if not isinstance(value, dict):
        raise Rejected("not an object")
    return cast("dict[str, Any]", value)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return the members of an object. Of two with one name parsers choose differently (RFC 7519 §4)."""
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a name occurs twice")
    return members


def _refuse(constant: str) -> NoReturn:
    raise ValueError("NaN and Infinity are not JSON")


def _checked(header: Mapping[str, Any], issuer: Issuer) -> tuple[str, str | None]:
    """Return the algorithm and the name of the key."""
    if not _FORBIDDEN.isdisjoint(header):
        raise Rejected("a header parameter that is not allowed")
    algorithm, kid, kind = header.get("alg"), header.get("kid"), header.get("typ", "JWT")
    if not isinstance(algorithm, str) or algorithm not in issuer.algorithms:
        raise Rejected("an algorithm that the issuer may not use")
    if "kid" in header:
        kid = short_text(kid, "kid")
    if not isinstance(kind, str) or kind.lower().removeprefix("application/") not in _TYPES:
        raise Rejected("another type of token")  # RFC 8725 §3.11
    return algorithm, kid


def _is_version(source: KeySource, version: object) -> bool:
    return source.version() == version
