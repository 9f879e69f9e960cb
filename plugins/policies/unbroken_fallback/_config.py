"""The settings of the fallback policy."""

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, NoReturn, ParamSpec, TypedDict, TypeVar

import msgspec
from attrs import field, frozen

from unbroken import ConfigurationError, Headers, Problem, Request
from unbroken.secrets import drop_tracebacks
from unbroken.validators import flag, must_be, number, optional, refused

P = ParamSpec("P")
T = TypeVar("T")

PATH: Final = "{path}"
"""Stands in `Target.url` for the path and the query of the request."""


def _url(instance: Any, attribute: Any, value: Any) -> None:
    must_be(attribute.name, value, str, "text")
    plain = value.removesuffix(PATH)
    if PATH in plain:
        raise refused(attribute.name, f"must have {PATH} at its end only")
    Request(method="POST", url=plain)


def _shown_url(url: str | None) -> str:
    return repr(None if url is None else url.partition("?")[0])


def _fields(value: Mapping[str, str]) -> Headers:
    return Headers.validated(value)


def _body(value: Mapping[str, Any]) -> dict[str, Any]:
    must_be("body", value, Mapping, "a table")
    try:
        return msgspec.json.decode(msgspec.json.encode(dict(value)), type=dict[str, Any])
    except (TypeError, ValueError, RecursionError):
        raise refused("body", "cannot be written as a JSON object") from None


def _shown_body(body: Mapping[str, Any]) -> str:
    """Return the names of the fields, and the model, which is no secret."""
    fields = (f"{name} = {value!r}" if name == "model" else name for name, value in body.items())
    return "{" + ", ".join(fields) + "}"


def _keys(value: Sequence[Mapping[str, str]]) -> tuple[Headers, ...]:
    must_be("keys", value, (list, tuple), "a list of tables, each with the header fields that carry one key")
    keys: list[Headers] = []
    for position, each in enumerate(value):
        path = f"keys[{position}]"
        must_be(path, each, Mapping, "a table with the header fields that carry the key")
        if not each:
            raise refused(path, "has no header field")
        keys.append(Headers.validated(each, path))
    return tuple(keys)


def _name(instance: Any, attribute: Any, value: Any) -> None:
    must_be(attribute.name, value, str, "text")


def _prefix(instance: Any, attribute: Any, value: Any) -> None:
    must_be(attribute.name, value, str, "text")
    if value and (not value.startswith("/") or value.endswith("/")):
        raise refused(attribute.name, f"must begin with a slash and not end with one, not {value!r}")


def without_traceback(function: Callable[P, T]) -> Callable[P, T]:
    """Return `function` so that no error that it raises has a frame with its arguments, which are credentials."""

    @functools.wraps(function)
    def bare(*args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return function(*args, **kwargs)
        except ConfigurationError as error:
            del args, kwargs
            drop_tracebacks(error)
            raise

    return bare


@frozen(kw_only=True)
class Target:
    """Another place for the same request: another address, another model, other keys. What is not given stays.

    Raises ConfigurationError, which names the field and no value, for an invalid one. It cannot be pickled, because it
    holds credentials.
    """

    url: str | None = field(default=None, validator=optional(_url), repr=_shown_url)
    """Where to send the request instead.

    ``https://eu.example.net``: to the same path there. ``https://eu.example.net/llm{path}``: to the same path behind a
    prefix. Any other URL with a path: to exactly that address. None: to the address of the request.
    """
    headers: Mapping[str, str] = field(default=Headers(), converter=_fields, repr=False)
    """Header fields, which replace those of the request of the same name."""
    body: Mapping[str, Any] = field(factory=dict[str, Any], converter=_body, repr=_shown_body)
    """Fields of the JSON body, such as ``model``, which replace those of the request of the same name."""
    keys: tuple[Mapping[str, str], ...] = field(default=(), converter=_keys, repr=False)
    """The keys of this target, in the order of their use, each as the header fields that carry it.

    For example ``({"x-api-key": "…"}, {"authorization": "Bearer …"})``.
    """
    name: str = field(default="", validator=_name)
    """What the history calls it. If empty, it is called by its origin or its position."""

    def __attrs_post_init__(self) -> None:
        if self.url is None and not self.headers and not self.body and not self.keys:
            raise refused("", "a target needs a url, headers, a body or keys: it is the request itself without them")

    def __reduce__(self) -> NoReturn:
        raise TypeError("a Target holds credentials, so it cannot be pickled")

    def __copy__(self) -> "Target":
        return self

    def __deepcopy__(self, memo: object) -> "Target":
        return self


Target.__init__ = without_traceback(Target.__init__)  # type: ignore[method-assign]


def _targets(value: Sequence[Target]) -> tuple[Target, ...]:
    must_be("targets", value, (list, tuple), "a list of targets")
    return tuple(value)


def _some(instance: Any, attribute: Any, value: tuple[Any, ...]) -> None:
    if not value:
        raise refused(attribute.name, "must have at least one target")
    for place, each in enumerate(value):
        must_be(f"{attribute.name}[{place}]", each, Target, "a Target")
    names = [each.name for each in value if each.name]
    problems = [
        Problem(f"{attribute.name}[{place}].name", "is the name of another target too")
        for place, each in enumerate(value)
        if each.name and names.count(each.name) > 1
    ]
    if problems:
        raise ConfigurationError.of(*problems)


@frozen(kw_only=True)
class FallbackConfig:
    """The settings of `Fallback`. An invalid value raises ConfigurationError, which names the field."""

    targets: tuple[Target, ...] = field(converter=_targets, validator=_some)
    """The places behind the request's own, in the order in which they are tried."""
    cooldown: float = field(default=60.0, validator=number(at_least=0, at_most=86_400))
    """Seconds for which a target that has failed is passed over; 0: not at all. A hint of the server (``Retry-After``)
    takes its place."""
    prefix: str = field(default="", validator=_prefix)
    """The path before that of the API in the URLs of the requests, such as ``/openai``; no other address has it."""
    shadow: bool = field(default=False, validator=flag)
    """Whether to try the settings out: each move is reported with `shadow` True, and none is made."""


FallbackConfig.__init__ = without_traceback(FallbackConfig.__init__)  # type: ignore[method-assign]


class FallbackOptions(TypedDict, total=False):
    """The keyword arguments of `Fallback`, one per setting; `FallbackConfig` documents them."""

    targets: Sequence[Target]
    cooldown: float
    prefix: str
    shadow: bool
