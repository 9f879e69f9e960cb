"""Builds the settings out of the tables of the file, each part alone, so that all problems are found at once."""

from collections.abc import Callable, Collection, Mapping
from typing import Any, Final, TypeVar, cast, get_args

import attrs
from attrs import define, field

from unbroken import ConfigurationError, Problem
from unbroken.config import Given, structure
from unbroken.validators import shown

from ..values import Allowance, Price
from . import units
from .settings import CORS, Alias, AuditSettings, Issuer, Model, Plan, Resume, Settings, Upstream

T = TypeVar("T")

ROOT: Final = "gateway"

_Reader = Callable[[Any, Mapping[str, str]], Any]


def _plain(read: Callable[[Any], Any]) -> _Reader:
    return lambda value, environ: read(value)


def _secret_values(value: Any, environ: Mapping[str, str]) -> Any:
    if not isinstance(value, Mapping):
        return value
    return {name: units.secret(each, environ) for name, each in cast("Mapping[str, Any]", value).items()}


_READERS: Final[Mapping[type[Any], Mapping[str, _Reader]]] = {
    Settings: {
        "max_body": _plain(units.size),
        "state": units.secret,  # the URL of Redis may hold a password
        "admin_credential": units.secret,
        "pepper": units.secret,
    },
    Issuer: {"secret": units.secret},
    Upstream: {"key": units.secret, "headers": _secret_values},
    Price: dict.fromkeys(("input", "output", "cache_read", "cache_write"), _plain(units.dollars)),
    Allowance: {
        "requests": _plain(units.rate),
        "tokens": _plain(units.rate),
        "budget": _plain(units.budget),
    },
    Resume: {"max_bytes": _plain(units.size), "encryption_key": units.secret},
}
"""The settings whose form in the file is not that of their value."""
_NOT_IN_THE_FILE: Final = ("development_token", "development_plan")
_ALLOWANCE: Final = tuple(attribute.name for attribute in attrs.fields(Allowance))


