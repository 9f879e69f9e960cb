"""The state of a queue as others see it."""

from attrs import frozen


@frozen(kw_only=True)
class KeyState:
    """The state of one key, from `RateLimit.snapshot`."""

    levels: dict[str, float]
    """Units left of each configured limit; negative is a debt. Waiting calls have not taken theirs yet."""
    waiting: int
    """Calls that wait for their turn."""
    in_flight: int
    """Calls whose turn has come and that have not ended. Without limits a call that did not wait is not counted."""
    gate: float
    """Seconds until the gate opens, which a 429 or the headers have closed; 0.0 if it is open."""
