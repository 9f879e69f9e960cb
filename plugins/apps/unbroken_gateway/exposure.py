"""Checks what the outside can reach and what proves who asks: addresses, URLs, issuers and credentials."""

import base64
import binascii
import ipaddress
import re
from collections.abc import Iterator
from itertools import pairwise
from typing import Final
from urllib.parse import urlsplit

from unbroken.plain_http import is_loopback
from unbroken.validators import nearest, shown

from .settings import LOOPBACK_HOSTS, Issuer, Settings
from .units import address

Finding = tuple[str, str]
"""The place of a problem below ``gateway``, and the message."""

_RSA: Final = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512")
_CURVES: Final = ("ES256", "ES384", "ES512")
_EDWARDS: Final = ("EdDSA", "Ed25519", "Ed448")
_SHARED: Final = ("HS256", "HS384", "HS512")
_KINDS: Final = (_RSA, _CURVES, _EDWARDS, _SHARED)
"""The algorithms of tokens, by the kind of key. ``none`` is not among them."""
_SECRET_BYTES: Final = 32
_CREDENTIAL_LENGTH: Final = 32
_HOST: Final = re.compile(r"[a-z0-9_-]{1,63}(\.[a-z0-9_-]{1,63})*\.?")


def check_exposure(settings: Settings) -> Iterator[Finding]:
    """Yield what is wrong with the addresses, the hosts and the credentials."""
    yield from _addresses(settings)
    yield from _names(settings)
    yield from _credentials(settings)
    yield from _authentication(settings)
    if settings.resume.encryption_key is not None and not _is_key(settings.resume.encryption_key):
        yield "resume.encryption_key", "must be 32 bytes in base64"


def is_local(listen: str) -> bool:
    """Return whether an address is reached from this machine alone; False for one that is not valid."""
    try:
        return is_loopback(address(listen)[0])
    except ValueError:
        return False


