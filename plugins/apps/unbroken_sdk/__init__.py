"""Unbroken under another client: its policies and proofs, for a program that keeps the SDK that it has.

`protect(client)` puts it under a client that exists. `httpx` and `httpx2` have the transports and clients for
everything else that stands on one of these libraries.
"""

from typing import TYPE_CHECKING, Any

from ._protect import protect

if TYPE_CHECKING:
    from . import httpx, httpx2

__all__ = ("httpx", "httpx2", "protect")


def __getattr__(name: str) -> Any:
    if name in ("httpx", "httpx2"):  # each needs its library
        from importlib import import_module

        return import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
