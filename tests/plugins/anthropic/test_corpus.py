"""What events, texts and messages are made of arbitrary bytes.

Each line of ``corpus/events.jsonl`` is an event, written at random, and what an implementation without any shortcut
makes of it; each of ``corpus/streams.jsonl`` the events of a stream and what both kinds of builders make of them.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from unbroken import Error, Event
from unbroken_anthropic import Anthropic, MessageBuilder

CORPUS = Path(__file__).parent / "corpus"
DIALECT = Anthropic()


def lines(name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (CORPUS / name).read_bytes().splitlines()]


def said(error: Error) -> str:
    return f"{type(error).__name__}: {error.message}"


def outcome(read: Callable[[Event], Any], event: Event) -> Any:
    try:
        made = read(event)
    except Error as error:
        return said(error)
    return "itself" if made is event else made


def test_every_event_is_what_it_was() -> None:
    """Object, repr and error; text and kind, too."""
    cases = lines("events.jsonl")
    assert len(cases) > 250
    for case in cases:
        raw = case["raw"].encode("latin-1")
        event = Event.make(case["name"], raw, request_id="call-1", dialect=DIALECT)
        made = outcome(DIALECT.typed, event)
        expected = case.get("error") or case.get("typed") or "itself"
        assert (made if isinstance(made, str) else repr(made)) == expected, raw
        text = case["said"]
        assert outcome(DIALECT.text, Event(case["name"], raw)) == text.get("error", text.get("text")), raw
        assert repr(DIALECT.classify(event)) == case["kind"], raw


def folded(events: list[Any], strict: bool) -> dict[str, Any]:
    """What is there after each of `events` was added, whatever was raised on the way."""
    builder, raised = MessageBuilder(strict=strict), []
    for data in events:
        name = data["type"] if isinstance(data.get("type"), str) else "message"
        try:
            builder.add(Event.make(name, data, request_id="call-1", dialect=DIALECT))
        except Error as error:
            raised.append(said(error))
    try:
        message = repr(builder.message())
    except Error as error:
        message = f"{type(error).__name__}: {error}"
    snapshot = builder.snapshot()
    return {
        "raised": raised,
        "snapshot": repr(snapshot),
        "extra": snapshot.extra,
        "raw_usage": snapshot.raw_usage,
        "message": message,
        "unused": [event.json() for event in builder.unused],
    }


@pytest.mark.parametrize("strictness", ["strict", "lenient"])
def test_every_stream_is_folded_as_it_was(strictness: str) -> None:
    """In the order of the API and in others."""
    for case in lines("streams.jsonl"):
        assert folded(case["events"], strictness == "strict") == case[strictness]
