"""Tokens, made by PyJWT's primitives so that neither side of a test is judged by itself, and PyJWT as the judge."""

import base64
import functools
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, tzinfo
from typing import Any
from unittest import mock

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt.algorithms import get_default_algorithms

from unbroken_gateway.config.settings import Issuer, Plan, Settings

ISSUER = "https://id.example.com"
AUDIENCE = "gateway"
URL = "https://id.example.com/jwks"
NOW = 1_700_000_000
SECRET = "q7Zk2mVw9sLxT4bYhN8cRfJ3gPdA6uEo1iQy5tWzKXMpB0vHnSrGlFaCjDeIkUO+"
PLANS = {"free": Plan(name="free", models=("*",)), "paid": Plan(name="paid", models=("*",))}
ALGORITHMS = get_default_algorithms()
LIFETIME = 600


def issuer(**changes: Any) -> Issuer:
    given: dict[str, Any] = {
        "issuer": ISSUER,
        "audience": AUDIENCE,
        "algorithms": ("RS256",),
        "jwks": URL,
        "default_plan": "free",
    }
    return Issuer(**{**given, **changes})


def settings(*issuers: Issuer, **changes: Any) -> Settings:
    return Settings(**{"issuers": issuers, "plans": PLANS, **changes})


@functools.cache
def private(name: str = "RS256") -> Any:
    """Return the private key of a name, the same each time; what the name begins with is its kind."""
    if name.startswith(("RS", "PS")):
        return rsa.generate_private_key(65537, 2048)
    if name.startswith("Ed"):
        return ed25519.Ed25519PrivateKey.generate()
    curves = {"ES256": ec.SECP256R1(), "ES384": ec.SECP384R1(), "ES512": ec.SECP521R1()}
    return SECRET if name.startswith("HS") else ec.generate_private_key(curves[name[:5]])


def algorithm_of(name: str) -> Any:
    return ALGORITHMS["EdDSA" if name.startswith("Ed") else name]


def jwk(name: str = "RS256", kid: str | None = "one", **more: Any) -> dict[str, Any]:
    """Return the public key of a name as a member of a JWKS."""
    public = algorithm_of(name[:5]).to_jwk(private(name).public_key(), as_dict=True)
    public.pop("key_ops", None)
    return {**public, **({} if kid is None else {"kid": kid}), **more}


def jwks(*keys: dict[str, Any]) -> bytes:
    return json.dumps({"keys": keys}).encode()


def claims(**changes: Any) -> dict[str, Any]:
    """Return the claims of a good token; a change of None removes one."""
    good = {"iss": ISSUER, "aud": AUDIENCE, "sub": "alice", "iat": NOW, "exp": NOW + LIFETIME, "jti": "t1"}
    return {name: value for name, value in {**good, **changes}.items() if value is not None}


def encoded(value: Mapping[str, Any] | bytes) -> bytes:
    text = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(text).rstrip(b"=")


def made(header: Mapping[str, Any] | bytes, payload: Mapping[str, Any] | bytes, key: str = "RS256") -> bytes:
    """Return a token signed with the private key of a name."""
    message = encoded(header) + b"." + encoded(payload)
    algorithm = algorithm_of(key[:5])
    return message + b"." + encoded(algorithm.sign(message, algorithm.prepare_key(private(key))))


def token(payload: Mapping[str, Any] | None = None, /, *, key: str = "RS256", **header: Any) -> bytes:
    """Return a good token, or one with other claims or header parameters; None removes one."""
    fields = {"typ": "JWT", "alg": key[:5], "kid": "one", **header}
    known = {name: value for name, value in fields.items() if value is not None}
    return made(known, claims() if payload is None else payload, key)


def bearer(value: bytes | str) -> list[tuple[bytes, bytes]]:
    return [(b"authorization", b"Bearer " + (value.encode() if isinstance(value, str) else value))]


@contextmanager
def judged_at(now: float) -> Iterator[None]:
    """Let PyJWT believe that it is `now`."""

    class Frozen(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> Any:
            return datetime.fromtimestamp(now, tz)

    with mock.patch("jwt.api_jwt.datetime", Frozen):
        yield


def pyjwt_accepts(value: bytes, rules: Issuer, now: float = NOW, key: str = "RS256") -> bool:
    """Return whether PyJWT accepts a token by the same rules."""
    known = private(key) if key.startswith("HS") else private(key).public_key()
    options: Any = {"require": ["iss", "aud", "sub", "exp", "iat"], "strict_aud": not rules.audience_list}
    arguments: Any = {"audience": rules.audience, "issuer": rules.issuer, "leeway": rules.leeway, "options": options}
    with judged_at(now):
        try:
            jwt.decode(value, known, algorithms=list(rules.algorithms), **arguments)
        except jwt.PyJWTError:
            return False
    return True


class Hands:
    """A clock that a test moves by hand, for tests that use threads and so cannot run in virtual time."""

    def __init__(self) -> None:
        self.now = 0.0

    def monotonic(self) -> float:
        return self.now

    def time(self) -> float:
        return NOW + self.now

    def random(self) -> float:
        return 0.5

    def sleep(self, seconds: float) -> None:
        raise AssertionError("nothing here sleeps")

    async def asleep(self, seconds: float) -> None:
        raise AssertionError("nothing here sleeps")
