"""Thinking and tools over sockets: the fault server says them, and we and the vendors' SDKs hear the same."""

import json
from collections.abc import Iterator
from typing import Any

import anthropic
import anyio
import attrs
import openai
import pytest

import unbroken
from unbroken import AsyncClient, Client, Timeouts, TruncatedStreamError
from unbroken_anthropic import MessageBuilder, PartialToolUseBlock
from unbroken_chat import AsyncContentGenerator, ContentGenerator
from unbroken_faults import Fault, FaultServer, faults

MESSAGES = [{"role": "user", "content": "Hello"}]
ASK: dict[str, Any] = {"model": "claude-test", "max_tokens": 100, "messages": MESSAGES}
ASK_CHAT: dict[str, Any] = {"model": "gpt-test", "messages": MESSAGES}
OPTIONS: dict[str, Any] = {"api_key": "test", "max_retries": 0, "timeout": 10.0}
FAULTS = [
    pytest.param(faults.thinking("Water runs downhill.", answer="It does."), id="thinking"),
    pytest.param(faults.tool_use("look", {"q": "Wörter\u2028", "deep": [1, {"a": None}]}), id="tool"),
    pytest.param(faults.tool_use("now"), id="tool-without-input"),
    pytest.param(Fault(thinking="Hm.", text="So:", tools=[("a", {"x": 1}), ("b", {"y": "z" * 500})]), id="all"),
]


@pytest.fixture(params=FAULTS)
def fault(request: pytest.FixtureRequest) -> Fault:
    """An answer of which the counts do not depend on the request."""
    return attrs.evolve(request.param, usage=(7, 9), slice_size=(1, 40))


@pytest.fixture
def server(fault: Fault) -> Iterator[FaultServer]:
    with FaultServer(default=fault) as server:
        yield server
        server.wait_idle()


def built(server: FaultServer) -> dict[str, Any]:
    builder = MessageBuilder()
    url = f"{server.url}/v1/messages"
    with Client([], dialect="anthropic") as client, client.stream("POST", url, json={**ASK, "stream": True}) as stream:
        for event in stream:
            builder.add(event)
    return builder.message().to_dict()


def content(message: dict[str, Any]) -> list[dict[str, Any]]:
    """The blocks without what depends on the number of the request."""
    return [{name: it for name, it in block.items() if name not in {"id", "signature"}} for block in message["content"]]


def test_the_sdk_hears_in_a_stream_and_without_what_we_hear(server: FaultServer, fault: Fault) -> None:
    """Block by block, and the reason to stop."""
    with anthropic.Anthropic(base_url=server.url, **OPTIONS) as client:
        with client.messages.stream(**ASK) as stream:
            streamed = stream.get_final_message().to_dict()
        whole = client.messages.create(**ASK).to_dict()
    ours = built(server)
    assert content(streamed) == content(whole) == content(ours)
    assert {message["stop_reason"] for message in (streamed, whole, ours)} == {server.replies[0].stop_reason}
    thoughts = [block["thinking"] for block in ours["content"] if block["type"] == "thinking"]
    assert thoughts == [fault.thinking] * (fault.thinking is not None)


def test_the_sdk_of_chat_completions_hears_the_same(server: FaultServer, fault: Fault) -> None:
    """Its accumulation knows no reasoning; that is in the chunks."""
    with openai.OpenAI(base_url=f"{server.url}/v1", **OPTIONS) as client:
        with client.chat.completions.stream(**ASK_CHAT) as stream:
            said = stream.get_final_completion().choices[0]
        with client.chat.completions.create(stream=True, **ASK_CHAT) as chunks:
            deltas = [chunk.choices[0].delta for chunk in chunks]
        whole = client.chat.completions.create(**ASK_CHAT).choices[0]
    for choice in (said, whole):
        calls = [(call.function.name, call.function.arguments) for call in choice.message.tool_calls or []]
        assert calls == [(tool.name, tool.input) for tool in fault.tools]
        assert choice.finish_reason == server.replies[0].stop_reason
    assert "".join(getattr(delta, "reasoning_content", "") for delta in deltas) == (fault.thinking or "")
    assert (said.message.content or "") == server.replies[0].text


