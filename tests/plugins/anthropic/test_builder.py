"""Events folded into the message that they tell of."""

import json
import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unbroken import Event, OverloadedError, QuotaExceededError, StreamError, TruncatedStreamError, Usage
from unbroken_anthropic import (
    Anthropic,
    ContentBlockDelta,
    Message,
    MessageBuilder,
    PartialToolUseBlock,
    RedactedThinkingBlock,
    TextBlock,
    TextDelta,
    ThinkingBlock,
    ToolUseBlock,
)

CANARY = "canary-7f3a"


def made(type: str, **fields: Any) -> Event:
    return Event.make(type, {"type": type, **fields}, request_id="call-1", dialect=Anthropic())


def start(index: int, **block: Any) -> Event:
    return made("content_block_start", index=index, content_block=block)


def delta(index: int, **fields: Any) -> Event:
    return made("content_block_delta", index=index, delta=fields)


def text(index: int, piece: str) -> Event:
    return delta(index, type="text_delta", text=piece)


def part(index: int, piece: str) -> Event:
    return delta(index, type="input_json_delta", partial_json=piece)


def stop(index: int) -> Event:
    return made("content_block_stop", index=index)


def begin(**fields: Any) -> Event:
    whole = {"type": "message", "id": "msg_1", "role": "assistant", "model": "m", "content": [], **fields}
    return made("message_start", message=whole)


def change(stop_reason: str | None = "end_turn", usage: Any = None, **fields: Any) -> Event:
    counts = {} if usage is None else {"usage": usage}
    return made("message_delta", delta={"stop_reason": stop_reason, **fields}, **counts)


END = [change(), made("message_stop")]
TEXT = start(0, type="text", text="")
TOOL = start(0, type="tool_use", id="toolu_1", name="measure", input={})
HELLO = [begin(), TEXT, text(0, "Hel"), text(0, "lo"), stop(0), *END]


def fold(events: list[Event], strict: bool = True) -> MessageBuilder:
    builder = MessageBuilder(strict=strict)
    for event in events:
        builder.add(event)
    return builder


def block(events: list[Event]) -> Any:
    """The only block of a whole message that has `events` in its middle."""
    (only,) = fold([begin(), *events, *END]).message().content
    return only


def test_a_rich_stream_becomes_its_message(rich_events: list[Event]) -> None:
    """Every kind of block, in order, and the counts that came last."""
    builder = fold(rich_events)
    message = builder.message()
    kinds = [block["type"] if isinstance(block, dict) else block.type for block in message.content]
    assert kinds == [
        "thinking",
        "redacted_thinking",
        "server_tool_use",
        "web_search_tool_result",
        "text",
        "hologram",
        "text",
        "tool_use",
        "tool_use",
    ]
    assert message.text == (
        "A sluice is a gate\u2028that controls the flow of water\u00a0\u2013 „größer“ 💧. I will measure two of them."
    )
    assert [(call.name, call.input) for call in message.tool_calls] == [
        (
            "measure",
            {"gate": "north", "unit": {"name": "m³/s", "digits": 2}, "tags": ['a"b', None, 1.5, True]},
        ),
        ("list_gates", {}),
    ]
    assert (message.stop_reason, message.stop_sequence) == ("tool_use", None)
    assert message.usage == Usage(
        input_tokens=10682, output_tokens=510, cache_read_tokens=128, cache_write_tokens=0, final=True
    )
    assert message.raw_usage["server_tool_use"] == {"web_search_requests": 1, "web_fetch_requests": 0}
    assert message.raw_usage["service_tier"] == "standard"
    assert message.extra["container"]["id"] == "container_01"
    assert [event.type for event in builder.unused] == ["weather_report"]


