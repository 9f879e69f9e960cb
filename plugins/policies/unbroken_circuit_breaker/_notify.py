"""Notifies observers of transitions: outside the lock, in order, whatever the observers do."""

import logging
from typing import Any, Protocol

import pluggy
from attrs import define, field, frozen

from unbroken import Inbox

from ._values import Change, CircuitState

HOOK = "on_circuit_state_change"

_hookspec = pluggy.HookspecMarker("unbroken")
_log = logging.getLogger("unbroken")


class CircuitBreakerSpecs(Protocol):
    """The hook that the circuit breaker adds."""

    @_hookspec
    def on_circuit_state_change(
        self, circuit: str, key: str, old: CircuitState, new: CircuitState, failure_count: int
    ) -> None:
        """Called after each transition, in order, never two at a time and never under a lock.

        `key` is ``*`` if all circuits were forced into a state before there was any. `failure_count` is counted in the
        new state: the failures that opened the circuit, 0 after it closed. An implementation may use the breaker; a
        transition that it causes is reported after it returns. What it raises is logged and harms neither the call nor
        the other observers.
        """
        ...


@frozen
class _Observer:
    function: Any
    arguments: tuple[str, ...]
    plugin: str


@define(eq=False)
class Notifier:
    """Passes transitions to the observers, in order and never two at a time."""

    circuit: str
    _relays: tuple[Any, ...] = ()
    """One for each client; those that have the same callers are one."""
    changes: Inbox = field(factory=Inbox, init=False)
    """Transitions that the observers have not been called with yet."""

    def observe(self, *relays: Any) -> None:
        """Add the observers of clients, each of which may change its observers later."""
        callers = {id(getattr(relay, HOOK)): relay for relay in (*self._relays, *relays)}
        self._relays = tuple(callers.values())

    def become(self, circuit: str, other: "Notifier") -> None:
        """Go by the name `circuit` and notify the observers of `other` too."""
        self.circuit = circuit
        self.observe(*other._relays)

    def _observers(self) -> list[_Observer]:
        found: list[_Observer] = []
        for relay in self._relays:
            implementations: list[pluggy.HookImpl] = getattr(relay, HOOK).get_hookimpls()
            for impl in reversed(implementations):  # pluggy lists the first to be called last
                observer = _Observer(impl.function, tuple(impl.argnames), impl.plugin_name)
                if observer not in found:
                    found.append(observer)
        return found

    def add(self, change: Change) -> None:
        """Queue a transition for the observers."""
        self.changes.add(self._tell, change)

    def _tell(self, change: Change) -> None:
        values: dict[str, Any] = {
            "circuit": self.circuit,
            "key": change.key,
            "old": change.old,
            "new": change.new,
            "failure_count": change.failure_count,
        }
        for observer in self._observers():
            try:
                observer.function(*[values[name] for name in observer.arguments])
            except Exception as error:  # noqa: BLE001  # an observer must harm neither the call nor the others
                _log.error("plugin %r failed in %s; the call goes on", observer.plugin, HOOK, exc_info=error)
