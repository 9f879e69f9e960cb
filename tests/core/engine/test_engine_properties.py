"""Whole calls with random scripts, random plugins' luck and random consumers: what holds for every one of them."""

from typing import Any

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from unbroken import Dialect, Error, NetworkError, Plugin
from unbroken.errors import PHASES
from unbroken.messages import Timeouts
from unbroken.testing import STALL, Answer, FakeClock, play, sse

from ..kit import Retry, Talk, Timeout

CLOCKS = Timeouts(connect=5, first_event=60, idle=60, total=None)
MAX_RETRIES = 3
CONTENT = "content_block_delta"


class Count(Plugin):
    """Counts the clean-up hooks."""

    name = "count"

    def __init__(self):
        super().__init__()
        self.begun = 0
        self.concluded: list[str] = []
        self.finished: list[str] = []

    def before_request(self, call, request):
        self.begun += 1

    def after_request(self, call, outcome):
        self.concluded.append(outcome.status)

    def on_finish(self, call, outcome):
        self.finished.append(outcome.status)


def event(kind: str, attempt: int, number: int) -> tuple[str, Any]:
    """Each event says where it comes from."""
    mark = {"type": kind, "attempt": attempt, "number": number}
    if kind == "error":
        mark["error"] = {"type": "overloaded_error", "message": "busy"}
    return kind, mark


KINDS = st.sampled_from(
    [
        "message_start",
        "content_block_start",
        "ping",
        CONTENT,
        CONTENT,
        CONTENT,
        "message_delta",
        "new",
        "error",
    ]
)
DELAYS = st.sampled_from([0.0, 0.001, 1.0, 20.0, 59.0, 61.0, 200.0])


@st.composite
def bodies(draw: st.DrawFn, attempt: int) -> list[Any]:
    """A stream, whole or not, cut anywhere, with delays, comments, garbage, failures and silence."""
    kinds = draw(st.lists(KINDS, max_size=8))
    if draw(st.booleans()):
        kinds.append("message_stop")
    raw = sse(*(event(kind, attempt, number) for number, kind in enumerate(kinds)))
    cuts = sorted(draw(st.lists(st.integers(0, len(raw)), max_size=5)))
    chunks = [raw[start:end] for start, end in zip([0, *cuts], [*cuts, len(raw)], strict=True)]
    body: list[Any] = []
    for chunk in chunks:
        body.append(chunk)
        extra = draw(st.sampled_from(["none", "none", "delay", "delay", "comment", "stall", "failure"]))
        if extra == "delay":
            body.append(draw(DELAYS))
        elif extra == "stall":
            body.append(STALL)
        elif extra == "failure":
            body.append(NetworkError("reset"))
    return body


@st.composite
def replies(draw: st.DrawFn, attempt: int) -> Answer:
    """An answer of any sort."""
    sort = draw(st.sampled_from(["stream"] * 6 + ["status", "failure", "page"]))
    slow = {
        "connect": draw(st.sampled_from([0.0, 0.0, 4.0, STALL])),
        "latency": draw(st.sampled_from([0.0, 0.5, STALL])),
    }
    if sort == "status":
        headers = draw(st.sampled_from([{}, {"retry-after": "2"}, {"retry-after": "500"}, {"x-should-retry": "false"}]))
        status = draw(st.sampled_from([204, 302, 400, 401, 404, 429, 500, 503, 529]))
        return Answer(**slow, status=status, headers=headers, body=draw(bodies(attempt)))
    if sort == "failure":
        return Answer(**slow, failure=NetworkError("refused"))
    if sort == "page":
        return Answer(**slow, headers={"content-type": "text/html"}, body=b"<html>")
    return Answer(**(slow if draw(st.integers(0, 3)) == 0 else {}), body=draw(bodies(attempt)))


@attrs.frozen
class Story:
    """A server, a consumer and the time that they have."""

    replies: list[Answer]
    leave_after: int | None
    thinks: float
    total: float | None
    commit: str


