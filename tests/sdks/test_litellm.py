"""`protect` under litellm: the routes over its OpenAI client, and its handlers for the others."""

import asyncio
import logging

import pytest

import unbroken_sdk

from .kit import HALF_OF_CHAT, MESSAGES, under

litellm = pytest.importorskip("litellm")
handlers = pytest.importorskip("litellm.llms.custom_httpx.http_handler")
ASK = {"model": "openai/m", "messages": MESSAGES, "api_key": "k", "num_retries": 0}


@pytest.fixture(autouse=True)
def sessions(monkeypatch):
    monkeypatch.setattr(litellm, "client_session", None)
    monkeypatch.setattr(litellm, "aclient_session", None)
    monkeypatch.setattr(litellm, "suppress_debug_info", True)


def test_plain_answers_and_streams():
    assert under(litellm, 503, "one", 503, "two") is litellm
    assert litellm.completion(**ASK).choices[0].message.content == "one"
    chunks = list(litellm.completion(stream=True, **ASK))
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == "two"


def test_async():
    async def ask():
        under(litellm, 503, "one")
        return await litellm.acompletion(**ASK)

    assert asyncio.run(ask()).choices[0].message.content == "one"


def test_clients_that_were_made_before_are_made_again():
    under(litellm, "one")
    assert litellm.completion(**ASK).choices[0].message.content == "one"
    litellm.client_session = litellm.aclient_session = None
    under(litellm, 503, "two")
    assert litellm.completion(**ASK).choices[0].message.content == "two"


def test_its_settings_for_tls_are_taken_over(monkeypatch):
    monkeypatch.setattr(litellm, "ssl_verify", False)
    unbroken_sdk.protect(litellm, [])
    verify = litellm.client_session._transport._requests.connections.verify
    assert not verify.check_hostname


def test_which_routes_are_covered_is_said_once(caplog, monkeypatch):
    monkeypatch.setattr("unbroken_sdk._seams._warned", set())
    with caplog.at_level(logging.WARNING, "unbroken"):
        under(litellm)
        monkeypatch.setattr(litellm, "client_session", None)
        monkeypatch.setattr(litellm, "aclient_session", None)
        under(litellm)
    (record,) = [record for record in caplog.records if record.name == "unbroken"]
    assert "routes of litellm that use its OpenAI client" in record.message


def test_other_routes_take_a_protected_handler():
    handler = under(handlers.HTTPHandler(), 529, "one")
    answer = litellm.completion(
        model="anthropic/claude-x", messages=MESSAGES, api_key="k", client=handler, num_retries=0
    )
    assert answer.choices[0].message.content == "one"


def test_async_ones_too():
    async def ask():
        handler = under(handlers.AsyncHTTPHandler(), 529, "one")
        return await litellm.acompletion(
            model="anthropic/claude-x", messages=MESSAGES, api_key="k", client=handler, num_retries=0
        )

    assert asyncio.run(ask()).choices[0].message.content == "one"


def test_failures_are_its_own():
    under(litellm, 401, HALF_OF_CHAT)
    with pytest.raises(litellm.AuthenticationError):
        litellm.completion(**ASK)
    with pytest.raises(Exception, match="before the stream was complete") as caught:
        list(litellm.completion(stream=True, **ASK))
    assert type(caught.value).__module__.startswith("litellm")
