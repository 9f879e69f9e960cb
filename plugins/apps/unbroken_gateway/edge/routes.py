"""The table of routes. A path is found as it was sent, byte for byte, or not at all."""

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final, Literal

from attrs import evolve, frozen

from ..config.settings import Alias
from ..replies import errors
from ..replies.errors import Refused
from ..replies.frames import Form
from ..values import DialectName

RouteName = Literal[
    "messages", "chat", "responses", "count_tokens", "models", "stream", "ticket", "live", "ready", "openapi"
]
Scope = Mapping[str, Any]
"""The scope of an ASGI request: ``path``, ``raw_path``, ``method``, ``query_string``, ``headers``."""


@frozen(kw_only=True)
class Route:
    """What is at one path."""

    name: RouteName
    path: str
    """Of the client; that of an alias is its own. For a stream with ``{id}``."""
    methods: tuple[str, ...] = ("POST",)
    form: Form | None = None
    """The API of a route that streams; None for the others."""
    dialect: DialectName | None = None
    """Of its errors; None where the client decides it (`dialect_of`)."""
    takes_body: bool = False
    upstream_path: str = ""
    """What is appended to the URL of an upstream; empty where none is asked."""

    @property
    def public(self) -> bool:
        """Whether no credential is needed."""
        return self.name in ("live", "ready", "openapi")

    @property
    def allow(self) -> str:
        """The value of ``Allow``."""
        return ", ".join(self.methods)


def _asking(name: RouteName, path: str, dialect: DialectName, form: Form | None = None) -> Route:
    """Return a route for which an upstream is asked, at the same path."""
    return Route(name=name, path=path, form=form, dialect=dialect, takes_body=True, upstream_path=path)


_READ: Final = ("GET", "HEAD")
ROUTES: Final = (
    _asking("messages", "/v1/messages", "anthropic", "messages"),
    _asking("chat", "/v1/chat/completions", "openai", "chat"),
    _asking("responses", "/v1/responses", "openai", "responses"),
    _asking("count_tokens", "/v1/messages/count_tokens", "anthropic"),
    Route(name="models", path="/v1/models", methods=("GET",)),
    Route(name="stream", path="/v1/streams/{id}", methods=("GET", "DELETE")),
    Route(name="ticket", path="/v1/streams/{id}/ticket"),
    Route(name="openapi", path="/openapi.json", methods=_READ),
    Route(name="live", path="/health/live", methods=_READ),
    Route(name="ready", path="/health/ready", methods=_READ),
)
_STREAM: Final = re.compile(r"(/v1/streams/)([A-Za-z0-9_-]{24})(/ticket)?")
_PREFIX: Final = "/v1/streams/"

Table = Mapping[str, Route]
"""Routes by path."""


@frozen
class Found:
    """A route, and the id of a stream in its path, otherwise empty."""

    route: Route
    stream: str = ""


def table_of(aliases: Iterable[Alias] = ()) -> Table:
    """Return the table with `aliases`. Raises ValueError for one that names no route or takes the path of another."""
    table = {route.path: route for route in ROUTES}
    for alias in aliases:
        if alias.path in table or alias.path.startswith(_PREFIX):
            raise ValueError(f"the alias {alias.path!r} is the path of another route")
        if alias.route not in table or "{" in alias.route:
            raise ValueError(f"the alias {alias.path!r} is for {alias.route!r}, where there is no route")
        table[alias.path] = evolve(table[alias.route], path=alias.path)
    return table


def find(scope: Scope, table: Table) -> Found:
    """Return the route of a request. Raises Refused: 404 for any other path, an escaped one too; 405 for its method.

    Preflights are answered before: their method is none of a route.
    """
    found = locate(scope, table)
    if scope["method"] not in found.route.methods:
        raise Refused(errors.wrong_method(found.route.allow))
    return found


def locate(scope: Scope, table: Table) -> Found:
    """Return the route of a path, whatever the method. Raises Refused with 404."""
    path: str = scope["path"]
    raw: bytes | None = scope.get("raw_path")
    # An escape, %2f or any other, makes the two different; so do the absolute URLs that some servers pass on.
    if (raw is not None and raw.partition(b"?")[0] != path.encode(errors="replace")) or "{" in path:
        raise Refused(errors.unknown_route())
    if path in table:
        return Found(table[path])
    stream = _STREAM.fullmatch(path)
    if stream is None:
        raise Refused(errors.unknown_route())
    return Found(table[f"{_PREFIX}{{id}}{stream[3] or ''}"], stream[2])


def dialect_of(scope: Scope, route: Route | None = None) -> DialectName:
    """Return the dialect of an error: that of the route, else Anthropic's if ``anthropic-version`` was sent."""
    if route is not None and route.dialect is not None:
        return route.dialect
    headers: Iterable[tuple[bytes, bytes]] = scope["headers"]
    return "anthropic" if any(name == b"anthropic-version" for name, _ in headers) else "openai"
