"""An SDK whose own retries were left on, over a server that is dead: the load stays bounded, and it is said once."""

import logging
from typing import Any, Final

import anthropic
import anyio
import httpx2
import pytest

import unbroken_sdk.httpx2 as under
from unbroken import NetworkError
from unbroken.testing import Answer, AsyncScriptedTransport, FakeClock, run

from .conftest import json

CALLS: Final = 1000
RESERVE: Final = 100
"""The retries that the budget of `Retry` allows however few the calls are."""
ASK: Final[dict[str, Any]] = {"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "x"}]}

REFUSED: Final = Answer(failure=NetworkError("connection refused", phase="connect"))
FAILING: Final = json(b'{"type": "error", "error": {"type": "api_error", "message": "no"}}', status=500)


def call_often(plugins: Any, answer: Answer, calls: int, *, is_streamed: bool) -> int:
    """Make so many calls at 100 a second, all of which must fail. Returns how many requests the server saw."""
    clock = FakeClock()
    scripted = AsyncScriptedTransport(lambda _: answer, clock)
    failed = []

    async def main() -> None:
        transport = under.AsyncTransport(plugins, transport=scripted, clock=clock)
        async with httpx2.AsyncClient(transport=transport, trust_env=False) as http:
            client: Any = anthropic.AsyncAnthropic(api_key="k", http_client=http)
            assert client.max_retries == 2

            async def call() -> None:
                try:
                    await client.messages.create(**ASK, stream=is_streamed)
                except anthropic.APIError as error:
                    failed.append(error)

            async with anyio.create_task_group() as tasks:
                for _ in range(calls):
                    tasks.start_soon(call)
                    await anyio.sleep(0.01)

    run(main, clock=clock)
    assert len(failed) == calls
    return len(scripted.requests)


@pytest.mark.parametrize("is_streamed", [True, False], ids=["stream", "plain"])
@pytest.mark.parametrize("answer", [REFUSED, FAILING], ids=["refused", "500"])
def test_a_dead_server_sees_few_requests(caplog, answer, is_streamed) -> None:
    """With the default plugins: the circuit opens, and its answers tell the SDK not to try again."""
    caplog.set_level(logging.WARNING, "unbroken")
    assert call_often(None, answer, CALLS, is_streamed=is_streamed) <= 1.2 * CALLS + RESERVE
    assert sum("max_retries=0" in record.message for record in caplog.records) <= 1


def test_an_sdk_that_tries_again_is_warned_of_once(caplog) -> None:
    """Without a circuit, an exception of the network is retried above; no header could prevent that."""
    caplog.set_level(logging.WARNING, "unbroken")
    assert call_often([], REFUSED, 20, is_streamed=True) == 60
    assert [record.message for record in caplog.records] == [
        "the client above tries again as well: give it max_retries=0"
    ]
