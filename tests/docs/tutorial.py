"""Run the commands of a page's tutorial: ``python tutorial.py PAGE DIRECTORY``, in a new directory.

A block of ``console`` is run by the shell, and its output must contain each line that is printed there. A block of
``python`` whose first line is ``# FILE`` is written to that file. Nothing else is known to the reader, or done here.
"""

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

BLOCKS = re.compile(r"^```(console|python)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def follow(section: str, directory: Path, environ: Mapping[str, str] | None = None) -> int:
    """Do what the section says, and return the number of commands. Raises AssertionError where it is wrong."""
    directory.mkdir()
    commands = 0
    for kind, block in BLOCKS.findall(section):
        if kind == "python":
            heading, _, text = block.partition("\n")
            assert heading.startswith("# "), f"which file is this? {heading}"
            path = directory / heading.removeprefix("# ")
            assert path.exists(), f"{path} is to be changed, and is not there"
            path.write_text(text, encoding="utf-8")
            continue
        for command, shown in re.findall(r"^\$ (.*)\n((?:(?!\$ ).*\n)*)", block, re.MULTILINE):
            directory = _run(command, shown, directory, environ)
            commands += 1
    return commands


def _run(command: str, shown: str, directory: Path, environ: Mapping[str, str] | None) -> Path:
    """Run one command, and return the directory in which the shell is afterwards."""
    where = Path(tempfile.mkdtemp()) / "where"
    script = f'{command}\nstatus=$?; pwd > "$WHERE"; exit $status'
    done = subprocess.run(
        ["/bin/sh", "-c", script],
        cwd=directory,
        env={**(_environ() if environ is None else environ), "WHERE": str(where)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert done.returncode == 0, f"$ {command}\n{done.stdout}"
    for line in filter(None, map(str.strip, shown.splitlines())):
        assert line in done.stdout, f"$ {command}\nprints no {line!r}, but\n{done.stdout}"
    return Path(where.read_text().strip())


def _environ() -> dict[str, str]:
    return {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}


def section_of(page: str, heading: str = "## Start") -> str:
    """Return what stands under a heading of the page."""
    found = re.search(rf"^{heading}\n(.*?)(?=^## )", page, re.MULTILINE | re.DOTALL)
    assert found is not None, f"there is no {heading}"
    return found[1]


if __name__ == "__main__":
    count = follow(section_of(Path(sys.argv[1]).read_text("utf-8")), Path(sys.argv[2]))
    print(f"{count} commands of the page work")
