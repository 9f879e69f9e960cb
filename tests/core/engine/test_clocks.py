"""Each of the four clocks fires at exactly its value, and only when it should."""

import pytest

from unbroken import TimeoutError
from unbroken.dialect import KEEPALIVE
from unbroken.messages import Timeouts
from unbroken.testing import STALL, Answer, sse

from ..kit import Retry, Talk, Timeout

START = ("message_start", {"type": "message_start"})
DELTA = ("content_block_delta", {"delta": {"type": "text_delta", "text": "a"}})
PING = ("ping", {"type": "ping"})
STOP = ("message_stop", {"type": "message_stop"})
UNKNOWN = ("something_new", {})
BLOCK = ("content_block_start", {})
THINK, THOUGHT = ("think", {}), ("thought", {})
CLOCKS = Timeouts(connect=3, first_event=10, idle=20, total=None)


def total(seconds: float) -> Timeouts:
    return Timeouts(connect=3, first_event=10, idle=20, total=seconds)


@pytest.mark.parametrize(
    ("reply", "timeouts", "clock", "after", "seconds", "phase"),
    [
        pytest.param(Answer(connect=STALL), CLOCKS, "connect", 3, 3, "connect", id="C34-connect"),
        pytest.param(Answer(connect=99), CLOCKS, "connect", 3, 3, "connect", id="C34-connect-late"),
        pytest.param(Answer(latency=STALL), CLOCKS, "first_event", 10, 10, "headers", id="C40-no-head"),
        pytest.param(
            Answer(connect=2.0, latency=STALL),
            CLOCKS,
            "first_event",
            10,
            10,
            "headers",
            id="C40-no-head-connect-counts",
        ),
        pytest.param(
            Answer(connect=2.0, latency=STALL),
            Timeouts(connect=3, first_event=3),
            "first_event",
            3,
            3,
            "headers",
            id="no-head-when-both-end-at-once",
        ),
        pytest.param(Answer(body=[STALL]), CLOCKS, "first_event", 10, 10, "first_event", id="C40-after-the-head"),
        pytest.param(
            Answer(latency=4.0, body=[STALL]),
            CLOCKS,
            "first_event",
            10,
            10,
            "first_event",
            id="C40-head-counts",
        ),
        pytest.param(
            Answer(body=[sse(START), *[4.0, sse(PING)] * 9]),
            CLOCKS,
            "first_event",
            10,
            10,
            "first_event",
            id="C40-only-pings-first",
        ),
        pytest.param(
            Answer(body=[sse(START), *[4.0, b": still here\n\n"] * 9]),
            CLOCKS,
            "first_event",
            10,
            10,
            "first_event",
            id="C40-only-comments-first",
        ),
        pytest.param(
            Answer(body=[sse(START, DELTA), STALL]), CLOCKS, "idle", 20, 20, "streaming", id="C40-after-events"
        ),
        pytest.param(
            Answer(body=[9.0, sse(DELTA), 19.0, sse(DELTA), STALL]),
            CLOCKS,
            "idle",
            48,
            20,
            "streaming",
            id="C40-later",
        ),
        pytest.param(
            Answer(body=[sse(DELTA), *[7.0, sse(PING)] * 9]),
            CLOCKS,
            "idle",
            20,
            20,
            "streaming",
            id="C40-only-pings",
        ),
        pytest.param(
            Answer(body=[sse(DELTA), *[7.0, b":\n\n"] * 9]),
            CLOCKS,
            "idle",
            20,
            20,
            "streaming",
            id="A3-only-comments",
        ),
        pytest.param(
            Answer(body=[sse(DELTA), *[19.9, b"d"] * 9]),
            CLOCKS,
            "idle",
            20,
            20,
            "streaming",
            id="C41-one-byte-each",
        ),
        pytest.param(
            Answer(body=[sse(DELTA), *[19.9, b"d"] * 9]),
            total(15),
            "total",
            15,
            15,
            "streaming",
            id="C41-total",
        ),
        pytest.param(Answer(connect=STALL), total(2), "total", 2, 2, "connect", id="total-connect"),
        pytest.param(Answer(latency=STALL), total(5), "total", 5, 5, "headers", id="total-head"),
        pytest.param(Answer(body=[STALL]), total(5), "total", 5, 5, "first_event", id="total-first-event"),
        pytest.param(Answer(body=[1.0, sse(DELTA), STALL]), total(15), "total", 15, 15, "streaming", id="total-idle"),
        pytest.param(
            Answer(body=[*[1.0, sse(DELTA)] * 99]),
            total(30.5),
            "total",
            30.5,
            30.5,
            "streaming",
            id="total-progress",
        ),
        pytest.param(
            Answer(connect=STALL),
            Timeouts(connect=None, first_event=7),
            "first_event",
            7,
            7,
            "connect",
            id="no-connect",
        ),
        pytest.param(
            Answer(connect=STALL),
            Timeouts(connect=9, first_event=7),
            "first_event",
            7,
            7,
            "connect",
            id="connect-longer",
        ),
        pytest.param(
            Answer(body=[STALL]),
            Timeouts(first_event=None, total=8),
            "total",
            8,
            8,
            "first_event",
            id="only-total",
        ),
        pytest.param(
            Answer(body=[sse(DELTA), STALL]),
            Timeouts(idle=None, total=80),
            "total",
            80,
            80,
            "streaming",
            id="no-idle",
        ),
        pytest.param(
            Answer(body=[2.0, sse(DELTA), 70.0, sse(DELTA), STALL]),
            Timeouts(first_event=None, idle=None, total=80),
            "total",
            80,
            80,
            "streaming",
            id="neither-first-event-nor-idle",
        ),
    ],
)
def test_the_right_clock_fires_at_its_value(talk, reply, timeouts, clock, after, seconds, phase):
    """The error says which clock it was and what it was set to; the exchange is let go."""
    played = talk([reply], timeouts=timeouts)
    error = played.error
    assert isinstance(error, TimeoutError)
    assert (error.timeout, error.seconds, error.phase) == (clock, seconds, phase)
    assert played.elapsed == pytest.approx(after, abs=1e-9)
    assert f"within {seconds:g} s ({clock} timeout)" in str(error)
    assert error.retryable
    assert played.transport.open_exchanges == 0


