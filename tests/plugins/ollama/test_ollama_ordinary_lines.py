"""An ordinary line is read by a shorter way, with the same result as any other line."""

from typing import Any
from unittest.mock import patch

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from unbroken import StreamError
from unbroken.messages import Event, Request, Response
from unbroken_ollama import _reader
from unbroken_ollama._plain import plain_in
from unbroken_ollama._reader import OllamaReader

from .ollama_lines import BASE, PULL, chat, end, generated

ODD: Any = st.none() | st.booleans() | st.sampled_from([0, 1, 1.5, 10**30, "", "x", [], {}, [{}], {"content": "a"}])
TEXTS: Any = st.sampled_from(["a", "ß", "", None])
NAMES = ["model", "remote_model", "done", "message", "response", "thinking", "error", "status", "logprobs", "x"]
BOTH = st.builds(lambda text, other: chat(text) | generated(other, thinking=other), TEXTS, TEXTS)
ORDINARY = (
    BOTH | st.builds(chat, TEXTS) | st.builds(lambda text: chat(thinking=text), TEXTS) | st.builds(generated, TEXTS)
)
LINES = st.builds(
    dict.__or__,
    ORDINARY | st.builds(chat, ODD, thinking=ODD, tool_calls=ODD) | st.sampled_from([end(), *PULL, {"error": "why"}]),
    st.just({}) | st.dictionaries(st.sampled_from(NAMES), ODD, max_size=2),
)
# Another form of the same JSON, and damage: each is a replacement of bytes.
TURNS = [
    (b'"role":"assistant"', b'"role":1e999'),
    (b'"model":', b'"model":[1e999],"model":'),
    (b'"done":false', b'"done":true,"done":false'),
    (b'"done":false', b'"x":0'),
    (b'"content":"a"', b'"content":"\xff"'),
    (b"{", b"[{"),
    (b"}", b""),
    (b"{", b"\xef\xbb\xbf {"),
]
TURNED = st.builds(
    lambda line, turn: msgspec.json.encode(line).replace(turn[0], turn[1], 1), LINES, st.sampled_from(TURNS)
)
RAW = st.builds(msgspec.json.encode, ORDINARY | LINES) | TURNED | st.sampled_from([b"", b"ping", b"null"])
EVENTS = st.lists(st.builds(Event, st.just("message"), RAW), max_size=8)


class _View:
    """A call to this path, with tools or without."""

    id = "call"
    last_event_id = ""
    response: Response | None = None

    def __init__(self, path: str, tools: list[Any]) -> None:
        self.request = self.current = Request(
            method="POST", url=BASE + path, content=msgspec.json.encode({"tools": tools})
        )


def sent(line: dict[str, Any]) -> Event:
    return Event.make("message", line)


def told(reader: OllamaReader, events: list[Event], *, late: bool) -> list[Any]:
    """Everything that the reader tells about these events, which are read as text at once or only at the end."""
    log: list[Any] = []
    for event in events:
        kind = reader.classify(event)
        log.append((kind, reader.quiet, reader.summary, reader.complete_at_end(), late or text_of(reader, event)))
    return log + [text_of(reader, event) for event in events if late]


def text_of(reader: OllamaReader, event: Event) -> str | None:
    try:
        return reader.text(event)
    except StreamError as error:
        return f"raised {error}"


@given(EVENTS, st.sampled_from(["/api/chat", "/api/generate", "/api/pull"]), st.sampled_from([[], [{}]]), st.booleans())
@example([sent(chat("a")), sent(chat(thinking="b")), sent(chat())], "/api/chat", [], False)
@example([sent(chat("a"))], "/api/chat", [{}], False)
@example([sent(end() | {"prompt_eval_count": 9}), sent({"done": True, "response": "a"})], "/api/generate", [], False)
@example([sent(generated(thinking="a")), sent(chat() | generated("b"))], "/api/generate", [], False)
@example([sent(chat() | {"thinking": "a"}), sent({"done": False}), sent(chat("a"))], "/api/chat", [], True)
def test_the_shorter_way_tells_the_same(events: list[Event], path: str, tools: list[Any], late: bool) -> None:
    """For lines of the ordinary form and of any other: kinds, texts, silence, summary and whether it may end."""
    again = [event.replace() for event in events]
    shorter = told(OllamaReader(_View(path, tools)), events, late=late)
    with patch.object(_reader, "plain_in", return_value=None):
        assert told(OllamaReader(_View(path, tools)), again, late=late) == shorter


@pytest.mark.parametrize(
    "line", [chat("a"), chat(), chat(thinking="a"), generated("a"), generated(thinking="a")], ids=str
)
def test_an_ordinary_line_is_read_by_the_shorter_way(line: dict[str, Any]) -> None:
    assert plain_in(msgspec.json.encode(line)) is not None


@pytest.mark.parametrize("line", [end(), chat(tool_calls=[{}]), chat("a") | {"error": "why"}, *PULL], ids=str)
def test_any_other_line_is_not(line: dict[str, Any]) -> None:
    assert plain_in(msgspec.json.encode(line)) is None


def test_an_ordinary_line_is_decoded_once() -> None:
    """Its text is that which was read with the kind."""
    reader, event = OllamaReader(), Event.make("message", chat("Hel"))
    with patch.object(_reader, "plain_in", wraps=plain_in) as decoding:
        reader.classify(event)
        assert reader.text(event) == "Hel"
    assert decoding.call_count == 1