@st.composite
def stories(draw: st.DrawFn) -> Story:
    """Everything that may happen to a call."""
    return Story(
        replies=[draw(replies(attempt)) for attempt in range(1, MAX_RETRIES + 2)],
        leave_after=draw(st.none() | st.none() | st.integers(1, 6)),
        thinks=draw(st.sampled_from([0.0, 0.0, 5.0, 100.0])),
        total=draw(st.sampled_from([None, None, 0.5, 30.0, 100.0])),
        commit=draw(st.sampled_from(["content", "content", "first-event"])),
    )


def tell(
    story: Story,
    backend: str = "sync",
    *,
    policies: tuple[type[Plugin], type[Plugin]] = (Timeout, Retry),
    dialect: Dialect | None = None,
) -> tuple[Any, Count]:
    """Play `story` with timeouts and a retry policy of the classes `policies`."""
    timeout, retry = policies
    count, clock = Count(), FakeClock()
    left = [story.leave_after]

    def consume(event: Any) -> Any:
        clock.advance(story.thinks)
        if left[0] is not None:
            left[0] -= 1
        return left[0] != 0

    timeouts = attrs.evolve(CLOCKS, total=story.total)
    played = play(
        story.replies,
        [count, timeout(**attrs.asdict(timeouts)), retry(max_retries=MAX_RETRIES)],
        backend=backend,
        clock=clock,
        dialect=dialect or Talk(),
        client={"commit": story.commit},
        consume=consume,
    )
    return played, count


def marks(events: list[Any]) -> list[tuple[int, int]]:
    return [(event["attempt"], event["number"]) for event in events]


@settings(max_examples=400, deadline=None)
@given(stories())
def test_every_call_keeps_the_promises(story):
    """One clean prefix of one attempt, then exactly one end, and everything let go."""
    check_promises(story, *tell(story))


def check_promises(story: Story, played: Any, count: Count) -> None:
    """Fail unless the call kept what is promised of every call."""
    left_early = played.error is None and played.outcome.status == "cancelled"

    # Exactly one end: complete, one error of ours, or the consumer's own choice.
    assert played.error is None or isinstance(played.error, Error)
    assert not left_early or story.leave_after == len(played.events)
    if played.error is None and not left_early:
        assert played.outcome.status == "success"
        assert played.types[-1] == "message_stop"

    # What was delivered is a prefix of one attempt, in order, without gaps and duplicates.
    where = marks(played.events)
    assert [number for _, number in where] == list(range(len(where)))
    assert {attempt for attempt, _ in where} <= {played.attempts}

    # Everything was let go, once for each attempt and once for the call.
    assert played.transport.open_exchanges == 0
    assert count.begun == len(count.concluded) == played.attempts <= MAX_RETRIES + 1
    assert len(count.finished) == 1
    assert count.finished == [played.outcome.status]
    assert count.concluded[:-1] == ["failure"] * (played.attempts - 1)

    # Nothing lasts longer than its clocks and its consumer.
    longest = 60.0 + 5.0 + MAX_RETRIES * (60.0 + 5.0 + 120.0 * 1.1)
    waited = sum(item for reply in story.replies for item in reply.body if isinstance(item, float))
    thought = len(played.events) * story.thinks
    assert played.elapsed <= longest + waited + 60.0 * (1 + len(played.events)) + thought
    if story.total is not None:
        assert played.elapsed <= story.total + thought + 1e-6

    if played.error is not None:
        error = played.error
        assert error.request_id == played.request_id
        assert error.phase in PHASES
        assert error.history == played.history
        assert [attempt.number for attempt in error.history] == list(range(1, played.attempts + 1))
        assert error.history[-1].error == type(error).__name__
        assert played.outcome.error is error


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
@settings(max_examples=100, deadline=None)
@given(stories())
def test_every_colour_tells_the_same_story(backend, story):
    """Blocking and awaiting cannot drift apart."""
    one, other = tell(story), tell(story, backend)
    assert summary(*one) == summary(*other)


def summary(played: Any, count: Count) -> dict[str, Any]:
    error = played.error
    return {
        "events": marks(played.events),
        "error": None if error is None else (type(error), error.message, error.phase, error.retryable),
        "history": [attrs.astuple(attempt) for attempt in played.history],
        "outcome": played.outcome.status,
        "concluded": count.concluded,
        "elapsed": pytest.approx(played.elapsed, abs=1e-6),
        "requests": len(played.requests),
        "kept": [exchange.released for exchange in played.transport.exchanges],
    }