@pytest.mark.parametrize(
    "keepalive", [sse(PING), b": still here\n\n", b":\n"], ids=["ping", "comment", "comment-alone"]
)
def test_keepalives_are_progress_when_that_is_asked_for(talk, keepalive):
    """`count_keepalives`: for the idle clock, never for the first event."""
    timeouts = Timeouts(idle=20, first_event=10, count_keepalives=True)
    patient = talk([Answer(body=[sse(DELTA), *[15.0, keepalive] * 9, sse(STOP)])], timeouts=timeouts)
    assert patient.error is None
    assert patient.elapsed == 135.0
    stalled = talk([Answer(body=[sse(DELTA), 15.0, keepalive, STALL])], timeouts=timeouts)
    assert (stalled.failure.timeout, stalled.elapsed) == ("idle", 35.0)
    unseen = talk([Answer(body=[sse(START), *[4.0, keepalive] * 9])], timeouts=timeouts)
    assert (unseen.failure.timeout, unseen.elapsed) == ("first_event", 10.0)


@pytest.mark.parametrize("event", [BLOCK, UNKNOWN, DELTA], ids=["structure", "unknown", "content"])
def test_content_and_structure_are_progress(talk, event):
    """What an event of an unknown name is, the dialect says."""
    played = talk([Answer(body=[sse(DELTA), *[19.0, sse(event)] * 5, sse(STOP)])], timeouts=CLOCKS)
    assert played.error is None
    assert played.elapsed == 95.0


@pytest.mark.parametrize("event", [START, PING], ids=["preamble", "keep-alive"])
def test_preamble_and_keepalives_are_no_progress(talk, event):
    """A server can repeat them for ever; they are delivered all the same."""
    played = talk([Answer(body=[sse(DELTA), *[7.0, sse(event)] * 9])], timeouts=CLOCKS)
    assert (played.failure.timeout, played.elapsed) == ("idle", 20.0)
    assert played.types == ["content_block_delta", event[0], event[0]]


