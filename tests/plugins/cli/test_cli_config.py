"""`unbroken config`: each value has its source, and a file is checked without its being used."""

import json
import sys
from types import ModuleType

import attrs
import pytest

import unbroken.registry
from unbroken import Plugin
from unbroken_cli._values import plain

TARGETS = """plugins = [
    "fallback", "retry"]   # = [x]

[retry]
max-retries = 5
budget.ratio = 0.5

[[fallback.targets]]
url = "https://eu.example.net/"
keys = [{ x-api-key = "hunter22" }]
"""


def _values(invoke, *arguments):
    result = invoke("config", "--json", *arguments)
    assert result.exit_code == 0, result.stderr
    return {each["name"]: each for each in json.loads(result.stdout)["values"]}


def _from(value):
    return [(each["kind"], each["source"].rpartition("/")[2], each["line"]) for each in value["from"]]


def test_each_value_has_its_source(invoke, nowhere, monkeypatch):
    """A default, a line, a variable; also those of the client itself, and of a table in a table."""
    (nowhere / "unbroken.toml").write_text(TARGETS)
    monkeypatch.setenv("UNBROKEN_RETRY__BUDGET__WINDOW", "7")
    monkeypatch.setenv("UNBROKEN_TRANSPORT", "wire")
    values = _values(invoke)
    assert {
        name: (values[name]["value"], _from(values[name]))
        for name in ("plugins", "transport", "insecure", "retry.max_retries", "retry.jitter", "retry.budget.ratio")
    } == {
        "plugins": (["fallback", "retry"], [("file", "unbroken.toml", 1)]),
        "transport": ("wire", [("environment", "UNBROKEN_TRANSPORT", None)]),
        "insecure": (False, [("default", "", None)]),
        "retry.max_retries": (5, [("file", "unbroken.toml", 5)]),
        "retry.jitter": (0.1, [("default", "", None)]),
        "retry.budget.ratio": (0.5, [("file", "unbroken.toml", 6)]),
    }
    assert _from(values["retry.budget.window"]) == [("environment", "UNBROKEN_RETRY__BUDGET__WINDOW", None)]
    assert values["retry.initial_delay"]["value"] is None
    assert values["retry.retry_statuses"]["value"] == [429, 500, 502, 503, 504, 529]


def test_secrets_are_hidden(invoke, nowhere):
    """What has no repr is in neither form."""
    (nowhere / "unbroken.toml").write_text(TARGETS)
    printed = invoke("config").stdout + invoke("config", "--json").stdout
    assert "hunter22" not in printed
    assert "(hidden)" in printed


def test_the_table_names_the_line(invoke, nowhere):
    """One row for each value."""
    (nowhere / "other.toml").write_text("insecure = true\n[retry]\nmax_retries = 5\n")
    result = invoke("config", "--config", "other.toml", "--plugins", "retry")
    rows = [line.split() for line in result.stdout.splitlines()]
    assert ["plugins", "['retry']", "--plugins"] in rows
    assert ["insecure", "true", "other.toml:1"] in rows
    assert ["retry.max_retries", "5", "other.toml:3"] in rows
    assert ["retry.jitter", "0.1", "default"] in rows


def test_a_table_of_a_pyproject_has_lines_too(invoke, nowhere):
    """They are counted from the top of the file."""
    (nowhere / "pyproject.toml").write_text('[tool.other]\nx = 1\n[tool.unbroken]\nplugins = []\ntransport = "wire"\n')
    assert _from(_values(invoke)["transport"]) == [("file", "pyproject.toml", 5)]


def test_a_configuration_that_cannot_be_used_is_a_list_of_problems(invoke, monkeypatch):
    """As for every other command."""
    monkeypatch.setenv("UNBROKEN_TRANSPORT", "klingon")
    result = invoke("config")
    assert result.exit_code == 2
    assert "'klingon' is not installed" in result.stderr


BROKEN = """plugins = ["retry", "klingon"]
transport = "smoke"
insecure = 1

[retry]
max_retires = 5
jitter = 2

[circuit-breaker]
failure_threshold = 0

[[fallback.targets]]
url = "https://eu.example.net"
[[fallback.targets]]
urll = "https://eu.example.net"
"""