def test_the_sdk_of_responses_hears_the_same(server: FaultServer, fault: Fault) -> None:
    """Item by item, in a stream and without."""
    with openai.OpenAI(base_url=f"{server.url}/v1", **OPTIONS) as client:
        with client.responses.stream(model="gpt-test", input="Hello") as stream:
            streamed = stream.get_final_response()
        whole = client.responses.create(model="gpt-test", input="Hello")
    for response in (streamed, whole):
        calls = [(item.name, item.arguments) for item in response.output if item.type == "function_call"]
        assert calls == [(tool.name, tool.input) for tool in fault.tools]
        thoughts = [item.summary[0].text for item in response.output if item.type == "reasoning"]
        assert thoughts == [fault.thinking] * (fault.thinking is not None)
        assert response.output_text == server.replies[0].text


@pytest.mark.parametrize("backend", ["sync", "asyncio", "trio"])
def test_the_generator_has_the_calls_and_the_thinking(server: FaultServer, fault: Fault, backend: str) -> None:
    """With the inputs as objects."""
    url = f"{server.url}/v1/messages"

    async def main() -> Any:
        async with AsyncContentGenerator.proxy(url, plugins=[]) as generator:
            return await generator.send_request("Hello")

    if backend == "sync":
        with ContentGenerator.proxy(url, plugins=[]) as generator:
            reply = generator.send_request("Hello")
    else:
        reply = anyio.run(main, backend=backend)
    calls = [(call.name, call.arguments) for call in reply.tool_calls]
    assert calls == [(tool.name, json.loads(tool.input)) for tool in fault.tools]
    assert reply.stop_reason == ("tool_use" if fault.tools else "end_turn")
    assert reply.text == server.replies[0].text
    assert [block.thinking for block in reply.content if block.type == "thinking"] == [fault.thinking] * bool(
        fault.thinking
    )


@pytest.mark.parametrize("cut", [faults.cut(after=7), faults.truncate(after=7)], ids=["cut", "truncate"])
def test_a_call_that_is_cut_within_its_input_is_partial(cut: Fault) -> None:
    """The call fails, and what has arrived of the input is there, but never as a complete one."""
    builder, error = MessageBuilder(), None
    fault = attrs.evolve(cut, text="", tools=[("look", {"question": "a long one"})])
    with FaultServer([fault]) as server, Client([], dialect="anthropic") as client:
        try:
            with client.stream("POST", f"{server.url}/v1/messages", json={"stream": True}) as stream:
                for event in stream:
                    builder.add(event)
        except unbroken.NetworkError as caught:
            error = caught
    (block,) = builder.snapshot().content
    assert isinstance(block, PartialToolUseBlock)
    assert '{"question": "a long one"}'.startswith(block.partial_json)
    assert builder.snapshot().tool_calls == ()
    assert type(error) is (TruncatedStreamError if cut.then == "end" else unbroken.NetworkError)


@pytest.mark.parametrize("backend", ["sync", "asyncio", "trio"])
@pytest.mark.parametrize(
    ("fields", "timeout"),
    [
        pytest.param({"thinking": "One two three four five"}, "quiet", id="thinking"),
        pytest.param({"text": "", "tools": [("look", {"question": "long"})]}, "quiet", id="input-of-a-tool"),
        pytest.param({"text": "One two three four five"}, "idle", id="text"),
    ],
)
def test_a_stall_within_thinking_is_waited_for_longer(fields: dict[str, Any], timeout: str, backend: str) -> None:
    """`quiet` is in force there and in the input of a tool, `idle` within text."""
    timeouts = Timeouts(first_event=20, idle=0.1, quiet=0.3)
    options: dict[str, Any] = {"json": {**ASK, "stream": True}, "timeouts": timeouts}

    def sync(url: str) -> None:
        with Client([], dialect="anthropic") as client, client.stream("POST", url, **options) as stream:
            list(stream)

    async def main(url: str) -> None:
        async with AsyncClient([], dialect="anthropic") as client, client.stream("POST", url, **options) as stream:
            async for _ in stream:
                pass

    with FaultServer([attrs.evolve(faults.stall(after=6), **fields)]) as server:
        url = f"{server.url}/v1/messages"
        with pytest.raises(unbroken.TimeoutError) as caught:
            sync(url) if backend == "sync" else anyio.run(main, url, backend=backend)
    assert caught.value.timeout == timeout
