"""Unbroken under another client: the policies and the proofs for a program that keeps the SDK that it has."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from . import httpx, httpx2

__all__ = ("httpx", "httpx2")


def __getattr__(name: str) -> Any:
    if name in ("httpx", "httpx2"):  # each needs its library
        from importlib import import_module

        return import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
