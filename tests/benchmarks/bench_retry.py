"""What retrying costs where nothing fails, beside a bare function call: ``python tests/benchmarks/bench_retry.py``.

The target is 0.5 µs for a call that goes well, on the kind of machine where a bare call takes some 40 ns.
"""

import timeit
from collections.abc import Callable

from unbroken import Call, Client, Dialect, NetworkError, Request, Response, SystemClock
from unbroken.testing import Answer, FakeClock, ScriptedTransport, sse
from unbroken_retry import Retry, RetryBudget
from unbroken_retry._budget import Bucket

ROUNDS, TIMES = 15, 5_000
CALLS = 500


def bare(call: object, event: object) -> None:
    """The yardstick."""


def committed() -> Call:
    """A call in its first attempt, at its commit."""
    call = Call("call", Request.build("POST", "https://api.example.org/"), Dialect(), SystemClock(), 0.0)
    call.attempt, call.response, call.committed_at = 1, Response(status_code=200), call.now()
    return call


def hook(retry: Retry) -> Callable[[], None]:
    """The one hook of a call that goes well, as the engine calls it; time stands still."""
    call = committed()
    return lambda: retry.on_commit(call, None)  # type: ignore[arg-type]


def moving_hook() -> Callable[[], None]:
    """The same while time goes on, so that now and then the bucket is brought up to date."""
    retry, call = Retry(), committed()

    def once() -> None:
        call.committed_at = call.now()
        retry.on_commit(call, None)  # type: ignore[arg-type]

    return once


def failing() -> Callable[[], None]:
    """The answer to a failure: count, decide, take from the budget."""
    retry, call = Retry(budget=RetryBudget(ratio=2)), committed()
    call.response = call.committed_at = None
    error = NetworkError("reset")
    return lambda: retry.should_retry(call, error)


def bucket() -> Callable[[], None]:
    """Take a retry from the budget, under its lock."""
    full = Bucket(RetryBudget(min_per_second=1_000_000))
    now = SystemClock.monotonic
    return lambda: full.withdraw(now())


def calls(plugins: list[object]) -> Callable[[], None]:
    """Whole calls of a client."""
    clock = FakeClock()
    client = Client(plugins, transport=ScriptedTransport(lambda _: Answer(body=sse("hello")), clock), clock=clock)

    def once() -> None:
        with client.stream("GET", "https://api.example.org/") as events:
            for _ in events:
                pass

    return once


CASES: dict[str, tuple[Callable[[], object], int]] = {
    "a bare function call": (lambda: bare(None, None), TIMES),
    "a call that goes well": (hook(Retry()), TIMES),
    "the same, and reading the clock": (moving_hook(), TIMES),
    "a call that goes well, no budget": (hook(Retry(budget=None)), TIMES),
    "a failure that is retried": (failing(), TIMES),
    "taking a retry from the budget": (bucket(), TIMES),
    "a whole call, no plugin": (calls([]), CALLS),
    "a whole call, retry": (calls([Retry()]), CALLS),
}


def main() -> None:
    """Measure in turns, so that a busy moment of the machine hits all alike; keep the best of each."""
    best = dict.fromkeys(CASES, float("inf"))
    for _ in range(ROUNDS):
        for name, (case, times) in CASES.items():
            best[name] = min(best[name], timeit.timeit(case, number=times) / times)
    unit = best["a bare function call"]
    for name, seconds in best.items():
        print(f"{name:<38}{seconds * 1e6:8.3f} µs {seconds / unit:8.1f} times")


if __name__ == "__main__":
    main()
