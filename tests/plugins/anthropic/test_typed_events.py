"""Events as objects: nothing is guessed, nothing is lost."""

import contextlib
import copy
import pickle
import subprocess
import sys
from collections.abc import Callable
from typing import Any, get_args

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from unbroken import Event, StreamError, Usage
from unbroken.testing import Answer, play
from unbroken_anthropic import (
    Anthropic,
    AnthropicEvent,
    Block,
    CitationsDelta,
    ContentBlock,
    ContentBlockDelta,
    ContentBlockStart,
    ContentBlockStop,
    ContentDelta,
    Delta,
    ErrorEvent,
    InputJsonDelta,
    Message,
    MessageDelta,
    MessageStart,
    MessageStop,
    PartialToolUseBlock,
    Ping,
    RedactedThinkingBlock,
    SignatureDelta,
    StopDelta,
    TextBlock,
    TextDelta,
    ThinkingBlock,
    ThinkingDelta,
    ToolUseBlock,
    TypedEvent,
    _documents,
    _typed,
)

CANARY = "canary-7f3a"
MESSAGE = {"type": "message", "id": "msg_1", "role": "assistant", "model": "m", "content": []}
CITATION = {"type": "char_location", "cited_text": "water"}


def made(type: str, **fields: Any) -> Event:
    return Event.make(type, {"type": type, **fields}, request_id="call-1", dialect=Anthropic())


def start(**block: Any) -> Event:
    return made("content_block_start", index=0, content_block=block)


def delta(**fields: Any) -> Event:
    return made("content_block_delta", index=0, delta=fields)


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        pytest.param(
            made("message_start", message=MESSAGE),
            MessageStart(Message(id="msg_1", role="assistant", model="m", content=())),
            id="message-start",
        ),
        pytest.param(start(type="text", text=""), ContentBlockStart(0, TextBlock("")), id="text"),
        pytest.param(
            start(type="text", text="a", citations=[CITATION]),
            ContentBlockStart(0, TextBlock("a", (CITATION,))),
            id="text-with-citations",
        ),
        pytest.param(
            start(type="tool_use", id="t", name="f", input={}),
            ContentBlockStart(0, ToolUseBlock(id="t", name="f", input={})),
            id="tool-use",
        ),
        pytest.param(
            start(type="thinking", thinking="", signature=""),
            ContentBlockStart(0, ThinkingBlock("", "")),
            id="thinking",
        ),
        pytest.param(
            start(type="redacted_thinking", data="x"),
            ContentBlockStart(0, RedactedThinkingBlock("x")),
            id="redacted-thinking",
        ),
        pytest.param(
            start(type="hologram", frames=[1]),
            ContentBlockStart(0, {"type": "hologram", "frames": [1]}),
            id="D46-unknown-block",
        ),
        pytest.param(delta(type="text_delta", text="a"), ContentBlockDelta(0, TextDelta("a")), id="text-delta"),
        pytest.param(
            delta(type="input_json_delta", partial_json='{"a'),
            ContentBlockDelta(0, InputJsonDelta('{"a')),
            id="D52-input-json-delta",
        ),
        pytest.param(
            delta(type="thinking_delta", thinking="hm"), ContentBlockDelta(0, ThinkingDelta("hm")), id="thinking-delta"
        ),
        pytest.param(
            delta(type="signature_delta", signature="s"),
            ContentBlockDelta(0, SignatureDelta("s")),
            id="signature-delta",
        ),
        pytest.param(
            delta(type="citations_delta", citation=CITATION),
            ContentBlockDelta(0, CitationsDelta(CITATION)),
            id="citations-delta",
        ),
        pytest.param(
            delta(type="new_delta", text=[1]),
            ContentBlockDelta(0, {"type": "new_delta", "text": [1]}),
            id="D46-unknown-delta",
        ),
        pytest.param(
            delta(type="text_delta", text="a", probability=0.5),
            ContentBlockDelta(0, TextDelta("a", extra={"probability": 0.5})),
            id="D46-unknown-field",
        ),
        pytest.param(made("content_block_stop", index=3), ContentBlockStop(3), id="block-stop"),
        pytest.param(
            made("message_delta", delta={"stop_reason": "end_turn", "stop_sequence": None}, usage={"output_tokens": 5}),
            MessageDelta(StopDelta("end_turn", extra={"stop_sequence": None}), {"output_tokens": 5}),
            id="message-delta",
        ),
        pytest.param(made("message_delta", delta={}), MessageDelta(StopDelta()), id="D53-no-usage"),
        pytest.param(made("message_stop"), MessageStop(), id="message-stop"),
        pytest.param(made("ping", extra=1), Ping(extra={"extra": 1}), id="D45-ping-with-a-field-called-extra"),
        pytest.param(made("error", error={"type": "x"}), ErrorEvent({"type": "x"}), id="D48-error"),
    ],
)
def test_an_event_is_an_object_of_its_class_and_goes_back_to_its_json(event: Event, expected: TypedEvent) -> None:
    """What is not known is kept where it was; a name that a proxy dropped is in the data."""
    typed = event.typed()
    assert typed == expected
    assert typed.to_dict() == event.json()
    assert event.replace(type="message").typed() == expected


