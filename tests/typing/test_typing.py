"""What must type-check does, and what must not does not."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import pytest

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
FILES = ["should_pass.py", "typed_events.py", "program.py", "should_fail.py", "typed_mistakes.py"]

Said = list[tuple[str, int, str]]
"""File, line and message of each complaint."""


def mypy(place: Path) -> Said:
    """What mypy, configured as for the project, says of the files."""
    cache = ROOT / ".mypy_cache"  # the project's own if there is one, for it takes long to make
    where = str(cache if cache.is_dir() else place)
    command = [sys.executable, "-m", "mypy", "--hide-error-context", "--cache-dir", where]
    done = run([*command, *(str(HERE / name) for name in FILES)], ROOT)
    found = re.findall(r"^(.+?):(\d+): error: (.*)$", done, re.MULTILINE)
    return [(name, int(line), message) for name, line, message in found]


def pyright(place: Path) -> Said:
    """What pyright says of the files, strict as with a user who has set nothing else."""
    for name in FILES:
        shutil.copy(HERE / name, place)
    (place / "pyrightconfig.json").write_text(json.dumps({"typeCheckingMode": "strict"}))
    done = run([sys.executable, "-m", "pyright", "--outputjson", "--pythonpath", sys.executable], place)
    said = json.loads(done)["generalDiagnostics"]
    return [(each["file"], each["range"]["start"]["line"] + 1, each["message"]) for each in said]


def run(command: list[str], cwd: Path) -> str:
    """Run a checker, and return what it writes."""
    path = os.pathsep.join((str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)))  # has node
    env = {**os.environ, "PATH": path}
    done = subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True, check=False)
    assert done.returncode in {0, 1}, done.stdout + done.stderr
    return done.stdout


CHECKERS: dict[str, Callable[[Path], Said]] = {"mypy": mypy, "pyright": pyright}


@pytest.mark.parametrize("checker", CHECKERS)
def test_the_marked_lines_do_not_type_check_and_all_others_do(checker: str, tmp_path: Path) -> None:
    """``# error`` is a mark for both checkers, ``# error: pyright`` for one of them."""
    if find_spec(checker) is None:
        pytest.skip(f"{checker} is not installed")
    lines = {
        (name, number): line for name in FILES for number, line in enumerate((HERE / name).read_text().splitlines(), 1)
    }
    marked = {at for at, line in lines.items() if line.endswith(("# error", f"# error: {checker}"))}
    found: dict[tuple[str, int], list[str]] = {}
    for file, line, message in CHECKERS[checker](tmp_path):
        found.setdefault((Path(file).name, line), []).append(message)
    assert {at: lines[at] for at in marked - set(found)} == {}
    assert {at: messages for at, messages in found.items() if at not in marked} == {}
