"""The files that `unbroken new-plugin` writes. They are clean under ruff and mypy with their strict settings."""

from string import Template
from typing import Final

_PROJECT: Final = """\
[build-system]
requires = ["hatchling>=1.27"]
build-backend = "hatchling.build"

[project]
name = "$name"
version = "0.1.0"
description = "$summary"
readme = "README.md"
requires-python = ">=3.11"
dependencies = [$dependencies]

[project.entry-points."unbroken.${kind}s"]
$name = "$module:$cls"

[dependency-groups]
test = ["pytest>=8.3"]

[tool.hatch.build.targets.wheel]
packages = ["src/$module"]

[tool.pytest.ini_options]
testpaths = ["tests"]
filterwarnings = ["error"]

[tool.ruff]
src = ["src"]

[tool.mypy]
strict = true
mypy_path = "src"
files = ["src", "tests"]
"""

_README: Final = """\
# $name

$summary

## Use it

```python
$use
```

`unbroken plugins $name` shows $shows.

## Change it

```sh
pip install -e . --group test
pytest
```

`$check` holds the $kind to the contract that those of Unbroken keep.
"""

_PLUGIN: Final = '''\
"""$summary"""

from attrs import field, frozen
from unbroken import Call, Plugin, Reject, Request, ValidationError
from unbroken.validators import number

__all__ = ["$cls", "${cls}Config"]


@frozen(kw_only=True)
class ${cls}Config:
    """The settings of `$cls`."""

    max_bytes: int = field(default=1_000_000, validator=number(at_least=1, whole=True))
    """The largest body of a request, in bytes."""


class $cls(Plugin):
    """Refuses a request whose body is larger than `max_bytes`."""

    name = "$name"
    Config = ${cls}Config
    config: ${cls}Config

    def before_request(self, call: Call, request: Request) -> Reject | None:
        """Called in front of each attempt; None lets it pass."""
        size = len(request.content)
        limit = self.config.max_bytes
        if size <= limit:
            return None
        message = f"the body has {size} bytes; {limit} are allowed"
        return Reject(ValidationError(message))
'''

_PLUGIN_TESTS: Final = '''\
"""Whole calls in virtual time, against scripted answers."""

import pytest
from unbroken import ConfigurationError, ValidationError
from unbroken.testing import Answer, check_plugin, play, sse

from $module import $cls


def test_it_keeps_the_contract_of_plugins() -> None:
    check_plugin($cls)


def test_a_small_request_is_sent() -> None:
    played = play([Answer(latency=2.0, body=sse("hello"))], [$cls()])
    assert played.data == ["hello"]
    assert played.elapsed == 2.0


def test_a_large_request_is_refused_before_it_is_sent() -> None:
    plugin = $cls(max_bytes=10)
    played = play([], [plugin], json={"prompt": "far too long"})
    assert isinstance(played.failure, ValidationError)
    assert "10 are allowed" in played.failure.message
    assert played.requests == []


def test_a_wrong_setting_is_refused_by_name() -> None:
    with pytest.raises(ConfigurationError, match="max_bytes"):
        $cls(max_bytes=0)
'''

_DIALECT: Final = '''\
"""$summary"""

from typing import Any

from unbroken import Dialect, Event, Kind, Usage
from unbroken.error_bodies import load_json_object

__all__ = ["$cls"]


class $cls(Dialect):
    """Knows these events; any other is a keep-alive.

    - ``{"text": "Hel"}`` is a piece of the answer.
    - ``{"done": true, "tokens": 2}`` is its end.
    - ``{"error": {"message": "no", "code": 429}}`` is a failure.
    """

    name = "$name"
    has_terminal_event = True

    def classify(self, event: Event) -> Kind:
        """What the event means for timeouts, retries and the end."""
        said = _object(event)
        if "error" in said:
            return Kind.ERROR
        if said.get("done") is True:
            return Kind.TERMINAL | Kind.USAGE
        return Kind.KEEPALIVE if _text(said) is None else Kind.CONTENT

    def text(self, event: Event) -> str | None:
        """The text in the event, if it has any."""
        return _text(_object(event))

    def usage(self, event: Event) -> Usage | None:
        """The count of tokens in the last event."""
        tokens = _object(event).get("tokens")
        if type(tokens) is not int or tokens < 0:
            return None
        return Usage(output_tokens=tokens, final=True)


def _object(event: Event) -> dict[str, Any]:
    return load_json_object(event.raw) or {}


def _text(said: dict[str, Any]) -> str | None:
    text = said.get("text")
    return text if isinstance(text, str) else None
'''

