"""`unbroken audit` reads the file of a gateway, and prints nothing that a terminal would obey."""

import json
import sys

import pytest

from ..operator import ended, started
from ..settings.kit import WHOLE

HOSTILE = "evil\x1b[2J\u202e\nname"


@pytest.fixture
def config(path):
    """A configuration of open gateways, beside the file that it names; the machine of the reader has no secrets."""
    config = path.parent / "gateway.toml"
    config.write_text(f"{WHOLE}[gateway.audit]\npath = '{path.name}'\n", "utf-8")
    return config


@pytest.fixture(autouse=True)
def named(config, monkeypatch, tmp_path_factory):
    """The variable names the configuration, and the working directory is another."""
    monkeypatch.setenv("UNBROKEN_GATEWAY_CONFIG", str(config))
    monkeypatch.chdir(tmp_path_factory.mktemp("elsewhere"))


@pytest.fixture
def calls(make):
    """A gateway that runs, with three calls."""
    calls = make()
    calls.start(started("r1", prompt=b'{"model":"m"}', client_request_id="theirs"))
    calls.end(ended("r1", input_tokens=1200, output_tokens=34, micro_usd=4100, attempts=2))
    calls.start(started("r2", user="keys|bob", model=HOSTILE))
    calls.end(ended("r2", ending="failed", status=502, error="ServerError", estimated_tokens=7))
    calls.start(started("r3"))
    return calls


def test_tail_prints_a_table_the_newest_last(invoke, calls):
    """With what was counted, an estimate where nothing was, and nothing for what is under way."""
    result = invoke("audit", "tail")
    assert result.exit_code == 0
    heading, *lines = result.stdout.splitlines()
    assert heading.split() == ["when", "ending", "status", "user", "model", "tokens", "USD", "seconds", "request"]
    assert [line.split()[-1] for line in lines] == ["r1", "r2", "r3"]
    assert "success" in lines[0]
    assert "1234" in lines[0]
    assert "0.0041" in lines[0]
    assert "~7" in lines[1]
    assert "started" in lines[2]
    assert "\x1b" not in result.stdout
    assert "evil\ufffd[2J\ufffd\ufffdname" in result.stdout


def test_limit_is_the_most_calls(invoke, calls):
    assert len(invoke("audit", "tail", "-n", "1").stdout.splitlines()) == 2


def test_json_is_one_line_per_call(invoke, calls):
    """Without prompts."""
    lines = [json.loads(line) for line in invoke("audit", "tail", "--json").stdout.splitlines()]
    assert [line["request_id"] for line in lines] == ["r1", "r2", "r3"]
    assert lines[1]["model"] == HOSTILE
    assert "prompt" not in lines[0]


def test_user_prints_the_calls_of_one_user(invoke, calls):
    lines = invoke("audit", "user", "bob", "--json").stdout.splitlines()
    assert [json.loads(line)["request_id"] for line in lines] == ["r2"]


@pytest.mark.parametrize("id", ["r1", "theirs"])
def test_show_prints_everything_about_a_call(invoke, calls, id):
    """The prompt, too, where the settings kept it."""
    result = invoke("audit", "show", id)
    assert result.exit_code == 0
    printed = dict(line.split(maxsplit=1) for line in result.stdout.splitlines() if line)
    assert printed["user"] == "keys|alice"
    assert printed["started_at"] == "2027-01-15 08:00:00"
    assert printed["prompt"] == '{"model":"m"}'
    assert json.loads(invoke("audit", "show", id, "--json").stdout)["prompt"] == '{"model":"m"}'


def test_show_exits_with_1_when_there_is_no_such_call(invoke, calls):
    result = invoke("audit", "show", "x\x1b[2J")
    assert (result.exit_code, result.stdout, result.stderr) == (1, "", "there is no call with the id x\ufffd[2J\n")


def test_config_names_the_configuration(invoke, calls, config, monkeypatch):
    """The paths in it begin at its directory, not at the working directory. No API key and no pepper is needed."""
    monkeypatch.delenv("UNBROKEN_GATEWAY_CONFIG")
    result = invoke("audit", "tail", "--json", "--config", str(config))
    assert (result.exit_code, len(result.stdout.splitlines())) == (0, 3)
    assert "is required" in invoke("audit", "tail").stderr


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ("path = '\\u001b'\nprompts = 5", "  - gateway.audit.prompts: must be"),
        ('path = "\\u001b[2J"', "\ufffd[2J: unable to open database file"),
        ("path = 'none'", "keeps its audit in memory"),
        ("path = 'nothing.db'", "unable to open database file"),
        ("pth = 'x'", "did you mean 'path'?"),
    ],
    ids=["wrong", "hostile", "memory", "no-file", "misspelt"],
)
def test_what_cannot_be_read_is_exit_code_2(invoke, config, change, reason):
    """A reason on standard error, and no traceback. No file is created."""
    config.write_text(f"{WHOLE}[gateway.audit]\n{change}\n", "utf-8")
    result = invoke("audit", "tail")
    assert (result.exit_code, result.stdout) == (2, "")
    assert reason in result.stderr
    assert "\x1b" not in result.stderr
    assert [*config.parent.iterdir()] == [config]


def test_without_a_command_there_is_help(invoke):
    result = invoke("audit")
    assert all(name in result.stdout + result.stderr for name in ("tail", "show", "user"))


@pytest.mark.parametrize("columns", [40, 80])
def test_on_a_narrow_terminal_calls_are_stacked_not_cut(calls, monkeypatch, capsys, columns):
    """Their ids are there to be copied."""
    from unbroken_gateway.commands.audit import _table

    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    monkeypatch.setenv("COLUMNS", str(columns))
    rows = calls.tail()
    _table(rows)
    printed = capsys.readouterr().out
    assert max(map(len, printed.splitlines())) <= columns
    assert all(row.start.request_id in printed.split() for row in rows)
