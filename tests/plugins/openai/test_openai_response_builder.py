"""Events folded into the response that they tell of."""

import contextlib
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from unbroken import Client, Error, Event, RateLimitError, StreamError, TruncatedStreamError
from unbroken.testing import Answer, FakeClock, ScriptedTransport, sse
from unbroken_openai import OpenAI, ResponseBuilder
from unbroken_retry import Retry

from .vendors_answers import answer, called, spoken

CANARY = "canary-7f3a"


def made(type: str, **fields: Any) -> Event:
    return Event.make(type, {"type": type, **fields}, request_id="call-1", dialect=OpenAI())


def fold(events: list[Event], **options: Any) -> ResponseBuilder:
    builder = ResponseBuilder(**options)
    for event in events:
        builder.add(event)
    return builder


def added(place: Any, id: Any, type: str = "message", **fields: Any) -> Event:
    given = {"type": type, **({"content": []} if type == "message" else {}), **fields}
    return made("response.output_item.added", output_index=place, item={**given, **({"id": id} if id else {})})


def done(place: Any, id: Any, type: str = "message", **fields: Any) -> Event:
    return made("response.output_item.done", output_index=place, item={"type": type, "id": id, **fields})


def text(place: Any, id: Any, piece: Any, number: int = 0, name: str = "output_text") -> Event:
    return made(f"response.{name}.delta", output_index=place, item_id=id, content_index=number, delta=piece)


def output(*events: Event, strict: bool = True) -> list[dict[str, Any]]:
    return fold([*events], strict=strict).snapshot()["output"]


BEGIN = made("response.created", response={"id": "resp_1", "object": "response", "status": "in_progress", "model": "m"})
END = made("response.completed", response={"id": "resp_1", "status": "completed", "output": []})
PART = {"type": "output_text", "annotations": list[Any]()}
SHELL = "response.shell_call_command"
WRITTEN = "response.shell_call_output_content"


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        pytest.param(
            [added(0, "a"), text(0, "a", "On"), text(0, "a", "e"), text(0, "a", "no", 1, "refusal")],
            {
                "content": [
                    {"type": "output_text", "annotations": [], "text": "One"},
                    {"type": "refusal", "refusal": "no"},
                ]
            },
            id="parts-without-added",
        ),
        pytest.param(
            [
                added(0, "a"),
                made("response.output_text.delta", item_id="a", output_index=0, delta="x", logprobs=[{"token": "x"}]),
                made("response.output_text.delta", item_id="a", output_index=0, delta="y", logprobs=[{"token": "y"}]),
                made("response.output_text.annotation.added", item_id="a", annotation_index=0, annotation={"a": 1}),
                made("response.output_text.annotation.added", item_id="a", annotation_index=1, annotation={"a": 2}),
                made("response.output_text.annotation.added", item_id="a", annotation_index=0, annotation={"a": 3}),
                made("response.output_text.annotation.added", item_id="a", annotation=None),
            ],
            {
                "content": [
                    {
                        "type": "output_text",
                        "text": "xy",
                        "annotations": [{"a": 3}, {"a": 2}],
                        "logprobs": [{"token": "x"}, {"token": "y"}],
                    }
                ]
            },
            id="logprobs-and-annotations",
        ),
        pytest.param(
            [
                added(0, "a", "reasoning", summary=[], encrypted_content=None),
                made("response.reasoning_summary_text.delta", item_id="a", summary_index=0, delta="s"),
                text(0, "a", "t", 0, "reasoning_text"),
                made(
                    "response.content_part.done",
                    item_id="a",
                    content_index=0,
                    part={"type": "reasoning_text", "text": ""},
                ),
                done(0, "a", "reasoning", summary=[], encrypted_content="e"),
            ],
            {
                "summary": [{"type": "summary_text", "text": "s"}],
                "content": [{"type": "reasoning_text", "text": "t"}],
                "encrypted_content": "e",
            },
            id="reasoning",
        ),
        pytest.param(
            [
                added(0, "a", "function_call", arguments="", name="f", call_id="c"),
                made("response.function_call_arguments.delta", item_id="a", output_index=0, delta="{"),
                made("response.function_call_arguments.delta", item_id="a", output_index=0, delta="}"),
            ],
            {"arguments": "{}", "name": "f", "call_id": "c"},
            id="function",
        ),
        pytest.param(
            [
                added(0, "a", "custom_tool_call", input=""),
                made("response.custom_tool_call_input.delta", item_id="a", delta="x"),
                made("response.custom_tool_call_input.done", item_id="a", input=""),
            ],
            {"input": "x"},
            id="custom-tool-with-an-empty-done",
        ),
        pytest.param(
            [
                added(0, "a", "code_interpreter_call", code="", container_id="c"),
                made("response.code_interpreter_call_code.delta", item_id="a", delta="1+"),
                made("response.code_interpreter_call_code.delta", item_id="a", delta="1"),
                made("response.code_interpreter_call.interpreting", item_id="a", output_index=0),
            ],
            {"code": "1+1", "container_id": "c"},
            id="code",
        ),
        pytest.param(
            [
                added(0, "a", "shell_call", action={"commands": [], "timeout_ms": 5}),
                made(f"{SHELL}.added", output_index=0, command_index=0, command=""),
                made(f"{SHELL}.delta", output_index=0, command_index=0, delta="l"),
                made(f"{SHELL}.delta", output_index=0, command_index=0, delta="s"),
                made(f"{SHELL}.done", output_index=0, command_index=1, command="pwd"),
            ],
            {"action": {"commands": ["ls", "pwd"], "timeout_ms": 5}},
            id="shell",
        ),
        pytest.param(
            [
                added(0, "a", "shell_call", action={"commands": []}),
                made(f"{SHELL}.delta", output_index=0, command_index=0, delta="l"),
                done(0, "a", "shell_call", action={"commands": ["ls"]}),
            ],
            {"action": {"commands": ["ls"]}},
            id="shell-done",
        ),
        pytest.param(
            [
                added(0, "a", "shell_call_output", output=[]),
                made(
                    f"{WRITTEN}.delta", output_index=0, item_id="a", command_index=0, delta={"stdout": "x", "stderr": 7}
                ),
                made(f"{WRITTEN}.delta", output_index=0, item_id="a", command_index=0, delta={"stdout": "y"}),
                made(f"{WRITTEN}.done", output_index=0, item_id="a", command_index=1, output=[{"stdout": "z"}]),
            ],
            {"output": [{"stdout": "xy"}, {"stdout": "z"}]},
            id="shell-output",
        ),
        pytest.param(
            [added(0, "a"), text(0, "b", "x"), text(0, "c", "y"), done(0, "d", content=[])],
            {"id": "d", "content": [{"type": "output_text", "annotations": [], "text": "xy"}]},
            id="another-id-in-each-event",
        ),
        pytest.param([done(0, "a", content=["x"])], {"content": ["x"]}, id="done-alone"),
        pytest.param([added(0, "a", x=1), done(0, "a", x=None, y=None)], {"x": 1, "y": None}, id="nulls"),
        pytest.param([added(0, "a", x=1), added(0, "a", x=1)], {"x": 1}, id="added-twice-alike"),
        pytest.param([made("response.output_item.added", output_index=0, item=None), done(0, "a")], {}, id="no-item"),
    ],
)
def test_an_item_has_what_its_events_had(events: list[Event], expected: dict[str, Any]) -> None:
    """Joined, with the last word of the server, but without what that leaves empty."""
    (item,) = output(BEGIN, *events)
    assert {name: item.get(name) for name in expected} == expected


