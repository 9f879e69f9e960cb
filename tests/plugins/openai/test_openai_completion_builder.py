"""Chunks folded into the completion that they tell of, whatever servers leave out or repeat."""

import contextlib
import json
import sys
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from unbroken import Client, Error, Event, RateLimitError, StreamError, TruncatedStreamError
from unbroken.testing import Answer, FakeClock, ScriptedTransport, sse
from unbroken_openai import CompletionBuilder, OpenAI
from unbroken_retry import Retry

from .vendors_answers import delta, said, two_choices

CANARY = "canary-7f3a"


def chunk(data: Any, type: str = "message") -> Event:
    return Event.make(type, data, request_id="call-1", dialect=OpenAI())


def fold(chunks: list[Any], **options: Any) -> CompletionBuilder:
    builder = CompletionBuilder(**options)
    for each in chunks:
        builder.add(each if isinstance(each, Event) else chunk(each))
    return builder


def message(*deltas: Any, reason: str = "stop") -> dict[str, Any]:
    """The only message of a whole completion of these deltas."""
    (choice,) = fold([*map(delta, deltas), delta({}, reason)]).completion()["choices"]
    return choice["message"]


def calls(*pieces: dict[str, Any], reason: str = "tool_calls") -> list[tuple[Any, Any, Any]]:
    """The id, the name and the arguments of each call, of which the pieces came one in each chunk."""
    made = message(*({"tool_calls": [piece]} for piece in pieces), reason=reason)
    return [(it.get("id"), it["function"].get("name"), it["function"].get("arguments")) for it in made["tool_calls"]]


def piece(index: Any = None, id: Any = None, name: Any = None, arguments: Any = None) -> dict[str, Any]:
    function = {key: it for key, it in {"name": name, "arguments": arguments}.items() if it is not None}
    return {key: it for key, it in {"index": index, "id": id, "function": function}.items() if it is not None}


@pytest.mark.parametrize(
    ("pieces", "expected"),
    [
        pytest.param(
            [piece(0, "a", "f", ""), piece(0, arguments='{"x"'), piece(0, arguments=": 1}")],
            [("a", "f", '{"x": 1}')],
            id="as-documented",
        ),
        pytest.param(
            [piece(1, "b", "g", "{"), piece(0, "a", "f", "{"), piece(1, arguments="}"), piece(0, arguments="}")],
            [("a", "f", "{}"), ("b", "g", "{}")],
            id="in-turns-by-index",
        ),
        pytest.param(
            [piece(0, "a", "f", "{"), piece(0, "a", "f", '"x": '), piece(0, "a", "f", "1}")],
            [("a", "f", '{"x": 1}')],
            id="id-and-name-in-every-piece",
        ),
        pytest.param(
            [piece(0, "a", "f", "{"), piece(0, "b", None, "}"), piece(0, "c", "", "")],
            [("a", "f", "{}")],
            id="another-id-in-every-piece",
        ),
        pytest.param(
            [piece(0, "a", "f", '{"x": "}{\\""'), piece(0, "b", "f", "}")],
            [("a", "f", '{"x": "}{\\""}')],
            id="another-id-and-the-name-in-every-piece",
        ),
        pytest.param(
            [piece(0, "a", "f", '{"x": 1}'), piece(0, "b", "f", '{"x": 2}'), piece(0, "c", "g", "{}")],
            [("a", "f", '{"x": 1}'), ("b", "f", '{"x": 2}'), ("c", "g", "{}")],
            id="whole-calls-of-one-index",
        ),
        pytest.param(
            [piece(0, "", "f", '{"x": 1}'), piece(0, "", "f", '{"x": 2}')],
            [(None, "f", '{"x": 1}'), (None, "f", '{"x": 2}')],
            id="whole-calls-of-one-index-without-id",
        ),
        pytest.param(
            [piece(0, "a", "f", ""), piece(0, "b", "g", ""), piece(0, "a", None, "{}")],
            [("a", "f", "{}"), ("b", "g", "")],
            id="the-id-tells-calls-of-one-index-apart",
        ),
        pytest.param(
            [piece(0, "a", "f", '{"x": 1}'), piece(0, None, "f", '{"x": 1}')],
            [("a", "f", '{"x": 1}')],
            id="the-whole-once-more-at-the-end",
        ),
        pytest.param(
            [piece(None, "a", "f", "{"), piece(None, None, None, "}"), piece(None, "b", "g", "{}")],
            [("a", "f", "{}"), ("b", "g", "{}")],
            id="no-index",
        ),
        pytest.param(
            [
                piece(None, "a", "f", "{"),
                piece(None, "b", "g", "{"),
                piece(None, "a", None, "}"),
                piece(None, "b", None, "}"),
            ],
            [("a", "f", "{}"), ("b", "g", "{}")],
            id="no-index-in-turns",
        ),
        pytest.param(
            [piece(None, None, "f", "{}"), piece(None, None, "g", '{"x": 1}')],
            [(None, "f", "{}"), (None, "g", '{"x": 1}')],
            id="neither-index-nor-id",
        ),
        pytest.param(
            [piece("0", "a", "f", "{"), piece("1", "b", "g", "{}"), piece("0", None, None, "}")],
            [("a", "f", "{}"), ("b", "g", "{}")],
            id="index-as-text",
        ),
        pytest.param(
            [piece(0, "a", "fu", None), piece(0, "a", "nc", "{}")], [("a", "func", "{}")], id="name-in-pieces"
        ),
        pytest.param([piece(0, "a", "f", {"x": [1]})], [("a", "f", '{"x":[1]}')], id="arguments-as-an-object"),
        pytest.param([piece(7, "a", "f", "{}"), piece(3, "b", "g", "")], [("b", "g", ""), ("a", "f", "{}")], id="gaps"),
    ],
)
def test_tool_calls_are_put_together(pieces: list[dict[str, Any]], expected: list[Any]) -> None:
    """Nothing is lost or doubled, however the server counts and names them."""
    assert calls(*pieces) == expected


