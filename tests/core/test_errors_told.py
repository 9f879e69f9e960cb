"""Failures in every shape in which servers tell them, as data: `cases/errors.json` and `cases/hints.json`."""

import json
from pathlib import Path
from typing import Any

import pytest

from unbroken import Dialect, ServerError, errors
from unbroken.dialect import CONTENT, ERROR, KEEPALIVE, Kind
from unbroken.error_report import ErrorReport
from unbroken.messages import Event
from unbroken.testing import STALL, Answer, sse

CASES = Path(__file__).parent / "cases"


def load(name: str) -> list[Any]:
    cases = json.loads((CASES / name).read_text())
    return [pytest.param(case, id=case["id"]) for case in cases]


class Telling(Dialect):
    """Plain SSE that knows two things more: an event named ``error`` reports a failure, and ``ping`` nothing."""

    has_terminal_event = True

    def classify(self, event: Event) -> Kind:
        return {"error": ERROR, "ping": KEEPALIVE}.get(event.type, CONTENT)


def text_of(body: Any, indent: int | None = None) -> bytes:
    return (
        body.encode("utf-8", "surrogateescape") if isinstance(body, str) else json.dumps(body, indent=indent).encode()
    )


def in_pieces(body: bytes) -> list[bytes]:
    return [bytes([byte]) for byte in body]


def frame(body: bytes) -> bytes:
    """As the data of an event, behind a comment and another event."""
    lines = b"".join(b"data: " + line + b"\n" for line in body.split(b"\n"))
    return b': hello\n\nevent: ping\ndata: {"type": "ping"}\n\nevent: error\n' + lines + b"\n"


WAYS = {
    "status": lambda body, status: Answer(status=status, headers={"content-type": "application/json"}, body=body),
    "status-in-pieces": lambda body, status: Answer(status=status, headers={}, body=in_pieces(body)),
    "framed": lambda body, status: Answer(
        status=status, headers={"content-type": "application/json"}, body=frame(body)
    ),
    "framed-stream": lambda body, status: Answer(status=status, body=frame(body)[:-2]),
}
UNDER_200 = {
    "json": lambda body: Answer(headers={"content-type": "application/json"}, body=body),
    "text": lambda body: Answer(headers={"content-type": "text/plain"}, body=body),
    "no-type": lambda body: Answer(headers={}, body=in_pieces(body)),
    "json-framed": lambda body: Answer(headers={"content-type": "application/json"}, body=frame(body)),
    "event": lambda body: Answer(body=frame(body)),
    "bare": lambda body: Answer(body=body),
    "bare-line": lambda body: Answer(body=body + b"\r\n"),
    "bare-in-pieces": lambda body: Answer(body=in_pieces(body)),
    "bare-after-a-blank-line": lambda body: Answer(body=b": comment\n\n\n" + body + b"\n\n"),
    "bare-after-events": lambda body: Answer(body=sse("one", "two") + body),
}


def check(error: Any, expect: dict[str, Any]) -> None:
    assert type(error) is getattr(errors, expect["error"]), error
    assert error.retryable is expect.get("retryable", type(error).default_retryable)
    assert expect.get("words", "") in error.message
    assert error.retry_after == expect.get("retry_after")


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("indent", [None, 2], ids=["", "lines"])
@pytest.mark.parametrize("case", load("errors.json"))
def test_an_error_under_a_status_is_what_its_body_says(play, case, way, indent):
    """Whatever the framing and the content type; without a number or a name in it, the status decides."""
    status = case.get("status", 500)
    error = play([WAYS[way](text_of(case["body"], indent), status)]).error
    check(error, case["under_status"] if "under_status" in case else case["expect"])
    assert error.status_code == case.get("status_code", status)


@pytest.mark.parametrize("way", UNDER_200)
@pytest.mark.parametrize("indent", [None, 2], ids=["", "lines"])
@pytest.mark.parametrize("case", [case for case in load("errors.json") if case.values[0].get("under_200", True)])
def test_an_error_under_200_is_the_same(play, case, way, indent):
    """As JSON, as an event and bare in the stream, whole and in pieces."""
    body = text_of(case["body"], indent)
    played = play([UNDER_200[way](body)], dialect=Telling())
    check(played.error, case["expect"])
    assert played.error.status_code == case.get("status_code")
    assert played.data == (["one", "two"] if way == "bare-after-events" else [])