def url_fault(url: str, *, insecure: bool = False) -> str:
    """Return what is wrong with a URL that the gateway calls, in a message that does not show it; empty if nothing."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        return "must be a URL"
    if parts.scheme not in {"https", "http"} or not host or not url.isascii() or not url.isprintable() or " " in url:
        return "must be a URL that begins with https://"
    if "@" in parts.netloc:
        return "must not hold credentials"
    if "?" in url or "#" in url:
        return "must not have a query or a fragment"
    if parts.scheme == "http" and not insecure and not is_loopback(host):
        return "must begin with https://, because it leaves this machine"
    return ""


def _addresses(settings: Settings) -> Iterator[Finding]:
    for name, listen in (("listen", settings.listen), ("admin_listen", settings.admin_listen)):
        if listen is None:
            continue
        try:
            address(listen)
        except ValueError as error:
            yield name, str(error)
    if settings.listen == settings.admin_listen and not settings.listen.endswith(":0"):
        yield "admin_listen", "must not be the address of listen"


def _names(settings: Settings) -> Iterator[Finding]:
    if not is_local(settings.listen) and settings.hosts == LOOPBACK_HOSTS:
        yield "hosts", "is required, because listen is reached from other machines: the names that clients call"
    if not settings.hosts:
        yield "hosts", "must not be empty: no request would be answered"
    for host in sorted(settings.hosts):
        if not _HOST.fullmatch(host) and not _is_network(host, mask=False):
            yield "hosts", f"must be names or addresses without port or wildcard, not {shown(host)}"
    for origin in sorted(settings.cors.origins):
        if not _is_origin(origin):
            yield "cors.origins", f'must be origins such as "https://app.example.com", not {shown(origin)}'
    for proxy in settings.trusted_proxies:
        if not _is_network(proxy):
            yield "trusted_proxies", f'must be addresses or networks such as "10.0.0.0/8", not {shown(proxy)}'


def _credentials(settings: Settings) -> Iterator[Finding]:
    for name in ("admin_credential", "pepper"):
        value: str | None = getattr(settings, name)
        if value is not None and not is_strong(value):
            yield name, f"is too weak: it must be at least {_CREDENTIAL_LENGTH} random characters (it is not shown)"
    if settings.admin_listen is not None and settings.admin_credential is None and not is_local(settings.admin_listen):
        yield "admin_credential", "is required, because admin_listen is reached from other machines"
    if settings.keys is not None and settings.pepper is None and not is_local(settings.listen):
        yield "pepper", "is required for stored keys, because listen is reached from other machines"
    if settings.development_token is not None and not is_local(settings.listen):
        yield "listen", "must be on loopback with a development token"


def _authentication(settings: Settings) -> Iterator[Finding]:
    if not settings.issuers and settings.keys is None and settings.development_token is None:
        yield "issuers", "or keys is required, because listen is reached from other machines"
    seen: set[str] = set()
    for index, issuer in enumerate(settings.issuers):
        place = f"issuers[{index}]"
        if issuer.issuer in seen:
            yield f"{place}.issuer", "is given twice"
        seen.add(issuer.issuer)
        for name, message in (*_algorithms(issuer), *_keys(issuer), *_plans(issuer, settings)):
            yield f"{place}.{name}", message


def _algorithms(issuer: Issuer) -> Iterator[Finding]:
    known = [name for kind in _KINDS for name in kind]
    if not issuer.algorithms:
        yield "algorithms", "must not be empty"
    unknown = [name for name in issuer.algorithms if name not in known]
    for name in unknown:
        yield "algorithms", f"must be out of {', '.join(known)}, not {shown(name)}{nearest(name, known)}"
    if not unknown and issuer.algorithms and not any(set(issuer.algorithms) <= set(kind) for kind in _KINDS):
        yield "algorithms", "must be of one kind of key"


def _keys(issuer: Issuer) -> Iterator[Finding]:
    if set(issuer.algorithms) & set(_SHARED):
        if issuer.secret is None:
            yield "secret", "is required for an HS algorithm"
        elif len(issuer.secret.encode()) < _SECRET_BYTES:
            yield "secret", f"must have at least {_SECRET_BYTES} bytes (it is not shown)"
        if issuer.jwks is not None:
            yield "jwks", "is not for an HS algorithm, whose key is secret"
        return
    if issuer.secret is not None:
        yield "secret", "is only for an HS algorithm"
    if issuer.jwks is None:
        yield "jwks", "is required: the URL of the public keys"
    elif fault := url_fault(issuer.jwks):
        yield "jwks", fault


def _plans(issuer: Issuer, settings: Settings) -> Iterator[Finding]:
    if issuer.plan_claim is None and issuer.default_plan is None:
        yield "default_plan", "is required without plan_claim"
    if issuer.default_plan is not None and issuer.default_plan not in settings.plans:
        yield "default_plan", f"is no plan: {shown(issuer.default_plan)}{nearest(issuer.default_plan, settings.plans)}"


def is_strong(credential: str) -> bool:
    """Return whether a credential is long and looks random.

    In a sequence and in a repeated word, the same three steps from one character to the next occur again and again.
    """
    steps = [ord(after) - ord(before) for before, after in pairwise(credential)]
    threes = list(zip(steps, steps[1:], steps[2:], strict=False))
    return len(credential) >= _CREDENTIAL_LENGTH and len(set(threes)) >= 0.8 * len(threes)


def _is_key(text: str) -> bool:
    try:
        return len(base64.b64decode(text, validate=True)) == 32
    except (binascii.Error, ValueError):
        return False


def _is_origin(origin: str) -> bool:
    try:
        parts = urlsplit(origin)
        host, port = parts.hostname, parts.port
    except ValueError:
        return False
    name = f"[{host}]" if ":" in (host or "") else host
    return (
        parts.scheme in {"https", "http"} and origin == f"{parts.scheme}://{name}{'' if port is None else f':{port}'}"
    )


def _is_network(text: str, *, mask: bool = True) -> bool:
    try:
        return bool(ipaddress.ip_network(text) if mask else ipaddress.ip_address(text))
    except ValueError:
        return False
