"""schemathesis reads the OpenAPI description and asks the gateway for everything that it can think of."""

import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from .. import gateway_process

if not gateway_process.is_here():
    pytest.skip("there is no gateway yet", allow_module_level=True)

from unbroken_gateway.edge.routes import ROUTES
from unbroken_gateway.openapi import document

CONFIGURATION = """
[[operations]]
include-operation-id = "get_stream"
checks.positive_data_acceptance.enabled = false  # it sends 0 where the pattern of the cursor has no match for it
"""
RUN = "from schemathesis.cli import schemathesis; schemathesis()"
EXAMPLES = 20
"""For each operation, above those that cover the schema."""


def test_every_route_is_described() -> None:
    """Each with its methods and nothing else."""
    paths = document()["paths"]
    assert {path: sorted(set(item) - {"parameters"}) for path, item in paths.items()} == {
        route.path: sorted(method.lower() for method in route.methods) for route in ROUTES
    }


def test_the_gateway_answers_as_it_is_described(tmp_path: Path) -> None:
    """Statuses, types, bodies and headers; what the schema forbids is refused, and nothing is an error of the server.

    In a process of its own, as its plugin for pytest has profiles of Hypothesis of its own.
    """
    description, configuration = tmp_path / "openapi.json", tmp_path / "schemathesis.toml"
    configuration.write_text(CONFIGURATION, "utf-8")
    with gateway_process.running(tmp_path, "fuzzed") as gateway:
        with urllib.request.urlopen(f"{gateway.url}/openapi.json") as served:
            description.write_bytes(served.read())
        options = ["--url", gateway.url, "--header", f"Authorization: Bearer {gateway.key}", "--seed", "1"]
        options += ["--max-examples", str(EXAMPLES), "--phases", "examples,coverage,fuzzing"]
        options += ["--suppress-health-check", "all", "--generation-database", "none", "--no-color"]
        start = [sys.executable, "-c", "from schemathesis.cli import schemathesis; schemathesis()"]
        done = subprocess.run(
            [*start, "--config-file", str(configuration), "run", str(description), *options],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
        )
    assert done.returncode == 0, f"{done.stdout[-8_000:]}\n{done.stderr[-2_000:]}"
    count = sum(len(route.methods) for route in ROUTES)
    assert f"Tested: {count}" in done.stdout
