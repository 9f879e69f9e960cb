"""Answers that are not streamed, the token counts, and which requests ask for a stream."""

import json
from typing import Any

import pytest

from unbroken import Client, ConfigurationError, Event, OverloadedError, Usage
from unbroken.headers import Headers
from unbroken.messages import Request
from unbroken.testing import Answer, FakeClock, ScriptedTransport
from unbroken_gemini import Gemini

from .chunks import HELLO, OVERLOADED, STREAM, candidate, counts

JSON = {"content-type": "application/json; charset=UTF-8"}
BASE = "https://generativelanguage.googleapis.com/v1beta/models/gemini-test"
VERTEX = "https://us-central1-aiplatform.googleapis.com/v1/projects/p/locations/l/publishers/google/models/gemini-test"
WHOLE: dict[str, Any] = {"candidates": [candidate("Hello", finish="STOP")], **counts(11, 7, totalTokenCount=18)}


def send(document: Any, url: str) -> Any:
    clock = FakeClock()
    transport = ScriptedTransport([Answer(headers=JSON, body=json.dumps(document).encode())], clock)
    with Client([], dialect="gemini", transport=transport, clock=clock) as client:
        return client.send("POST", url, json={})


@pytest.mark.parametrize(
    ("method", "document", "usage"),
    [
        ("generateContent", WHOLE, Usage(input_tokens=11, output_tokens=7, final=True)),
        ("streamGenerateContent", [event for _, event in HELLO], Usage(input_tokens=9, output_tokens=2, final=True)),
        ("countTokens", {"totalTokens": 31}, None),
        ("embedContent", {"embedding": {"values": [0.1, 0.2]}}, None),
    ],
)
def test_a_plain_answer_is_whole_and_counted(method: str, document: Any, usage: Usage | None) -> None:
    """Without alt=sse a stream is one list, and an answer like any other."""
    answer = send(document, f"{BASE}:{method}")
    assert (answer.json(), answer.usage) == (document, usage)


@pytest.mark.parametrize("url", [f"{BASE}:generateContent", f"{BASE}:streamGenerateContent"])
def test_an_error_in_a_plain_answer_is_raised(url: str) -> None:
    """Alone, and behind chunks in a list."""
    for document in (OVERLOADED[1], [OVERLOADED[1]], [HELLO[0][1], OVERLOADED[1]]):
        with pytest.raises(OverloadedError):
            send(document, url)


@pytest.mark.parametrize(
    ("url", "asks"),
    [
        (STREAM, True),
        (f"{VERTEX}:streamGenerateContent?alt=sse", True),
        (f"{BASE}%3AstreamGenerateContent?%24alt=sse&key=x", True),
        (f"{BASE}:streamGenerateContent?key=x&alt=sse", True),
        (f"{BASE}:streamGenerateContent", False),
        (f"{BASE}:streamGenerateContent?alt=json", False),
        (f"{BASE}:generateContent?alt=sse", False),
        (f"{BASE}:countTokens", False),
    ],
)
def test_the_url_decides_whether_the_answer_is_a_stream(url: str, asks: bool) -> None:
    """Neither the body nor the headers do."""
    headers = Headers({"accept": "application/json" if asks else "text/event-stream"})
    request = Request(method="POST", url=url, headers=headers, content=b'{"stream": true}')
    assert Gemini().asks_for_stream(request) is asks


def test_a_stream_cannot_be_sent_for_as_a_plain_answer() -> None:
    """`Client.send` says so before anything is sent."""
    with pytest.raises(ConfigurationError, match="asks for a stream"):
        send(WHOLE, STREAM)


@pytest.mark.parametrize(
    ("counted", "usage"),
    [
        pytest.param({"promptTokenCount": 9}, Usage(input_tokens=9), id="prompt-alone"),
        pytest.param(
            {"promptTokenCount": 9, "cachedContentTokenCount": 4, "candidatesTokenCount": 2},
            Usage(input_tokens=5, cache_read_tokens=4, output_tokens=2, final=True),
            id="cached",
        ),
        pytest.param(
            {"promptTokenCount": 9, "cachedContentTokenCount": 10}, Usage(input_tokens=9), id="more-cached-than-given"
        ),
        pytest.param({"cachedContentTokenCount": 10}, Usage(cache_read_tokens=10), id="cached-alone"),
        pytest.param(
            {"promptTokenCount": 9, "toolUsePromptTokenCount": 5, "candidatesTokenCount": 2, "totalTokenCount": 16},
            Usage(input_tokens=14, output_tokens=2, final=True),
            id="results-of-tools",
        ),
        pytest.param(
            {"promptTokenCount": 15, "candidatesTokenCount": 359, "thoughtsTokenCount": 661, "totalTokenCount": 1035},
            Usage(input_tokens=15, output_tokens=1020, final=True),
            id="thoughts-beside",
        ),
        pytest.param(
            {"promptTokenCount": 15, "candidatesTokenCount": 1020, "thoughtsTokenCount": 661, "totalTokenCount": 1035},
            Usage(input_tokens=15, output_tokens=1020, final=True),
            id="thoughts-within",
        ),
        pytest.param(
            {"promptTokenCount": 15, "candidatesTokenCount": 3, "thoughtsTokenCount": 4},
            Usage(input_tokens=15, output_tokens=7, final=True),
            id="no-total",
        ),
        pytest.param({"thoughtsTokenCount": 4}, Usage(output_tokens=4, final=True), id="thoughts-alone"),
        pytest.param({"promptTokenCount": -1, "candidatesTokenCount": True}, None, id="no-numbers"),
        pytest.param({"promptTokenCount": 10**16, "candidatesTokenCount": "3"}, None, id="no-counts"),
        pytest.param({"trafficType": "ON_DEMAND"}, None, id="no-count"),
        pytest.param([3], None, id="a-list"),
    ],
)
def test_counts_do_not_overlap(counted: Any, usage: Usage | None) -> None:
    """Input without the cached tokens and with the results of tools; output with thoughts."""
    assert Gemini().usage(Event.make("", {"usageMetadata": counted})) == usage
    assert Gemini().usage(Event("", b"{")) is None
