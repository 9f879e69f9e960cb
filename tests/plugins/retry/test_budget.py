"""How many retries all calls together may start."""

import math
import threading
from collections.abc import Callable
from typing import Any

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from unbroken import AsyncClient, Plugin, decisions
from unbroken.call import Call
from unbroken.errors import CircuitOpenError, NetworkError, ServerError, ValidationError
from unbroken.messages import Event, Response
from unbroken.testing import Answer, AsyncScriptedTransport, FakeClock, Played, run, sse
from unbroken_retry import Retry, RetryBudget
from unbroken_retry._budget import Allowance
from unbroken_timeout import Timeout

MakeCall = Callable[..., Call]
EXHAUSTED = decisions.GiveUp(reason="retry budget exhausted")
TIGHT = RetryBudget(ratio=0.2, min_per_second=0)


def taken(bucket: Allowance, now: float, limit: int = 10_000) -> int:
    """Take what there is."""
    count = 0
    while count < limit and bucket.withdraw(now):
        count += 1
    return count


@pytest.mark.parametrize(
    ("budget", "calls", "expected"),
    [
        pytest.param(RetryBudget(), 0, 100, id="default-reserve"),
        pytest.param(RetryBudget(), 1000, 300, id="default-and-calls"),
        pytest.param(RetryBudget(min_per_second=0), 0, 0, id="nothing"),
        pytest.param(RetryBudget(min_per_second=0), 4, 0, id="four-fifths"),
        pytest.param(RetryBudget(min_per_second=0), 5, 1, id="five-calls"),
        pytest.param(RetryBudget(min_per_second=0), 104, 20, id="104-calls"),
        pytest.param(RetryBudget(ratio=0, min_per_second=2, window=5), 1000, 10, id="reserve-alone"),
        pytest.param(RetryBudget(ratio=0, min_per_second=0.01), 0, 1, id="at-least-one"),
        pytest.param(RetryBudget(ratio=0, min_per_second=0), 1000, 0, id="none-at-all"),
        pytest.param(RetryBudget(ratio=3, min_per_second=0), 10, 30, id="three-for-each"),
    ],
)
def test_calls_earn_retries_on_top_of_the_reserve(budget: RetryBudget, calls: int, expected: int) -> None:
    """At one moment: `ratio` for each call, and `min_per_second` for the whole window."""
    bucket = Allowance(budget)
    for _ in range(calls):
        bucket.deposit(50.0)
    assert taken(bucket, 50.0) == expected


def test_the_reserve_comes_back_at_its_rate_up_to_the_window() -> None:
    """Evenly, not all at once when a window is over."""
    bucket = Allowance(RetryBudget(min_per_second=10, window=10))
    assert taken(bucket, 50.0) == 100
    assert [taken(bucket, 50.0 + seconds) for seconds in (0.05, 0.1, 1.1, 3.1)] == [0, 1, 10, 20]
    assert taken(bucket, 10_000.0) == 100


@pytest.mark.parametrize(
    ("after", "expected"), [(0, 20), (5, 12), (10, 7), (30, 1), (60, 0), (1e9, 0)], ids=lambda value: f"{value:g}"
)
def test_what_calls_earned_decays(after: float, expected: int) -> None:
    """To 1/e within the window, so that yesterday's traffic pays for nothing today."""
    bucket = Allowance(RetryBudget(ratio=0.2, min_per_second=0, window=10))
    for _ in range(104):
        bucket.deposit(50.0)
    assert taken(bucket, 50.0 + after) == expected


def test_what_is_earned_goes_before_the_reserve() -> None:
    """It would decay, the reserve stays."""
    bucket = Allowance(RetryBudget(ratio=1, min_per_second=1, window=10))
    for _ in range(5):
        bucket.deposit(50.0)
    assert taken(bucket, 50.0, limit=5) == 5
    assert taken(bucket, 50.0) == 10


def test_time_that_seems_to_go_back_adds_nothing() -> None:
    """A thread may look at the clock first and come second."""
    bucket = Allowance(RetryBudget(ratio=0, min_per_second=1, window=10))
    assert taken(bucket, 50.0) == 10
    assert [taken(bucket, now) for now in (49.0, 50.0, 40.0, 51.0)] == [0, 0, 0, 1]


