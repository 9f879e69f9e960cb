"""What `uv run` installs in a fresh clone: the library and its command, and nothing that only developers need."""

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

HOUSE = Path(__file__).parents[2]
PROJECT = tomllib.loads((HOUSE / "pyproject.toml").read_text("utf-8"))
GROUPS = PROJECT["dependency-groups"]
CI = HOUSE / ".ci" / "run"
in_a_checkout = pytest.mark.skipif(not CI.exists(), reason="a source distribution has no CI")
CHECKERS = {"mypy", "pyright", "ruff", "import-linter", "nox", "pytest", "coverage", "sphinx", "hypothesis"}


def packages(group: str) -> Iterator[str]:
    """Yield the names of the packages in a group, those of the groups that it includes too."""
    for entry in GROUPS[group]:
        if isinstance(entry, dict):
            yield from packages(entry["include-group"])
        else:
            yield re.split(r"[^A-Za-z0-9-]", entry)[0]


def runs(text: str) -> list[str]:
    """Return the commands that `uv run` is given in a text, with its options."""
    return re.findall(r"\buv run ([^`\n;&|]+)", text)


def test_the_default_groups_are_what_the_command_needs() -> None:
    """The extra `cli`, which `uv run` would not install by itself."""
    assert PROJECT["tool"]["uv"]["default-groups"] == ["cli"]
    assert GROUPS["cli"] == PROJECT["project"]["optional-dependencies"]["cli"]


def test_no_checker_is_installed_by_default() -> None:
    """Nor as a dependency of the library; the groups that do have them are known here."""
    default = {name for group in PROJECT["tool"]["uv"]["default-groups"] for name in packages(group)}
    library = {re.split(r"[^A-Za-z0-9-]", entry)[0] for entry in PROJECT["project"]["dependencies"]}
    assert not CHECKERS & (default | library)
    assert {name for group in ("dev", "docs") for name in packages(group)} >= CHECKERS


def needed(command: str) -> set[str]:
    """Return the groups that a command line of `uv run` names, with the default ones."""
    return {*PROJECT["tool"]["uv"]["default-groups"], *re.findall(r"--group (\S+)", command)}


@pytest.mark.parametrize("path", [HOUSE / "README.md", pytest.param(CI, marks=in_a_checkout)], ids=["README", "CI"])
def test_each_command_names_the_group_that_has_it(path: Path) -> None:
    """Or it would not be found in a fresh clone."""
    homes: dict[str, Any] = {"lint-imports": "import-linter", "unbroken": "typer"}
    commands = [line for line in runs(path.read_text("utf-8")) if not line.startswith(".*")]
    assert commands
    for line in commands:
        tool = re.sub(r"--(group|with) \S+ ", "", line).split()[0]
        assert homes.get(tool, tool) in {name for group in needed(line) for name in packages(group)}, line


@in_a_checkout
def test_ci_finds_the_test_command_of_the_readme() -> None:
    """It runs that line as it stands."""
    (pattern,) = re.findall(r"grep -m1 -E '([^']+)' README\.md", CI.read_text("utf-8"))
    found = [line for line in (HOUSE / "README.md").read_text("utf-8").splitlines() if re.search(pattern, line)]
    assert found == ["pip install uv && uv run --group test pytest"]