def test_each_event_is_returned_typed() -> None:
    """So that who wants both structures once."""
    builder = MessageBuilder()
    builder.add(begin())
    builder.add(TEXT)
    assert builder.add(text(0, "a")) == ContentBlockDelta(0, TextDelta("a"))
    unknown = made("weather_report")
    assert builder.add(unknown) is unknown


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        pytest.param([TEXT, text(0, "Hel"), text(0, "lo"), stop(0)], TextBlock("Hello"), id="text"),
        pytest.param([start(0, type="text", text="He"), text(0, "y"), stop(0)], TextBlock("Hey"), id="text-at-start"),
        pytest.param(
            [
                start(0, type="text", text="", citations=None),
                delta(0, type="citations_delta", citation={"a": 1}),
                text(0, "x"),
                delta(0, type="citations_delta", citation={"a": 2}),
                stop(0),
            ],
            TextBlock("x", ({"a": 1}, {"a": 2})),
            id="citations",
        ),
        pytest.param(
            [
                start(0, type="thinking", thinking="", signature=None),
                delta(0, type="thinking_delta", thinking="a"),
                delta(0, type="thinking_delta", thinking="b"),
                delta(0, type="signature_delta", signature="replaced"),
                delta(0, type="signature_delta", signature="s"),
                stop(0),
            ],
            ThinkingBlock("ab", "s"),
            id="thinking",
        ),
        pytest.param(
            [start(0, type="thinking", thinking="a", signature="s"), stop(0)], ThinkingBlock("a", "s"), id="whole"
        ),
        pytest.param(
            [TOOL, part(0, ""), part(0, '{"a": {"b"'), part(0, ": [1]}}"), stop(0)],
            ToolUseBlock(id="toolu_1", name="measure", input={"a": {"b": [1]}}),
            id="tool",
        ),
        pytest.param(
            [TOOL, part(0, ""), stop(0)], ToolUseBlock(id="toolu_1", name="measure", input={}), id="tool-without-input"
        ),
        pytest.param(
            [start(0, type="tool_use", id="t", name="f", input={"a": 1}, caller={"type": "direct"}), stop(0)],
            ToolUseBlock(id="t", name="f", input={"a": 1}, extra={"caller": {"type": "direct"}}),
            id="tool-whole-at-start",
        ),
        pytest.param(
            [start(0, type="mcp_tool_use", id="t", input={}), part(0, '{"a"'), part(0, ":1}"), stop(0)],
            {"type": "mcp_tool_use", "id": "t", "input": {"a": 1}},
            id="D46-tool-of-another-type",
        ),
        pytest.param(
            [start(0, type="redacted_thinking", data="x"), stop(0)], RedactedThinkingBlock("x"), id="redacted"
        ),
        pytest.param([start(0, type="fallback"), stop(0)], {"type": "fallback"}, id="D46-without-deltas"),
        pytest.param(
            [start(0, type="hologram", text="a"), text(0, "b"), stop(0)],
            {"type": "hologram", "text": "a"},
            id="D46-what-a-delta-of-an-unknown-block-means-is-unknown",
        ),
    ],
)
def test_a_block_is_put_together_of_its_deltas(events: list[Event], expected: Any) -> None:
    """Of those that belong to its type; the others stay as they started."""
    assert block(events) == expected


def test_what_is_not_folded_is_kept_aside() -> None:
    """Unknown events and deltas are no part of the message and not lost; pings say nothing (D45, D46)."""
    unknown = [made("weather_report"), delta(0, type="new_delta", x=1)]
    builder = fold([begin(), made("ping"), unknown[0], TEXT, unknown[1], text(0, "a"), stop(0), *END])
    assert builder.unused == tuple(unknown)
    assert builder.message().text == "a"


def test_the_deltas_of_an_unknown_block_are_kept_aside() -> None:
    """They are not errors, for nobody knows what that block has (D46)."""
    events = [text(0, "a"), part(0, "{")]
    builder = fold([begin(), start(0, type="hologram"), *events, stop(0), *END])
    assert builder.unused == tuple(events)


