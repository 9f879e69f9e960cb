"""What getting started says about the extras is what pyproject.toml says."""

import re
import tomllib
from pathlib import Path

HOUSE = Path(__file__).parents[2]
PROJECT = tomllib.loads((HOUSE / "pyproject.toml").read_text("utf-8"))
EXTRAS = PROJECT["project"]["optional-dependencies"]
SOURCES = [file for root in PROJECT["tool"]["hatch"]["build"]["dev-mode-dirs"] for file in (HOUSE / root).rglob("*.py")]
PAGES = [HOUSE / "README.md", *(HOUSE / "docs").rglob("*.md")]
IN_BRACKETS = re.compile(r"(?:unbroken|\"\.|'\.)\[([\w,-]+)\]")


def name_of(requirement: str) -> str:
    return re.split(r"[^A-Za-z0-9-]", requirement)[0]


def test_the_table_of_extras_is_theirs() -> None:
    """One row for each, with the packages that it brings."""
    page = (HOUSE / "docs" / "getting-started.md").read_text("utf-8")
    [table] = re.findall(r"^\| extra \|.*\n\|[-|]+\n((?:\|.*\n)+)", page, re.MULTILINE)
    rows = [[cell.strip(" `") for cell in line.split("|")[1:-1]] for line in table.splitlines()]
    assert {extra: brings.split(", ") for extra, brings, _ in rows} == {
        extra: [name_of(each) for each in required] for extra, required in EXTRAS.items()
    }
    assert all(needed for _, _, needed in rows)


def test_every_extra_that_is_named_exists() -> None:
    """In an error that says what to install, or in a command of the documentation."""
    named = {
        extra
        for file in [*SOURCES, *PAGES]
        for found in IN_BRACKETS.findall(file.read_text("utf-8"))
        for extra in found.split(",")
    }
    assert named == set(EXTRAS)


def test_the_same_package_has_the_same_bounds_everywhere() -> None:
    """In the extras and in the groups."""
    groups = [entry for group in PROJECT["dependency-groups"].values() for entry in group if isinstance(entry, str)]
    bounds = {name_of(each): each for each in PROJECT["project"]["dependencies"]}
    bounds |= {name_of(each): each for required in EXTRAS.values() for each in required}
    others = [each for required in EXTRAS.values() for each in required] + groups
    assert [each for each in others if bounds.get(name_of(each), each) != each] == []
