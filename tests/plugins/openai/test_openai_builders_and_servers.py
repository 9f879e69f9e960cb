"""What compatible servers send, folded: the builders lose and double nothing of what the stream says."""

import json
from typing import Any

import pytest

from unbroken import Client, Error, Event
from unbroken.testing import FakeClock, ScriptedTransport
from unbroken_openai import CompletionBuilder, OpenAI, ResponseBuilder

from .test_openai_cases import CASES, URL, answer

TEXTS = [case for case in CASES if case["expect"].get("outcome") == "success" and case["consume"] == "text"]
ODD = {"A4-responses-odd-type-of-a-part"}
"""Where a part is no text by its type, so that the text stands in what is none."""


def received(case: dict[str, Any]) -> tuple[list[Event], str]:
    """The events of the last answer of a case, and their text as the stream tells it."""
    clock = FakeClock()
    transport = ScriptedTransport([answer(case["answers"][-1], 1 << 20)], clock)
    dialect = OpenAI(**case.get("dialect_settings", {}))
    events: list[Event] = []
    texts: list[str | None] = []
    with Client([], dialect=dialect, transport=transport, clock=clock) as client:
        body = {"stream": True, **case.get("request", {})}
        with client.stream("POST", URL, json=body) as stream:
            for event in stream:
                events.append(event)
                texts.append(stream.text_of(event))
    return events, "".join(filter(None, texts))


def built(case: dict[str, Any], events: list[Event]) -> CompletionBuilder | ResponseBuilder:
    of_responses = any(b'"response.' in event.raw or event.type.startswith("response.") for event in events)
    needs = case.get("dialect_settings", {}).get("proof") != "done"
    n = case.get("request", {}).get("n", 1)
    builder = (
        ResponseBuilder(strict=False)
        if of_responses
        else CompletionBuilder(strict=False, n=n, needs_finish_reason=needs)
    )
    for event in events:
        builder.add(event)
    return builder


def text_in(content: Any, types: tuple[str, ...]) -> str:
    """The text in the content of a message, which may be a list."""
    parts = content if isinstance(content, list) else [{"type": types[0], "text": content or ""}]
    objects = [part for part in parts if isinstance(part, dict) and part.get("type") in types]
    return "".join(part["text"] for part in objects if isinstance(part.get("text"), str))


def written(made: dict[str, Any]) -> str:
    """The text in a whole completion or response."""
    if "choices" in made:
        first = made["choices"][0]
        return first["text"] if "text" in first else text_in(first["message"]["content"], ("text",))
    items = [item for item in made["output"] if isinstance(item, dict) and item.get("type", "message") == "message"]
    contents = [item["content"] for item in items if isinstance(item.get("content"), list)]
    return "".join(text_in(content, ("output_text", "text")) for content in contents)


def test_there_are_cases() -> None:
    """Of texts alone more than a hundred."""
    assert len(TEXTS) > 150


@pytest.mark.parametrize("case", TEXTS, ids=[case["id"] for case in TEXTS])
def test_the_text_of_a_builder_is_that_of_the_stream(case: dict[str, Any]) -> None:
    """As told by `text`, and as it stands in what was built."""
    events, text = received(case)
    builder = built(case, events)
    assert builder.text == text
    made = builder.completion() if isinstance(builder, CompletionBuilder) else builder.response()
    json.dumps(made)
    if case["id"] not in ODD:
        assert written(made) == text


@pytest.mark.parametrize("case", CASES, ids=[case["id"] for case in CASES])
def test_no_case_raises_what_is_not_of_unbroken(case: dict[str, Any]) -> None:
    """Failures included, in both builders, strict and not, and as typed events."""
    for each in case["answers"]:
        events: list[Event] = []
        clock = FakeClock()
        transport = ScriptedTransport([answer(each, 1 << 20)], clock)
        try:
            with (
                Client([], dialect="openai", transport=transport, clock=clock) as client,
                client.stream("POST", URL, json={"stream": True}) as stream,
            ):
                events.extend(stream)
        except Error:
            continue
        for builder in (CompletionBuilder(), ResponseBuilder(), ResponseBuilder(strict=False)):
            for event in events:
                try:
                    event.typed()
                    builder.add(event)
                except Error:
                    break
            json.dumps(builder.snapshot())