@pytest.mark.parametrize("name", ["weather_report", "message"], ids=["D46-named", "D46-unnamed"])
def test_an_event_of_an_unknown_type_stays_itself(name: str) -> None:
    """Whatever it holds, whether it has its name or not."""
    event = Event.make(name, {"type": "weather_report", "sky": "clear"}, dialect=Anthropic())
    assert event.typed() is event
    odd = Event.make("weather_report", b"no JSON", dialect=Anthropic())
    assert odd.typed() is odd


@pytest.mark.parametrize(
    ("type", "raw", "said"),
    [
        pytest.param("content_block_stop", b'{"type":"ping"', "is not JSON", id="D49-cut"),
        pytest.param("error", b'{"type":ping}', r"is not JSON: .*\(byte 8\)", id="D49-no-json"),
        pytest.param("message", b'{"type":"pi', "is not JSON", id="D49-unnamed-cut"),
        pytest.param("message_delta", b"[" * 100_000, "is not JSON", id="D49-deep"),
        pytest.param("content_block_delta", b"[1]", r"must be an object, not a list @ \$", id="D49-list"),
        pytest.param("message_start", b'{"a":1}', r"has no type @ \$.type", id="D49-no-type"),
        pytest.param("error", b'{"type":["ping"]}', r"has no type @ \$.type", id="D49-type-is-list"),
        pytest.param("error", b'{"type":"message_stop"}', r"type of another event @ \$.type", id="D49-other-type"),
    ],
)
def test_data_that_is_not_the_object_of_its_event_is_a_stream_error(type: str, raw: bytes, said: str) -> None:
    """The error has the position and the request id."""
    event = Event(type, raw, "", "call-1", Anthropic())
    with pytest.raises(StreamError, match=said) as caught:
        event.typed()
    assert caught.value.request_id == "call-1"


@pytest.mark.parametrize(
    ("raw", "extra"),
    [
        pytest.param(b"", {}, id="D49-empty"),
        pytest.param(b"{}", {}, id="D49-no-type"),
        pytest.param(b"null", {}, id="null"),
        pytest.param(b"[1]", {}, id="D49-list"),
        pytest.param(b"2031-05-06T07:08:09Z", {}, id="time"),
        pytest.param(b'{"type":"pi\xff', {}, id="D49-bytes"),
        pytest.param(b"[" * 100_000, {}, id="D49-deep"),
        pytest.param(b'{"type":"message_start","at":1}', {"at": 1}, id="D49-other-type"),
    ],
)
def test_a_ping_and_a_stop_are_what_their_names_say(raw: bytes, extra: dict[str, Any]) -> None:
    """Whatever their data is."""
    assert Event("ping", raw, _dialect=Anthropic()).typed() == Ping(extra=extra)
    assert Event("message_stop", raw, _dialect=Anthropic()).typed() == MessageStop(extra=extra)


@pytest.mark.parametrize("raw", [b"", b" ", b"{}", b"null", b"[1]", b"keepalive", b"[DONE]", b'{"type":1}', b'{"a":1}'])
def test_a_keepalive_without_a_name_stays_itself(raw: bytes) -> None:
    """As an event of an unknown type does."""
    event = Event("message", raw, _dialect=Anthropic())
    assert event.typed() is event


@pytest.mark.parametrize("raw", [b"", b" ", b"{}", b"null"])
@pytest.mark.parametrize("name", ["content_block_delta", "message_start", "error"])
def test_a_name_without_data_is_a_keepalive(name: str, raw: bytes) -> None:
    """There is nothing that could be lost."""
    event = Event(name, raw, _dialect=Anthropic())
    assert event.typed() is event


@pytest.mark.parametrize("given", [{}, {"input": None}], ids=["missing", "null"])
def test_the_call_of_a_tool_without_input_has_an_empty_one(given: dict[str, Any]) -> None:
    """Some servers leave it out of the start; the pieces follow."""
    typed = start(type="tool_use", id="t", name="f", **given).typed()
    assert typed == ContentBlockStart(0, ToolUseBlock(id="t", name="f", input={}))


