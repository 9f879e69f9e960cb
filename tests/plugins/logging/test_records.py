"""What is recorded, at which level, with which fields."""

import time
from enum import StrEnum

import pytest

from unbroken.call import Outcome
from unbroken.decisions import GiveUp, Reject, Replay, TryAgain, Wait
from unbroken.errors import CircuitOpenError, OverloadedError, ServerError
from unbroken.headers import Headers
from unbroken.messages import Event, Request, Response, Usage
from unbroken.testing import Answer, play
from unbroken_circuit_breaker import CircuitBreaker

OVERLOADED = OverloadedError(
    "overloaded", status_code=529, retry_after=2.0, kind="overloaded_error", response_id="req_1"
)
ERROR_FIELDS = {
    "error": "OverloadedError",
    "error_message": "overloaded",
    "error_kind": "overloaded_error",
    "status_code": 529,
    "retry_after": 2.0,
    "response_id": "req_1",
}
COMMON = {
    "request_id": "call-1",
    "attempt": 1,
    "phase": "before",
    "origin": "https://api.example.org:443",
}


class Open(StrEnum):
    """The states, as the breaker gives them."""

    CLOSED = "closed"
    OPEN = "open"


def outcome(status, error=None, attempt=1):
    return Outcome(status=status, error=error, attempts=attempt, duration=1.5)


def only(entries):
    (entry,) = entries
    return entry.record["level"].name, entry.record["extra"]


@pytest.mark.parametrize(
    ("decision", "level", "message"),
    [
        (Wait(1.0, shadow=True), "INFO", "in shadow: waiting"),
        (Reject(OVERLOADED, shadow=True), "INFO", "in shadow: rejected"),
        (TryAgain(1.0, shadow=True), "INFO", "in shadow: retrying"),
        (GiveUp(shadow=True), "INFO", "in shadow: giving up"),
    ],
)
def test_a_decision_in_shadow_is_marked(make_plugin, call, entries, decision, level, message):
    """It changed nothing, so it is no warning."""
    plugin = make_plugin(level="DEBUG")
    plugin.on_decision(call, decision, "acme")
    plugin.close()
    (entry,) = entries
    assert entry.record["level"].name == level
    assert entry.record["message"].startswith(message + " request_id=")
    assert entry.record["extra"]["shadow"] is True


def test_the_origin_is_where_the_attempt_goes(make_plugin, call, entries):
    """After a fallback that is another host."""
    call.current = Request.build("POST", "https://other.example.org/")
    plugin = make_plugin(level="DEBUG")
    plugin.on_decision(call, GiveUp(), "acme")
    plugin.close()
    assert only(entries)[1]["origin"] == "https://other.example.org:443"


@pytest.mark.parametrize(
    ("decision", "level", "expected"),
    [
        (Wait(0.25, "limit"), "DEBUG", {"unbroken": "wait", "delay": 0.25, "reason": "limit"}),
        (Wait(1.0), "WARNING", {"unbroken": "wait", "delay": 1.0}),
        (Reject(OVERLOADED), "WARNING", {"unbroken": "reject", **ERROR_FIELDS}),
        (TryAgain(0.5, reason="busy"), "WARNING", {"unbroken": "retry", "delay": 0.5, "reason": "busy"}),
        (TryAgain(0, resume=True), "WARNING", {"unbroken": "retry", "delay": 0, "resume": True}),
        (GiveUp(reason="max"), "INFO", {"unbroken": "give-up", "reason": "max"}),
        (GiveUp(OVERLOADED), "INFO", {"unbroken": "give-up", **ERROR_FIELDS}),
        (Replay([Event(), Event()]), "INFO", {"unbroken": "replay", "events": 2}),
    ],
    ids=[
        "short wait",
        "long wait",
        "reject",
        "retry",
        "resume",
        "give up",
        "give up with an error",
        "replay",
    ],
)
def test_each_decision_has_one_record(make_plugin, call, entries, decision, level, expected):
    """Who decided what, why, and for how long."""
    plugin = make_plugin(level="DEBUG")
    plugin.on_decision(call, decision, "somebody")
    assert plugin.flush(10)
    assert only(entries) == (level, {**COMMON, "plugin": "somebody", **expected})


