"""A retry policy that replaces another one goes on with what is left of its budget."""

import pytest

from unbroken import Client, ServerError
from unbroken.testing import Answer, FakeClock, ScriptedTransport
from unbroken_retry import Retry, RetryBudget

THREE = RetryBudget(ratio=0, min_per_second=0.03, window=100)


def retries(client: Client) -> int:
    with pytest.raises(ServerError) as caught, client.stream("GET", "https://api.example.org/"):
        pass
    return caught.value.attempts - 1


@pytest.mark.parametrize(
    ("budget", "left"),
    [
        pytest.param(THREE, 1, id="same"),
        pytest.param(RetryBudget(ratio=0, min_per_second=0.09, window=100), 1, id="larger"),
        pytest.param(RetryBudget(ratio=0.5, min_per_second=0), 0, id="smaller"),
        pytest.param(None, 4, id="none"),
    ],
)
def test_what_is_left_of_the_budget_stays(budget: RetryBudget | None, left: int) -> None:
    """A larger one is filled by time alone, of a smaller one no more is left than fits in; calls of both share it."""
    clock = FakeClock()
    old, new = Retry(max_retries=2, budget=THREE, max_delay=0), Retry(max_retries=4, budget=budget, max_delay=0)
    transport = ScriptedTransport(lambda _: Answer(status=503), clock)
    client = Client([old], transport=transport, clock=clock)
    assert retries(client) == 2
    client.reconfigure([new])
    assert retries(client) == left
    client.reconfigure([old])
    assert retries(client) == (1 if budget is None else 0)


def test_a_budget_that_has_been_used_stays_the_own_one() -> None:
    """It is that of another client too."""
    clock = FakeClock()
    transport = ScriptedTransport(lambda _: Answer(status=503), clock)
    first, second = Retry(budget=THREE, max_delay=0), Retry(max_retries=9, budget=THREE, max_delay=0)
    client, other = (Client([each], transport=transport, clock=clock) for each in (first, second))
    assert (retries(client), retries(other)) == (3, 3)
    clock.advance(40.0)
    assert retries(client) == 1
    client.reconfigure([second])
    assert retries(client) == 1