def test_items_stand_in_the_order_of_their_places() -> None:
    """Not in the order in which they began; and parts in that of their numbers."""
    events = [BEGIN, added(1, "b"), added(0, "a"), text(1, "b", "x", 1), text(1, "b", "y", 0)]
    first, second = output(*events)
    assert (first["id"], [part["text"] for part in second["content"]]) == ("a", ["y", "x"])


@pytest.mark.parametrize(
    ("events", "told"),
    [
        pytest.param([text(0, "a", "x")], "item 'a' is not open", id="not-opened"),
        pytest.param([made("response.output_text.delta", delta="x")], "item None is not open", id="nothing-opened"),
        pytest.param([added(0, "a"), done(0, "a"), text(0, "a", "x")], "item 'a' is not open", id="closed"),
        pytest.param([added(0, "a"), added(0, "a", x=1)], "item 'a' was added before", id="added-twice"),
        pytest.param([added(0, "a"), added(0, "b")], "the place of item 'b' is taken", id="place-taken"),
        pytest.param([added(0, "a", "reasoning"), text(0, "a", "x")], "item 'a' is a reasoning", id="another-type"),
        pytest.param([added(0, "a"), done(0, "a", "reasoning")], "item 'a' is a message", id="done-of-another-type"),
        pytest.param([made("response.created", response={"id": "other"})], "a second response", id="second"),
        pytest.param([END, text(0, "a", "x")], "after the end of the response", id="after-the-end"),
        pytest.param([added(0, "a"), text(0, "a", 7)], "its delta is no text", id="no-text"),
        pytest.param([added(0, "a"), made("response.content_part.added", item_id="a", part=7)], "no object", id="part"),
        pytest.param(
            [added(0, "a", "shell_call"), made(f"{SHELL}.delta", output_index=0, delta=7)], "is no text", id="shell"
        ),
    ],
)
def test_a_strict_builder_refuses_what_is_in_doubt(events: list[Event], told: str) -> None:
    """With the number and the name of the event; a lenient one goes on."""
    with pytest.raises(StreamError, match=told) as caught:
        fold([BEGIN, *events])
    assert caught.value.message.startswith(f"event {len(events) + 1} (response.")
    assert caught.value.request_id == "call-1"
    lenient = fold([BEGIN, *events], strict=False)
    json.dumps(lenient.snapshot())


