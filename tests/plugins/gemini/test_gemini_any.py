"""Whatever a server sends: no exception but the library's, and no success without proof."""

import os
from contextlib import suppress
from itertools import pairwise
from random import Random
from typing import Any

import msgspec
from hypothesis import example, given
from hypothesis import strategies as st

from unbroken import Client, Error, StreamError, TruncatedStreamError
from unbroken.dialect import Kind
from unbroken.messages import Event, Request, Response
from unbroken.testing import Answer, FakeClock, ScriptedTransport
from unbroken_gemini import ContentBuilder, Gemini

from .chunks import CALL, SIGNED, STREAM, THINKING, candidate, chunk, counts, said, written

DIALECT = Gemini()
NAMES = [
    "candidates", "content", "parts", "text", "thought", "thoughtSignature", "functionCall", "finishReason", "index",
    "promptFeedback", "blockReason", "usageMetadata", "promptTokenCount", "candidatesTokenCount", "thoughtsTokenCount",
    "totalTokenCount", "cachedContentTokenCount", "error", "code", "status", "message", "details", "reason",
    "violations", "quotaId", "metadata", "quota_limit", "retryDelay", "requestId", "responseId", "modelVersion", "name",
]  # fmt: skip
ATOMS = (
    st.none()
    | st.booleans()
    | st.integers(-3, 600)
    | st.floats(allow_nan=False)
    | st.text(max_size=3)
    | st.sampled_from(["STOP", "API_KEY_INVALID", "UNAVAILABLE", "Daily", "0", "1", 10**400])
)
VALUES = st.recursive(
    ATOMS,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(NAMES) | st.text(max_size=2), inner, max_size=4)
        | st.builds(lambda parts, finish: candidate(*parts, finish=finish), st.lists(inner, max_size=2), inner)
        | st.builds(lambda found: chunk(*found)[1], st.lists(inner, max_size=2))
        | st.builds(lambda error: {"error": error}, inner)
    ),
    max_leaves=20,
)
TYPES = st.sampled_from(["message", "error", "x"])


def judged(event: Event) -> Kind:
    """Ask the dialect everything about an event; only the library's errors may come."""
    reader = DIALECT.reader(_View())
    kind = reader.classify(event)
    builder = ContentBuilder()
    for ask in (reader.text, DIALECT.typed, builder.add):
        with suppress(Error):
            ask(event)
    assert isinstance(DIALECT.error_from_event(event), Error)
    DIALECT.usage(event)
    builder.snapshot()
    assert (reader.quiet, reader.complete_at_end()) in [(a, b) for a in (True, False) for b in (True, False)]
    assert reader.summary is not None
    return kind


class _View:
    """A call whose request asks for something odd."""

    id = "call"
    response: Response | None = None
    current = Request(method="POST", url=STREAM, content=b'{"generationConfig": {"candidateCount": "2"}}')


@given(VALUES, TYPES)
@example({"candidates": {"content": 1}}, "message")
@example({"error": {"details": {"violations": {}}}}, "message")
@example([[{"candidates": []}]], "error")
def test_no_json_raises_a_foreign_exception(value: Any, type: str) -> None:
    """Any type in any place, as an event, a body and an answer."""
    raw = msgspec.json.encode(value)
    judged(Event(type, raw))
    for status in (200, 500):
        DIALECT.error_from_response(Response(status_code=status), raw)
    DIALECT.error_from_body(Response(status_code=200), raw)
    DIALECT.error_from_answer(_View.current, Response(status_code=200), raw)


@given(st.binary(max_size=60) | st.sampled_from([b"[" * 9000, b'{"candidates":' * 3000, b'{"error":' * 3000]), TYPES)
def test_no_bytes_raise_a_foreign_exception(raw: bytes, type: str) -> None:
    """Also nested without end."""
    judged(Event(type, raw))
    DIALECT.error_from_body(Response(status_code=200), raw)
    DIALECT.asks_for_stream(Request(method="POST", url=STREAM, content=raw))


@given(st.lists(VALUES, max_size=6))
def test_a_stream_is_read_in_the_same_way_whenever_its_text_is_asked_for(values: list[Any]) -> None:
    """The text is asked for when an event is consumed, which is later when many came at once."""
    events = [Event.make("message", chunk(value)[1]) for value in values]
    early, late = DIALECT.reader(_View()), DIALECT.reader(_View())
    soon = [(early.classify(event), _text(early, event))[1] for event in events]
    for event in events:
        late.classify(event)
    assert [_text(late, event) for event in events] == soon


def _text(reader: Any, event: Event) -> str | None:
    try:
        text: str | None = reader.text(event)
    except StreamError:
        return None
    return text


def composed(chance: Random) -> tuple[list[bytes], str]:
    """A whole stream as the API writes it, and its text."""
    words = [chance.choice(["Hel", "lo", " wörld", "\u2028", "\n\n", "data: ", "🙂", ""]) for _ in range(6)]
    texts = [said(word, **counts(9, number)) for number, word in enumerate(words)]
    thoughts = THINKING[: chance.randint(0, 2)]
    end = chance.choice([said(finish="STOP"), said(SIGNED, finish="STOP"), said(CALL, finish="MAX_TOKENS")])
    behind = [chunk(**counts(9, 7))] * chance.randint(0, 1)
    return written(*thoughts, *texts, end, *behind), "".join(words)


def whole_at(pieces: list[bytes]) -> int:
    """How many bytes there must be for the proof: up to the end of the chunk with the finishReason."""
    proof = next(number for number, piece in enumerate(pieces) if b'"finishReason":"' in piece)
    return sum(map(len, pieces[: proof + 1]))


def test_every_cut_of_a_stream_is_told() -> None:
    """Wherever the body ends politely: no success without proof, and no text lost or twice.

    With UNBROKEN_LONG=1 a hundred thousand cuts, otherwise two thousand.
    """
    wanted, made, chance = 100_000 if os.environ.get("UNBROKEN_LONG") else 2_000, 0, Random(20)
    while made < wanted:
        pieces, said = composed(chance)
        body, proven = b"".join(pieces), whole_at(pieces)
        places = chance.sample(range(len(body) + 1), min(200, len(body)))
        made += len(places)
        heard = _heard([pieced(body[:place], chance) for place in places])
        for place, (text, error) in zip(places, heard, strict=True):
            # The blank line that ends the last chunk may lack its last LF: a CR alone ends a line.
            if place < proven - 1:
                assert isinstance(error, TruncatedStreamError), body[:place]
                assert said.startswith(text), body[:place]
            else:  # within a later chunk, of which nobody can tell that it has no text
                assert text == said, body[:place]
                assert error is None or (isinstance(error, TruncatedStreamError) and place < len(body)), body[:place]


def pieced(body: bytes, chance: Random) -> list[bytes]:
    """The body in up to four pieces."""
    cuts = sorted(chance.sample(range(len(body) + 1), min(3, len(body) + 1)))
    return [piece for a, b in pairwise([0, *cuts, len(body)]) if (piece := body[a:b])]


def _heard(bodies: list[list[bytes]]) -> list[tuple[str, Error | None]]:
    """The text and the error of a call for each of `bodies`."""
    clock = FakeClock()
    transport = ScriptedTransport([Answer(body=body) for body in bodies], clock)
    with Client([], dialect="gemini", transport=transport, clock=clock) as client:
        return [_call(client) for _ in bodies]


def _call(client: Client) -> tuple[str, Error | None]:
    text = ""
    try:
        with client.stream("POST", STREAM, json={}) as stream:
            for piece in stream.text():
                text += piece
    except Error as error:
        return text, error
    return text, None
