"""Checks a plugin against the contract of plugin authors (`unbroken.hookspecs`)."""

import gc
import threading
from collections.abc import Callable, Sequence
from typing import Any

from attrs import define, field

from .._engine.hooks import HOOKS, compile_hooks
from ..client import Client
from ..errors import ConfigurationError, Error, PluginError
from ..messages import Timeouts
from ..stream import Stream
from ._scenarios import NEIGHBOURS, SCENARIOS, ContractDialect, Left
from ._stillness import GLANCE, Stillness
from ._watch import NEIGHBOUR, Interrupt, Watch, watching
from .clock import FakeClock
from .playing import play
from .transport import ScriptedTransport

_COLLECTIONS = 20
# The number of lines of a plugin's hooks at which another call is ended, for each scenario.
_INTERRUPTIONS = 20


def check_plugin(make: Callable[[], object], *, held: Callable[[Any], int] | None = None) -> None:
    """Check the plugin that `make` builds against the contract. Raises AssertionError that lists every breach.

    The plugin goes through attempts that end in every way, in one thread and in several, with one call inside another,
    with one call ended inside the hooks of another, in front of and behind other plugins, sync and async. It must not
    raise, return what a hook may not return, block, do I/O, take time or randomness from anywhere but the call, or keep
    a reference to a call that has ended. `held` returns the number of things (probes, slots, tokens) that the plugin
    has handed out; it must be 0 after each call.
    """
    check = _Check(make, held)
    with watching():
        worker = threading.Thread(target=check.run, daemon=True)
        worker.start()
        check.workers.append(worker)
        stillness = Stillness()
        while worker.is_alive() and not stillness.lasts(check.workers, check.watch.progress):
            worker.join(GLANCE)
    if worker.is_alive():
        check.watch.note(f"it does not come to an end in {check.doing}: does a hook wait for a lock, or for ever?")
    if check.bug is not None:
        raise check.bug
    problems = "\n".join(f"- {problem}" for problem in check.watch.problems)
    assert not problems, f"the contract of plugins is broken:\n{problems}"


