"""A server that is down for three minutes, and a thousand calls, in virtual time: the load that retries put on it.

The policies, the engine and the client are the real ones; the clock, the network and the server are those of
`unbroken.testing`. The calls come at the same times for all protections.
"""

from collections.abc import Callable, Sequence
from time import monotonic
from typing import Any, Final

import anyio
from attrs import define, field, frozen

from unbroken import AsyncClient, Error, Plugin, Request
from unbroken.testing import Answer, AsyncScriptedTransport, FakeClock, run, sse
from unbroken_circuit_breaker import CircuitBreaker
from unbroken_retry import Retry, RetryBudget

CALLS: Final = 1000
SPAN: Final = 600.0
"""Seconds in which the calls begin."""
DOWN: Final = 200.0
UP: Final = 380.0
"""The seconds at which the outage begins and ends."""
SLICES: Final = 20
"""Parts of the time for which requests are counted."""

_URL: Final = "https://api.example.org/v1/messages"
_ANSWER: Final = sse("hello")
_ANSWERED: Final = (0.3, 1.5)
"""Seconds from a request to its answer; the refusals of a server that is down are quick."""
_REFUSED: Final = 0.05


@frozen(kw_only=True)
class Protection:
    """The policies of a client."""

    name: str
    title: str
    settings: str
    """The plugins as code."""
    plugins: Callable[[], list[Plugin]] = field(repr=False)


def _budget() -> RetryBudget:
    return RetryBudget(ratio=0.2, min_per_second=0.1)


def _breaker() -> CircuitBreaker:
    return CircuitBreaker(recovery_timeout=15.0, max_open_time=30.0)


PROTECTIONS: Final = (
    Protection(
        name="retries",
        title="retries alone",
        settings="Retry(budget=None)",
        plugins=lambda: [Retry(budget=None)],
    ),
    Protection(
        name="budget",
        title="with budget",
        settings="Retry(budget=RetryBudget(ratio=0.2, min_per_second=0.1))",
        plugins=lambda: [Retry(budget=_budget())],
    ),
    Protection(
        name="breaker",
        title="with breaker",
        settings="Retry(budget=None), CircuitBreaker(recovery_timeout=15, max_open_time=30)",
        plugins=lambda: [Retry(budget=None), _breaker()],
    ),
    Protection(
        name="both",
        title="with both",
        settings="the budget and the breaker of the two above",
        plugins=lambda: [Retry(budget=_budget()), _breaker()],
    ),
)


@frozen
class Call:
    """One call: when it began and ended, and whether it was answered. Times are seconds."""

    began: float
    ended: float
    answered: bool


@define(eq=False)
class Course:
    """What came of the calls under one protection."""

    protection: Protection
    calls: list[Call] = field(factory=list[Call])
    sent_at: Sequence[float] = ()
    """When the server got each request."""

    @property
    def load(self) -> float:
        """The requests that the server got while it was down, per call that began in that time."""
        return self.requests_while_down / max(1, sum(map(_while_down, (call.began for call in self.calls))))

    @property
    def requests_while_down(self) -> int:
        """The requests that the server got while it was down."""
        return sum(map(_while_down, self.sent_at))

    @property
    def answered(self) -> int:
        """The calls that were answered."""
        return sum(call.answered for call in self.calls)

    @property
    def longest(self) -> float:
        """The longest time from the beginning of a call to its answer or its error."""
        return max(call.ended - call.began for call in self.calls)

    @property
    def well_after(self) -> float:
        """From the end of the outage to the end of the last call that failed; 0 if none failed after it."""
        return max((call.ended - UP for call in self.calls if not call.answered and call.ended > UP), default=0.0)

    @property
    def requests_over_time(self) -> list[int]:
        """The requests in each of the parts of the time; those after the last call has begun belong to the last."""
        counts = [0] * SLICES
        for moment in self.sent_at:
            counts[min(SLICES - 1, int(moment * SLICES / SPAN))] += 1
        return counts

    def document(self) -> dict[str, Any]:
        """Return the numbers as JSON; times in seconds."""
        return {
            "name": self.protection.name,
            "plugins": self.protection.settings,
            "requests_per_call_while_down": round(self.load, 3),
            "requests_while_down": self.requests_while_down,
            "requests": len(self.sent_at),
            "calls": len(self.calls),
            "answered": self.answered,
            "longest_wait": round(self.longest, 3),
            "well_after": round(self.well_after, 3),
            "requests_over_time": self.requests_over_time,
        }


@frozen
class Storm:
    """The courses of all protections for the same calls."""

    courses: Sequence[Course]
    seed: int
    seconds: float
    """Real seconds."""

    def named(self, name: str) -> Course:
        """Return the course under the protection of this name."""
        return next(course for course in self.courses if course.protection.name == name)

    @property
    def ok(self) -> bool:
        """Whether the budget and the breaker, each alone and both together, lowered the load."""
        alone, *others = self.courses
        return all(course.load < alone.load for course in others)

    def document(self) -> dict[str, Any]:
        """Return the report as a JSON object."""
        return {
            "ok": self.ok,
            "seed": self.seed,
            "outage": {"begins": DOWN, "ends": UP, "calls_begin_within": SPAN},
            "courses": [course.document() for course in self.courses],
        }


def simulate(seed: int = 0, protections: Sequence[Protection] = PROTECTIONS, calls: int = CALLS) -> Storm:
    """Make the calls under each protection. The result, but for the real seconds, depends on the seed alone."""
    started = monotonic()
    chance = FakeClock(seed=seed).random
    begin = sorted(chance() * SPAN for _ in range(calls))
    courses = [_course(protection, begin, seed) for protection in protections]
    return Storm(courses, seed, monotonic() - started)


def _course(protection: Protection, begin: Sequence[float], seed: int) -> Course:
    clock, chance = FakeClock(start=0.0, seed=seed), FakeClock(seed=seed).random
    quickest, slowest = _ANSWERED

    def answer(_: Request) -> Answer:
        latency = quickest + chance() * (slowest - quickest)
        down = _while_down(clock.monotonic())
        return Answer(status=503, latency=_REFUSED) if down else Answer(latency=latency, body=_ANSWER)

    transport = AsyncScriptedTransport(answer, clock)
    course = Course(protection, sent_at=transport.sent_at)
    run(_live, course, AsyncClient(protection.plugins(), transport=transport, clock=clock), clock, begin, clock=clock)
    return course


async def _live(course: Course, client: AsyncClient, clock: FakeClock, begin: Sequence[float]) -> None:
    async def call() -> None:
        began, answered = clock.monotonic(), True
        try:
            async with client.stream("POST", _URL, json={}) as stream:
                async for _ in stream:
                    pass
        except Error:
            answered = False
        course.calls.append(Call(began, clock.monotonic(), answered))

    async with client, anyio.create_task_group() as tasks:
        for moment in begin:
            await anyio.sleep(moment - clock.monotonic())
            tasks.start_soon(call)


def _while_down(moment: float) -> bool:
    return DOWN <= moment < UP
