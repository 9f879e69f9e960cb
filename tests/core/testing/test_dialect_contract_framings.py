"""`check_dialect` with framings other than SSE, and with decoders that make mistakes."""

import json
from typing import Any

import pytest
from attrs import evolve

from unbroken import Dialect, Event, Kind, Usage
from unbroken.dialect import AttemptView, Reader
from unbroken.errors import OverloadedError, RateLimitError, StreamError
from unbroken.framing import Decoder, Limits
from unbroken.framings import AWS_EVENTS, JSON_BODY, NDJSON
from unbroken.sse import SSEDecoder
from unbroken.testing import RecordedError, Recording, check_dialect

from .letters import Letters, LettersReader, breaches, loaded


def named(event: Event) -> Event:
    """Return the event with the type that its data says."""
    type = loaded(event).get("type")
    return event.replace(type=type) if isinstance(type, str) else event


class LinesReader(LettersReader):
    def classify(self, event: Event) -> Kind:
        return super().classify(named(event))

    def text(self, event: Event) -> str | None:
        return super().text(named(event))


class Lines(Letters):
    """The letters as lines of JSON."""

    name = "lines"
    framings = {"application/x-ndjson": NDJSON}  # noqa: RUF012  # as an author writes it

    def reader(self, call: AttemptView) -> Reader:
        return LinesReader()


class Messages(Letters):
    """The letters as binary messages."""

    name = "messages"
    framings = {"application/vnd.amazon.eventstream": AWS_EVENTS}  # noqa: RUF012


class Whole(Letters):
    """All letters in one object."""

    name = "whole"
    framings = {"application/json": JSON_BODY}  # noqa: RUF012

    def reader(self, call: AttemptView) -> Reader:
        return self

    def classify(self, event: Event) -> Kind:
        if "code" in loaded(event):
            return Kind.ERROR
        return Kind.TERMINAL | Kind.USAGE if "text" in loaded(event) else Kind.KEEPALIVE

    def text(self, event: Event) -> str | None:
        text = loaded(event).get("text")
        return text if isinstance(text, str) else None


def line(**fields: Any) -> bytes:
    return json.dumps(fields).encode() + b"\n"


def message(type: str, **fields: Any) -> bytes:
    return AWS_EVENTS.encode(Event.make(type, fields))


LINES = Recording(
    content_type="application/x-ndjson",
    pieces=(
        line(type="start", tokens=1),
        line(type="delta", text="ä"),
        line(type="delta", text="b"),
        line(type="stop"),
    ),
    text="äb",
    usage=Usage(output_tokens=1),
    keepalives=(b"\n", line(type="ping")),
    unknown=(line(type="new", text="c"),),
    errors=(
        RecordedError(data=line(type="error", code=429), error=RateLimitError),
        RecordedError(data=line(type="error", code="lost"), error=StreamError),
    ),
)
MESSAGES = Recording(
    content_type="application/vnd.amazon.eventstream",
    pieces=(message("start", tokens=1), message("delta", text="ä"), message("delta", text="b"), message("stop")),
    text="äb",
    usage=Usage(output_tokens=1),
    unknown=(message("new"),),
    errors=(RecordedError(data=message("error", code=529), error=OverloadedError),),
)
WHOLE = Recording(
    content_type="application/json; charset=utf-8",
    pieces=(b'{"text": "\xc3\xa4b", "tokens": 2}',),
    text="äb",
    usage=Usage(output_tokens=2),
    errors=(RecordedError(data=b'{"code": 429}', error=RateLimitError),),
    terminal=False,
)


@pytest.mark.parametrize(
    ("dialect", "recording"),
    [
        pytest.param(Lines(), LINES, id="lines"),
        pytest.param(Messages(), MESSAGES, id="binary-messages"),
        pytest.param(Whole(), WHOLE, id="one-document"),
    ],
)
def test_a_dialect_with_another_framing_passes(dialect: Dialect, recording: Recording):
    check_dialect(dialect, recording)


class Inner(Decoder):
    """Decodes as an `SSEDecoder` does."""

    def __init__(self, view: AttemptView, dialect: Dialect) -> None:
        self.inner = SSEDecoder(request_id=view.id, dialect=dialect)

    @property
    def at_boundary(self) -> Any:
        return self.inner.at_boundary

    def feed(self, data: bytes) -> list[Event]:
        events = self.inner.feed(data)
        self.comments, self.last_event_id = self.inner.comments, self.inner.last_event_id
        return events

    def close(self) -> list[Event]:
        return self.inner.close()


class NumbersChunks(Inner):
    chunks = 0

    def feed(self, data: bytes) -> list[Event]:
        self.chunks += 1
        return [event.replace(id=str(self.chunks)) for event in super().feed(data)]


class LosesBehindComments(Inner):
    def feed(self, data: bytes) -> list[Event]:
        return super().feed(data)[self.comments - self.comments + (data.startswith(b":")) :]


class CountsNoComments(Inner):
    def feed(self, data: bytes) -> list[Event]:
        return self.inner.feed(data)


class NeverBetween(Inner):
    at_boundary = False


class AlwaysBetween(Inner):
    at_boundary = True


class BetweenAsNumber(Inner):
    at_boundary = 1


class NeedsText(Inner):
    def feed(self, data: bytes) -> list[Event]:
        data.decode()
        return super().feed(data)


class NeedsABoundary(Inner):
    @property
    def at_boundary(self) -> Any:
        raise ValueError


class GivesUp(Inner):
    def feed(self, data: bytes) -> list[Event]:
        raise StreamError("no")


class ClosesWrongly(Inner):
    def close(self) -> list[Event]:
        raise KeyError


@pytest.mark.parametrize(
    ("decoder", "rule", "what"),
    [
        (NumbersChunks, "whole", "the events are not those of the stream in one piece (event by event)"),
        (LosesBehindComments, "keep-alive", "an event is lost (b': ping"),
        (CountsNoComments, "framing", "comments does not count a keep-alive (b': ping"),
        (NeverBetween, "framing", "at_boundary is False between events (at byte "),
        (AlwaysBetween, "framing", "at_boundary within an event (at byte 1, in event 1)"),
        (BetweenAsNumber, "framing", "at_boundary is no bool (at byte 0"),
        (NeedsText, "foreign", "the decoder raises UnicodeDecodeError"),
        (NeedsABoundary, "foreign", "the decoder raises ValueError"),
        (GivesUp, "whole", "the decoder raises StreamError (in the recording)"),
        (ClosesWrongly, "foreign", "the decoder raises KeyError (in the recording)"),
    ],
)
def test_a_mistake_of_a_decoder_is_found(decoder: type[Inner], rule: str, what: str):
    class Decoding(Letters):
        def decoder(self, limits: Limits, call: AttemptView) -> Decoder:
            return decoder(call, self)

    found = breaches(Decoding())
    assert what in found[rule], found


def test_an_error_in_pieces_that_cannot_be_decoded_is_told():
    broken = evolve(LINES.errors[0], data=b"\n")
    found = breaches(Lines(), evolve(LINES, errors=(broken,)))
    assert found["recording"].startswith("an error is no event")