@define(eq=False)
class _Check:
    """The check of one plugin.

    The message about a plugin that hangs quotes the docstring of the check, up to a colon.
    """

    make: Callable[[], object]
    held: Callable[[Any], int] | None
    watch: Watch = field(factory=Watch)
    workers: list[threading.Thread] = field(factory=list[threading.Thread])
    """The threads in which the check runs."""
    doing: str = ""
    """The check that is running, in words."""
    bug: BaseException | None = None
    """An exception that is not a breach, such as one raised by `make` or `held`."""

    def run(self) -> None:
        """Run all checks."""
        try:
            if self.is_usable():
                checks = (
                    self.endings,
                    self.neighbours,
                    self.interleaved,
                    self.collected,
                    self.threads,
                    self.repeatable,
                    self.awaiting,
                    self.nothing_kept,
                )
                for check in checks:
                    self.doing = str(check.__doc__).partition(":")[0].rstrip(".").lower()
                    check()
        except BaseException as error:  # noqa: BLE001  # raised again in the caller's thread
            self.bug = error

    def is_usable(self) -> bool:
        """Return whether it is a plugin. Notes a plugin without hooks as a problem."""
        try:
            hooks = compile_hooks([self.make()])
        except ConfigurationError as error:
            self.watch.note(f"it cannot be used: {error}")
            return False
        if not any(getattr(hooks, hook) for hook in (*HOOKS, "on_event_by_type", "retry_wrappers")):
            self.watch.note("it implements no hook: are the methods spelled as in unbroken.hookspecs?")
        return True

    def endings(self) -> None:
        """Attempts that end in every way."""
        for name in SCENARIOS:
            plugin = self.make()
            self.play(name, [plugin])
            self.expect_nothing_held(plugin, f"after {name}")
        plugin = self.make()
        self.play("success", [plugin], leave_after=1)
        self.expect_nothing_held(plugin, "after the consumer left")

    def neighbours(self) -> None:
        """Before and behind plugins that reject, break, replay, wait and try again."""
        for what, neighbour in NEIGHBOURS.items():
            for place, order in (("in front of", 1), ("behind", -1)):
                plugin = self.make()
                self.play("server error", [plugin, neighbour][::order])
                self.expect_nothing_held(plugin, f"{place} a plugin that {what}")

    def interleaved(self) -> None:
        """One call in the middle of another, in one thread."""
        plugin = self.make()
        self.play("success", [plugin], meanwhile=lambda: self.play("server error", [plugin]))
        self.expect_nothing_held(plugin, "after one call within another")

    def collected(self) -> None:
        """Calls that end within the hooks of another: the garbage collector may do that at any line."""
        for name in ("success", "server error", "broken stream"):
            counting = Interrupt()
            self.play(name, [self.make()], interrupt=counting)
            for line in range(1, counting.lines + 1, max(1, counting.lines // _INTERRUPTIONS)):
                plugin, clock = self.make(), FakeClock()
                end = self.begun(plugin, clock)
                self.play(name, [plugin], clock=clock, interrupt=Interrupt(line, end))
                end()
                self.expect_nothing_held(plugin, f"after {name}, with another call ended in the middle of a hook")

    def begun(self, plugin: object, clock: FakeClock) -> Callable[[], None]:
        """Begin a call of another client. Returns a function that ends the call as the garbage collector would."""
        transport = ScriptedTransport(SCENARIOS["success"], clock)
        client = Client([plugin], transport=transport, clock=clock, dialect=ContractDialect())
        client._setup.hooks = self.watch.watched(client._setup.hooks)
        stream = client.stream("POST", "https://api.example.org/x", request_id="abandoned")
        try:
            next(stream.__enter__(), None)
        except Error:  # the effect of the plugin on an ordinary call is checked elsewhere
            return lambda: None
        driver = stream._driver
        assert driver is not None
        return driver.drop

    def threads(self) -> None:
        """One object, many threads."""
        plugin = self.make()
        threads = [
            threading.Thread(target=self.play, args=(name, [plugin]), kwargs={"calls": 5}, daemon=True)
            for name in ("success", "server error", "broken stream", "success")
        ]
        self.workers += threads
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.expect_nothing_held(plugin, "after calls in several threads")

    def repeatable(self) -> None:
        """The same calls on the same clock and seed give the same trace."""
        for name in ("server error", "throttled"):
            if self.play(name, [self.make()], calls=3) != self.play(name, [self.make()], calls=3):
                self.watch.note(
                    f"two runs of {name} on the same clock and seed differ: time or chance is not the call's"
                )

    def awaiting(self) -> None:
        """A call of the async client."""
        plugin = self.make()
        try:
            played = play(SCENARIOS["success"], [plugin], backend="asyncio", dialect=ContractDialect())
        except PluginError as error:
            self.watch.note(error.message)
        else:
            if isinstance(played.error, PluginError):
                self.watch.note(f"{played.error.message} (awaiting)")
        self.expect_nothing_held(plugin, "after an awaiting call")

    def nothing_kept(self) -> None:
        """Calls that have ended: the plugin must not keep a reference to them."""
        plugin = self.make()
        for name in ("success", "server error"):
            self.watch.forget_calls()
            self.play(name, [plugin])
            self.watch.forget_tracebacks()
            if not self.calls_are_gone():
                self.watch.note("it keeps a call after its end: what belongs to a call lives in call.set(Key)")

    def calls_are_gone(self) -> bool:
        """Return whether no call is referenced any more, after collecting garbage several times.

        Once is not enough: while another thread collects, such as one of the plugin's, `gc.collect` does nothing.
        """
        for _ in range(_COLLECTIONS):
            gc.collect()
            if not self.watch.calls_are_kept():
                return True
            threading.Event().wait(0.01)
        return False

    def play(
        self,
        name: str,
        plugins: Sequence[object],
        *,
        leave_after: int | None = None,
        calls: int = 1,
        meanwhile: Callable[[], object] | None = None,
        clock: FakeClock | None = None,
        interrupt: Interrupt | None = None,
    ) -> list[str]:
        """Make `calls` calls in the scenario `name`. Returns the trace of their events, errors and times."""
        clock = FakeClock() if clock is None else clock
        self.watch.interrupt = interrupt
        transport = ScriptedTransport(SCENARIOS[name], clock)
        trace: list[str] = []
        try:
            client = Client(plugins, transport=transport, clock=clock, dialect=ContractDialect())
            client._setup.hooks = self.watch.watched(client._setup.hooks)
            timeouts = Timeouts(connect=1, first_event=5, idle=5, total=600)
            for number in range(calls):
                stream = client.stream(
                    "POST", "https://api.example.org/x", timeouts=timeouts, request_id=f"call-{number}"
                )
                trace += _consumed(stream, leave_after, meanwhile)
                trace.append(f"{clock.monotonic():.6f}")
        except PluginError as error:
            if error.plugin != NEIGHBOUR:
                self.watch.note(f"{error.message} ({name})")
        finally:
            self.watch.interrupt = None
        if transport.open_exchanges:
            self.watch.note(f"a connection was left open after {name}")
        return trace

    def expect_nothing_held(self, plugin: object, when: str) -> None:
        """Note a problem if `held` returns anything but 0."""
        if self.held is not None and (count := self.held(plugin)):
            self.watch.note(f"{count} taken and not given back {when}")


def _consumed(stream: Stream, leave_after: int | None, meanwhile: Callable[[], object] | None) -> list[str]:
    trace: list[str] = []
    try:
        with stream:
            for count, event in enumerate(stream, 1):
                trace.append(event.type)
                if meanwhile is not None and count == 1:
                    meanwhile()
                if count == leave_after:
                    break
    except PluginError:
        raise
    except (Error, Left) as error:
        trace.append(type(error).__name__)
    return trace
