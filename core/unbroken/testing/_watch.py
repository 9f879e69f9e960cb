"""Detects what a plugin does in its hooks although it may not."""

import logging
import os
import random
import sys
import threading
import time
import weakref
from collections.abc import Callable, Generator
from contextlib import contextmanager
from types import FrameType
from typing import Any, Final

import attrs
from attrs import define, field

from .._engine.hooks import HOOKS, Bound, Hooks
from ..call import Call
from ..decisions import Reject, TryAgain
from ..errors import Error

# Audit events (PEP 578) of operations that block or do I/O.
_FORBIDDEN: Final = frozenset(
    {
        "builtins.input", "fcntl.flock", "fcntl.lockf", "open", "os.exec", "os.fork", "os.listdir", "os.mkdir",
        "os.posix_spawn", "os.remove", "os.rename", "os.rmdir", "os.scandir", "os.spawn", "os.system", "socket.bind",
        "socket.connect", "socket.getaddrinfo", "socket.gethostbyname", "socket.sendmsg", "socket.sendto",
        "sqlite3.connect", "subprocess.Popen", "time.sleep", "urllib.Request",
    }
)  # fmt: skip

_OUTSIDE: Final[tuple[tuple[Any, str], ...]] = (
    *((time, name) for name in ("monotonic", "monotonic_ns", "perf_counter", "perf_counter_ns", "time", "time_ns")),
    *((random, name) for name in ("choice", "expovariate", "gauss", "randint", "random", "randrange", "uniform")),
    (os, "urandom"),
    (time, "sleep"),  # audited since Python 3.13 only
)  # fmt: skip

NEIGHBOUR: Final = "contract-neighbour"
"""The name of plugins that are not watched."""

# Hooks whose result is not used. The engine only logs one, so the watch notes it.
_ANSWERLESS: Final = ("on_usage", "on_commit", "after_request", "on_finish", "on_decision")

_MOST_ATTEMPTS: Final = 100
"""Attempts of one call after which trying again without a delay is a breach."""

_REACHES: Final = "does I/O or sleeps"

_here = threading.local()
_hooked = threading.Lock()
_installed: list[bool] = []


@define(eq=False)
class Interrupt:
    """Counts the lines that run inside hooks, and calls `action` just before the one whose count is `at`."""

    at: int = 0
    action: Callable[[], object] | None = None
    lines: int = 0

    def trace(self, frame: FrameType, event: str, argument: object) -> Any:  # pragma: no cover  # traces, untraced
        """The trace function for `sys.settrace`. It traces the hook and every function that the hook calls."""
        if event == "line":
            self.lines += 1
            action = self.action
            if self.lines == self.at and action is not None:
                self.action = None
                action()
        return self.trace


