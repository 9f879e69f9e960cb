"""The circuits of a breaker by key, bounded: idle ones make room for new ones. Pure, like the circuits."""

from collections import OrderedDict
from collections.abc import Callable

from attrs import define, field

from ._circuit import HALF_OPEN, OPEN, Circuit
from ._config import CircuitBreakerConfig
from ._values import Change, CircuitState

# How many circuits are checked for one to forget. Those that must stay are moved to the end of the order.
_LOOKED_AT = 16


@define(eq=False)
class Circuits:
    """Finds or creates the circuit of a key."""

    config: CircuitBreakerConfig
    state: CircuitState
    """The state in which a new circuit begins."""
    changed: Callable[[Change], object]
    """Called with each transition; it must only queue it for the observers."""
    _by_key: "OrderedDict[str, Circuit]" = field(factory=OrderedDict[str, Circuit], init=False)
    """Least recently used first."""

    def __len__(self) -> int:
        return len(self._by_key)

    def all(self, now: float) -> list[Circuit]:
        """Return all circuits that have not expired at `now`."""
        return [circuit for circuit in self._by_key.values() if not self._expired(circuit, now)]

    def find(self, key: str, now: float) -> Circuit | None:
        """Return the circuit of `key`, None if there is none or it has expired at `now`."""
        circuit = self._by_key.get(key)
        return None if circuit is None or self._expired(circuit, now) else circuit

    def get(self, key: str, now: float) -> Circuit | None:
        """Return the circuit of `key`, created if there is none; None if there is no room for it."""
        circuit = self._by_key.get(key)
        if circuit is not None and (now - circuit.last_used < self.config.idle_expiry or not self._at_rest(circuit)):
            self._by_key.move_to_end(key)
            return circuit
        self._by_key.pop(key, None)
        self._make_room(now)
        return None if len(self._by_key) >= self.config.max_keys else self._make(key, now)

    def _make(self, key: str, now: float) -> Circuit:
        circuit = self._by_key[key] = Circuit(key, self.config, self.changed, now, self.state)
        return circuit

    def force(self, key: str | None, state: CircuitState, now: float) -> None:
        """Force the circuit of `key` into `state`; with None all circuits, including those created later."""
        if key is not None:
            # An operator's request is honoured even when there is no room.
            (self.find(key, now) or self._make(key, now)).force(state, now)
            return
        if not self._by_key and state is not self.state:
            self.changed(Change("*", self.state, state, 0))
        self.state = state
        for circuit in self._by_key.values():
            circuit.force(state, now)

    def adjust(self, config: CircuitBreakerConfig, now: float) -> None:
        """Go on with other settings. Another `initial_state` counts as said by an operator, so it is forced."""
        before, self.config = self.config, config
        for circuit in self._by_key.values():
            circuit.adjust(config, now)
        if config.initial_state != before.initial_state:
            self.force(None, CircuitState(config.initial_state), now)

    @property
    def is_untouched(self) -> bool:
        """Whether there has been neither a call nor an operator's request."""
        return not self._by_key and self.state == self.config.initial_state

    def _make_room(self, now: float) -> None:
        """Forget expired circuits, and one more if room for a new one is still needed."""
        lapsed: str | None = None
        for _ in range(min(_LOOKED_AT, len(self._by_key))):
            key, circuit = next(iter(self._by_key.items()))
            full = len(self._by_key) >= self.config.max_keys
            if self._expired(circuit, now) or (full and self._at_rest(circuit)):
                del self._by_key[key]
            elif full:
                self._by_key.move_to_end(key)
                lapsed = lapsed or (key if self._lapsed(circuit, now) else None)
            else:
                return
        if lapsed is not None and len(self._by_key) >= self.config.max_keys:
            del self._by_key[lapsed]

    def _at_rest(self, circuit: Circuit) -> bool:
        return circuit.in_flight == 0 and circuit.state is self.state

    def _expired(self, circuit: Circuit, now: float) -> bool:
        return now - circuit.last_used >= self.config.idle_expiry and self._at_rest(circuit)

    def _lapsed(self, circuit: Circuit, now: float) -> bool:
        """Return whether `circuit` could have admitted a probe for `idle_expiry` seconds: its host is gone for good."""
        since = max(circuit.recovers_at, circuit.last_used)
        waiting = circuit.state in {OPEN, HALF_OPEN} and circuit.in_flight == 0
        return waiting and now - since >= self.config.idle_expiry
