"""The dialect at work in the engine, without sockets."""

import json
from collections.abc import Iterable
from typing import Any

import pytest

from unbroken import Client, Event, Opening, Plugin, Request, Response, TryAgain
from unbroken.errors import OverloadedError, QuotaExceededError, TruncatedStreamError
from unbroken.headers import Headers
from unbroken.messages import Usage
from unbroken_anthropic import Anthropic

START = {"type": "message_start", "message": {"usage": {"input_tokens": 25, "output_tokens": 1}}}
FALLBACK = [
    {"type": "content_block_start", "index": 0, "content_block": {"type": "fallback"}},
    {"type": "content_block_stop", "index": 0},
]
PING = {"type": "ping"}
TEXT = [
    {"type": "content_block_start", "index": 1, "content_block": {"type": "text", "text": ""}},
    {"type": "content_block_delta", "index": 1, "delta": {"type": "text_delta", "text": "Hel"}},
    {"type": "content_block_delta", "index": 1, "delta": {"type": "text_delta", "text": "lo"}},
    {"type": "content_block_stop", "index": 1},
]
END = [
    {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 15}},
    {"type": "message_stop"},
]
OVERLOADED = {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}


class Answers:
    """A transport with one prepared answer for each attempt: a status and the chunks of a body."""

    def __init__(self, *answers: tuple[int, list[bytes]]) -> None:
        self.left = list(answers)

    def open(self, request: Request, opening: Opening) -> "Answers":
        status, self.chunks = self.left.pop(0)
        kind = "text/event-stream" if status == 200 else "application/json"
        self.response = Response(status_code=status, headers=Headers({"Content-Type": kind, "request-id": "req_1"}))
        return self

    def read(self, deadline: float | None) -> bytes:
        return self.chunks.pop(0) if self.chunks else b""

    def close(self, *, reusable: bool = False) -> None: ...


class Again(Plugin):
    """Tries again whatever may be."""

    name = "again"

    def should_retry(self, call: Any, error: Any) -> Any:
        return TryAgain(0.0) if error.retryable else None


def sent(events: Iterable[dict[str, Any]], *, named: bool = True) -> tuple[int, list[bytes]]:
    """Write `events` as the API does, one in each chunk; without their names as some proxies do."""
    name = "event: {type}\n" if named else ""
    return 200, [f"{name.format(**event)}data: {json.dumps(event)}\n\n".encode() for event in events]


def types(events: Iterable[Event]) -> list[str]:
    return [event["type"] for event in events]


def run(*answers: tuple[int, list[bytes]]) -> tuple[list[Event], Any, Answers]:
    """Stream from `answers`; the events, the stream and the transport."""
    transport, events = Answers(*answers), list[Event]()
    with (
        Client(plugins=[Again()], dialect=Anthropic(), transport=transport) as client,
        client.stream("POST", "https://api.example/v1/messages") as stream,
    ):
        events.extend(stream)
    return events, stream, transport


@pytest.mark.parametrize("named", [True, False], ids=["named", "D49-unnamed"])
def test_a_complete_stream_is_delivered_as_it_came(named: bool):
    """Every event once and in order, with the usage of its end (D45, D53)."""
    events = [START, PING, *FALLBACK, *TEXT, PING, *END]
    delivered, stream, _ = run(sent(events, named=named))
    assert types(delivered) == [event["type"] for event in events]
    assert "".join(Anthropic().text(event) or "" for event in delivered) == "Hello"
    assert stream.usage == Usage(input_tokens=25, output_tokens=15, final=True)


@pytest.mark.parametrize(
    "before",
    [
        pytest.param([], id="D47-first"),
        pytest.param([START, PING], id="D47-after-start"),
        pytest.param([START, *FALLBACK, TEXT[0]], id="D47-after-a-block-without-deltas"),
    ],
)
def test_an_error_before_any_content_is_retried_unseen(before: list[dict[str, Any]]):
    """The consumer sees the second attempt alone."""
    good = [START, *TEXT, *END]
    delivered, _, transport = run(sent([*before, OVERLOADED]), sent(good))
    assert types(delivered) == [event["type"] for event in good]
    assert not transport.left


def test_blocks_without_deltas_are_not_lost_when_the_message_ends():
    """Held until the stop reason, which is content."""
    events = [START, *FALLBACK, *END]
    assert types(run(sent(events))[0]) == [event["type"] for event in events]


def test_a_start_without_a_message_does_not_hide_the_text_of_the_next():
    """The text of a message that starts again counts once, but only if it was there before (W16)."""
    starts = [{"type": "message_start", "message": 1.5}]
    starts += [{"type": "message_start", "message": {"content": [{"type": "text", "text": "Hello"}]}}] * 2
    reader = Anthropic().reader(None)  # type: ignore[arg-type]
    assert [reader.text(Event.make(start["type"], start)) for start in starts] == [None, "Hello", None]


def test_an_error_after_content_surfaces_as_its_http_twin():
    """No second attempt, and no status that the response did not have (D48)."""
    with pytest.raises(OverloadedError) as caught:
        run(sent([START, *TEXT, OVERLOADED]), sent([START, *END]))
    assert (caught.value.status_code, caught.value.response_id) == (None, "req_1")
    assert len(caught.value.history) == 1


def test_a_stream_without_its_end_is_truncated():
    """A stop reason is not the end of the stream (C37)."""
    with pytest.raises(TruncatedStreamError):
        run(sent([START, *TEXT, END[0]]))


def test_what_is_spent_is_asked_for_once():
    """One request, and the error of a quota (B32)."""
    error = {
        "type": "rate_limit_error",
        "message": "x",
        "details": {"error_code": "enforced_spend_limit_reached"},
    }
    with pytest.raises(QuotaExceededError) as caught:
        run((429, [json.dumps({"type": "error", "error": error}).encode()]), sent([START, *END]))
    assert (caught.value.status_code, len(caught.value.history)) == (429, 1)
