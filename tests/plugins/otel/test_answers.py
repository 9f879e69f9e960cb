"""What the span of a call says of the answer, and of decisions in shadow."""

from typing import Any

import pytest

from unbroken import NetworkError, Plugin, Request, TryAgain
from unbroken.testing import BACKENDS, Answer, play, sse
from unbroken_anthropic import Anthropic
from unbroken_openai import OpenAI
from unbroken_rate_limit import RateLimit
from unbroken_retry import Retry

from .conftest import BODY, Recorded

ID, MODEL, REASONS = "gen_ai.response.id", "gen_ai.response.model", "gen_ai.response.finish_reasons"


def started(id: str = "msg_01ab", model: str = "claude-x-2") -> Any:
    return ("message_start", {"type": "message_start", "message": {"id": id, "model": model, "usage": {}}})


def delta(text: str) -> Any:
    return ("content_block_delta", {"type": "content_block_delta", "delta": {"type": "text_delta", "text": text}})


def chunk(*choices: tuple[int, str, str | None], **more: Any) -> str:
    """A chunk with a text and a finish reason for each choice."""
    import json

    said = [{"index": index, "delta": {"content": text}, "finish_reason": reason} for index, text, reason in choices]
    return json.dumps({"id": "chatcmpl-7", "model": "gpt-x-0806", "choices": said, **more})


def response(**values: Any) -> dict[str, Any]:
    return {"response": {"id": "resp_01", "model": "gpt-x-0806", **values}}


ANSWERS: dict[str, tuple[Any, list[Any], dict[str, Any]]] = {
    "messages": (
        Anthropic(),
        [started(), delta("Hi"), ("message_delta", {"delta": {"stop_reason": "max_tokens"}, "usage": {}})],
        {ID: "msg_01ab", MODEL: "claude-x-2", REASONS: ("max_tokens",)},
    ),
    "messages-with-counts-after-the-reason": (
        Anthropic(),
        [
            started(),
            delta("Hi"),
            ("message_delta", {"delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 1}}),
            ("message_delta", {"delta": {}, "usage": {"output_tokens": 2}}),
        ],
        {ID: "msg_01ab", MODEL: "claude-x-2", REASONS: ("end_turn",)},
    ),
    "messages-cut": (Anthropic(), [started(), delta("Hi"), None], {ID: "msg_01ab", MODEL: "claude-x-2"}),
    "chunks": (
        OpenAI(),
        [chunk((0, "", None)), chunk((0, "Hi", None)), chunk((0, "", "stop")), chunk(usage={"prompt_tokens": 1})],
        {ID: "chatcmpl-7", MODEL: "gpt-x-0806", REASONS: ("stop",)},
    ),
    "chunks-of-two-choices": (
        OpenAI(),
        [chunk((1, "a", None), (0, "b", None)), chunk((1, "", "length")), chunk((0, "", "stop"))],
        {ID: "chatcmpl-7", MODEL: "gpt-x-0806", REASONS: ("stop", "length")},
    ),
    "chunks-cut": (OpenAI(), [chunk((0, "Hi", None)), None], {ID: "chatcmpl-7", MODEL: "gpt-x-0806"}),
    "responses": (
        OpenAI(),
        [
            ("response.created", response(status="in_progress")),
            ("response.output_text.delta", {"delta": "Hi"}),
            ("response.completed", response(status="completed")),
        ],
        {ID: "resp_01", MODEL: "gpt-x-0806", REASONS: ("completed",)},
    ),
    "responses-incomplete": (
        OpenAI(),
        [
            ("response.output_text.delta", {"delta": "Hi"}),
            (
                "response.incomplete",
                response(status="incomplete", incomplete_details={"reason": "max_output_tokens"}),
            ),
        ],
        {ID: "resp_01", MODEL: "gpt-x-0806", REASONS: ("max_output_tokens",)},
    ),
    "responses-cut": (
        OpenAI(),
        [("response.created", response(status="in_progress")), ("response.output_text.delta", {"delta": "Hi"}), None],
        {ID: "resp_01", MODEL: "gpt-x-0806"},
    ),
    "nonsense": (
        Anthropic(),
        [
            ("message_start", {"message": {"id": 5, "model": ["x"], "usage": {"input_tokens": 1}}}),
            ("message_delta", {"delta": {"stop_reason": {}}, "usage": {"output_tokens": 1}}),
        ],
        {},
    ),
    "secrets-and-sentences": (
        Anthropic(),
        [
            started("sk-ant-0123456789", "sk-ant-0123456789"),
            ("message_delta", {"delta": {"stop_reason": "I have said it all."}, "usage": {}}),
        ],
        {},
    ),
}


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("name", ANSWERS)
def test_the_span_has_id_model_and_finish_reasons(recorded: Recorded, name: str, backend: Any) -> None:
    """As far as the server has said them, also of an answer that was cut."""
    dialect, events, expected = ANSWERS[name]
    body = [sse(event) if event is not None else NetworkError("reset") for event in events]
    if dialect.name == "anthropic" and events[-1] is not None:
        body.append(sse(("message_stop", {})))
    play([Answer(body=body)], [recorded.tracing()], dialect=dialect, json=BODY, backend=backend)
    found = {name: value for name, value in recorded.call.attributes.items() if name in {ID, MODEL, REASONS}}
    assert found == expected


def test_the_answer_is_that_of_the_last_attempt(recorded: Recorded) -> None:
    """What an earlier attempt said is gone with it."""
    cut = Answer(body=[sse(started("msg_first")), NetworkError("reset")])
    whole = Answer(body=sse(started("msg_second"), delta("Hi"), ("message_stop", {})))
    play([cut, whole], [recorded.tracing(), Retry()], dialect=Anthropic(), json=BODY)
    assert recorded.call.attributes[ID] == "msg_second"


def test_no_hook_sees_the_events(recorded: Recorded) -> None:
    """So a stream is as fast as without the plugin."""
    from unbroken import Client

    hooks = Client([recorded.tracing()])._setup.hooks
    assert (hooks.on_event, hooks.on_event_by_type, hooks.on_usage) == ((), {}, ())


def test_a_decision_in_shadow_is_marked(recorded: Recorded) -> None:
    """On its event; and no retry is counted."""
    answer = Answer(status=503)
    limit = RateLimit(requests=6, burst=1, shadow=True)
    for _ in range(2):
        play([answer], [recorded.tracing(), recorded.metrics(), Retry(shadow=True), limit], json=BODY)
    events = [event for span in recorded.spans for event in span.events]
    assert {(event.name, event.attributes["unbroken.shadow"]) for event in events} == {
        ("unbroken.retry", True),
        ("unbroken.wait", True),
    }
    assert recorded.points.get("unbroken.retries", []) == []


def test_metrics_have_the_server_to_which_the_call_went(recorded: Recorded) -> None:
    """After a fallback that is another one."""

    class Elsewhere(Plugin):
        name = "elsewhere"

        def should_retry(self, call: Any, error: Exception) -> TryAgain:
            return TryAgain(request=Request.build("POST", "https://other.example.org/", json=BODY))

    good = Answer(body=sse(started(), delta("Hi"), ("message_stop", {})))
    play([Answer(status=503), good], [recorded.metrics(), Elsewhere()], dialect=Anthropic(), json=BODY)
    (point,) = recorded.points["gen_ai.client.operation.duration"]
    assert point.attributes["server.address"] == "other.example.org"