def test_calls_in_one_list_without_index_and_id_are_told_apart_by_their_place() -> None:
    """As whole messages have them."""
    listed = [piece(None, None, "f", ""), piece(None, None, "g", "")]
    made = message(
        {"tool_calls": listed},
        {"tool_calls": [piece(None, None, None, '{"x'), piece(None, None, None, "{}")]},
        reason="length",
    )
    assert [it["function"] for it in made["tool_calls"]] == [
        {"name": "f", "arguments": '{"x'},
        {"name": "g", "arguments": "{}"},
    ]


def test_a_custom_tool_has_its_input_as_text() -> None:
    """It is no JSON and not judged."""
    begun = {"index": 0, "id": "a", "type": "custom", "custom": {"name": "write", "input": ""}, "x": {"y": "z"}}
    made = message({"tool_calls": [begun]}, {"tool_calls": [{"index": 0, "custom": {"input": "{oh"}}]})
    assert made["tool_calls"] == [
        {"id": "a", "type": "custom", "x": {"y": "z"}, "custom": {"name": "write", "input": "{oh"}}
    ]


def test_a_call_of_the_older_api_is_put_together() -> None:
    """``function_call`` has no index."""
    made = message({"function_call": {"name": "f", "arguments": ""}}, {"function_call": {"arguments": "{}"}})
    assert made["function_call"] == {"name": "f", "arguments": "{}"}


