"""What a package has that is public, and whether it is described: for core and for each plugin package."""

import importlib
import inspect
import re
import types
from collections.abc import Iterable
from typing import Any

from unbroken import hookspecs

CONSTANT = re.compile(r"[A-Z][A-Z0-9_]*\Z")


def in_order(name: str) -> tuple[int, list[Any]]:
    """As ruff's RUF022 sorts: constants, classes, the rest; numbers in names by their value."""
    kind = 0 if CONSTANT.match(name) else 1 if name[0].isupper() else 2
    return kind, [int(part) if part.isdigit() else part for part in re.split(r"(\d+)", name)]


def public_names(package: str) -> set[str]:
    """Return every public name of `package` that is its own and no module."""
    module = importlib.import_module(package)
    public = {
        name
        for name, thing in vars(module).items()
        if not name.startswith("_")
        and not (isinstance(thing, types.ModuleType) and thing.__name__ != f"{package}.faults")
    }
    foreign = {
        name
        for name in public
        if not isinstance(vars(module)[name], types.UnionType)  # an alias has no module of its own
        and getattr(vars(module)[name], "__module__", package).partition(".")[0] != package.partition(".")[0]
    }
    return public - foreign


def documented(packages: Iterable[str]) -> dict[str, Any]:
    """Everything public that can have a docstring: modules, exported things, their public members."""
    found: dict[str, Any] = {}
    for package in packages:
        module = importlib.import_module(package)
        found[package] = module
        for name in module.__all__:
            thing = getattr(module, name)
            if isinstance(thing, type) or inspect.isroutine(thing):
                found[f"{package}.{name}"] = thing
            if isinstance(thing, type):
                found |= {f"{package}.{name}.{member}": value for member, value in members(thing)}
    return found


def members(thing: type) -> list[tuple[str, Any]]:
    return [
        (name, value)
        for name, value in vars(thing).items()
        if not name.startswith("_")
        and (inspect.isfunction(value) or isinstance(value, property | classmethod | staticmethod))
    ]


def is_described(name: str, thing: Any) -> bool:
    """Say whether `thing` has a docstring, its own or that of the specification or the base that it implements."""
    doc = inspect.getdoc(thing)
    short = name.rpartition(".")[2]
    if not doc and hasattr(hookspecs.HookSpecs, short):
        doc = inspect.getdoc(getattr(hookspecs.HookSpecs, short))
    builtin = {"monotonic", "time", "random", "sleep"}  # the clock's functions are those of the machine
    return bool(doc) or short in builtin
