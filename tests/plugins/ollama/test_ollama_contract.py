"""The dialect keeps the contract of dialects, in chats and in generations."""

from typing import Any

import pytest

from unbroken.errors import Error, OverloadedError, ServerError
from unbroken.messages import Usage
from unbroken.testing import RecordedError, Recording, check_dialect
from unbroken_ollama import Ollama

from .ollama_lines import BASE, HELLO, NDJSON, body, chat, end, generated


def told(words: str, error: type[Error], status: int) -> RecordedError:
    return RecordedError(data=body({"error": words}), error=error, status=status)


@pytest.mark.parametrize(
    ("path", "lines", "text"),
    [
        pytest.param("/api/chat", HELLO, "Hello", id="chat"),
        pytest.param("/api/chat", [chat(thinking="Hm"), chat("Grüße 💧"), end()], "Grüße 💧", id="thinking"),
        pytest.param("/api/generate", [generated("Hel"), generated("lo"), end(response="!")], "Hello!", id="generate"),
    ],
)
def test_the_dialect_keeps_the_contract(path: str, lines: list[Any], text: str):
    recording = Recording(
        pieces=tuple(body(line) for line in lines),
        text=text,
        usage=Usage(input_tokens=9, output_tokens=2, final=True),
        content_type=NDJSON,
        url=BASE + path,
        keepalives=(b"\n", b" \r\n", body({})),
        unknown=(body({"news": 1}),),
        errors=(
            told("something went wrong", ServerError, 500),
            told("server busy, please try again. maximum pending requests exceeded", OverloadedError, 503),
        ),
        request={},
    )
    check_dialect(Ollama(), recording)
