"""What the blocking and the awaiting client are built from."""

import os
from collections.abc import Callable, Sequence
from typing import Any, Literal, TypeVar, cast, get_args

from attrs import define, evolve, field

from ._engine.closing import Closing
from ._engine.commit_buffer import Limits
from ._engine.engine import Engine
from ._engine.hook_calls import plugin_error
from ._engine.hooks import Bound, Hooks, compile_hooks
from .call import Call
from .clock import Clock, SystemClock
from .config import ConfigSource
from .dialect import Dialect
from .errors import ConfigurationError, Problem
from .headers import Headers, HeaderTypes
from .messages import Request, Timeouts
from .registry import Resolved, resolve, resolve_dialect
from .validators import refused, shown

Commit = Literal["content", "first-event"]
Plugins = Sequence[object] | None
T = TypeVar("T")


@define(eq=False)
class Setup:
    """A client without its transport: checked, resolved, compiled."""

    hooks: Hooks
    dialect: Dialect
    clock: Clock
    headers: Headers
    hold: bool
    limits: Limits
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
    ) -> "Setup":
        """Resolve names to objects. Raises ConfigurationError for everything that is wrong."""
        checks = _Checks()
        time = SystemClock() if clock is None else clock
        setup = cls(
            hooks=checks.take(lambda: _compiled(resolve(plugins, config), time)),
            dialect=checks.take(lambda: Dialect() if dialect is None else resolve_dialect(dialect)),
            clock=time,
            headers=checks.take(lambda: Headers.validated(headers)),
            hold=checks.take(lambda: _holds(commit)),
            limits=checks.take(lambda: Limits(max_event_size=max_event_size)),
        )
        if checks.problems:
            raise ConfigurationError.of(*checks.problems)
        return setup

    def describe(self) -> str:
        """Return the resolved pipeline as text."""
        return f"dialect: {self.dialect.name}\n{self.hooks.describe()}"

    def engine(
        self,
        method: str,
        url: str,
        headers: HeaderTypes,
        json: Any,
        content: bytes,
        timeouts: Timeouts | None,
        request_id: str | None,
    ) -> Engine:
        """Make the engine of one call. Raises ConfigurationError for a request that cannot be sent."""
        call_id = _checked_id(request_id)
        request = Request.build(
            method,
            url,
            headers=self.headers.merged(Headers.validated(headers)),
            json=json,
            content=content,
            timeouts=timeouts,
            idempotency_key=call_id,
        )
        call = Call(call_id, request, self.dialect, self.clock, self.clock.monotonic())
        return Engine(call, self.hooks, self.limits, self.hold, self.closing)


@define
class _Checks:
    """Collects what is wrong with several values, so that all of it is said at once."""

    problems: list[Problem] = field(factory=list[Problem])

    def take(self, build: Callable[[], T]) -> T:
        """Return what `build` makes; something useless when it raises a ConfigurationError."""
        try:
            return build()
        except ConfigurationError as error:
            self.problems += error.problems
            return cast("T", None)


def _compiled(resolved: Resolved, clock: Clock) -> Hooks:
    return evolve(compile_hooks(resolved.plugins, clock), left_out=resolved.left_out)


def _holds(commit: str) -> bool:
    if commit not in get_args(Commit):
        raise refused("commit", f"must be content or first-event, not {shown(commit)}")
    return commit == "content"


def wrapped(bounds: Sequence[Bound], hook: str, transport: Any) -> Any:
    """Let the plugins wrap the transport, the innermost first. Raises PluginError."""
    for function, plugin in reversed(bounds):
        try:
            transport = function(transport)
        except Exception as error:
            raise plugin_error(plugin, hook, f"raised {type(error).__name__}") from error
        if not hasattr(transport, "open"):
            raise plugin_error(plugin, hook, f"returned {type(transport).__name__}")
    return transport


def _checked_id(request_id: Any) -> str:
    if request_id is None:
        return f"req_{os.urandom(16).hex()}"
    fits = isinstance(request_id, str) and 0 < len(request_id) <= 128
    if not fits or not request_id.isascii() or not request_id.isprintable():
        raise ConfigurationError.of(Problem("request_id", "must be 1 to 128 printable ASCII characters"))
    return str(request_id)
