"""The reference has every public name of every package."""

import ast
import collections.abc
import importlib
import inspect
import itertools
import pkgutil
import re
import types
from importlib.metadata import distribution
from pathlib import Path
from typing import Literal, get_origin

import pytest

import unbroken
import unbroken.kinds
from unbroken import Kind

REFERENCE = Path(__file__).parents[2] / "docs" / "reference"
PAGES = "\n".join(page.read_text("utf-8") for page in REFERENCE.glob("*.md"))
ALIASES = (types.UnionType, Literal, collections.abc.Callable)
NAMED = set(re.findall(r"^\.\. auto(?:class|exception|function|data):: (\S+)$", PAGES, re.MULTILINE))
WHOLE = set(re.findall(r"^\.\. automodule:: (\S+)$", PAGES, re.MULTILINE))

REGISTERED = {
    entry.value.partition(":")[0].partition(".")[0]
    for entry in distribution("unbroken").entry_points
    if entry.group in ("unbroken.plugins", "unbroken.dialects", "unbroken.transports")
}
PACKAGES = sorted(
    REGISTERED
    | {"unbroken.testing", "unbroken_chat", "unbroken_faults", "unbroken_faults.faults"}
    | {"unbroken_sdk", "unbroken_sdk.httpx", "unbroken_sdk.httpx2", "unbroken_sdk.testing"}
)
MODULES = [
    f"unbroken.{module.name}"
    for module in pkgutil.iter_modules(unbroken.__path__)
    if not module.name.startswith("_") and module.name != "testing"
]


def exported() -> list[str]:
    """Return the names in `__all__` of the packages, with the package, but for modules."""
    return [
        f"{package}.{name}"
        for package in PACKAGES
        for name in importlib.import_module(package).__all__
        if not inspect.ismodule(getattr(importlib.import_module(package), name))
    ]


def own(module: str) -> list[str]:
    """Return the classes and functions that a module of the core defines and `unbroken` does not export."""
    return [
        name
        for name, thing in vars(importlib.import_module(module)).items()
        if not name.startswith("_")
        and (inspect.isclass(thing) or inspect.isfunction(thing))
        and thing.__module__ == module
        and getattr(unbroken, name, None) is not thing
    ]


def assigned(module: str) -> dict[str, bool]:
    """Return the public values that a module of the core assigns, and whether each has a docstring.

    A value is public if it is an alias of types or has a docstring.
    """
    loaded = importlib.import_module(module)
    body = ast.parse(inspect.getsource(loaded)).body
    found: dict[str, bool] = {}
    for statement, behind in itertools.zip_longest(body, body[1:]):
        targets = statement.targets if isinstance(statement, ast.Assign) else [getattr(statement, "target", None)]
        described = isinstance(behind, ast.Expr) and isinstance(behind.value, ast.Constant)
        for name in (each.id for each in targets if isinstance(each, ast.Name) and not each.id.startswith("_")):
            is_alias = get_origin(getattr(loaded, name)) in ALIASES
            if (is_alias or described) and not hasattr(unbroken, name):
                found[name] = described
    return found


@pytest.mark.parametrize("name", exported())
def test_every_exported_name_is_in_the_reference(name: str) -> None:
    """A name that a package exports has an entry of its own."""
    assert name in NAMED


@pytest.mark.parametrize("module", MODULES)
def test_every_public_module_of_the_core_is_in_the_reference(module: str) -> None:
    """As a whole, or name by name where `unbroken` exports a part of it."""
    assert module in WHOLE or {f"{module}.{name}" for name in own(module)} <= NAMED


@pytest.mark.parametrize("module", MODULES)
def test_every_public_value_of_the_core_is_in_the_reference(module: str) -> None:
    """Sphinx shows what has a docstring where the module is shown as a whole; anything else needs an entry."""
    shown = {name for name, described in assigned(module).items() if described and module in WHOLE}
    assert {f"{module}.{name}" for name in assigned(module).keys() - shown} - NAMED == set()


def test_the_kinds_of_events_are_in_the_reference() -> None:
    """Each has a name of its own beside that in `Kind`."""
    kinds = {name for name, value in vars(unbroken.kinds).items() if isinstance(value, Kind) and name.isupper()}
    assert {f"unbroken.kinds.{name}" for name in kinds} - NAMED == set()


def test_the_index_names_every_package() -> None:
    """The table of the reference leads to all of it."""
    index = (REFERENCE / "index.md").read_text("utf-8")
    packages = {path.name for path in REFERENCE.parents[1].glob("plugins/*/unbroken_*")} | {"unbroken"}
    assert {package for package in packages if f"`{package}`" not in index} == set()


@pytest.mark.parametrize("name", sorted(NAMED | WHOLE))
def test_no_entry_of_the_reference_has_lost_its_name(name: str) -> None:
    """A name that was removed is removed from the reference."""
    package, _, last = name.rpartition(".")
    module = importlib.import_module(name if name in WHOLE else package)
    assert name in WHOLE or hasattr(module, last)
