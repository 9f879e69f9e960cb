"""The source distribution and the wheel, as they are built: what is in them, and that they agree."""

import re
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from email.message import Message
from email.parser import Parser
from pathlib import Path

import pytest

import unbroken

HOUSE = Path(__file__).parents[2]
PYPROJECT = tomllib.loads((HOUSE / "pyproject.toml").read_text("utf-8"))
PROJECT = PYPROJECT["project"]
TARGETS = PYPROJECT["tool"]["hatch"]["build"]["targets"]
NAME = f"{PROJECT['name']}-{PROJECT['version']}"
MINORS = range(11, 15)


def build(target: str, sources: Path, place: Path) -> Path:
    """Build one distribution with the backend of pyproject.toml, without a network."""
    command = [sys.executable, "-m", "hatchling", "build", "--target", target, "--directory", str(place)]
    done = subprocess.run(command, cwd=sources, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    [built] = place.iterdir()
    return built


@pytest.fixture(scope="module")
def sdist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The unpacked source distribution."""
    place = tmp_path_factory.mktemp("sdist")
    with tarfile.open(build("sdist", HOUSE, place)) as archive:
        archive.extractall(place, filter="data")
    return place / NAME


def contents(wheel: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(wheel) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The files of the wheel, by their names."""
    return contents(build("wheel", HOUSE, tmp_path_factory.mktemp("wheel")))


@pytest.fixture(scope="module")
def metadata(wheel: dict[str, bytes]) -> Message:
    """The metadata of the wheel."""
    return Parser().parsestr(wheel[f"{NAME}.dist-info/METADATA"].decode())


def test_the_source_distribution_has_what_a_packager_needs(sdist: Path) -> None:
    """The sources, and all that their tests read."""
    wanted = ["core", "plugins", "tests", "docs", "scripts", "examples", "deploy"]
    assert [name for name in wanted if not (sdist / name).is_dir()] == []
    wanted = ["pyproject.toml", "noxfile.py", "README.md", "CHANGELOG.md", "LICENSE", "PKG-INFO", "tests/conftest.py"]
    assert [name for name in wanted if not (sdist / name).is_file()] == []


def test_the_source_distribution_has_nothing_else(sdist: Path) -> None:
    """Every file of its folders that git does not ignore; no cache, no build, no database of a trial."""
    if not (HOUSE / ".git").exists():
        pytest.skip("only git knows which files are sources")
    include = [*TARGETS["sdist"]["include"], "pyproject.toml", ".gitignore"]
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", *include]
    listed = subprocess.run(command, cwd=HOUSE, capture_output=True, text=True, check=True).stdout.split("\0")
    wanted = {name for name in listed if name and (HOUSE / name).is_file()}
    assert {str(file.relative_to(sdist)) for file in sdist.rglob("*") if file.is_file()} == wanted | {"PKG-INFO"}


def test_the_wheel_of_the_source_distribution_is_the_wheel(
    sdist: Path, wheel: dict[str, bytes], tmp_path: Path
) -> None:
    """The same files with the same bytes."""
    assert contents(build("wheel", sdist, tmp_path)) == wheel


def test_the_wheel_has_its_packages_and_nothing_beside_them(wheel: dict[str, bytes]) -> None:
    """Each of them is typed."""
    tops = {name.partition("/")[0] for name in wheel}
    packages = tops - {f"{NAME}.dist-info"}
    roots = TARGETS["wheel"]["only-include"]
    assert packages == {folder.parent.name for root in roots for folder in (HOUSE / root).glob("*/__init__.py")}
    assert [package for package in packages if f"{package}/py.typed" not in wheel] == []
    assert "purelib: true" in wheel[f"{NAME}.dist-info/WHEEL"].decode().lower()


def test_the_versions_agree(metadata: Message) -> None:
    """Of pyproject.toml, the wheel and the installed package; and the changelog has it, once it is released."""
    assert metadata["Version"] == PROJECT["version"] == unbroken.__version__
    headings = re.findall(
        r"^## \[(.+?)\](?: - (\d{4}-\d\d-\d\d))?$", (HOUSE / "CHANGELOG.md").read_text(), re.MULTILINE
    )
    assert all(bool(date) is (heading != "Unreleased") for heading, date in headings)
    assert headings[0][0] == "Unreleased" or headings[0][0] == PROJECT["version"]


def test_the_licence_is_an_expression_with_its_text(metadata: Message, wheel: dict[str, bytes]) -> None:
    """PEP 639: no classifier beside it."""
    assert (metadata["License-Expression"], metadata["License-File"]) == ("MIT", "LICENSE")
    assert wheel[f"{NAME}.dist-info/licenses/LICENSE"] == (HOUSE / "LICENSE").read_bytes()
    assert [each for each in metadata.get_all("Classifier", []) if each.startswith("License")] == []


def test_the_classifiers_name_the_pythons(metadata: Message) -> None:
    """Those of the sessions of nox, from the oldest that can install it."""
    classifiers = metadata.get_all("Classifier", [])
    named = [f"Programming Language :: Python :: 3.{minor}" for minor in MINORS]
    assert [each for each in classifiers if re.search(r":: 3\.\d+$", each)] == named
    assert metadata["Requires-Python"] == f">=3.{MINORS[0]}"
    sessions = re.search(r"^PYTHONS = \[(.+)\]", (HOUSE / "noxfile.py").read_text(), re.MULTILINE)
    assert sessions is not None
    assert re.findall(r'"3\.(\d+)"', sessions[1]) == [str(minor) for minor in MINORS]
    assert "Typing :: Typed" in classifiers


def test_the_metadata_describe_the_distribution(metadata: Message) -> None:
    """With the README, and the extras of pyproject.toml."""
    assert metadata["Description-Content-Type"] == "text/markdown"
    assert metadata.get_payload() == (HOUSE / "README.md").read_text("utf-8")
    assert sorted(metadata.get_all("Provides-Extra", [])) == sorted(PROJECT["optional-dependencies"])
    assert set(PROJECT["keywords"]) == set(metadata["Keywords"].split(","))