@pytest.mark.parametrize(
    ("events", "said"),
    [
        pytest.param([TEXT], "event 1 (content_block_start): comes before message_start", id="D50-no-start"),
        pytest.param([made("message_stop")], "event 1 (message_stop): comes before message_start", id="D50-only-stop"),
        pytest.param(
            [begin(), begin(id="msg_2")], "event 2 (message_start): a second message_start", id="D50-two-starts"
        ),
        pytest.param(
            [begin(), text(1, CANARY)], "event 2 (content_block_delta): block 1 is not open", id="D50-unopened-delta"
        ),
        pytest.param(
            [begin(), TEXT, stop(0), text(0, CANARY)],
            "event 4 (content_block_delta): block 0 is not open",
            id="D50-delta-after-stop",
        ),
        pytest.param([begin(), stop(0)], "event 2 (content_block_stop): block 0 is not open", id="D50-unopened-stop"),
        pytest.param(
            [begin(), TEXT, stop(0), stop(0)],
            "event 4 (content_block_stop): block 0 is not open",
            id="D50-two-stops",
        ),
        pytest.param(
            [begin(), TEXT, TEXT], "event 3 (content_block_start): block 0 has started before", id="D50-started-twice"
        ),
        pytest.param(
            [begin(), TOOL, text(0, CANARY)],
            "event 3 (content_block_delta): a text_delta for block 0, which is a tool_use",
            id="D50-delta-of-another-block",
        ),
        pytest.param([*HELLO, HELLO[2]], "event 8 (content_block_delta): comes after message_stop", id="D50-after"),
        pytest.param(
            [*HELLO, made("weather_report")],
            "event 8 (weather_report): comes after message_stop",
            id="D50-unknown-after",
        ),
    ],
)
def test_an_order_that_the_api_does_not_have_is_a_stream_error_when_strict(events: list[Event], said: str) -> None:
    """It has the position; without strictness the same events pass."""
    with pytest.raises(StreamError) as caught:
        fold(events)
    assert (caught.value.message, caught.value.request_id) == (said, "call-1")
    assert fold(events, strict=False)


def test_a_ping_may_come_at_any_time() -> None:
    """Before the start, after the end (D45)."""
    ping = made("ping")
    assert fold([ping, *HELLO, ping]).message().text == "Hello"


@pytest.mark.parametrize(
    ("events", "content", "unused"),
    [
        pytest.param([TEXT, *HELLO[2:]], [TextBlock("Hello")], 0, id="D50-no-message-start"),
        pytest.param([begin(), text(0, "a"), stop(0), *END], [TextBlock("a")], 0, id="D50-text-of-no-block"),
        pytest.param(
            [begin(), delta(0, type="signature_delta", signature="s"), stop(0), *END],
            [ThinkingBlock("", "s")],
            0,
            id="D50-signature-of-no-block",
        ),
        pytest.param([begin(), part(0, "{}"), stop(0), *END], [], 2, id="D52-input-of-no-block"),
        pytest.param([*HELLO[:5], text(0, "!"), *END], [TextBlock("Hello!")], 0, id="D50-text-after-stop"),
        pytest.param([begin(), TEXT, stop(0), part(0, "{"), *END], [TextBlock("")], 1, id="D50-wrong-delta"),
        pytest.param(
            [begin(), TOOL, stop(0), part(0, "{"), *END],
            [ToolUseBlock(id="toolu_1", name="measure", input={})],
            1,
            id="D52-input-after-stop",
        ),
        pytest.param([*HELLO[:5], begin(id="msg_2"), *END], [TextBlock("Hello")], 1, id="D50-two-starts"),
        pytest.param([*HELLO[:5], stop(0), stop(3), *END], [TextBlock("Hello")], 2, id="D50-stops"),
        pytest.param([*HELLO, text(0, "!"), begin()], [TextBlock("Hello")], 2, id="D50-after-the-end"),
        pytest.param(
            [begin(), start(5, type="text", text="b"), start(2, type="text", text="a"), stop(2), stop(5), *END],
            [TextBlock("a"), TextBlock("b")],
            0,
            id="D50-in-the-order-of-their-numbers",
        ),
    ],
)
def test_without_strictness_an_event_does_what_it_can(events: list[Event], content: list[Any], unused: int) -> None:
    """And what makes no sense is kept aside."""
    builder = fold(events, strict=False)
    assert list(builder.message().content) == content
    assert len(builder.unused) == unused