@pytest.mark.parametrize(
    ("event", "said"),
    [
        pytest.param(
            made("content_block_stop", index=CANARY), "must be an integer, not text @ $.index", id="D49-index-is-text"
        ),
        pytest.param(
            made("content_block_stop", index=True), "must be an integer, not true or false @ $.index", id="D49-bool"
        ),
        pytest.param(
            made("content_block_stop", index=0.0), "must be an integer, not a number @ $.index", id="D49-float"
        ),
        pytest.param(made("content_block_stop"), "is missing @ $.index", id="D49-no-index"),
        pytest.param(
            made("content_block_delta", index=0, delta=[CANARY]),
            "must be an object, not a list @ $.delta",
            id="D49-delta-is-list",
        ),
        pytest.param(delta(text=CANARY), "has no type @ $.delta", id="D49-delta-without-type"),
        pytest.param(delta(type="text_delta"), "is missing @ $.delta.text", id="D49-no-text"),
        pytest.param(
            delta(type="text_delta", text=None), "must be text, not null @ $.delta.text", id="D49-text-is-null"
        ),
        pytest.param(
            delta(type="input_json_delta", partial_json={CANARY: 1}),
            "must be text, not an object @ $.delta.partial_json",
            id="D49-json-is-object",
        ),
        pytest.param(
            start(type="tool_use", id="t", name="f", input=CANARY),
            "must be an object, not text @ $.content_block.input",
            id="D49-input-is-text",
        ),
        pytest.param(
            start(type="text", text="", citations=[{}, CANARY]),
            "must be an object, not text @ $.content_block.citations[1]",
            id="D49-citation-is-text",
        ),
        pytest.param(
            made("message_start", message={**MESSAGE, "content": [{"type": "text", "text": 7}]}),
            "must be text, not an integer @ $.message.content[0].text",
            id="D49-within-the-message",
        ),
        pytest.param(
            made("message_start", message={**MESSAGE, "content": CANARY}),
            "must be a list, not text @ $.message.content",
            id="D49-content-is-text",
        ),
        pytest.param(
            made("message_start", message={**MESSAGE, "type": CANARY}),
            "must have the type 'message' @ $.message",
            id="D49-message-of-another-type",
        ),
        pytest.param(
            made("message_start", message={**MESSAGE, "usage": CANARY}),
            "must be an object, not text @ $.message.usage",
            id="D49-usage-is-text",
        ),
        pytest.param(
            made("message_delta", delta={"stop_reason": [CANARY]}, usage=CANARY),
            "must be text, not a list @ $.delta.stop_reason; must be an object, not text @ $.usage",
            id="D49-two-faults",
        ),
    ],
)
def test_what_does_not_fit_is_named_with_its_place_and_never_shown(event: Event, said: str) -> None:
    """Every fault at once; the data may be a secret."""
    with pytest.raises(StreamError) as caught:
        event.typed()
    assert caught.value.message == f"the data of event {event.type!r} does not fit: {said}"
    assert CANARY not in f"{caught.value!r}{caught.value.__cause__}"


def test_every_event_of_a_rich_stream_goes_back_to_its_json(rich_events: list[Event]) -> None:
    """All but the unknown one have a class."""
    unknown = [event for event in rich_events if event.typed() is event]
    assert [event.type for event in unknown] == ["weather_report"]
    for event in rich_events:
        assert event in unknown or event.typed().to_dict() == event.json()


def test_the_events_of_a_call_are_typed(rich: bytes) -> None:
    """The dialect comes with them."""
    played = play([Answer(body=rich)], dialect="anthropic")
    assert isinstance(played.events[0].typed(), MessageStart)
    assert isinstance(played.events[-1].typed(), MessageStop)


def test_the_usage_of_a_message_start_is_a_placeholder_and_kept_whole() -> None:
    """Counts that this library does not know stay in `raw_usage`."""
    counts = {"input_tokens": 9, "output_tokens": 1, "service_tier": "standard"}
    message = made("message_start", message={**MESSAGE, "usage": counts}).typed().message
    assert message.usage == Usage(input_tokens=9, output_tokens=1)
    assert message.raw_usage == counts


@pytest.mark.parametrize("twin", [copy.copy, copy.deepcopy, lambda it: pickle.loads(pickle.dumps(it))])
def test_typed_events_can_be_copied(twin: Any, rich_events: list[Event]) -> None:
    """Among processes, too."""
    for event in rich_events:
        assert twin(event.typed()) == event.typed()


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-9, 9)
    | st.text(max_size=5)
    | st.floats(allow_nan=False, allow_infinity=False, width=16),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
