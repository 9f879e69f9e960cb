"""The wire form of streams, with our decoder and the official SDKs' own as judges."""

import json
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from unbroken import Event
from unbroken.sse import SSEDecoder
from unbroken_gateway.replies import frames
from unbroken_gateway.replies.frames import KEEPALIVE

from .sdks import read

FORMS = ["messages", "chat", "responses"]


def frame(event, form):
    return b"".join(frames.frames((event,), form))


def _message(*events):
    return b"".join(
        b"event: %b\ndata: %b\n\n" % (kind.encode(), json.dumps({"type": kind, **data}).encode())
        for kind, data in events
    )


STREAMS = {
    "messages": _message(
        (
            "message_start",
            {"message": {"id": "m", "type": "message", "role": "assistant", "content": [], "model": "m",
                         "stop_reason": None, "usage": {"input_tokens": 1, "output_tokens": 1}}},
        ),
        ("content_block_start", {"index": 0, "content_block": {"type": "text", "text": ""}}),
        ("content_block_delta", {"index": 0, "delta": {"type": "text_delta", "text": "Hello \u2028\u0085 ü"}}),
        ("content_block_stop", {"index": 0}),
        ("message_delta", {"delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 9}}),
        ("message_stop", {}),
    ),
    "chat": b"".join(
        b"data: %b\n\n" % json.dumps({"id": "c", "created": 1, "model": "m", **more}).encode()
        for more in (
            {"choices": [{"index": 0, "delta": {"role": "assistant", "content": ""}}]},
            {"choices": [{"index": 0, "delta": {"content": "Hello"}}]},
            {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]},
            {"choices": [], "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}},
        )
    )
    + b"data: [DONE]\n\n",
    "responses": _message(
        ("response.created", {"sequence_number": 0, "response": {"id": "r", "output": []}}),
        ("response.output_text.delta", {"sequence_number": 1, "item_id": "i", "output_index": 0, "content_index": 0,
                                        "delta": "Hello", "logprobs": []}),
        ("response.completed", {"sequence_number": 2, "response": {"id": "r", "output": []}}),
    ),
}  # fmt: skip


def decoded(data):
    return SSEDecoder().feed(data)


def shown(events):
    return [event.to_dict() for event in events]


@pytest.mark.parametrize("form", FORMS)
def test_a_stream_goes_through_byte_for_byte(form):
    assert b"".join(frames.frames(decoded(STREAMS[form]), form)) == STREAMS[form]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("blocks", [1, 3])
def test_r11_a_keepalive_is_accepted_at_every_place_between_frames(form, blocks):
    plain = shown(read(form, STREAMS[form]))
    assert plain
    parts = frames.frames(decoded(STREAMS[form]), form)
    for place in range(len(parts) + 1):
        text = b"".join([*parts[:place], KEEPALIVE * blocks, *parts[place:]])
        assert shown(read(form, text)) == plain
        assert decoded(text) == decoded(STREAMS[form])


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("size", [None, 1, 7])
def test_r11_a_keepalive_is_accepted_however_the_stream_is_cut(form, size):
    parts = frames.frames(decoded(STREAMS[form]), form)
    pieces = [piece for part in parts for piece in (KEEPALIVE, part, KEEPALIVE)]
    text = b"".join(pieces)
    cut = pieces if size is None else [text[start : start + size] for start in range(0, len(text), size)]
    assert shown(read(form, cut)) == shown(read(form, STREAMS[form]))


@pytest.mark.parametrize("form", FORMS)
def test_r11_ids_and_the_reconnection_time_stand_within_events(form):
    parts = frames.frames(decoded(STREAMS[form]), form)
    sent = [b"id: s.%d\n%b" % (number, part) for number, part in enumerate(parts, 1)]
    sent[0] = b"retry: 1500\n" + sent[0]
    text = KEEPALIVE + KEEPALIVE.join(sent) + KEEPALIVE
    assert shown(read(form, text)) == shown(read(form, STREAMS[form]))
    decoder = SSEDecoder()
    assert [event.id for event in decoder.feed(text)] == [f"s.{number}" for number in range(1, len(parts) + 1)]
    assert (decoder.retry, decoder.last_event_id) == (1500, f"s.{len(parts)}")


def test_r11_a_blank_line_after_a_comment_breaks_openai():
    # Why the form is what it is: if this passes one day, nothing depends on it any more.
    parts = frames.frames(decoded(STREAMS["chat"]), "chat")
    with pytest.raises(json.JSONDecodeError):
        read("chat", b"retry: 1000\n\n" + b"".join(parts))


@pytest.mark.parametrize("form", FORMS)
def test_r12_comments_and_blank_events_of_an_upstream_are_not_emitted_again(form):
    noise = b": OPENROUTER PROCESSING\n\ndata:\n\ndata: keepalive\n\nevent: x\ndata:  \n\nid: 7\ndata: null\n\n"
    text = b"".join(frames.frames(decoded(noise + STREAMS[form] + noise), form))
    assert text == STREAMS[form]


def test_ids_of_an_upstream_are_not_passed_on():
    assert frame(Event("message", b'{"a":1}', "7"), "chat") == b'data: {"a":1}\n\n'


def test_chat_completions_has_no_names():
    assert frame(Event("chunk", b'{"a":1}'), "chat") == b'data: {"a":1}\n\n'


@pytest.mark.parametrize("form", ["messages", "responses"])
def test_a_name_that_the_upstream_left_out_is_that_of_its_json(form):
    assert frame(Event(raw=b'{"type":"ping"}'), form) == b'event: ping\ndata: {"type":"ping"}\n\n'
    for raw in (b'{"a":1}', b'{"type":7}', b'{"type":""}', b'{"type'):
        assert frame(Event(raw=raw), form) == b"data: " + raw + b"\n\n"


def test_a_terminator_is_not_for_messages():
    done = Event(raw=b" [DONE] ")
    assert [frame(done, form) for form in FORMS] == [b"", b"data: [DONE]\n\n", b"data: [DONE]\n\n"]


def test_s22_a_name_cannot_begin_another_line():
    text = frame(Event("a\r\ndata: b\n\nid: c", b'{"type":"x"}'), "messages")
    assert [(event.type, event.raw, event.id) for event in decoded(text)] == [
        ("a  data: b  id: c", b'{"type":"x"}', "")
    ]


def test_names_are_remembered_only_up_to_a_number():
    for number in range(1000):
        kind = f"unheard-{number}"
        assert frame(Event(kind, b"{}"), "responses") == f"event: {kind}\ndata: {{}}\n\n".encode()
    assert len(frames._HEADS) <= 256


names = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r\n"), min_size=1)
values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("ab\u2028", max_size=3), inner, max_size=3),
    max_leaves=10,
)
objects = st.dictionaries(st.text("abc", min_size=1, max_size=2), values, max_size=4)
raws = st.one_of(
    objects.map(msgspec.json.encode),
    objects.map(lambda value: msgspec.json.format(msgspec.json.encode(value), indent=1)),
    objects.map(lambda value: json.dumps(value, ensure_ascii=True).encode()),
    objects.map(lambda value: b" " + msgspec.json.encode(value)),
)


