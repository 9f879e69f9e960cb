"""The OpenAI Responses API.

According to the vendor's page *streaming events* of this API as of 2026.
"""

import base64
from collections.abc import Iterator, Sequence
from itertools import count
from typing import Any, ClassVar, Final

from attrs import frozen

from ._conversation import Exchange, Speech, parts_of, pieces_of, wants_stream
from ._fields import compact, sse
from ._openai import OpenAI, error_of, reasoning_tokens

_USUAL: Final[dict[str, Any]] = {
    "background": False,
    "completed_at": None,
    "error": None,
    "incomplete_details": None,
    "instructions": None,
    "max_output_tokens": None,
    "metadata": {},
    "output": [],
    "parallel_tool_calls": True,
    "previous_response_id": None,
    "reasoning": {"effort": None, "summary": None},
    "service_tier": "default",
    "store": True,
    "temperature": 1.0,
    "text": {"format": {"type": "text"}},
    "tool_choice": "auto",
    "tools": [],
    "top_p": 1.0,
    "truncation": "disabled",
    "usage": None,
    "user": None,
}
"""The fields of a response that says nothing yet."""


class Responses(OpenAI):
    """``POST /v1/responses``."""

    path: ClassVar[str] = "/responses"
    id_prefix: ClassVar[str] = "resp_"
    stop_reason: ClassVar[str] = "completed"
    tools_reason: ClassVar[str] = "completed"
    not_json: ClassVar[bytes] = b'event: response.output_text.delta\ndata: {"type": "response.output_text.delta", \n\n'

    def stream(self, exchange: Exchange) -> tuple[bytes, ...] | None:
        """Return the events from ``response.created`` to ``response.completed``.

        An item of the output is opened by one piece and closed by one, although several events do it. So the first item
        is open after three pieces, as in the Messages API.
        """
        if not wants_stream(exchange.request):
            return None
        reply, now = exchange.reply, exchange.now
        numbers = count()

        def piece(*events: tuple[str, dict[str, Any]]) -> bytes:
            return b"".join(_event(type, next(numbers), **fields) for type, fields in events)

        begun = {"response": _response(reply, now, "in_progress")}
        return (
            piece(("response.created", begun)),
            piece(("response.in_progress", begun)),
            *(piece(*step) for index, item in enumerate(_items(reply)) for step in item.steps(index)),
            piece(("response.completed", {"response": _completed(reply, now)})),
        )

    def message(self, exchange: Exchange) -> bytes:
        """Return a complete ``response``."""
        return compact(_completed(exchange.reply, exchange.now))

    def error_event(self, exchange: Exchange, sent: Sequence[bytes]) -> bytes:
        """Return an ``error`` event and the ``response.failed`` that follows it.

        The API nests the error in the first, against its own description of it, and names it by one code in the second.
        """
        error = error_of(exchange.fault)
        number = b"".join(sent).count(b"\n\n")
        told = {"code": error["code"] or error["type"], "message": error["message"]}
        failed = _response(exchange.reply, exchange.now, "failed", error=told)
        return _event("error", number, error=error) + _event("response.failed", number + 1, response=failed)


_Step = list[tuple[str, dict[str, Any]]]
"""The types and fields of events that are sent at once."""


@frozen(kw_only=True)
class _Item:
    """An item of the output: one text that comes in pieces."""

    whole: dict[str, Any]
    empty: dict[str, Any]
    """What is different in `whole` before the first piece."""
    name: str
    """The name of the events of the text."""
    field: str = "text"
    """The field of the last of these."""
    beside: dict[str, Any]
    """Further fields of these events."""
    pieces: list[str]
    part: tuple[str, str, dict[str, Any]] | None = None
    """For an item whose text is in a part: the name of its events, the name of its index, and the part without text."""

    def steps(self, index: int) -> Iterator[_Step]:
        """Yield the events that open the item at `index`, each piece of its text, and the events that close it."""
        at: dict[str, Any] = {"item_id": self.whole["id"], "output_index": index}
        text = "".join(self.pieces)
        added: _Step = [("response.output_item.added", {"output_index": index, "item": {**self.whole, **self.empty}})]
        done: _Step = [("response.output_item.done", {"output_index": index, "item": self.whole})]
        if self.part is not None:
            part, place, content = self.part
            at[place] = 0
            added.append((f"{part}.added", {**at, "part": {**content, "text": ""}}))
            done.insert(0, (f"{part}.done", {**at, "part": {**content, "text": text}}))
        yield added
        for piece in self.pieces:
            yield [(f"{self.name}.delta", {**at, "delta": piece, **self.beside})]
        yield [(f"{self.name}.done", {**at, self.field: text, **self.beside}), *done]


def _items(reply: Speech) -> Iterator[_Item]:
    """Yield the items of the output: reasoning, text, calls of tools."""
    if reply.thinking:
        yield _reasoning(reply)
    if reply.says_text:
        yield _text(reply)
    yield from (_call(reply, number) for number in range(len(reply.tools)))


def _reasoning(reply: Speech) -> _Item:
    part = {"type": "summary_text"}
    whole = {
        "id": reply.item_id(0, "rs_"),
        "type": "reasoning",
        "status": "completed",
        "summary": [{**part, "text": reply.thinking}],
        "encrypted_content": base64.b64encode(reply.id.encode()).decode(),
    }
    return _Item(
        whole=whole,
        empty={"status": "in_progress", "summary": []},
        name="response.reasoning_summary_text",
        beside={},
        pieces=pieces_of(reply.thinking),
        part=("response.reasoning_summary_part", "summary_index", part),
    )


def _text(reply: Speech) -> _Item:
    part: dict[str, Any] = {"type": "output_text", "annotations": [], "logprobs": []}
    whole = {
        "id": reply.item_id(0, "msg_"),
        "type": "message",
        "status": "completed",
        "role": "assistant",
        "content": [{**part, "text": reply.text}],
    }
    return _Item(
        whole=whole,
        empty={"status": "in_progress", "content": []},
        name="response.output_text",
        beside={"logprobs": []},
        pieces=pieces_of(reply.text),
        part=("response.content_part", "content_index", part),
    )


def _call(reply: Speech, number: int) -> _Item:
    tool = reply.tools[number]
    whole = {
        "id": reply.item_id(number, "fc_"),
        "type": "function_call",
        "status": "completed",
        "call_id": reply.item_id(number, "call_"),
        "name": tool.name,
        "arguments": tool.input,
    }
    return _Item(
        whole=whole,
        empty={"status": "in_progress", "arguments": ""},
        name="response.function_call_arguments",
        field="arguments",
        beside={},
        pieces=parts_of(tool),
    )


def _completed(reply: Speech, now: float) -> dict[str, Any]:
    usage = {
        "input_tokens": reply.input_tokens,
        "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
        "output_tokens": reply.output_tokens,
        "output_tokens_details": {"reasoning_tokens": reasoning_tokens(reply)},
        "total_tokens": reply.input_tokens + reply.output_tokens,
    }
    output = [item.whole for item in _items(reply)]
    return _response(reply, now, reply.stop_reason, completed_at=int(now), output=output, usage=usage)


def _response(reply: Speech, now: float, status: str, **known: Any) -> dict[str, Any]:
    head = {"id": reply.id, "object": "response", "created_at": int(now), "status": status, "model": reply.model}
    return {**head, **_USUAL, **known}


def _event(type: str, number: int, **fields: Any) -> bytes:
    return sse(type, {"type": type, "sequence_number": number, **fields})