@pytest.mark.parametrize("decision", [TryAgain(1.0), GiveUp()], ids=["retry", "give-up"])
def test_a_decision_about_a_failure_tells_the_failure(make_plugin, call, entries, decision):
    """A retry without its cause is of no use to anybody."""
    plugin = make_plugin()
    call.error = OVERLOADED  # the engine's part
    plugin.on_decision(call, decision, "retry")
    assert plugin.flush(10)
    assert only(entries)[1].items() >= ERROR_FIELDS.items()


@pytest.mark.parametrize(
    ("status", "error", "level"),
    [
        ("success", None, "INFO"),
        ("cancelled", None, "INFO"),
        ("rejected", CircuitOpenError("open"), "WARNING"),
        ("failure", ServerError("down"), "ERROR"),
    ],
)
def test_the_end_of_a_call_has_one_record(make_plugin, call, entries, status, error, level):
    """Its level says how it ended."""
    plugin = make_plugin()
    plugin.on_finish(call, outcome(status, error, attempt=3))
    assert plugin.flush(10)
    found, fields = only(entries)
    assert found == level
    assert fields["status"] == status
    assert fields["attempt"] == 3
    assert fields.get("error") == (type(error).__name__ if error else None)


def test_the_end_of_a_call_tells_what_it_took(make_plugin, call, entries):
    """Times, sizes and token counts; a count of zero is a count."""
    call.committed_at, call.events, call.bytes = 0.75, 9, 1234
    call.usage = Usage(input_tokens=0, output_tokens=7, final=True)
    call.response = Response(status_code=200, headers=Headers({"x-request-id": "req_9"}))
    plugin = make_plugin()
    plugin.on_finish(call, outcome("success"))
    assert plugin.flush(10)
    expected = {
        "unbroken": "call-ended",
        "status": "success",
        "duration": 1.5,
        "time_to_first_event": 0.75,
        "events": 9,
        "bytes": 1234,
        "usage": {"input_tokens": 0, "output_tokens": 7, "final": True},
        "status_code": 200,
        "response_id": "req_9",
    }
    assert only(entries)[1] == {**COMMON, **expected}


def test_a_change_of_a_circuit_has_one_record(make_plugin, entries):
    """It belongs to no call: which circuit, from what to what, after how many failures."""
    plugin = make_plugin(level="WARNING")
    origin = "https://api.example.org:443"
    plugin.on_circuit_state_change("upstream", origin, Open.CLOSED, Open.OPEN, 0)
    assert plugin.flush(10)
    expected = {"circuit": "upstream", "key": origin, "old": "closed", "new": "open", "failure_count": 0}
    assert only(entries) == ("WARNING", {"unbroken": "circuit", **expected})
    assert entries[0].startswith("circuit changed circuit=upstream key=https://api.example.org:443 old=closed new=open")
    assert "request_id" not in entries[0]


def test_a_change_of_a_circuit_has_the_time_of_the_fact(make_plugin, call, entries):
    """By the clock of the client; the machine's when there is none yet."""
    plugin = make_plugin(level="WARNING")
    before = time.time()
    plugin.on_circuit_state_change("default", "a", "closed", "open", 5)
    plugin.bind(None, call.clock)
    plugin.on_circuit_state_change("default", "a", "open", "closed", 0)
    assert plugin.flush(10)
    first, second = [entry.record["time"].timestamp() for entry in entries]
    assert before <= first + 1e-3
    assert first <= time.time()
    assert second == call.time() == 1_700_000_000.25


def test_a_key_of_any_class_is_recorded_as_it_prints(make_plugin, entries):
    """And one that looks like a credential is not recorded."""
    plugin = make_plugin(level="WARNING")
    for key in (("a", 1), "sk-ant-api03-CANARY7c1fQ", "0123456789abcdef0123456789abcdef"):
        plugin.on_circuit_state_change("default", key, "closed", "open", 5)
    assert plugin.flush(10)
    assert [entry.record["extra"]["key"] for entry in entries] == ["('a', 1)", "***", "***"]


def test_a_refusal_of_a_circuit_says_which(make_plugin, call, entries):
    """At the decision, at the end of the attempt and at the end of the call."""
    error = CircuitOpenError("open", retry_after=3.0)
    error.circuit, error.key = "upstream", "tenant-7"
    plugin = make_plugin(level="DEBUG")
    plugin.on_decision(call, Reject(error), "circuit-breaker")
    plugin.after_request(call, outcome("rejected", error))
    plugin.on_finish(call, outcome("rejected", error))
    assert plugin.flush(10)
    fields = {"circuit": "upstream", "key": "tenant-7", "error": "CircuitOpenError", "retry_after": 3.0}
    assert [entry.record["extra"].items() >= fields.items() for entry in entries] == [True] * 3


