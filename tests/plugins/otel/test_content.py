"""What nobody asked for is nowhere; what was asked for is as the conventions write it."""

import json
from typing import Any

import msgspec
import pytest

from unbroken import GiveUp, NetworkError, Reject, ServerError, Wait
from unbroken.messages import Request, Timeouts
from unbroken.plugin import Plugin
from unbroken.testing import STALL, Answer, play, sse
from unbroken_anthropic import Anthropic
from unbroken_otel._content import content
from unbroken_otel._semconv import TABLE
from unbroken_retry import Retry

from .conftest import BODY, Recorded, answer

CANARY = "CANARY7f3a9c"
KEY = f"sk-ant-api03-{CANARY}-0123456789"
SECRETS = {"authorization": f"Bearer {KEY}", "x-api-key": KEY, "cookie": f"session={CANARY}", "x-anything": CANARY}
URL = f"https://api.example.org/v1/{CANARY}/messages?key={CANARY}#{CANARY}"
PROMPT = {
    "model": "claude-x",
    "system": CANARY,
    "api_key": CANARY,
    "metadata": {"user_id": CANARY},
    "messages": [{"role": "user", "content": CANARY}],
    "tools": [{"name": CANARY}],
}
HEADERS = {"content-type": "text/event-stream", "set-cookie": CANARY, "x-token": CANARY, "request-id": "req-1"}
SAID = msgspec.json.encode({"error": {"type": f"{CANARY} {KEY}", "message": f"cannot read {CANARY}: {KEY}"}})
START = ("message_start", {"type": "message_start", "message": {"id": CANARY, "usage": {"input_tokens": 1}}})
DELTA = ("content_block_delta", {"delta": {"type": "text_delta", "text": CANARY}})


class Meddling(Plugin):
    """Refuses, waits or gives up, as plugins do."""

    name = "meddling"

    def __init__(self, before: Any = None, after: Any = None) -> None:
        super().__init__()
        self._before, self._after = before, after

    def before_request(self, call: Any, request: Any) -> Any:
        return self._before

    def should_retry(self, call: Any, error: Any) -> Any:
        return self._after


ENDINGS: dict[str, tuple[Answer, list[Any]]] = {
    **{f"status-{status}": (Answer(status=status, headers=HEADERS, body=SAID), []) for status in (400, 401, 429, 500)},
    "success": (Answer(headers=HEADERS, body=sse(START, DELTA, ("message_stop", {}))), []),
    "page": (Answer(headers=HEADERS | {"content-type": "text/html"}, body=f"<title>{CANARY}".encode()), []),
    "error-event": (Answer(headers=HEADERS, body=sse(DELTA) + b"event: error\ndata: " + SAID + b"\n\n"), []),
    "truncated": (Answer(headers=HEADERS, body=sse(START, DELTA)), []),
    "reset": (Answer(headers=HEADERS, body=[sse(DELTA), NetworkError("reset")]), []),
    "stalled": (Answer(headers=HEADERS, body=[sse(DELTA), STALL]), []),
    "rejected": (Answer(), [Meddling(before=Reject(ServerError("full")))]),
    "given-up": (Answer(status=500, body=SAID), [Meddling(after=GiveUp(ServerError("no")))]),
    "waits-too-long": (Answer(), [Meddling(before=Wait(1e6, reason="full"))]),
}


@pytest.mark.parametrize("version", [None, "latest"])
@pytest.mark.parametrize("ending", [pytest.param(name, id=f"E68-{name}") for name in ENDINGS])
def test_E68_a_canary_is_in_no_span_and_in_no_metric(recorded: Recorded, ending: str, version: Any) -> None:
    """Secrets and content in every place; the server repeats them; then every ending there is."""
    reply, plugins = ENDINGS[ending]
    tracing, metrics = recorded.tracing(semconv=version), recorded.metrics(semconv=version)
    play(
        lambda _: reply,
        [tracing, metrics, *plugins, Retry(max_retries=1)],
        dialect=Anthropic(),
        client={"headers": SECRETS},
        json=PROMPT,
        url=URL,
        timeouts=Timeouts(total=100),
    )
    data = recorded.reader.get_metrics_data()
    assert data is not None
    shown = [data.to_json(), *(span.to_json() for span in recorded.spans)]
    assert [text for text in shown if CANARY in text] == []
    assert len(shown) >= 3


