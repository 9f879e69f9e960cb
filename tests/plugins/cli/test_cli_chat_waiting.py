"""A user at a terminal is told the reason for a wait."""

import re

from unbroken.testing import Answer, check_plugin, play, sse
from unbroken_cli.chat._screen import Waiting
from unbroken_faults import FaultServer, faults
from unbroken_rate_limit import RateLimit
from unbroken_retry import Retry

GOOD = Answer(body=sse("hello"))


def test_each_longer_wait_is_announced_before_it_begins(fake_clock):
    """With what went wrong and for how long."""
    told = []
    play(
        [Answer(status=529), Answer(status=500), GOOD],
        [Waiting(lambda text: told.append((fake_clock.monotonic() - 1000, text))), Retry(jitter_kind="none")],
        clock=fake_clock,
    )
    assert told == [
        (0.0, "OverloadedError, trying again in 1.0 s"),
        (1.0, "ServerError, trying again in 1.0 s"),
    ]


def test_a_wait_of_the_limiter_names_it(fake_clock):
    """There is no failure to blame."""
    told = []
    limit = RateLimit(requests=1, per=10)
    for _ in range(2):
        play([GOOD], [Waiting(told.append), limit], clock=fake_clock)
    assert told == ["waiting 10.0 s, as rate-limit asks"]


def test_a_short_wait_is_not_announced():
    """It would only flicker."""
    told = []
    play([Answer(status=500), GOOD], [Waiting(told.append), Retry(initial_delay=0.1)])
    assert told == []


def test_a_script_is_not_told(invoke):
    """What it reads from standard error is what went wrong in the end."""
    with FaultServer([faults.overloaded()]) as server:
        result = invoke("chat", "Hi", "--endpoint", f"{server.url}/v1/messages")
    assert (result.exit_code, result.stderr, len(server.requests)) == (0, "", 2)


def test_it_keeps_the_contract():
    """As every plugin does."""
    check_plugin(lambda: Waiting(re.compile("").match))
