"""Streams of Bedrock for the tests."""

import base64
import json
from random import Random
from typing import Any

from unbroken import Event, eventstream
from unbroken.testing import Answer

AWS = "application/vnd.amazon.eventstream"
BASE = "https://bedrock-runtime.us-east-1.amazonaws.com"
CONVERSE = "/model/amazon.nova-lite-v1%3A0/converse-stream"
INVOKE = "/model/anthropic.claude-v1/invoke-with-response-stream"
METRICS = {"inputTokenCount": 9, "outputTokenCount": 2, "invocationLatency": 5, "firstByteLatency": 3}
LAST = {"amazon-bedrock-invocationMetrics": METRICS}
COUNTS = {"inputTokens": 9, "outputTokens": 2, "totalTokens": 11}
Frame = tuple[str, Any]


def delta(**said: Any) -> Frame:
    return "contentBlockDelta", {"contentBlockIndex": 0, "delta": said, "p": "abcd"}


START: Frame = ("messageStart", {"role": "assistant"})
BLOCK_STOP: Frame = ("contentBlockStop", {"contentBlockIndex": 0})
STOP: Frame = ("messageStop", {"stopReason": "end_turn"})
METADATA: Frame = ("metadata", {"usage": COUNTS, "metrics": {"latencyMs": 7}})
TALK = [START, delta(text="Hel"), delta(text="lo"), BLOCK_STOP, STOP, METADATA]
THROTTLED: Frame = ("exception:throttlingException", {"message": "Too many requests"})


def chunk(inner: Any) -> Frame:
    """The envelope of a model's event."""
    raw = inner if isinstance(inner, bytes) else json.dumps(inner).encode()
    return "chunk", {"bytes": base64.b64encode(raw).decode(), "p": "abcdef"}


def message(text: str = "Hel|lo", **more: Any) -> list[dict[str, Any]]:
    """The events of Anthropic's models that say `text` in so many pieces."""
    head = {"id": "msg_bdrk_1", "type": "message", "role": "assistant", "model": "claude", "content": []}
    head |= {"stop_reason": None, "stop_sequence": None, "usage": {"input_tokens": 9, "output_tokens": 1}}
    pieces = [{"type": "text_delta", "text": piece} for piece in text.split("|")]
    return [
        {"type": "message_start", "message": head},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        *({"type": "content_block_delta", "index": 0, "delta": piece} for piece in pieces),
        {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": {"stop_reason": "end_turn", "stop_sequence": None}}
        | {"usage": {"output_tokens": 2}},
        {"type": "message_stop"} | LAST | more,
    ]


CLAUDE = [chunk(event) for event in message()]


def frame(type: str, data: Any) -> bytes:
    return eventstream.encode(Event.make(type, data))


def body(*frames: Frame) -> bytes:
    return b"".join(frame(*each) for each in frames)


def answer(*frames: Frame, headers: Any = ()) -> Answer:
    return Answer(headers={"content-type": AWS, **dict(headers)}, body=body(*frames))


def random_talk(random: Random) -> tuple[list[Frame], str]:
    """Return the frames of an answer of Converse with text, reasoning and tools, and its text."""
    frames, said = [START], ""
    for _ in range(random.randrange(5)):
        text = "".join(random.choice('ab {}"\\\n\u2028é😀') for _ in range(random.randrange(1, 8)))
        kind = random.randrange(4)
        if kind < 2:
            frames.append(delta(text=text))
            said += text
        elif kind == 2:
            frames += [delta(reasoningContent={"text": text}), BLOCK_STOP]
        else:
            start = {"toolUse": {"toolUseId": "t", "name": "f"}}
            frames.append(("contentBlockStart", {"contentBlockIndex": 1, "start": start}))
            frames += [delta(toolUse={"input": json.dumps(text)}), BLOCK_STOP]
    return [*frames, STOP, METADATA], said


def random_message(random: Random) -> tuple[list[Frame], str]:
    """Return the frames of an answer of an invoked Claude, and its text."""
    pieces = ["".join(random.choice('ab "\\é😀') for _ in range(random.randrange(1, 6))) for _ in range(3)]
    return [chunk(event) for event in message("|".join(pieces))], "".join(pieces)
