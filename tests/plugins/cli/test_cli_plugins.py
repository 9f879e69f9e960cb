from importlib.metadata import EntryPoint
from typing import Any

import attrs
import pytest
from rich.console import Console

import unbroken.registry
import unbroken_cli.plugins
from unbroken import Plugin
from unbroken_cli._fields import Setting, settings_of, shown
from unbroken_cli.plugins import list_plugins


@attrs.frozen
class Inner:
    ratio: float = 0.2
    api_key: str = attrs.field(default="canary-secret", repr=False)


@attrs.frozen
class Settings:
    """Of everything one."""

    required: int
    several: tuple[int, ...] = (1, 2)
    """What it is for.

    And more.
    """
    undocumented: "str | None" = None
    1 + 1  # noqa: B018  # an expression that documents nothing
    inner: Inner = attrs.field(factory=Inner)
    computed: int = attrs.field(default=attrs.Factory(lambda self: self.required, takes_self=True))
    hidden: str = attrs.field(default="canary-secret", repr=False)
    token: str = "canary-secret"
    unsettable: int = attrs.field(default=1, init=False)


def _entry(name: str, value: str) -> EntryPoint:
    return EntryPoint(name, value, "unbroken.plugins")


@pytest.fixture
def install(monkeypatch):
    """Pretend that these are what is installed as plugins."""

    def pretend(*entries: EntryPoint) -> None:
        real = unbroken.registry.installed_entry_points
        monkeypatch.setattr(
            unbroken.registry, "_entry_points", lambda group: [*entries] if group.endswith("plugins") else real(group)
        )

    return pretend


def test_everything_installed_is_listed(invoke):
    """Plugins and dialects with where they come from and that they load."""
    result = invoke("plugins")
    assert result.exit_code == 0
    for words in ("retry", "unbroken_retry:Retry", "dialect", "anthropic", "✓ loads, used by default"):
        assert words in result.stdout


def test_broken_plugins_are_listed_as_broken(invoke, install):
    """Listing never fails: what does not import, exits, or is offered twice is shown with its problem."""
    install(
        _entry("gone", "no_such_module_of_ours:Thing"),
        _entry("leaves", "unbroken_cli_test_exits:Thing"),
        _entry("retry", "unbroken_retry:Retry"),
        _entry("retry", "unbroken_retry:Retry"),
    )
    result = invoke("plugins")
    assert result.exit_code == 0
    output = " ".join(result.stdout.split())
    assert "ModuleNotFoundError" in output
    assert "offered more" in output


def test_a_plugin_that_exits_on_import_does_not_end_the_listing(invoke, install, nowhere, monkeypatch):
    """Even a module that calls sys.exit is only a line."""
    (nowhere / "exits_on_import.py").write_text("raise SystemExit(3)\n")
    monkeypatch.syspath_prepend(nowhere)
    install(_entry("leaves", "exits_on_import:Thing"))
    result = invoke("plugins")
    assert result.exit_code == 0
    assert "exits when it is" in result.stdout


def test_the_settings_of_a_plugin_are_shown_with_defaults_and_words(invoke):
    """`unbroken plugins retry` is the reference of its settings."""
    result = invoke("plugins", "retry")
    assert result.exit_code == 0
    assert "hooks: " in result.stdout
    assert "max_retries = 3  a whole number" in result.stdout
    assert "Attempts after the first" in result.stdout


def test_the_settings_are_told_without_marks_of_code(invoke):
    """No backquotes, no modules, no types of Python."""
    shown = invoke("plugins", "retry", "fallback", "timeout", "anthropic", "wire").stdout
    assert "`" not in shown
    assert not {"Literal[", "frozenset", "tuple[", "._config", "float", "maxAttempts"} & set(shown.split())
    assert "budget = {ratio = 0.2, min_per_second = 10, window = 10}  a table or none\n" in shown


@pytest.mark.parametrize("columns", [40, 80])
def test_a_narrow_terminal_gets_a_list(columns, monkeypatch, capsys):
    """Five columns have no room there."""
    narrow = Console(width=columns, force_terminal=True, color_system=None)
    monkeypatch.setattr(unbroken_cli.plugins, "console", lambda: narrow)
    assert list_plugins([])
    lines = [line.rstrip() for line in capsys.readouterr().out.splitlines()]
    assert max(map(len, lines)) <= columns
    at = lines.index("retry  plugin, unbroken 0.1.0")
    assert lines[at + 1 : at + 3] == ["  unbroken_retry:Retry", "  ✓ loads, used by default"]


def test_an_annotation_that_cannot_be_resolved_is_shown_as_it_is():
    """Only a type checker knows the name."""
    made: Any = attrs.make_class("Made", {"size": attrs.field(default=3, type="NoSuchType")})
    assert settings_of(made) == [Setting("size", "NoSuchType", "3", "")]


def test_inherited_settings_have_their_words(invoke):
    """The documentation of a base class counts."""
    assert "After the first content event: without progress" in invoke("plugins", "timeout").stdout


def test_a_dialect_is_shown_without_settings(invoke):
    """A dialect has a description, and neither hooks nor settings."""
    result = invoke("plugins", "anthropic")
    assert result.exit_code == 0
    assert "hooks" not in result.stdout