@given(
    ratio=st.floats(0, 5),
    rate=st.floats(0, 20),
    window=st.floats(0.1, 100),
    steps=st.lists(
        st.tuples(st.floats(0, 20) | st.just(0.0), st.integers(0, 30), st.integers(0, 30)), min_size=1, max_size=40
    ),
)
def test_never_more_than_was_earned(
    ratio: float, rate: float, window: float, steps: list[tuple[float, int, int]]
) -> None:
    """At most `ratio` for each call, the floor for each second, and the reserve: whatever happens when."""
    bucket = Allowance(RetryBudget(ratio=ratio, min_per_second=rate, window=window))
    reserve = max(1.0, rate * window) if rate else 0.0
    now = start = 1000.0
    calls = retries = 0
    for pause, started, failed in steps:
        now += pause
        for _ in range(started):
            bucket.deposit(now)
        calls += started
        retries += taken(bucket, now, failed)
        assert retries <= ratio * calls + rate * (now - start) + reserve + 1e-6


@given(calls=st.lists(st.tuples(st.floats(0, 5), st.integers(0, 6)), min_size=1, max_size=30))
def test_the_policy_stays_within_its_budget(make_call: MakeCall, calls: list[tuple[float, int]]) -> None:
    """The same of the plugin: each call fails some times, the first zero times means that it went well."""
    retry = Retry(max_retries=9, budget=RetryBudget(ratio=0.3, min_per_second=0.1, window=20))
    retried, now = 0, 0.0
    for started, (pause, failures) in enumerate(calls, 1):
        now += pause
        call = make_call(response=Response(status_code=200))
        call.clock.now = now  # type: ignore[attr-defined]
        for call.attempt in range(1, failures + 1):
            answer = retry.should_retry(call, NetworkError("reset"))
            retried += isinstance(answer, decisions.TryAgain)
            call.history = (*call.history, None)  # type: ignore[assignment]
        if not failures:
            call.committed_at = now
            retry.on_commit(call, Event.make("delta", {}))
        assert retried <= 0.3 * started + 0.1 * now + 2 + 1e-6


def test_threads_share_one_budget() -> None:
    """Eight threads that count and take: no call is lost, no token is given twice."""
    budget = RetryBudget(ratio=0.5, min_per_second=0.1, window=10)
    bucket = Allowance(budget)
    barrier = threading.Barrier(8)
    got: list[int] = []

    def work() -> None:
        barrier.wait()
        count = 0
        for _ in range(2000):
            bucket.deposit(50.0)
            count += bucket.withdraw(50.0)
        got.append(count)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(got) + taken(bucket, 50.0) == 16_000 * 0.5 + 1


@pytest.mark.parametrize(
    ("seen", "error", "counts"),
    [
        pytest.param({}, ServerError("503", status_code=503), True, id="retried"),
        pytest.param({}, ValidationError("400", status_code=400), True, id="not-retried"),
        pytest.param({"history": (object(),)}, NetworkError("reset"), False, id="second-attempt"),
        pytest.param({"committed_at": 0.0}, NetworkError("reset"), False, id="after-the-commit"),
        pytest.param({}, CircuitOpenError("open"), False, id="never-sent"),
    ],
)
def test_a_call_that_fails_counts_once(make_call: MakeCall, seen: dict[str, Any], error: Any, counts: bool) -> None:
    """When its first attempt has failed, whatever comes of it; what was never sent is no call for the server."""
    retry = Retry(max_retries=0, budget=RetryBudget(ratio=1, min_per_second=0))
    retry.should_retry(make_call(**seen), error)
    assert retry._bucket is not None
    assert taken(retry._bucket, 0.0) == counts


@pytest.mark.parametrize(
    ("seen", "counts"),
    [
        pytest.param({"response": Response(status_code=200)}, True, id="first-attempt"),
        pytest.param({"response": Response(status_code=200), "history": (object(),)}, False, id="counted-before"),
        pytest.param({}, False, id="replayed-unsent"),
    ],
)
def test_a_call_that_goes_well_counts_once(make_call: MakeCall, seen: dict[str, Any], counts: bool) -> None:
    """At its commit."""
    retry = Retry(budget=RetryBudget(ratio=1, min_per_second=0))
    retry.on_commit(make_call(committed_at=0.0, **seen), Event.make("delta", {}))
    assert retry._bucket is not None
    assert taken(retry._bucket, 0.0) == counts


def test_a_retry_of_what_was_never_sent_is_free(make_call: MakeCall) -> None:
    """An open circuit that is waited for is no load."""
    retry = Retry(retry_local=True, budget=RetryBudget(ratio=0, min_per_second=0))
    assert isinstance(retry.should_retry(make_call(), CircuitOpenError("open", retry_after=1.0)), decisions.TryAgain)
    assert retry.should_retry(make_call(), NetworkError("reset")) == EXHAUSTED