@define(eq=False)
class Watch:
    """Notes the breaches of the contract by a plugin."""

    problems: list[str] = field(factory=list[str])
    interrupt: Interrupt | None = None
    progress: int = 0
    """The number of hooks that have started. Threads that wait forever do not change it."""
    # Plain dicts: a WeakSet that several threads add to at a time may raise.
    _calls: dict[int, weakref.ref[Call]] = field(factory=dict[int, weakref.ref[Call]])
    _errors: dict[int, weakref.ref[Error]] = field(factory=dict[int, weakref.ref[Error]])

    def note(self, problem: str) -> None:
        """Add `problem` unless it is there already."""
        if problem not in self.problems:
            self.problems.append(problem)

    def forget_calls(self) -> None:
        """Forget the calls that were passed to hooks so far."""
        self._calls.clear()

    def calls_are_kept(self) -> bool:
        """Return whether a call that was passed to a hook still has references."""
        return any(reference() is not None for reference in list(self._calls.values()))

    def forget_tracebacks(self) -> None:
        """Clear the tracebacks of rejections. Their frames refer to the call, which is not the plugin's fault."""
        for reference in list(self._errors.values()):
            error = reference()
            if error is not None:
                error.__traceback__ = None

    def watched(self, hooks: Hooks) -> Hooks:
        """Return `hooks` with every function wrapped that may not do I/O."""
        changed: dict[str, Any] = {
            hook: tuple(self._wrap(hook, bound) for bound in getattr(hooks, hook))
            for hook in HOOKS
            if not hook.startswith("wrap_")
        }
        by_type = {
            kind: tuple(self._wrap("on_event", bound) for bound in bounds)
            for kind, bounds in hooks.on_event_by_type.items()
        }
        wrappers = tuple(map(self._wrap_wrapper, hooks.retry_wrappers))
        return attrs.evolve(hooks, on_event_by_type=by_type, retry_wrappers=wrappers, **changed)

    def _wrap(self, hook: str, bound: Bound) -> Bound:
        function, name = bound
        if name == NEIGHBOUR:
            return bound

        def watched(*payload: Any) -> Any:
            self._calls[id(payload[0])] = weakref.ref(payload[0])
            with self._within(hook):
                answer = function(*payload)
            self._judge(hook, answer)
            return self._bounded(payload[0], answer)

        return watched, name

    def _wrap_wrapper(self, bound: Bound) -> Bound:
        function, name = bound

        def watched(*payload: Any) -> Generator[Any, Any, Any]:
            wrapper = function(*payload)
            with self._within("should_retry"):
                yielded = next(wrapper)
            answer = yield yielded
            with self._within("should_retry"):
                try:
                    yielded = wrapper.send(answer)
                except StopIteration as end:
                    return self._bounded(payload[0], end.value)
            yield yielded

        return watched, name

    def _bounded(self, call: Call, answer: Any) -> Any:
        """Return `answer`, but None for one that would try again for ever."""
        if isinstance(answer, TryAgain) and not answer.delay and call.attempts >= _MOST_ATTEMPTS:
            self.note(f"should_retry tries again at once after {_MOST_ATTEMPTS} attempts: an endless retry")
            return None
        return answer

    @contextmanager
    def _within(self, hook: str) -> Generator[None, None, None]:
        outer: tuple[Watch, str] | None = getattr(_here, "watch", None)  # set if another call was ended inside a hook
        _here.watch = (self, hook)
        self.progress += 1
        interrupt = self.interrupt if outer is None else None
        traced = sys.gettrace()
        if interrupt is not None:
            try:  # noqa: SIM105  # see below
                sys.settrace(interrupt.trace)
            except RuntimeError:  # pragma: no cover
                pass
        try:
            yield
        except Exception as error:
            self.note(f"{hook} raised {type(error).__name__}: {error}")
            raise
        finally:
            # In any case, and without calling anything written in Python: coverage's tracer would lose its place.
            try:  # noqa: SIM105
                sys.settrace(traced)
            except RuntimeError:  # pragma: no cover  # before Python 3.12, if another thread is doing the same
                pass
            _here.watch = outer

    def _judge(self, hook: str, answer: object) -> None:
        if hook in _ANSWERLESS and answer is not None:
            self.note(f"{hook} returned {type(answer).__name__}; its answer goes nowhere")
        if isinstance(answer, Reject):
            known = self._errors.get(id(answer.error))
            if known is not None and known() is answer.error:
                self.note(f"{hook} rejects several times with one error object: the engine writes into it")
            self._errors[id(answer.error)] = weakref.ref(answer.error)


@contextmanager
def watching() -> Generator[None, None, None]:
    """Note every use of I/O, sleep, system time and system randomness by a watched hook while the context lasts."""
    with _hooked:
        if not _installed:
            # An audit hook cannot be removed. It is called for every audit event of the process, also when no other
            # thread may run: before Python 3.12, two threads cannot start tracing at the same time. A look-up by a
            # method of dict itself neither runs Python code nor allocates what could start a collection.
            _installed.append(True)
            auditor: Any = dict.fromkeys(map(_Forbidden, _FORBIDDEN))
            sys.addaudithook(auditor.get)
    originals = [(module, name, getattr(module, name)) for module, name in _OUTSIDE]
    for module, name, original in originals:
        setattr(module, name, _noting(f"{module.__name__}.{name}", original))
    # The engine's log is off meanwhile: the watch notes the same bugs.
    logger = logging.getLogger("unbroken")
    disabled, logger.disabled = logger.disabled, True
    try:
        yield
    finally:
        logger.disabled = disabled
        for module, name, original in originals:
            setattr(module, name, original)


class _Forbidden(str):
    """The name of an audit event that notes a breach when it is looked up."""

    __slots__ = ()
    __hash__ = str.__hash__

    def __eq__(self, event: object) -> bool:  # pragma: no cover  # Python does not trace audit hooks
        same = str.__eq__(self, event)
        if same:
            _note(f"{_REACHES}: {self}")
        return same


def _noting(name: str, original: Callable[..., Any]) -> Callable[..., Any]:
    def noted(*arguments: Any, **named: Any) -> Any:
        forbidden = name in _FORBIDDEN
        _note(f"{_REACHES}: {name}" if forbidden else f"takes time or chance from {name}, not from the call")
        return original(*arguments, **named)

    return noted


def _note(what: str) -> None:
    current: tuple[Watch, str] | None = getattr(_here, "watch", None)
    if current is not None:
        watch, hook = current
        watch.note(f"{hook} {what}")