@given(st.lists(st.builds(Event, names, raws)), st.sampled_from(FORMS), st.data())
def test_a_decoder_reads_from_frames_what_went_in(events, form, data):
    parts = frames.frames(events, form)
    text = b"".join(part + KEEPALIVE * data.draw(st.integers(0, 2)) for part in parts)
    found = decoded(text)
    assert [event.raw for event in found] == [event.raw for event in events]
    if form != "chat":
        assert [event.type for event in found] == [event.type for event in events]


@given(st.lists(st.binary(max_size=30).map(lambda raw: raw.replace(b"\0", b"")), max_size=8), st.sampled_from(FORMS))
def test_whatever_comes_one_event_makes_at_most_one(raws, form):
    for raw in raws:
        text = frame(Event("message", raw), form)
        assert len(decoded(text)) == bool(text)
        assert not text or text.endswith(b"\n\n")


@given(st.lists(st.one_of(st.text(max_size=9), st.sampled_from(["{}", "\r", "\n", "[DONE]", "data: "])), max_size=6))
def test_a_frame_has_no_empty_line_but_its_end(parts):
    text = frame(Event("message", ("{" + "".join(parts)).encode("utf-8", "replace")), "chat")
    assert b"\r" not in text
    assert text.index(b"\n\n") == len(text) - 2


def vectors():
    cases = json.loads((Path(__file__).parents[3] / "vectors" / "sse_vectors.json").read_text())
    return {case["name"]: case for case in cases}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", [name for name in vectors() if "/" not in name])
def test_events_of_the_vectors_survive_frames(name, form):
    events = [Event(each["event"], json.dumps({"data": each["data"]}).encode()) for each in vectors()[name]["expected"]]
    found = decoded(b"".join(frames.frames(events, form)))
    assert [event.raw for event in found] == [event.raw for event in events]


USAGE = b'{"id":"c","choices": [ ],"usage":{"prompt_tokens":1}}'


@pytest.mark.parametrize(
    ("raw", "extra"),
    [
        (USAGE, True),
        (b'{"choices":[],"usage":null}', False),
        (b'{"choices":[],"prompt_filter_results":[]}', False),
        (b'{"choices":[{"delta":{}}],"usage":{"prompt_tokens":1}}', False),
        (b'{"choices":[{"delta":{"choices":[]}}],"usage":{"prompt_tokens":1}}', False),
        (b'{"choices":null,"x":{"choices":[]},"usage":{"prompt_tokens":1}}', False),
        (b'{"choices":[],"usage":{', False),
        (b"[DONE]", False),
    ],
)
def test_the_extra_chunk_with_the_usage_is_told_from_others(raw, extra):
    events = [Event(raw=b"{}"), Event(raw=raw)]
    assert frames.is_usage(events[1]) is extra
    assert frames.without_usage(events) == (events[:1] if extra else events)


def test_a_client_that_did_not_ask_reads_the_stream_without_it():
    events = decoded(STREAMS["chat"])
    found = read("chat", b"".join(frames.frames(frames.without_usage(events), "chat")))
    assert len(found) == len(events) - 2
    assert all(chunk.choices for chunk in found)
