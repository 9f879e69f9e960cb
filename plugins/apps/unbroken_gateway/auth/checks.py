"""What must hold for the settings of authentication before the gateway starts (R24, S5, S8, S12)."""

from collections import Counter
from collections.abc import Iterator
from typing import Final
from urllib.parse import urlsplit

from unbroken import ConfigurationError
from unbroken.errors import Problem
from unbroken.plain_http import is_loopback
from unbroken.validators import finite

from ..settings import Issuer, Settings
from .addresses import networks
from .algorithms import KINDS
from .claims import MAX_LEEWAY
from .local_secrets import listens_locally

KEYS: Final = "keys"
"""The issuer of stored keys."""
DEVELOPMENT: Final = "development"
"""The issuer of the development token."""
_LEAST_SECRET: Final = 32
_LEAST_DIFFERENT: Final = 10


def check(settings: Settings) -> None:
    """Raise ConfigurationError that lists everything for which the gateway must not start."""
    problems = (*_ways_in(settings), *_secrets(settings), *_issuers(settings))
    if problems:
        raise ConfigurationError.of(*problems)


def is_weak(secret: str) -> bool:
    """Return whether a secret is short, or has so few different characters that it cannot be random."""
    return len(secret) < _LEAST_SECRET or len(set(secret)) < _LEAST_DIFFERENT


def _ways_in(settings: Settings) -> Iterator[Problem]:
    local = listens_locally(settings.listen)
    if settings.development_token is not None and not local:
        yield Problem("gateway.listen", "must be a loopback address with the development token")
    if not settings.issuers and settings.keys is None and settings.development_token is None:
        yield Problem("gateway.issuers", "there is no way to authenticate: no issuer, and no file of keys")
    if settings.development_token is not None and settings.development_plan not in settings.plans:
        yield Problem("gateway.development_plan", "is not the name of a plan")
    if settings.bad_credentials < 1:
        yield Problem("gateway.bad_credentials", "must be at least 1")
    try:
        networks(settings.trusted_proxies)
    except ValueError:
        yield Problem("gateway.trusted_proxies", "must be addresses or networks, such as 10.0.0.0/8")


def _secrets(settings: Settings) -> Iterator[Problem]:
    weak = f"is weak: it needs {_LEAST_SECRET} random characters"
    if settings.keys is not None and settings.pepper is None:
        yield Problem("UNBROKEN_GATEWAY_PEPPER", "must be set, as there is a file of keys")
    if settings.pepper is not None and is_weak(settings.pepper):
        yield Problem("UNBROKEN_GATEWAY_PEPPER", weak)
    if settings.admin_credential is not None and is_weak(settings.admin_credential):
        yield Problem("UNBROKEN_GATEWAY_ADMIN", weak)
    if settings.development_token is not None and is_weak(settings.development_token):
        yield Problem("gateway.development_token", weak)


def _issuers(settings: Settings) -> Iterator[Problem]:
    for name, count in Counter(issuer.issuer for issuer in settings.issuers).items():
        if count > 1:
            yield Problem("gateway.issuers", f"{name!r} is configured {count} times")
    for number, issuer in enumerate(settings.issuers):
        for name, message in (*_identity(issuer), *_times(issuer), *_algorithms(issuer)):
            yield Problem(f"gateway.issuers[{number}].{name}", message)


def _identity(issuer: Issuer) -> Iterator[tuple[str, str]]:
    if not issuer.issuer or "|" in issuer.issuer or issuer.issuer in (KEYS, DEVELOPMENT):
        # `Principal.user` joins issuer and id by a bar, and two issuers of one name would share their users.
        yield "issuer", f"must be text without a bar, and neither {KEYS!r} nor {DEVELOPMENT!r}"
    if not issuer.audience:
        yield "audience", "must be text that is not empty"
    if not issuer.user_claim:
        yield "user_claim", "must be the name of a claim"


def _times(issuer: Issuer) -> Iterator[tuple[str, str]]:
    if not 0 <= issuer.leeway <= MAX_LEEWAY:
        yield "leeway", f"must be from 0 to {MAX_LEEWAY:g} seconds"
    if not finite(issuer.max_lifetime) or issuer.max_lifetime <= 0:
        yield "max_lifetime", "must be a finite number of seconds above 0"


def _algorithms(issuer: Issuer) -> Iterator[tuple[str, str]]:
    unknown = [name for name in issuer.algorithms if name not in KINDS]
    if unknown or not issuer.algorithms:
        yield "algorithms", f"must be some of {', '.join(KINDS)}"
        return
    kinds = {KINDS[name].kty for name in issuer.algorithms}
    if len(kinds) > 1:
        yield "algorithms", "must be of one kind: a key of one kind could be abused as one of another"
    elif kinds == {"oct"}:
        yield from _shared_secret(issuer)
    elif issuer.secret is not None:
        yield "secret", "must not be set: these algorithms have public keys"
    elif issuer.jwks is None or not _is_safe(issuer.jwks):
        yield "jwks", "must be an https:// URL, or http:// of a loopback address, without credentials"


def _shared_secret(issuer: Issuer) -> Iterator[tuple[str, str]]:
    least = max(KINDS[name].secret_bytes for name in issuer.algorithms)
    if issuer.jwks is not None:
        yield "jwks", "must not be set: these algorithms have a shared secret"
    if issuer.secret is None or len(issuer.secret.encode()) < least or is_weak(issuer.secret):
        yield "secret", f"must be at least {least} random characters"
    elif "-----BEGIN" in issuer.secret:
        yield "secret", "must not be a public key"


def _is_safe(url: str) -> bool:
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
    except ValueError:
        return False
    safe = parts.scheme == "https" or (parts.scheme == "http" and is_loopback(host))
    return safe and bool(host) and "@" not in parts.netloc
