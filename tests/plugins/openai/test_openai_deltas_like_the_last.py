"""Deltas like the last one are added without reading the rest again, and the result is the same."""

import json
from typing import Any
from unittest import mock

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from unbroken import Error, Event
from unbroken_openai import CompletionBuilder, OpenAI, ResponseBuilder, _calls, _completion_builder, _response_builder
from unbroken_openai import _structure as structure
from unbroken_openai._choice import ChoiceInProgress
from unbroken_openai._response_events import OutputTextDelta

from .streams_of_any_kind import chunked, responded
from .vendors_answers import delta

PIECES = st.sampled_from(["", "a", "b", '{"x', '": 1}', "{}", "\ud83d", None, 1, ["c"], {}])
FUNCTIONS = st.dictionaries(st.sampled_from(["arguments", "arguments", "name"]), PIECES, max_size=2) | PIECES
CALLS = st.fixed_dictionaries(
    {"index": st.sampled_from([0, 0, 1, True, 0.0, None]), "function": FUNCTIONS},
    optional={"id": PIECES, "type": st.just("function")},
)
SAID = st.one_of(
    st.fixed_dictionaries({"content": PIECES}),
    st.fixed_dictionaries({"content": PIECES}),
    st.fixed_dictionaries({"tool_calls": st.lists(CALLS, max_size=2)}),
    st.fixed_dictionaries({"content": PIECES, "reasoning": PIECES, "role": st.just("assistant")}),
    st.fixed_dictionaries({"content": st.just([{"type": "text", "text": "d"}])}),
    PIECES,
)
CHOICES = st.fixed_dictionaries(
    {"index": st.sampled_from([0, 0, 0, 1, "0", True, 1.0, None])},
    optional={
        "finish_reason": st.sampled_from([None, None, "stop", "error"]),
        "logprobs": st.sampled_from([None, {"content": [{"token": "t"}]}]),
        "text": st.sampled_from([None, "e"]),
        "x": st.sampled_from([1, True, 1.0]),
    },
)
HEADS = st.fixed_dictionaries(
    {},
    optional={
        "id": st.sampled_from(["one", "two", ""]),
        "service_tier": st.sampled_from([None, "flex", "auto"]),
        "usage": st.sampled_from([None, {"prompt_tokens": 1}]),
        "obfuscation": st.sampled_from(["x", "yz"]),
        "status": st.sampled_from([400, 400.0]),
    },
)
COUNTS = st.integers(1, 4)


@st.composite
def chunks(draw: st.DrawFn) -> list[Any]:
    """Chunks of which several in a row differ in their deltas alone."""
    made: list[Any] = []
    for _ in range(draw(COUNTS)):
        head, choices = draw(HEADS), draw(st.lists(CHOICES, min_size=1, max_size=2) | st.just([{"index": 0}]))
        said = [draw(st.lists(SAID, min_size=len(choices), max_size=len(choices))) for _ in range(draw(COUNTS))]
        made += [
            {**head, "choices": [{**choice, "delta": each} for choice, each in zip(choices, parts, strict=True)]}
            for parts in said
        ]
    return made


def states(builder: Any, events: list[Event]) -> list[Any]:
    """What the builder says after each event, to the first error."""
    made: list[Any] = []
    for event in events:
        try:
            builder.add(event)
        except Error as error:
            return [*made, str(error), json.dumps(builder.snapshot()), builder.text]
        made.append([json.dumps(builder.snapshot()), builder.text, builder.unused])
    return made


@settings(max_examples=300, deadline=None)
@given(chunks() | chunked(), st.sampled_from([None, 1, 2]), st.sampled_from(["message", "x", "response.x"]))
def test_a_completion_is_the_same_if_everything_is_read(documents: list[Any], n: int | None, type: str) -> None:
    """After each chunk: the completion, the text, the error."""
    events = [Event.make(type, json.dumps(document)) for document in documents]
    made = states(CompletionBuilder(n=n), events)
    with (
        mock.patch.object(_completion_builder, "form_of", return_value=(None, {})),
        mock.patch.object(_calls.Calls, "_go_on", return_value=False),
    ):
        assert made == states(CompletionBuilder(n=n), events)