def test_the_messages_are_recorded_when_they_are_asked_for(recorded: Recorded) -> None:
    """On the span of the call, as JSON; on no attempt."""
    body = BODY | {"system": "Be brief."}
    play([answer()], [recorded.tracing(capture_content=True)], dialect=Anthropic(), json=body)
    attributes = recorded.call.attributes
    assert json.loads(attributes["gen_ai.input.messages"]) == [
        {"role": "user", "parts": [{"type": "text", "content": "Hello"}]}
    ]
    assert json.loads(attributes["gen_ai.system_instructions"]) == [{"type": "text", "content": "Be brief."}]
    assert "Hello" not in recorded.attempts[0].to_json()


def test_names_from_before_have_no_place_for_content(recorded: Recorded) -> None:
    """In 1.36 it was in log events, which this plugin does not write."""
    tracing = recorded.tracing(capture_content=True, semconv="1.36")
    play([answer()], [tracing], dialect=Anthropic(), json=BODY)
    assert "Hello" not in recorded.call.to_json()


CALL = {"type": "tool_call", "id": "c1", "name": "weather", "arguments": {"in": "Paris"}}
RESULT = {"type": "tool_call_response", "id": "c1", "response": "rain"}


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        pytest.param("Hi", {"role": "user", "parts": [{"type": "text", "content": "Hi"}]}, id="text alone"),
        pytest.param(
            {"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "image", "source": {"data": "AAAA"}}]},
            {"role": "user", "parts": [{"type": "text", "content": "a"}, {"type": "image"}]},
            id="an image",
        ),
        pytest.param(
            {
                "role": "assistant",
                "content": [
                    {"type": "thinking", "thinking": "hm"},
                    {"type": "tool_use", "id": "c1", "name": "weather", "input": {"in": "Paris"}},
                ],
            },
            {"role": "assistant", "parts": [{"type": "reasoning", "content": "hm"}, CALL]},
            id="a tool call",
        ),
        pytest.param(
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "c1", "content": "rain"}]},
            {"role": "user", "parts": [RESULT]},
            id="a tool result",
        ),
        pytest.param(
            {
                "role": "user",
                "content": [
                    {"type": "tool_result", "tool_use_id": "c1", "content": [{"type": "text", "text": "rain"}]}
                ],
            },
            {"role": "user", "parts": [RESULT | {"response": [{"type": "text", "content": "rain"}]}]},
            id="a tool result of parts",
        ),
        pytest.param(
            {
                "role": "assistant",
                "content": None,
                "tool_calls": [{"id": "c1", "function": {"name": "weather", "arguments": '{"in":"Paris"}'}}],
            },
            {"role": "assistant", "parts": [CALL | {"arguments": '{"in":"Paris"}'}]},
            id="a function call",
        ),
        pytest.param(
            {"role": "tool", "tool_call_id": "c1", "content": "rain"},
            {"role": "tool", "parts": [RESULT]},
            id="a function's result",
        ),
        pytest.param(7, {"role": "user", "parts": []}, id="nonsense"),
        pytest.param(
            {"role": "user", "content": [7]}, {"role": "user", "parts": [{"type": "unknown"}]}, id="nonsense within"
        ),
    ],
)
def test_messages_are_written_as_roles_and_parts(message: Any, expected: dict[str, Any]) -> None:
    """Those of Anthropic and of OpenAI; what has no text leaves its type."""
    request = Request.build("POST", "https://api.example.org/", json={"messages": [message]})
    assert json.loads(content(request, TABLE["stable"])["gen_ai.input.messages"]) == [expected]


@pytest.mark.parametrize("body", [b"", b"nonsense", b"[]", b"{}", b'{"messages": {}, "system": 1}'])
def test_a_body_without_messages_has_no_content(body: bytes) -> None:
    """Nothing is raised and nothing made up."""
    request = Request.build("POST", "https://api.example.org/", content=body)
    assert content(request, TABLE["stable"]) == {}


def test_the_input_of_responses_is_a_message(recorded: Recorded) -> None:
    """With its instructions beside it."""
    request = Request.build("POST", "https://api.example.org/", json={"input": "Hi", "instructions": "Be brief."})
    found = content(request, TABLE["stable"])
    assert json.loads(found["gen_ai.input.messages"]) == [
        {"role": "user", "parts": [{"type": "text", "content": "Hi"}]}
    ]
    assert json.loads(found["gen_ai.system_instructions"]) == [{"type": "text", "content": "Be brief."}]
