"""One way in: what core exports is what it says it exports, sorted and described."""

import importlib

import pytest

import unbroken

from ..exports import documented, in_order, is_described, public_names

PACKAGES = ("unbroken", "unbroken.testing")
THINGS = documented(PACKAGES)


@pytest.mark.parametrize("package", PACKAGES)
def test_what_is_exported_is_the_public_namespace(package: str) -> None:
    """Everything with a public name that is no module of its own, and nothing else."""
    listed = importlib.import_module(package).__all__
    assert set(listed) == public_names(package)
    assert list(listed) == sorted(listed, key=in_order)


@pytest.mark.parametrize("package", PACKAGES)
def test_the_names_of_the_core_are_a_tuple(package: str) -> None:
    """So that nobody appends to it."""
    module = importlib.import_module(package)
    assert isinstance(module.__all__, tuple)
    assert len(set(module.__all__)) == len(module.__all__)


@pytest.mark.parametrize("name", sorted(THINGS))
def test_everything_public_has_a_docstring(name: str) -> None:
    """Its own, or that of the specification or the base class that it implements."""
    assert is_described(name, THINGS[name])


def test_every_public_name_of_the_core_is_importable_from_its_top() -> None:
    """`import unbroken` is all that a user needs."""
    for name in unbroken.__all__:
        assert getattr(unbroken, name) is not None
