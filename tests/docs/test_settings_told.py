"""The pages tell of every argument, setting, option, variable and entry point group that there is."""

import inspect
import re
from collections.abc import Callable, Iterator
from importlib.metadata import distribution, entry_points
from pathlib import Path
from typing import Any, get_args

import attrs
import pytest
import typer
from typer.main import get_command

import unbroken
import unbroken_chat
import unbroken_faults
import unbroken_gemini
import unbroken_metrics
import unbroken_openai
import unbroken_sdk
import unbroken_sdk.testing
from unbroken import testing
from unbroken.relay import AsyncRelay, Relay
from unbroken.transport import Connections
from unbroken_anthropic import MessageBuilder

DOCS = Path(__file__).parents[2] / "docs"
PAGES = {path.relative_to(DOCS).as_posix(): path.read_text("utf-8") for path in sorted(DOCS.rglob("*.md"))}
BY_HAND = {name: text for name, text in PAGES.items() if not name.startswith("reference/")}
CODE = re.compile(r"```.*?^```|`[^`]+`", re.DOTALL | re.MULTILINE)
SOURCES = [path.read_text("utf-8") for root in ("core", "plugins") for path in (DOCS.parent / root).rglob("*.py")]
ENTRIES = distribution("unbroken").entry_points

ARGUMENTS: list[tuple[Callable[..., Any], str]] = [
    (unbroken.Client, "*"),
    (unbroken.AsyncClient, "*"),
    (unbroken.Client.stream, "*"),
    (unbroken.Client.send, "*"),
    (unbroken.Request.build, "*"),
    (unbroken.Timeouts, "policies.md"),
    (Connections, "transports.md"),
    (Relay, "transports.md"),
    (AsyncRelay, "transports.md"),
    (Relay.stream, "transports.md"),
    (unbroken_sdk.protect, "under-an-sdk.md"),
    (unbroken_sdk.testing.scripted, "*"),
    (testing.play, "testing.md"),
    (testing.run, "testing.md"),
    (testing.Answer, "testing.md"),
    (testing.Recording, "testing.md"),
    (testing.RecordedError, "testing.md"),
    (testing.check_plugin, "testing.md"),
    (testing.check_dialect, "testing.md"),
    (testing.cancel_sweep, "testing.md"),
    (unbroken_faults.FaultServer, "faults.md"),
    (unbroken_faults.Fault, "faults.md"),
    (unbroken_chat.ContentGenerator, "chat.md"),
    (unbroken_chat.ContentGenerator.proxy, "chat.md"),
    (unbroken_chat.ContentGenerator.send_request, "chat.md"),
    (unbroken_chat.AnthropicConfig, "chat.md"),
    (unbroken_chat.ModelConfig, "chat.md"),
    (unbroken_chat.ProxyConfig, "chat.md"),
    (unbroken_chat.RetryConfig, "chat.md"),
    (unbroken_chat.CircuitBreaker, "chat.md"),
    (unbroken_chat.CircuitBreakerConfig, "policies.md"),
    (unbroken_chat.RefreshAuth, "chat.md"),
    (unbroken_chat.Resume, "chat.md"),
    (unbroken_metrics.start_http_server, "metrics.md"),
    (MessageBuilder, "dialects/anthropic.md"),
    (unbroken_openai.CompletionBuilder, "dialects/openai.md"),
    (unbroken_openai.ResponseBuilder, "dialects/openai.md"),
    (unbroken_gemini.ContentBuilder, "dialects/gemini.md"),
]
DIALECTS = {entry.name: entry.load() for entry in ENTRIES if entry.group == "unbroken.dialects"}
PARTS = (unbroken.Stream, unbroken.PlainAnswer, unbroken.Event, unbroken.Outcome, unbroken.Usage, unbroken.Summary)


def words(page: str) -> set[str]:
    """Return the words in the code of a page, of all pages written by hand for ``*``."""
    text = "\n".join(BY_HAND.values()) if page == "*" else PAGES[page]
    return {word for code in CODE.findall(text) for word in re.findall(r"[\w-]+", code)}


def section(page: str, title: str) -> str:
    found = re.search(rf"^## {re.escape(title)}\n(.*?)(?=^## |\Z)", PAGES[page], re.MULTILINE | re.DOTALL)
    assert found is not None, f"{page} has no heading {title!r}"
    return found[1]


def public(cls: type) -> Iterator[str]:
    """Return the names of the public attributes and methods of a class that it does not have from elsewhere."""
    own = (each for each in cls.__mro__ if each.__module__.startswith("unbroken"))
    for each in own:
        yield from (name for name in {**vars(each), **inspect.get_annotations(each)} if not name.startswith("_"))


