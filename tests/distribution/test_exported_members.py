"""One way in: what each plugin package exports is what it says it exports, sorted and described."""

import importlib
from importlib.metadata import entry_points

import pytest

from ..exports import documented, in_order, is_described, public_names

REGISTERED = {
    entry.module for group in ("unbroken.plugins", "unbroken.dialects") for entry in entry_points(group=group)
}
PACKAGES = sorted({"unbroken_faults"} | {module for module in REGISTERED if module.startswith("unbroken_")})
THINGS = documented(PACKAGES)


@pytest.mark.parametrize("package", PACKAGES)
def test_what_is_exported_is_the_public_namespace(package: str) -> None:
    """Everything with a public name that is no module of its own, and nothing else."""
    listed = importlib.import_module(package).__all__
    assert set(listed) == public_names(package)
    assert list(listed) == sorted(listed, key=in_order)


@pytest.mark.parametrize("name", sorted(THINGS))
def test_everything_public_has_a_docstring(name: str) -> None:
    """Its own, or that of the specification or the base class that it implements."""
    assert is_described(name, THINGS[name])
