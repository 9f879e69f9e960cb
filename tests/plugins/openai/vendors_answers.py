"""Answers as the vendor documents them (https://developers.openai.com/api/docs/guides/streaming-responses), by name."""

from random import Random
from typing import Any

Chunk = dict[str, Any]
Event = tuple[str, dict[str, Any]]
Item = tuple[dict[str, Any], list[dict[str, Any]]]

TEXTS: dict[str, tuple[str, ...]] = {
    "one-piece": ("Hello",),
    "empty-pieces": ("", "a", "", "b", ""),
    "split-everywhere": tuple("Grüße an das Wasser: 💧, e\u0301, שלום, \u200d👩\u200d🔬."),
    "separators": ("a\u2028b", "\u2029\x85", "\r\n\r\n", "\n\n", "\t\x00\x1f\x7f\ufeff"),
    "like-sse": ("event: error\n", "data: [DONE]\n\n", ": ping\n\n", "[DONE]"),
    "like-json": ('{"error": {"message": "no"}}', '"finish_reason":"stop"', "\\", '\\"', "\\u0041"),
    "many": tuple(f"{number} " for number in range(300)),
    "long": ("x" * 100_000, "é" * 10_000),
}
USAGE: dict[str, dict[str, Any]] = {
    "plain": {"prompt_tokens": 9, "completion_tokens": 5, "total_tokens": 14},
    "cached": {"prompt_tokens": 9, "completion_tokens": 5, "prompt_tokens_details": {"cached_tokens": 4}},
    "reasoning": {
        "prompt_tokens": 9,
        "completion_tokens": 50,
        "total_tokens": 59,
        "completion_tokens_details": {"reasoning_tokens": 40, "accepted_prediction_tokens": 0},
    },
    "zero": {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0},
}
CALLS: dict[str, tuple[dict[str, Any], ...]] = {
    "one": (
        {"index": 0, "id": "call_1", "type": "function", "function": {"name": "look", "arguments": ""}},
        {"index": 0, "function": {"arguments": '{"q": "W'}},
        {"index": 0, "function": {"arguments": 'asser"}'}},
    ),
    "two-in-turns": (
        {"index": 0, "id": "call_1", "type": "function", "function": {"name": "look", "arguments": '{"a"'}},
        {"index": 1, "id": "call_2", "type": "function", "function": {"name": "now", "arguments": "{}"}},
        {"index": 0, "function": {"arguments": ": 1}"}},
    ),
}


# Chat Completions.


def delta(content: dict[str, Any], reason: str | None = None, *, index: int = 0, **more: Any) -> Chunk:
    """Return a chunk with one choice. `more` are further fields of the chunk."""
    head = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "gpt-test"}
    choice = {"index": index, "delta": content, "logprobs": None, "finish_reason": reason}
    return {**head, "choices": [choice], **more}


def chat(*deltas: Chunk, reason: str = "stop", usage: dict[str, Any] | None = None, role: bool = True) -> list[Chunk]:
    first = [delta({"role": "assistant", "content": "", "refusal": None})] if role else []
    counts = [{**delta({}), "choices": [], "usage": usage}] if usage is not None else []
    return [*first, *deltas, delta({}, reason), *counts]


def said(*pieces: str, **more: Any) -> list[Chunk]:
    return [delta({"content": piece}, **more) for piece in pieces]


def calls(name: str) -> list[Chunk]:
    return [delta({"tool_calls": [call]}) for call in CALLS[name]]