def test_a_broken_plugin_is_shown_with_its_problem(invoke, install):
    """Asking for a plugin that does not import shows why."""
    install(_entry("gone", "no_such_module_of_ours:Thing"))
    assert "✗ cannot be imported" in invoke("plugins", "gone").stdout


def test_a_plugin_without_settings_says_so(invoke, install):
    """Nothing to configure is said in so many words."""
    install(_entry("bare", "unbroken.plugin:Plugin"), _entry("odd", "unbroken:DROP"))
    assert "hooks: none\nno settings" in invoke("plugins", "bare").stdout
    assert "no settings" in invoke("plugins", "odd").stdout


def test_an_unknown_name_is_an_error_with_a_proposal(invoke):
    """A typing error is exit code 2 and the nearest name."""
    result = invoke("plugins", "rety")
    assert result.exit_code == 2
    assert "did you mean 'retry'?" in result.stderr


def test_fields_are_described_by_type_default_and_first_paragraph():
    """Names as in a file; nothing secret, and nothing that cannot be set."""
    assert settings_of(Settings) == [
        Setting("required", "a whole number", "(required)", ""),
        Setting("several", "a list", "[1, 2]", "What it is for."),
        Setting("undocumented", "text or none", "none", ""),
        Setting("inner", "a table", "{ratio = 0.2, api_key = (hidden)}", ""),
        Setting("computed", "a whole number", "(computed)", ""),
        Setting("hidden", "text", "(hidden)", ""),
        Setting("token", "text", "(hidden)", ""),
    ]


def test_a_class_without_source_has_settings_without_words():
    """In a frozen application there is no source to read."""
    made: Any = attrs.make_class("Made", {"size": attrs.field(default=3)})
    assert settings_of(made) == [Setting("size", "", "3", "")]


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("ratio", 0.20, "0.2"),
        ("on", True, "true"),
        ("statuses", frozenset({529, 429}), "[429, 529]"),
        ("table", {"a": 1, "token": "canary-secret"}, "{a = 1, token = (hidden)}"),
        ("tokens", 1000, "1000"),
        ("api_keys", ["canary-secret"], "[(hidden)]"),
        ("rule", len, "len"),
        ("text", "x" * 80, f"'{'x' * 59}…"),
    ],
    ids=lambda value: str(value)[:20],
)
def test_values_are_shown_as_in_a_file(name, value, expected):
    """Text under a name that sounds secret is hidden, numbers never are."""
    assert shown(name, value) == expected


def test_hooks_of_the_base_class_do_not_count(invoke, install):
    """Only what a plugin overrides is listed as a hook."""
    assert Plugin.on_event is not None
    install(_entry("timeout", "unbroken_timeout:Timeout"))
    assert "hooks: before_request\n" in invoke("plugins", "timeout").stdout


class _Distribution:
    """What an entry point knows of where it comes from."""

    version = "2.0"

    def __init__(self, name: str) -> None:
        self.name = name


def _from(distribution: str, name: str) -> EntryPoint:
    entry = _entry(name, "unbroken_timeout:Timeout")
    vars(entry)["dist"] = _Distribution(distribution)
    return entry


@pytest.mark.parametrize(
    ("environ", "ours", "theirs"),
    [
        ({}, "✓ loads, used by default", "✓ loads, but 'retry' means unbroken:retry"),
        (
            {"UNBROKEN_RETRY__USE": "acme:retry"},
            "✓ loads, but 'retry' means acme:retry",
            "✓ loads, used by default (chosen by UNBROKEN_RETRY__USE)",
        ),
        (
            {"UNBROKEN_PLUGINS": "acme:retry"},
            "✓ loads, but 'retry' means acme:retry",
            "✓ loads, used by UNBROKEN_PLUGINS",
        ),
        ({"UNBROKEN_CONFIG": "nowhere.toml"}, "✓ loads, used by default", "✓ loads, but 'retry' means unbroken:retry"),
    ],
    ids=["ours", "chosen", "listed", "unreadable"],
)
def test_a_name_that_two_offer_is_shown_with_the_choice(invoke, install, nowhere, monkeypatch, environ, ours, theirs):
    """The one that the configuration chose is used, the other says what the name means."""
    install(_from("unbroken", "retry"), _from("acme", "retry"))
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    heading, _, *lines = invoke("plugins").stdout.splitlines()
    shown: list[list[str]] = []
    for line in lines[: lines.index("")]:
        cells = [line[heading.index(name) :] for name in ("distribution", "state")]
        if not line.startswith(" "):
            shown.append([cells[0].split()[0], ""])
        shown[-1][1] = f"{shown[-1][1]} {cells[1].strip()}".strip()
    assert next(state for distribution, state in shown if distribution == "unbroken") == ours
    assert [state for distribution, state in shown if distribution == "acme"] == [theirs]


def test_two_strangers_of_one_name_are_a_problem_with_its_cure(invoke, install, nowhere):
    """Neither is used until one is chosen."""
    install(_from("acme", "pause"), _from("zenith", "pause"))
    out = invoke("plugins").stdout
    assert out.count("✗ offered more") == 2
    assert '"zenith:pause"' in out
