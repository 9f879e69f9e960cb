"""What is learned from the headers of the server, and what is not."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from unbroken import Client, Dialect, Headers, RateLimitStatus
from unbroken.testing import Answer, FakeClock, Played, ScriptedTransport, sse
from unbroken_anthropic import Anthropic
from unbroken_rate_limit import KeyState, RateLimit, Tokens
from unbroken_rate_limit._learning import closed_for, left

Play = Callable[..., Played]
KEY = "https://api.example.org:443"
STREAM = sse(("message_stop", "{}"))
WALL = 1_700_000_000.0


def status(kind: str = "requests", **values: Any) -> RateLimitStatus:
    """Make a status."""
    return RateLimitStatus(kind=kind, **values)


def stamp(seconds: float) -> str:
    """Write a time as Anthropic does, in whole seconds."""
    return datetime.fromtimestamp(WALL + seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def answer(*, code: int = 200, **fields: str) -> Answer:
    """An answer with rate-limit headers."""
    named = {f"anthropic-ratelimit-{name.replace('_', '-')}": value for name, value in fields.items()}
    return Answer(status=code, headers={"content-type": "text/event-stream", **named}, body=STREAM)


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (status(limit=50, remaining=7, reset_after=9.0), {"requests": 7}),
        (status(remaining=0), {"requests": 0}),
        (status(limit=50), {}),
        (status(remaining=-1), {}),
        (status(limit=-1, remaining=7), {}),
        (status(limit=0, remaining=0), {}),
        (status("tokens", limit=40_000, remaining=12_345), {"tokens": 12_345}),
        (status("tokens", limit=40_000, remaining=12_000), {"tokens": 12_500}),
        (status("input_tokens", limit=40_000, remaining=0), {"input_tokens": 500}),
        (status("requests", limit=4000, remaining=1000), {"requests": 1000}),
    ],
    ids=lambda value: str(value).removeprefix("RateLimitStatus"),
)
def test_how_much_is_left(said: RateLimitStatus, expected: dict[str, float]) -> None:
    """Limits of 0 or less are none; tokens in whole thousands are rounded, so there may be 500 more."""
    assert left([said]) == expected


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (status(limit=50, remaining=0, reset_after=60.0), 1.2),
        (status(remaining=0, reset_after=60.0), 60.0),
        (status(limit=50, remaining=1, reset_after=60.0), 0.0),
        (status(limit=50, remaining=0), 0.0),
        (status(limit=-1, remaining=0, reset_after=60.0), 0.0),
        (status("tokens", limit=50, remaining=0, reset_after=60.0), 0.0),
    ],
    ids=lambda value: str(value).removeprefix("RateLimitStatus"),
)
def test_how_long_there_is_no_request_left(said: RateLimitStatus, expected: float) -> None:
    """The reset is when all are back; the first of them is back sooner."""
    assert closed_for([said]) == pytest.approx(expected)
    assert closed_for([]) == 0.0


LIMITS = {"requests": 50, "tokens": 100_000, "input_tokens": 40_000, "output_tokens": 8000}


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        pytest.param({"requests_limit": "50", "requests_remaining": "12"}, {"requests": 12}, id="requests"),
        pytest.param({"requests_limit": "4000", "requests_remaining": "3999"}, {}, id="more-than-configured"),
        pytest.param({"requests_limit": "50", "requests_remaining": "49"}, {}, id="the-same"),
        pytest.param({"input_tokens_remaining": "31000"}, {"input_tokens": 31_500}, id="rounded"),
        pytest.param({"input_tokens_remaining": "40000"}, {}, id="full"),
        pytest.param({"output_tokens_remaining": "0"}, {"output_tokens": 500}, id="rounded-to-nothing"),
        pytest.param({"output_tokens_remaining": "123"}, {"output_tokens": 123}, id="exact"),
        pytest.param(
            {"tokens_remaining": "20000", "requests_remaining": "1"}, {"tokens": 20_500, "requests": 1}, id="several"
        ),
        pytest.param({"requests_remaining": "many", "tokens_remaining": "1e3"}, {}, id="nonsense"),
        pytest.param({"requests_limit": "0", "requests_remaining": "0"}, {}, id="no-limit"),
        pytest.param({}, {}, id="nothing-said"),
    ],
)
def test_what_the_server_says_is_left_counts_when_it_is_less(
    play: Play, fields: dict[str, str], expected: dict[str, float]
) -> None:
    """It never lets more pass than the configuration."""
    policy = RateLimit(**LIMITS, estimate=lambda call: Tokens(0, 0))
    play([answer(code=529, **fields)], [policy], dialect=Anthropic())
    full = {"requests": 49, "tokens": 100_000, "input_tokens": 40_000, "output_tokens": 8000}
    assert policy.snapshot()[KEY].levels == pytest.approx({**full, **expected})


def test_what_was_learned_wears_off(play: Play, fake_clock: FakeClock) -> None:
    """At the configured rate."""
    policy = RateLimit(requests=60)
    play([answer(requests_remaining="3")], [policy], dialect=Anthropic())
    fake_clock.advance(10.0)
    assert policy.snapshot()[KEY].levels == pytest.approx({"requests": 13})


def test_an_answer_to_an_older_request_is_ignored(fake_clock: FakeClock) -> None:
    """The second request overtakes the first."""
    policy = RateLimit(requests=50)
    replies = iter([answer(requests_remaining="5"), answer(requests_remaining="20")])
    client = Client(
        [policy],
        transport=ScriptedTransport(lambda _: next(replies), fake_clock),
        clock=fake_clock,
        dialect=Anthropic(),
    )

    class Overtaken(Anthropic):
        def rate_limits(self, headers: Headers, received_at: float) -> tuple[RateLimitStatus, ...]:
            with client.stream("POST", KEY) as second:
                list(second)
            return super().rate_limits(headers, received_at)

    first = Client(
        [policy],
        transport=ScriptedTransport(lambda _: next(replies), fake_clock),
        clock=fake_clock,
        dialect=Overtaken(),
    )
    with first.stream("POST", KEY) as stream:
        list(stream)
    # The first request got the first reply, which says 5; the newer one says 20.
    assert policy.snapshot()[KEY].levels == pytest.approx({"requests": 20})


def test_headers_can_be_ignored(play: Play) -> None:
    """Then only the configuration counts."""
    policy = RateLimit(requests=50, learn_from_headers=False)
    play([answer(requests_remaining="0", requests_reset=stamp(60))], [policy], dialect=Anthropic())
    state = policy.snapshot()[KEY]
    assert (state.levels["requests"], state.gate) == (pytest.approx(49), 0.0)


@pytest.mark.parametrize(
    ("fields", "gate"),
    [
        pytest.param({"requests_limit": "50", "requests_reset": stamp(60)}, 1.2, id="one-is-back-after-its-share"),
        pytest.param({"requests_reset": stamp(20)}, 20.0, id="no-limit-given"),
        pytest.param({"requests_limit": "50"}, 0.0, id="no-reset-given"),
        pytest.param({"requests_limit": "50", "requests_reset": stamp(-60)}, 0.0, id="reset-in-the-past"),
        pytest.param({"requests_limit": "1", "requests_reset": stamp(86_400)}, 60.0, id="at-most-a-window"),
    ],
)
@pytest.mark.parametrize("code", [200, 503])
def test_no_request_left_closes_the_gate_until_one_is(
    play: Play, fields: dict[str, str], gate: float, code: int
) -> None:
    """Whatever the status."""
    policy = RateLimit(requests=1000)
    play([answer(code=code, requests_remaining="0", **fields)], [policy], dialect=Anthropic())
    assert policy.snapshot()[KEY].gate == pytest.approx(gate)


def test_without_limits_of_its_own_it_learns_that_nothing_is_left(play: Play, fake_clock: FakeClock) -> None:
    """The gate closes; a level there is none to lower, and an answer with something left closes nothing."""
    policy = RateLimit()
    play([answer(requests_limit="50", requests_remaining="1", requests_reset=stamp(60))], [policy], dialect=Anthropic())
    assert policy.snapshot() == {}
    play([answer(requests_limit="50", requests_remaining="0", requests_reset=stamp(60))], [policy], dialect=Anthropic())
    assert policy.snapshot()[KEY] == KeyState(levels={}, waiting=0, in_flight=0, gate=pytest.approx(1.2))
    played = play([answer()], [policy], dialect=Anthropic())
    assert played.elapsed == pytest.approx(1.2)
    fake_clock.advance(60.0)
    assert play([answer()], [policy], dialect=Anthropic()).elapsed == 0.0


def test_without_limits_learning_can_be_switched_off(play: Play) -> None:
    """Then the headers are not read."""

    class Unread(Anthropic):
        def rate_limits(self, headers: Headers, received_at: float) -> tuple[RateLimitStatus, ...]:
            raise AssertionError("nobody needs them")

    spent = answer(requests_remaining="0", requests_reset=stamp(60))
    policy = RateLimit(learn_from_headers=False)
    assert (play([spent], [policy], dialect=Unread()).error, policy.snapshot()) == (None, {})
    # Nor are those that cannot say that nothing is left: it would cost more than all the rest.
    some = answer(requests_remaining="10", requests_reset=stamp(60))
    assert play([some], [RateLimit()], dialect=Unread()).error is None


def test_a_dialect_without_limits_teaches_nothing(play: Play) -> None:
    """Plain events."""
    policy = RateLimit(requests=50)
    play([answer(requests_remaining="0")], [policy], dialect=Dialect())
    assert policy.snapshot()[KEY].levels == pytest.approx({"requests": 49})


def test_E61_resets_are_read_against_the_server_s_date(play: Play, fake_clock: FakeClock) -> None:
    """A wall clock that is an hour off does not matter."""
    fake_clock.jump_wall(3600.0)
    date = {"date": datetime.fromtimestamp(WALL, UTC).strftime("%a, %d %b %Y %H:%M:%S GMT")}
    reply = answer(requests_limit="2", requests_remaining="0", requests_reset=stamp(10))
    policy = RateLimit(requests=1000)
    play([Answer(headers={**dict(reply.headers), **date}, body=STREAM)], [policy], dialect=Anthropic())
    assert policy.snapshot()[KEY].gate == pytest.approx(5.0)