WEATHER = {"type": "server_tool_use", "id": "t", "name": "weather"}
CUT = [change("max_tokens"), made("message_stop")]


@pytest.mark.parametrize("strict", [True, False])
@pytest.mark.parametrize(
    ("events", "content"),
    [
        pytest.param([TEXT, text(0, "a"), begin(), stop(0), begin()], [TextBlock("a")], id="started-twice"),
        pytest.param(
            [TEXT, text(0, "a"), stop(0), start(2, type="text", text="b"), stop(2)],
            [TextBlock("a"), TextBlock("b")],
            id="a-gap",
        ),
        pytest.param([start(1, type="text", text=""), text(1, "a"), stop(1)], [TextBlock("a")], id="from-one"),
        pytest.param([TEXT, text(0, "a")], [TextBlock("a")], id="not-stopped"),
        pytest.param([start(0, type="hologram")], [{"type": "hologram"}], id="unknown-not-stopped"),
        pytest.param(
            [TOOL, part(0, '{"a": 1}')],
            [ToolUseBlock(id="toolu_1", name="measure", input={"a": 1})],
            id="tool-not-stopped",
        ),
        pytest.param([TOOL], [ToolUseBlock(id="toolu_1", name="measure", input={})], id="tool-not-stopped-no-input"),
        pytest.param(
            [start(0, type="tool_use", id="t", name="f"), part(0, '{"a": 1}'), stop(0)],
            [ToolUseBlock(id="t", name="f", input={"a": 1})],
            id="no-input",
        ),
        pytest.param(
            [start(0, type="tool_use", id="t", name="f", input=None), stop(0)],
            [ToolUseBlock(id="t", name="f", input={})],
            id="null-input",
        ),
        pytest.param(
            [start(0, **WEATHER), part(0, '{"a": 1}'), stop(0)], [{**WEATHER, "input": {"a": 1}}], id="servers-no-input"
        ),
        pytest.param([start(0, **WEATHER, input=None), stop(0)], [{**WEATHER, "input": {}}], id="servers-null-input"),
        pytest.param(
            [start(0, **WEATHER, input={"a": 1}), stop(0)], [{**WEATHER, "input": {"a": 1}}], id="servers-whole"
        ),
        pytest.param(
            [start(0, type="compaction", content=None), delta(0, type="compaction_delta", content="a"), stop(0)],
            [{"type": "compaction", "content": "a"}],
            id="compaction",
        ),
        pytest.param(
            [
                start(0, type="compaction", content=None),
                delta(0, type="compaction_delta", content="a", encrypted_content="b"),
                delta(0, type="compaction_delta", content=None, encrypted_content=None),
                stop(0),
            ],
            [{"type": "compaction", "content": "a", "encrypted_content": "b"}],
            id="compaction-encrypted",
        ),
    ],
)
def test_what_servers_do_is_tolerated_and_nothing_is_lost(
    events: list[Event], content: list[Any], strict: bool
) -> None:
    """Wherever it leaves no doubt about the message; it goes back with the next request."""
    builder = fold([begin(), *events, *END], strict)
    message = builder.message()
    assert (list(message.content), builder.unused) == (content, ())
    assert message.to_param()["content"] == message.to_dict()["content"]


PARTIAL = PartialToolUseBlock(ToolUseBlock(id="toolu_1", name="measure", input={}), '{"a": [')