_DIALECT_TESTS: Final = '''\
"""A recording of the API in thousands of variants, and whole calls in virtual time."""

from unbroken import RateLimitError, ServerError, TruncatedStreamError, Usage
from unbroken.testing import (
    Answer,
    RecordedError,
    Recording,
    check_dialect,
    play,
    sse,
)

from $module import $cls

HELLO = (
    sse('{"text": "Hel"}'),
    sse('{"text": "lo"}'),
    sse('{"done": true, "tokens": 2}'),
)
BUSY = sse('{"error": {"message": "slow down", "code": 429}}')

RECORDING = Recording(
    pieces=HELLO,
    text="Hello",
    usage=Usage(output_tokens=2, final=True),
    keepalives=(b": ping\\n\\n", sse('{"working": true}')),
    unknown=(sse('{"mood": "good"}'),),
    errors=(
        RecordedError(data=BUSY, error=RateLimitError),
        RecordedError(data=sse('{"error": "no"}'), error=ServerError),
    ),
)


def test_it_keeps_the_contract_of_dialects() -> None:
    check_dialect($cls(), RECORDING)


def test_an_answer_takes_the_time_that_the_server_takes() -> None:
    script = [Answer(body=(HELLO[0], 2.0, HELLO[1], 3.0, HELLO[2]))]
    played = play(script, dialect=$cls())
    assert played.error is None
    assert played.elapsed == 5.0


def test_an_answer_without_its_end_is_an_error() -> None:
    played = play([Answer(body=HELLO[:2])], dialect=$cls())
    assert isinstance(played.failure, TruncatedStreamError)
'''

_SUMMARY: Final = {
    "plugin": "Refuses requests to a model that are too large.",
    "dialect": "What the events of an API mean: its text, its end, its failures.",
}
_USE: Final = {
    "plugin": 'import unbroken\n\nwith unbroken.Client(["timeout", "retry", "$name"]) as client:\n    ...',
    "dialect": 'import unbroken\n\nwith unbroken.Client(dialect="$name") as client:\n    ...',
}
_SHOWS: Final = {"plugin": "its hooks and settings", "dialect": "where it comes from"}
_DEPENDENCIES: Final = {"plugin": '"attrs>=24.1", "unbroken"', "dialect": '"unbroken"'}


def files(name: str, module: str, cls: str, *, dialect: bool) -> dict[str, str]:
    """Return the text of each file by its path within the folder of the distribution."""
    kind = "dialect" if dialect else "plugin"
    words = {
        "name": name,
        "module": module,
        "cls": cls,
        "kind": kind,
        "summary": _SUMMARY[kind],
        "shows": _SHOWS[kind],
        "check": f"unbroken.testing.check_{kind}",
        "dependencies": _DEPENDENCIES[kind],
        "use": Template(_USE[kind]).substitute(name=name),
    }
    source, tests = (_DIALECT, _DIALECT_TESTS) if dialect else (_PLUGIN, _PLUGIN_TESTS)
    templates = {
        "pyproject.toml": _PROJECT,
        "README.md": _README,
        f"src/{module}/__init__.py": source,
        f"src/{module}/py.typed": "",
        f"tests/test_{module}.py": tests,
    }
    return {path: Template(template).substitute(words) for path, template in templates.items()}
