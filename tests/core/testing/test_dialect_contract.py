"""`check_dialect` passes dialects that keep the contract, and names the rule that another one breaks."""

import asyncio
from typing import Any

import pytest
from attrs import evolve

from unbroken import Dialect, Error, Event, Kind, Request, Response, Usage
from unbroken.dialect import AttemptView, Reader
from unbroken.error_bodies import error_for
from unbroken.errors import RateLimitError, ServerError, StreamError
from unbroken.testing import Recording, check_dialect, sse

from .letters import KINDS, LETTERS, LIMITED, PLAIN, Letters, LettersReader, breaches, loaded, reading, status_of


class RaisesErrors(Letters):
    def error_from_event(self, event: Event) -> Error:
        raise super().error_from_event(event)


@pytest.mark.parametrize(
    ("dialect", "recording"),
    [
        pytest.param(Letters(), LETTERS, id="with-everything"),
        pytest.param(Dialect(), PLAIN, id="plain-sse"),
        pytest.param(RaisesErrors(), LETTERS, id="raises-what-it-should-return"),
        pytest.param(
            Letters(), evolve(LETTERS, keepalives=(), unknown=(), errors=()), id="with-nothing-but-the-stream"
        ),
    ],
)
def test_a_dialect_that_keeps_the_contract_passes(dialect: Dialect, recording: Recording):
    check_dialect(dialect, recording)


# One mistake each.


class EndsAnywhere(LettersReader):
    def complete_at_end(self) -> bool:
        return True


class EndsWithText(LettersReader):
    def classify(self, event: Event) -> Kind:
        return Kind.TERMINAL if event.raw == b'{"text":"b"}' else super().classify(event)


class NeverEnds(LettersReader):
    def classify(self, event: Event) -> Kind:
        return Kind.CONTENT if event.type == "stop" else super().classify(event)


class Garbles(LettersReader):
    def classify(self, event: Event) -> Kind:
        if event.type == "stop":
            raise StreamError("no letter")
        return super().classify(event)


class CommitsByPing(LettersReader):
    def classify(self, event: Event) -> Kind:
        return Kind.CONTENT if event.type == "ping" else super().classify(event)


class ProgressByPing(LettersReader):
    def classify(self, event: Event) -> Kind:
        return Kind.STRUCTURE if event.type == "ping" else super().classify(event)


class TextOfUnknown(LettersReader):
    def text(self, event: Event) -> str | None:
        return loaded(event).get("text", None if event.type != "delta" else "") or None


class FailsByUnknown(LettersReader):
    def classify(self, event: Event) -> Kind:
        return KINDS.get(event.type, Kind.KEEPALIVE if event.type == "ping" else Kind.ERROR)


