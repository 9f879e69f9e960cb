"""The states of circuits, as reported by the circuit breaker."""

import re
from typing import Final

from attrs import define, field, frozen

from ._labels import OTHER, shown

CLOSED: Final = "closed"
_MOST_CIRCUITS: Final = 100
_MOST_KEYS: Final = 1000
# A key of the user's own may be a tenant or a token: only origins are shown, and ``*`` for the whole breaker.
_ORIGIN: Final = re.compile(r"https?://[^\s/@?#]{1,255}|\*")


@frozen(kw_only=True)
class Circuit:
    """One circuit, or all circuits whose keys are not shown."""

    circuit: str
    key: str
    """The origin; ``*`` for the whole breaker; ``other`` for all keys of another form together."""
    states: tuple[str, ...]
    """Its state; if it stands for several circuits, every state that one of them is in."""


@frozen(kw_only=True)
class Transition:
    """How often circuits have changed from one state to another."""

    circuit: str
    key: str
    old: str
    new: str
    count: int


@define(eq=False)
class Circuits:
    """All circuits that have changed their state at least once, bounded in number."""

    _states: dict[tuple[str, str], dict[str, str]] = field(factory=dict[tuple[str, str], dict[str, str]], init=False)
    """By circuit and shown key: the state of each real key that is not closed."""
    _transitions: dict[tuple[str, str, str, str], int] = field(factory=dict[tuple[str, str, str, str], int], init=False)

    def changed(self, circuit: str, key: str, old: str, new: str) -> None:
        """Count a transition and keep the new state."""
        names = (shown(circuit), shown(key) if _ORIGIN.fullmatch(key) else OTHER)
        if names not in self._states and len(self._states) >= _MOST_CIRCUITS:
            names = (OTHER, OTHER)
        transition = (names[0], names[1], shown(old), shown(new))
        self._transitions[transition] = self._transitions.get(transition, 0) + 1
        states = self._states.setdefault(names, {})
        name = f"{circuit} {key}" if names[1] == OTHER else key
        states.pop(name, None)
        if new != CLOSED:
            if len(states) >= _MOST_KEYS:
                del states[next(iter(states))]
            states[name] = new

    def all(self) -> tuple[Circuit, ...]:
        """Return the circuits with their states."""
        return tuple(
            Circuit(circuit=circuit, key=key, states=tuple(sorted(set(states.values()))) or (CLOSED,))
            for (circuit, key), states in self._states.items()
        )

    def transitions(self) -> tuple[Transition, ...]:
        """Return how often each transition has happened."""
        return tuple(
            Transition(circuit=circuit, key=key, old=old, new=new, count=times)
            for (circuit, key, old, new), times in self._transitions.items()
        )
