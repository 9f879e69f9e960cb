"""Chunks of the Gemini API, written by hand after its documentation, and a call that they answer."""

from typing import Any

import msgspec

from unbroken.testing import Answer, play, sse
from unbroken_gemini import Gemini
from unbroken_gemini._reader import GeminiReader
from unbroken_retry import Retry

STREAM = "https://generativelanguage.googleapis.com/v1beta/models/gemini-test:streamGenerateContent?alt=sse"
DONE = "[DONE]"


def candidate(*parts: Any, finish: Any = None, **fields: Any) -> dict[str, Any]:
    """One candidate with `parts`; text stands for a part of text."""
    made = [{"text": part} if isinstance(part, str) else part for part in parts]
    found: dict[str, Any] = {"content": {"parts": made, "role": "model"}} if made else {}
    return found | ({} if finish is None else {"finishReason": finish}) | {"index": 0} | fields


def chunk(*candidates: Any, **fields: Any) -> tuple[str, Any]:
    head = {"modelVersion": "gemini-test", "responseId": "resp-1"}
    return "", ({"candidates": list(candidates)} if candidates else {}) | fields | head


def said(*parts: Any, finish: Any = None, **fields: Any) -> tuple[str, Any]:
    """A chunk with one candidate."""
    return chunk(candidate(*parts, finish=finish), **fields)


def counts(prompt: int, output: int | None = None, **more: int) -> dict[str, Any]:
    found = {"promptTokenCount": prompt, "candidatesTokenCount": output, **more}
    return {"usageMetadata": {name: count for name, count in found.items() if count is not None}}


def failure(code: int, status: str, message: str = "why", **fields: Any) -> dict[str, Any]:
    return {"error": {"code": code, "message": message, "status": status, **fields}}


def run(*answers: Any, dialect: Gemini | None = None, **options: Any) -> Any:
    """Play one call with a policy that retries. Its attempts are answered by these events; the last ones repeat."""
    script = [each if isinstance(each, Answer) else Answer(body=sse(*each)) for each in answers]
    return play(
        [*script, *script[-1:] * 3], [Retry()], dialect=dialect or Gemini(), url=STREAM, **{"json": {}, **options}
    )


def text(played: Any) -> str:
    reader = GeminiReader("finish_reason")
    return "".join(reader.text(event) or "" for event in played.events)


def written(*events: tuple[str, Any]) -> list[bytes]:
    """The events as the API writes them, one by one."""
    return [b"data: %b\r\n\r\n" % msgspec.json.encode(data) for _, data in events]


OVERLOADED = "", failure(503, "UNAVAILABLE", "The model is overloaded. Please try again later.")
SIGNED = {"text": "", "thoughtSignature": "c2lnbmF0dXJl"}
CALL = {"functionCall": {"name": "open_gate", "args": {"gate": 1, "note": None}}, "thoughtSignature": "Y2FsbA=="}
THOUGHT = {"text": "Let me see", "thought": True}
HELLO = [
    said("Hel", **counts(9)),
    said("lo", **counts(9, 1)),
    said(SIGNED, finish="STOP", **counts(9, 2, totalTokenCount=11)),
]
THINKING = [
    said(THOUGHT, **counts(9, thoughtsTokenCount=3)),
    said({"text": " further", "thought": True}, **counts(9, thoughtsTokenCount=5)),
    said("Hel", **counts(9, 1, thoughtsTokenCount=5)),
    said("lo ", CALL, **counts(9, 3, thoughtsTokenCount=5)),
    said(finish="STOP", **counts(9, 4, thoughtsTokenCount=5, totalTokenCount=18)),
]
