"""Deleting a plugin folder breaks nothing but itself and what stands above it."""

import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

HOUSE = Path(__file__).parents[2]
ROOTS = tomllib.loads((HOUSE / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["dev-mode-dirs"]
PLUGINS = sorted(
    folder.relative_to(HOUSE)
    for root in ROOTS
    for folder in (HOUSE / root).glob("unbroken_*")
    if root != "core" and (folder / "__init__.py").exists()
)
DEFAULTS = {"unbroken_timeout": "timeout", "unbroken_retry": "retry"} | {
    "unbroken_circuit_breaker": "circuit-breaker",
    "unbroken_rate_limit": "rate-limit",
}

# Runs in the copy alone: the folders of the installed house are taken off the path.
PROBE = """
import sys
house, missing = sys.argv[1:3]
sys.path[:] = [*sys.argv[3:], *(each for each in sys.path if not each.startswith(house) or "site-packages" in each)]
sys.meta_path[:] = [each for each in sys.meta_path if "editable" not in repr(each).lower()]
import unbroken
assert unbroken.__file__.startswith(sys.argv[3]), unbroken.__file__
try:
    __import__(missing)
except ModuleNotFoundError:
    pass
else:
    raise SystemExit(f"{missing} is still there")
unbroken.Client([]).close()
client = unbroken.Client()
print(client.describe())
client.close()
"""


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the sources."""
    folder = tmp_path_factory.mktemp("copy")
    for root in ROOTS:
        shutil.copytree(HOUSE / root, folder / root, ignore=shutil.ignore_patterns("__pycache__"))
    return folder


def test_the_tests_of_core_can_be_collected_without_any_plugin(copy: Path, tmp_path: Path) -> None:
    """They have a dialect and policies of their own."""
    house = tmp_path / "house"
    shutil.copytree(copy / "core", house / "core")
    shutil.copytree(HOUSE / "tests", house / "tests", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(HOUSE / "pyproject.toml", house)
    code = PROBE.partition("import unbroken\n")[0] + (
        "import importlib.util, pytest\n"
        "assert importlib.util.find_spec('unbroken_retry') is None\n"
        "sys.exit(pytest.main(['--collect-only', '-q', '-n0', '-p', 'no:cacheprovider', 'tests/core']))"
    )
    command = [sys.executable, "-c", code, str(HOUSE), "none", str(house / "core")]
    done = subprocess.run(command, capture_output=True, text=True, cwd=house, check=False)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    assert "tests/core/test_sse.py" in done.stdout


@pytest.mark.parametrize("plugin", PLUGINS, ids=lambda path: path.name)
def test_the_house_stands_without(plugin: Path, copy: Path, tmp_path: Path) -> None:
    """Core can be imported, a client without plugins be built, and one with the default list but for that plugin."""
    away = tmp_path / "away"
    shutil.move(copy / plugin, away)
    try:
        roots = [str(copy / root) for root in ROOTS]
        command = [sys.executable, "-c", PROBE, str(HOUSE), plugin.name, *roots]
        done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=False)
    finally:
        shutil.move(away, copy / plugin)
    assert done.returncode == 0, done.stderr
    name = DEFAULTS.get(plugin.name)
    listed = next(line for line in done.stdout.splitlines() if line.startswith("plugins: "))
    assert listed == "plugins: " + ", ".join(each for each in DEFAULTS.values() if each != name)
    assert (f"not installed, left out: {name}" in done.stdout) == (name is not None)
