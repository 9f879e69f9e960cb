"""The tutorial of docs/plugins.md leads from an empty directory to a plugin that works, by what the page says alone.

There is no network here: `pip` is a stand-in that registers the project as an editable installation does. `nox -s
thirdparty` follows the page with pip itself.
"""

import os
import sys
from pathlib import Path

import pytest

from .tutorial import follow, section_of

PAGE = Path(__file__).parents[2] / "docs" / "plugins.md"
PIP = """#!{python}
import pathlib, sys, tomllib

assert sys.argv[1:] == ["install", "-e", ".", "--group", "test"], sys.argv
project = tomllib.loads(pathlib.Path("pyproject.toml").read_text())
assert project["dependency-groups"]["test"] == ["pytest>=8.3"]
project, site = project["project"], pathlib.Path({site!r})
info = site / f"{{project['name'].replace('-', '_')}}-{{project['version']}}.dist-info"
info.mkdir()
(info / "METADATA").write_text("Metadata-Version: 2.1\\nName: {{name}}\\nVersion: {{version}}\\n".format(**project))
lines = [[f"[{{group}}]", *map(" = ".join, each.items())] for group, each in project["entry-points"].items()]
(info / "entry_points.txt").write_text("\\n".join(sum(lines, [])))
for package in pathlib.Path("src").resolve().iterdir():
    (site / package.name).symlink_to(package)
"""


def test_the_page_leads_to_a_plugin_that_works(tmp_path: Path) -> None:
    site, bin = tmp_path / "site", tmp_path / "bin"
    site.mkdir()
    bin.mkdir()
    pip = bin / "pip"
    pip.write_text(PIP.format(python=sys.executable, site=str(site)))
    pip.chmod(0o755)
    path = os.pathsep.join([str(bin), str(Path(sys.executable).parent), os.environ["PATH"]])
    environ = {name: value for name, value in os.environ.items() if not name.startswith(("UNBROKEN_", "PYTEST_"))}
    section = section_of(PAGE.read_text("utf-8"))
    assert follow(section, tmp_path / "empty", {**environ, "PATH": path, "PYTHONPATH": str(site)}) == 7


@pytest.mark.parametrize(
    ("section", "message"),
    [
        ("```console\n$ false\n```\n", r"\$ false"),
        ("```console\n$ echo one\ntwo\n```\n", "prints no 'two'"),
        ("```python\n# missing.py\n```\n", "is to be changed, and is not there"),
        ("```python\nx = 1\n```\n", "which file is this"),
    ],
)
def test_a_page_that_is_wrong_is_noticed(section: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match=message):
        follow(section, tmp_path / "empty")


def test_the_shell_stays_where_it_went(tmp_path: Path) -> None:
    section = "```console\n$ mkdir a\n$ cd a\n$ touch b\n$ ls ../a\nb\n```\n"
    assert follow(section, tmp_path / "empty") == 4