def test_a_check_lists_all_problems_with_their_lines(invoke, nowhere, monkeypatch):
    """Also those of plugins that have a table and are not in the list. The environment mends nothing."""
    (nowhere / "broken.toml").write_text(BROKEN)
    monkeypatch.setenv("UNBROKEN_TRANSPORT", "wire")
    result = invoke("config", "--check", "broken.toml")
    assert result.exit_code == 2
    heading, *lines = result.stderr.splitlines()
    assert heading == "The configuration cannot be used:"
    assert sorted((line.split(":")[0][4:], line.rpartition(":")[2][:-1]) for line in lines) == [
        ("circuit-breaker.failure_threshold", "10"),
        ("fallback.targets[1].urll", "15"),
        ("insecure", "3"),
        ("plugins", "1"),
        ("retry.jitter", "7"),
        ("retry.max_retires", "6"),
        ("transport", "2"),
    ]


def test_a_check_as_json(invoke, nowhere):
    """For editors and for CI."""
    (nowhere / "broken.toml").write_text("[retry]\njitter = 2\n")
    result = invoke("config", "--check", "broken.toml", "--json")
    assert (result.exit_code, result.stderr) == (2, "")
    assert json.loads(result.stdout) == {
        "file": "broken.toml",
        "problems": [
            {
                "path": "retry.jitter",
                "message": "must be a finite number of at least 0 up to 1, not 2.0",
                "source": "broken.toml",
                "line": 2,
            }
        ],
    }


def test_a_good_file_is_one_sentence(invoke, nowhere):
    """And exit code 0."""
    (nowhere / "good.toml").write_text('plugins = ["logging"]\n[logging]\nsink = "calls.log"\n[retry]\njitter = 0.2\n')
    result = invoke("config", "--check", "good.toml")
    assert (result.exit_code, result.stdout, result.stderr) == (0, "good.toml can be used.\n", "")
    assert not (nowhere / "calls.log").exists()  # nothing is built


def test_a_check_imports_only_what_the_file_names(invoke, nowhere, monkeypatch):
    """A plugin that cannot be imported matters only to those who name it."""
    entry = unbroken.registry.discover()[0].entry_point.__class__("bad", "no_such_module:Bad", "unbroken.plugins")
    real = unbroken.registry.installed_entry_points
    monkeypatch.setattr(unbroken.registry, "_entry_points", lambda group: [*real(group), entry])
    (nowhere / "good.toml").write_text("plugins = []\n")
    (nowhere / "bad.toml").write_text("plugins = []\n[bad]\n")
    assert invoke("config", "--check", "good.toml").exit_code == 0
    assert "cannot be imported" in invoke("config", "--check", "bad.toml").stderr


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--check", "missing.toml"], "cannot be read"),
        (["--check", "broken.toml"], "is not valid TOML"),
        (["--check", "broken.toml", "--plugins", "retry"], "stands alone"),
        (["--schema", "--config", "broken.toml"], "stands alone"),
        (["--schema", "--check", "broken.toml"], "stands alone"),
    ],
    ids=["missing", "invalid", "together", "schema", "both"],
)
def test_what_cannot_be_checked_is_said(invoke, nowhere, arguments, expected):
    """With exit code 2."""
    (nowhere / "broken.toml").write_text("plugins = [")
    result = invoke("config", *arguments)
    assert result.exit_code == 2
    assert expected in result.stderr


@attrs.frozen
class _Inner:
    depth: int = 3
    password: str = "hunter22"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (float("inf"), "inf"),
        ({"a": 1, "token": "hunter22"}, {"a": 1, "token": "(hidden)"}),
        ((1, "x"), [1, "x"]),
        (_Inner(), {"depth": 3, "password": "(hidden)"}),
        (len, "len"),
    ],
    ids=["infinite", "mapping", "tuple", "nested", "callable"],
)
def test_every_kind_of_value_has_a_form_in_json(value, expected):
    """What JSON has no form for is text, and no secret is in either."""
    assert plain("some", value) == expected


def test_plugins_without_settings_have_no_values(invoke, monkeypatch):
    """They are in the list only."""

    class Bare(Plugin):
        name = "bare"
        config = None

        def __init__(self):
            pass

    module = ModuleType("bare_module")
    module.Bare = Bare
    monkeypatch.setitem(sys.modules, "bare_module", module)
    entry = unbroken.registry.discover()[0].entry_point.__class__("bare", "bare_module:Bare", "unbroken.plugins")
    monkeypatch.setattr(Bare, "Config", None)
    monkeypatch.setattr(unbroken.registry, "_entry_points", lambda group: [entry])
    assert list(_values(invoke, "--plugins", "bare")) == ["plugins", "transport", "insecure"]
