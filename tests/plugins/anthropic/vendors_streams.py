"""Messages as the vendor documents them (https://platform.claude.com/docs/en/build-with-claude/streaming), by name.

A block is how it starts and its deltas; a message is its blocks, how it stops, and what else its events have.
"""

import json
from random import Random
from typing import Any

from .vendors_blocks import CITATIONS, SERVER_TOOLS, Block, fallback, server, text, thinking, tool, whole

Stream = list[tuple[str, dict[str, Any]]]

INPUT = '{"query": "L\u00e4ufe \\u00e4 \\ud83d\\udca7 💧", "n": [1, -2.5e3, {"deep": null}], "ok": true}'


def message(*blocks: Block, stop: str = "end_turn", **more: Any) -> Stream:
    """Return the events of a message. `start` are further fields of the message, `usage` those of the counts at the
    start, `ended` of the last delta, `counts` the counts there (a list for several deltas), `beside` what is beside it.
    """
    head = {"id": "msg_01", "type": "message", "role": "assistant", "model": "claude-test-1", "content": []}
    head |= {"stop_reason": None, "stop_sequence": None, "usage": {"input_tokens": 25, "output_tokens": 1}}
    head = {**head, **more.get("start", {})}
    head["usage"] = {**head["usage"], **more.get("usage", {})}
    events: list[dict[str, Any]] = [{"type": "message_start", "message": head}]
    for index, (start, deltas) in enumerate(blocks):
        events.append({"type": "content_block_start", "index": index, "content_block": start})
        events += [{"type": "ping"}] * (index == 0)
        events += [{"type": "content_block_delta", "index": index, "delta": delta} for delta in deltas]
        events.append({"type": "content_block_stop", "index": index})
    counts = more.get("counts", {"output_tokens": 15})
    *others, last = counts if isinstance(counts, list) else [counts]
    events += [{"type": "message_delta", "delta": {}, "usage": each} for each in others]
    ended = {"stop_reason": stop, "stop_sequence": None, **more.get("ended", {})}
    events.append({"type": "message_delta", "delta": ended, "usage": last, **more.get("beside", {})})
    events.append({"type": "message_stop"})
    return [(event["type"], event) for event in events]


_CONTAINER = {"id": "container_01", "expires_at": "2026-01-01T00:00:00Z", "skills": None}
_EDIT = {"type": "clear_tool_uses_20250919", "cleared_tool_uses": 3, "cleared_input_tokens": 5000}
_TWO_HOPS = (fallback("claude-a", "claude-b"), fallback("claude-b", "claude-c"))

TEXTS: dict[str, tuple[str, ...]] = {
    "empty": (),
    "one-piece": ("Hello",),
    "empty-pieces": ("", "a", "", "b", ""),
    "split-everywhere": tuple("Grüße an das Wasser: 💧, e\u0301, שלום, \u200d👩\u200d🔬."),
    "separators": ("a\u2028b", "\u2029\x85", "\r\n\r\n", "\n\n", "\t\x00\x1f\x7f\ufeff"),
    "like-sse": ("event: error\n", "data: [DONE]\n\n", ": ping\n\n", "retry: 1\n\n"),
    "like-json": ('{"type": "message_stop"}', '"text":""}}', "\\", '\\"', "\\u0041"),
    "many": tuple(f"{number} " for number in range(500)),
    "long": ("x" * 100_000, "é" * 10_000),
}
INPUTS: dict[str, tuple[str, ...]] = {
    "without-deltas": (),
    "empty-delta": ("",),
    "empty-object": ("", "{}"),
    "white-space": ("", " {\n\t", '"a" : ', "1 }\n"),
    "split-everywhere": ("", *INPUT),
    "numbers": ('{"a": 0, "b": -0.0, "c": 1e-7, "d": 9007199254740993, "e": 18446744073709551615, "f": 1.5E+2}',),
    "nested": ('{"a": ' * 50, "[]", "}" * 50),
    "escapes": ('{"\\u0061\\n": "\\ud83d\\udca7\\/\\b', '\\f\\t\\"\\\\"}'),
    "big": ("", json.dumps({"text": "wörter " * 20_000}, ensure_ascii=False)),
    "many-keys": ("", json.dumps({f"k{number}": number for number in range(1000)})),
}
USAGE: dict[str, dict[str, Any]] = {
    "cache": {
        "usage": {"cache_creation_input_tokens": 10, "cache_read_input_tokens": 5, "service_tier": "standard"},
        "counts": {"output_tokens": 9},
    },
    "cache-by-age": {
        "usage": {"cache_creation": {"ephemeral_5m_input_tokens": 4, "ephemeral_1h_input_tokens": 6}},
        "counts": {"input_tokens": 30, "cache_creation_input_tokens": 10, "output_tokens": 9},
    },
    "several": {"counts": [{"output_tokens": 3}, {"output_tokens": 9}, {"output_tokens": 9, "input_tokens": 80}]},
    "nulls": {"counts": {"output_tokens": 9, "input_tokens": None, "cache_read_input_tokens": None}},
    "server-tools": {
        "usage": {"server_tool_use": {"web_search_requests": 0, "web_fetch_requests": 0}},
        "counts": {"output_tokens": 9, "server_tool_use": {"web_search_requests": 2, "web_fetch_requests": 1}},
    },
    "thinking": {"counts": {"output_tokens": 90, "output_tokens_details": {"thinking_tokens": 60}}},
    "iterations": {
        "counts": {
            "output_tokens": 9,
            "iterations": [
                {"type": "compaction", "input_tokens": 180, "output_tokens": 3, "cache_read_input_tokens": 0},
                {"type": "message", "input_tokens": 23, "output_tokens": 6, "cache_read_input_tokens": 0},
            ],
        }
    },
    "geo-and-speed": {"usage": {"inference_geo": "eu", "speed": "fast", "service_tier": "priority"}},
}