class Doubles(LettersReader):
    """Repeats at the end what came last, if that came twice."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def text(self, event: Event) -> str | None:
        text = super().text(event)
        self.said.append(text or "")
        if event.type == "stop" and len(self.said) > len(LETTERS.pieces):
            return self.said[-2]
        return text


class CommitsEarly(LettersReader):
    def classify(self, event: Event) -> Kind:
        return Kind.CONTENT if event.type == "error" else super().classify(event)


class FailsInTheText(LettersReader):
    def classify(self, event: Event) -> Kind:
        return Kind.CONTENT if event.type == "error" else super().classify(event)

    def text(self, event: Event) -> str | None:
        if event.type == "error":
            raise error_for(status_of(event.raw), "reported")
        return super().text(event)


class ReadsAhead(LettersReader):
    """Has the text only if the end has come with it."""

    ended = False

    def classify(self, event: Event) -> Kind:
        self.ended = self.ended or event.type == "stop"
        return super().classify(event)

    def text(self, event: Event) -> str | None:
        return super().text(event) if self.ended else event.type


class HiddenContent(LettersReader):
    def classify(self, event: Event) -> Kind:
        kind = super().classify(event)
        return kind | Kind.HIDDEN if kind & Kind.CONTENT else kind


class TwoKinds(LettersReader):
    def classify(self, event: Event) -> Kind:
        kind = super().classify(event)
        return kind | Kind.PREAMBLE if kind & Kind.CONTENT else kind


class PlainNumber(LettersReader):
    def classify(self, event: Event) -> Any:
        return int(super().classify(event))


class TextAsItComes(LettersReader):
    def text(self, event: Event) -> Any:
        return loaded(event).get("text") if event.type == "delta" else None


class NeedsText(LettersReader):
    def text(self, event: Event) -> str | None:
        return str(event["text"]) if event.type == "delta" else None


class NeedsJson(LettersReader):
    def classify(self, event: Event) -> Kind:
        bytes(event.raw).decode()
        return super().classify(event)


class BreaksLater(LettersReader):
    tokens: Any = 0

    def classify(self, event: Event) -> Kind:
        self.tokens = loaded(event).get("tokens", 0) if event.type == "start" else self.tokens + 1
        return super().classify(event)


class CountsQuiet(LettersReader):
    quiet: Any = 1


class SaysNoSummary(LettersReader):
    summary: Any = "said"


@pytest.mark.parametrize(
    ("reader", "rule", "what"),
    [
        (
            EndsAnywhere,
            "proof",
            "a normal end without the proof is taken for success (at byte 0, behind 0 events), and",
        ),
        (EndsWithText, "proof", "a failure of the network without the proof is taken for success"),
        (NeverEnds, "whole", "a good stream fails with TruncatedStreamError (in one piece)"),
        (Garbles, "whole", "a good stream fails with StreamError (in one piece)"),
        (CommitsByPing, "progress", "a keep-alive commits"),
        (ProgressByPing, "progress", "a keep-alive renews a timeout"),
        (TextOfUnknown, "unknown", "the text is not the one that was recorded (b'event: new\\ndata: "),
        (FailsByUnknown, "unknown", "a good stream fails with ServerError"),
        (Doubles, "order", "a success has a text that was lost, doubled or out of order (event 1 repeated)"),
        (CommitsEarly, "error", "a failure that the server reports is not found (b'event: error"),
        (FailsInTheText, "error", "a failure before everything else is not retried"),
        (ReadsAhead, "prefix", "the delivered text is not a beginning of the whole text (at byte "),
        (HiddenContent, "types", "classify returns CONTENT | HIDDEN, which is no kind, or several"),
        (TwoKinds, "types", "classify returns PREAMBLE | CONTENT, which is no kind, or several"),
        (PlainNumber, "types", "classify returns 34, which is no kind, or several"),
        (TextAsItComes, "types", "text returns "),
        (NeedsText, "foreign", "text raises KeyError (event 3 with the data "),
        (NeedsJson, "foreign", "classify raises UnicodeDecodeError"),
        (BreaksLater, "foreign", "classify raises TypeError (event 1 with the data "),
        (CountsQuiet, "types", "quiet returns int"),
        (SaysNoSummary, "types", "summary returns str"),
    ],
)
def test_a_mistake_of_a_reader_is_found(reader: type[LettersReader], rule: str, what: str):
    found = breaches(reading(reader))
    assert what in found[rule], found


class Shared(Letters):
    """Keeps state that belongs to an attempt."""

    def __init__(self) -> None:
        self.seen = False

    def reader(self, call: AttemptView) -> Reader:
        dialect, reader = self, LettersReader()

        class Counting(LettersReader):
            def classify(self, event: Event) -> Kind:
                if event.type == "start":
                    repeated, dialect.seen = dialect.seen, True
                    return Kind.KEEPALIVE if repeated else reader.classify(event)
                return reader.classify(event)

        return Counting()


class OtherTwin(Letters):
    def error_from_response(self, response: Response, body: bytes) -> Error:
        return ServerError("refused")


class OtherClass(Letters):
    def error_from_event(self, event: Event) -> Error:
        return ServerError("reported")


class NoError(Letters):
    def error_from_event(self, event: Event) -> Any:
        return "reported"


class Unpicklable(RateLimitError):
    def __init__(self, message: str, code: int) -> None:
        super().__init__(message)
        self.code = code


class NotCopied(Letters):
    def error_from_event(self, event: Event) -> Error:
        return Unpicklable("reported", 429) if status_of(event.raw) == 429 else super().error_from_event(event)


class NeverDelivered(ServerError):
    delivered: Any = property(lambda self: False, lambda self, value: None)


class ToldWrongly(Letters):
    def error_from_event(self, event: Event) -> Error:
        return NeverDelivered("reported")


class FailsAtFirst(Letters):
    """Fails in the first attempt of each call."""

    attempts = 0

    def reader(self, call: AttemptView) -> Reader:
        self.attempts += 1
        return NeverEnds() if self.attempts % 2 else LettersReader()


class NeedsCode(Letters):
    def error_from_event(self, event: Event) -> Error:
        return error_for(event.json()["code"], "reported")


class NeedsError(Letters):
    def error_from_answer(self, request: Request, response: Response, body: bytes) -> Any:
        return body or None


class CountsAnything(Letters):
    def usage(self, event: Event) -> Usage | None:
        return Usage(output_tokens=loaded(event).get("tokens"))


class CountsNothing(Letters):
    def usage(self, event: Event) -> Usage | None:
        return None


class Sums(Letters):
    """Adds up the counts of an attempt, as if they were not those of the whole."""

    def __init__(self) -> None:
        self.total = 0

    def reader(self, call: AttemptView) -> Reader:
        self.total = 0
        return super().reader(call)

    def usage(self, event: Event) -> Usage | None:
        tokens = loaded(event).get("tokens")
        if type(tokens) is not int:
            return None
        self.total += tokens
        return Usage(output_tokens=self.total)


class ReportsNumbers(Letters):
    def usage(self, event: Event) -> Any:
        return loaded(event).get("tokens")


class CannotType(Letters):
    def typed(self, event: Event) -> Any:
        return {"start": 1, "delta": 2, "part": 3, "stop": 4}[event.type], event.json().get("text")


@pytest.mark.parametrize(
    ("dialect", "rule", "what"),
    [
        (Shared(), "state", "an attempt changes how another is read"),
        (OtherTwin(), "twin", "error_from_response gives ServerError, not RateLimitError (b'event: error"),
        (OtherClass(), "error", "it gives ServerError, not RateLimitError"),
        (NoError(), "types", "error_from_event gives no error"),
        (NotCopied(), "pickle", "Unpicklable cannot be pickled"),
        (FailsAtFirst(), "whole", "a good stream fails with TruncatedStreamError (in one piece)"),
        (NeedsCode(), "foreign", "error_from_event raises KeyError (an error with the data b'{}')"),
        (NeedsError(), "types", "error_from_answer returns bytes"),
        (CountsAnything(), "types", "usage returns counts that are no whole numbers"),
        (ReportsNumbers(), "types", "usage returns counts that are no whole numbers"),
        (CountsNothing(), "whole", "the usage is None, not the one that was recorded (in one piece)"),
        (CannotType(), "foreign", "typed raises AttributeError"),
    ],
)
def test_a_mistake_of_a_dialect_is_found(dialect: Dialect, rule: str, what: str):
    found = breaches(dialect)
    assert what in found[rule], found


class KnowsTheBackend(Letters):
    """Reads otherwise in an event loop."""

    def usage(self, event: Event) -> Usage | None:
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            return super().usage(event)
        return None


@pytest.mark.parametrize(
    ("dialect", "recording", "rule", "what"),
    [
        pytest.param(KnowsTheBackend(), LETTERS, "async", "of the sync client in asyncio (play 1)", id="async"),
        pytest.param(Sums(), evolve(LETTERS, usage=Usage(output_tokens=3)), "order", "counts twice", id="usage"),
        pytest.param(Letters(), evolve(LETTERS, numbered=True), "order", "doubled or out of order", id="numbered"),
        pytest.param(
            reading(EndsAnywhere), evolve(LETTERS, proof=3), "proof", "a stream without its proof", id="proof-left-out"
        ),
        pytest.param(Letters(), evolve(LETTERS, proof=4), "proof", "a normal end behind the proof fails", id="proof"),
        pytest.param(Dialect(), evolve(PLAIN, terminal=True), "end", "the text is not the one", id="not-terminal"),
        pytest.param(
            Dialect(), evolve(PLAIN, terminal=True, pieces=(sse("a"), sse("b"), sse("c")), text="abc"),
            "end", "what follows the terminal event changes the outcome", id="terminal-too-early",
        ),
        pytest.param(
            Letters(), evolve(LETTERS, pieces=(b"".join(LETTERS.pieces[:2]), *LETTERS.pieces[2:])),
            "recording", "a piece has more than one event (piece 1)", id="two-events",
        ),
        pytest.param(
            Letters(), evolve(LETTERS, errors=(evolve(LIMITED, data=b": none\n\n"),)),
            "recording", "an error is no event (b': none", id="no-error",
        ),
        pytest.param(
            Letters(), evolve(LETTERS, text="ab"), "whole", "the text is 'äb', not the one that was recorded", id="text"
        ),
        pytest.param(
            Letters(), evolve(LETTERS, errors=(evolve(LIMITED, status=503, body=b"{}"),)),
            "twin", "error_from_response gives ServerError, not RateLimitError", id="twin",
        ),
        pytest.param(
            ToldWrongly(), evolve(LETTERS, errors=(evolve(LIMITED, error=NeverDelivered),)),
            "error", "delivered is False after", id="delivered",
        ),
    ],
)  # fmt: skip
def test_what_else_is_found(dialect: Dialect, recording: Recording, rule: str, what: str):
    found = breaches(dialect, recording)
    assert what in found[rule], found


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"pieces": ()}, "pieces must be the events of a stream, none of them empty"),
        ({"pieces": (b"data: x\n\n", b"")}, "pieces must be the events of a stream, none of them empty"),
        ({"proof": 6}, "proof must be a number of pieces from 0 to 5, not 6"),
        ({"proof": -1}, "proof must be a number of pieces from 0 to 5, not -1"),
    ],
)
def test_a_recording_that_cannot_be_one_is_refused(values: dict[str, Any], message: str):
    with pytest.raises(ValueError, match=message):
        evolve(LETTERS, **values)


def test_a_place_is_told_in_bytes_and_events():
    assert [PLAIN.place(at) for at in (0, 3, 12)] == [
        "at byte 0, behind 0 events",
        "at byte 3, in event 1",
        "at byte 12, behind 1 events",
    ]


def test_a_long_stream_is_cut_at_its_borders_and_at_some_places():
    """The cost grows with the length, not with its square."""
    many = evolve(PLAIN, pieces=PLAIN.pieces * 500)
    assert len(many.cuts(100)) <= 1001 + 101
    assert {0, 12, len(many.body)} <= {*many.cuts(100)}
    assert many.borders(10)[-2:] == [900, 1000]
