"""Streams of both APIs that end anywhere. With UNBROKEN_LONG=1 a hundred thousand cuts, otherwise a thousand."""

import json

from unbroken.testing import sse
from unbroken_openai import OpenAI

from ...cutting import cut_anywhere
from .vendors_answers import chats, composed_chat, composed_response, responses


def test_no_cut_of_a_completion_is_taken_for_the_end() -> None:
    """Nor is any text lost or doubled. What is missing behind the finish reason may be the counts."""
    streams = [*chats().values(), *(composed_chat(number) for number in range(40))]
    bodies = [sse(*(json.dumps(chunk, ensure_ascii=False) for chunk in stream), "[DONE]") for stream in streams]
    cut_anywhere(OpenAI(), bodies, seed=2)


def test_no_cut_of_a_response_is_taken_for_the_end() -> None:
    streams = [*responses().values(), *(composed_response(number) for number in range(40))]
    cut_anywhere(OpenAI(), [sse(*stream) for stream in streams], seed=3)