class Thinking(Talk):
    """Silence is normal between ``think`` and ``thought``, neither of which is progress."""

    def reader(self, call):
        return Thinker()


class Thinker(Talk):
    def classify(self, event):
        self.quiet = {"think": True, "thought": False}.get(event.type, self.quiet)
        return KEEPALIVE if event.type in {"think", "thought"} else super().classify(event)


@pytest.mark.parametrize(
    ("body", "timeout", "after"),
    [
        pytest.param([sse(DELTA, "think"), STALL], "idle", 20, id="unnamed"),
        pytest.param([sse(DELTA, THINK), STALL], "quiet", 90, id="silence"),
        pytest.param([sse(DELTA), 15.0, sse(THINK), STALL], "quiet", 105, id="from-the-event-on"),
        pytest.param([sse(DELTA, THINK), *[40.0, sse(PING)] * 9], "quiet", 90, id="pings-are-no-progress"),
        pytest.param([sse(DELTA, THINK), 80.0, sse(DELTA), STALL], "quiet", 170, id="progress-renews-it"),
        pytest.param([sse(DELTA, THINK), 80.0, sse(THOUGHT), STALL], "idle", 100, id="until-it-ends"),
        pytest.param([sse(DELTA, THINK, THOUGHT), STALL], "idle", 20, id="over-at-once"),
        pytest.param([sse(THINK), STALL], "first_event", 10, id="before-content"),
    ],
)
@pytest.mark.parametrize("cut", [False, True], ids=["whole", "in-pieces"])
def test_quiet_replaces_idle_while_silence_is_normal(play, body, timeout, after, cut):
    """The reader says when: the model thinks, or a tool works."""
    if cut:
        body = [piece for part in body for piece in (map(bytes, zip(part)) if isinstance(part, bytes) else [part])]
    clocks = Timeouts(connect=3, first_event=10, idle=20, quiet=90, total=None)
    played = play([Answer(body=body)], dialect=Thinking(), timeouts=clocks)
    assert (played.failure.timeout, played.elapsed) == (timeout, after)
    assert played.failure.seconds == getattr(clocks, timeout)


def test_D45_pings_are_seen_by_hooks_and_feed_no_clock(talk, spy):
    """They are delivered, held with the preamble before the commit, and are no progress."""
    played = talk([Answer(body=[sse(PING, START, PING, DELTA, PING), 15.0, sse(PING), STALL])], [spy], timeouts=CLOCKS)
    assert played.types == ["ping", "message_start", "ping", "content_block_delta", "ping", "ping"]
    assert [event.type for event in spy.payloads("on_event")] == played.types
    assert [event.type for event in spy.payloads("on_commit")] == ["content_block_delta"]
    assert (played.failure.timeout, played.elapsed) == ("idle", 20.0)


def test_E70_a_slow_consumer_does_not_trip_a_clock(talk, fake_clock):
    """First event and idle run only while the engine waits for bytes."""
    timeouts = Timeouts(first_event=1, idle=1)
    body = [sse(START, DELTA), sse(DELTA, DELTA), 0.9, sse(DELTA), 0.9, sse(DELTA, STOP)]
    played = talk([Answer(body=body)], consume=lambda _: fake_clock.advance(5.0), timeouts=timeouts)
    assert played.error is None
    assert len(played.events) == 7
    assert played.elapsed == pytest.approx(36.8)


def test_the_total_clock_runs_while_the_consumer_thinks(talk, fake_clock):
    """It is the time of the whole call."""
    body = [*[sse(DELTA)] * 9, sse(STOP)]
    played = talk([Answer(body=body)], consume=lambda _: fake_clock.advance(3.0), timeouts=Timeouts(total=10))
    assert len(played.events) == 4
    assert (played.failure.timeout, played.elapsed) == ("total", 12.0)