def test_a_breaker_in_the_same_client_is_heard_and_none_is_needed(make_plugin, entries):
    """Once, however many clients the two share."""
    breaker, plugin = CircuitBreaker(failure_threshold=1), make_plugin(level="WARNING")
    for plugins in ([plugin, breaker], [plugin, breaker], [plugin]):
        play([Answer(status=503)], plugins)
    assert plugin.flush(10)
    changes = [entry.record["extra"] for entry in entries if entry.record["extra"]["unbroken"] == "circuit"]
    assert [(change["old"], change["new"], change["failure_count"]) for change in changes] == [("closed", "open", 1)]


def test_attempts_are_recorded_for_those_who_debug(make_plugin, call, entries):
    """One record at the start of each attempt and one at its end."""
    plugin = make_plugin(level="DEBUG")
    assert plugin.before_request(call, call.request) is None
    plugin.after_request(call, outcome("failure", OVERLOADED))
    assert plugin.flush(10)
    assert [entry.record["level"].name for entry in entries] == ["DEBUG", "DEBUG"]
    started, ended = [entry.record["extra"] for entry in entries]
    assert started == {**COMMON, "unbroken": "attempt-started"}
    end = {"unbroken": "attempt-ended", "status": "failure", "duration": 1.5, "bytes": 0}
    assert ended == {**COMMON, **end, **ERROR_FIELDS}


def test_events_are_recorded_without_their_content(make_plugin, call, entries):
    """Type, id and size, never the data."""
    plugin = make_plugin(level="DEBUG", events=True)
    assert plugin.on_event(call, Event.make("delta", "hello", id="7")) is None
    assert plugin.flush(10)
    fields = {"unbroken": "event", "event_type": "delta", "event_id": "7", "size": 5}
    assert only(entries) == ("DEBUG", {**COMMON, **fields})
    assert "hello" not in str(entries[0])


@pytest.mark.parametrize(("headers", "expected"), [((), False), (("X-Team", "Authorization"), True)])
def test_headers_are_recorded_by_permission_only(make_plugin, make_call, entries, headers, expected):
    """Values of allowed headers, and credentials not even then."""
    call = make_call(**{"X-Team": "blue", "X-Other": "private", "Authorization": "Bearer CANARY"})
    call.response = Response(status_code=200, headers=Headers({"x-team": "red", "x-other": "private"}))
    plugin = make_plugin(allow_headers=frozenset(headers))
    plugin.on_finish(call, outcome("success"))
    assert plugin.flush(10)
    _, fields = only(entries)
    if expected:
        assert fields["request_headers"] == {"x-team": "blue", "authorization": "***"}
        assert fields["response_headers"] == {"x-team": "red"}
    else:
        assert "request_headers" not in fields
    assert "CANARY" not in str(entries[0])


@pytest.mark.parametrize(
    ("level", "expected"), [("debug", 7), ("INFO", 4), ("WARNING", 3), ("ERROR", 1), ("CRITICAL", 0)]
)
def test_records_below_the_level_are_not_made(make_plugin, call, monkeypatch, level, expected):
    """They cost a comparison: nothing is taken down, nothing queued."""
    plugin = make_plugin(level=level, events=True)
    taken = []
    monkeypatch.setattr(plugin._queue, "put", taken.append)
    plugin.before_request(call, call.request)
    plugin.on_event(call, Event.make("delta"))
    plugin.after_request(call, outcome("failure", OVERLOADED))
    plugin.on_decision(call, TryAgain(), "retry")
    plugin.on_decision(call, GiveUp(), "retry")
    plugin.on_circuit_state_change("default", "a", "closed", "open", 5)
    plugin.on_finish(call, outcome("failure", OVERLOADED))
    assert len(taken) == expected


def test_an_error_that_is_not_text_is_recorded(make_plugin, call, entries):
    """A message that somebody made of something else is shown as it prints."""
    error = ServerError("x")
    error.message = {"not": "text"}
    plugin = make_plugin()
    plugin.on_finish(call, outcome("failure", error))
    assert plugin.flush(10)
    assert only(entries)[1]["error_message"] == "{'not': 'text'}"
