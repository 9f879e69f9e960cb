"""What must type-check does, and what must not does not."""

import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

HERE = Path(__file__).parent
ROOT = HERE.parent.parent

needs_mypy = pytest.mark.skipif(find_spec("mypy") is None, reason="mypy is not installed")


def complaints(path: Path, cache: Path) -> dict[int, list[str]]:
    """What mypy, configured as for the project, says of each line of a file."""
    command = [sys.executable, "-m", "mypy", "--hide-error-context", "--cache-dir", str(cache), str(path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode in {0, 1}, done.stdout + done.stderr
    found: dict[int, list[str]] = {}
    for name, line, message in re.findall(r"^(.+?):(\d+): error: (.*)$", done.stdout, re.MULTILINE):
        assert Path(name).name == path.name, f"{name}:{line}: {message}"
        found.setdefault(int(line), []).append(message)
    return found


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project's own if there is one, for it takes long to make."""
    own = ROOT / ".mypy_cache"
    return own if own.is_dir() else tmp_path_factory.mktemp("mypy")


@needs_mypy
def test_typical_code_type_checks(cache: Path) -> None:
    """Using a client, writing a plugin, testing it."""
    assert complaints(HERE / "should_pass.py", cache) == {}


@needs_mypy
def test_mistakes_are_found(cache: Path) -> None:
    """Exactly on the lines that are marked."""
    path = HERE / "should_fail.py"
    lines = path.read_text().splitlines()
    marked = {number for number, line in enumerate(lines, 1) if line.endswith("# error")}
    found = complaints(path, cache)
    assert {number: lines[number - 1] for number in marked - set(found)} == {}
    assert {number: messages for number, messages in found.items() if number not in marked} == {}