@settings(max_examples=200, deadline=None)
@given(chunks() | chunked(), st.sampled_from([None, 1]))
def test_the_choices_are_one_as_if_they_had_been_so_from_the_first(documents: list[Any], n: int | None) -> None:
    """A second index may come after any number of chunks; only then it matters what all have said together."""
    builder, ahead = CompletionBuilder(n=n), CompletionBuilder(n=n)
    ahead._folds._one = ChoiceInProgress(0)
    for document in documents:
        for each in (builder, ahead):
            try:
                each.add(Event.make("message", json.dumps(document)))
            except Error:
                return
        made, expected = builder.snapshot()["choices"], ahead.snapshot()["choices"]
        assert [{**it, "index": 0} for it in made] == [{**it, "index": 0} for it in expected]


PLACES = st.fixed_dictionaries(
    {},
    optional={
        "item_id": st.sampled_from(["a", "b", "", None, 1]),
        "output_index": st.sampled_from([0, 1, True, 0.0, None]),
        "content_index": st.sampled_from([0, 1, None, False]),
        "summary_index": st.sampled_from([0, 1]),
        "logprobs": st.sampled_from([[], [{"token": "t"}], None, "x"]),
    },
)
TYPES = ["output_text", "output_text", "refusal", "reasoning_summary_text", "function_call_arguments", "x"]
OTHERS: list[Any] = [
    {"type": "response.output_item.added", "output_index": 0, "item": {"id": "a", "type": "message", "content": []}},
    {"type": "response.output_item.added", "output_index": 1, "item": {"id": "b", "type": "function_call"}},
    {"type": "response.output_item.done", "output_index": 0, "item": {"id": "a", "type": "message"}},
    {"type": "response.output_text.done", "output_index": 0, "text": "whole"},
    {"type": "response.completed", "response": {}},
    {"type": "keepalive"},
]


@st.composite
def deltas(draw: st.DrawFn) -> list[tuple[str, Any]]:
    """Events of which several in a row differ in their deltas alone, with or without their names."""
    made: list[tuple[str, Any]] = [("message", each) for each in OTHERS[: draw(st.integers(0, 2))]]
    for _ in range(draw(COUNTS)):
        made += [("message", each) for each in draw(st.lists(st.sampled_from(OTHERS), max_size=1))]
        type, place = f"response.{draw(st.sampled_from(TYPES))}.delta", draw(PLACES)
        for number in range(draw(COUNTS)):
            given = {"type": type, **place, "delta": draw(PIECES), "sequence_number": number}
            made.append((draw(st.sampled_from([type, type, "message"])), given))
    return made


@settings(max_examples=300, deadline=None)
@given(deltas() | responded(), st.booleans())
def test_a_response_is_the_same_if_everything_is_read(given: list[tuple[str, Any]], strict: bool) -> None:
    """After each event: the response, the text, the unused, the error."""
    events = [Event.make(type, json.dumps(data)) for type, data in given]
    made = states(ResponseBuilder(strict=strict), events)
    with mock.patch.object(_response_builder, "_form_of", return_value=(None, "")):
        assert made == states(ResponseBuilder(strict=strict), events)


def told(event: Event) -> Any:
    try:
        return OpenAI().typed(event)
    except Error as error:
        return str(error)


@settings(max_examples=300, deadline=None)
@given(chunks(), deltas())
def test_typed_events_are_the_same_if_each_field_is_looked_at(documents: list[Any], others: list[Any]) -> None:
    """Also those whose data does not fit."""
    events = [Event.make(type, json.dumps(each)) for type, each in [*(("x", it) for it in documents), *others]]
    made = [*map(told, events)]
    with mock.patch.object(structure, "convert", side_effect=msgspec.ValidationError):
        assert made == [*map(told, events)]


@pytest.mark.parametrize("extra", [{}, {"a": 1}, None, []])
def test_a_field_of_the_name_extra_is_one_that_is_not_known(extra: Any) -> None:
    """It is not taken for the attribute."""
    it = told(Event.make("response.output_text.delta", {"delta": "a", "extra": extra}))
    assert isinstance(it, OutputTextDelta)
    assert it.extra == {"extra": extra}


def completed(*documents: Any) -> dict[str, Any]:
    builder = CompletionBuilder(strict=False)
    for document in documents:
        builder.add(Event.make("message", document))
    return builder.snapshot()


