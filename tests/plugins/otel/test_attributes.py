"""What the spans say of a request and of its answer."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unbroken import TryAgain
from unbroken.plugin import Plugin
from unbroken.testing import Answer, play, sse
from unbroken_anthropic import Anthropic
from unbroken_openai import OpenAI
from unbroken_otel._request import Body, settings
from unbroken_otel._semconv import TABLE

from .conftest import BODY, DELTA, HEADERS, START, Recorded, answer


def attributes(recorded: Recorded) -> dict[str, Any]:
    return {name: value for name, value in recorded.call.attributes.items() if not name.startswith("unbroken.")}


def test_a_call_of_messages_has_the_attributes_of_the_conventions(recorded: Recorded) -> None:
    """Name by name and value by value, and no others; cached tokens are part of the input."""
    asked = {**BODY, "temperature": 0.5, "top_p": 0.9, "top_k": 40, "stop_sequences": ["END"]}
    play([answer(1.5)], [recorded.tracing()], dialect=Anthropic(), json=asked)
    assert attributes(recorded) == {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "anthropic",
        "gen_ai.request.model": "claude-x",
        "gen_ai.request.max_tokens": 64,
        "gen_ai.request.temperature": 0.5,
        "gen_ai.request.top_p": 0.9,
        "gen_ai.request.top_k": 40,
        "gen_ai.request.stop_sequences": ("END",),
        "gen_ai.request.stream": True,
        "gen_ai.response.time_to_first_chunk": 1.5,
        "gen_ai.response.id": "msg_1",
        "gen_ai.response.finish_reasons": ("end_turn",),
        "gen_ai.usage.input_tokens": 10 + 30 + 4,
        "gen_ai.usage.output_tokens": 7,
        "gen_ai.usage.cache_read.input_tokens": 30,
        "gen_ai.usage.cache_creation.input_tokens": 4,
        "http.response.status_code": 200,
        "http.response.header.request-id": ("req-of-server",),
        "server.address": "api.example.org",
        "server.port": 443,
    }


def test_what_is_unbrokens_own_is_under_its_own_name(recorded: Recorded) -> None:
    """The id of the call is that of its errors, log records and events."""
    played = play([answer()], [recorded.tracing()], dialect=Anthropic(), json=BODY)
    own = {name: value for name, value in recorded.call.attributes.items() if name.startswith("unbroken.")}
    assert own == {
        "unbroken.call.id": played.request_id,
        "unbroken.outcome": "success",
        "unbroken.attempts": 1,
        "unbroken.events": 4,
        "unbroken.bytes": sum(len(item) for item in answer().body),
    }


def test_an_attempt_has_the_attributes_of_an_http_request(recorded: Recorded) -> None:
    """And no path or query."""
    play([answer()], [recorded.tracing()], dialect=Anthropic(), json=BODY, url="http://127.0.0.1:8080/v1/messages?k=v")
    assert dict(recorded.attempts[0].attributes) == {
        "http.request.method": "POST",
        "http.response.status_code": 200,
        "http.response.header.request-id": ("req-of-server",),
        "unbroken.attempt": 1,
        "unbroken.outcome": "success",
        "server.address": "127.0.0.1",
        "server.port": 8080,
    }


def test_a_retry_elsewhere_has_the_address_of_where_it_went(recorded: Recorded) -> None:
    """The call keeps the one that was asked."""

    class Elsewhere(Plugin):
        def should_retry(self, call: Any, error: Any) -> TryAgain:
            return TryAgain(request=type(call.request).build("POST", "https://[::1]:9000/v1/messages"))

    play([Answer(status=503), answer()], [recorded.tracing(), Elsewhere()], dialect=Anthropic(), json=BODY)
    assert recorded.call.attributes["server.address"] == "api.example.org"
    second = recorded.attempts[1].attributes
    assert (second["server.address"], second["server.port"]) == ("::1", 9000)


def test_a_placeholder_is_not_taken_for_a_count(recorded: Recorded) -> None:
    """A stream that is cut has counted its input; its output is not known."""
    play([Answer(headers=HEADERS, body=sse(START, DELTA))], [recorded.tracing()], dialect=Anthropic(), json=BODY)
    assert recorded.call.attributes["gen_ai.usage.input_tokens"] == 44
    assert "gen_ai.usage.output_tokens" not in recorded.call.attributes


def test_the_dialect_tells_whose_api_it_is(recorded: Recorded) -> None:
    """Cached tokens are part of the input there, too."""
    piece = {"choices": [{"delta": {"content": "Hi"}}]}
    counts = {"prompt_tokens": 100, "completion_tokens": 5, "prompt_tokens_details": {"cached_tokens": 60}}
    script = [Answer(body=sse(("", piece), ("", {"choices": [], "usage": counts}), "[DONE]"))]
    play(script, [recorded.tracing()], dialect=OpenAI(), json={"model": "gpt-x"})
    assert recorded.call.name == "chat gpt-x"
    assert recorded.call.attributes["gen_ai.provider.name"] == "openai"
    assert recorded.call.attributes["gen_ai.usage.input_tokens"] == 100
    assert recorded.call.attributes["gen_ai.usage.output_tokens"] == 5
    assert recorded.call.attributes["gen_ai.usage.cache_read.input_tokens"] == 60


@pytest.mark.parametrize(
    ("url", "operation"),
    [
        ("https://api.example.org/v1/chat/completions", "chat"),
        ("https://api.example.org/v1/responses", "chat"),
        ("https://api.example.org/v1/completions/", "text_completion"),
        ("https://api.example.org/v1/complete?x=/chat/completions", "text_completion"),
        ("https://api.example.org", "chat"),
    ],
)
def test_the_path_tells_the_operation(recorded: Recorded, url: str, operation: str) -> None:
    """Two are known; the query has no say."""
    play([Answer(body=sse("{}"))], [recorded.tracing()], dialect=OpenAI(), json={}, url=url)
    assert recorded.call.name == operation
    assert recorded.call.attributes["gen_ai.operation.name"] == operation


def test_a_call_of_no_model_has_no_attributes_of_models(recorded: Recorded) -> None:
    """Plain server-sent events: the span is named after the method."""
    play([Answer(body=sse("x"))], [recorded.tracing()], method="GET", json=None)
    assert recorded.call.name == "GET"
    assert attributes(recorded) == {
        "http.response.status_code": 200,
        "server.address": "api.example.org",
        "server.port": 443,
    }


def test_settings_tell_what_the_dialect_cannot(recorded: Recorded) -> None:
    """A hosting platform, or an API of one's own."""
    tracing = recorded.tracing(provider_name="aws.bedrock", operation_name="generate_content")
    play([Answer(body=sse("x"))], [tracing], json={"model": "m"})
    assert recorded.call.name == "generate_content m"
    assert recorded.call.attributes["gen_ai.provider.name"] == "aws.bedrock"


