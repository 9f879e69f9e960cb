"""Unbroken under a2a-sdk: under the HTTP client that it is given. Its streams are plain SSE, proven by a clean end."""

import asyncio
import json

import httpx
import pytest

from unbroken import ConfigurationError, NetworkError
from unbroken.testing import Answer, sse
from unbroken_sdk import protect

from .kit import under

client = pytest.importorskip("a2a.client")
types = pytest.importorskip("a2a.types")
JSON = {"content-type": "application/json"}
BROKEN = NetworkError("the peer closed the connection")


def result(text):
    message = {"messageId": "1", "role": "ROLE_AGENT", "parts": [{"text": text}]}
    return {"jsonrpc": "2.0", "id": "1", "result": {"message": message}}


def piece(text):
    artifact = {"artifactId": "a", "parts": [{"text": text}]}
    update = {"taskId": "t", "contextId": "c", "artifact": artifact}
    return {"jsonrpc": "2.0", "id": "1", "result": {"artifactUpdate": update}}


def streamed(*texts):
    return b": ping\n\n" + sse(*(("", piece(text)) for text in texts))


def text_of(answer):
    return (answer.message if answer.HasField("message") else answer.artifact_update.artifact).parts[0].text


async def said(*answers, streams=True, sent=None):
    """The texts that an agent says."""
    http = under(httpx.AsyncClient(), *answers, requests=sent)
    config = client.ClientConfig(streaming=streams, httpx_client=http, supported_protocol_bindings=["JSONRPC"])
    card = client.minimal_agent_card("https://agent.example/rpc", ["JSONRPC"])
    card.capabilities.streaming = streams
    agent = client.ClientFactory(config).create(card)
    message = types.Message(message_id="1", role=types.Role.ROLE_USER, parts=[types.Part(text="hi")])
    request = types.SendMessageRequest(message=message)
    return [text_of(answer) async for answer in agent.send_message(request)]


def test_streams():
    sent = []
    assert asyncio.run(said(503, Answer(body=streamed("one", "two")), sent=sent)) == ["one", "two"]
    assert len(sent) == 2
    assert sent[1].headers["accept"] == "text/event-stream"


def test_plain_answers():
    answer = Answer(headers=JSON, body=json.dumps(result("one")).encode())
    cut = Answer(headers=JSON, body=json.dumps(result("one")).encode()[:30])
    assert asyncio.run(said(503, cut, answer, streams=False)) == ["one"]


def test_a_connection_that_breaks_is_its_own_error():
    """A stream that ends cleanly in the middle is whole: of that there is no proof."""
    with pytest.raises(client.A2AClientError, match="closed the connection"):
        asyncio.run(said(Answer(body=[streamed("one"), BROKEN])))
    assert asyncio.run(said(Answer(body=streamed("one")))) == ["one"]


def test_an_error_of_the_agent_is_its_own_error():
    told = {"jsonrpc": "2.0", "id": "1", "error": {"code": -32001, "message": "no such task"}}
    with pytest.raises(Exception, match="no such task") as caught:
        asyncio.run(said(Answer(body=sse(("", told)))))
    assert type(caught.value).__name__ == "TaskNotFoundError"


def test_protect_takes_the_http_client():
    with pytest.raises(ConfigurationError, match="ClientConfig"):
        protect(client.ClientFactory(client.ClientConfig()), [])
