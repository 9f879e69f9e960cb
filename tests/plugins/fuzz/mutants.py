"""Streams of both vendors' APIs, and mutants of their events and of the headers before them."""

import json
from collections.abc import Callable
from copy import deepcopy
from random import Random
from typing import Any

Named = tuple[str, dict[str, Any]]
Written = tuple[str, bytes]
"""The name of an event, empty without one, and its data."""

WORDS = ("water", " gate", "Wörter", "\u2028", "💧", ' "quoted"', "\\", "\n", "[DONE]", '"text":""}}', " ", "a\x00b")
VALUES: tuple[Any, ...] = (
    None, True, False, 0, -1, 1.5, 7, 429, 2**63, 2**64, 10**30, 1e308, "", "x", "0", "429", "text", "tool_use",
    "error", "thinking", "max_tokens", "message_start", "insufficient_quota", [], {}, [None], [[]], [{}], {"": None},
    {"type": "text", "text": "lost?"}, [{"type": "text", "text": "lost?"}], {"text": ""}, {"text": None},
    {"error": "no"}, {"message": "no", "code": 503}, "\ud83d", "é" * 300, {"a": {"b": [{"c": {}}]}},
)  # fmt: skip
NAMES = (
    "", "message", "ping", "error", "message_start", "message_delta", "message_stop", "content_block_start",
    "content_block_delta", "content_block_stop", "response.completed", "response.output_text.delta", "response.failed",
    "response.output_text.done", "response.new", "completion", "vendor_event", "x" * 90, "grün",
)  # fmt: skip
HEADERS = (
    "retry-after", "retry-after-ms", "x-should-retry", "date", "request-id", "x-request-id", "content-type",
    "content-encoding", "anthropic-ratelimit-requests-limit", "anthropic-ratelimit-requests-remaining",
    "anthropic-ratelimit-requests-reset", "anthropic-ratelimit-input-tokens-remaining",
    "anthropic-ratelimit-tokens-reset", "anthropic-ratelimit-unified-reset", "x-ratelimit-limit-requests",
    "x-ratelimit-remaining-requests", "x-ratelimit-reset-requests", "x-ratelimit-reset-tokens", "x-ratelimit-new",
)  # fmt: skip
HEADER_VALUES = (
    "", "0", "1", "-1", "5, 10", "1e308", "nan", "inf", "1_0", "٣", "9" * 5000, "1m0.5s", "6ms", "-1h", "µs1", ".s",
    "Fri, 31 Dec 9999 23:59:59 GMT", "Thu, 01 Jan 1970 00:00:00 GMT", "Fri, 31 Feb 2025 25:61:61 GMT",
    "2026-01-01T00:00:00Z", "0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59", "2026-13-41T99:99:99Z", "true",
    "false", "text/event-stream", "application/json", 'text/event-stream; charset="', ";", "gzip", "identity", "\x7f",
    "é\xff", "a" * 3000, "1" * 20 + "s", "0.1.2", "text/event-stream, text/html",
)  # fmt: skip


def words(chance: Random) -> str:
    return "".join(chance.choice(WORDS) for _ in range(chance.randint(1, 3)))


# Streams.


def messages_stream(chance: Random) -> list[Named]:
    """Return the events of a message with one to three blocks, in the order of the API."""
    start = {"id": "msg_1", "type": "message", "role": "assistant", "model": "m-1", "content": []}
    start |= {"stop_reason": None, "stop_sequence": None, "usage": {"input_tokens": 9, "output_tokens": 1}}
    if chance.random() < 0.1:
        start["content"] = [{"type": "text", "text": words(chance)}]
    first = len(start["content"])
    events: list[dict[str, Any]] = [{"type": "message_start", "message": start}]
    events += [dict(events[0])] * chance.choice([0, 0, 0, 1]) + [{"type": "ping"}] * chance.choice([0, 1])
    for index in range(first, first + chance.randint(1, 3)):
        events += _block(chance, index)
    ended = {"stop_reason": chance.choice(["end_turn", "tool_use", "max_tokens", "refusal"]), "stop_sequence": None}
    events.append({"type": "message_delta", "delta": ended, "usage": {"output_tokens": 5}})
    events.append({"type": "message_stop"})
    return [(event["type"], event) for event in events]


