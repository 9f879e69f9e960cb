"""`unbroken demo` as a newcomer runs it: the whole of it, in a process of its own."""

import json
import subprocess
import sys
from collections.abc import Iterator

import pytest

COMMAND = [sys.executable, "-c", "from unbroken_cli import main; main()", "demo", "--json"]
CLIENTS = {"sync": [], "async": ["--async"]}

Processes = dict[str, "subprocess.Popen[str]"]


@pytest.fixture(scope="module")
def processes() -> Iterator[Processes]:
    """Both demonstrations, begun at the same time: most of what they do is wait."""
    begun = {
        name: subprocess.Popen(
            [*COMMAND, *options],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
        )
        for name, options in CLIENTS.items()
    }
    yield begun
    for process in begun.values():
        with process:
            process.kill()


@pytest.mark.parametrize("name", CLIENTS)
def test_the_demonstration_ends_as_required(processes: Processes, name: str):
    """Every row as required, exit code 0, under 20 seconds."""
    output, complaints = processes[name].communicate(timeout=60)
    document = json.loads(output)
    assert [(row["name"], row["problems"]) for row in document["rows"] if not row["ok"]] == []
    assert (processes[name].returncode, complaints, document["ok"]) == (0, "", True)
    assert len(document["rows"]) >= 20
    assert document["seconds"] < 20
