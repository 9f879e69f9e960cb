"""The signature algorithms that an issuer may use (RFC 7518 §3.1, RFC 8037). ``none`` is not among them."""

from collections.abc import Mapping
from typing import Final

from attrs import frozen


@frozen
class Kind:
    """The kind of key that belongs to an algorithm."""

    kty: str
    crv: str | None = None
    secret_bytes: int = 0
    """The least length of a shared secret."""


_RSA: Final = Kind("RSA")

KINDS: Final[Mapping[str, Kind]] = {
    **dict.fromkeys(("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"), _RSA),
    "ES256": Kind("EC", "P-256"),
    "ES384": Kind("EC", "P-384"),
    "ES512": Kind("EC", "P-521"),
    "EdDSA": Kind("OKP", "Ed25519"),
    "Ed25519": Kind("OKP", "Ed25519"),
    "HS256": Kind("oct", None, 32),
    "HS384": Kind("oct", None, 48),
    "HS512": Kind("oct", None, 64),
}
"""The algorithms by name."""
