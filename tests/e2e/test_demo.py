"""`unbroken demo` as a newcomer runs it, in a process of its own, and its rows in every API."""

import json
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from operator import attrgetter

import pytest

from unbroken_cli.demo import APIS, SCENARIOS, Api, Scenario, Trial
from unbroken_cli.demo._run import Runner
from unbroken_faults import FaultServer
from unbroken_timeout import TimeoutConfig

COMMAND = [sys.executable, "-c", "from unbroken_cli import main; main()", "demo", "--json"]
UNHURRIED = TimeoutConfig(connect=8.0, first_event=2.0, idle=2.0, quiet=3.0, total=16.0)
"""A busy machine may be silent for a second. `quiet` is in force only where it is longer than `idle`."""
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


@pytest.mark.parametrize("api", APIS[1:], ids=attrgetter("name"))
def test_the_rows_end_as_required_in_every_other_api(api: Api):
    """Four at a time, each with a server of its own, by turns with the sync and the async client."""

    def run(numbered: tuple[int, Scenario]) -> Trial:
        number, scenario = numbered
        trial = Trial(scenario)
        with FaultServer() as server:
            Runner(server, use_async=number % 2 == 1, api=api, timeouts=UNHURRIED).run_one(trial)
        return trial

    with ThreadPoolExecutor(4) as pool:
        trials = list(pool.map(run, enumerate(api.rows(SCENARIOS))))
    assert [(trial.scenario.name, trial.problems) for trial in trials if not trial.ok] == []
    assert len(trials) >= 20
