"""`unbroken keys`: what the command prints, writes and exits with."""

import io
import json
import os
import stat
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from unbroken_cli.app import app
from unbroken_gateway.auth.keys import KeyStore
from unbroken_gateway.auth.local_secrets import with_secrets
from unbroken_gateway.commands._table import print_table
from unbroken_gateway.config.settings import Settings

from ..settings.kit import WHOLE
from .issuing import SECRET

CONFIG = WHOLE.replace("0.0.0.0", "127.0.0.1")
"""Whose upstream has a key that is not in the environment."""


@pytest.fixture(autouse=True)
def nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """No settings of this machine; a configuration with one plan."""
    for name in [*os.environ]:
        if name.startswith("UNBROKEN_") or name in {"FORCE_COLOR", "NO_COLOR", "COLUMNS"}:
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "gateway.toml").write_text(CONFIG)
    return tmp_path


def keys(*arguments: str, config: str | None = "gateway.toml") -> Any:
    given = () if config is None else ("--config", config)
    return CliRunner().invoke(app, ["keys", *arguments, *given], prog_name="unbroken")


def add(*arguments: str) -> dict[str, Any]:
    result = keys("add", *arguments, "--plan", "free", "--json")
    assert (result.exit_code, result.stdout.count("\n")) == (0, 1)
    return dict(json.loads(result.stdout))


def test_s12_a_key_is_printed_once_and_works(nowhere: Path) -> None:
    """On standard output is the key and nothing else."""
    result = keys("add", "alice", "--plan", "free")
    key = result.stdout.strip()
    assert result.exit_code == 0
    assert key not in result.stderr
    assert "alice" in result.stderr
    store = KeyStore("keys.db", with_secrets(Settings(keys="keys.db")).pepper)
    found = store.find(key.encode())
    store.close()
    assert found is not None
    assert (found.name, found.plan, found.scopes, found.expires) == ("alice", "free", (), None)
    assert key not in keys("list").stdout + keys("list", "--json").stdout
    assert {stat.S_IMODE(each.stat().st_mode) for each in nowhere.glob("keys.db*")} == {0o600}


def test_json_is_one_line_with_the_key() -> None:
    made = add("alice")
    assert set(made) == {"key", "id", "name", "plan"}
    assert made["key"].startswith("ubk_")


def test_a_list_shows_the_state_of_each_key() -> None:
    add("alice", "--scope", "read", "--scope", "admin")
    add("bob", "--days", "30")
    add("carol", "--days", "0")
    add("dave")
    keys("revoke", "dave")
    rows = [line.split() for line in keys("list").stdout.splitlines() if "free" in line]
    assert [row[1] for row in rows] == ["alice", "bob", "carol", "dave"]
    assert [row[-2] for row in rows] == ["in", "until", "expired", "revoked"]
    assert rows[0][3:5] == ["admin", "read"]
    listed = json.loads(keys("list", "--json").stdout)["keys"]
    assert [each["name"] for each in listed] == ["alice", "bob", "carol", "dave"]
    assert [each["revoked"] is None for each in listed] == [True, True, True, False]


@pytest.mark.parametrize("columns", [24, 40, 80, 200])
def test_a_list_of_a_terminal_has_its_width(monkeypatch: pytest.MonkeyPatch, columns: int) -> None:
    """No cell is cut: rows without room are stacked."""
    monkeypatch.setenv("COLUMNS", str(columns))
    out = io.StringIO()
    monkeypatch.setattr(out, "isatty", lambda: True)
    monkeypatch.setattr("sys.stdout", out)
    row = ("0123456789abcdef", "alice", "free", "admin read", "2026-01-02", "until 2026-02-01")
    print_table(("id", "name", "plan", "scopes", "created", "state"), [row, (*row[:3], "", *row[4:])])
    lines = out.getvalue().splitlines()
    assert max(map(len, lines)) <= columns
    words = " ".join(lines).split()
    assert all(words.count(word) >= 2 for word in row[0:3])
    if columns == 40:
        assert lines[:4] == [
            "0123456789abcdef",
            "  name: alice   plan: free",
            "  scopes: admin read",
            "  created: 2026-01-02",
        ]


def test_numbers_are_aligned_to_the_right(capsys: pytest.CaptureFixture[str]) -> None:
    """Below the end of their heading; control characters do not reach the terminal."""
    print_table(("what", "count"), [("a\x1b", "1"), ("界", "23")], right=frozenset({"count"}))
    assert capsys.readouterr().out == "what  count\na\ufffd        1\n界       23\n"


def test_s7_keys_are_revoked_by_id_and_by_name() -> None:
    first, second = add("alice"), add("alice")
    assert json.loads(keys("revoke", first["id"], "--json").stdout) == {"revoked": [first["id"]]}
    result = keys("revoke", "alice")
    assert (result.exit_code, result.stdout) == (0, f"revoked {second['id']} of alice\n")


@pytest.mark.parametrize("how", [(), ("--json",)])
def test_revoking_nothing_exits_with_1(how: tuple[str, ...]) -> None:
    result = keys("revoke", "nobody", *how)
    assert result.exit_code == 1
    assert result.stderr == "no key in force has this id or name\n"


