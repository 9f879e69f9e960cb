"""What the limiter costs, beside a bare function call in the same run: ``python tests/benchmarks/bench_rate_limit.py``.

The target is 2 µs for taking a place and settling it, on the kind of machine where a bare call takes some 40 ns.
"""

import timeit
from collections.abc import Callable

from unbroken import Call, Dialect, Outcome, Request, Response, SystemClock, Usage
from unbroken_rate_limit import RateLimit, RateLimitConfig
from unbroken_rate_limit._queue import Place, Queue

NUMBER = 1_000
REPEAT = 100
BODY = {"model": "m", "max_tokens": 1000, "messages": [{"role": "user", "content": "words " * 300}]}
OUTCOME = Outcome(status="success", attempts=1, duration=1.0)


def nothing(argument: object) -> None:
    """Stand for the least that any hook costs."""


def bare() -> None:
    """Call a function."""
    nothing(None)


def queue_round(busy: int, **limits: float) -> Callable[[], object]:
    """Take a place and settle it, among `busy` others that are in flight."""
    config = RateLimitConfig(**limits)
    buckets = config.buckets()
    queue = Queue(tuple(buckets), tuple(buckets.values()))
    reserved = [1.0 if kind == "requests" else 1500.0 for kind in buckets]
    used = [1.0 if kind == "requests" else 700.0 for kind in buckets]
    monotonic = SystemClock.monotonic
    for _ in range(busy):
        queue.enter(Place(queue, 0.0, queue.next_turn(reserved, 0.0), list(reserved)))

    def once() -> None:
        now = monotonic()
        place = Place(queue, now, queue.next_turn(reserved, now), list(reserved))
        queue.enter(place)
        now = monotonic()
        queue.settle(place, used, now)
        queue.leave(place)

    return once


def hooks_round(**limits: float) -> Callable[[], object]:
    """Call every hook as the engine does in one attempt that succeeds."""
    policy = RateLimit(**limits)
    request = Request.build("POST", "https://api.example.org/v1/messages", json=BODY)
    call = Call("call", request, Dialect(), SystemClock(), 0.0)
    response = Response(status_code=200)
    usage = Usage(input_tokens=400, output_tokens=300, final=True)

    def once() -> None:
        call.response = call.usage = None
        policy.before_request(call, request)
        policy.look_again(call, request)
        call.response = response
        policy.on_response(call, response)
        call.usage = usage
        policy.on_usage(call, usage)
        policy.after_request(call, OUTCOME)

    return once


MUCH = {"requests": 1e9, "tokens": 1e12}
CASES: dict[str, Callable[[], object]] = {
    "a bare function call": bare,
    "acquire + settle, requests": queue_round(0, requests=1e9),
    "acquire + settle, requests and tokens": queue_round(0, **MUCH),
    "the same, 1000 others in flight": queue_round(1000, **MUCH),
    "all hooks of an attempt, no limits": hooks_round(),
    "all hooks of an attempt, requests": hooks_round(requests=1e9),
    "all hooks of an attempt, requests and tokens": hooks_round(**MUCH),
}


def main() -> None:
    """Print the table."""
    base = 0.0
    for name, function in CASES.items():
        seconds = min(timeit.repeat(function, number=NUMBER, repeat=REPEAT)) / NUMBER
        base = base or seconds
        print(f"{name:<46}{seconds * 1e6:8.3f} µs{seconds / base:8.1f} times")


if __name__ == "__main__":
    main()
