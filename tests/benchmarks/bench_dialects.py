"""What the dialects cost per event: ``python tests/benchmarks/bench_dialects.py``.

All contestants take turns in one process and the medians of their rounds are shown, so the ratios hold on a busy
machine where the microseconds do not. The vendors' SDKs parse the same bytes as the reference; no transport is
involved. Each contestant proves that it has read the whole text.
"""

import json
import statistics
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import anthropic
import httpx2
import msgspec
import openai
from anthropic import NOT_GIVEN
from anthropic.lib.streaming import MessageStream
from anthropic.types import RawMessageStreamEvent
from openai.lib.streaming.chat._completions import ChatCompletionStream
from openai.lib.streaming.responses._responses import ResponseStream
from openai.types.chat import ChatCompletionChunk
from openai.types.responses import ResponseStreamEvent
from rich.console import Console
from rich.table import Table

from unbroken import Event
from unbroken.sse import SSEDecoder
from unbroken.testing import sse
from unbroken_anthropic import Anthropic, ContentBlockDelta, MessageBuilder, TextDelta
from unbroken_openai import ChatCompletionChunk as Chunk
from unbroken_openai import CompletionBuilder, OpenAI, OutputTextDelta, ResponseBuilder

ROUNDS = 15
DELTAS = 2_000
STREAMS = 200
CHUNK = 4_096
WORDS = "some words of an answer "
TEXT = WORDS * DELTAS
HEAD = {
    "id": "chatcmpl-9lMgfRSWPHcw51s6wxKT1YEO2CKpd",
    "object": "chat.completion.chunk",
    "created": 1721075653,
    "model": "gpt-4o-mini-2024-07-18",
    "service_tier": "default",
    "system_fingerprint": "fp_8b761cb050",
}