@pytest.mark.parametrize(
    "content", [b"", b"not JSON", b"[1]", b"null", b'{"model": 1}', b'{"model": ""}', b"[" * 100_000]
)
def test_a_body_that_says_nothing_leaves_the_operation_alone(recorded: Recorded, content: bytes) -> None:
    """It is sent as it is; what it means is not for the span to judge."""
    play([answer()], [recorded.tracing()], dialect=Anthropic(), json=None, content=content)
    assert recorded.call.name == "chat"
    assert "gen_ai.request.model" not in recorded.call.attributes


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"max_completion_tokens": 5}, {"gen_ai.request.max_tokens": 5}),
        ({"max_output_tokens": 6}, {"gen_ai.request.max_tokens": 6}),
        ({"max_tokens": 1, "max_output_tokens": 6}, {"gen_ai.request.max_tokens": 1}),
        ({"stop": "a"}, {"gen_ai.request.stop_sequences": ["a"]}),
        ({"stop": ["a", 1, "b"]}, {"gen_ai.request.stop_sequences": ["a", "b"]}),
        ({"n": 3, "seed": 4}, {"gen_ai.request.choice.count": 3, "gen_ai.request.seed": 4}),
        ({"n": 1}, {}),
        ({"seed": 2**63}, {}),
        ({"temperature": True, "top_p": "0.9", "max_tokens": None, "stream": "yes", "stop": {}}, {}),
    ],
)
def test_settings_of_a_request_are_read_as_they_are_spelled(fields: dict[str, Any], expected: dict[str, Any]) -> None:
    """What is not of the right kind is left out."""
    assert settings(Body(**fields), TABLE["stable"]) == expected


json_values = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.lists(st.integers() | st.text())


@given(values=st.dictionaries(st.sampled_from(Body.__struct_fields__), json_values, max_size=4))
def test_whatever_a_request_says_its_attributes_are_plain(values: dict[str, Any]) -> None:
    """Numbers of 64 bits, flags, texts and lists of texts: nothing else can be an attribute."""
    body = Body(**values)
    for value in settings(body, TABLE["stable"]).values():
        number = isinstance(value, float) or (isinstance(value, int) and value.bit_length() < 64)
        assert number or all(isinstance(text, str) for text in value)
    assert body.model_name is None or (body.model_name.isprintable() and 0 < len(body.model_name) <= 200)
