"""The arguments of a client, checked: each function returns what an argument stands for, or raises."""

import inspect
import os
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final, TypeVar, cast, get_args

from attrs import define, evolve, field, frozen

from ._engine.binding import UNBOUND, Binding
from ._engine.commit_buffer import Commit
from ._engine.hook_calls import plugin_error
from ._engine.hooks import Bound, Hooks, compile_hooks
from .clock import Clock
from .config import Given
from .errors import ConfigurationError, Problem
from .registry import Discovered, Resolved, resolve_transport
from .transport import Connections, TransportFactory
from .validators import nearest, refused, shown

T = TypeVar("T")

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


@define
class Checks:
    """Collects the problems of several arguments, so that one error can list them all."""

    problems: list[Problem] = field(factory=list[Problem])

    def take(self, build: Callable[[], T]) -> T:
        """Return the result of `build`. If it raises ConfigurationError, keep its problems and return None."""
        try:
            return build()
        except ConfigurationError as error:
            self.problems += error.problems
            return cast("T", None)


def refuse_eventlet() -> None:
    """Raise ConfigurationError if eventlet has replaced the sockets of this process. Imports nothing."""
    patcher: Any = sys.modules.get("eventlet.patcher")
    is_patched = getattr(patcher, "is_monkey_patched", None)
    if is_patched is not None and is_patched("socket"):
        message = "has replaced the sockets of this process, and no call would work; use threads or asyncio instead"
        raise refused("eventlet.monkey_patch()", message)


def chosen(transport: Any, resolved: Resolved | None) -> Any:
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


def allowed(insecure: Any, resolved: Resolved | None) -> bool:
    """Return the argument, or what another source says in its place."""
    if insecure is not None and not isinstance(insecure, bool):
        raise refused("insecure", f"must be True, False or None, not {shown(insecure)}")
    if insecure is None and resolved is not None and resolved.insecure is not None:
        return bool(resolved.insecure.value)
    return bool(insecure)


def compiled(resolved: Resolved | None, clock: Clock, kept: Binding = UNBOUND) -> Hooks:
    """Return the hooks of the plugins. Raises ConfigurationError."""
    if resolved is None:  # what is wrong with it has been said
        return compile_hooks([], clock)
    return evolve(compile_hooks(resolved.plugins, clock, kept), left_out=resolved.left_out)


def refuse_others(owner: type, names: Iterable[str]) -> None:
    """Raise ConfigurationError for the arguments of `reconfigure` that it does not have."""
    fixed = inspect.signature(owner).parameters
    problems = [
        Problem(name, "cannot be changed in a running client; make a new one")
        if name in fixed
        else Problem(name, f"is not an argument of reconfigure{nearest(name, ('plugins', 'config', *fixed))}")
        for name in names
    ]
    if problems:
        raise ConfigurationError.of(*problems)


def refuse_changed(resolved: Resolved, arguments: Mapping[str, object], used: Mapping[str, object]) -> None:
    """Raise ConfigurationError if settings were read that change more of a client than its plugins.

    Its `arguments` go before them. `used` is what it uses.
    """
    named = DEFAULT_TRANSPORT if resolved.transport is None else resolved.transport.value
    wanted = {"transport": named, "insecure": allowed(None, resolved)} if resolved.from_settings else {}
    problems: list[Problem] = []
    for name, value in wanted.items():
        if arguments[name] is None and value != used[name]:
            given: Given | None = getattr(resolved, name)
            message = f"is {shown(value)} now, but the running client uses {shown(used[name])}; make a new one"
            problems.append(Problem(name, message, "" if given is None else given.source))
    if problems:
        raise ConfigurationError.of(*problems)


def checked_commit(commit: Commit) -> Commit:
    """Return `commit`. Raises ConfigurationError for anything else."""
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
    """Return `request_id`, or a random one for None. Raises ConfigurationError for one that cannot be a header."""
    if request_id is None:
        return f"req_{os.urandom(16).hex()}"
    fits = isinstance(request_id, str) and 0 < len(request_id) <= 128
    if not fits or not request_id.isascii() or not request_id.isprintable():
        raise ConfigurationError.of(Problem("request_id", "must be 1 to 128 printable ASCII characters"))
    return str(request_id)
