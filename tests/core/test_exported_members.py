"""One way in: what a package exports is what it says it exports, sorted and described."""

import importlib
import inspect
import re
import types
from importlib.metadata import entry_points
from typing import Any

import pytest

import unbroken
from unbroken import hookspecs

REGISTERED = {
    entry.module for group in ("unbroken.plugins", "unbroken.dialects") for entry in entry_points(group=group)
}
PACKAGES = sorted(
    {"unbroken", "unbroken.testing", "unbroken_faults"}
    | {module for module in REGISTERED if module.startswith("unbroken_")}
)
CONSTANT = re.compile(r"[A-Z][A-Z0-9_]*\Z")


def in_order(name: str) -> tuple[int, list[Any]]:
    """As ruff's RUF022 sorts: constants, classes, the rest; numbers in names by their value."""
    kind = 0 if CONSTANT.match(name) else 1 if name[0].isupper() else 2
    return kind, [int(part) if part.isdigit() else part for part in re.split(r"(\d+)", name)]


@pytest.mark.parametrize("package", PACKAGES)
def test_what_is_exported_is_the_public_namespace(package: str) -> None:
    """Everything with a public name that is no module of its own, and nothing else."""
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
        if getattr(vars(module)[name], "__module__", package).partition(".")[0] != package.partition(".")[0]
    }
    assert set(module.__all__) == public - foreign
    assert list(module.__all__) == sorted(module.__all__, key=in_order)


@pytest.mark.parametrize("package", ["unbroken", "unbroken.testing"])
def test_the_names_of_the_core_are_a_tuple(package: str) -> None:
    """So that nobody appends to it."""
    module = importlib.import_module(package)
    assert isinstance(module.__all__, tuple)
    assert len(set(module.__all__)) == len(module.__all__)


def documented() -> dict[str, Any]:
    """Everything public that can have a docstring: modules, exported things, their public members."""
    found: dict[str, Any] = {}
    for package in PACKAGES:
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


THINGS = documented()


@pytest.mark.parametrize("name", sorted(THINGS))
def test_everything_public_has_a_docstring(name: str) -> None:
    """Its own, or that of the specification or the base class that it implements."""
    thing = THINGS[name]
    doc = inspect.getdoc(thing)
    short = name.rpartition(".")[2]
    if not doc and hasattr(hookspecs.HookSpecs, short):
        doc = inspect.getdoc(getattr(hookspecs.HookSpecs, short))
    builtin = {"monotonic", "time", "random", "sleep"}  # the clock's functions are those of the machine
    assert doc or short in builtin


def test_every_public_name_of_the_core_is_importable_from_its_top() -> None:
    """`import unbroken` is all that a user needs."""
    for name in unbroken.__all__:
        assert getattr(unbroken, name) is not None