def test_a_lenient_builder_implies_items() -> None:
    """And keeps what it cannot use."""
    odd = text(0, "a", 7)
    events = [
        text(0, "a", "One"),
        text(0, "b", " two"),
        made("response.output_text.done", output_index=0, item_id="b", text="One two"),
        text(0, "c", "Three"),
        made("response.reasoning_summary_text.delta", delta="hm"),
        odd,
    ]
    builder = fold([BEGIN, *events], strict=False)
    first, second, third = builder.snapshot()["output"]
    assert (first["id"], first["role"], first["content"][0]["text"]) == ("a", "assistant", "One two")
    assert (second["id"], second["content"][0]["text"]) == ("c", "Three")
    assert third == {"type": "reasoning", "summary": [{"type": "summary_text", "text": "hm"}]}
    assert builder.unused == (odd,)


def test_the_last_event_has_the_last_word() -> None:
    """Its output and its fields count; what it leaves out stays."""
    item = {"type": "message", "id": "a", "content": [{"type": "output_text", "text": "x", "annotations": []}]}
    events = [BEGIN, added(0, "r", "reasoning"), added(1, "a"), text(1, "a", "x"), added(2, "z", "new_item", y=1)]
    end = made("response.completed", response={"id": "resp_1", "model": None, "output": [7, item], "usage": {"n": 1}})
    builder = fold([*events, end])
    made_of = builder.response()
    fields = {name: value for name, value in made_of.items() if name != "output"}
    head = {"id": "resp_1", "object": "response", "status": "completed", "model": "m"}
    assert fields == {**head, "usage": {"n": 1}}
    assert [it if it == 7 else it["id"] for it in made_of["output"]] == ["r", 7, "z", "a"]
    assert made_of["output"][3] == item


@pytest.mark.parametrize(
    ("type", "status"), [("completed", "completed"), ("incomplete", "incomplete"), ("done", "completed")]
)
def test_a_response_ends_with_its_status(type: str, status: str) -> None:
    """Also if the last event does not have it."""
    builder = fold([BEGIN])
    with pytest.raises(TruncatedStreamError, match=r"no response\.completed") as caught:
        builder.response()
    assert (builder.stopped, caught.value.request_id) == (False, "call-1")
    builder.add(made(f"response.{type}", response={"id": "resp_1"}))
    assert builder.stopped
    assert builder.response()["status"] == status


@pytest.mark.parametrize("broken", ['{"x": ', "[1]", "7"])
def test_arguments_that_are_no_json_object_are_refused(broken: str) -> None:
    """Unless the response or the call is incomplete, or the builder is not strict."""
    begun = added(0, "a", "function_call", arguments=broken, name=CANARY)
    with pytest.raises(StreamError, match="item 0 of the output: the arguments of the function_call are") as caught:
        fold([BEGIN, begun, END]).response()
    assert CANARY not in caught.value.message
    assert fold([BEGIN, begun, END], strict=False).response()["output"][0]["arguments"] == broken
    assert fold([BEGIN, begun, made("response.incomplete", response={})]).response()["status"] == "incomplete"
    cut = done(0, "a", "function_call", arguments=broken, status="incomplete")
    assert fold([BEGIN, begun, cut, END]).response()["output"][0]["status"] == "incomplete"


@pytest.mark.parametrize(
    "event",
    [
        Event(),
        Event("message", b"[DONE]"),
        Event("message", b"words"),
        Event("keepalive", b'{"type": "keepalive"}'),
        Event("message", b'{"type": "ping"}'),
        Event("response.created", b" "),
        Event("message", b"{}"),
    ],
)
def test_keep_alives_add_nothing(event: Event) -> None:
    """Under any name."""
    builder = fold([BEGIN, event, END])
    assert builder.response()["output"] == []
    assert not builder.unused


def test_what_is_unknown_is_unused() -> None:
    """Unknown events, partial images, sound, and chunks of the other API; a state of a tool says nothing."""
    others = [
        made("response.new_thing.delta", delta="x"),
        made("response.image_generation_call.partial_image", item_id="a", partial_image_b64="AA"),
        made("response.audio.delta", delta="AA"),
        Event.make("message", {"choices": []}),
    ]
    assert fold([BEGIN, *others, made("response.mcp_call.failed", item_id="a")]).unused == tuple(others)


