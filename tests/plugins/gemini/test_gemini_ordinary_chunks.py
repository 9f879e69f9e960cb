"""An ordinary chunk is read by a shorter way, with the same result as any other chunk."""

from typing import Any
from unittest.mock import patch

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from unbroken import StreamError
from unbroken.dialect import KEEPALIVE, USAGE
from unbroken.messages import Event, Request, Response
from unbroken_gemini import _reader
from unbroken_gemini._plain import plain_in
from unbroken_gemini._reader import GeminiReader

from .chunks import CALL, SIGNED, STREAM, THOUGHT, candidate, chunk, counts, failure, said

ODD_ATOMS = [0, 1, 2, 1.0, -1, 10**30, "", "0", "x", "STOP", [], {}, [{}], {"a": 1}]
ODD: Any = st.none() | st.booleans() | st.sampled_from(ODD_ATOMS)
PARTS = st.sampled_from(["a", "ß", "", THOUGHT, {"text": "", "thought": True}, {"text": "b", "thought": False}])
ODD_PARTS = PARTS | st.sampled_from([CALL, SIGNED, {"text": 1}, {"text": None}, {"text": "c", "thought": 1}, 3, {}])
FINISHES = st.sampled_from([None, None, "", "FINISH_REASON_UNSPECIFIED", "STOP", "MAX_TOKENS", 1])
FIELDS = ["index", "content", "finishReason", "safetyRatings", "tokenCount", "groundingMetadata", "finishMessage"]
HEADS = ["usageMetadata", "modelVersion", "responseId", "createTime", "promptFeedback", "error", "candidates", "x"]


def made(parts: list[Any], finish: Any, index: int, fields: dict[str, Any]) -> dict[str, Any]:
    return candidate(*parts, finish=finish, **{"index": index, **fields})


def written(found: list[dict[str, Any]], heads: dict[str, Any]) -> bytes:
    return msgspec.json.encode({**chunk(*found)[1], **heads})


ORDINARY = st.builds(made, st.lists(PARTS, min_size=1, max_size=1), st.none(), st.sampled_from([0, 0, 1]), st.just({}))
ANY = st.builds(
    made, st.lists(ODD_PARTS, max_size=2), FINISHES, st.integers(0, 2), st.dictionaries(st.sampled_from(FIELDS), ODD)
)
COUNTS = st.sampled_from([{}, counts(9), counts(9, 2), {"usageMetadata": {}}, {"usageMetadata": None}])
NAMELESS = st.sampled_from([{}, {}, {"responseId": ""}, {"modelVersion": ""}, {"responseId": "resp-2"}])
ORDINARY_CHUNKS = st.builds(
    written, st.lists(ORDINARY, min_size=1, max_size=1), st.builds(dict.__or__, COUNTS, NAMELESS)
)
CHUNKS = st.builds(
    written, st.lists(ORDINARY | ANY, max_size=2), COUNTS | st.dictionaries(st.sampled_from(HEADS), ODD, max_size=2)
)
# Another form of the same JSON, and damage: each is a replacement of bytes.
TURNS = [
    (b'"role":"model"', b'"role":1e999'),
    (b'"role":"model"', b'"role":{"a":[1e999]}'),
    (b'"index":0', b'"index":0,"index":1'),
    (b'"index":0', b'"index":1.0'),
    (b'"text":"a"', b'"text":"\xff"'),
    (b'"text":"a"', b'"te\\u0078t":"\\ud83d"'),
    (b'"candidates":', b'"candidates":null,"candidates":'),
    (b"{", b"[{"),
    (b"}", b""),
    (b"{", b"\xef\xbb\xbf {"),
]
TURNED = st.builds(lambda raw, turn: raw.replace(*turn, 1), CHUNKS, st.sampled_from(TURNS))
RAW = ORDINARY_CHUNKS | ORDINARY_CHUNKS | CHUNKS | TURNED | st.sampled_from([b"", b"[DONE]", b"ping"])
EVENTS = st.builds(Event, st.sampled_from(["message", "message", "error"]), RAW)
BOTH = chunk(candidate("a", finish="STOP"), candidate("b", finish="STOP", index=1))


