"""The test kit: an application with an SDK is tested without a network."""

import asyncio

import anthropic
import httpx
import httpx2
import openai
import pytest

from unbroken import ConfigurationError
from unbroken.testing import STALL, Answer, FakeClock, run, sse
from unbroken_retry import Retry
from unbroken_sdk.testing import scripted
from unbroken_timeout import Timeout

ASK = {"max_tokens": 9, "model": "m", "messages": [{"role": "user", "content": "hi"}]}
START = ("message_start", {"type": "message_start", "message": {"id": "1", "usage": {"input_tokens": 1}}})

GEMINI = "https://generativelanguage.googleapis.com/v1beta/models/m"
BEDROCK = "https://bedrock-runtime.us-east-1.amazonaws.com/model/m"


def test_texts_statuses_failures_and_whole_answers_come_in_order():
    sent = []
    page = Answer(headers={"content-type": "application/json"}, body=b'{"data": []}')
    client = scripted(
        anthropic.Anthropic(api_key="k"), ["one", 529, ConnectionResetError(), "two", page, 401], requests=sent
    )
    assert client.messages.create(**ASK).content[0].text == "one"
    assert client.messages.create(**ASK).content[0].text == "two"
    assert list(client.models.list()) == []
    with pytest.raises(anthropic.AuthenticationError, match="scripted: 401"):
        client.messages.create(**ASK)
    assert [request.url.rpartition("/")[2] for request in sent] == [*["messages"] * 4, "models", "messages"]


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_an_async_client_takes_the_same_script(backend):
    async def ask():
        client = scripted(anthropic.AsyncAnthropic(api_key="k"), [529, "one", 400], [Retry()])
        async with client.messages.stream(**ASK) as stream:
            text = "".join([text async for text in stream.text_stream])
        with pytest.raises(anthropic.BadRequestError):
            await client.messages.create(**ASK)
        return text

    assert run(ask, backend=backend) == "one"


def test_nothing_waits_in_an_ordinary_event_loop():
    """An hour of back-off, and a stall until the timeout, pass at once."""
    clock = FakeClock()

    async def ask(clock):
        stalled = Answer(body=[sse(START), STALL])
        slow = Answer(body=[3600.0, sse(START), STALL])
        plugins = [Timeout(first_event=60), Retry(initial_delay=3600, max_delay=3600, max_retries=2)]
        client = scripted(anthropic.AsyncAnthropic(api_key="k"), [stalled, 529, slow], plugins, clock=clock)
        with pytest.raises(anthropic.APITimeoutError):
            await client.messages.create(stream=True, **ASK)

    run(ask, clock, clock=clock)
    assert clock.monotonic() > 1000 + 3600
    asyncio.run(ask(None))


def test_a_failure_behind_the_content_is_told_as_the_sdk_tells_it():
    block = {"index": 0, "content_block": {"type": "text", "text": ""}}
    piece = {"index": 0, "delta": {"type": "text_delta", "text": "Half"}}
    told = sse(
        START,
        ("content_block_start", {"type": "content_block_start", **block}),
        ("content_block_delta", {"type": "content_block_delta", **piece}),
    )
    client = scripted(anthropic.Anthropic(api_key="k"), [Answer(body=told)])
    seen = []
    with pytest.raises(anthropic.APIStatusError, match="ended before the stream was complete"):
        seen.extend(event.type for event in client.messages.create(stream=True, **ASK))
    assert seen == ["message_start", "content_block_start", "content_block_delta"]


def test_a_request_too_many_is_a_failure_that_names_it():
    client = scripted(openai.OpenAI(api_key="k"), [])
    with pytest.raises(openai.APIConnectionError) as caught:
        client.responses.create(model="m", input="hi")
    causes, error = [], caught.value
    while error is not None:
        causes.append(str(error))
        error = error.__cause__
    assert causes[-1] == "the script has no answer left for POST https://api.openai.com/v1/responses"


def test_text_for_another_api_is_a_failure_that_asks_for_an_answer():
    client = scripted(httpx.Client(), ["text"], [])
    with pytest.raises(httpx.TransportError) as caught:
        client.post("https://api.example/v1/embeddings", json={})
    assert str(caught.value.__cause__.__cause__) == (
        "no text can be spoken for POST https://api.example/v1/embeddings: give an Answer"
    )


def test_any_other_exception_is_raised_where_the_answer_would_be():
    client = scripted(httpx2.Client(), [ValueError("no")], [])
    with pytest.raises(httpx2.TransportError) as caught:
        client.get("https://api.example/")
    assert isinstance(caught.value.__cause__.__cause__, ValueError)


def test_the_proxies_of_the_environment_are_not_used(monkeypatch):
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    client = scripted(openai.OpenAI(api_key="k"), ["one"])
    assert client.responses.create(model="m", input="hi").output_text == "one"


def test_what_protect_refuses_is_refused_here():
    with pytest.raises(ConfigurationError, match="none of those that protect"):
        scripted(object(), [])


@pytest.mark.parametrize(
    ("url", "body", "kind"),
    [
        ("https://api.anthropic.com/v1/messages", {"stream": True}, "text/event-stream"),
        ("https://api.anthropic.com/v1/messages", {}, "application/json"),
        (
            "https://x.example/openai/deployments/d/chat/completions?api-version=1",
            {"stream": True},
            "text/event-stream",
        ),
        ("https://api.openai.com/v1/responses", {}, "application/json"),
        (f"{GEMINI}:streamGenerateContent?alt=sse", {}, "text/event-stream"),
        (f"{GEMINI}:streamGenerateContent", {}, "application/json"),
        (f"{GEMINI}:generateContent", {}, "application/json"),
        ("http://localhost:11434/api/chat", {}, "application/x-ndjson"),
        ("http://localhost:11434/api/generate", {"stream": False}, "application/json"),
        (f"{BEDROCK}/invoke", {}, "application/json"),
        (f"{BEDROCK}/converse", {}, "application/json"),
        (f"{BEDROCK}/converse-stream", {}, "application/vnd.amazon.eventstream"),
    ],
)
def test_text_has_the_form_that_the_request_asks_for(url, body, kind):
    response = scripted(httpx.Client(), ["one"], []).post(url, json=body)
    assert response.headers["content-type"] == kind
    assert '"one"' in response.text


def test_a_body_without_a_model_gets_an_answer_too():
    response = scripted(httpx.Client(), ["one"], []).post("https://api.openai.com/v1/responses", content=b"[]")
    assert response.json()["model"] == "model"
