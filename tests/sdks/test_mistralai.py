"""`protect` under mistralai."""

import asyncio

import pytest

from unbroken import ConfigurationError
from unbroken_sdk.testing import scripted

from .kit import HALF_OF_CHAT, MESSAGES, under

mistralai = pytest.importorskip("mistralai")
Mistral = getattr(mistralai, "Mistral", None) or pytest.importorskip("mistralai.client").Mistral
ASK = {"model": "m", "messages": MESSAGES}


def test_plain_answers_and_streams():
    original = Mistral(api_key="k")
    protected = under(original, 503, "one", 503, "two")
    assert protected is original
    assert protected.chat.complete(**ASK).choices[0].message.content == "one"
    said = [event.data.choices[0].delta.content or "" for event in protected.chat.stream(**ASK)]
    assert "".join(said) == "two"


def test_async():
    async def ask():
        protected = under(Mistral(api_key="k"), 503, "one")  # kept: one that is dropped closes its HTTP clients
        return await protected.chat.complete_async(**ASK)

    assert asyncio.run(ask()).choices[0].message.content == "one"


def test_failures_are_exceptions():
    """It reads an error event as a malformed chunk."""
    protected = under(Mistral(api_key="k"), 401, HALF_OF_CHAT)
    with pytest.raises(Exception, match="401") as caught:
        protected.chat.complete(**ASK)
    assert type(caught.value).__module__.startswith("mistralai")
    with pytest.raises(Exception, match="validation"):
        list(protected.chat.stream(**ASK))


def test_twice_is_refused_and_changes_nothing():
    protected = under(Mistral(api_key="k"), "one")
    with pytest.raises(ConfigurationError, match="has Unbroken under it already"):
        under(protected)
    assert protected.chat.complete(**ASK).choices[0].message.content == "one"


def test_errors_can_be_raised_instead():
    protected = scripted(Mistral(api_key="k"), [HALF_OF_CHAT], errors="raise")
    with pytest.raises(Exception, match="before the stream was complete"):
        list(protected.chat.stream(**ASK))