@pytest.mark.parametrize("strict", [True, False])
@pytest.mark.parametrize(
    ("events", "content"),
    [
        pytest.param([TOOL, part(0, '{"a": ['), stop(0)], [PARTIAL], id="stopped"),
        pytest.param([TOOL, part(0, '{"a": [')], [PARTIAL], id="open"),
        pytest.param(
            [TOOL, part(0, '{"a": 1}')], [ToolUseBlock(id="toolu_1", name="measure", input={"a": 1})], id="whole"
        ),
        pytest.param([TOOL, part(0, ""), stop(0)], [PartialToolUseBlock(PARTIAL.start, "")], id="nothing-yet"),
        pytest.param(
            [TOOL, stop(0), start(1, type="text", text="a")],
            [ToolUseBlock(id="toolu_1", name="measure", input={}), TextBlock("a")],
            id="without-input-before-text",
        ),
        pytest.param([start(0, **WEATHER), part(0, "{")], [PartialToolUseBlock(WEATHER, "{")], id="servers"),
        pytest.param(
            [start(0, type="tool_use", id="t", name="f", input={"a": 1}), stop(0)],
            [ToolUseBlock(id="t", name="f", input={"a": 1})],
            id="whole-at-start",
        ),
        pytest.param([TEXT, text(0, "a")], [TextBlock("a")], id="text"),
        pytest.param([], [], id="nothing"),
    ],
)
def test_max_tokens_may_cut_a_tool_off(events: list[Event], content: list[Any], strict: bool) -> None:
    """Then the call is partial, and it is none of the tool calls."""
    message = fold([begin(), *events, *CUT], strict).message()
    assert (list(message.content), message.stop_reason) == (content, "max_tokens")
    assert message.tool_calls == tuple(it for it in content if isinstance(it, ToolUseBlock))


@pytest.mark.parametrize("reason", ["end_turn", "tool_use", "refusal"])
def test_an_open_tool_with_broken_input_is_an_error_under_another_reason(reason: str) -> None:
    """The end of the message is where that shows."""
    builder = fold([begin(), TOOL, part(0, '{"a": ['), change(reason)])
    with pytest.raises(StreamError, match=r"event 5 \(message_stop\): block 0: the input is not JSON"):
        builder.add(END[1])


def switch(index: int, **fields: Any) -> list[Event]:
    return [start(index, type="fallback", **fields), stop(index)]


@pytest.mark.parametrize(
    ("events", "model"),
    [
        pytest.param([begin(), *switch(0, to={"model": "n"})], "n", id="one"),
        pytest.param([begin(), *switch(0, to={"model": "n"}), *switch(1, to={"model": "o"})], "o", id="last"),
        pytest.param([begin(content=[{"type": "fallback", "to": {"model": "n"}}])], "n", id="at-the-start"),
        pytest.param([begin(), *switch(0, to={"model": "n"}), begin()], "n", id="started-twice"),
        pytest.param([begin(), *switch(0, to={"model": 7})], "m", id="no-text"),
        pytest.param([begin(), *switch(0, to=None)], "m", id="null"),
        pytest.param([begin(), start(0, type="other", to={"model": "n"})], "m", id="other-block"),
    ],
)
def test_the_model_is_the_last_that_a_fallback_names(events: list[Event], model: str) -> None:
    """It wrote the answer."""
    assert fold([*events, *END]).message().model == model


@pytest.mark.parametrize("raw", [b"", b"{}", b"null", b"[1]", b"keepalive"])
def test_a_keepalive_is_passed_over(raw: bytes) -> None:
    """Without a name before, between and after everything; under a known name, too, if it has no data."""
    events = [it for event in HELLO for it in (Event("message", raw), event)]
    builder = fold([*events, Event("ping", raw), Event("content_block_delta", b""), Event("message", raw)])
    assert (builder.message().text, builder.unused) == ("Hello", ())


def test_a_start_that_comes_late_is_taken_all_the_same() -> None:
    """Without strictness."""
    message = fold([TEXT, text(0, "a"), begin(), stop(0), *END], strict=False).message()
    assert (message.id, message.text) == ("msg_1", "a")