def test_s12_listing_and_revoking_need_no_pepper(nowhere: Path) -> None:
    """A key can be revoked from any machine that has the file."""
    made = add("alice")
    (nowhere / "keys.db.secrets").unlink()
    assert keys("list").exit_code == 0
    assert keys("revoke", made["id"]).exit_code == 0
    assert not (nowhere / "keys.db.secrets").exists()


def test_s12_an_open_gateway_needs_no_secrets_to_revoke(nowhere: Path) -> None:
    """Neither the keys of its upstreams nor its pepper nor its admin credential."""
    made = add("alice")
    (nowhere / "gateway.toml").write_text(WHOLE.replace("[gateway]", '[gateway]\nadmin_listen = "0.0.0.0:8081"'))
    assert [each["id"] for each in json.loads(keys("list", "--json").stdout)["keys"]] == [made["id"]]
    assert keys("revoke", made["id"]).exit_code == 0


def test_s12_the_pepper_of_a_variable_that_is_not_set_is_not_replaced(nowhere: Path) -> None:
    """With another one the gateway would not find the key."""
    text = CONFIG.replace("[gateway]", '[gateway]\npepper = { env = "PEPPER" }')
    (nowhere / "gateway.toml").write_text(text)
    result = keys("add", "alice", "--plan", "free")
    assert (result.exit_code, "PEPPER, which is not set" in result.stderr) == (2, True)
    assert [each.name for each in nowhere.iterdir()] == ["gateway.toml"]


def test_the_file_of_keys_is_beside_the_configuration(nowhere: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Wherever the command is run."""
    (nowhere / "elsewhere").mkdir()
    monkeypatch.chdir(nowhere / "elsewhere")
    assert keys("add", "alice", "--plan", "free", config="../gateway.toml").exit_code == 0
    assert (nowhere / "keys.db").exists()


def test_s12_the_pepper_of_the_environment_is_used(monkeypatch: pytest.MonkeyPatch, nowhere: Path) -> None:
    pepper = SECRET
    monkeypatch.setenv("UNBROKEN_GATEWAY_PEPPER", pepper)
    monkeypatch.setenv("UNBROKEN_GATEWAY_ADMIN", pepper)
    made = add("alice")
    store = KeyStore("keys.db", pepper)
    assert store.find(made["key"].encode()) is not None
    store.close()
    assert not (nowhere / "keys.db.secrets").exists()


REFUSED: dict[str, tuple[tuple[str, ...], str, str]] = {
    "no-file-of-keys": (("list",), CONFIG.replace('keys = "keys.db"', ""), "gateway.keys: no file of keys"),
    "not-toml": (("list",), "[gateway", "is not valid TOML"),
    "wrong-elsewhere": (("list",), CONFIG.replace("dialect", "dialct"), "did you mean 'dialect'?"),
    "unknown-plan": (("add", "alice", "--plan", "fre"), CONFIG, "did you mean 'free'?"),
    "odd-name": (("add", "a|b", "--plan", "free"), CONFIG, "name: must be"),
    "odd-scope": (("add", "alice", "--plan", "free", "--scope", "a b"), CONFIG, "scope: must be"),
    "S12-no-pepper": (
        ("add", "alice", "--plan", "free"),
        WHOLE,
        "gateway.pepper: is required",
    ),
    "no-directory": (("list",), CONFIG.replace("keys.db", "no/keys.db"), "cannot be opened"),
}


@pytest.mark.parametrize(
    ("arguments", "config", "said"), [pytest.param(*row, id=name) for name, row in REFUSED.items()]
)
def test_what_cannot_be_used_exits_with_2(nowhere: Path, arguments: Any, config: str, said: str) -> None:
    """With what is wrong, without a traceback."""
    (nowhere / "gateway.toml").write_text(config)
    result = keys(*arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert said in result.stderr
    assert "Traceback" not in result.stderr


def test_a_configuration_that_is_not_there_exits_with_2() -> None:
    result = keys("list", config="other.toml")
    assert result.exit_code == 2
    assert "cannot be read" in result.stderr


def test_without_a_configuration_it_says_what_is_missing() -> None:
    assert "UNBROKEN_GATEWAY_CONFIG" in keys("list", config=None).stderr


def test_a_file_that_is_locked_exits_with_2(monkeypatch: pytest.MonkeyPatch) -> None:
    import sqlite3

    def locked(*_: Any) -> None:
        raise sqlite3.OperationalError("database is locked")

    monkeypatch.setattr(KeyStore, "all", locked)
    result = keys("list")
    assert (result.exit_code, result.stderr) == (2, "the file of keys cannot be used: OperationalError\n")


def test_help_imports_no_cryptography() -> None:
    """The command is as quick as the others."""
    import subprocess
    import sys

    code = (
        "import sys; from typer.testing import CliRunner; from unbroken_cli.app import app;"
        "assert CliRunner().invoke(app, ['keys', '--help']).exit_code == 0;"
        "print(sorted({'joserfc', 'cryptography', 'unbroken', 'sqlite3'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "joserfc" not in done.stdout
    assert "cryptography" not in done.stdout