NAMES = st.sampled_from(["extra", "usage", "citations", "stop_reason", "raw_usage", "caller", "x"])
EXTRA = st.dictionaries(NAMES, JSON, max_size=3)
OBJECT = st.dictionaries(st.text(max_size=5), JSON, max_size=3)


def shaped(type: str | None, **fields: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    """An object of these fields and of whatever else does not stand in their way."""
    tag = {} if type is None else {"type": st.just(type)}
    known = st.fixed_dictionaries({**tag, **fields})
    return st.tuples(EXTRA, known).map(lambda both: {**both[0], **both[1]})


def optional(kind: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.none() | kind


TEXT = st.text(max_size=5)
BLOCKS = st.one_of(
    shaped("text", text=TEXT, citations=optional(st.lists(OBJECT, max_size=2))),
    shaped("tool_use", id=TEXT, name=TEXT, input=OBJECT),
    shaped("thinking", thinking=TEXT, signature=optional(TEXT)),
    shaped("redacted_thinking", data=TEXT),
    shaped("hologram"),
)
DELTAS = st.one_of(
    shaped("text_delta", text=TEXT),
    shaped("input_json_delta", partial_json=TEXT),
    shaped("thinking_delta", thinking=TEXT),
    shaped("signature_delta", signature=TEXT),
    shaped("citations_delta", citation=OBJECT),
    shaped("new_delta"),
)
MESSAGES = shaped(
    "message",
    id=TEXT,
    role=TEXT,
    model=TEXT,
    content=st.lists(BLOCKS, max_size=2),
    stop_reason=optional(TEXT),
    stop_sequence=optional(TEXT),
    usage=optional(OBJECT),
)
INDEX = st.integers(0, 9)
EVENTS = st.one_of(
    shaped("message_start", message=MESSAGES),
    shaped("content_block_start", index=INDEX, content_block=BLOCKS),
    shaped("content_block_delta", index=INDEX, delta=DELTAS),
    shaped("content_block_stop", index=INDEX),
    shaped(
        "message_delta",
        delta=shaped(None, stop_reason=optional(TEXT), stop_sequence=optional(TEXT)),
        usage=optional(OBJECT),
    ),
    shaped("message_stop"),
    shaped("ping"),
    shaped("error", error=OBJECT),
)


@given(EVENTS)
def test_whatever_an_event_has_comes_back(value: dict[str, Any]) -> None:
    """Known fields, unknown ones, null, and nothing in their place."""
    assert made(**value).typed().to_dict() == value


@given(EVENTS, st.data())
def test_an_event_with_one_thing_changed_fits_or_is_a_stream_error(value: dict[str, Any], data: st.DataObject) -> None:
    """Never another error, and never a loss."""
    inner = data.draw(st.sampled_from([value, *(it for it in value.values() if isinstance(it, dict))]))
    if inner:
        inner[data.draw(st.sampled_from(sorted(inner)))] = data.draw(JSON)
    event = Event.make("message", value, dialect=Anthropic())
    try:
        typed = event.typed()
    except StreamError as error:
        said = error.message
    else:
        said = " @ $" if typed is event or typed.to_dict() == event.json() else "something was lost"
    assert " @ $" in said


SHAPES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(
            st.sampled_from(["type", "index", "delta", "text", "message", "content", "content_block", "usage", "x"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=6,
)
TYPES = sorted(kind.type for kind in TypedEvent.__subclasses__())


@given(st.sampled_from([*TYPES, "message", "new"]), st.dictionaries(st.text(max_size=5), SHAPES) | SHAPES, st.data())
def test_any_json_is_its_object_or_a_stream_error(name: str, value: Any, data: st.DataObject) -> None:
    """Never another error, and never a loss."""
    if isinstance(value, dict):
        value["type"] = data.draw(st.sampled_from([name, *TYPES]))
    event = Event.make("message" if data.draw(st.booleans()) else name, msgspec.json.encode(value), dialect=Anthropic())
    try:
        typed = event.typed()
    except StreamError:
        return
    if isinstance(typed, Ping | MessageStop):
        assert {**typed.extra, "type": typed.type} == {**_documents.as_object(event.json()), "type": typed.type}
    else:
        assert typed is event or typed.to_dict() == event.json()


@given(st.binary(max_size=60), st.sampled_from([*TYPES, "message"]))
def test_any_bytes_are_their_object_or_a_stream_error(raw: bytes, name: str) -> None:
    """As JSON of any shape."""
    with contextlib.suppress(StreamError):
        Event.make(name, raw, dialect=Anthropic()).typed()


def result(read: Callable[[Event], Any], name: str, raw: bytes) -> Any:
    try:
        return read(Event(name, raw))
    except StreamError as error:
        return error.message


def changed(raw: bytes, data: st.DataObject) -> bytes:
    """`raw` with a piece of it cut out, put elsewhere, or replaced."""
    places = st.integers(0, len(raw))
    start, end = sorted((data.draw(places), data.draw(places)))
    other = data.draw(
        st.sampled_from([b"", b"null", b"0.0", b'"text_delta"', b'"extra":{},', b'"type":"x",', b"\xff", b"1e999"])
        | places.map(lambda place: raw[place:][:9])
    )
    return raw[:start] + other + raw[min(end, start + 9) :]


@given(shaped("content_block_delta", index=INDEX, delta=DELTAS), st.sampled_from(["content_block_delta", "message"]))
@example(
    {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": ""}, "extra": {}}, "message"
)
def test_the_short_way_says_what_the_whole_document_says(value: dict[str, Any], name: str) -> None:
    """What msgspec decodes is what is read field by field."""
    raw = msgspec.json.encode(value)
    assert result(_typed.typed, name, raw) == result(_typed._typed_by_data, name, raw)
    assert result(_typed.text_of, name, raw) == result(_documents.text_in, name, raw)


@settings(max_examples=300)
@given(shaped("content_block_delta", index=INDEX, delta=DELTAS), st.data())
def test_the_short_way_is_as_strict_as_the_long_one(value: dict[str, Any], data: st.DataObject) -> None:
    """On bytes that are nearly right."""
    raw = changed(msgspec.json.encode(value), data)
    ours, theirs = (result(read, "message", raw) for read in (_typed.typed, _typed._typed_by_data))
    assert ours == theirs or {type(ours), type(theirs)} == {Event}
    assert result(_typed.text_of, "message", raw) == result(_documents.text_in, "message", raw)


def test_the_unions_have_every_class_once() -> None:
    """A match that a checker calls complete is complete."""
    assert set(get_args(AnthropicEvent)) == {*TypedEvent.__subclasses__(), Event}
    assert set(get_args(ContentDelta)) == {*Delta.__subclasses__(), dict[str, Any]}
    assert set(get_args(ContentBlock)) == {*Block.__subclasses__(), PartialToolUseBlock, dict[str, Any]}


def test_a_class_has_the_type_that_the_decoder_looks_for() -> None:
    """It is said twice, for msgspec and for its users."""
    kinds = Delta.__subclasses__()
    assert len(kinds) == 5
    assert all(kind.__struct_config__.tag == kind.type for kind in kinds)


def test_an_object_cannot_be_changed_and_a_changed_copy_can_be_made() -> None:
    """With the function of msgspec."""
    one = TextDelta("a", extra={"b": 1})
    with pytest.raises(AttributeError):
        one.text = "b"
    assert msgspec.structs.replace(one, text="b") == TextDelta("b", extra={"b": 1})
    assert (one == TextDelta("a"), one == ThinkingDelta("a"), one != one.to_dict()) == (False, False, True)


def kinds_of(base: type[TypedEvent]) -> list[type[TypedEvent]]:
    return [base, *(kind for below in base.__subclasses__() for kind in kinds_of(below))]


@pytest.mark.parametrize("kind", kinds_of(TypedEvent.__base__), ids=lambda kind: kind.__name__)
def test_no_class_has_objects_that_can_be_changed(kind: type[TypedEvent]) -> None:
    """A plugin and a consumer may hold the same one."""
    assert kind.__struct_config__.frozen


def test_a_message_shows_what_its_reader_wants_to_know() -> None:
    """What it is made of, but not the counts in two forms."""
    message = Message(id="i", role="r", model="m", content=(TextBlock("a"),), raw_usage={"output_tokens": 3})
    assert repr(message) == (
        "Message(extra={}, id='i', role='r', model='m', content=(TextBlock(extra={}, text='a', citations=None),), "
        "stop_reason=None, stop_sequence=None, usage=Usage(input_tokens=None, output_tokens=3, "
        "cache_read_tokens=None, cache_write_tokens=None, final=False))"
    )


def test_typed_events_need_no_cattrs() -> None:
    """It is for the configuration."""
    script = (
        "import sys, unbroken, unbroken_anthropic as it\n"
        "unbroken.Event.make('ping', {'type': 'ping'}, dialect=it.Anthropic()).typed()\n"
        "assert 'cattrs' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", script], check=True)