@pytest.mark.parametrize(
    ("events", "said"),
    [
        pytest.param([], "there was no message_stop", id="D51-nothing"),
        pytest.param(HELLO[:-1], "there was no message_stop", id="D51-no-message-stop"),
        pytest.param([begin(), TEXT, text(0, "a"), HELLO[-1]], "there was no stop_reason", id="D51-block-open"),
        pytest.param([*HELLO[:5], HELLO[-1]], "there was no stop_reason", id="D51-no-message-delta"),
        pytest.param([*HELLO[:5], change(None), HELLO[-1]], "there was no stop_reason", id="D51-stop-reason-null"),
    ],
)
@pytest.mark.parametrize("strict", [True, False])
def test_a_part_is_never_taken_for_the_whole(events: list[Event], said: str, strict: bool) -> None:
    """Strict or not; what is there can be looked at."""
    builder = fold(events, strict)
    with pytest.raises(TruncatedStreamError) as caught:
        builder.message()
    assert caught.value.message == f"the message is not complete: {said}"
    assert caught.value.request_id == ("call-1" if events else None)
    assert isinstance(builder.snapshot(), Message)


@pytest.mark.parametrize("pieces", [[], [""], ['{"a"'], ["{}"], ['{"a": 1}']], ids=lambda it: f"D52-{'-'.join(it)}")
@pytest.mark.parametrize("type", ["tool_use", "server_tool_use"])
def test_the_input_of_an_open_tool_is_never_parsed(pieces: list[str], type: str) -> None:
    """Not even when it could be: the snapshot shows the text, and the API would refuse it."""
    started = {"type": type, "id": "t", "name": "f", "input": {}}
    builder = fold([begin(), start(0, **started), *(part(0, piece) for piece in pieces)])
    snapshot = builder.snapshot()
    (partial,) = snapshot.content
    assert isinstance(partial, PartialToolUseBlock)
    assert (partial.type, partial.partial_json) == (type, "".join(pieces))
    assert snapshot.tool_calls == ()
    assert snapshot.to_dict()["content"] == [{"type": type, "id": "t", "name": "f", "partial_json": "".join(pieces)}]
    with pytest.raises(StreamError, match=f"block 0 of the message is a partial {type}"):
        snapshot.to_param()


@pytest.mark.parametrize(
    ("pieces", "said"),
    [
        pytest.param(['{"a": ', f'"{CANARY}'], "is not JSON: ", id="D52-cut"),
        pytest.param([f'{{"{CANARY}": x}}'], r"is not JSON: .*\(byte 16\)", id="D49-no-json"),
        pytest.param([f'["{CANARY}"]'], r"is JSON, but no object \(byte 0\)", id="D49-no-object"),
        pytest.param(["[" * 100_000], "is not JSON: ", id="D49-deep"),
        pytest.param([" "], "is not JSON: ", id="D49-blank"),
    ],
)
def test_input_that_is_no_json_object_is_an_error_and_stays_as_it_came(pieces: list[str], said: str) -> None:
    """The error has the position and not the payload. Without strictness the block stays a partial one."""
    events = [begin(), TOOL, *(part(0, piece) for piece in pieces), stop(0)]
    strict, lenient = fold(events), fold([*events, *END], strict=False)
    for again in (lambda: strict.add(change()), lambda: strict.add(END[1]), strict.message):
        with pytest.raises(
            StreamError, match=rf"event \d+ \(content_block_stop\): block 0: the input {said}"
        ) as caught:
            again()
    assert CANARY not in f"{caught.value}{caught.value.__cause__}"
    partial = PartialToolUseBlock(ToolUseBlock(id="toolu_1", name="measure", input={}), "".join(pieces))
    assert strict.snapshot().content == lenient.message().content == (partial,)
    assert lenient.message().tool_calls == ()


