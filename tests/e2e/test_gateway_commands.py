"""The commands on the gateway's pages do what the pages say, in the order in which they stand there."""

import json
import os
import re
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from unbroken_faults import FaultServer

from .. import gateway_process
from ..docs.gateway_pages import ENVIRON, PAGES, blocks
from ..programs import binary, need

RunBlock = Callable[..., "subprocess.CompletedProcess[str]"]


def block_with(page: str, text: str) -> str:
    """Return the only shell block of a page that contains `text`."""
    (found,) = [block for block in blocks(PAGES[page], "sh") if text in block]
    return found


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Path]:
    """A folder with the configuration of the tour, in front of a fault server, and with `unbroken` as a program."""
    program = tmp_path / "unbroken"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m unbroken_gateway "$@"\n')
    program.chmod(0o755)
    (configuration,) = blocks(PAGES["index"], "toml")
    with FaultServer() as upstream:
        text = configuration.replace("https://api.anthropic.com", upstream.url)
        free = '[gateway]\nlisten = "127.0.0.1:0"\nadmin_listen = "127.0.0.1:0"'
        (tmp_path / "gateway.toml").write_text(text.replace("[gateway]", free, 1), "utf-8")
        yield tmp_path


@pytest.fixture
def run(place: Path) -> RunBlock:
    """Run a block of a page in the folder."""
    need("curl", binary("curl"), "apt-get install curl")

    def running(block: str, **replaced: str) -> "subprocess.CompletedProcess[str]":
        for shown, real in replaced.items():
            block = block.replace({"admin": "http://127.0.0.1:8081"}[shown], real)
        environ = {**os.environ, **ENVIRON, "PATH": f"{place}:{os.environ['PATH']}"}
        command = ["sh", "-e", "-c", block]
        return subprocess.run(command, cwd=place, env=environ, capture_output=True, text=True, check=False)

    return running


@pytest.fixture
def gateway(place: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Any]]:
    """The gateway of the tour: what it said when it was ready."""
    for name, value in ENVIRON.items():
        monkeypatch.setenv(name, value)
    with gateway_process.serving("--config", "gateway.toml", place=place) as (told, _):
        yield told


def ask(gateway: dict[str, Any], key: str) -> int:
    """Ask for the model of the tour, and return the status."""
    question = {"model": "default", "messages": [{"role": "user", "content": "Hello"}]}
    headers = {"x-api-key": key, "content-type": "application/json"}
    request = urllib.request.Request(f"{gateway['url']}/v1/messages", json.dumps(question).encode(), headers)
    try:
        with urllib.request.urlopen(request) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code


def test_the_tour_makes_a_key_with_which_the_model_is_asked(run: RunBlock, gateway: dict[str, Any]) -> None:
    """And the audit has the call."""
    made = run(block_with("index", "unbroken keys add"))
    assert made.returncode == 0, made.stderr
    assert ask(gateway, made.stdout.strip()) == 200
    told = run(block_with("index", "unbroken audit tail"))
    assert re.search(r"success +200 +keys\|alice +default", told.stdout), told.stderr


def test_the_commands_of_keys_and_audit(run: RunBlock, gateway: dict[str, Any]) -> None:
    """A key is added, listed and revoked; a user's calls are listed, and one that is not there is told."""
    done = run(block_with("operate", "unbroken keys add"))
    assert done.returncode == 0, done.stderr
    assert re.search(r"alice +free", done.stdout)
    assert "revoked" in done.stdout
    audited = run(block_with("operate", "unbroken audit show"))
    assert (audited.returncode, "there is no call with the id req_" in audited.stderr) == (1, True)


def test_a_reload_says_what_is_wrong(run: RunBlock, gateway: dict[str, Any], place: Path) -> None:
    """200 at first; with a problem in the file 422, and the problem."""
    block = block_with("operate", "/admin/reload")
    assert json.loads(run(block, admin=gateway["admin"]).stdout) == {"reloaded": True}
    file = place / "gateway.toml"
    file.write_text(file.read_text("utf-8").replace("[gateway]", '[gateway]\nkeepalive = "soon"', 1), "utf-8")
    (problem,) = json.loads(run(block, admin=gateway["admin"]).stdout)["problems"]
    assert problem.startswith("gateway.keepalive: must be a number")


def test_a_user_is_revoked(run: RunBlock, gateway: dict[str, Any]) -> None:
    """As the page writes it; here a user of stored keys."""
    key = run(block_with("index", "unbroken keys add")).stdout.strip()
    assert ask(gateway, key) == 200
    block = block_with("operate", "/admin/revoke").replace("https://id.example.com|alice", "keys|alice")
    assert json.loads(run(block, admin=gateway["admin"]).stdout)["revoked"] == "keys|alice"
    assert ask(gateway, key) == 401


def test_a_backup_holds_the_audit(run: RunBlock, gateway: dict[str, Any], place: Path) -> None:
    """Made while the gateway runs."""
    need("sqlite3", binary("sqlite3"), "apt-get install sqlite3")
    key = run(block_with("index", "unbroken keys add")).stdout.strip()
    assert ask(gateway, key) == 200
    done = run(block_with("operate", "sqlite3"))
    assert done.returncode == 0, done.stderr
    file = place / "gateway.toml"
    file.write_text(f'{file.read_text("utf-8")}\n[gateway.audit]\npath = "audit-copy.db"\n', "utf-8")
    assert "keys|alice" in run(block_with("index", "unbroken audit tail")).stdout
