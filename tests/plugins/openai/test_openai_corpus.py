"""What chunks say, frozen before msgspec decoded only what is needed of them.

Each line of ``corpus/chunks.jsonl`` is an event, written at random, and what an implementation without any shortcut
made of it.
"""

import json
from pathlib import Path

from unbroken import Error, Event
from unbroken_openai import OpenAI

CORPUS = Path(__file__).parent / "corpus" / "chunks.jsonl"
DIALECT = OpenAI()


def text(event: Event) -> str | None:
    try:
        return DIALECT.text(event)
    except Error as error:
        return f"{type(error).__name__}: {error.message}"


def test_every_chunk_says_what_it_said() -> None:
    """Text, its absence and its errors."""
    cases = [json.loads(line) for line in CORPUS.read_bytes().splitlines()]
    assert len(cases) > 150
    for case in cases:
        raw, expected = case["raw"].encode("latin-1"), case["said"]
        assert text(Event(case["name"], raw)) == expected.get("error", expected.get("text")), raw
        assert repr(DIALECT.classify(Event(case["name"], raw))) == case["kind"], raw
