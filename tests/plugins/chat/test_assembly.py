"""The content generator sees of a stream what the builder sees of it, and a failure of its assembly is the call's."""

from typing import Any

import pytest

from unbroken import Error
from unbroken_circuit_breaker import CircuitBreaker
from unbroken_metrics import Metrics
from unbroken_retry import Retry

from ..anthropic.telling import answers, cases, holds

CASES = {
    name: case
    for name, case in cases("told", "text", "messages", "failures", "utf8").items()
    if case["consume"] != "json"
}


@pytest.mark.parametrize("size", [None, 7], ids=["whole", "pieces"])
@pytest.mark.parametrize("name", CASES)
def test_a_reply_is_the_message_of_the_stream(name: str, size: int | None, chat: Any) -> None:
    """The pieces of text joined are its text, in both backends."""
    case, metrics = CASES[name], Metrics()
    generator = chat.generator(answers(case, size), plugins=[metrics, Retry()] if case.get("retry") else [metrics])
    stream = generator.stream_request("Hello")
    text, error, reply = "", None, None
    try:
        pieces, reply = chat.read(stream, lambda it: it.text(), lambda it: it.reply())
        text = "".join(pieces)
    except Error as caught:
        error, text = caught, case["expect"].get("text", "")
    message = reply and reply.raw
    total = metrics.snapshot().total.calls
    facts = {
        "outcome": "success" if error is None else type(error).__name__,
        "text": text,
        "requests": len(chat.requests),
        "stop_reason": reply and reply.stop_reason,
        "model": reply and reply.model,
        "message": message and message.to_dict(),
        "tool_calls": [[call.name, call.arguments] for call in reply.tool_calls] if reply else [],
        "history": len(error.history) if error else 0,
        "status": stream.outcome and stream.outcome.status,
        "metrics": {"failures": total.get("failure", 0), "successes": total.get("success", 0)},
    }
    expect = {key: value for key, value in case["expect"].items() if key in facts}
    assert holds(expect, facts), (expect, facts)
    if reply is not None:
        assert reply.text == facts["text"]
        assert [part.to_block() for part in reply.message.parts] == message.to_dict()["content"]


def test_failures_of_the_assembly_open_the_circuit(chat: Any) -> None:
    """A server that sends nonsense is as good as down."""
    case = CASES["D4-generator-unopened"]
    generator = chat.generator(answers(case, None) * 2, plugins=[CircuitBreaker(failure_threshold=2)])
    for expected in ("StreamError", "StreamError", "CircuitOpenError"):
        with pytest.raises(Error) as caught:
            chat.send(generator, "Hello")
        assert type(caught.value).__name__ == expected


def test_what_is_missing_at_the_end_is_the_failure_of_the_call(chat: Any) -> None:
    """It is found while the call still runs."""
    case, metrics = CASES["F-no-stop-reason"], Metrics()
    generator = chat.generator(answers(case, None), plugins=[metrics])
    with pytest.raises(Error, match="no stop_reason") as caught:
        chat.send(generator, "Hello")
    assert (len(caught.value.history), metrics.snapshot().total.calls.get("failure")) == (1, 1)
