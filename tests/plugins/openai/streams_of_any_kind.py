"""Streams as the API documents them, drawn by hypothesis: any content, cut anywhere."""

import json
from typing import Any

from hypothesis import strategies as st

from .vendors_answers import Chunk, Event, Item, answer, delta, searched

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
VALUES = st.none() | st.booleans() | st.integers(-(2**53), 2**53) | TEXT | st.lists(st.integers(0, 9), max_size=2)
ARGUMENTS = st.dictionaries(TEXT, VALUES, max_size=3).map(json.dumps)
USAGE = {"prompt_tokens": 9, "completion_tokens": 5, "total_tokens": 14}


@st.composite
def pieces(draw: st.DrawFn, whole: str) -> list[str]:
    places = sorted(draw(st.lists(st.integers(0, len(whole)), max_size=3)))
    return [whole[a:b] for a, b in zip([0, *places], [*places, len(whole)], strict=True)]


@st.composite
def calls(draw: st.DrawFn) -> list[dict[str, Any]]:
    """The deltas of several calls, in turns: the first piece of each before its others."""
    queues: list[list[dict[str, Any]]] = []
    for index in range(draw(st.integers(1, 3))):
        first, *others = draw(pieces(draw(ARGUMENTS)))
        call = {"index": index, "id": f"call_{index}", "type": "function"}
        begun = {**call, "function": {"name": f"tool_{index}", "arguments": first}}
        queues.append([begun, *({"index": index, "function": {"arguments": it}} for it in others)])
    made = [queue.pop(0) for queue in queues]
    while any(queues):
        made.append(draw(st.sampled_from([queue for queue in queues if queue])).pop(0))
    return [{"tool_calls": [call]} for call in made]


@st.composite
def deltas(draw: st.DrawFn) -> list[dict[str, Any]]:
    """What one choice says."""
    made: list[dict[str, Any]] = []
    for name in draw(st.lists(st.sampled_from(["content", "refusal", "reasoning_content", "reasoning", "x_new"]))):
        made += [{name: piece} for piece in draw(pieces(draw(TEXT)))]
    if draw(st.booleans()):
        sound = [{"audio": {"transcript": piece, "data": piece}} for piece in draw(pieces(draw(TEXT)))]
        made += [{"audio": {"id": "audio_1", "data": "", "transcript": ""}}, *sound, {"audio": {"expires_at": 7}}]
    if draw(st.booleans()):
        made.append({"annotations": [{"type": "url_citation", "url_citation": {"url": draw(TEXT)}}]})
    return [*made, *(draw(calls()) if draw(st.booleans()) else [])]


TOKENS = TEXT.map(lambda text: [{"token": text, "logprob": -0.5, "bytes": None, "top_logprobs": []}])
LOGPROBS = st.none() | st.fixed_dictionaries({"content": st.none() | TOKENS, "refusal": st.none() | TOKENS})
KINDS = ["message", "reasoning", "function_call", "custom_tool_call", "web_search", "mcp_call"]
NOTES = TEXT.map(lambda text: {"type": "url_citation", "url": text, "title": "", "start_index": 0, "end_index": 0})


@st.composite
def chunked(draw: st.DrawFn) -> list[Chunk]:
    """A completion of one choice or several, whose chunks come in any order between them."""
    more = draw(st.sampled_from([{}, {"service_tier": "flex", "system_fingerprint": "fp_1"}]))
    queues: list[list[Chunk]] = []
    for index in range(draw(st.sampled_from([1, 1, 2, 3]))):
        first = delta({"role": "assistant", "content": draw(st.sampled_from(["", None]))}, index=index, **more)
        said = [delta(each, index=index, **more) for each in draw(deltas())]
        for each in said:
            each["choices"][0]["logprobs"] = draw(LOGPROBS)
        queues.append([first, *said, delta({}, draw(st.sampled_from(["stop", "length"])), index=index, **more)])
    made = [queue.pop(0) for queue in queues]
    while any(queues):
        made.append(draw(st.sampled_from([queue for queue in queues if queue])).pop(0))
    return [*made, *([{**delta({}, **more), "choices": [], "usage": USAGE}] if draw(st.booleans()) else [])]


@st.composite
def items(draw: st.DrawFn) -> Item:
    """An item of the output, and its events."""
    kind = draw(st.sampled_from(KINDS))
    if kind == "web_search":
        return searched()
    if kind in {"function_call", "mcp_call"}:
        whole = draw(ARGUMENTS)
        item = {"type": kind, "name": "look", "arguments": whole}
        return item, _text(f"{kind}_arguments", draw(pieces(whole)), "arguments")
    if kind == "custom_tool_call":
        whole = draw(TEXT)
        return {"type": kind, "name": "write", "input": whole}, _text(f"{kind}_input", draw(pieces(whole)), "input")
    made = [draw(parts(kind, index)) for index in range(draw(st.integers(0, 3)))]
    events = [event for _, inner in made for event in inner]
    if kind == "message":
        return {"type": kind, "role": "assistant", "content": [part for part, _ in made]}, events
    return {"type": kind, "summary": [part for part, _ in made], "encrypted_content": draw(TEXT)}, events


@st.composite
def parts(draw: st.DrawFn, item: str, index: int) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """A part of a message or of a summary, and its events."""
    whole = draw(TEXT)
    where, about = {"content_index": index}, "response.content_part"
    part: dict[str, Any] = {"type": "output_text", "text": whole}
    name = "output_text"
    if item == "reasoning":
        part, name, where = {"type": "summary_text", "text": whole}, "reasoning_summary_text", {"summary_index": index}
        about = "response.reasoning_summary_part"
    elif draw(st.booleans()):
        part, name = {"type": "refusal", "refusal": whole}, "refusal"
    else:
        part["annotations"] = draw(st.lists(NOTES, max_size=2))
    field = "refusal" if name == "refusal" else "text"
    events = [{**event, **where} for event in _text(name, draw(pieces(whole)), field)]
    added = [
        {"type": "response.output_text.annotation.added", **where, "annotation_index": at, "annotation": note}
        for at, note in enumerate(part.get("annotations", []))
    ]
    begun = {**part, field: "", **({"annotations": []} if "annotations" in part else {})}
    begin, end = ({"type": f"{about}.{it}", **where, "part": each} for it, each in (("added", begun), ("done", part)))
    return part, [begin, *events, *added, end]


def _text(name: str, cut: list[str], field: str) -> list[dict[str, Any]]:
    """The events of a text: its pieces, and the whole."""
    more: dict[str, Any] = {"logprobs": []} if name == "output_text" else {}
    made = [{"type": f"response.{name}.delta", "delta": piece, **more} for piece in cut]
    return [*made, {"type": f"response.{name}.done", field: "".join(cut), **more}]


@st.composite
def responded(draw: st.DrawFn) -> list[Event]:
    """A response with any items; one in three leaves its output to the events before its end."""
    end = draw(st.sampled_from(["completed", "completed", "incomplete"]))
    events = answer(*draw(st.lists(items(), max_size=4)), end=end)
    if end == "completed" and draw(st.sampled_from([True, False, False])):
        events[-1][1]["response"]["output"] = None
    return events
