"""A pause that the program asks for."""

import pytest

from unbroken import ConfigurationError
from unbroken.testing import FakeClock
from unbroken_rate_limit import RateLimit


def test_a_paused_key_has_a_closed_gate_until_the_time_has_passed() -> None:
    clock = FakeClock()
    limit = RateLimit()
    limit.bind(None, clock)
    limit.pause("https://up.example:443", 5.0)
    assert limit.snapshot()["https://up.example:443"].gate == 5.0
    clock.advance(5.0)
    assert limit.snapshot()["https://up.example:443"].gate == 0.0


@pytest.mark.parametrize("seconds", [-1, float("inf"), "5", True])
def test_a_pause_must_be_a_time(seconds: object) -> None:
    with pytest.raises(ConfigurationError, match="seconds: must be a finite number of at least 0"):
        RateLimit().pause("k", seconds)  # type: ignore[arg-type]