def test_a_chunk_that_reports_a_failure_does_so_each_time() -> None:
    """Though it is like the one before."""
    builder = CompletionBuilder()
    failed = Event.make("message", delta({"content": "a"}, "error"))
    for _ in range(3):
        with pytest.raises(Error):
            builder.add(failed)


def test_beyond_the_indices_that_are_told_apart_nothing_is_lost() -> None:
    """Servers that count the tokens in the index have one choice, of any length."""
    documents = [delta({"content": f"{index} "}, index=index) for index in range(1_100)]
    (choice,) = completed(*documents, *[delta({"content": "x"}, index=5_000)] * 3)["choices"]
    assert choice["message"]["content"] == "".join(f"{index} " for index in range(1_100)) + "xxx"
    assert choice["index"] == 0
    whole = completed({**documents[0], "choices": [it["choices"][0] for it in documents]}, *documents[-2:])["choices"]
    assert len(whole) == 1_024
    assert whole[0]["message"]["content"].endswith("1099 1098 1099 ")


@pytest.mark.parametrize("broken", ["\\", "\\{", "{\\}", '{"x": 1}\\'])
def test_a_backslash_outside_of_a_text_closes_nothing(broken: str) -> None:
    """It is no JSON; the next call begins where one that is whole would have ended."""
    said = [("f", broken), ("g", "{}")]
    pieces = [{"index": 0, "function": {"name": name, "arguments": arguments}} for name, arguments in said]
    (choice,) = completed(*(delta({"tool_calls": [piece]}) for piece in pieces))["choices"]
    made = [call["function"]["arguments"] for call in choice["message"]["tool_calls"]]
    assert made == ([broken, "{}"] if "}" in broken else [broken + "{}"])


def test_a_list_in_the_whole_item_is_that_of_its_parts() -> None:
    """A part that its events did not finish is finished by the item; what that leaves empty stays."""
    builder = ResponseBuilder()
    for data in (
        OTHERS[0],
        {"type": "response.output_text.delta", "item_id": "a", "content_index": 0, "delta": "as it was"},
        {"type": "response.output_text.delta", "item_id": "a", "content_index": 1, "delta": "one"},
        {
            "type": "response.output_item.done",
            "item": {"id": "a", "content": [{"text": ""}, {"text": "two", "x": 1}, {"type": "refusal"}]},
        },
    ):
        builder.add(Event.make("message", data))
    first, second, third = builder.snapshot()["output"][0]["content"]
    assert (first["text"], second["text"], second["x"], third) == ("as it was", "two", 1, {"type": "refusal"})


def test_objects_in_objects_are_continued_to_the_sixth_level() -> None:
    """Deeper ones are replaced."""
    nested: Any = {"deep": "a"}
    for _ in range(6):
        nested = {"in": nested, "text": "b"}
    (choice,) = completed(delta({"x": nested}), delta({"x": nested}))["choices"]
    made = choice["message"]["x"]
    for _ in range(5):
        assert made["text"] == "bb"
        made = made["in"]
    assert made == {"in": {"deep": "a"}, "text": "b"}


def test_a_function_keeps_what_else_is_said_of_it() -> None:
    """As every other object of a message does."""
    piece = {"index": 0, "function": {"name": "f", "arguments": "{}", "strict": True}}
    (choice,) = completed(delta({"tool_calls": [piece]}))["choices"]
    assert choice["message"]["tool_calls"] == [{"function": {"name": "f", "arguments": "{}", "strict": True}}]


def test_the_place_of_an_item_that_is_whole_may_be_used_again() -> None:
    """By an item of another id, also if the builder is strict."""
    builder = ResponseBuilder()
    again = {"type": "response.output_item.added", "output_index": 0, "item": {"id": "c", "type": "message"}}
    for data in (OTHERS[0], OTHERS[2], again):
        builder.add(Event.make("message", data))
    assert [item["id"] for item in builder.snapshot()["output"]] == ["a", "c"]


def test_of_several_choices_the_lowest_has_the_text() -> None:
    """Also while another one goes on for long."""
    builder = CompletionBuilder(n=2)
    for index in (0, 1, 1, 1, 0, 0):
        builder.add(Event.make("message", delta({"content": f"{index}"}, index=index)))
    assert builder.text == "000"
    assert [choice["message"]["content"] for choice in builder.snapshot()["choices"]] == ["000", "111"]
