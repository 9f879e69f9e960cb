"""The common part of the sync client and the async client."""

import os
import sys
from collections.abc import Callable, Sequence
from typing import Any, ClassVar, Final, TypeVar, cast, get_args

from attrs import define, evolve, field, frozen

from ._engine.closing import Closing
from ._engine.commit_buffer import Commit
from ._engine.delivery import Mode
from ._engine.engine import Engine
from ._engine.hook_calls import plugin_error
from ._engine.hooks import Bound, Hooks, compile_hooks
from ._single import Single
from .call import Call
from .clock import Clock, SystemClock
from .config import ConfigSource, Given
from .dialect import Dialect
from .errors import ConfigurationError, Problem
from .framing import Limits
from .headers import Headers, HeaderTypes
from .messages import Request, Timeouts
from .plain_http import AsyncGuardedTransport, GuardedTransport
from .registry import Discovered, Resolved, resolve, resolve_dialect, resolve_transport
from .transport import AsyncTransport, Connections, Transport, TransportFactory
from .validators import refused, shown

Plugins = Sequence[object] | None
T = TypeVar("T")
_SSE: Final = Dialect().media_types
_OF_A_FEED: Final = Timeouts(first_event=None, idle=None, quiet=None)
DEFAULT_TRANSPORT: Final = "wire"
"""Ours, whatever else is installed under that name; it is found without looking at entry points."""


@frozen(eq=False)
class NamedTransport:
    """A transport that was asked for by its name."""

    name: str
    entry: Discovered
    factory: TransportFactory

    def build(self, make: Callable[[Connections], T], connections: Connections) -> T:
        """Return what a method of the factory makes. Raises ConfigurationError."""
        try:
            return make(connections)
        except ConfigurationError:
            raise
        except Exception as error:
            raise self.entry.failure("transport", "cannot be built", error) from error


@define(eq=False)
class Setup:
    """A client without its transport: arguments checked, names resolved, hooks compiled."""

    hooks: Hooks
    dialect: Dialect
    clock: Clock
    headers: Headers
    commit: Commit
    limits: Limits
    transport: Any
    """The object that was given, the `NamedTransport` that was asked for, or None for the default one."""
    insecure: bool
    """Whether credentials may be sent over ``http://`` to any host."""
    closing: Closing = field(factory=Closing)

    @classmethod
    def build(
        cls,
        plugins: Plugins,
        config: ConfigSource,
        dialect: str | Dialect | None,
        clock: Clock | None,
        headers: HeaderTypes,
        commit: Commit,
        max_event_size: int,
        transport: Any,
        insecure: bool | None,
    ) -> "Setup":
        """Check the arguments and resolve names. Raises ConfigurationError that lists everything that is wrong."""
        checks = _Checks()
        checks.take(_refuse_eventlet)
        time = SystemClock() if clock is None else clock
        resolved = checks.take(lambda: resolve(plugins, config))
        setup = cls(
            hooks=checks.take(lambda: _compiled(resolved, time)),
            dialect=checks.take(lambda: Dialect() if dialect is None else resolve_dialect(dialect)),
            clock=time,
            headers=checks.take(lambda: Headers.validated(headers)),
            commit=checks.take(lambda: _checked_commit(commit)),
            limits=checks.take(lambda: Limits(max_event_size=max_event_size)),
            transport=checks.take(lambda: _chosen(transport, resolved)),
            insecure=checks.take(lambda: _allowed(insecure, resolved)),
        )
        if checks.problems:
            raise ConfigurationError.of(*checks.problems)
        return setup

    def describe(self) -> str:
        """Return a text that shows the dialect, the transport, the plugins in order and the plugins at each hook."""
        insecure = "insecure: credentials may be sent over http:// to any host\n" if self.insecure else ""
        return f"dialect: {self.dialect.name}\ntransport: {self._transport_name()}\n{insecure}{self.hooks.describe()}"

    def facts(self) -> str:
        """Return the dialect, the plugins in order and the transport in one line."""
        plugins = ", ".join(self.hooks.names)
        closed = " closed" if self.closing.closed else ""
        return f"{closed} dialect={self.dialect.name} plugins=[{plugins}] transport={self._transport_name()}"

    def _transport_name(self) -> str:
        if self.transport is None:
            return DEFAULT_TRANSPORT
        return self.transport.name if isinstance(self.transport, NamedTransport) else type(self.transport).__name__

    def sync_transport(self, connections: Connections) -> Transport:
        """Return the transport of a `Client`, wrapped by the plugins. Raises ConfigurationError and PluginError."""
        transport = self.transport
        if transport is None:
            from ._wire import WireTransport

            transport = WireTransport(connections)
        elif isinstance(transport, NamedTransport):
            transport = transport.build(transport.factory.sync_transport, connections)
        if not self.insecure:
            transport = GuardedTransport(transport, connections)
        made: Transport = wrapped(self.hooks.wrap_transport, "wrap_transport", transport)
        return made

    def async_transport(self, connections: Connections) -> AsyncTransport:
        """Return the transport of an `AsyncClient`; see `sync_transport`."""
        transport = self.transport
        if transport is None:
            from ._wire import AsyncWireTransport

            transport = AsyncWireTransport(connections)
        elif isinstance(transport, NamedTransport):
            transport = transport.build(transport.factory.async_transport, connections)
        if not self.insecure:
            transport = AsyncGuardedTransport(transport, connections)
        made: AsyncTransport = wrapped(self.hooks.wrap_async_transport, "wrap_async_transport", transport)
        return made

    def engine(
        self,
        method: str,
        url: str,
        headers: HeaderTypes,
        json: Any,
        content: bytes,
        timeouts: Timeouts | None,
        request_id: str | None,
        *,
        plain: bool = False,
    ) -> Engine:
        """Return the engine of one call, which expects a stream or, with `plain`, a whole answer.

        Raises ConfigurationError for a request that cannot be sent, and with `plain` for one that asks for a stream.
        """
        call_id = checked_id(request_id)
        request = Request.build(
            method,
            url,
            headers=self._asking(plain=plain).merged(Headers.validated(headers)),
            json=json,
            content=content,
            timeouts=timeouts,
            idempotency_key=call_id,
            stream=not plain,
        )
        if plain and self.dialect.asks_for_stream(request):
            hint = self.dialect.whole_answer_hint
            raise ConfigurationError.of(Problem("json", f"asks for a stream; use `stream` for it, or {hint}"))
        return self.engine_of(
            request, self.dialect, Mode(commit="complete" if plain else self.commit, plain=plain), call_id
        )

    def _asking(self, *, plain: bool) -> Headers:
        """Return the headers of the client and, for a stream that is not SSE, the ``Accept`` of its dialect."""
        accepted = self.dialect.media_types
        if plain or accepted == _SSE or "accept" in self.headers:
            return self.headers
        return self.headers.merged([("Accept", ", ".join(accepted))])

    def engine_of(self, request: Request, dialect: Dialect, mode: Mode, call_id: str) -> Engine:
        """Return the engine of one call for a request that is sent as it is, but for what its dialect knows of it."""
        if request.repeatable and not dialect.repeatable(request):
            request = evolve(request, repeatable=False)
        if request.timeouts is None and dialect.is_feed(request):
            request = request.with_timeouts(_OF_A_FEED)
        call = Call(call_id, request, dialect, self.clock, self.clock.monotonic())
        return Engine(call, self.hooks, self.limits, mode, self.closing)