def _block(chance: Random, index: int) -> list[dict[str, Any]]:
    block, kind, field = chance.choice(_BLOCKS)
    block = {**block, "text": words(chance)} if block["type"] == "text" and chance.random() < 0.2 else block
    said = ['{"a": ', '"b"}'] if kind == "input_json_delta" else [words(chance) for _ in range(chance.randint(1, 3))]
    deltas = [{"type": kind, field: piece} for piece in (said if kind else [])]
    events = [{"type": "content_block_start", "index": index, "content_block": block}]
    events += [{"type": "content_block_delta", "index": index, "delta": delta} for delta in deltas]
    return [*events, {"type": "content_block_stop", "index": index}]


_TEXT = ({"type": "text", "text": ""}, "text_delta", "text")
_BLOCKS: tuple[tuple[dict[str, Any], str, str], ...] = (
    _TEXT,
    _TEXT,
    ({"type": "thinking", "thinking": "", "signature": ""}, "thinking_delta", "thinking"),
    ({"type": "tool_use", "id": "t_1", "name": "look", "input": {}}, "input_json_delta", "partial_json"),
    ({"type": "server_tool_use", "id": "t_2", "name": "web_search", "input": {}}, "input_json_delta", "partial_json"),
    ({"type": "web_search_tool_result", "tool_use_id": "t_2", "content": []}, "", ""),
    ({"type": "fallback", "from": {"model": "m-1"}, "to": {"model": "m-2"}}, "", ""),
    ({"type": "redacted_thinking", "data": "xyz"}, "", ""),
    ({"type": "compaction", "content": None}, "compaction_delta", "content"),
)


