"""What `unbroken new-plugin` writes works at once, and it spoils nothing that is there."""

import os
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path
from typing import Any

import pytest

from unbroken_cli.new_plugin import NameRefusedError, Names, names_for

from ...conftest import dist_info

KINDS = pytest.mark.parametrize("kind", ["plugin", "dialect"])


def run(*command: str, cwd: Path, **environ: str) -> str:
    """Run a command of this environment and return its output; the test fails when it does."""
    done = subprocess.run(
        [sys.executable, "-m", *command], cwd=cwd, env={**os.environ, **environ}, capture_output=True, text=True
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture
def written(invoke: Any, nowhere: Path, kind: str) -> Path:
    result = invoke("new-plugin", "Acme_Limit", *(["--dialect"] if kind == "dialect" else []))
    assert result.exit_code == 0, result.stderr
    assert "cd acme-limit" in result.stdout
    return nowhere / "acme-limit"


@KINDS
def test_its_tests_pass_at_once(written: Path) -> None:
    """Those of the contract and those of what it does, with warnings as errors."""
    output = run("pytest", "-p", "no:cacheprovider", "-q", cwd=written, PYTHONPATH=str(written / "src"))
    assert " passed" in output


def test_they_are_clean_under_ruff_and_mypy(invoke: Any, nowhere: Path) -> None:
    """Ruff with its defaults and with the settings of the file, mypy with --strict."""
    pytest.importorskip("ruff")
    assert invoke("new-plugin", "acme-limit").exit_code == 0
    assert invoke("new-plugin", "acme-feeds", "--dialect").exit_code == 0
    for place in (nowhere / "acme-limit", nowhere / "acme-feeds"):
        for command in (
            ("check",),
            ("check", "--isolated"),
            ("format", "--check"),
            ("format", "--check", "--isolated"),
        ):
            run("ruff", *command, "--no-cache", ".", cwd=place)
    sources = [str(path) for path in nowhere.rglob("*.py")]
    path = os.pathsep.join(str(nowhere / name / "src") for name in ("acme-limit", "acme-feeds"))
    output = run("mypy", "--strict", "--cache-dir", os.devnull, *sources, cwd=nowhere, MYPYPATH=path)
    assert "no issues found in 4 source files" in output


@KINDS
def test_it_is_found_by_its_name(written: Path, kind: str, tmp_path: Path) -> None:
    """Once an installer has registered the entry points of its pyproject.toml."""
    project = tomllib.loads((written / "pyproject.toml").read_text())["project"]
    [(group, offered)] = project["entry-points"].items()
    lines = "".join(f"{name} = {value}\n" for name, value in offered.items())
    dist_info(tmp_path / "site", project["name"], project["version"], f"[{group}]\n{lines}")
    path = os.pathsep.join([str(tmp_path / "site"), str(written / "src")])
    shown = run("unbroken_cli_main", "plugins", "acme-limit", cwd=entry_module(tmp_path), PYTHONPATH=path)
    assert f"acme-limit  {kind}, acme-limit 0.1.0" in shown
    assert "✗" not in shown
    assert ("[acme-limit]\nmax_bytes = 1000000" in shown) == (kind == "plugin")


def entry_module(tmp_path: Path) -> Path:
    (tmp_path / "unbroken_cli_main.py").write_text("from unbroken_cli import main\n\nmain()\n")
    return tmp_path


@KINDS
def test_its_wheel_has_the_module_and_the_entry_point(written: Path, kind: str) -> None:
    """Built by hatchling, where that is installed."""
    pytest.importorskip("hatchling")
    run("hatchling", "build", "-t", "wheel", cwd=written)
    [wheel] = (written / "dist").glob("acme_limit-0.1.0-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        assert {"acme_limit/__init__.py", "acme_limit/py.typed"} <= set(archive.namelist())
        entry_points = archive.read("acme_limit-0.1.0.dist-info/entry_points.txt").decode()
    assert entry_points.strip() == f"[unbroken.{kind}s]\nacme-limit = acme_limit:AcmeLimit"


@pytest.mark.parametrize(
    ("name", "names"),
    [
        ("acme-limit", ("acme-limit", "acme_limit", "AcmeLimit")),
        ("Acme.._Limit", ("acme-limit", "acme_limit", "AcmeLimit")),
        ("a", ("a", "a", "A")),
        ("v2-limit", ("v2-limit", "v2_limit", "V2Limit")),
        ("x" * 64, ("x" * 64, "x" * 64, "X" + "x" * 63)),
        ("plugin", ("plugin", "plugin", "OwnPlugin")),
        ("answer", ("answer", "answer", "OwnAnswer")),
        ("none", ("none", "none", "OwnNone")),
    ],
)
def test_the_names_of_the_parts_follow_from_the_name(name: str, names: tuple[str, str, str]) -> None:
    """And none of them is one that the new modules import."""
    assert names_for(name) == Names(*names)


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("", "cannot be the name of a distribution"),
        ("-x", "cannot be the name of a distribution"),
        ("x_", "cannot be the name of a distribution"),
        ("a b", "cannot be the name of a distribution"),
        ("../x", "cannot be the name of a distribution"),
        ("x\n", "cannot be the name of a distribution"),
        ("grün", "cannot be the name of a distribution"),
        ("x" * 65, "at most 64 letters"),
        ("3d", "the module '3d', which Python cannot import"),
        ("class", "the module 'class', which Python cannot import"),
        ("insecure", "is a setting in a configuration"),
        ("retry", "is already a plugin of unbroken"),
        ("Circuit_Breaker", "is already a plugin of unbroken"),
        ("sse", "is already a dialect of unbroken"),
        ("wire", "is already a transport of unbroken"),
        ("unbroken", "the module 'unbroken', and there is one"),
        ("unbroken-sdk", "the module 'unbroken_sdk', and there is one"),
        ("json", "the module 'json', and there is one"),
    ],
)
def test_a_name_that_cannot_be_used_is_refused_with_the_reason(name: str, why: str) -> None:
    with pytest.raises(NameRefusedError) as caught:
        names_for(name)
    assert why in str(caught.value)
    assert len(str(caught.value)) < 300