def chats() -> dict[str, list[Chunk]]:
    """Return the answers of Chat Completions, by name."""
    word = [{"token": "Hi", "logprob": -0.1, "bytes": [72, 105], "top_logprobs": []}]
    spelt = delta({"content": "Hi"})
    spelt["choices"][0]["logprobs"] = {"content": word, "refusal": None}
    made = {f"text-{name}": chat(*said(*pieces)) for name, pieces in TEXTS.items()}
    made |= {f"usage-{name}": chat(*said("Hi"), usage=counts) for name, counts in USAGE.items()}
    made |= {f"calls-{name}": chat(*calls(name), reason="tool_calls") for name in CALLS}
    made |= {f"reason-{reason}": chat(*said("Hi"), reason=reason) for reason in ("stop", "length", "content_filter")}
    made |= {
        "empty": chat(),
        "text-and-calls": chat(*said("So: "), *calls("one"), reason="tool_calls"),
        "refusal": chat(delta({"refusal": "I am"}), delta({"refusal": " sorry."})),
        "role-in-every-chunk": chat(*(delta({"role": "assistant", "content": piece}) for piece in "abc"), role=False),
        "logprobs": chat(spelt),
        "usage-is-null": chat(*said("a", "b", usage=None, service_tier="default", obfuscation="xY1")),
        "reasoning-beside": chat(delta({"reasoning_content": "Hm"}), *said("Yes")),
        "function-call": chat(
            delta({"function_call": {"name": "look", "arguments": ""}}),
            delta({"function_call": {"arguments": "{}"}}),
            reason="function_call",
        ),
    }
    return made


def two_choices() -> list[Chunk]:
    """Return an answer to ``n: 2``, whose choices come in turns."""
    pieces = [delta({"content": f"{index}{word} "}, index=index) for word in ("a", "b", "c") for index in (0, 1)]
    return [*pieces, delta({}, "stop", index=1), delta({}, "length", index=0)]


def composed_chat(number: int) -> list[Chunk]:
    """Return an answer with text, calls and counts in any number; the same number gives the same answer."""
    chance = Random(number)
    parts = [said(*chance.choice([*TEXTS.values()][:7])) for _ in range(chance.randint(0, 3))]
    parts += chance.choice([[], [], [calls("one")], [calls("two-in-turns")]])
    chance.shuffle(parts)
    usage = chance.choice([None, *USAGE.values()])
    reason = "tool_calls" if any("tool_calls" in part[0]["choices"][0]["delta"] for part in parts) else "stop"
    return chat(*(each for part in parts for each in part), reason=reason, usage=usage)


# Responses.


def responses() -> dict[str, list[Event]]:
    """Return the answers of the Responses API, by name."""
    hi = spoken(("Hi",))
    made = {f"text-{name}": answer(spoken(pieces)) for name, pieces in TEXTS.items()}
    made |= {
        "empty": answer(),
        "two-parts": answer(spoken(("One", " and"), (" two",))),
        "two-messages": answer(hi, spoken((" there",))),
        "refusal": answer(refused("I am", " sorry.")),
        "reasoning": answer(reasoned("Let me", " see."), hi),
        "call": answer(called('{"q": "W', 'asser"}')),
        "call-and-text": answer(hi, called("{}"), called('{"a": 1}')),
        "reasoning-and-call": answer(reasoned(), called("{}")),
        "web-search": answer(searched(), hi),
        "incomplete": answer(hi, end="incomplete", incomplete_details={"reason": "max_output_tokens"}),
    }
    return made


def composed_response(number: int) -> list[Event]:
    """Return an answer with items of all kinds; the same number gives the same answer."""
    chance = Random(number)
    texts = [*TEXTS.values()][:7]
    kinds = (
        lambda: spoken(*(chance.choice(texts) for _ in range(chance.randint(1, 3)))),
        lambda: reasoned(*chance.choice(texts)),
        lambda: called('{"q": ', "1}"),
        searched,
        lambda: refused(*chance.choice(texts)),
    )
    return answer(*(chance.choice(kinds)() for _ in range(chance.randint(0, 5))))


