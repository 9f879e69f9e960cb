"""Read the values of the TOML file: sizes, rates, money, secrets. Each raises ValueError, which quotes no secret."""

import re
from collections.abc import Mapping
from decimal import ROUND_CEILING, Decimal
from typing import Any, Final, cast

from unbroken.validators import finite, nearest, shown

from ..values import MICRO, Rate

_SIZES: Final = {
    "B": 1,
    "kB": 10**3,
    "MB": 10**6,
    "GB": 10**9,
    "KiB": 2**10,
    "MiB": 2**20,
    "GiB": 2**30,
}
_PERIODS: Final = {"s": 1, "min": 60, "hour": 3600, "day": 86400}
_MOST: Final = 2**53
"""Numbers above it are not exact in the scripts of Redis."""
_LONGEST: Final = 366 * 86400
"""Seconds of a period."""

_SIZE: Final = re.compile(r"([0-9]{1,12}(?:\.[0-9]{1,9})?) ?([A-Za-z]+)")
_RATE: Final = re.compile(r"([0-9][0-9_]{0,24}(?:\.[0-9]{1,12})?) ?/ ?([0-9]{0,8}) ?([a-z]+)")
_ADDRESS: Final = re.compile(r"(?:\[([0-9A-Fa-f:.]+)\]|([^\[\]:\s/]+)):([0-9]{1,5})")


def size(value: Any) -> int:
    """Return the bytes of ``"32 MiB"``, ``"4 MB"`` or a whole number."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    found = _SIZE.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        raise ValueError(f'must be a whole number of bytes or a size such as "32 MiB", not {shown(value)}')
    number, unit = found.groups()
    if unit not in _SIZES:
        raise ValueError(f"must have a unit out of {', '.join(_SIZES)}, not {unit!r}")
    return int(Decimal(number) * _SIZES[unit])


def rate(value: Any) -> Rate:
    """Return the `Rate` of ``"20/min"`` or ``"500/10min"``. The units are s, min, hour and day."""
    amount, period = _rate(value, '"20/min"')
    if amount != int(amount):
        raise ValueError(f"must be a whole number per period, not {shown(value)}")
    return Rate(_bounded(int(amount), value), period)


def budget(value: Any) -> Rate:
    """Return the `Rate` in micro-dollars of ``"1.00/day"``, which is in USD."""
    amount, period = _rate(value, '"1.00/day"')
    return Rate(_bounded(_micro(amount, value), value), period)


def dollars(value: Any) -> int:
    """Return the micro-dollars of an amount in USD."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not finite(value) or value < 0:
        raise ValueError(f"must be an amount in USD of at least 0, not {shown(value)}")
    amount = Decimal(str(value))  # 0.3, not 0.299999999999999988…
    micro = int((amount * MICRO).to_integral_value(ROUND_CEILING))
    if micro > _MOST:
        raise ValueError(f"must be an amount that is less than {_MOST // MICRO} USD, not {shown(value)}")
    return micro


class NotSet(ValueError):
    """A variable of the environment is not set, or empty."""


def secret(value: Any, environ: Mapping[str, str]) -> str:
    """Return a text, or the value of the environment variable that ``{ env = "NAME" }`` names. Raises NotSet."""
    if isinstance(value, str):
        return value
    table: Mapping[str, Any] = cast("Any", value) if isinstance(value, Mapping) else {}
    name = table.get("env")
    if len(table) != 1 or not isinstance(name, str) or not name:
        raise ValueError('must be text or { env = "NAME" } (the value is not shown)')
    if not environ.get(name):
        raise NotSet(f"names the environment variable {name}, which is {'empty' if name in environ else 'not set'}")
    return environ[name]


def address(text: str) -> tuple[str, int]:
    """Return the host and the port of ``"127.0.0.1:8080"`` or ``"[::1]:8080"``."""
    found = _ADDRESS.fullmatch(text)
    if found is None or int(found[3]) > 65535:
        raise ValueError(f'must be an address and a port such as "127.0.0.1:8080", not {shown(text)}')
    return found[1] or found[2], int(found[3])


def _rate(value: Any, example: str) -> tuple[Decimal, float]:
    found = _RATE.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        raise ValueError(f"must be an amount per period such as {example}, not {shown(value)}")
    amount, count, unit = found.groups()
    if unit not in _PERIODS:
        raise ValueError(f"must be per {', '.join(_PERIODS)}, not per {unit!r}{nearest(unit, _PERIODS)}")
    seconds = int(count or 1) * _PERIODS[unit]
    if not 0 < seconds <= _LONGEST:
        raise ValueError(f"must have a period of at least 1 s and at most 366 days, not {shown(value)}")
    return Decimal(amount.replace("_", "")), float(seconds)


def _micro(amount: Decimal, value: Any) -> int:
    micro = amount * MICRO
    if micro != int(micro):
        raise ValueError(f"must have at most six decimals, not {shown(value)}")
    return int(micro)


def _bounded(amount: int, value: Any) -> int:
    if not 0 < amount <= _MOST:
        raise ValueError(f"must be above 0 and at most {_MOST}, not {shown(value)}")
    return amount
