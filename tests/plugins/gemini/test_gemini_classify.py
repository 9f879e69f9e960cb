"""What single chunks are to the engine."""

from typing import Any

import pytest

from unbroken.dialect import CONTENT, ERROR, HIDDEN, KEEPALIVE, STRUCTURE, TERMINAL, USAGE, Kind
from unbroken.messages import Event, Request, Response
from unbroken_gemini import Gemini

from .chunks import CALL, DONE, OVERLOADED, SIGNED, STREAM, THOUGHT, candidate, chunk, counts, said


class Asking:
    """A call whose request asks for several candidates."""

    id = "call"
    response: Response | None = None
    current = Request(method="POST", url=STREAM, content=b'{"generationConfig": {"candidateCount": 2}}')


@pytest.mark.parametrize(
    ("event", "kind"),
    [
        pytest.param(said("Hel"), CONTENT, id="text"),
        pytest.param(said("Hel", **counts(3)), CONTENT | USAGE, id="text-and-counts"),
        pytest.param(said(THOUGHT), CONTENT, id="thought"),
        pytest.param(said(SIGNED), CONTENT, id="signature"),
        pytest.param(said(CALL), CONTENT, id="call"),
        pytest.param(said({"someNewPart": {"x": 1}}), CONTENT, id="unknown-part"),
        pytest.param(chunk(candidate(groundingMetadata={"webSearchQueries": ["x"]})), CONTENT, id="sources"),
        pytest.param(said({"thought": True, "text": ""}), KEEPALIVE, id="empty-thought"),
        pytest.param(said(finish="STOP"), STRUCTURE, id="finish"),
        pytest.param(said(finish="SAFETY", **counts(3)), STRUCTURE | USAGE, id="finish-and-counts"),
        pytest.param(chunk(promptFeedback={"blockReason": "SAFETY"}), STRUCTURE, id="blocked"),
        pytest.param(chunk(**counts(3)), KEEPALIVE | USAGE, id="counts"),
        pytest.param(OVERLOADED, ERROR, id="error"),
        pytest.param(("", {**OVERLOADED[1], **counts(3)}), ERROR | USAGE, id="error-and-counts"),
        pytest.param(("error", {"message": "x"}), ERROR, id="named-error"),
        pytest.param(("error", "gone"), ERROR, id="named-error-in-words"),
        pytest.param(("", {"code": 503, "message": "x"}), ERROR, id="bare-code"),
        pytest.param(("", {"error": None}), KEEPALIVE, id="no-error"),
        pytest.param(("", DONE), ERROR, id="done-too-early"),
        pytest.param(("", '{"candidates"'), CONTENT, id="cut-in-two"),
    ],
)
def test_a_chunk_is_what_its_data_says(event: tuple[str, Any], kind: Kind) -> None:
    """By itself, with nothing before it."""
    assert Gemini().classify(Event.make(event[0] or "message", event[1])) == kind


def test_done_behind_the_finish_is_the_end() -> None:
    """It is never delivered."""
    reader = Gemini().reader(Asking())
    reader.classify(Event.make("message", said("Hello", finish="STOP")[1]))
    assert reader.classify(Event("message", b" [DONE]\n")) == TERMINAL | HIDDEN


def test_indices_are_kept_within_bounds() -> None:
    """A server that counts its chunks in them takes no memory without end."""
    reader = Gemini().reader(Asking())
    for index in range(3000):
        reader.classify(Event.make("message", chunk(candidate("x", finish="STOP", index=index))[1]))
    assert len(reader._candidates._finished) == 1024
    assert len(reader.summary.finish_reasons) == 128
    assert reader.complete_at_end()