@pytest.mark.parametrize(
    "event",
    [
        made("error", code="rate_limit_exceeded", message="slow down"),
        made(
            "response.failed", response={"status": "failed", "error": {"code": "rate_limit_exceeded", "message": "x"}}
        ),
        made("response.completed", response={"status": "failed", "error": {"code": "rate_limit_exceeded"}}),
        Event.make("message", {"error": {"code": "rate_limit_exceeded", "message": "x"}}, request_id="call-1"),
    ],
)
def test_a_failure_is_raised(event: Event) -> None:
    """As the error that the event reports; what came before stays."""
    builder = fold([BEGIN, added(0, "a"), text(0, "a", "x")])
    with pytest.raises(RateLimitError) as caught:
        builder.add(event)
    assert caught.value.request_id == "call-1"
    assert builder.text == "x"


def test_data_that_is_cut_is_an_error() -> None:
    """Whether `strict` or not."""
    for event in (Event("response.output_text.delta", b'{"delta'), Event("message", b'{"type')):
        with pytest.raises(StreamError, match="not JSON"):
            ResponseBuilder(strict=False).add(event)


def test_a_response_that_is_taken_up_has_its_output_at_the_beginning() -> None:
    """As for one that ran in the background."""
    item = {"type": "message", "id": "a", "content": [{"type": "output_text", "text": "On"}]}
    begin = made("response.created", response={"id": "resp_1", "output": [item, 7]})
    again = made("response.in_progress", response={"id": "resp_1", "output": [{**item, "content": []}]})
    (made_of,) = fold([begin, again, text(0, "a", "e"), END]).response()["output"]
    assert made_of["content"] == [{"type": "output_text", "text": "One"}]


def test_a_snapshot_is_not_changed_by_what_follows() -> None:
    """And adding leaves the events as they are."""
    events = [Event.make(type, data) for type, data in answer(spoken(("a", "b")), called("{", "}"))]
    before = [json.dumps(event.json()) for event in events]
    builder = ResponseBuilder()
    shots: list[tuple[dict[str, Any], str]] = []
    for event in events:
        builder.add(event)
        shots.append((builder.snapshot(), json.dumps(builder.snapshot())))
    assert all(json.dumps(shot) == kept for shot, kept in shots)
    assert [json.dumps(event.json()) for event in events] == before


def test_a_stream_is_checked_by_a_builder() -> None:
    """A broken answer is asked for again before anything of it is delivered."""
    clock = FakeClock()
    bodies = [sse(*answer(called("{"))), sse(*answer(spoken(("ok",))))]
    transport = ScriptedTransport([Answer(body=body) for body in bodies], clock)
    with Client([Retry()], dialect="openai", transport=transport, clock=clock) as client:
        stream = client.stream("POST", "https://api.example.org/v1", json={"stream": True})
        stream.check(lambda events: fold([*events]).response())
        with stream:
            assert "".join(stream.text()) == "ok"
    assert len(transport.requests) == 2


NAMES = ["type", "item", "item_id", "output_index", "content_index", "delta", "text", "part", "response", "output"]
NAMES += ["id", "content", "arguments", "annotations", "annotation", "summary_index", "command_index", "command"]
NAMES += ["status", "logprobs", "action"]
TYPES = ["message", "response.created", "response.output_item.added", "response.output_item.done", "response.completed"]
TYPES += ["response.output_text.delta", "response.output_text.done", "response.content_part.added", f"{WRITTEN}.delta"]
TYPES += ["response.output_text.annotation.added", f"{SHELL}.delta", f"{WRITTEN}.done", "response.content_part.done"]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 3) | st.sampled_from(["", "a", "message", "output_text", "shell_call"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=5),
    max_leaves=12,
)


@settings(max_examples=300, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(TYPES), JSON), max_size=5))
def test_any_json_is_folded_or_refused(events: list[tuple[str, Any]]) -> None:
    """No foreign exception comes of it, the result is JSON, and the text is what the stream's is."""
    builder, strict = ResponseBuilder(strict=False), ResponseBuilder()
    reader, texts = OpenAI().reader(None), list[str]()  # type: ignore[arg-type]
    for type, data in events:
        event = Event.make(type, data)
        with contextlib.suppress(StreamError):
            strict.add(event)
        try:
            builder.add(event)
        except Error:
            break
        reader.classify(event)
        texts.append(reader.text(event) or "")
    json.dumps([builder.snapshot(), strict.snapshot()])
    assert builder.text == "".join(texts)