def test_a_module_without_a_spec_is_there_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """As the main module of a program is."""
    monkeypatch.setitem(sys.modules, "specless", type(sys)("specless"))
    with pytest.raises(NameRefusedError, match="there is one of that name already"):
        names_for("specless")


def test_a_refused_name_writes_nothing(invoke: Any, nowhere: Path) -> None:
    result = invoke("new-plugin", "retry", "--directory", "new")
    assert result.exit_code == 2
    assert "already a plugin of" in result.stderr
    assert list(nowhere.iterdir()) == []


@pytest.mark.parametrize("there", ["directory", "file", "link"])
def test_what_is_there_is_not_touched(invoke: Any, nowhere: Path, there: str) -> None:
    """A directory, though empty, a file, and a link that leads nowhere."""
    place = nowhere / "acme-limit"
    {
        "directory": place.mkdir,
        "file": lambda: place.write_text("mine"),
        "link": lambda: place.symlink_to("missing"),
    }[there]()
    result = invoke("new-plugin", "acme-limit")
    assert result.exit_code == 2
    assert result.stderr == "acme-limit is there already, and nothing in it was changed\n"
    assert [path.name for path in nowhere.rglob("*")] == ["acme-limit"]


def test_the_directory_is_made_or_the_reason_is_given(invoke: Any, nowhere: Path) -> None:
    assert invoke("new-plugin", "acme-limit", "--directory", "a/b").exit_code == 0
    assert (nowhere / "a" / "b" / "acme-limit" / "pyproject.toml").is_file()
    (nowhere / "file").write_text("mine")
    assert "is a file" in invoke("new-plugin", "acme-limit", "--directory", "file").stderr
    result = invoke("new-plugin", "acme-limit", "--directory", "file/x")
    assert result.exit_code == 2
    assert result.stderr == "file/x/acme-limit cannot be written: Not a directory\n"
