"""The base class of plugins. A plugin implements a hook by overriding its method."""

import inspect
from collections.abc import Callable, Collection
from typing import Any, ClassVar, Self, TypeVar, overload

import attrs

from .call import Call, Outcome
from .clock import Clock
from .decisions import BeforeRequest, Decision, OnEvent, Reject, ShouldRetry
from .errors import ConfigurationError, Error, Problem
from .messages import Event, Request, Response, Usage
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
    """Mark a function as the implementation of a hook, with options.

    `tryfirst` and `trylast` change its place among the plugins. `wrapper` declares a generator that wraps
    `should_retry`. `specname` names the hook if the function has another name. `optional` is for a hook that another
    plugin specifies: without that plugin, the mark is ignored. `events` limits `on_event` to these event types. Methods
    of a `Plugin` need the mark only to set options. Raises TypeError if `events` is a single string.
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
    """The configuration of a plugin without settings."""


@attrs.frozen
class Order:
    """A rule about the order of plugins: the plugin that has it belongs in front of others."""

    before: tuple[str, ...]
    """The names of the plugins that belong behind it."""
    why: str
    """What goes wrong if one of them is in front of it."""


class _Signature:
    """A descriptor that computes the signature of a plugin's constructor, for ``help(Retry)`` and for editors.

    A constructor that takes its settings as ``**options`` is shown with one keyword for each field of `Config`.
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
    """The base class of policies and observers. Define a `name`, a `Config` (a frozen attrs class) and some hooks.

    `unbroken.hookspecs` describes the hooks. Those that are not overridden are never called. One object serves many
    threads and tasks at the same time.
    """

    name: ClassVar[str] = ""
    """The name in lists and configurations, such as ``circuit-breaker``. If empty, the class name is used."""
    Config: ClassVar[type[Any]] = NoConfig
    order: ClassVar[tuple[Order, ...]] = ()
    """Which plugins belong behind this one, and why. A list that breaks a rule only causes a warning."""
    hookspecs: ClassVar[Any] = None
    """A class with the specifications of the hooks that this plugin adds; None if it adds none."""
    config: Any
    __signature__ = _Signature()

    def __init__(self, config: Any = None, /, **values: Any) -> None:
        """Take a finished `config`, `values` from which to build one, or both: the values then override the config.

        Raises ConfigurationError that names what is wrong.
        """
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
        """Return the name of the plugin used in messages."""
        return cls.name or cls.__name__

    @classmethod
    def from_config(cls, config: Any) -> Self:
        """Build the plugin from its configuration; the registry calls this."""
        return cls(config)

    def bind(self, relay: Any, clock: Clock) -> None:
        """Receive the objects of a client. Called once for each client that uses this plugin.

        `relay` has a caller for each hook, including those of `hookspecs`; it always has those of the client's present
        plugins, so look a hook up when you call it. `clock` is the client's source of time, for work between calls;
        within a call, use ``call.now()``.
        """

    def adopt(self, old: Any) -> None:
        """Take over the state of `old`, which this plugin replaces in a client: `Client.reconfigure` calls it.

        `old` has the same name and the same class. Calls that run go on with `old` until they end, so share the object
        that holds the state, and change it as the hooks do, under its `Inbox`. It is called after `bind` and before
        the first new call, when the change is certain: what it raises is logged, and the plugin stays without that
        state. A plugin that has state of its own, as it serves another client, should keep that.
        """

    def before_request(self, call: Call, request: Request) -> BeforeRequest:
        return None

    def on_response(self, call: Call, response: Response) -> Reject | None:
        return None

    def on_usage(self, call: Call, usage: Usage) -> None:
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
    """Return the name of a plugin: its `name` or, without one, the name of its class or module."""
    name: object = getattr(plugin, "name", None)
    if isinstance(name, str) and name:
        return name
    return str(getattr(plugin, "__name__", type(plugin).__name__))
