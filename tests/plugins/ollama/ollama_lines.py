"""Streams of Ollama for the tests."""

import json
from random import Random
from typing import Any

from unbroken.testing import Answer

NDJSON = "application/x-ndjson"
HEAD = {"model": "gemma3", "created_at": "2026-01-01T00:00:00Z"}
BASE = "http://localhost:11434"


def chat(content: str = "", **fields: Any) -> dict[str, Any]:
    return HEAD | {"message": {"role": "assistant", "content": content, **fields}, "done": False}


def generated(response: str = "", **fields: Any) -> dict[str, Any]:
    return HEAD | {"response": response, "done": False, **fields}


def end(reason: str = "stop", **fields: Any) -> dict[str, Any]:
    said = {"done": True, "done_reason": reason, "prompt_eval_count": 9, "eval_count": 2, "total_duration": 7}
    return HEAD | {"message": {"role": "assistant", "content": ""}} | said | fields


HELLO = [chat("Hel"), chat("lo"), end()]
PULL = [
    {"status": "pulling manifest"},
    {"status": "pulling 0a1b", "digest": "sha256:0a1b", "total": 9},
    {"status": "pulling 0a1b", "digest": "sha256:0a1b", "total": 9, "completed": 9},
    {"status": "verifying sha256 digest"},
    {"status": "writing manifest"},
    {"status": "success"},
]


def body(*lines: Any) -> bytes:
    return b"".join(line if isinstance(line, bytes) else json.dumps(line).encode() + b"\n" for line in lines)


def answer(*lines: Any, kind: str = NDJSON, status: int = 200) -> Answer:
    return Answer(status=status, headers={"content-type": kind}, body=body(*lines))


def random_lines(random: Random) -> list[Any]:
    """Return the lines of an answer, of a chat or of a generation, with text, thinking, tools and odd characters."""
    say = random.choice([chat, generated])
    lines: list[Any] = []
    for _ in range(random.randrange(6)):
        text = "".join(random.choice('ab {}"\\\n\r\u2028é😀') for _ in range(random.randrange(8)))
        lines.append(random.choice([say(text), say(text), say(thinking=text), say(), b"\n", b" \r\n"]))
    return [*lines, end(random.choice(["stop", "length"]), response=random.choice(["", "!"]))]
