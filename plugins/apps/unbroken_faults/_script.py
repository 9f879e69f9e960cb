"""Parse scripts: text for the command line, a header or a file.

``429:retry_after=0.2, 2*stall:after=3:latency=0.1, ok`` lists faults of the catalogue or statuses, each with a count
and with any parameters of its function and fields of `Fault`. The same as JSON, for values with a comma:
``[{"fault": "429", "retry_after": 0.2}, "2*stall", {"text": "Hello, world"}]``.
"""

import json
import re
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from functools import partial
from inspect import signature
from typing import Any, Final, NoReturn, cast

from attrs import evolve, fields_dict

from ._fault import Fault
from .faults import CATALOGUE, status

_FIELDS: Final = tuple(fields_dict(Fault))
_ITEM: Final = re.compile(r"(?:(?P<times>[0-9]{1,4})\*)?(?P<name>[\w-]*)(?P<arguments>(?::.*)?)", re.DOTALL)
_BETWEEN_ARGUMENTS: Final = re.compile(r":(?=[\w-]+=)")


class ScriptError(ValueError):
    """A script is invalid. The message names the item and what is wrong with it."""


def parse_script(text: str) -> tuple[Fault, ...]:
    """Return the faults of a script in order. Raises ScriptError."""
    if not text.lstrip().startswith(("[", "{")):
        return _flat(_parse_item(item) for item in filter(str.strip, text.split(",")))
    try:
        value: Any = json.loads(text)
    except ValueError as error:
        raise ScriptError(f"the script is not JSON: {error}") from None
    return _flat(map(_parse_json, value if text.lstrip().startswith("[") else [value]))


def parse_fault(text: str) -> Fault:
    """Return the one fault that `text` names. Raises ScriptError."""
    faults = parse_script(text)
    if len(faults) != 1:
        raise ScriptError(f"{text.strip()!r}: one fault is wanted here, not {len(faults)}")
    return faults[0]


def _flat(parts: Iterable[tuple[Fault, ...]]) -> tuple[Fault, ...]:
    return tuple(fault for part in parts for fault in part)


def _parse_item(text: str) -> tuple[Fault, ...]:
    item = text.strip()
    match = _ITEM.fullmatch(item)
    if match is None or not match["name"]:
        _fail(item, "is not of the form NAME or NAME:key=value:key=value")
    arguments: dict[str, Any] = {}
    for part in filter(None, _BETWEEN_ARGUMENTS.split(match["arguments"])):
        key, equals, value = part.partition("=")
        if not equals:
            _fail(item, f"{part.lstrip(':')!r} is not of the form key=value")
        arguments[key] = _value(value)
    return (_build(item, match["name"], arguments),) * int(match["times"] or 1)


def _parse_json(value: Any) -> tuple[Fault, ...]:
    if isinstance(value, str):
        return _parse_item(value)
    if not isinstance(value, dict):
        _fail(json.dumps(value), "must be a name or an object")
    arguments = dict(cast("dict[str, Any]", value))
    return (_build(json.dumps(value), str(arguments.pop("fault", "ok")), arguments),)


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def _build(item: str, name: str, arguments: Mapping[str, Any]) -> Fault:
    factory = partial(status, int(name)) if name.isdecimal() else CATALOGUE.get(name.replace("-", "_"))
    if factory is None:
        _fail(item, f"there is no fault {name!r}{_nearest(name.replace('-', '_'), CATALOGUE)}")
    own = [key for key in signature(factory).parameters if not (name.isdecimal() and key == "code")]
    given = {key.replace("-", "_"): value for key, value in arguments.items()}
    for key in given:
        if key not in own and key not in _FIELDS:
            _fail(item, f"{name} has no argument {key!r}{_nearest(key, [*own, *_FIELDS])}")
    try:
        fault = factory(**{key: value for key, value in given.items() if key in own})
        return evolve(fault, **{key: value for key, value in given.items() if key not in own})
    except (TypeError, ValueError) as error:
        _fail(item, str(error.args[0]))


def _nearest(word: str, known: Iterable[str]) -> str:
    close = get_close_matches(word, list(known), n=1)
    return f"; did you mean {close[0]!r}?" if close else f"; there are {', '.join(sorted(known))}"


def _fail(item: str, problem: str) -> NoReturn:
    raise ScriptError(f"{item!r}: {problem}")
