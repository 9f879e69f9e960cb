"""The settings of a plugin as text: name, type, default, description."""

import ast
import inspect
import re
import textwrap
from collections.abc import Mapping
from itertools import pairwise
from typing import Any, Final, cast, get_type_hints

import attrs
from attrs import frozen

from unbroken.config import wording

SECRET_WORDS: Final = ("key", "token", "secret", "password", "auth", "credential", "cookie")
HIDDEN: Final = "(hidden)"
NOT_SET: Final = "none"
_LONGEST: Final = 60
_CODE: Final = re.compile(r"(`{1,2})([^`]+)\1")


@frozen
class Setting:
    """One field of a configuration class."""

    name: str
    type: str
    default: str
    doc: str


def settings_of(config_class: Any) -> list[Setting]:
    """Return the fields of a configuration class in order; an empty list when it is not an attrs class."""
    if not attrs.has(config_class):
        return []
    docs = _docs(config_class)
    return [
        Setting(alias(each), _type(config_class, each), _default(each), docs.get(each.name, ""))
        for each in attrs.fields(config_class)
        if each.init
    ]


def shown(name: str, value: Any, *, secret: bool = False) -> str:
    """Return a value as a file would have it. Text under a name that suggests a credential is hidden."""
    if secret or (is_secret(name) and isinstance(value, str | bytes)):
        return HIDDEN
    if isinstance(value, Mapping):
        items = cast("Mapping[object, Any]", value).items()
        return "{" + ", ".join(f"{key} = {shown(f'{name}.{key}', each)}" for key, each in items) + "}"
    if isinstance(value, set | frozenset | list | tuple):
        each = [shown(name, item) for item in cast("Any", value)]
        return f"[{', '.join(sorted(each) if isinstance(value, set | frozenset) else each)}]"
    value_class = cast("Any", type(value))
    if attrs.has(value_class):
        inner = ((one, getattr(value, one.name)) for one in attrs.fields(value_class))
        return "{" + ", ".join(f"{alias(one)} = {_of(one, each)}" for one, each in inner) + "}"
    return _scalar(value)


def _of(attribute: "attrs.Attribute[Any]", value: Any) -> str:
    """Return the value of a field as its class shows it, where that has a way of its own."""
    if callable(attribute.repr):
        return attribute.repr(value)
    return shown(alias(attribute), value, secret=not attribute.repr)


def alias(attribute: "attrs.Attribute[Any]") -> str:
    """Return the name that a field has in files and arguments."""
    return attribute.alias or attribute.name


def is_secret(name: str) -> bool:
    """Whether a name suggests that its value is a credential."""
    return any(word in name.lower() for word in SECRET_WORDS)


def _scalar(value: Any) -> str:
    if isinstance(value, bool | None):
        return NOT_SET if value is None else str(value).lower()
    if isinstance(value, float):
        return f"{value:g}"
    if callable(value):
        return getattr(value, "__qualname__", type(value).__name__)
    text = repr(value)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"


def _default(attribute: "attrs.Attribute[Any]") -> str:
    default: Any = attribute.default
    if default is attrs.NOTHING:
        return "(required)"
    if isinstance(default, attrs.Factory):  # type: ignore[arg-type]
        if default.takes_self:
            return "(computed)"
        default = default.factory()
    return shown(alias(attribute), default, secret=not attribute.repr)


def _type(config_class: Any, attribute: "attrs.Attribute[Any]") -> str:
    """Return in words what the field accepts, as the errors about it say it."""
    if attribute.type is None:
        return ""
    try:
        kind: Any = get_type_hints(config_class)[attribute.name]
    except Exception:  # noqa: BLE001  # an annotation that only type checkers can resolve
        kind = attribute.type
    return kind if isinstance(kind, str) else wording(kind)


def _docs(config_class: type[Any]) -> dict[str, str]:
    """Return the docstrings of the fields, also of base classes. Python drops them, so the source is read."""
    found: dict[str, str] = {}
    for each in reversed(config_class.__mro__):
        try:
            body = ast.parse(textwrap.dedent(inspect.getsource(each))).body
        except (OSError, TypeError, SyntaxError):
            continue  # no source: builtins, a frozen application
        statements = body[0].body if body and isinstance(body[0], ast.ClassDef) else []
        for field, below in pairwise(statements):
            if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name):
                found |= {field.target.id: _first_line(below)}
    return found


def _first_line(statement: ast.stmt) -> str:
    value = statement.value if isinstance(statement, ast.Expr) else None
    text = value.value if isinstance(value, ast.Constant) else None
    if not isinstance(text, str):
        return ""
    return first_paragraph(text)


def first_paragraph(doc: str) -> str:
    """Return the first paragraph of a docstring as one line, without the marks of code."""
    text = " ".join(inspect.cleandoc(doc).split("\n\n")[0].split())
    return _CODE.sub(r"\2", text)
