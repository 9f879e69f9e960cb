"""S34: what is in the wheel, by the settings of its build."""

import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]
KINDS = {".py", ".css", ".html", ".js", ".json", ".txt", ".md"}


def shipped() -> list[Path]:
    """Return the files of the wheel, which are those of its source folders."""
    build = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["hatch"]["build"]
    folders = build["targets"]["wheel"]["only-include"]
    files = [file for folder in folders for file in (ROOT / folder).rglob("*") if file.is_file()]
    return [file for file in files if "__pycache__" not in file.parts]


def test_s34_no_file_runs_by_being_installed() -> None:
    """A ``.pth`` runs at each start of Python; so do these modules."""
    names = {file.name for file in shipped()}
    assert not [name for name in names if name.endswith(".pth")]
    assert not names & {"sitecustomize.py", "usercustomize.py"}


def test_s34_only_sources_and_the_page_are_shipped() -> None:
    others = [file for file in shipped() if file.suffix not in KINDS and file.name != "py.typed"]
    assert others == []
    gateway = [file for file in shipped() if "unbroken_gateway" in file.parts]
    assert {file.suffix for file in gateway if file.name != "py.typed"} <= {".py", ".css", ".html", ".js"}


def test_every_package_says_that_it_is_typed() -> None:
    """PEP 561: without its ``py.typed`` a type checker takes nothing from an installed package."""
    folders = {file.parent for file in shipped() if file.name == "__init__.py"}
    packages = {folder for folder in folders if folder.parent not in folders}
    assert [folder.name for folder in sorted(packages) if not (folder / "py.typed").is_file()] == []
