"""The base class of plugins. Overriding a method is implementing the hook."""

import inspect
from collections.abc import Callable, Collection
from typing import Any, ClassVar, Self, TypeVar, overload

import attrs

from .call import Call, Outcome
from .clock import Clock
from .decisions import BeforeRequest, Decision, OnEvent, Reject, ShouldRetry
from .errors import ConfigurationError, Error, Problem
from .messages import Event, Request, Response
from .transport import AsyncTransport, Transport
from .validators import nearest

F = TypeVar("F", bound=Callable[..., Any])

MARK = "unbroken_impl"


@overload
def hookimpl(function: F, /) -> F: ...


@overload
def hookimpl(
    *,
    tryfirst: bool = False,
    trylast: bool = False,
    wrapper: bool = False,
    specname: str | None = None,
    optional: bool = False,
    events: Collection[str] | None = None,
) -> Callable[[F], F]: ...


def hookimpl(
    function: Any = None,
    *,
    tryfirst: bool = False,
    trylast: bool = False,
    wrapper: bool = False,
    specname: str | None = None,
    optional: bool = False,
    events: Collection[str] | None = None,
) -> Any:
    """Mark a function as a hook, or set the options of one.

    `tryfirst` and `trylast` order it among the plugins, `wrapper` makes it a generator around `should_retry`, `events`
    limits `on_event` to those event types. `optional` is for a hook that another plugin specifies and that is just a
    function where that plugin is not there. Methods of a `Plugin` need the mark for the options only. Raises TypeError
    when `events` is a lone string.
    """
    if isinstance(events, str):
        raise TypeError(f"events must be a collection of event types: {{{events!r}}}")

    def mark(function: F) -> F:
        options = {
            "tryfirst": tryfirst,
            "trylast": trylast,
            "wrapper": wrapper,
            "specname": specname,
            "optionalhook": optional,
            "events": None if events is None else frozenset(events),
        }
        setattr(function, MARK, options)
        return function

    return mark if function is None else mark(function)


@attrs.frozen
class NoConfig:
    """The configuration of a plugin that has nothing to configure."""


@attrs.frozen
class Order:
    """A rule about the order of plugins: one stands in front of others, or something makes no sense."""

    before: tuple[str, ...]
    """The names of the plugins that belong behind."""
    why: str
    """What goes wrong when one of them stands in front."""


class _Signature:
    """The signature of a plugin's constructor, made when it is asked for: by ``help(Retry)``, by an editor.

    A constructor that takes its settings as ``**options`` has one keyword for each field of `Config`.
    """

    def __get__(self, instance: object, owner: type["Plugin"]) -> inspect.Signature:
        _, *own = inspect.signature(owner.__init__).parameters.values()
        shown: list[inspect.Parameter] = []
        for each in own:
            shown += _settings(owner.Config) if each.kind is each.VAR_KEYWORD else [each]
        return inspect.Signature(shown)


def _settings(config_class: type[Any]) -> list[inspect.Parameter]:
    parameter = inspect.Parameter
    return [
        parameter(
            attribute.alias,
            parameter.KEYWORD_ONLY,
            default=parameter.empty if attribute.default is attrs.NOTHING else attribute.default,
            annotation=attribute.type,
        )
        for attribute in attrs.fields(config_class)
        if attribute.init
    ]


class Plugin:
    """A policy or an observer. Give it a `name`, a `Config` (a frozen attrs class) and the hooks that it needs.

    The hooks are described in `unbroken.hookspecs`; each here does nothing and costs nothing. One object serves many
    threads and tasks at the same time.
    """

    name: ClassVar[str] = ""
    """The name in lists and configurations, such as ``circuit-breaker``; the class name when it is empty."""
    Config: ClassVar[type[Any]] = NoConfig
    order: ClassVar[tuple[Order, ...]] = ()
    """Which plugins belong behind this one, and why. A list that breaks a rule is used, with a warning."""
    hookspecs: ClassVar[Any] = None
    """A class of hook specifications that this plugin adds."""
    config: Any
    __signature__ = _Signature()

    def __init__(self, config: Any = None, /, **values: Any) -> None:
        """Take a ready `config`, or the values to build one of. Raises ConfigurationError that names what is wrong."""
        self.config = self._configured(config, values)

    @classmethod
    def _configured(cls, config: Any, values: dict[str, Any]) -> Any:
        if config is not None and not isinstance(config, cls.Config):
            wanted = cls.Config.__name__
            raise ConfigurationError.of(Problem(cls.label(), f"takes a {wanted}, not {type(config).__name__}"))
        fields = {attribute.alias: attribute for attribute in attrs.fields(cls.Config) if attribute.init}
        problems = [
            Problem(f"{cls.label()}.{name}", f"is not one of its settings{nearest(name, fields)}")
            for name in values
            if name not in fields
        ]
        problems += [
            Problem(f"{cls.label()}.{name}", "is required")
            for name, attribute in fields.items()
            if config is None and attribute.default is attrs.NOTHING and name not in values
        ]
        if problems:
            raise ConfigurationError.of(*problems)
        if config is not None:
            return attrs.evolve(config, **values) if values else config
        return cls.Config(**values)

    @classmethod
    def label(cls) -> str:
        """Return the name that messages use."""
        return cls.name or cls.__name__

    @classmethod
    def from_config(cls, config: Any) -> Self:
        """Build the plugin from its configuration; the registry calls this."""
        return cls(config)

    def bind(self, relay: Any, clock: Clock) -> None:
        """Take what belongs to a client; called once for each client that uses this plugin.

        `relay` has a caller for each hook, those of `hookspecs` included. `clock` is the client's source of time, for
        what is done between calls; within a call it is ``call.now()``.
        """

    def before_request(self, call: Call, request: Request) -> BeforeRequest:
        return None

    def on_response(self, call: Call, response: Response) -> Reject | None:
        return None

    def on_commit(self, call: Call, event: Event) -> None:
        return None

    def on_event(self, call: Call, event: Event) -> OnEvent:
        return None

    def on_error(self, call: Call, error: Error) -> Error | None:
        return None

    def should_retry(self, call: Call, error: Error) -> ShouldRetry:
        return None

    def after_request(self, call: Call, outcome: Outcome) -> None:
        return None

    def on_finish(self, call: Call, outcome: Outcome) -> None:
        return None

    def on_decision(self, call: Call, decision: Decision, plugin: str) -> None:
        return None

    def wrap_transport(self, transport: Transport) -> Transport:
        return transport

    def wrap_async_transport(self, transport: AsyncTransport) -> AsyncTransport:
        return transport

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {getattr(self, 'config', None)!r}>"


def plugin_name(plugin: object) -> str:
    """Return the name of a plugin: its `name`, else the name of its class or module."""
    name: object = getattr(plugin, "name", None)
    if isinstance(name, str) and name:
        return name
    return str(getattr(plugin, "__name__", type(plugin).__name__))
