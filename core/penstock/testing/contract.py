"""Holding a plugin to the contract of plugin authors (`penstock.hookspecs`)."""

import random
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import attrs
from attrs import define, field

from .._hooks import HOOKS, Bound, Hooks, compile_hooks
from ..client import Client
from ..decisions import Reject
from ..dialect import CONTENT, ERROR, PREAMBLE, TERMINAL, Dialect, Kind
from ..errors import (
    ConfigurationError,
    NetworkError,
    PenstockError,
    PluginError,
    ValidationError,
)
from ..messages import Event, Request, Timeouts
from ..plugin import Plugin
from .clock import FakeClock
from .script import STALL, Reply, sse
from .transport import ScriptedTransport

_here = threading.local()
_FORBIDDEN = (
    "open",
    "socket.connect",
    "socket.getaddrinfo",
    "socket.sendto",
    "subprocess.Popen",
    "time.sleep",
    "os.system",
)
_hooked = threading.Lock()
_installed: list[bool] = []


class ContractDialect(Dialect):
    """The dialect of the scenarios: an event of each kind."""

    name = "contract"
    has_terminal_event = True
    _kinds = {"start": PREAMBLE, "stop": TERMINAL, "error": ERROR}

    def classify(self, event: Event) -> Kind:
        """Look the type up."""
        return self._kinds.get(event.type, CONTENT)


_GOOD = sse(("start", "{}"), ("delta", "{}"), ("delta", "{}"), ("stop", "{}"))
_PART = sse(("start", "{}"), ("delta", "{}"))

# What happens to the plugin: every way in which an attempt can end.
SCENARIOS: dict[str, tuple[Reply, ...]] = {
    "success": (Reply(body=_GOOD),),
    "server error": (Reply(status=503),),
    "throttled": (Reply(status=429, headers={"retry-after": "1"}),),
    "refused request": (Reply(status=400),),
    "no connection": (Reply(failure=NetworkError("refused")),),
    "broken stream": (Reply(body=(_PART, NetworkError("reset"))),),
    "truncated stream": (Reply(body=_PART),),
    "error in the stream": (Reply(body=sse(("error", "{}"))),),
    "stalled stream": (Reply(body=(_PART, STALL)),),
    "not a stream": (Reply(headers={"content-type": "text/html"}, body=b"<html>"),),
}


@define(eq=False)
class _Watch:
    """Notes what a plugin does that it may not."""

    problems: list[str] = field(factory=list)
    before: int = 0
    after: int = 0

    def wrap(self, hook: str, bound: Bound) -> Bound:
        function, name = bound

        def watched(*payload: Any) -> Any:
            _here.watch = (self, hook)
            try:
                return function(*payload)
            except Exception as error:
                self.note(f"{hook} raised {type(error).__name__}: {error}")
                raise
            finally:
                _here.watch = None

        return watched, name

    def note(self, problem: str) -> None:
        if problem not in self.problems:
            self.problems.append(problem)


def check_plugin(make: Callable[[], object], *, held: Callable[[Any], int] | None = None) -> None:
    """Hold the plugin that `make` builds to the contract. Raises AssertionError that lists every breach.

    It goes through attempts that end in every way, in one thread and in several, before and behind other plugins: it
    must not raise, return what a hook may not return, block, do I/O, or take time and chance from anywhere but the
    call. `held` says how many things (probes, slots, tokens) the plugin has handed out: 0 is expected after each call.
    """
    watch = _Watch()
    try:
        hooks = compile_hooks([make()])
    except ConfigurationError as error:
        raise AssertionError(f"it cannot be used: {error}") from None
    if not any(getattr(hooks, hook) for hook in HOOKS) and not hooks.on_event_by_type:
        watch.note("implements no hook at all: are the methods spelled as in penstock.hookspecs?")
    _audit()
    with _real_time_noted():
        for name in SCENARIOS:
            plugin = make()
            _play(name, [plugin], watch)
            _expect_nothing_held(plugin, held, f"after {name}", watch)
        _check_neighbours(make, held, watch)
        _check_threads(make, held, watch)
        _check_repeatable(make, watch)
    assert not watch.problems, "the contract of plugins is broken:\n" + "\n".join(
        f"- {p}" for p in watch.problems
    )


