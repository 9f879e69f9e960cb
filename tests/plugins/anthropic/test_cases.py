"""What a consumer sees of streams as servers send them, in sync and async, whole and in pieces."""

from typing import Any

import pytest

from unbroken import AsyncClient, Client, Error, Event, Timeouts
from unbroken.testing import AsyncScriptedTransport, FakeClock, ScriptedTransport, run
from unbroken_anthropic import MessageBuilder

from ...core.kit import Retry
from .telling import answers, cases, holds

CASES = cases("told", "text", "keepalives", "silence", "usage", "messages", "failures", "utf8")


class Seen:
    """What the consumer sees."""

    def __init__(self) -> None:
        self.text = ""
        self.events: list[Event] = []
        self.builder = MessageBuilder()
        self.error: Error | None = None
        self.stream: Any = None

    def take(self, event: Event, how: str) -> None:
        self.events.append(event)
        if how == "json":
            event.json()
        elif how == "typed":
            event.typed()
        elif how == "builder":
            self.builder.add(event)


def in_sync(case: dict[str, Any], how: str, transport: Any, clock: FakeClock, seen: Seen) -> None:
    retry = [Retry()] if case.get("retry") else []
    timeouts = Timeouts(**case.get("timeouts", {}))
    try:
        with Client(retry, dialect="anthropic", transport=transport, clock=clock) as client:
            seen.stream = client.stream("POST", "https://a.example/", json={}, timeouts=timeouts)
            with seen.stream:
                if how == "text":
                    for piece in seen.stream.text():
                        seen.text += piece
                else:
                    for event in seen.stream:
                        seen.take(event, how)
    except Error as error:
        seen.error = error


async def in_async(case: dict[str, Any], how: str, transport: Any, clock: FakeClock, seen: Seen) -> None:
    retry = [Retry()] if case.get("retry") else []
    timeouts = Timeouts(**case.get("timeouts", {}))
    try:
        async with AsyncClient(retry, dialect="anthropic", transport=transport, clock=clock) as client:
            seen.stream = client.stream("POST", "https://a.example/", json={}, timeouts=timeouts)
            async with seen.stream:
                if how == "text":
                    async for piece in seen.stream.text():
                        seen.text += piece
                else:
                    async for event in seen.stream:
                        seen.take(event, how)
    except Error as error:
        seen.error = error


@pytest.mark.parametrize("size", [None, 7], ids=["whole", "pieces"])
@pytest.mark.parametrize("name", CASES)
def test_a_case(name: str, size: int | None, backend: Any, fake_clock: FakeClock) -> None:
    """The text, the message, the outcome and the requests."""
    case, seen = CASES[name], Seen()
    how = "builder" if case["consume"] == "generator" else case["consume"]
    if backend == "sync":
        transport: Any = ScriptedTransport(answers(case, size), fake_clock)
        in_sync(case, how, transport, fake_clock, seen)
    else:
        transport = AsyncScriptedTransport(answers(case, size), fake_clock)
        run(lambda: in_async(case, how, transport, fake_clock, seen), clock=fake_clock, backend=backend)
    message = None
    if how == "builder" and seen.error is None:
        try:
            message = seen.builder.message()
            seen.text = message.text
        except Error as error:
            seen.error = error
    usage = seen.stream.usage
    facts = {
        "outcome": "success" if seen.error is None else type(seen.error).__name__,
        "requests": len(transport.requests),
        "timeout": getattr(seen.error, "timeout", None),
        "types": [event.type for event in seen.events],
        "status": seen.stream.outcome.status,
        "history": len(seen.error.history) if seen.error is not None else 0,
        "stop_reason": message and message.stop_reason,
        "model": message and message.model,
        "message": message and message.to_dict(),
        "tool_calls": [[call.name, call.input] for call in message.tool_calls] if message else [],
        "usage": usage and {name: getattr(usage, name) for name in case["expect"].get("usage", ())},
    }
    if "param" in case["expect"] and message is not None:
        facts["param"] = message.to_param()
    if how == "text" or (how == "builder" and seen.error is None):
        facts["text"] = seen.text
    expect = {key: value for key, value in case["expect"].items() if key in facts}
    assert holds(expect, facts), (expect, facts)
