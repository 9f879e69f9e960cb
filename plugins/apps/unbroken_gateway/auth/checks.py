"""What must hold of the settings by which requests prove who makes them, before the gateway starts (R24, S1, S5, S12).

The bounds of single values, such as the leeway, are those of `settings`.
"""

from collections.abc import Iterator
from itertools import pairwise
from typing import Final

from unbroken.validators import nearest, shown

from ..config.exposure import Finding, is_local, url_fault
from ..config.settings import Issuer, Settings
from .addresses import networks
from .algorithms import KINDS

KEYS: Final = "keys"
"""The issuer of stored keys."""
DEVELOPMENT: Final = "development"
"""The issuer of the development token."""
_LEAST_LENGTH: Final = 32
_LEAST_DIFFERENT: Final = 0.8
_NEEDED: Final = "is required {} is reached from other machines: set UNBROKEN_GATEWAY_{}"
_SECRETS: Final = ("admin_credential", "pepper", "development_token")


def check_auth(settings: Settings) -> Iterator[Finding]:
    """Yield everything for which the gateway must not start: the ways in, the credentials, the issuers."""
    yield from _ways_in(settings)
    yield from _weak(settings)
    yield from missing_secrets(settings)
    seen: set[str] = set()
    for index, issuer in enumerate(settings.issuers):
        place = f"issuers[{index}]"
        if issuer.issuer in seen:
            yield f"{place}.issuer", "is given twice"
        seen.add(issuer.issuer)
        for name, message in (*_identity(issuer), *_algorithms(issuer), *_plan(issuer, settings)):
            yield f"{place}.{name}", message


def missing_secrets(settings: Settings) -> Iterator[Finding]:
    """Yield the secrets that are missing and cannot be made here, as other machines reach what they protect."""
    if settings.keys is not None and settings.pepper is None and not is_local(settings.listen):
        yield "pepper", _NEEDED.format("for stored keys, because listen", "PEPPER")
    if settings.admin_listen is not None and settings.admin_credential is None and not is_local(settings.admin_listen):
        yield "admin_credential", _NEEDED.format("because admin_listen", "ADMIN")


def is_strong(credential: str) -> bool:
    """Return whether a credential is long and looks random.

    In a sequence and in a repeated word, the same three steps from one character to the next occur again and again.
    """
    steps = [ord(after) - ord(before) for before, after in pairwise(credential)]
    threes = list(zip(steps, steps[1:], steps[2:], strict=False))
    return len(credential) >= _LEAST_LENGTH and len(set(threes)) >= _LEAST_DIFFERENT * len(threes)


def _ways_in(settings: Settings) -> Iterator[Finding]:
    if not settings.issuers and settings.keys is None and settings.development_token is None:
        yield "issuers", "or keys is required: nobody could prove who they are"
    if settings.development_token is not None and not is_local(settings.listen):
        yield "listen", "must be on loopback with a development token"
    if settings.development_token is not None and settings.development_plan not in settings.plans:
        yield "development_plan", f"is no plan: {shown(settings.development_plan)}"
    for proxy in settings.trusted_proxies:
        try:
            networks([proxy])
        except ValueError:
            yield "trusted_proxies", f'must be addresses or networks such as "10.0.0.0/8", not {shown(proxy)}'


def _weak(settings: Settings) -> Iterator[Finding]:
    for name in _SECRETS:
        value: str | None = getattr(settings, name)
        if value is not None and not is_strong(value):
            yield name, _too_weak(_LEAST_LENGTH)


def _too_weak(least: int) -> str:
    return f"is too weak: it must be at least {least} random characters (it is not shown)"


def _identity(issuer: Issuer) -> Iterator[Finding]:
    if "|" in issuer.issuer or issuer.issuer in (KEYS, DEVELOPMENT):
        # `Principal.user` joins issuer and id by a bar, and two issuers of one name would share their users.
        yield "issuer", f"must be text without a bar, and neither {KEYS!r} nor {DEVELOPMENT!r}"


def _algorithms(issuer: Issuer) -> Iterator[Finding]:
    unknown = [name for name in issuer.algorithms if name not in KINDS]
    for name in unknown:
        yield "algorithms", f"must be out of {', '.join(KINDS)}, not {shown(name)}{nearest(name, KINDS)}"
    if not issuer.algorithms:
        yield "algorithms", "must not be empty"
    kinds = {KINDS[name].kty for name in issuer.algorithms if name not in unknown}
    if len(kinds) > 1:
        yield "algorithms", "must be of one kind of key, as a key of one kind could be abused as one of another"
    elif kinds == {"oct"}:
        yield from _shared_secret(issuer)
    elif kinds:
        yield from _public_keys(issuer)


def _shared_secret(issuer: Issuer) -> Iterator[Finding]:
    least = max(KINDS[name].secret_bytes for name in issuer.algorithms if name in KINDS)
    if issuer.jwks is not None:
        yield "jwks", "is not for an HS algorithm, whose key is secret"
    if issuer.secret is None:
        yield "secret", "is required for an HS algorithm"
    elif "-----BEGIN" in issuer.secret:
        yield "secret", "must not be a public key"
    elif len(issuer.secret.encode()) < least or not is_strong(issuer.secret):
        yield "secret", _too_weak(least)


def _public_keys(issuer: Issuer) -> Iterator[Finding]:
    if issuer.secret is not None:
        yield "secret", "is only for an HS algorithm"
    if issuer.jwks is None:
        yield "jwks", "is required: the URL of the public keys"
    elif fault := url_fault(issuer.jwks, query=True):
        yield "jwks", fault


def _plan(issuer: Issuer, settings: Settings) -> Iterator[Finding]:
    if issuer.plan_claim is None and issuer.default_plan is None:
        yield "default_plan", "is required without plan_claim"
    if issuer.default_plan is not None and issuer.default_plan not in settings.plans:
        yield "default_plan", f"is no plan: {shown(issuer.default_plan)}{nearest(issuer.default_plan, settings.plans)}"
