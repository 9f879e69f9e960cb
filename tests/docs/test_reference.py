"""The reference has every public name of every package."""

import importlib
import inspect
import pkgutil
import re
from importlib.metadata import distribution
from pathlib import Path

import pytest

import unbroken

PAGES = "\n".join(page.read_text("utf-8") for page in (Path(__file__).parents[2] / "docs" / "reference").glob("*.md"))
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
    | {"unbroken_sdk", "unbroken_sdk.httpx", "unbroken_sdk.httpx2"}
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


@pytest.mark.parametrize("name", exported())
def test_every_exported_name_is_in_the_reference(name: str) -> None:
    """A name that a package exports has an entry of its own."""
    assert name in NAMED


@pytest.mark.parametrize("module", MODULES)
def test_every_public_module_of_the_core_is_in_the_reference(module: str) -> None:
    """As a whole, or name by name where `unbroken` exports a part of it."""
    assert module in WHOLE or {f"{module}.{name}" for name in own(module)} <= NAMED


@pytest.mark.parametrize("name", sorted(NAMED | WHOLE))
def test_no_entry_of_the_reference_has_lost_its_name(name: str) -> None:
    """A name that was removed is removed from the reference."""
    package, _, last = name.rpartition(".")
    module = importlib.import_module(name if name in WHOLE else package)
    assert name in WHOLE or hasattr(module, last)