def chunks_stream(chance: Random) -> list[Named]:
    """Return the chunks of one answer of Chat Completions, without the ``[DONE]``."""
    head = {"id": "c_1", "object": "chat.completion.chunk", "created": 1, "model": "m"}
    field = chance.choice(["delta", "delta", "delta", "delta", "text", "message", "parts"])

    def chunk(delta: dict[str, Any], reason: str | None = None, **more: Any) -> Named:
        choice: dict[str, Any] = {"index": 0, "delta": delta, "finish_reason": reason}
        if delta and field in {"text", "message"}:
            said = delta.get("content") or ""
            choice = {"index": 0, "finish_reason": reason}
            choice |= {"text": said} if field == "text" else {"message": {"content": said}}
        elif field == "parts" and "content" in delta:
            choice["delta"] = {"content": [{"type": "text", "text": delta["content"]}]}
        return "", {**head, "choices": [choice], **more}

    reasoning = {"reasoning_content": words(chance), "content": None}
    tool = {"tool_calls": [{"index": 0, "id": "t", "function": {"name": "f", "arguments": "{}"}}]}
    first = [chunk({"role": "assistant", "content": ""})]
    said = [chunk({"content": words(chance)}) for _ in range(chance.randint(1, 4))]
    extra = [chunk(chance.choice([reasoning, tool]))] if field == "delta" and chance.random() < 0.3 else []
    usage: Named = ("", {**head, "choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 2}})
    if chance.random() < 0.2:
        choices = [data["choices"][0] for _, data in said]
        said = [("", {**head, "choices": [choice, {**choice, "index": 1}]}) for choice in choices]
    return [*first, *extra, *said, chunk({}, "stop"), *[usage] * chance.choice([0, 1])]


def responses_stream(chance: Random) -> list[Named]:
    """Return the events of one answer of the Responses API, with one message and perhaps reasoning before it."""
    pieces = [words(chance) for _ in range(chance.randint(1, 3))]
    place, whole = {"item_id": "i_1", "output_index": 0, "content_index": 0}, "".join(pieces)
    part = {"type": "output_text", "text": whole, "annotations": []}
    item = {"type": "message", "id": "i_1", "role": "assistant", "content": [part]}
    events: list[dict[str, Any]] = [{"type": "response.created", "response": {"id": "r", "status": "in_progress"}}]
    if chance.random() < 0.3:
        events.append({"type": "response.reasoning_summary_text.delta", "item_id": "i_0", "delta": words(chance)})
    events.append({"type": "response.output_item.added", "output_index": 0, "item": {**item, "content": []}})
    events.append({"type": "response.content_part.added", **place, "part": {**part, "text": ""}})
    if chance.random() < 0.8:
        events += [{"type": "response.output_text.delta", **place, "delta": piece} for piece in pieces]
    if chance.random() < 0.8:
        events.append({"type": "response.output_text.done", **place, "text": whole})
    events.append({"type": "response.output_item.done", "output_index": 0, "item": item})
    ended = {"id": "r", "status": "completed", "output": [item], "usage": {"input_tokens": 3, "output_tokens": 2}}
    return [(event["type"], event) for event in [*events, {"type": "response.completed", "response": ended}]]


# Mutants.


def mutant(chance: Random, name: str, data: dict[str, Any]) -> Written:
    """Return the event changed in its name, in the values of its JSON, in the way that is written, or in its bytes."""
    if chance.random() < 0.1:
        name = chance.choice(NAMES)
    if chance.random() < 0.6:
        data = deepcopy(data)
        for _ in range(chance.choice([1, 1, 1, 2, 4])):
            _mutate_value(chance, data)
    raw = written(chance, data)
    return name, _mutate_bytes(chance, raw) if chance.random() < 0.25 else raw


def _mutate_value(chance: Random, data: Any) -> None:
    places = [place for place in _places(data) if place[0] is not None]
    if not places:
        return
    parent, key = chance.choice(places)
    match chance.randrange(7):
        case 0 | 1 | 2:
            parent[key] = deepcopy(chance.choice(VALUES))
        case 3:
            del parent[key]
        case 4:
            parent[key] = [parent[key]] if chance.random() < 0.5 else {"type": "x", "text": parent[key]}
        case 5 if isinstance(parent, dict):
            parent[chance.choice(["text", "type", "error", "delta", "content", "index", "code", "x"])] = parent.pop(key)
        case _ if isinstance(parent, dict):
            name = chance.choice(["text", "type", "error", "usage", "message", "extra", "x"])
            parent[name] = deepcopy(chance.choice(VALUES))
        case _:
            parent.append(deepcopy(chance.choice(VALUES)))


def _places(value: Any, parent: Any = None, key: Any = None) -> list[tuple[Any, Any]]:
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [(parent, key), *(place for name, each in inner for place in _places(each, value, name))]


def written(chance: Random, value: Any) -> bytes:
    """Return `value` as JSON in one of the ways in which it may be written."""
    match chance.randrange(6):
        case 0 | 1:
            text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
        case 2:
            text = json.dumps(value)
        case 3:
            text = json.dumps(value, indent=1, ensure_ascii=False)
        case 4:
            text = json.dumps(_shuffled(chance, value), ensure_ascii=False, separators=(", ", " : "))
        case _:
            text = _escaped(chance, json.dumps(value, separators=(",", ":")))
    return text.encode("utf-8", "surrogatepass")


def _shuffled(chance: Random, value: Any) -> Any:
    if isinstance(value, dict):
        items = list(value.items())
        chance.shuffle(items)
        return {name: _shuffled(chance, each) for name, each in items}
    return [_shuffled(chance, each) for each in value] if isinstance(value, list) else value


def _escaped(chance: Random, text: str) -> str:
    """Write some letters as escapes, in names and in values: to a reader of JSON they are the same."""
    pieces: list[str] = []
    inside, after_backslash = False, 0
    for character in text:
        if character == '"' and not after_backslash:
            inside = not inside
        letter = inside and character.isalpha() and not after_backslash
        pieces.append(f"\\u{ord(character):04x}" if letter and chance.random() < 0.1 else character)
        if after_backslash:
            after_backslash = 4 if character == "u" and after_backslash == 1 else after_backslash - 1
            after_backslash = 0 if character not in "u0123456789abcdef" else after_backslash
        elif character == "\\":
            after_backslash = 1
    return "".join(pieces)


def _mutate_bytes(chance: Random, raw: bytes) -> bytes:
    at, much = chance.randrange(len(raw) + 1), chance.choice([1, 1, 2, 9])
    changes: tuple[Callable[[], bytes], ...] = (
        lambda: raw[:at],
        lambda: raw[:at] + raw[at + much :],
        lambda: raw[:at] + chance.randbytes(much).replace(b"\n", b" ").replace(b"\r", b" ") + raw[at:],
        lambda: raw[:at] + chance.choice([b"\xff", b"\xc3", b"\xf0\x9f\x92", b"\\ud83d", b"\\u0000", b'"']) + raw[at:],
        lambda: b"\xef\xbb\xbf" + raw,
        lambda: raw + chance.choice([b" ", b"}", b"x", raw, b"\x00"]),
        lambda: b"[" + raw + b"]",
        lambda: raw.replace(b"{", b'{"type":"x","text":"",', 1),
        lambda: raw[:-1] + b',"type":"ping"}',
        lambda: chance.choice([b"", b" ", b"null", b"{}", b"[]", b"[DONE]", b'"x"', b"0", b"keepalive", b"[" * 3000]),
    )
    return chance.choice(changes)()


def headers(chance: Random) -> list[tuple[str, str]]:
    """Return some of the headers that clients read, with values that make sense and others."""
    return [(chance.choice(HEADERS), chance.choice(HEADER_VALUES)) for _ in range(chance.choice([0, 0, 1, 3, 8]))]