class Prepared(Single):
    """The base class of clients and relays, which make calls as their setup says."""

    _setup: Setup
    _instead: ClassVar[str] = (
        "it owns connections; share one between threads and tasks, and make another in each new process"
    )

    def __repr__(self) -> str:
        setup = self.__dict__.get("_setup")  # missing in a constructor that failed, which a debugger may show
        return f"<{type(self).__name__}{'' if setup is None else setup.facts()}>"


@define
class _Checks:
    """Collects the problems of several arguments, so that one error can list them all."""

    problems: list[Problem] = field(factory=list[Problem])

    def take(self, build: Callable[[], T]) -> T:
        """Return the result of `build`. If it raises ConfigurationError, keep its problems and return None."""
        try:
            return build()
        except ConfigurationError as error:
            self.problems += error.problems
            return cast("T", None)


def _refuse_eventlet() -> None:
    """Raise ConfigurationError if eventlet has replaced the sockets of this process. Imports nothing."""
    patcher: Any = sys.modules.get("eventlet.patcher")
    is_patched = getattr(patcher, "is_monkey_patched", None)
    if is_patched is not None and is_patched("socket"):
        message = "has replaced the sockets of this process, and no call would work; use threads or asyncio instead"
        raise refused("eventlet.monkey_patch()", message)


def _chosen(transport: Any, resolved: Resolved | None) -> Any:
    """Return the object, or what its name stands for: the argument goes before all other sources."""
    if isinstance(transport, str):
        given: Given | None = Given(transport)
    elif transport is not None or resolved is None:
        return transport
    else:
        given = resolved.transport
    if given is None or given.value == DEFAULT_TRANSPORT:
        return None
    return NamedTransport(given.value, *resolve_transport(given))


def _allowed(insecure: Any, resolved: Resolved | None) -> bool:
    """Return the argument, or what another source says in its place."""
    if insecure is not None and not isinstance(insecure, bool):
        raise refused("insecure", f"must be True, False or None, not {shown(insecure)}")
    if insecure is None and resolved is not None and resolved.insecure is not None:
        return bool(resolved.insecure.value)
    return bool(insecure)


def _compiled(resolved: Resolved | None, clock: Clock) -> Hooks:
    if resolved is None:  # what is wrong with it has been said
        return compile_hooks([], clock)
    return evolve(compile_hooks(resolved.plugins, clock), left_out=resolved.left_out)


def _checked_commit(commit: Commit) -> Commit:
    if commit not in get_args(Commit):
        raise refused("commit", f"must be content, first-event or complete, not {shown(commit)}")
    return commit


def wrapped(bounds: Sequence[Bound], hook: str, transport: Any) -> Any:
    """Return `transport` wrapped by the plugins, the innermost first. Raises PluginError if one of them fails."""
    for function, plugin in reversed(bounds):
        try:
            transport = function(transport)
        except Exception as error:
            raise plugin_error(plugin, hook, f"raised {type(error).__name__}") from error
        if not hasattr(transport, "open"):
            raise plugin_error(plugin, hook, f"returned {type(transport).__name__}")
    return transport


def checked_id(request_id: Any) -> str:
    if request_id is None:
        return f"req_{os.urandom(16).hex()}"
    fits = isinstance(request_id, str) and 0 < len(request_id) <= 128
    if not fits or not request_id.isascii() or not request_id.isprintable():
        raise ConfigurationError.of(Problem("request_id", "must be 1 to 128 printable ASCII characters"))
    return str(request_id)