@pytest.mark.parametrize(
    ("deltas", "expected"),
    [
        pytest.param([{"content": "a"}, {"content": None}, {"content": "b"}], {"content": "ab"}, id="text"),
        pytest.param([{}], {"content": None}, id="nothing"),
        pytest.param([{"refusal": None}, {"refusal": "n"}, {"refusal": "o"}], {"refusal": "no"}, id="refusal"),
        pytest.param(
            [{"reasoning_content": "a"}, {"reasoning_content": "b"}, {"content": "c"}],
            {"reasoning_content": "ab", "content": "c"},
            id="reasoning",
        ),
        pytest.param(
            [{"content": [{"type": "text", "text": "a"}]}, {"content": [{"type": "text", "text": "b"}]}],
            {"content": [{"type": "text", "text": "ab"}]},
            id="parts",
        ),
        pytest.param(
            [
                {"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "a"}]}]},
                {"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "b"}]}]},
                {"content": "c"},
                {"content": ""},
                {"content": [None, {"type": "image_url", "image_url": "x"}]},
            ],
            {
                "content": [
                    {"type": "thinking", "thinking": [{"type": "text", "text": "ab"}]},
                    {"type": "text", "text": "c"},
                    None,
                    {"type": "image_url", "image_url": "x"},
                ]
            },
            id="parts-of-all-kinds",
        ),
        pytest.param(
            [
                {"images": [{"index": 0, "image_url": {"url": "a"}}]},
                {"images": [{"index": 0, "image_url": {"url": "b"}}]},
            ],
            {"images": [{"index": 0, "image_url": {"url": "a"}}, {"index": 0, "image_url": {"url": "b"}}]},
            id="images",
        ),
        pytest.param(
            [{"audio": {"id": "a", "data": "AA"}}, {"audio": {"data": "BB", "expires_at": 5}}],
            {"audio": {"id": "a", "data": "AABB", "expires_at": 5}},
            id="audio",
        ),
        pytest.param(
            [
                {"reasoning_details": [{"type": "reasoning.text", "index": 0, "text": "a"}]},
                {"reasoning_details": [{"type": "reasoning.text", "index": 0, "text": "b", "signature": "s"}]},
                {"reasoning_details": [{"type": "reasoning.encrypted", "index": 0, "data": "x"}, 7]},
            ],
            {
                "reasoning_details": [
                    {"type": "reasoning.text", "index": 0, "text": "ab", "signature": "s"},
                    {"type": "reasoning.encrypted", "index": 0, "data": "x"},
                    7,
                ]
            },
            id="reasoning-details",
        ),
        pytest.param([{"x": 1, "y": {"z": True}}, {"x": 2, "y": [1]}], {"x": 2, "y": [1]}, id="unknown-and-odd"),
        pytest.param(
            [{"content": 7, "tool_calls": "x", "images": {}, "function_call": 1}], {"content": None}, id="odd"
        ),
    ],
)
def test_a_message_has_what_its_deltas_had(deltas: list[Any], expected: dict[str, Any]) -> None:
    """Texts joined, lists continued, everything else as it came last."""
    made = message(*deltas)
    assert {name: made.get(name) for name in expected} == expected
    assert made["role"] == "assistant"
    json.dumps(made)


def test_the_older_completions_have_text_in_place_of_a_message() -> None:
    """With log probabilities in their own form."""
    pieces = [
        {"object": "text_completion", "choices": [{"index": 0, "text": text, "logprobs": {"tokens": [text]}}]}
        for text in "ab"
    ]
    builder = fold([*pieces, {"choices": [{"index": 0, "text": "", "finish_reason": "stop"}]}])
    assert builder.completion() == {
        "id": "",
        "object": "text_completion",
        "model": "",
        "choices": [{"index": 0, "text": "ab", "logprobs": {"tokens": ["a", "b"]}, "finish_reason": "stop"}],
        "usage": None,
    }
    assert builder.text == "ab"


def test_fields_of_the_completion_count_as_they_come_last() -> None:
    """But the first id, time and model count; counts are found wherever a server puts them."""
    builder = fold(
        [
            {"id": "", "model": "", "choices": [], "prompt_filter_results": [1]},
            {"id": "a", "model": "m", "created": 1, "choices": [{"delta": {}}], "citations": ["x"], "obfuscation": "o"},
            {"id": "b", "model": "n", "created": 2, "choices": [{"finish_reason": "stop", "stop_reason": None}]},
            {
                "choices": [],
                "citations": ["x", "y"],
                "service_tier": "flex",
                "system_fingerprint": "fp",
                "provider": None,
            },
            {"x_groq": {"usage": {"prompt_tokens": 1}}},
        ]
    )
    made = builder.completion()
    assert made.pop("choices")[0]["stop_reason"] is None
    assert made == {
        "id": "a",
        "object": "chat.completion",
        "model": "m",
        "created": 1,
        "prompt_filter_results": [1],
        "citations": ["x", "y"],
        "service_tier": "flex",
        "system_fingerprint": "fp",
        "provider": None,
        "x_groq": {"usage": {"prompt_tokens": 1}},
        "usage": {"prompt_tokens": 1},
    }


def counted(*indices: int, ends: tuple[int, ...] = ()) -> list[Any]:
    return [
        *(delta({"content": str(index)}, index=index) for index in indices),
        *(delta({}, "stop", index=at) for at in ends),
    ]


@pytest.mark.parametrize(
    ("chunks", "n", "expected"),
    [
        pytest.param(counted(0, 1, 0, 1, ends=(0, 1)), None, ["00", "11"], id="in-turns"),
        pytest.param(counted(0, 0, 1, 1, ends=(1, 0)), None, ["00", "11"], id="one-after-the-other"),
        pytest.param(counted(0, 1, 2, ends=(3,)), None, ["012"], id="the-number-of-the-token"),
        pytest.param(counted(0, 1, 0, 1, ends=(0,)), 1, ["0101"], id="one-was-asked-for"),
        pytest.param(counted(1, 0, ends=(0, 1)), 2, ["0", "1"], id="two-were-asked-for"),
        pytest.param(counted(5, 5, ends=(5,)), None, ["55"], id="another-index"),
    ],
)
def test_choices_are_told_apart(chunks: list[Any], n: int | None, expected: list[str]) -> None:
    """By their index if there are several, and by nothing if there is one."""
    made = fold(chunks, n=n).completion()["choices"]
    assert [choice["message"]["content"] for choice in made] == expected
    assert fold(chunks, n=n).text == expected[0]


def test_a_choice_that_has_not_ended_is_truncated() -> None:
    """Also if the other one has; a server without finish reasons is taken at its word."""
    with pytest.raises(TruncatedStreamError, match="choice 0 has no finish_reason") as caught:
        fold(two_choices()[:-1]).completion()
    assert caught.value.request_id == "call-1"
    with pytest.raises(TruncatedStreamError, match="no finish_reason"):
        fold(said("a")).completion()
    with pytest.raises(TruncatedStreamError, match="there was no choice"):
        fold([]).completion()
    assert fold(said("a"), needs_finish_reason=False).completion()["choices"][0]["finish_reason"] is None


@pytest.mark.parametrize("broken", ['{"x": ', "[1]", '{"x": 1}}', "7"])
def test_arguments_that_are_no_json_object_are_refused(broken: str) -> None:
    """Unless they were cut off, or the builder is not strict."""
    chunks = [delta({"tool_calls": [piece(0, "a", CANARY, broken)]}), delta({}, "tool_calls")]
    builder = fold(chunks)
    with pytest.raises(StreamError, match="choice 0: the arguments of tool call 0 are") as caught:
        builder.completion()
    assert CANARY not in caught.value.message
    kept = builder.snapshot()
    assert fold(chunks, strict=False).completion() == kept
    for reason in ("length", "content_filter"):
        (choice,) = fold([chunks[0], delta({}, reason)]).completion()["choices"]
        assert choice["message"]["tool_calls"][0]["function"]["arguments"] == broken
    older = [delta({"function_call": {"name": "f", "arguments": broken}}), delta({}, "function_call")]
    with pytest.raises(StreamError, match="the arguments of the function call are"):
        fold(older).completion()


KEEP_ALIVES = [
    Event(),
    Event("message", b"[DONE]"),
    Event("message", b": ok"),
    Event("ping", b"{}"),
    Event("response.created", b" "),
    Event("x", b"[]"),
]


@pytest.mark.parametrize("event", KEEP_ALIVES)
def test_keep_alives_add_nothing(event: Event) -> None:
    """Under any name."""
    builder = fold([event, delta({}, "stop")])
    assert len(builder.completion()["choices"]) == 1
    assert not builder.unused


def test_other_events_are_unused() -> None:
    """Those of the Responses API, and objects that have no choices."""
    others = [chunk({"type": "response.created"}), chunk({"a": 1}), chunk({"delta": "x"}, "response.output_text.delta")]
    assert fold(others).unused == tuple(others)


def test_an_error_is_raised_and_what_came_before_stays() -> None:
    """As the error that the chunk reports; data that is cut is an error, too."""
    builder = fold(said("a"))
    with pytest.raises(RateLimitError) as caught:
        builder.add(chunk({"error": {"code": "rate_limit_exceeded", "message": "slow down"}}))
    assert caught.value.request_id == "call-1"
    with pytest.raises(RateLimitError):
        builder.add(chunk({"error": {"code": "rate_limit_exceeded", "message": "slow down"}}, "error"))
    with pytest.raises(StreamError, match="not JSON"):
        builder.add(chunk(b'{"choices": [{"de'))
    with pytest.raises(StreamError, match="not JSON"):
        builder.add(chunk(b'{"response": {"id', "response.created"))  # also what would be of no use
    assert builder.text == "a"


def test_a_snapshot_is_not_changed_by_what_follows() -> None:
    """Neither by more events, nor by its owner."""
    builder = fold([delta({"tool_calls": [piece(0, "a", "f", "{")], "x": {"y": "z"}})])
    first = builder.snapshot()
    kept = json.dumps(first)
    builder.add(chunk(delta({"tool_calls": [piece(0, arguments="}")], "x": {"y": "z"}}, "stop")))
    assert json.dumps(first) == kept
    first["choices"][0]["message"]["x"]["y"] = first["choices"][0]["message"]["tool_calls"] = None
    assert builder.completion()["choices"][0]["message"]["x"] == {"y": "zz"}


def test_a_stream_is_checked_by_a_builder() -> None:
    """A broken answer is asked for again before anything of it is delivered."""
    broken = sse(*(("", each) for each in [delta({"tool_calls": [piece(0, "a", "f", "{")]}), delta({}, "tool_calls")]))
    right = sse(*(("", each) for each in [delta({"content": "ok"}), delta({}, "stop")]))
    clock = FakeClock()
    transport = ScriptedTransport([Answer(body=broken), Answer(body=right)], clock)
    made: list[Any] = []
    with Client([Retry()], dialect="openai", transport=transport, clock=clock) as client:
        stream = client.stream("POST", "https://api.example.org/v1", json={"stream": True})
        stream.check(lambda events: made.append(fold([*events]).completion()))
        with stream:
            assert "".join(stream.text()) == "ok"
    assert [it["choices"][0]["message"]["content"] for it in made] == ["ok"]
    assert len(transport.requests) == 2


def test_a_long_stream_takes_linear_time() -> None:
    """Also with a new id and the name in each piece of a call, which asks each time whether a call begins."""
    steps = []
    for count in (500, 4000):
        lines = 0

        def trace(frame: Any, event: str, arg: Any) -> Any:
            nonlocal lines
            lines += 1
            return trace

        chunks = [chunk(delta({"tool_calls": [piece(0, str(at), "f", '{"a": "}"')]})) for at in range(count)]
        builder = CompletionBuilder()
        before = sys.gettrace()
        sys.settrace(trace)
        try:
            for each in chunks:
                builder.add(each)
        finally:
            sys.settrace(before)
        steps.append(lines)
    assert steps[1] < steps[0] * 10


NAMES = ["choices", "index", "delta", "message", "content", "text", "type", "tool_calls", "id", "function", "custom"]
NAMES += ["name", "arguments", "input", "function_call", "logprobs", "finish_reason", "images", "usage", "audio"]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 3) | st.sampled_from(["", "a", "0", "text", "{}", "function"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(NAMES),
            inner,
            max_size=5,
        )
    ),
    max_leaves=15,
)


@settings(max_examples=300, deadline=None)
@given(st.lists(JSON, max_size=4), st.sampled_from([None, 1, 2]))
@example(
    [{"choices": [{"index": 0, "delta": {"tool_calls": [{"type": [], "index": 0, "function": {"name": []}}]}}]}], None
)
def test_any_json_is_folded_or_refused(documents: list[Any], n: int | None) -> None:
    """No foreign exception comes of it, the result is JSON, and the text is what the stream's is."""
    builder = CompletionBuilder(strict=False, n=n)
    texts: list[str] = []
    reader = OpenAI().reader(None)  # type: ignore[arg-type]
    for document in documents:
        event = Event.make("message", document)
        try:
            builder.add(event)
        except Error:
            break
        reader.classify(event)
        texts.append(reader.text(event) or "")
    json.dumps(builder.snapshot())
    if n == 1:
        assert builder.text == "".join(texts)
    with contextlib.suppress(TruncatedStreamError):
        builder.completion()


def test_deep_json_is_kept() -> None:
    """Without recursion into it."""
    deep: Any = "x"
    for _ in range(200):
        deep = {"a": [deep]}
    made = message({"x": deep}, {"x": deep})
    assert made["x"].keys() == {"a"}
