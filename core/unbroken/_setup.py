"""The common part of the sync client and the async client."""

from collections.abc import Callable, Sequence
from typing import Any, ClassVar, Final, Never, Self

from attrs import define, evolve, field

from ._arguments import (
    DEFAULT_TRANSPORT,
    Checks,
    NamedTransport,
    allowed,
    checked_commit,
    checked_id,
    chosen,
    compiled,
    refuse_changed,
    refuse_eventlet,
    refuse_others,
    wrapped,
)
from ._engine.closing import Closing
from ._engine.commit_buffer import Commit
from ._engine.delivery import Mode
from ._engine.engine import Engine
from ._engine.hooks import Hooks
from ._single import Single
from .call import Call
from .clock import Clock, SystemClock
from .config import ConfigSource
from .dialect import Dialect
from .errors import ConfigurationError, Problem
from .framing import Limits
from .headers import Headers, HeaderTypes
from .inbox import Inbox
from .messages import Request, Timeouts
from .plain_http import AsyncGuardedTransport, GuardedTransport
from .registry import resolve, resolve_dialect
from .secrets import clearing_locals
from .transport import Connections, closed

Plugins = Sequence[object] | None
_SSE: Final = Dialect().media_types
_OF_A_FEED: Final = Timeouts(first_event=None, idle=None, quiet=None)


@define(eq=False)
class Setup:
    """A client: arguments checked, names resolved, hooks compiled. Calls keep the one with which they began."""

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
    arguments: dict[str, Any]
    """The settings of the client that a file or the environment may have too, as they were given in Python."""
    closing: Closing = field(factory=Closing)
    changes: Inbox = field(factory=Inbox)
    """Changes of the configuration, one at a time."""
    wire: Any = None
    """The transport that plugins have not wrapped."""
    sends: Any = None
    """The transport of the calls: a `Transport` or an `AsyncTransport`."""
    wraps: str = ""
    """The hook that wraps it."""
    replaced: tuple[Any, ...] = ()
    """Transports with which earlier calls began, as other plugins had wrapped them. They are closed with the client."""

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
        checks = Checks()
        checks.take(refuse_eventlet)
        time = SystemClock() if clock is None else clock
        resolved = checks.take(lambda: resolve(plugins, config))
        setup = cls(
            hooks=checks.take(lambda: compiled(resolved, time)),
            dialect=checks.take(lambda: Dialect() if dialect is None else resolve_dialect(dialect)),
            clock=time,
            headers=checks.take(lambda: Headers.validated(headers)),
            commit=checks.take(lambda: checked_commit(commit)),
            limits=checks.take(lambda: Limits(max_event_size=max_event_size)),
            transport=checks.take(lambda: chosen(transport, resolved)),
            insecure=checks.take(lambda: allowed(insecure, resolved)),
            arguments={"transport": transport, "insecure": insecure},
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

    def sync_transport(self, connections: Connections) -> Self:
        """Add the transport of a `Client`, wrapped by the plugins. Raises ConfigurationError and PluginError."""
        return self._connected(connections, "sync_transport", GuardedTransport)._wrapped("wrap_transport")

    def async_transport(self, connections: Connections) -> Self:
        """Add the transport of an `AsyncClient`; see `sync_transport`."""
        return self._connected(connections, "async_transport", AsyncGuardedTransport)._wrapped("wrap_async_transport")

    def _connected(self, connections: Connections, kind: str, guarded: Callable[[Any, Connections], Any]) -> Self:
        transport = self.transport
        if transport is None:
            from ._wire import WireFactory

            transport = getattr(WireFactory(), kind)(connections)
        elif isinstance(transport, NamedTransport):
            transport = transport.build(getattr(transport.factory, kind), connections)
        self.wire = transport if self.insecure else guarded(transport, connections)
        return self

    def _wrapped(self, hook: str) -> Self:
        self.wraps, self.sends = hook, wrapped(getattr(self.hooks, hook), hook, self.wire)
        return self

    @property
    def transports(self) -> tuple[Any, ...]:
        """All transports that calls may still use, for closing them."""
        return (self.sends, *self.replaced)

    def changed(self, plugins: Plugins, config: ConfigSource) -> "Setup":
        """Return a setup with other plugins around the same connections. Raises ConfigurationError and PluginError."""
        present = self.hooks.binding
        resolved = resolve(plugins, config, present=present.plugins)
        refuse_changed(resolved, self.arguments, {"transport": self._transport_name(), "insecure": self.insecure})
        hooks = compiled(resolved, self.clock, present)
        if getattr(hooks, self.wraps) == getattr(self.hooks, self.wraps):
            return evolve(self, hooks=hooks)
        replaced = self.replaced if self.sends is self.wire else self.transports
        try:
            return evolve(self, hooks=hooks, replaced=replaced)._wrapped(self.wraps)
        except BaseException:
            hooks.binding.release()
            raise

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

    @property
    def _transport(self) -> Any:
        return self._setup.sends

    @clearing_locals
    def reconfigure(self, plugins: Plugins = None, *, config: ConfigSource = None, **others: Never) -> None:
        """Replace the policies while calls go on; connections stay open. It may be called from any thread.

        The arguments mean what they mean in the constructor, and None again is the configured or the default list:
        ``reconfigure()`` reads the file and the environment again. Calls that began before end under the policies with
        which they began, retries included. A plugin object that is in the new list too simply stays, as does a plugin
        that is named with the settings that it has. Any other takes over the state of a present one of the same name
        and class if it can: circuits that are open, what is left of limits and budgets, and the calls that wait.

        Raises ConfigurationError that lists what is wrong, also for any other argument, PluginError for a plugin that
        cannot wrap the transport, and NetworkError if it is closed. Then nothing has changed. Do not call it in a hook
        or a signal handler, which may interrupt a change of the state that is to be taken over.
        """
        refuse_others(type(self), others)
        self._setup.changes.do(self._reconfigure, plugins, config)

    def _reconfigure(self, plugins: Plugins, config: ConfigSource) -> None:
        setup = self._setup
        if setup.closing.closed:
            raise closed()
        changed = setup.changed(plugins, config)
        changed.hooks.binding.take_over(setup.hooks.binding)
        self._setup = changed  # one assignment, so that each call has hooks and a transport that belong together

    def __repr__(self) -> str:
        setup = self.__dict__.get("_setup")  # missing in a constructor that failed, which a debugger may show
        return f"<{type(self).__name__}{'' if setup is None else setup.facts()}>"