class _View:
    """A call whose request asks for so many candidates."""

    id = "call"
    last_event_id = ""
    response: Response | None = None

    def __init__(self, wanted: int) -> None:
        config = {"generationConfig": {"candidateCount": wanted}}
        self.request = self.current = Request(method="POST", url=STREAM, content=msgspec.json.encode(config))


def sent(data: tuple[str, Any]) -> Event:
    return Event.make("message", data[1])


def told(reader: GeminiReader, events: list[Event], *, late: bool) -> list[Any]:
    """Everything that the reader tells about these events, which are read as text at once or only at the end."""
    log: list[Any] = []
    for event in events:
        kind = reader.classify(event)
        log.append((kind, reader.quiet, reader.summary, reader.complete_at_end(), late or text_of(reader, event)))
    return log + [text_of(reader, event) for event in events if late]


def text_of(reader: GeminiReader, event: Event) -> str | None:
    try:
        return reader.text(event)
    except StreamError as error:
        return f"raised {error}"


@given(st.lists(EVENTS, max_size=8), st.sampled_from(["finish_reason", "end"]), st.integers(0, 2), st.booleans())
@example([sent(said("a")), sent(said("")), sent(said("b")), sent(chunk(candidate("c", index=1)))], "end", 1, True)
@example([sent(said("a", finish="STOP")), sent(said("b")), sent(said(THOUGHT))], "finish_reason", 1, False)
@example([sent(("", {"candidates": [candidate("a")]})), sent(said("b"))], "finish_reason", 1, False)
@example([sent(BOTH), sent(said("c")), sent(chunk(candidate("d", index=1)))], "finish_reason", 1, False)
@example([sent(said("a", finish="STOP")), sent(chunk(candidate("", index=1)))], "finish_reason", 2, False)
def test_the_shorter_way_tells_the_same(events: list[Event], proof: Any, wanted: int, late: bool) -> None:
    """For chunks of the ordinary form and of any other: kinds, texts, silence, summary and whether it may end."""
    again = [event.replace() for event in events]
    shorter = told(GeminiReader(proof, _View(wanted)), events, late=late)
    with patch.object(_reader, "plain_in", return_value=None):
        assert told(GeminiReader(proof, _View(wanted)), again, late=late) == shorter


@pytest.mark.parametrize(
    "data",
    [
        said("a"),
        said("a", **counts(9, 2, totalTokenCount=11)),
        said("a", createTime="2026-01-01T00:00:00Z"),
        said(""),
        said(THOUGHT),
        said("a", finish="FINISH_REASON_UNSPECIFIED"),
        chunk(candidate("a", safetyRatings=[{"category": "x", "probability": "LOW"}])),
    ],
    ids=["text", "counts", "time", "empty", "thought", "unspecified", "ratings"],
)
def test_an_ordinary_chunk_is_read_by_the_shorter_way(data: tuple[str, Any]) -> None:
    assert plain_in(msgspec.json.encode(data[1])) is not None


@pytest.mark.parametrize(
    "data",
    [
        said("a", finish="STOP"),
        said("a", "b"),
        said(SIGNED),
        said(CALL),
        chunk(candidate("a"), candidate("b", index=1)),
        chunk(candidate("a", groundingMetadata={"a": 1})),
        said("a", **failure(503, "UNAVAILABLE")),
        said("a", promptFeedback={"blockReason": "SAFETY"}),
        chunk(**counts(9, 2)),
    ],
    ids=["end", "parts", "signed", "call", "several", "grounded", "error", "blocked", "counts alone"],
)
def test_any_other_chunk_is_not(data: tuple[str, Any]) -> None:
    assert plain_in(msgspec.json.encode(data[1])) is None


def test_an_ordinary_chunk_is_decoded_once() -> None:
    """Its text is that which was read with the kind."""
    reader = GeminiReader("finish_reason")
    first, second = sent(said("Hel", **counts(9))), sent(said("", **counts(9)))
    reader.classify(first)
    assert reader.text(first) == "Hel"
    with patch.object(_reader, "plain_in", wraps=plain_in) as decoding:
        assert reader.classify(second) == KEEPALIVE | USAGE
        assert reader.text(second) == ""
    assert decoding.call_count == 1
