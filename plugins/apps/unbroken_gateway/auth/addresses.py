"""The address that a request came from, and the limit of bad credentials per address."""

import ipaddress
from collections import OrderedDict, deque
from collections.abc import Sequence
from typing import Final

from attrs import define, field

from .credentials import Headers

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
_Address = ipaddress.IPv4Address | ipaddress.IPv6Address

PERIOD: Final = 60.0
"""Seconds over which bad credentials are counted."""
MAX_ADDRESSES: Final = 10_000
"""The most addresses that are counted at a time; the one that was seen longest ago goes first."""
_MAX_HOPS: Final = 32
_HOME_BITS: Final = 64
"""An IPv6 client usually owns a whole network of this length."""


def networks(texts: Sequence[str]) -> tuple[Network, ...]:
    """Return addresses and networks, such as ``10.0.0.0/8``, as values.

    Raises ValueError for anything else, such as ``10.0.0.1/8``, of which it is not clear what is meant.
    """
    return tuple(ipaddress.ip_network(text) for text in texts)


def client_address(headers: Headers, peer: str, trusted: Sequence[Network]) -> str:
    """Return the address of the client as it is counted: IPv4 whole, IPv6 by its /64.

    ``X-Forwarded-For`` is read from its end, where our own proxies write, and only as long as the address that wrote
    is one of the `trusted`. `peer` is the address of the connection; text that is no address is returned as it is.
    """
    address = _address(peer)
    if address is None:
        return peer
    for hop in _hops(headers) if trusted else ():
        earlier = _address(hop)
        if earlier is None or not _in(address, trusted):
            break
        address = earlier
    if isinstance(address, ipaddress.IPv6Address):
        return str(ipaddress.ip_network((address, _HOME_BITS), strict=False))
    return str(address)


def _hops(headers: Headers) -> list[str]:
    """Return what ``X-Forwarded-For`` names, the newest hop first."""
    lines = [value.decode("latin-1") for name, value in headers if name.lower() == b"x-forwarded-for"]
    return [hop.strip() for hop in ",".join(lines).split(",")[: -_MAX_HOPS - 1 : -1]]


def _address(text: str) -> _Address | None:
    """Return an address without the port that some proxies add; IPv4 in IPv6 as IPv4."""
    host = text.strip()
    if host.startswith("["):
        host = host[1:].partition("]")[0]
    elif host.count(":") == 1:
        host = host.partition(":")[0]
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address


def _in(address: _Address, trusted: Sequence[Network]) -> bool:
    return any(address in network for network in trusted)  # False for a network of the other version


@define(eq=False)
class Throttle:
    """Counts the bad credentials of each address: at most `limit` in any `PERIOD`. Bounded by `MAX_ADDRESSES`."""

    limit: int
    _seen: OrderedDict[str, deque[float]] = field(factory=OrderedDict[str, deque[float]], init=False, repr=False)

    def note(self, address: str, now: float) -> None:
        """Count a bad credential; `now` is in monotonic seconds."""
        times = self._seen.setdefault(address, deque(maxlen=self.limit))
        times.append(now)
        self._seen.move_to_end(address)
        if len(self._seen) > MAX_ADDRESSES:
            self._seen.popitem(last=False)

    def wait(self, address: str, now: float) -> float:
        """Return the seconds until `address` may try again; 0 if it may now."""
        times = self._seen.get(address)
        if times is None or len(times) < self.limit:
            return 0.0
        return max(times[0] + PERIOD - now, 0.0)