@pytest.mark.parametrize("strict", [True, False])
@pytest.mark.parametrize(
    "event",
    [
        pytest.param(Event("content_block_delta", b"{"), id="D49-no-json"),
        pytest.param(delta(0, type="text_delta", text=[CANARY]), id="D49-text-is-list"),
    ],
)
def test_data_that_cannot_be_read_is_an_error_in_any_case(event: Event, strict: bool) -> None:
    """What came before stands."""
    builder = fold(HELLO[:4], strict)
    with pytest.raises(StreamError) as caught:
        builder.add(event)
    assert CANARY not in str(caught.value)
    assert builder.snapshot().text == "Hello"


def test_an_error_event_is_raised_as_its_http_twin() -> None:
    """A client raises it by itself; who feeds events by hand gets the same (D48)."""
    error = {"type": "overloaded_error", "message": "busy"}
    with pytest.raises(OverloadedError, match="busy") as caught:
        fold([begin(), made("error", error=error)])
    assert caught.value.request_id == "call-1"
    spent = {"type": "rate_limit_error", "details": {"error_code": "enforced_spend_limit_reached"}}
    with pytest.raises(QuotaExceededError):
        fold([made("error", error=spent)])


COUNTS = {"input_tokens": 9, "output_tokens": 2}


@pytest.mark.parametrize(
    ("first", "later", "raw", "usage"),
    [
        pytest.param(None, [None], None, Usage(), id="D53-missing"),
        pytest.param(COUNTS, [None], COUNTS, Usage(input_tokens=9, output_tokens=2), id="D53-only-a-placeholder"),
        pytest.param(
            COUNTS,
            [{"output_tokens": 5}, {"output_tokens": 5}, {"output_tokens": 7, "input_tokens": None}],
            {"input_tokens": 9, "output_tokens": 7},
            Usage(input_tokens=9, output_tokens=7, final=True),
            id="D53-repeated-and-null",
        ),
        pytest.param(
            COUNTS,
            [{"output_tokens": 50}, {"output_tokens": 4}],
            {"input_tokens": 9, "output_tokens": 50},
            Usage(input_tokens=9, output_tokens=50, final=True),
            id="D53-decreasing",
        ),
        pytest.param(
            None,
            [{"output_tokens": 5, "server_tool_use": {"a": 1}}, {"output_tokens": "many", "server_tool_use": {"b": 2}}],
            {"output_tokens": "many", "server_tool_use": {"b": 2}},
            Usage(output_tokens=5, final=True),
            id="D53-nonsense",
        ),
    ],
)
def test_usage_is_overwritten_by_field_and_never_added(first: Any, later: list[Any], raw: Any, usage: Usage) -> None:
    """The raw counts are kept beside ours."""
    message = fold([begin(usage=first), *(change(usage=it) for it in later), made("message_stop")]).message()
    assert (message.raw_usage, message.usage) == (raw, usage)


def test_the_top_of_a_message_is_overwritten_and_null_overwrites_nothing() -> None:
    """Known fields and unknown ones, wherever they come."""
    events = [
        begin(stop_reason=None, stop_sequence=None, container=None, tier="a"),
        change("stop_sequence", stop_sequence="END", container={"id": "c"}, tier=None),
        made("message_delta", delta={"stop_reason": None, "container": None}, context={"edits": []}),
        made("message_stop"),
    ]
    message = fold(events).message()
    assert (message.stop_reason, message.stop_sequence) == ("stop_sequence", "END")
    assert message.extra == {"container": {"id": "c"}, "tier": "a", "context": {"edits": []}}


def test_content_that_a_start_brings_is_kept() -> None:
    """The first block that follows has the next number."""
    events = [begin(content=[{"type": "text", "text": "a"}]), start(1, type="text", text="b"), stop(1), *END]
    assert fold(events).message().text == "ab"


def test_a_message_is_the_apis_json_and_the_next_requests(rich_events: list[Event]) -> None:
    """The whole of it, and its role and content alone; both can be written as JSON."""
    message = fold(rich_events).message()
    whole, turn = message.to_dict(), message.to_param()
    assert turn == {"role": "assistant", "content": whole["content"]}
    assert whole["content"][7]["input"]["gate"] == "north"
    assert whole["content"][5] == {"type": "hologram", "frames": [{"t": 0, "data": "AAEC"}], "caption": None}
    assert whole["stop_reason"] == "tool_use"
    assert whole["stop_sequence"] is None
    again = json.loads(json.dumps(whole))
    assert fold([made("message_start", message=again)]).snapshot() == message


