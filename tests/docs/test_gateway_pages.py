"""The gateway's pages say what the code does: commands, settings, routes, errors, rules and their tests."""

import inspect
import re
import shlex

import pytest
import yaml
from typer.testing import CliRunner

from unbroken_gateway.__main__ import app
from unbroken_gateway.config.loading import load
from unbroken_gateway.edge import cors
from unbroken_gateway.edge.routes import ROUTES
from unbroken_gateway.replies import errors
from unbroken_gateway.replies.answers import status_of
from unbroken_gateway.replies.errors import Problem

from .gateway_pages import DEPLOY, ENVIRON, PAGES, ROOT, blocks, rows, words

OTHERS = {name: (ROOT / name).read_text("utf-8") for name in ("README.md", "docs/cli.md")}
CONFIGURATIONS = [
    *(
        pytest.param(block, id=f"{name}-{number}")
        for name, page in PAGES.items()
        if name != "configure"  # of which some are parts; tests/plugins/gateway/settings reads them
        for number, block in enumerate(blocks(page, "toml"), 1)
    ),
    pytest.param((DEPLOY / "gateway.toml").read_text("utf-8"), id="deploy"),
]
COMMANDS = sorted(
    {
        found
        for page in [*PAGES.values(), *OTHERS.values()]
        for block in blocks(page, "sh")
        for found in re.findall(r"\bunbroken ((?:serve|keys|audit)\b[^#\n]*)", block)
    }
)
ARGUMENTS = {"too_many_bad_credentials": (1.0,), "wrong_method": ("GET",), "user_limit": (1.0,)}
PROBLEMS: list[Problem] = [
    make(*ARGUMENTS.get(name, ()))
    for name, make in inspect.getmembers(errors, inspect.isfunction)
    if make.__module__ == errors.__name__ and not name.startswith("_") and name != "denied"
]
RULES = {number: tests for number, _, tests in rows(PAGES["secure"], "rule")}


@pytest.mark.parametrize("text", CONFIGURATIONS)
def test_every_configuration_is_accepted(text, tmp_path) -> None:
    """As a whole, with the variables that the page on deployment lists."""
    file = tmp_path / "gateway.toml"
    file.write_text(text, "utf-8")
    load(file, ENVIRON)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_the_options_that_it_is_shown_with(command: str) -> None:
    """The parser takes them, and then prints its help instead of running."""
    ran = CliRunner().invoke(app, [*shlex.split(command), "--help"])
    assert ran.exit_code == 0, ran.output


@pytest.mark.parametrize("block", [block for page in PAGES.values() for block in blocks(page, "yaml")])
def test_every_yaml_block_is_valid(block: str) -> None:
    """It can be copied."""
    assert yaml.safe_load(block)


def test_the_table_of_routes_is_complete() -> None:
    """Each method and path, and nothing else but the alias."""
    told = {
        (method, path)
        for cell, *_ in rows(PAGES["protocol"], "method and path")
        for method in re.findall(r"\b(?:GET|POST|DELETE)\b", cell)
        for path in words(cell)
    } - {("POST", "/api/claude")}
    assert told == {(method, route.path) for route in ROUTES for method in route.methods if method != "HEAD"}


@pytest.mark.parametrize("problem", PROBLEMS, ids=[problem.name for problem in PROBLEMS])
def test_every_error_is_in_the_table(problem: Problem) -> None:
    """With its status in both dialects, its types and the hint."""
    hint = {True: "true", False: "false", None: ""}[problem.should_retry]
    status = str(problem.status)
    if status_of(problem, "openai") != problem.status:
        status += f"; OpenAI's routes {status_of(problem, 'openai')}"
    told = [row[1:] for row in rows(PAGES["protocol"], "cause")]
    assert [status, f"`{problem.anthropic}`", f"`{problem.openai}`", hint] in told


def test_the_headers_of_cors_are_listed() -> None:
    """Those that a page may send, and those that it may read."""
    section = PAGES["protocol"].partition("\n## CORS\n")[2]
    sent, read = re.search(r"- A page may send (.*?)\.\n- It may read (.*?)\.\n", section, re.DOTALL).groups()
    assert set(words(sent)) == {*cors.ALLOWED, "x-stainless-…"}
    assert set(words(read)) == set(cors.EXPOSED)


def test_every_security_rule_has_its_row() -> None:
    """S1 to S35, in order."""
    assert list(RULES) == [f"S{number}" for number in range(1, 36)]


@pytest.mark.parametrize("rule", RULES)
def test_the_tests_of_a_rule_bear_its_number(rule: str) -> None:
    """In the name or the id; where the table says so, they are there without it."""
    files = words(RULES[rule])
    assert files
    for name in files:
        text = (ROOT / "tests" / name).read_text("utf-8")
        bears = re.search(rf"\b{rule}-|_{rule.lower()}_", text) is not None
        assert bears or RULES[rule].startswith("without the number"), name
