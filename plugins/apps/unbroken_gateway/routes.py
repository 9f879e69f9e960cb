"""The table of routes, matched exactly: a path that is written in any other way is not there (rule S18)."""

from collections.abc import Iterable, Mapping
from typing import Final, Literal

from attrs import evolve, frozen

from .refusals import not_found, wrong_method
from .settings import Alias
from .values import DialectName

Kind = Literal["messages", "chat", "responses", "count_tokens", "models", "stream", "ticket", "live", "ready"]

STREAMS: Final = "/v1/streams/"
_LONGEST_ID: Final = 64
_ID_CHARACTERS: Final = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")


@frozen(kw_only=True)
class Route:
    """What answers a request."""

    path: str
    """As the client wrote it."""
    method: str
    kind: Kind
    dialect: DialectName | None = None
    """The dialect of the answer; None where the client's headers decide."""
    upstream_path: str = ""
    """The path that is appended to the URL of an upstream; empty where none is asked."""
    id: str = ""
    """The id of the stream in the path."""

    @property
    def creates(self) -> bool:
        """Whether the model answers, so that tokens of output are used."""
        return self.kind in {"messages", "chat", "responses"}


def _create(path: str, kind: Kind, dialect: DialectName) -> Route:
    return Route(path=path, method="POST", kind=kind, dialect=dialect, upstream_path=path)


ROUTES: Final = (
    _create("/v1/messages", "messages", "anthropic"),
    _create("/v1/chat/completions", "chat", "openai"),
    _create("/v1/responses", "responses", "openai"),
    _create("/v1/messages/count_tokens", "count_tokens", "anthropic"),
    Route(path="/v1/models", method="GET", kind="models"),
    Route(path="/health/live", method="GET", kind="live"),
    Route(path="/health/ready", method="GET", kind="ready"),
)
"""The routes whose path is fixed."""
TARGETS: Final = {route.path: route for route in ROUTES if route.creates}
"""The routes that an alias may name."""


class RouteTable:
    """The routes of one configuration."""

    def __init__(self, aliases: Iterable[Alias] = ()) -> None:
        routes = [*ROUTES, *(evolve(TARGETS[alias.route], path=alias.path) for alias in aliases)]
        self._routes: Mapping[str, Route] = {route.path: route for route in routes}

    def match(self, method: str, path: str, raw_path: bytes | None) -> Route:
        """Return the route of a request.

        `path` and `raw_path` are those of the ASGI scope, without a query string. `raw_path` must be `path` as it is,
        because no route needs an escape; None, from a server that does not tell it, is not compared. Raises `Refused`
        with 404 for an unknown path and 405, with ``allow``, for a wrong method.
        """
        found = self._at(path, raw_path)
        if not found:
            raise not_found()
        for route in found:
            if route.method == method:
                return route
        raise wrong_method(tuple(route.method for route in found))

    def methods(self, path: str, raw_path: bytes | None) -> tuple[str, ...]:
        """Return the methods that a path has, for a preflight request; empty for an unknown path."""
        return tuple(route.method for route in self._at(path, raw_path))

    def _at(self, path: str, raw_path: bytes | None) -> tuple[Route, ...]:
        if raw_path is not None and raw_path != path.encode("utf-8", "surrogatepass"):
            return ()
        if path.startswith(STREAMS):
            return _of_stream(path)
        route = self._routes.get(path)
        return () if route is None else (route,)


def _of_stream(path: str) -> tuple[Route, ...]:
    id, slash, rest = path.removeprefix(STREAMS).partition("/")
    if not 0 < len(id) <= _LONGEST_ID or not _ID_CHARACTERS.issuperset(id):
        return ()
    if slash:
        return (Route(path=path, method="POST", kind="ticket", id=id),) if rest == "ticket" else ()
    return tuple(Route(path=path, method=method, kind="stream", id=id) for method in ("GET", "DELETE"))
