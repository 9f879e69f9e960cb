"""Counts of calls, in virtual time."""

import json

import pytest

from unbroken.testing import FakeClock
from unbroken_gateway.replies.errors import Problem
from unbroken_gateway.traffic import PHASES, Traffic, percentiles
from unbroken_metrics import Metrics

from ..operator import TROUBLE, ended


@pytest.fixture
def clock():
    return FakeClock()


@pytest.fixture
def traffic(clock):
    return Traffic(clock=clock)


def problem(name: str) -> Problem:
    return Problem(name=name, status=429, anthropic="", openai="", message="")


def test_a_call_goes_through_its_phases(traffic, clock):
    """It is shown with its phase and its age, until it ends."""
    entry = traffic.begin("r1", "keys|alice", "/v1/messages", "claude", "m", plan="free")
    for phase in PHASES:
        entry.phase, entry.count = phase, lambda: 7
        clock.advance(1.0)
        shown = traffic.snapshot()
        assert shown["phases"] == {each: int(each == phase) for each in PHASES}
    assert shown["calls"] == [
        {
            "request_id": "r1",
            "user": "keys|alice",
            "route": "/v1/messages",
            "upstream": "claude",
            "model": "m",
            "phase": "draining",
            "tokens": 7,
            "seconds": 6.0,
        }
    ]
    entry.end(ended("r1"))
    assert (traffic.snapshot()["calls"], traffic.snapshot()["under_way"]) == ([], 0)
    assert "keys|alice" not in repr(traffic)


def test_a_call_ends_once(traffic):
    """A relay may tell it on two ways."""
    entry = traffic.begin("r1", "u", "/v1/messages")
    entry.end(ended("r1", ending="cancelled", micro_usd=5))
    entry.end(ended("r1", ending="failed", micro_usd=5, error="ServerError"))
    shown = traffic.snapshot()
    assert (shown["endings"], shown["micro_usd"], shown["errors"]) == ({"cancelled": 1}, 5, {})


def test_calls_are_shown_the_newest_first_and_at_most_100(traffic):
    for number in range(150):
        traffic.begin(f"r{number}", "u", "/v1/messages")
    shown = traffic.snapshot()
    assert (shown["under_way"], len(shown["calls"]), shown["calls"][0]["request_id"]) == (150, 100, "r149")


def test_rates_are_those_of_the_last_seconds(traffic, clock):
    """The present second is not over, so it does not count yet."""
    for _ in range(90):
        traffic.begin("r", "u", "/v1/messages").end(ended("r"))
        traffic.refused(problem("user_limit"))
        clock.advance(1.0)
    shown = traffic.snapshot()
    assert (shown["requests"], shown["per_second"], shown["per_minute"]) == (180, 2.0, 120)
    assert shown["history"] == [2] * 60
    clock.advance(30.0)
    shown = traffic.snapshot()
    assert (shown["per_second"], shown["history"]) == (0.0, [2] * 30 + [0] * 30)
    assert shown["uptime"] == 120.0


def test_percentiles_are_those_of_the_last_five_minutes(traffic, clock):
    def call(seconds):
        entry = traffic.begin("r", "u", "/v1/messages")
        clock.advance(seconds)
        entry.end(ended("r", first_byte=seconds / 2))

    call(64.0)
    clock.advance(301.0)
    call(2.0)
    shown = traffic.snapshot()
    assert shown["recent"]["calls"] == 1
    assert shown["duration"] == {"p50": 2.0, "p95": 2.0, "p99": 2.0}
    assert shown["first_byte"]["p50"] == 1.0
    assert traffic.duration.sum == 66.0


@pytest.mark.parametrize(
    ("times", "expected"),
    [
        ([], (None, None, None)),
        ([3.0], (3.0, 3.0, 3.0)),
        (range(1, 101), (50, 95, 99)),
        (range(200, 0, -1), (100, 190, 198)),
    ],
)
def test_percentiles_are_the_nearest_rank(times, expected):
    assert tuple(percentiles(times).values()) == expected


def test_usage_that_is_unknown_is_not_counted(traffic):
    """R4: 0 is a count, None is none."""
    traffic.begin("r1", "u", "/v1/messages").end(ended("r1", input_tokens=0, output_tokens=5))
    traffic.begin("r2", "u", "/v1/messages").end(ended("r2", estimated_tokens=9))
    assert traffic.snapshot()["tokens"] == {"output": 5, "estimated": 9}


def test_names_are_bounded(traffic):
    """Whatever is sent, neither the memory nor the labels of the metrics grow."""
    for number in range(300):
        traffic.refused(problem(f"p{number}"))
        traffic.failed(f"f{number}")
        traffic.alert(problem(f"p{number}"))
        entry = traffic.begin("r", f"u{number}", f"/{number}", plan="free")
        entry.end(ended("r", error=f"E{number}"))
    for counter in (traffic.errors, traffic.refusals, traffic.failures, traffic.alerted, traffic.calls):
        assert len(counter) == 101
        assert counter.total() in {300, 600}
    assert traffic.errors["other"] == 500
    assert len(traffic.snapshot()["alerts"]) == 100


def test_alerts_are_shown_the_newest_first(traffic, clock):
    traffic.alert(TROUBLE, upstream="a", request_id="r1")
    clock.advance(1.0)
    traffic.alert(TROUBLE, upstream="b")
    newest, oldest = traffic.snapshot()["alerts"]
    assert (newest["upstream"], oldest["upstream"], oldest["request_id"]) == ("b", "a", "r1")
    assert newest["at"] - oldest["at"] == 1.0
    assert newest["problem"] == TROUBLE.name


def test_the_plan_of_a_user_is_that_of_the_last_call(traffic):
    """Of the last thousand users."""
    traffic.begin("r", "first", "/v1/messages", plan="free")
    traffic.begin("r", "first", "/v1/messages", plan="pro")
    traffic.begin("r", "other", "/v1/messages")
    assert (traffic.plan_of("first"), traffic.plan_of("other")) == ("pro", "")
    for number in range(1000):
        traffic.begin("r", f"u{number}", "/v1/messages", plan="free")
    assert traffic.plan_of("first") == ""


def test_circuits_come_from_the_metrics_of_the_clients():
    metrics = Metrics()
    metrics.on_circuit_state_change("claude", "https://api.example.com", "closed", "open", 5)
    (circuit,) = Traffic(metrics=metrics).snapshot()["circuits"]
    assert circuit == {"circuit": "claude", "key": "https://api.example.com", "states": ("open",)}


def test_a_snapshot_is_json(traffic):
    traffic.begin("r1", "u", "/v1/messages").end(ended("r1", error="ServerError", first_byte=0.5))
    traffic.alert(TROUBLE)
    assert json.loads(json.dumps(traffic.snapshot()))["errors"] == {"ServerError": 1}