@define(eq=False)
class Structuring:
    """Builds settings and collects what is wrong with them."""

    environ: Mapping[str, str] = field(repr=False)
    source: str
    secrets: Collection[str] | None = None
    """The places of the secrets that are needed, such as ``gateway.pepper``; None is all. The variables of the others
    need not be set."""
    problems: list[Problem] = field(factory=list[Problem], init=False)
    failed: set[str] = field(factory=set[str], init=False)
    """The places of what could not be built or read, such as ``gateway.models.default``."""

    def settings(self, table: Mapping[str, Any]) -> Settings:
        """Return the settings of ``[gateway]``, without the parts that cannot be built."""
        left: dict[str, Any] = {}
        for name, value in table.items():
            if (known := name.replace("-", "_")) in left:
                self._refuse(f"{ROOT}.{known}", "is given twice")
            left[known] = value
        for name in _NOT_IN_THE_FILE:
            if left.pop(name, None) is not None:
                self._refuse(f"{ROOT}.{name}", "is not set in the file")
        parts: dict[str, Any] = {
            "upstreams": self._named("upstreams", left.pop("upstreams", {}), self._upstream),
            "models": self._named("models", left.pop("models", {}), self._model),
            "plans": self._named("plans", left.pop("plans", {}), self._plan),
            "issuers": self._issuers(left.pop("issuers", [])),
        }
        if "aliases" in left:
            parts["aliases"] = self._aliases(left.pop("aliases"))
        for name, kind in (("cors", CORS), ("resume", Resume), ("audit", AuditSettings)):
            if name in left:
                built = self._built(kind, left.pop(name), f"{ROOT}.{name}")
                parts |= {} if built is None else {name: built}
        return self._whole(left, parts)

    def _whole(self, left: Mapping[str, Any], parts: Mapping[str, Any]) -> Settings:
        """Build the settings; those that are refused keep their defaults, so that the others can be checked."""
        read = self._read(Settings, left, ROOT)
        try:
            return cast("Settings", structure(Settings, [Given({**read, **parts}, self.source)], ROOT))
        except ConfigurationError as error:
            self.problems += error.problems
            bad = {problem.path.removeprefix(f"{ROOT}.") for problem in error.problems}
            good = {name: value for name, value in read.items() if not _among(name, bad)}
            return cast("Settings", structure(Settings, [Given({**good, **parts}, self.source)], ROOT))

    def _named(self, name: str, tables: Any, build: Callable[[str, Any, str], T | None]) -> dict[str, T]:
        """Build the tables of one name, such as ``[gateway.models.…]``."""
        place = f"{ROOT}.{name}"
        built: dict[str, T] = {}
        for key, table in self._items(tables, place):
            part = build(key, table, f"{place}.{key}")
            if part is None:
                self.failed.add(f"{place}.{key}")
            else:
                built[key] = part
        return built

    def _upstream(self, key: str, table: Any, place: str) -> Upstream | None:
        if isinstance(table, Mapping) and "name" in table:
            self._refuse(f"{place}.name", "is not one of its settings: the name is that of the table")
        return self._built(Upstream, table, place, name=key)

    def _model(self, key: str, table: Any, place: str) -> Model | None:
        given: Any = table
        if isinstance(table, Mapping):
            given = {"name": key, **cast("Mapping[str, Any]", table)}
            if "price" in given:
                given["price"] = self._built(Price, given["price"], f"{place}.price") or Price()
        return self._built(Model, given, place)

    def _plan(self, key: str, table: Any, place: str) -> Plan | None:
        if not isinstance(table, Mapping):
            return self._built(Plan, table, place)
        given = cast("Mapping[str, Any]", table)
        bounds = {name: value for name, value in given.items() if name in _ALLOWANCE}
        rest = {name: value for name, value in given.items() if name not in _ALLOWANCE}
        hidden = [name for name in ("name", "allowance") if name in rest]
        for name in hidden:
            self._refuse(f"{place}.{name}", "is not one of its settings")
        allowance = self._built(Allowance, bounds, place)
        plan = self._built(Plan, {name: value for name, value in rest.items() if name not in hidden}, place, name=key)
        return plan and attrs.evolve(plan, allowance=allowance or Allowance())

    def _issuers(self, tables: Any) -> tuple[Issuer, ...]:
        place = f"{ROOT}.issuers"
        if not isinstance(tables, list):
            self._refuse(place, f"must be a list of tables ([[{place}]]), not {shown(tables)}")
            return ()
        listed: list[Any] = cast("Any", tables)
        built = [self._built(Issuer, table, f"{place}[{index}]") for index, table in enumerate(listed)]
        if None in built:
            self.failed.add(place)
        return tuple(issuer for issuer in built if issuer is not None)

    def _aliases(self, table: Any) -> tuple[Alias, ...]:
        place = f"{ROOT}.aliases"
        aliases: list[Alias] = []
        for path, route in self._items(table, place):
            if isinstance(route, str):
                aliases.append(Alias(path=path, route=route))
            else:
                self._refuse(f"{place}.{shown(path)}", f"must be the path of a route, not {shown(route)}")
        return tuple(aliases)

    def _built(self, kind: type[T], table: Any, place: str, **more: Any) -> T | None:
        """Return a `kind` out of a table, None when it cannot be built. All problems are noted."""
        if not isinstance(table, Mapping):
            self._refuse(place, f"must be a table, not {shown(table)}")
            return None
        values = {**self._read(kind, cast("Mapping[str, Any]", table), place), **more}
        try:
            return cast("T", structure(kind, [Given(values, self.source)], place))
        except ConfigurationError as error:
            self.problems += error.problems
            return None

    def _read(self, kind: type[Any], table: Mapping[str, Any], place: str) -> dict[str, Any]:
        """Return the entries of a table as values. Those that cannot be read are left out and noted."""
        values: dict[str, Any] = {}
        readers, optional = _READERS.get(kind, {}), _optional(kind)
        for name, value in table.items():
            known = name.replace("-", "_")
            reader = readers.get(known)
            try:
                if value == "none" and known in optional:  # TOML has no null
                    values[name] = None
                else:
                    values[name] = value if reader is None else reader(value, self.environ)
            except units.NotSet as error:
                self.failed.add(f"{place}.{known}")
                if self.secrets is None or f"{place}.{known}" in self.secrets:
                    self._refuse(f"{place}.{name}", str(error))
            except ValueError as error:
                self._refuse(f"{place}.{name}", str(error))
        return values

    def _items(self, table: Any, place: str) -> list[tuple[str, Any]]:
        if isinstance(table, Mapping):
            return list(cast("Mapping[str, Any]", table).items())
        self._refuse(place, f"must be a table, not {shown(table)}")
        return []

    def _refuse(self, path: str, message: str) -> None:
        self.problems.append(Problem(path, message, self.source))


def _optional(kind: type[Any]) -> frozenset[str]:
    """Return the settings that may be None."""
    attrs.resolve_types(kind)
    return frozenset(field.name for field in attrs.fields(kind) if type(None) in get_args(field.type))


def _among(name: str, paths: set[str]) -> bool:
    key = name.replace("-", "_")
    return any(path == key or path.startswith((f"{key}.", f"{key}[")) for path in paths)
