"""Token counts of Chat Completions and of the Responses API."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unbroken.messages import Event, Usage
from unbroken_openai import OpenAI

DIALECT = OpenAI()


def chunk(usage: Any) -> Event:
    return Event.make("message", {"object": "chat.completion.chunk", "choices": [], "usage": usage})


def completed(usage: Any, name: str = "response.completed") -> Event:
    return Event.make(name, {"type": "response.completed", "response": {"id": "resp_1", "usage": usage}})


def chat(prompt: Any, completion: Any = 5, **details: Any) -> dict[str, Any]:
    return {"prompt_tokens": prompt, "completion_tokens": completion, "prompt_tokens_details": details}


RESPONSES = {
    "input_tokens": 100,
    "input_tokens_details": {"cached_tokens": 60, "cache_write_tokens": 10},
    "output_tokens": 7,
    "output_tokens_details": {"reasoning_tokens": 3},
    "total_tokens": 107,
}


@pytest.mark.parametrize(
    ("event", "usage"),
    [
        pytest.param(chunk(chat(9, 3)), Usage(input_tokens=9, output_tokens=3, final=True), id="chat"),
        pytest.param(
            chunk(chat(100, cached_tokens=60)),
            Usage(input_tokens=40, output_tokens=5, cache_read_tokens=60, final=True),
            id="cached-is-part-of-the-prompt",
        ),
        pytest.param(
            completed(RESPONSES),
            Usage(input_tokens=30, output_tokens=7, cache_read_tokens=60, cache_write_tokens=10, final=True),
            id="responses",
        ),
        pytest.param(
            completed(RESPONSES, "message"),
            Usage(input_tokens=30, output_tokens=7, cache_read_tokens=60, cache_write_tokens=10, final=True),
            id="responses-unnamed",
        ),
        pytest.param(
            chunk(chat(5, cached_tokens=60)), Usage(input_tokens=5, output_tokens=5, final=True), id="D53-more-than-all"
        ),
        pytest.param(
            chunk({"prompt_tokens_details": {"cached_tokens": 6}}), Usage(cache_read_tokens=6), id="D53-part-alone"
        ),
        pytest.param(
            chunk(chat(9, 0, cached_tokens=0)),
            Usage(input_tokens=9, output_tokens=0, cache_read_tokens=0, final=True),
            id="zero",
        ),
        pytest.param(chunk(chat(9, None)), Usage(input_tokens=9), id="D53-output-missing"),
        pytest.param(chunk(chat("9", 3)), Usage(output_tokens=3, final=True), id="D53-input-is-text"),
        pytest.param(chunk(chat(True, 1.0)), None, id="D53-types"),
        pytest.param(chunk(chat(-1, 10**16)), None, id="D53-nonsense"),
        pytest.param(
            chunk({"prompt_tokens": 9, "prompt_tokens_details": [1]}), Usage(input_tokens=9), id="D53-details-is-list"
        ),
        pytest.param(chunk({}), None, id="D53-empty"),
        pytest.param(chunk(None), None, id="D53-null"),
        pytest.param(chunk([1]), None, id="D53-list"),
        pytest.param(completed(None), None, id="D53-responses-null"),
        pytest.param(Event.make("response.completed", {"response": "x"}), None, id="response-is-text"),
        pytest.param(Event.make("message", [1]), None, id="no-object"),
        pytest.param(Event("response.completed", b"{"), None, id="cut"),
        pytest.param(Event("message", b"[" * 100_000), None, id="deep"),
        pytest.param(Event("message", b"[DONE]"), None, id="done"),
    ],
)
def test_counts_are_read_where_they_make_sense(event: Event, usage: Usage | None):
    """Cached tokens are taken out of the input, which the API counts them in; what makes no sense is left out."""
    assert DIALECT.usage(event) == usage


COUNT = st.integers(-2, 10**4) | st.none() | st.text(max_size=2) | st.booleans()


@given(prompt=COUNT, output=COUNT, read=COUNT, written=COUNT)
def test_the_parts_of_the_input_add_up_to_what_the_server_said(prompt: Any, output: Any, read: Any, written: Any):
    """Whatever is missing or nonsense: no count is negative, and none is counted twice."""
    usage = DIALECT.usage(chunk(chat(prompt, output, cached_tokens=read, cache_write_tokens=written))) or Usage()
    parts = (usage.input_tokens, usage.cache_read_tokens, usage.cache_write_tokens)
    assert all(part is None or part >= 0 for part in (*parts, usage.output_tokens))
    assert usage.final == (usage.output_tokens is not None)
    if type(prompt) is int and prompt >= 0:
        assert sum(part or 0 for part in parts) == prompt


@given(raw=st.binary(max_size=80) | st.sampled_from([b'{"usage":', b'{"response":{"usage":{}}}']))
def test_no_bytes_break_the_counting(raw: bytes):
    """Usage is a by-product: it never fails a stream."""
    assert DIALECT.usage(Event("message", raw)) is None