def messages(text: Iterable[str]) -> list[tuple[str, Any]]:
    """The events of a message with one block of text."""
    message = {"id": "msg_1", "type": "message", "role": "assistant", "model": "claude-test-1", "content": []}
    message |= {"stop_reason": None, "stop_sequence": None, "usage": {"input_tokens": 25, "output_tokens": 1}}
    data = [
        {"type": "message_start", "message": message},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        {"type": "ping"},
        *({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": it}} for it in text),
        {"type": "content_block_stop", "index": 0},
        {
            "type": "message_delta",
            "delta": {"stop_reason": "end_turn", "stop_sequence": None},
            "usage": {"output_tokens": 15},
        },
        {"type": "message_stop"},
    ]
    return [(str(each["type"]), each) for each in data]


def chunk(delta: dict[str, Any], finish_reason: str | None = None) -> tuple[str, Any]:
    choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason}
    return "message", {**HEAD, "choices": [choice], "usage": None, "obfuscation": "aB3dE6g"}


def chunks(text: Iterable[str]) -> list[tuple[str, Any]]:
    """The chunks of a completion."""
    said = [chunk({"content": it}) for it in text]
    return [chunk({"role": "assistant", "content": ""}), *said, chunk({}, "stop"), ("message", "[DONE]")]


def called(pieces: Iterable[str]) -> list[tuple[str, Any]]:
    """The chunks of a completion that is one tool call."""
    begun = {"index": 0, "id": "call_1", "type": "function", "function": {"name": "write", "arguments": '{"text":"'}}
    said = [{"index": 0, "function": {"arguments": it}} for it in (*pieces, '"}')]
    return [
        chunk({"role": "assistant", "content": None}),
        *(chunk({"tool_calls": [it]}) for it in (begun, *said)),
        chunk({}, "tool_calls"),
        ("message", "[DONE]"),
    ]


def responses(text: Iterable[str]) -> list[tuple[str, Any]]:
    """The events of a response with one message."""
    part = {"type": "output_text", "text": "", "annotations": []}
    whole = {**part, "text": "".join(text)}
    item = {"id": "msg_68a1b2c3d4e5f607", "type": "message", "role": "assistant", "status": "completed", "content": []}
    made = {**item, "content": [whole]}
    place = {"item_id": item["id"], "output_index": 0, "content_index": 0}
    more: dict[str, Any] = {"logprobs": []}
    response = {"id": "resp_1", "object": "response", "created_at": 1, "model": "gpt-test", "output": []}
    response |= {"status": "completed", "parallel_tool_calls": True, "tool_choice": "auto", "tools": []}
    data = [
        {"type": "response.created", "response": response},
        {"type": "response.output_item.added", "output_index": 0, "item": item},
        {"type": "response.content_part.added", **place, "part": part},
        *({"type": "response.output_text.delta", **place, "delta": it, **more, "obfuscation": "aB3"} for it in text),
        {"type": "response.output_text.done", **place, "text": whole["text"], **more},
        {"type": "response.content_part.done", **place, "part": whole},
        {"type": "response.output_item.done", "output_index": 0, "item": made},
        {"type": "response.completed", "response": {**response, "output": [made]}},
    ]
    return [(str(each["type"]), {**each, "sequence_number": number}) for number, each in enumerate(data)]


LONG = sse(*messages([WORDS] * DELTAS))
SHORT = sse(*messages([WORDS] * 3))
CHAT = sse(*chunks([WORDS] * DELTAS))
CALL = sse(*called([WORDS] * DELTAS))
RESPONSE = sse(*responses([WORDS] * DELTAS))


def pieces(body: bytes) -> Iterator[bytes]:
    return (body[start : start + CHUNK] for start in range(0, len(body), CHUNK))


def decoded(body: bytes, dialect: Any = None) -> Iterator[Event]:
    decoder = SSEDecoder(dialect=dialect)
    for piece in pieces(body):
        yield from decoder.feed(piece)


def decode(body: bytes) -> None:
    for _ in decoded(body):
        pass


def decode_json(body: bytes) -> None:
    for event in decoded(body):
        if event.raw != b"[DONE]":
            msgspec.json.decode(event.raw)


def classify(body: bytes, dialect: Any) -> None:
    sort = dialect.classify
    for event in decoded(body):
        sort(event)


def text(body: bytes, dialect: Any) -> str:
    read = dialect.text
    return "".join(read(event) or "" for event in decoded(body))


def classify_and_text(body: bytes, dialect: Any) -> str:
    sort, read = dialect.classify, dialect.text
    said = []
    for event in decoded(body):
        sort(event)
        said.append(read(event) or "")
    return "".join(said)


def typed(body: bytes) -> str:
    said = []
    for event in decoded(body, Anthropic()):
        it = event.typed()
        if isinstance(it, ContentBlockDelta) and isinstance(it.delta, TextDelta):
            said.append(it.delta.text)
    return "".join(said)


def built(body: bytes) -> str:
    builder = MessageBuilder()
    for event in decoded(body, Anthropic()):
        builder.add(event)
    return builder.message().text


def typed_openai(body: bytes) -> str:
    said = []
    for event in decoded(body, OpenAI()):
        it = event.typed()
        if isinstance(it, OutputTextDelta):
            said.append(it.delta)
        elif isinstance(it, Chunk):
            delta = it.choices[0].delta
            said.append(str(delta.content or "") if delta else "")
    return "".join(said)


def built_completion(body: bytes) -> str:
    builder = CompletionBuilder()
    for event in decoded(body, OpenAI()):
        builder.add(event)
    message = builder.completion()["choices"][0]["message"]
    return message["content"] or json.loads(message["tool_calls"][0]["function"]["arguments"])["text"]


def built_response(body: bytes) -> str:
    builder = ResponseBuilder()
    for event in decoded(body, OpenAI()):
        builder.add(event)
    return builder.response()["output"][0]["content"][0]["text"]


def answer(body: bytes) -> httpx2.Response:
    """A response that brings `body` in the same pieces."""
    headers = {"content-type": "text/event-stream"}
    return httpx2.Response(200, headers=headers, content=pieces(body), request=httpx2.Request("POST", "https://a/"))


CLAUDE = anthropic.Anthropic(api_key="test")
GPT = openai.OpenAI(api_key="test")


def anthropic_stream(body: bytes) -> anthropic.Stream[Any]:
    return anthropic.Stream(cast_to=RawMessageStreamEvent, response=answer(body), client=CLAUDE)  # type: ignore[arg-type]


def anthropic_sdk(body: bytes) -> str:
    """What ``messages.create(stream=True)`` does behind the transport."""
    return "".join(
        event.delta.text
        for event in anthropic_stream(body)
        if event.type == "content_block_delta" and event.delta.type == "text_delta"
    )


def anthropic_helper(body: bytes) -> str:
    """What ``messages.stream()`` does behind the transport."""
    with MessageStream(anthropic_stream(body), output_format=NOT_GIVEN) as stream:
        return stream.get_final_text()


def openai_sdk(body: bytes) -> str:
    """What ``chat.completions.create(stream=True)`` does behind the transport."""
    stream: Any = openai.Stream(cast_to=ChatCompletionChunk, response=answer(body), client=GPT)  # type: ignore[arg-type]
    return "".join(it.choices[0].delta.content or "" for it in stream)


def openai_helper(body: bytes) -> str:
    """What ``chat.completions.stream()`` does behind the transport."""
    raw: Any = openai.Stream(cast_to=ChatCompletionChunk, response=answer(body), client=GPT)  # type: ignore[arg-type]
    stream: Any = ChatCompletionStream(raw_stream=raw, response_format=openai.omit, input_tools=openai.omit)
    message = stream.get_final_completion().choices[0].message
    return message.content or json.loads(message.tool_calls[0].function.arguments)["text"]


def openai_responses_helper(body: bytes) -> str:
    """What ``responses.stream()`` does behind the transport."""
    raw: Any = openai.Stream(cast_to=ResponseStreamEvent, response=answer(body), client=GPT)  # type: ignore[arg-type]
    options: dict[str, Any] = {"text_format": openai.omit, "input_tools": openai.omit, "starting_after": None}
    stream: Any = ResponseStream(raw_stream=raw, **options)
    return stream.get_final_response().output_text


Contestants = dict[str, Callable[[], str | None]]


def of_messages(body: bytes) -> Contestants:
    dialect = Anthropic()
    return {
        "decoder alone": lambda: decode(body),
        "decoder, classify": lambda: classify(body, dialect),
        "decoder, text()": lambda: text(body, dialect),
        "decoder, JSON": lambda: decode_json(body),
        "decoder, typed()": lambda: typed(body),
        "decoder, builder": lambda: built(body),
        "anthropic: create(stream=True)": lambda: anthropic_sdk(body),
        "anthropic: stream()": lambda: anthropic_helper(body),
    }


def of_chunks(body: bytes) -> Contestants:
    dialect = OpenAI()
    return {
        "decoder alone": lambda: decode(body),
        "decoder, classify": lambda: classify(body, dialect),
        "decoder, text()": lambda: text(body, dialect),
        "decoder, classify, text()": lambda: classify_and_text(body, dialect),
        "decoder, JSON": lambda: decode_json(body),
        "decoder, typed()": lambda: typed_openai(body),
        "decoder, builder": lambda: built_completion(body),
        "openai: create(stream=True)": lambda: openai_sdk(body),
        "openai: stream()": lambda: openai_helper(body),
    }


def of_calls(body: bytes) -> Contestants:
    return {
        "decoder alone": lambda: decode(body),
        "decoder, JSON": lambda: decode_json(body),
        "decoder, builder": lambda: built_completion(body),
        "openai: stream()": lambda: openai_helper(body),
    }


def of_responses(body: bytes) -> Contestants:
    return {
        "decoder alone": lambda: decode(body),
        "decoder, JSON": lambda: decode_json(body),
        "decoder, typed()": lambda: typed_openai(body),
        "decoder, builder": lambda: built_response(body),
        "openai: stream()": lambda: openai_responses_helper(body),
    }


def again(contestants: Contestants, times: int) -> Contestants:
    """The same, `times` streams one after another."""

    def repeated(contestant: Callable[[], str | None]) -> Callable[[], str | None]:
        return lambda: "".join([contestant() or "" for _ in range(times)]) or None

    return {name: repeated(contestant) for name, contestant in contestants.items()}


def medians(contestants: Contestants, expected: str) -> dict[str, float]:
    """Let each have its turn in every round. Returns the medians in seconds."""
    times: dict[str, list[float]] = {name: [] for name in contestants}
    for _ in range(ROUNDS):
        for name, contestant in contestants.items():
            started = time.process_time_ns()
            said = contestant()
            times[name].append((time.process_time_ns() - started) / 1e9)
            assert said is None or said == expected, name
    return {name: statistics.median(each) for name, each in times.items()}


def show(title: str, contestants: Contestants, expected: str, events: int) -> None:
    """Print each median, what it adds to the decoder, and its ratio to the last contestant."""
    figures = medians(contestants, expected)
    bare, reference = figures["decoder alone"], list(figures.values())[-1]
    table = Table("µs per event", "all", "beside the decoder", "of the last", title=title)
    for name, figure in figures.items():
        beside = (figure - bare) / events * 1e6
        table.add_row(name, f"{figure / events * 1e6:.2f}", f"{beside:.2f}", f"1/{reference / figure:.1f}")
    Console().print(table)


def main() -> None:
    """Print the figures."""
    show("Messages, a long answer", of_messages(LONG), TEXT, DELTAS + 6)
    show("Messages, answers of nine events", again(of_messages(SHORT), STREAMS), WORDS * 3 * STREAMS, 9 * STREAMS)
    show("Chat Completions", of_chunks(CHAT), TEXT, DELTAS + 3)
    show("Chat Completions, a tool call", of_calls(CALL), TEXT, DELTAS + 5)
    show("Responses", of_responses(RESPONSE), TEXT, DELTAS + 7)


if __name__ == "__main__":
    main()
