"""The page on the configuration says what is so."""

import re
from pathlib import Path
from typing import Any

import attrs
import pytest

from unbroken_gateway.calls.rules import DROPPED
from unbroken_gateway.config.reload import FIXED
from unbroken_gateway.config.settings import CORS, AuditSettings, Issuer, Model, Plan, Resume, Settings, Upstream
from unbroken_gateway.values import Allowance

from .kit import ENVIRON, settings_of

PAGE = (Path(__file__).parents[4] / "docs" / "gateway" / "configure.md").read_text("utf-8")
EXAMPLE, WILDCARD = re.findall(r"^```toml\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
SECTIONS: dict[str, type] = {
    "[gateway]": Settings,
    "[gateway.cors]": CORS,
    "[[gateway.issuers]]": Issuer,
    "[gateway.upstreams.NAME]": Upstream,
    "[gateway.models.KEY]": Model,
    "[gateway.plans.NAME]": Plan,
    "[gateway.resume]": Resume,
    "[gateway.audit]": AuditSettings,
}
ELSEWHERE = {
    # Tables, which have sections of their own, and what no file sets.
    Settings: {"cors", "issuers", "upstreams", "models", "plans", "aliases", "resume", "audit"}
    | {"development_token", "development_plan"},
    Upstream: {"name"},
    Plan: {"name", "allowance"},
}
WORDS = {"max_body": '"32 MiB"', "max_bytes": "4_000_000", "name": "the key", "price": "all 0"}


def rows(title: str) -> dict[str, str]:
    """Return the settings and their defaults of the section under `title`."""
    found = re.search(rf"^## `{re.escape(title)}`\n(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL)
    assert found is not None
    return dict(re.findall(r"^\| `(\w+)` \| `?(.*?)`? \|", found[1], re.MULTILINE))


def written(attribute: "attrs.Attribute[Any]") -> str:
    """Return the default of a setting as the page writes it."""
    default = attribute.default
    if isinstance(default, attrs.Factory):
        default = default.factory()
    if attribute.name in WORDS:
        return WORDS[attribute.name]
    if default is attrs.NOTHING:
        return "required"
    if isinstance(default, bool):
        return str(default).lower()
    if isinstance(default, int | float):
        return f"{default:g}"
    if isinstance(default, frozenset | tuple):
        return str(sorted(default)).replace("'", '"')
    return '"none"' if default is None else str(default) if isinstance(default, dict) else f'"{default}"'


@pytest.mark.parametrize("title", SECTIONS)
def test_every_setting_is_described_with_its_default(title) -> None:
    """And nothing that is not there."""
    kind = SECTIONS[title]
    attributes = [*attrs.fields(kind), *(attrs.fields(Allowance) if kind is Plan else ())]
    expected = {each.name: written(each) for each in attributes if each.name not in ELSEWHERE.get(kind, ())}
    assert rows(title) == expected


def test_the_example_is_a_configuration(tmp_path) -> None:
    """With the variables that the page names, and nothing more."""
    variables = re.findall(r"`(\w+)`", re.search(r"It starts with three variables set:(.*)", PAGE)[1])
    environ = dict.fromkeys(variables, ENVIRON["UNBROKEN_GATEWAY_PEPPER"])
    settings = settings_of(tmp_path / "gateway.toml", EXAMPLE, environ)
    assert settings.models["default"].price.cache_read == 300_000
    assert settings.upstreams["claude"].fallback == ("claude-b",)


def test_the_second_example_goes_with_the_first(tmp_path) -> None:
    """A plan with one model of a name of its own and one for every name."""
    environ = {**ENVIRON, "ANTHROPIC_KEY_B": "b"}
    settings = settings_of(tmp_path / "gateway.toml", EXAMPLE + WILDCARD, environ)
    assert settings.models["everything"].name == "*"


def test_what_needs_a_restart_is_listed() -> None:
    """In full."""
    listed = re.search(r"These take effect only after a restart(.*)", PAGE, re.DOTALL)[1]
    assert tuple(re.findall(r"`(\w+)`", listed)) == FIXED


def test_the_fields_that_are_removed_exist() -> None:
    """The page names those that a reader may look for."""
    bullet = re.search(r"^- `api_base`(.*?)^- ", PAGE, re.MULTILINE | re.DOTALL)[0]
    assert set(re.findall(r"`(\w+)`", bullet)) <= DROPPED