SPENT = [
    "1113",
    "Arrearage",
    "billing_hard_limit_reached",
    "billing_not_active",
    "contract_spend_limit_reached",
    "credit_balance_exhausted",
    "enforced_spend_limit_reached",
    "exceeded_current_quota_error",
    "insufficient_quota",
    "linked_organization_spend_limit_reached",
    "organization_spend_limit_exceeded",
    "organization_usage_limit_exceeded",
    "project_spend_limit_exceeded",
]


@pytest.mark.parametrize("name", SPENT)
@pytest.mark.parametrize("place", ["code", "type", "error_code", "reason"])
def test_an_account_that_is_spent_is_told_by_name(name, place):
    """In the error, beside it or in its details; waiting does not cure it."""
    for document in ({"error": {place: name}}, {place: name, "message": "no"}, {"error": {"details": {place: name}}}):
        assert ErrorReport.of(text_of(document)).is_spent
    assert ErrorReport.of(text_of({"error": name})).is_spent
    assert not ErrorReport.of(text_of({"error": {place: f"{name}_not"}})).is_spent


def test_a_flat_error_is_described_by_its_own_fields():
    """Without a type that only says that it is an error."""
    flat = {"type": "overloaded_error", "message": "no"}
    assert ErrorReport.of(text_of(flat)).described == flat
    for type in ("error", "response.failed"):
        assert ErrorReport.of(text_of({"type": type, "message": "no"})).described == {"message": "no"}
        assert ErrorReport.of(text_of({"object": type, "message": "no"})).described["object"] == type
    assert ErrorReport.of(text_of({"error": "too_busy", "message": "no"})).described["code"] == "too_busy"
    for said in ("busy", "too busy_", "_ "):
        assert "code" not in ErrorReport.of(text_of({"error": said, "message": "no"})).described


@pytest.mark.parametrize("case", load("hints.json"))
def test_a_hint_in_the_body_is_the_wait_that_the_server_asks_for(play, case):
    """Without one in the head, which goes before it."""
    body = text_of(case["body"])
    answer = Answer(status=429, headers={"content-type": "application/json"}, body=body)
    assert play([answer]).failure.retry_after == case["retry_after"]
    assert play([Answer(body=body)], dialect=Telling()).failure.retry_after == case["retry_after"]
    answer = Answer(status=429, headers={"content-type": "application/json", "retry-after": "3"}, body=body)
    assert play([answer]).failure.retry_after == 3.0


@pytest.mark.parametrize("junk", [b"{", b"[1, 2]", b'{"a": 1}\n', b'{"error": null}\n\n', b'{"error": {}}\n' * 99])
def test_json_outside_of_events_that_reports_nothing_is_ignored(play, junk):
    """As the standard says of every line that is no field."""
    played = play([Answer(body=[*in_pieces(junk), b"\n", sse("one")])])
    assert played.error is None
    assert played.data == ["one"]


def test_bare_json_is_an_error_as_soon_as_it_is_whole(play):
    """Even if it comes byte by byte and the server then keeps the connection open."""
    played = play([Answer(body=[*in_pieces(b'{"error": {"message": "no"}}'), STALL])], dialect=Telling())
    assert type(played.failure) is ServerError
    assert played.elapsed == 0.0


def test_bare_json_that_looked_whole_too_often_is_told_at_the_end(play):
    """Each look reads it again, so there are only a few while it arrives."""
    body = [b'{"error": {"message": "no"}, "x": [[]', *[b",[]"] * 40, b"]}"]
    played = play([Answer(body=body)], dialect=Telling())
    assert type(played.failure) is ServerError


def test_bare_json_is_read_up_to_64_kib(play):
    """More is no message for anybody."""
    played = play([Answer(body=[b'{"error": "', b"x" * 100_000, b'"}', b"\n{}" * 99])])
    assert played.error is None
    played = play([Answer(body=[b'{"error": "no",\n', *[b'"x": [],\n'] * 99, b'"y": {}}'])])
    assert type(played.error) is ServerError


def test_the_number_in_the_error_decides_for_the_retry_too(play):
    """A 500 that says 400 inside is not repeated, and one that says 429 is a rate limit."""
    body = {"error": {"code": 400, "message": "too long"}}
    error = play([Answer(status=500, body=text_of(body))]).failure
    assert (error.status_code, error.retryable) == (400, False)