def test_the_events_stay_as_they_were(rich_events: list[Event]) -> None:
    """Folding changes nothing in the JSON that the blocks share with them."""
    builder = fold(rich_events)
    builder.message()
    assert [event.json() for event in rich_events] == [json.loads(event.raw) for event in rich_events]


def test_a_snapshot_grows_with_the_events() -> None:
    """It can be taken at any time and does not change what follows."""
    builder = MessageBuilder()
    seen = [builder.snapshot()]
    for event in HELLO:
        builder.add(event)
        seen.append(builder.snapshot())
    assert [it.text for it in seen] == ["", "", "", "Hel", "Hello", "Hello", "Hello", "Hello"]
    assert (seen[0].id, seen[1].id, seen[5].stop_reason, seen[6].stop_reason) == ("", "msg_1", None, "end_turn")
    assert seen[-1] == builder.message()


def calls(count: int) -> int:
    """How many Python functions it takes to fold `count` deltas."""
    events = [begin(), TEXT, *[text(0, "some words")] * count, stop(0), *END]
    seen = 0

    def count_calls(*_: object) -> None:
        nonlocal seen
        seen += 1

    sys.setprofile(count_calls)
    try:
        fold(events).message()
    finally:
        sys.setprofile(None)
    return seen


def test_the_work_grows_with_the_events_and_not_faster() -> None:
    """Each delta takes as many steps as the one before."""
    fold(HELLO)  # what is made once
    one, two, four = calls(100), calls(200), calls(400)
    assert four - two == 2 * (two - one)


def cut(value: str, data: st.DataObject) -> list[str]:
    """`value` in pieces."""
    places = sorted(data.draw(st.lists(st.integers(0, len(value)), max_size=3)))
    return [value[a:b] for a, b in zip([0, *places], [*places, len(value)], strict=True)]


INPUTS = st.dictionaries(st.text(max_size=4), st.integers(-9, 9) | st.text(max_size=4) | st.none(), max_size=3)


@given(st.lists(st.text(max_size=9) | INPUTS, max_size=4), st.data())
def test_however_a_message_is_cut_it_is_put_together_again(blocks: list[Any], data: st.DataObject) -> None:
    """Text and input are those that were cut; every prefix of the events is no whole message."""
    events = [begin()]
    for index, value in enumerate(blocks):
        if isinstance(value, str):
            events += [start(index, type="text", text=""), *(text(index, it) for it in cut(value, data)), stop(index)]
        else:
            pieces = cut(json.dumps(value), data)
            events += [start(index, type="tool_use", id=str(index), name="f", input={})]
            events += [*(part(index, it) for it in pieces), stop(index)]
    events += END
    message = fold(events).message()
    assert [it.text if isinstance(it, TextBlock) else it.input for it in message.content] == blocks
    builder = fold(events[: data.draw(st.integers(0, len(events) - 1))])
    with pytest.raises(TruncatedStreamError):
        builder.message()


@given(st.lists(st.sampled_from([*HELLO, TOOL, part(0, "{"), stop(1), made("ping"), made("new")]), max_size=9))
def test_no_order_of_events_breaks_a_lenient_builder(events: list[Event]) -> None:
    """There is a snapshot, and each text is in it or kept aside."""
    builder = fold(events, strict=False)
    said = sum(
        len(event["delta"]["text"]) for event in events if event.type == HELLO[2].type and "text" in event["delta"]
    )
    aside = sum(
        len(it["delta"].get("text", "")) for it in builder.unused if "delta" in it and it.type != "message_delta"
    )
    assert len(builder.snapshot().text) + aside == said
