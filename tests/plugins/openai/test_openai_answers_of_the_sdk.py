"""Every answer that the vendor documents has the text, the counts and the end that the vendor's SDK finds in it."""

import json
from typing import Any

import pytest

from unbroken import Client, Usage
from unbroken.testing import Answer, FakeClock, ScriptedTransport, play, sse
from unbroken_chat import ChatCompletions, Reply

from ...pieces import cut
from .sdk import completion, response
from .vendors_answers import chats, composed_chat, composed_response, responses, two_choices

CHATS = {**chats(), **{f"composed-{number}": composed_chat(number) for number in range(40)}}
RESPONSES = {**responses(), **{f"composed-{number}": composed_response(number) for number in range(40)}}
URL = "https://api.example.org/v1"


def written(chunks: list[dict[str, Any]]) -> bytes:
    """The chunks as the API writes them, to the ``[DONE]``."""
    return sse(*(json.dumps(chunk, ensure_ascii=False) for chunk in chunks), "[DONE]")


def assembled(chunks: list[bytes]) -> Reply:
    clock = FakeClock()
    transport = ScriptedTransport([Answer(body=chunks)], clock)
    with ChatCompletions(URL, plugins=[], transport=transport, clock=clock) as client:
        return client.send_request("Hello")


def said(chunks: list[bytes], **asked: Any) -> str:
    clock = FakeClock()
    transport = ScriptedTransport([Answer(body=chunks)], clock)
    with (
        Client([], dialect="openai", transport=transport, clock=clock) as client,
        client.stream("POST", URL, json={"stream": True, **asked}) as stream,
    ):
        return "".join(stream.text())


def counted(prompt: int, cached: int | None, output: int) -> Usage:
    """The counts of the SDK, in which the cached tokens are a part of the prompt's, as ours, in which they are not."""
    return Usage(input_tokens=prompt - (cached or 0), output_tokens=output, cache_read_tokens=cached, final=True)


def test_there_are_enough_of_them() -> None:
    """Of both APIs."""
    assert len(CHATS) > 60
    assert len(RESPONSES) > 50


@pytest.mark.parametrize("name", CHATS)
def test_a_completion_is_the_one_of_the_sdk(name: str) -> None:
    """Whole and in pieces: text, reason to stop, counts."""
    body = written(CHATS[name])
    judge = completion(*cut(body, name))
    (choice,), usage = judge.choices, judge.usage
    cached = usage and usage.prompt_tokens_details and usage.prompt_tokens_details.cached_tokens
    expected = usage and counted(usage.prompt_tokens, cached, usage.completion_tokens)
    for made in (assembled([body]), assembled(cut(body, name))):
        assert made.text == (choice.message.content or "")
        assert made.stop_reason == choice.finish_reason
        assert made.usage == expected


def test_of_two_choices_the_text_is_that_of_the_first() -> None:
    """As the SDK tells them apart, by their index."""
    body = written(two_choices())
    first, second = completion(body, n=2).choices
    assert said([body], n=2) == first.message.content == "0a 0b 0c "
    assert second.message.content == "1a 1b 1c "


@pytest.mark.parametrize("name", RESPONSES)
def test_a_response_is_the_one_of_the_sdk(name: str) -> None:
    """Whole and in pieces: the text of all its messages, the counts, the end."""
    body = sse(*RESPONSES[name])
    judge = response(body)
    cached = judge.usage.input_tokens_details.cached_tokens
    for chunks in ([body], cut(body, name)):
        assert said(chunks) == judge.output_text
        played = play([Answer(body=chunks)], dialect="openai")
        assert played.usage == counted(judge.usage.input_tokens, cached, judge.usage.output_tokens)
        assert played.types[-1] == f"response.{judge.status}"