def messages() -> dict[str, Stream]:
    """Return the messages that are written by hand, by name."""
    hi = text("Hi")
    made = {f"text-{name}": message(text(*pieces)) for name, pieces in TEXTS.items()}
    made |= {f"tool-{name}": message(tool(*pieces), stop="tool_use") for name, pieces in INPUTS.items()}
    made |= {f"usage-{name}": message(hi, **more) for name, more in USAGE.items()}
    made |= {f"server-{name}": message(*blocks, text("Done.")) for name, blocks in SERVER_TOOLS.items()}
    made |= {f"citation-{name}": message(text("W", ".", citations=(it,))) for name, it in CITATIONS.items()}
    made |= {
        "no-blocks": message(),
        "text-in-the-start": message(text("lo", text="Hel"), text(text="All")),
        "citations-of-all-kinds": message(hi, text("Water.", citations=tuple(CITATIONS.values())), text(" So.")),
        "thinking": message(thinking("Let me", " see."), hi),
        "thinking-omitted": message(thinking(), hi),
        "thinking-signed-twice": message((thinking("a")[0], [*thinking("a")[1], *thinking("b", signature="2")[1]])),
        "thinking-redacted": message(whole("redacted_thinking", data="EmwKAhgB"), thinking("x"), hi),
        "thinking-between-tools": message(thinking("a"), tool(INPUT), thinking("b"), tool("{}", id="toolu_02")),
        "tools-several": message(hi, tool(INPUT), tool("", id="t2"), tool('{"a": 1}', id="t3"), stop="tool_use"),
        "tool-of-a-caller": message(tool("{}", caller={"type": "direct"}), stop="tool_use"),
        "tools-of-both-kinds": message(*SERVER_TOOLS["web-search"], tool(INPUT), stop="tool_use"),
        "pause": message(hi, server("web_search", '{"query": "x"}'), stop="pause_turn"),
        "refusal": message(hi, stop="refusal"),
        "refusal-with-details": message(
            stop="refusal", ended={"stop_details": {"type": "refusal", "category": "cyber", "explanation": "No."}}
        ),
        "max-tokens": message(text("Once upon"), stop="max_tokens"),
        "stop-sequence": message(hi, stop="stop_sequence", ended={"stop_sequence": "\n\nHuman:"}),
        "context-window": message(hi, stop="model_context_window_exceeded"),
        "container": message(*SERVER_TOOLS["bash"], ended={"container": _CONTAINER}),
        "context-management": message(hi, beside={"context_management": {"applied_edits": [_EDIT]}}),
        "compaction": message(_compaction(content="What was said so far. 💧"), hi),
        "compaction-encrypted": message(_compaction(content="So far.", encrypted_content="EvAB"), hi),
        "compaction-failed": message(_compaction(content=None), hi),
        "compaction-only": message(_compaction(content="So far."), stop="compaction"),
        "fallback": message(fallback("claude-test-1", "claude-test-2"), hi),
        "fallback-in-the-middle": message(thinking("a"), text("No"), *_TWO_HOPS[:1], thinking("b"), text("Yes")),
        "fallback-twice": message(*_TWO_HOPS, hi),
    }
    return made


def _compaction(**delta: Any) -> Block:
    return {"type": "compaction", "content": None}, [{"type": "compaction_delta", **delta}]


def split_inputs() -> dict[str, Stream]:
    """Return a call of a tool for each place at which its input can be cut in two."""
    places = range(1, len(INPUT))
    return {f"input-cut-at-{place}": message(tool(INPUT[:place], INPUT[place:])) for place in places}


def composed(number: int) -> Stream:
    """Return a message with blocks of all kinds, their pieces cut anywhere; the same number gives the same message."""
    chance = Random(number)

    def cut(whole: str) -> list[str]:
        places = sorted(chance.randint(0, len(whole)) for _ in range(chance.randint(0, 5)))
        return [whole[a:b] for a, b in zip([0, *places], [*places, len(whole)], strict=True)]

    def block() -> tuple[Block, ...]:
        said = "".join(chance.choice([*TEXTS.values()][1:7]))
        kinds: list[tuple[Block, ...]] = [
            (text(*cut(said), citations=tuple(chance.sample([*CITATIONS.values()], chance.randint(0, 3)))),),
            (thinking(*cut(said)),),
            (tool(*cut(INPUT), id=f"toolu_{chance.randint(0, 99)}"),),
            (tool(*chance.choice([*INPUTS.values()])),),
            chance.choice([*SERVER_TOOLS.values()]),
            (whole("redacted_thinking", data=said),),
            chance.choice([_TWO_HOPS, (_compaction(content=said),)]),
        ]
        return chance.choice(kinds)

    blocks = [each for _ in range(chance.randint(1, 6)) for each in block()]
    stop = chance.choice(["end_turn", "tool_use", "pause_turn", "refusal", "stop_sequence"])
    stream = message(*blocks, stop=stop, **chance.choice([*USAGE.values()]))
    for _ in range(chance.randint(0, 3)):
        stream.insert(chance.randrange(1, len(stream)), ("ping", {"type": "ping"}))
    return stream
