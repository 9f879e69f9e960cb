"""The circuits of a breaker by key: bounded, the idle ones make room. Pure, like the circuits."""

from collections import OrderedDict
from collections.abc import Callable

from attrs import define, field

from ._circuit import HALF_OPEN, OPEN, Circuit
from ._config import CircuitBreakerConfig
from ._values import Change, CircuitState

# How many circuits are looked at for one that can go; those that cannot go to the end of the queue.
_LOOKED_AT = 16


@define(eq=False)
class Circuits:
    """Finds or makes the circuit of a key."""

    config: CircuitBreakerConfig
    state: CircuitState
    """What a circuit is at first."""
    changed: Callable[[Change], object]
    """Is given each transition, to tell of it later."""
    _by_key: "OrderedDict[str, Circuit]" = field(factory=OrderedDict[str, Circuit], init=False)
    """The one that was idle for longest is first."""

    def __len__(self) -> int:
        return len(self._by_key)

    def all(self, now: float) -> list[Circuit]:
        """Return those that are not forgotten."""
        return [circuit for circuit in self._by_key.values() if not self._expired(circuit, now)]

    def find(self, key: str, now: float) -> Circuit | None:
        """Return the circuit of `key`, None when there is none or it is forgotten by now."""
        circuit = self._by_key.get(key)
        return None if circuit is None or self._expired(circuit, now) else circuit

    def get(self, key: str, now: float) -> Circuit | None:
        """Return the circuit of `key`, a new one when there is none; None when there is no room for it."""
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
        """Bring one circuit to `state`, or all, those to come included."""
        if key is not None:
            # What a person asks for finds room.
            (self.find(key, now) or self._make(key, now)).force(state, now)
            return
        if not self._by_key and state is not self.state:
            self.changed(Change("*", self.state, state, 0))
        self.state = state
        for circuit in self._by_key.values():
            circuit.force(state, now)

    def _make_room(self, now: float) -> None:
        """Forget those that have been idle for too long, and one more if that is needed to have room."""
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
        """Whether it would let the next call pass, but has long waited for one: a host that is gone for good."""
        since = max(circuit.recovers_at, circuit.last_used)
        waiting = circuit.state in {OPEN, HALF_OPEN} and circuit.in_flight == 0
        return waiting and now - since >= self.config.idle_expiry
