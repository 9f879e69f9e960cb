"""Conversations with tools over sockets, in the three APIs of the fault server."""

from typing import Any

import anyio
import openai
import pytest

from unbroken import TruncatedStreamError
from unbroken_chat import AsyncContentGenerator, ChatMessage, ContentGenerator, ImagePart, RetryConfig
from unbroken_faults import Fault, FaultServer, faults

TOOL = {"name": "look", "description": "Looks.", "input_schema": {"type": "object", "properties": {}}}
CALLS = Fault(thinking="Hm.", text="So:", tools=[("look", {"at": "sea"}), ("look", {"at": "Wörter\u2028"})])
ANSWER = Fault(text="It is warm.", slice_size=(1, 40))
QUESTION = ChatMessage.user("How warm?", ImagePart(data=b"\x89PNG", media_type="image/png"))
APIS = ["messages", "chat-completions", "responses"]


def results(reply: Any) -> list[ChatMessage]:
    return [ChatMessage.tool_result(call.id, f"{call.arguments['at']}: 12") for call in reply.tool_calls]


async def talk(generator: Any, sync: bool) -> tuple[Any, str, Any]:
    """Ask, answer the calls, and read the answer as it grows."""
    if sync:
        first = generator.send_request(QUESTION)
        *before, last = results(first)
        with generator.stream_request(last, [QUESTION, first, *before]) as stream:
            return first, "".join(stream.text()), stream.reply()
    first = await generator.send_request(QUESTION)
    *before, last = results(first)
    async with generator.stream_request(last, [QUESTION, first, *before]) as stream:
        return first, "".join([piece async for piece in stream.text()]), await stream.reply()


@pytest.mark.parametrize("backend", ["sync", "asyncio", "trio"])
@pytest.mark.parametrize("api", APIS)
def test_a_conversation_with_tools(api: str, backend: str) -> None:
    """The first attempts are cut: those that are not shown are asked for again."""
    cut = [faults.cut(after=9), faults.error_first()]

    async def main() -> Any:
        async with AsyncContentGenerator(**arguments) as generator:
            return await talk(generator, sync=False)

    with FaultServer([*cut, CALLS, ANSWER]) as server:
        base_url = server.url if api == "messages" else f"{server.url}/v1"
        arguments: Any = {"model": "m", "api": api, "api_key": "k", "base_url": base_url, "tools": [TOOL]}
        arguments["retry_config"] = RetryConfig(initial_delay=0.01)
        if backend == "sync":
            with ContentGenerator(**arguments) as generator:
                first, text, last = anyio.run(talk, generator, True)
        else:
            first, text, last = anyio.run(main, backend=backend)
    assert (first.attempts, first.text, first.thinking) == (3, "So:", "Hm.")
    assert [call.arguments for call in first.tool_calls] == [{"at": "sea"}, {"at": "Wörter\u2028"}]
    assert text == last.text == last.message.text == "It is warm."
    assert last.usage is not None
    assert last.usage.final
    assert last.request_id.startswith("req_")


@pytest.mark.parametrize("api", APIS)
def test_an_answer_that_is_cut_is_an_error(api: str) -> None:
    """Also if its end looks clean."""
    with FaultServer(default=faults.cut(after=5)) as server:
        base_url = server.url if api == "messages" else f"{server.url}/v1"
        arguments: Any = {"model": "m", "api": api, "api_key": "k", "base_url": base_url, "plugins": []}
        with ContentGenerator(**arguments) as generator, pytest.raises(TruncatedStreamError):
            generator.send_request("Hi")


def test_the_sdk_sends_the_same_conversation() -> None:
    """Its own way to carry a response on, and ours, make the same items."""
    with FaultServer([CALLS, ANSWER, CALLS, ANSWER]) as server:
        base_url = f"{server.url}/v1"
        with ContentGenerator(model="m", api="responses", api_key="k", base_url=base_url) as generator:
            reply = generator.send_request("Hi")
            last, *before = reversed(results(reply))
            generator.send_request(last, [ChatMessage.user("Hi"), reply, *before])
        with openai.OpenAI(base_url=base_url, api_key="k") as client:
            items: list[Any] = [{"role": "user", "content": "Hi"}]
            response = client.responses.create(model="m", input=items)
            items += response.output
            calls = [item for item in response.output if item.type == "function_call"]
            ours = [each.to_dict()["content"][0]["content"] for each in results(reply)]
            items += [
                {"type": "function_call_output", "call_id": call.call_id, "output": output}
                for call, output in zip(calls, ours, strict=True)
            ]
            client.responses.create(model="m", input=items)
        sent = [request.json()["input"] for request in server.requests]
    assert [_shape(item) for item in sent[1]] == [_shape(item) for item in sent[3]]


def _shape(item: dict[str, Any]) -> Any:
    """The item without ids, which differ, and without fields that are empty."""
    gone = {"id", "call_id", "encrypted_content", "arguments"}
    if "content" in item and isinstance(item["content"], list):
        item = {**item, "content": [_shape(part) for part in item["content"]]}
    return {name: value for name, value in item.items() if name not in gone and value}