def test_the_first_event_clock_begins_anew_with_each_attempt(talk):
    """Connect and first event are per attempt, total is not."""
    replies = [Answer(body=[STALL]), Answer(connect=STALL), Answer(body=[9.0, sse(DELTA, STOP)])]
    played = talk(replies, [Retry(initial_delay=1.0)], timeouts=CLOCKS)
    assert played.error is None
    assert played.elapsed == 10 + 1 + 3 + 2 + 9


def test_the_total_clock_runs_during_backoff(talk):
    """A retry that begins just before the deadline gets what is left."""
    played = talk([Answer(status=500), Answer(body=[STALL])], [Retry(initial_delay=1.0)], timeouts=total(4))
    assert (played.failure.timeout, played.elapsed) == ("total", 4.0)
    assert [attempt.number for attempt in played.failure.history] == [1, 2]


def test_the_clocks_of_the_call_beat_those_of_the_plugin(talk):
    """All four together."""
    played = talk([Answer(body=[STALL])], [Timeout(first_event=50, total=5)], timeouts=Timeouts(first_event=7))
    assert (played.failure.timeout, played.elapsed) == ("first_event", 7.0)


@pytest.mark.parametrize(
    ("plugins", "expected"), [([Timeout(first_event=50)], 50.0), ([], 600.0)], ids=["plugin", "defaults"]
)
def test_without_clocks_the_plugins_count_and_then_the_defaults(talk, plugins, expected):
    """Nothing waits for ever, with or without the timeout plugin."""
    played = talk([Answer(body=[STALL])], plugins)
    assert (played.failure.timeout, played.elapsed) == ("first_event", expected)


def test_the_total_of_the_plugin_counts_from_the_beginning_of_the_call(talk):
    """Not from when the plugin was asked."""
    played = talk([Answer(status=500), Answer(body=[STALL])], [Timeout(total=5), Retry(initial_delay=1.0)])
    assert (played.failure.timeout, played.failure.seconds, played.elapsed) == ("total", 5, 5.0)


def test_the_clock_of_a_call_starts_when_it_is_entered(fake_clock):
    """A stream may be prepared long before it is used."""
    from unbroken import Client
    from unbroken.testing import ScriptedTransport

    transport = ScriptedTransport([Answer(body=[1.0, sse("a")])], fake_clock)
    client = Client([], transport=transport, clock=fake_clock)
    stream = client.stream("GET", "https://api.example.org", timeouts=Timeouts(total=2))
    fake_clock.advance(100.0)
    with stream:
        assert [event.data for event in stream] == ["a"]
    assert stream.outcome.duration == 1.0


@pytest.mark.parametrize("jump", [3600.0, -3600.0], ids=["E61-forward", "E61-back"])
def test_E61_deadlines_do_not_notice_the_wall_clock(talk, make_spy, fake_clock, jump):
    """An hour either way, in the middle of a call: the clocks are monotonic."""
    spy = make_spy(
        after_request=lambda call, outcome: fake_clock.jump_wall(jump),
        on_response=lambda call, response: fake_clock.jump_wall(jump),
    )
    plugins = [spy, Retry(initial_delay=1.0)]
    played = talk([Answer(status=503), Answer(body=[sse(DELTA), STALL])], plugins, timeouts=CLOCKS)
    assert (played.failure.timeout, played.elapsed) == ("idle", 21.0)
    played = talk([Answer(status=503), Answer(body=[sse(DELTA), STALL])], plugins, timeouts=total(9))
    assert (played.failure.timeout, played.elapsed) == ("total", 9.0)


def test_a_transport_may_say_by_itself_why_the_time_ran_out(talk):
    """Such as that no connection became free; the engine only adds its stamp."""
    own = TimeoutError("no connection became free")
    own.clock, own.seconds = "connect", 3.0
    played = talk([Answer(connect=3.0, failure=own)], timeouts=CLOCKS)
    assert played.error is own
    assert (own.clock, own.phase, own.request_id) == ("connect", "headers", played.request_id)
