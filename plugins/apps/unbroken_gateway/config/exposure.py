"""Checks what the outside can reach, and what the gateway reaches: addresses, hosts, origins and URLs."""

import ipaddress
import re
from collections.abc import Iterator
from typing import Final
from urllib.parse import urlsplit

from unbroken.plain_http import is_loopback
from unbroken.validators import shown

from .settings import LOOPBACK_HOSTS, Settings
from .units import address

Finding = tuple[str, str]
"""The place of a problem below ``gateway``, and the message."""

_HOST: Final = re.compile(r"[a-z0-9_-]{1,63}(\.[a-z0-9_-]{1,63})*\.?")


def check_exposure(settings: Settings) -> Iterator[Finding]:
    """Yield what is wrong with the addresses, the hosts and the origins."""
    yield from _addresses(settings)
    yield from _names(settings)


def is_local(listen: str) -> bool:
    """Return whether an address is reached from this machine alone; False for one that is not valid."""
    try:
        return is_loopback(address(listen)[0])
    except ValueError:
        return False


def url_fault(url: str, *, insecure: bool = False, query: bool = False) -> str:
    """Return what is wrong with a URL that the gateway calls, in a message that does not show it; empty if nothing.

    `insecure` allows ``http://`` to other machines; `query` allows a query, which the base of other URLs cannot have.
    """
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        return "must be a URL"
    if parts.scheme not in {"https", "http"} or not host or not url.isascii() or not url.isprintable() or " " in url:
        return "must be a URL that begins with https://"
    if "@" in parts.netloc:
        return "must not hold credentials"
    if "#" in url or ("?" in url and not query):
        return f"must not have {'' if query else 'a query or '}a fragment"
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
        if not _HOST.fullmatch(host) and not _is_address(host):
            yield "hosts", f"must be names or addresses without port or wildcard, not {shown(host)}"
    for origin in sorted(settings.cors.origins):
        if not _is_origin(origin):
            yield "cors.origins", f'must be origins such as "https://app.example.com", not {shown(origin)}'


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


def _is_address(text: str) -> bool:
    try:
        return bool(ipaddress.ip_address(text))
    except ValueError:
        return False
