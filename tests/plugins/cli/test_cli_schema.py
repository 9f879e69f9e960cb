"""`unbroken config --schema`: editors accept what the library accepts."""

import json
import re
import sys
import tomllib
from collections.abc import Callable, Mapping
from enum import Enum
from importlib.metadata import EntryPoint
from pathlib import Path
from types import ModuleType
from typing import Any, Literal

import attrs
import pytest
from jsonschema import Draft202012Validator

import unbroken.registry
from unbroken import Plugin
from unbroken.config import load_settings
from unbroken.registry import check
from unbroken.validators import number, one_of, optional
from unbroken_cli.schema import schema

DOCS = Path(__file__).parents[3] / "docs"
PLACES = [path for path in sorted(DOCS.rglob("*.md")) if path.parent.name != "gateway"]
BLOCKS = [
    pytest.param(block, id=f"{path.stem}-{number}")
    for path in PLACES
    for number, block in enumerate(
        re.findall(r"^```toml\n(.*?)^```", path.read_text("utf-8"), re.DOTALL | re.MULTILINE)
    )
    if not {"project", "gateway"} & tomllib.loads(block).keys() and "[[rule]]" not in block
]


class Mode(Enum):
    FAST = "fast"


@attrs.frozen(kw_only=True)
class StampConfig:
    header: str
    two_words: int = 1
    number: float | None = attrs.field(default=None, validator=optional(number(above=0, at_most=9)))
    mode: Mode = Mode.FAST
    kind: Literal["a", "b"] = "a"
    level: str = attrs.field(default="LOW", converter=str.upper, validator=one_of("LOW", "HIGH"))
    pair: tuple[int, str] = (1, "x")
    bare: tuple = ()  # type: ignore[type-arg]
    table: Mapping[str, int] = attrs.field(factory=dict)
    free: dict = attrs.field(factory=dict)  # type: ignore[type-arg]
    make: Callable[[], int] | None = None
    only: Callable[[], int] = attrs.field(default=len)
    thing: Plugin | Callable[[], int] = attrs.field(default=len)
    token: str = "hunter22"
    hidden: str = attrs.field(default="hunter22", repr=False)
    computed: int = attrs.Factory(lambda self: self.two_words, takes_self=True)
    anything: Any = None


class Stamp(Plugin):
    """Stamps."""

    name = "acme-stamp"
    Config = StampConfig


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The schema with two plugins more, one of them broken, and one that a second distribution offers."""
    real = unbroken.registry.installed_entry_points
    module = ModuleType("acme_stamp_module")
    vars(module)["Stamp"] = Stamp
    monkeypatch.setitem(sys.modules, module.__name__, module)
    added = [
        EntryPoint("acme-stamp", "acme_stamp_module:Stamp", "unbroken.plugins"),
        EntryPoint("retry", "acme_stamp_module:Stamp", "unbroken.plugins"),
        EntryPoint("bad.one", "no_such_module:Bad", "unbroken.plugins"),
    ]
    monkeypatch.setattr(
        unbroken.registry, "_entry_points", lambda group: [*real(group), *(e for e in added if e.group == group)]
    )
    return schema()


def _faults(made: dict[str, Any], text: str) -> list[str]:
    return sorted("/".join(map(str, each.path)) for each in Draft202012Validator(made).iter_errors(tomllib.loads(text)))


def test_it_is_a_schema(invoke):
    """By the rules of JSON Schema 2020-12."""
    result = invoke("config", "--schema")
    assert result.exit_code == 0
    document = json.loads(result.stdout)
    Draft202012Validator.check_schema(document)
    assert document["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    retries = document["properties"]["retry"]["properties"]["max_retries"]
    assert retries == {
        "description": "Attempts after the first.",
        "minimum": 0,
        "type": "integer",
        "default": 3,
    }
    assert "anthropic" in document["$defs"]["dialect"]["anyOf"][0]["enum"]
    assert "httpx" in document["properties"]["transport"]["anyOf"][0]["enum"]


@pytest.mark.parametrize("block", BLOCKS)
def test_the_examples_of_the_documents_are_valid(made, block):
    """A reader who copies one sees no complaint in the editor."""
    assert _faults(made, block) == []


def test_there_are_examples():
    """The pattern finds them."""
    assert len(BLOCKS) >= 5


GOOD = """
plugins = ["-retry", "acme:other", "timeout"]
transport = "acme:h3"
insecure = false
circuit_breaker.failure-threshold = 3
timeout.total = "none"
rate-limit = { use = "acme:rate-limit", max_wait = "none" }
[retry]
budget = "none"
retry-statuses = [429]
"""


def test_every_spelling_is_valid(made):
    """With `-` or `_`, with "none", with a distribution."""
    assert _faults(made, GOOD) == []


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ('plugins = ["klingon"]', "plugins/0"),
        ("plugins = 'retry'", "plugins"),
        ('transport = "smoke"', "transport"),
        ("insecure = 1", "insecure"),
        ("[klingon]", ""),
        ("[timeout]\nidel = 3", "timeout"),
        ("[timeout]\nidle = -3", "timeout/idle"),
        ("[timeout]\nidle = '3'", "timeout/idle"),
        ("[circuit-breaker]\nwindow.kind = 'other'", "circuit-breaker/window"),
        ("[circuit-breaker]\nkey = 'function'", "circuit-breaker/key"),
        ("[logging]\nallow_headers = 'x'", "logging/allow_headers"),
        ("[fallback]\ntargets = [{urll = 'x'}]", "fallback/targets/0"),
        ("[fallback]", "fallback"),
    ],
)
def test_what_the_library_refuses_is_not_valid(invoke, nowhere, text, place):
    """The check and the schema agree."""
    (nowhere / "some.toml").write_text(text)
    assert place in _faults(schema(), text)
    assert check(load_settings("some.toml", environ={}))


def test_every_kind_of_setting_has_a_schema(made):
    """What only Python can give has none, no secret is a default."""
    table = made["properties"]["acme-stamp"]
    assert table["description"] == "Stamps."
    assert table["required"] == ["header"]
    assert {name: each for name, each in table["properties"].items() if name != "use"} == {
        "header": {"type": "string"},
        "two_words": {"type": "integer", "default": 1},
        "number": {
            "anyOf": [{"type": "number"}, {"const": "none"}],
            "exclusiveMinimum": 0,
            "maximum": 9,
            "default": "none",
        },
        "mode": {"enum": ["fast"], "default": "fast"},
        "kind": {"enum": ["a", "b"], "default": "a"},
        "level": {"type": "string", "examples": ["LOW", "HIGH"], "default": "LOW"},
        "pair": {
            "type": "array",
            "prefixItems": [{"type": "integer"}, {"type": "string"}],
            "minItems": 2,
            "maxItems": 2,
            "default": [1, "x"],
        },
        "bare": {"type": "array", "items": {}, "default": []},
        "table": {"type": "object", "additionalProperties": {"type": "integer"}, "default": {}},
        "free": {"type": "object", "additionalProperties": {}, "default": {}},
        "make": {"anyOf": [{"const": "none"}], "default": "none"},
        "token": {"type": "string"},
        "hidden": {"type": "string"},
        "computed": {"type": "integer"},
        "anything": {"default": "none"},
    }
    assert set(table["patternProperties"]) == {"^two[-_]words$"}


def test_a_broken_plugin_may_hold_anything(made):
    """And a name that two distributions offer may be either's."""
    assert made["properties"]["bad.one"]["type"] == "object"
    assert "cannot be imported" in made["properties"]["bad.one"]["description"]
    assert len(made["properties"]["retry"]["anyOf"]) == 2
