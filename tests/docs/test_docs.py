"""The documentation is complete: whatever is public is described."""

import inspect
import re
from importlib.metadata import distribution, entry_points
from pathlib import Path

import attrs
import pytest

import unbroken
from unbroken.hookspecs import HookSpecs
from unbroken_faults.faults import CATALOGUE

DOCS = Path(__file__).parents[2] / "docs"
PAGES = {path.relative_to(DOCS).as_posix(): path.read_text("utf-8") for path in sorted(DOCS.rglob("*.md"))}
EVERYTHING = "\n".join(PAGES.values())

HOOKS = [name for name in vars(HookSpecs) if not name.startswith("_")]
ERRORS = [
    name
    for name in unbroken.__all__
    if inspect.isclass(getattr(unbroken, name)) and issubclass(getattr(unbroken, name), unbroken.Error)
]
BUILT_IN = [each for each in entry_points(group="unbroken.plugins") if each.value.startswith("unbroken_")]
SETTINGS = [(each.name, field.alias) for each in BUILT_IN for field in attrs.fields(each.load().Config)]
COMMANDS = [
    "demo",
    "doctor",
    "stream",
    "chat",
    "explain",
    "config",
    "plugins",
    "faults",
    "top",
    "new-plugin",
    "serve",
    "keys",
    "audit",
]


SOURCES = [path.read_text("utf-8") for root in ("core", "plugins") for path in (DOCS.parent / root).rglob("*.py")]
CITED = {
    (standard, section)
    for standard, sections in re.findall(r"(RFC \d{4}|WHATWG HTML) (§[\d.]+(?:, §[\d.]+)*)", PAGES["standards.md"])
    for section in sections.split(", ")
}


def _section(page: str, title: str) -> str:
    """Return what stands under the heading `title`, up to the next one of its level."""
    found = re.search(rf"^## {re.escape(title)}\n(.*?)(?=^## |\Z)", PAGES[page], re.MULTILINE | re.DOTALL)
    assert found is not None, f"{page} has no heading {title!r}"
    return found[1]


@pytest.mark.parametrize("hook", HOOKS)
def test_every_hook_has_a_heading_with_its_exact_arguments(hook: str) -> None:
    """The reference cannot fall behind the specification."""
    arguments = list(inspect.signature(getattr(HookSpecs, hook)).parameters)[1:]
    assert _section("hooks.md", f"`{hook}({', '.join(arguments)})`").strip()


def test_no_heading_describes_a_hook_that_is_not_there() -> None:
    """What was taken out of the specification is taken out of the reference."""
    assert re.findall(r"^## `(\w+)\(", PAGES["hooks.md"], re.MULTILINE) == HOOKS


@pytest.mark.parametrize("name", ERRORS)
def test_every_error_is_in_the_table_of_errors(name: str) -> None:
    """Whoever catches an error finds out what it means."""
    assert re.search(rf"^\|[ │├└]*`{name}` \|", _section("errors.md", "The tree"), re.MULTILINE)


@pytest.mark.parametrize("attribute", vars(unbroken.Error("message")))
def test_every_attribute_of_an_error_is_described(attribute: str) -> None:
    """An error says nothing that the page on errors does not explain."""
    assert f"| `{attribute}` |" in _section("errors.md", "Attributes")


@pytest.mark.parametrize(("plugin", "setting"), SETTINGS, ids=[f"{plugin}.{setting}" for plugin, setting in SETTINGS])
def test_every_setting_is_in_the_section_of_its_plugin(plugin: str, setting: str) -> None:
    """What can be configured is described."""
    assert f"| `{setting}` |" in _section("policies.md", plugin)


@pytest.mark.parametrize("name", unbroken.__all__)
def test_every_public_name_is_mentioned(name: str) -> None:
    """Nothing is public by accident."""
    assert re.search(rf"\b{name}\b", EVERYTHING)


@pytest.mark.parametrize("name", CATALOGUE)
def test_every_fault_is_in_the_catalogue(name: str) -> None:
    """The page on faults lists what the server can do."""
    assert f"`{name}(" in _section("faults.md", "The catalogue")


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_a_section(command: str) -> None:
    """The page on the command line follows the application."""
    assert f"`unbroken {command}" in _section("cli.md", command)


def test_the_application_has_no_command_beside_those() -> None:
    """A new command needs a section."""
    offered = [each.name for each in distribution("unbroken").entry_points if each.group == "unbroken.commands"]
    assert sorted(offered) == sorted(COMMANDS)


def test_every_page_is_in_the_table_of_contents() -> None:
    """A page that nobody can reach is not there."""
    listed = {
        line for tree in re.findall(r"```\{toctree\}\n(.*?)```", PAGES["index.md"], re.DOTALL) for line in tree.split()
    }
    pages = {path.relative_to(DOCS).with_suffix("").as_posix() for path in DOCS.rglob("*.md")}
    assert pages - {"index"} <= listed


def test_the_house_shows_every_module_and_package() -> None:
    """A newcomer finds the room of every line."""
    named = set(re.findall(r"[\w.]+", PAGES["layout.md"]))
    core = DOCS.parent / "core" / "unbroken"
    rooms = {path.name for path in core.iterdir() if path.name not in {"__init__.py", "py.typed", "__pycache__"}}
    packages = {path.name for path in (DOCS.parent / "plugins").glob("*/unbroken_*")}
    assert rooms | packages <= named


@pytest.mark.parametrize(("standard", "section"), sorted(CITED))
def test_the_sources_name_each_section_of_a_standard(standard: str, section: str) -> None:
    """As the page on the standards says of them."""
    number = re.compile(rf"{re.escape(section)}(?![\d.]*\d)")
    assert any(standard in source and number.search(source) for source in SOURCES)