def test_a_retry_that_another_limit_forbids_takes_no_token(make_call: MakeCall) -> None:
    """The budget is asked last."""
    retry = Retry(max_retries=1, budget=RetryBudget(ratio=0, min_per_second=0.1))
    for call, error in (
        (make_call(attempt=2), NetworkError("reset")),
        (make_call(deadline=0.1), NetworkError("reset")),
        (make_call(), ServerError("503", status_code=503, retry_after=900)),
        (make_call(), ServerError("503", status_code=503, should_retry=False)),
    ):
        assert retry.should_retry(call, error) != EXHAUSTED
    assert isinstance(retry.should_retry(make_call(), NetworkError("reset")), decisions.TryAgain)
    assert retry.should_retry(make_call(), NetworkError("reset")) == EXHAUSTED


def test_a_hint_takes_a_token_too(make_call: MakeCall) -> None:
    """The server's own wait is no way around the budget."""
    retry = Retry(budget=RetryBudget(ratio=0, min_per_second=0))
    assert retry.should_retry(make_call(), ServerError("503", status_code=503, retry_after=1.0)) == EXHAUSTED


def test_without_a_budget_there_is_no_limit(make_call: MakeCall) -> None:
    """`budget=None`."""
    retry = Retry(budget=None)
    retry.on_commit(make_call(committed_at=0.0), Event.make("delta", {}))
    for _ in range(10_000):
        assert isinstance(retry.should_retry(make_call(), NetworkError("reset")), decisions.TryAgain)


def test_a_small_program_never_notices() -> None:
    """Forty calls at once, of which every attempt fails, make all of their retries by default."""
    clock = FakeClock()
    transport = AsyncScriptedTransport(lambda _: Answer(status=503), clock)
    client = AsyncClient([Retry()], transport=transport, clock=clock)

    async def fail() -> None:
        with pytest.raises(ServerError):
            async with client.stream("POST", "https://api.example.org/"):
                pass

    async def main() -> None:
        async with anyio.create_task_group() as tasks:
            for _ in range(40):
                tasks.start_soon(fail)

    run(main, clock=clock)
    assert len(transport.requests) == 160


@pytest.mark.parametrize(
    ("plugins", "attempts", "elapsed", "reason"),
    [
        pytest.param(lambda: [Timeout(), Retry(jitter=0)], 4, 3.5, "max_retries 3 reached", id="E54-max-retries"),
        pytest.param(
            lambda: [Timeout(total=3), Retry(jitter=0)],
            3,
            1.5,
            "deadline in 1.5 s, before the wait of 2 s is over",
            id="E54-deadline",
        ),
        pytest.param(
            lambda: [Timeout(), Retry(jitter=0, budget=RetryBudget(ratio=0, min_per_second=0.2, window=10))],
            3,
            1.5,
            "retry budget exhausted",
            id="E54-budget",
        ),
    ],
)
def test_E54_three_ends_of_a_call_that_fails_for_ever(
    play: Callable[..., Played],
    plugins: Callable[[], list[Plugin]],
    attempts: int,
    elapsed: float,
    reason: str,
) -> None:
    """The failure itself is raised, at once, without a sleep; the history says what stopped the call."""
    played = play(lambda _: Answer(status=503), plugins())
    assert type(played.error) is ServerError
    assert played.elapsed == elapsed
    assert [attempt.number for attempt in played.history] == list(range(1, attempts + 1))
    last = played.history[-1]
    assert (last.decided_by, last.reason, last.delay, last.error) == ("retry", reason, None, "ServerError")
    assert played.failure.history == played.history
    assert math.isclose(sum(attempt.delay or 0.0 for attempt in played.history), elapsed)


def test_one_budget_for_all_calls_of_a_client(play: Callable[..., Played]) -> None:
    """What one call has used up, another does not get; calls that go well earn it anew."""
    retry = Retry(jitter=0, budget=TIGHT)
    down, up = Answer(status=503), Answer(body=sse("hello"))
    assert play([down], [retry]).history[-1].reason == "retry budget exhausted"
    for _ in range(5):
        assert play([up], [retry]).error is None
    assert play([down, up], [retry]).attempts == 2
    assert play([down], [retry]).history[-1].reason == "retry budget exhausted"