def answer(*items: Item, end: str = "completed", **more: Any) -> list[Event]:
    """Return the events of a response with `items`, which end as they say in their ``.done``."""
    head = {"id": "resp_1", "object": "response", "created_at": 1, "model": "gpt-test", "status": "in_progress"}
    head |= {"output": [], "parallel_tool_calls": True, "tool_choice": "auto", "tools": []}
    states = ("created", "in_progress")
    events: list[dict[str, Any]] = [{"type": f"response.{name}", "response": head} for name in states]
    output: list[dict[str, Any]] = []
    for place, (item, inner) in enumerate(items):
        texts = {"arguments", "input"} & item.keys()
        item = {**item, "id": f"item_{place}", **({"call_id": f"call_{place}"} if texts else {})}
        where = {"item_id": item["id"], "output_index": place}
        begun = {**item, "status": "in_progress", **{name: [] for name in ("content", "summary") if name in item}}
        begun |= dict.fromkeys(texts, "")
        events.append({"type": "response.output_item.added", "output_index": place, "item": begun})
        events += [{**event, **where} for event in inner]
        output.append({**item, "status": "completed"})
        events.append({"type": "response.output_item.done", "output_index": place, "item": output[-1]})
    usage = {"input_tokens": 9, "output_tokens": 5, "total_tokens": 14, "input_tokens_details": {"cached_tokens": 4}}
    usage |= {"output_tokens_details": {"reasoning_tokens": 2}}
    whole = {**head, "status": end, "output": output, "usage": usage, **more}
    events.append({"type": f"response.{end}", "response": whole})
    return [(event["type"], {**event, "sequence_number": number}) for number, event in enumerate(events)]


def spoken(*parts: tuple[str, ...]) -> Item:
    events: list[dict[str, Any]] = []
    content: list[dict[str, Any]] = []
    for number, pieces in enumerate(parts):
        part, where = {"type": "output_text", "text": "".join(pieces), "annotations": []}, {"content_index": number}
        events.append({"type": "response.content_part.added", **where, "part": {**part, "text": ""}})
        events += [{"type": "response.output_text.delta", **where, "delta": piece, "logprobs": []} for piece in pieces]
        events.append({"type": "response.output_text.done", **where, "text": part["text"], "logprobs": []})
        events.append({"type": "response.content_part.done", **where, "part": part})
        content.append(part)
    return {"type": "message", "role": "assistant", "content": content}, events


def refused(*pieces: str) -> Item:
    part, where = {"type": "refusal", "refusal": "".join(pieces)}, {"content_index": 0}
    events: list[dict[str, Any]] = [{"type": "response.content_part.added", **where, "part": {**part, "refusal": ""}}]
    events += [{"type": "response.refusal.delta", **where, "delta": piece} for piece in pieces]
    events.append({"type": "response.refusal.done", **where, "refusal": part["refusal"]})
    events.append({"type": "response.content_part.done", **where, "part": part})
    return {"type": "message", "role": "assistant", "content": [part]}, events


def reasoned(*pieces: str) -> Item:
    where, part = {"summary_index": 0}, {"type": "summary_text", "text": "".join(pieces)}
    events: list[dict[str, Any]] = [
        {"type": "response.reasoning_summary_part.added", **where, "part": {**part, "text": ""}},
        *({"type": "response.reasoning_summary_text.delta", **where, "delta": piece} for piece in pieces),
        {"type": "response.reasoning_summary_text.done", **where, "text": part["text"]},
        {"type": "response.reasoning_summary_part.done", **where, "part": part},
    ]
    return {"type": "reasoning", "summary": [part], "encrypted_content": "gAAAA"}, events


def called(*pieces: str) -> Item:
    whole = "".join(pieces)
    events: list[dict[str, Any]] = [{"type": "response.function_call_arguments.delta", "delta": it} for it in pieces]
    events.append({"type": "response.function_call_arguments.done", "arguments": whole, "name": "look"})
    return {"type": "function_call", "name": "look", "arguments": whole}, events


def searched() -> Item:
    events = [{"type": f"response.web_search_call.{name}"} for name in ("in_progress", "searching", "completed")]
    return {"type": "web_search_call", "action": {"type": "search", "query": "water"}}, events
