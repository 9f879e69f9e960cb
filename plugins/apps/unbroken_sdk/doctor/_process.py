"""Starts the process of a client and reads its cells."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from typing import Final

from attrs import asdict

from ._cell import Cell
from ._client import Client
from ._rows import Row
from ._run import Limits

# What would change how a client behaves or send something elsewhere: endpoints, keys, retries, traces, proxies.
_UNWANTED: Final = (
    "ANTHROPIC_", "AZURE_", "GEMINI_", "GOOGLE_", "GROQ_", "LANGCHAIN_", "LANGSMITH_", "LITELLM_", "LOGFIRE_",
    "MISTRAL_", "OLLAMA_", "OPENAI_", "OTEL_", "UNBROKEN_",
)  # fmt: skip
_WANTED: Final = {
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",
    "OPENAI_AGENTS_DISABLE_TRACING": "1",
    "NO_PROXY": "*",
    "no_proxy": "*",
}


def examine(client: Client, rows: Sequence[Row], limits: Limits, done: Callable[[Cell], None]) -> str | None:
    """Run `rows` with `client` in a process of its own and hand each cell to `done`.

    Returns None, or why the process ended early.
    """
    command = [sys.executable, "-m", __package__ or "", client.name, json.dumps(asdict(limits))]
    with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as complaints:
        process = subprocess.Popen(  # noqa: S603 - this Python, this package
            [*command, *(row.name for row in rows)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=complaints,
            text=True,
            encoding="utf-8",
            env=_environment(),
        )
        try:
            with process:
                for line in process.stdout or ():
                    done(Cell(**json.loads(line)))
        finally:
            process.kill()
        if process.returncode == 0:
            return None
        complaints.seek(0)
        lines = complaints.read().strip().splitlines()
        return lines[-1] if lines else f"its process ended with {process.returncode}"


def _environment() -> dict[str, str]:
    """Return the environment without what concerns clients: no endpoint, proxy, key or trace of this machine."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.upper().startswith(_UNWANTED) and not name.upper().endswith("_PROXY")
    }
    return kept | _WANTED