@pytest.mark.parametrize(("made", "page"), ARGUMENTS, ids=lambda it: getattr(it, "__qualname__", it))
def test_every_argument_is_on_its_page(made: Callable[..., Any], page: str) -> None:
    """What can be given is described, not in the reference alone."""
    variadic = (inspect.Parameter.VAR_KEYWORD, inspect.Parameter.VAR_POSITIONAL)
    names = {name for name, each in inspect.signature(made).parameters.items() if each.kind not in variadic}
    assert names - {"self", "cls"} - words(page) == set()


@pytest.mark.parametrize("name", DIALECTS)
def test_every_dialect_has_a_page_with_its_settings(name: str) -> None:
    """The plain one is on the page on writing others."""
    dialect = DIALECTS[name]
    settings = {each.alias for each in attrs.fields(dialect) if each.init} if attrs.has(dialect) else set()
    page = "dialects/writing.md" if dialect is unbroken.Dialect else f"dialects/{name}.md"
    assert {dialect.__name__, *settings} - words(page) == set()


def test_every_member_of_a_dialect_is_in_the_table_for_those_who_write_one() -> None:
    """A method that can be overridden is described."""
    table = "\n".join(re.findall(r"^\| `.*$", PAGES["dialects/writing.md"], re.MULTILINE))
    assert {name for name in public(unbroken.Dialect) if f"`{name}" not in table} == set()


@pytest.mark.parametrize("cls", PARTS, ids=lambda cls: cls.__name__)
def test_every_part_of_what_a_call_gives_is_mentioned(cls: type) -> None:
    """Beside the reference."""
    assert set(public(cls)) - words("*") == set()


def nested() -> Iterator[tuple[str, type]]:
    """Return the classes of settings within the settings of a plugin."""

    def classes(kind: Any) -> Iterator[type]:
        if isinstance(kind, type) and attrs.has(kind):
            yield kind
        for each in get_args(kind):
            yield from classes(each)

    for entry in entry_points(group="unbroken.plugins"):
        if entry.value.startswith("unbroken_"):
            for each in attrs.fields(attrs.resolve_types(entry.load().Config)):
                yield from ((entry.name, kind) for kind in classes(each.type))


@pytest.mark.parametrize(("plugin", "kind"), sorted(nested(), key=str), ids=lambda it: getattr(it, "__name__", it))
def test_every_setting_within_a_setting_is_in_the_section_of_its_plugin(plugin: str, kind: type) -> None:
    """A table in TOML has no name that is not described."""
    named = set(re.findall(r"\w+", " ".join(CODE.findall(section("policies.md", plugin)))))
    assert {each.alias for each in attrs.fields(kind) if each.init} - named == set()


def options() -> list[tuple[str, set[str]]]:
    """Return each command, those of a group with its name in front, and its options."""
    found: list[tuple[str, set[str]]] = []
    for entry in ENTRIES:
        if entry.group != "unbroken.commands":
            continue
        loaded = entry.load()
        app = loaded if isinstance(loaded, typer.Typer) else typer.Typer(add_completion=False)
        if app is not loaded:
            app.command()(loaded)
        todo = [(entry.name, get_command(app))]
        while todo:
            name, command = todo.pop()
            todo += [(f"{name} {below}", each) for below, each in getattr(command, "commands", {}).items()]
            given = {option for each in command.params for option in (*each.opts, *each.secondary_opts)}
            found.append((name, {option for option in given if option.startswith("-")} - {"--help"}))
    return found


@pytest.mark.parametrize(("command", "given"), options(), ids=lambda it: it if isinstance(it, str) else "")
def test_every_option_is_in_the_section_of_its_command(command: str, given: set[str]) -> None:
    """The page on the command line follows ``--help``."""
    told = section("cli.md", command.split()[0])
    assert f"unbroken {command}" in told
    assert {option for option in given if not re.search(rf"(?<![\w-]){option}(?![\w-])", told)} == set()


@pytest.mark.parametrize("name", [entry.name for entry in ENTRIES if entry.group == "unbroken.transports"])
def test_every_transport_is_on_its_page(name: str) -> None:
    """A name that a client takes is described."""
    assert name in words("transports.md")


@pytest.mark.parametrize("group", sorted({each.group for each in ENTRIES if each.group.startswith("unbroken.")}))
def test_every_entry_point_group_is_on_the_page_on_packaging(group: str) -> None:
    """Whoever writes a plugin finds out where to enter it."""
    assert group in PAGES["plugins.md"]


def test_every_environment_variable_is_described() -> None:
    """Of those that the sources read; one that stands for a setting is an example."""
    said = re.compile(r"\bUNBROKEN_[A-Z]+(?:_[A-Z]+)*\b(?!_)")
    read = {name for source in SOURCES for name in said.findall(source)}
    assert read - set(said.findall("\n".join(BY_HAND.values()))) == set()