def _play(
    name: str, plugins: list[object], watch: _Watch, *, leave_after: int | None = None, calls: int = 1
) -> list[str]:
    """Make calls in which `name` happens, over and over. Returns the trace of what came of them."""
    clock = FakeClock()
    replies = SCENARIOS[name]
    transport = ScriptedTransport(lambda _: replies[0], clock)
    client = Client(plugins, transport=transport, clock=clock, dialect=ContractDialect())
    client._setup.hooks = _watched(client._setup.hooks, watch)
    trace: list[str] = []
    timeouts = Timeouts(connect=1, first_event=5, idle=5, total=600)
    for number in range(calls):
        stream = client.stream(
            "POST", "https://api.example.org/x", json={}, timeouts=timeouts, request_id=f"call-{number}"
        )
        try:
            with stream:
                for count, event in enumerate(stream, 1):
                    trace.append(event.type)
                    if count == leave_after:
                        break
        except PenstockError as error:
            if isinstance(error, PluginError):
                watch.note(f"{error.message} ({name})")
            trace.append(type(error).__name__)
        trace.append(f"{clock.monotonic():.6f}")
    if transport.open_exchanges:
        watch.note(f"a connection was left open after {name}")
    return trace


def _watched(hooks: Hooks, watch: _Watch) -> Hooks:
    changed: dict[str, Any] = {
        hook: tuple(watch.wrap(hook, bound) for bound in getattr(hooks, hook))
        for hook in HOOKS
        if not hook.startswith("wrap_")
    }
    by_type = {
        kind: tuple(watch.wrap("on_event", b) for b in bounds)
        for kind, bounds in hooks.on_event_by_type.items()
    }
    return attrs.evolve(hooks, on_event_by_type=by_type, **changed)


class _Refuses(Plugin):
    """A neighbour that rejects every attempt."""

    name = "contract-refuses"

    def before_request(self, call: Any, request: Request) -> Reject:
        return Reject(ValidationError("no"))


def _check_neighbours(make: Callable[[], object], held: Callable[[Any], int] | None, watch: _Watch) -> None:
    """Rejected behind it and in front of it, and left in the middle of a stream."""
    for place, order in (("in front of", 1), ("behind", -1)):
        plugin = make()
        _play("success", [plugin, _Refuses()][::order], watch)
        _expect_nothing_held(plugin, held, f"{place} a plugin that rejects", watch)
    plugin = make()
    _play("success", [plugin], watch, leave_after=1)
    _expect_nothing_held(plugin, held, "after the consumer left", watch)


def _check_threads(make: Callable[[], object], held: Callable[[Any], int] | None, watch: _Watch) -> None:
    """One object, many threads."""
    plugin = make()
    threads = [
        threading.Thread(target=_play, args=(name, [plugin], watch), kwargs={"calls": 5})
        for name in ("success", "server error", "broken stream", "success")
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    _expect_nothing_held(plugin, held, "after calls in several threads", watch)


def _check_repeatable(make: Callable[[], object], watch: _Watch) -> None:
    """The same calls on the same clock and seed give the same trace."""
    for name in ("server error", "throttled"):
        if _play(name, [make()], watch, calls=3) != _play(name, [make()], watch, calls=3):
            watch.note(
                f"two runs of {name} on the same clock and seed differ: time or chance is not the call's"
            )


def _expect_nothing_held(plugin: object, held: Callable[[Any], int] | None, when: str, watch: _Watch) -> None:
    if held is not None and (count := held(plugin)):
        watch.note(f"{count} taken and not given back {when}")


def _audit() -> None:
    """Let the interpreter tell of I/O and sleeping (PEP 578); a hook like this cannot be taken out again."""
    with _hooked:
        if not _installed:
            _installed.append(True)
            sys.addaudithook(_on_audit)


def _on_audit(event: str, arguments: tuple[Any, ...]) -> None:
    if event in _FORBIDDEN:
        current: tuple[_Watch, str] | None = getattr(_here, "watch", None)
        if current is not None:
            current[0].note(f"{current[1]} does I/O or sleeps: {event}")


@contextmanager
def _real_time_noted() -> Iterator[None]:
    """Note who reads the machine's clocks or chance within a hook."""
    places = [
        (time, "monotonic"),
        (time, "time"),
        (time, "perf_counter"),
        (random, "random"),
        (random, "uniform"),
    ]
    originals = [(module, name, getattr(module, name)) for module, name in places]
    for module, name, original in originals:
        setattr(module, name, _noting(f"{module.__name__}.{name}", original))
    try:
        yield
    finally:
        for module, name, original in originals:
            setattr(module, name, original)


def _noting(name: str, original: Callable[..., Any]) -> Callable[..., Any]:
    def noted(*arguments: Any) -> Any:
        current: tuple[_Watch, str] | None = getattr(_here, "watch", None)
        if current is not None:
            current[0].note(f"{current[1]} takes time or chance from {name}, not from the call")
        return original(*arguments)

    return noted
