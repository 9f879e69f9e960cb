"""The official SDKs for Python as judges: a task, a dict, is carried out and what came of it told as a dict.

`scenarios.mjs` does the same with those for JavaScript, so each test is written once for all of them.
"""

from collections.abc import Callable
from typing import Any

import anthropic
import anyio
import openai

TOOL = {"name": "get_time", "description": "Tell the time", "schema": {"type": "object", "properties": {}}}


def judge(task: dict[str, Any]) -> dict[str, Any]:
    """Carry out `task` with the sync client of its SDK."""
    make = anthropic.Anthropic if task["sdk"] == "anthropic" else openai.OpenAI
    with make(**_options(task)) as client:
        try:
            return _SYNC[task["sdk"], task["do"]](client, task)
        except (anthropic.APIError, openai.APIError) as error:
            return {"error": _told(error)}


def async_judge(task: dict[str, Any]) -> dict[str, Any]:
    """Carry out `task` with the async client of its SDK, under asyncio."""
    return anyio.run(_async_judge, task)


async def _async_judge(task: dict[str, Any]) -> dict[str, Any]:
    make = anthropic.AsyncAnthropic if task["sdk"] == "anthropic" else openai.AsyncOpenAI
    async with make(**_options(task)) as client:
        try:
            return await _ASYNC[task["sdk"], task["do"]](client, task)
        except (anthropic.APIError, openai.APIError) as error:
            return {"error": _told(error)}


def _options(task: dict[str, Any]) -> dict[str, Any]:
    base = task["url"] if task["sdk"] == "anthropic" else f"{task['url']}/v1"
    headers = task.get("headers", {})
    return {
        "base_url": base,
        "api_key": task["key"],
        "max_retries": task.get("retries", 0),
        "timeout": 30.0,
        "default_headers": headers,
    }


def _ask(task: dict[str, Any]) -> dict[str, Any]:
    ask = {"model": task["model"], "messages": [{"role": "user", "content": task.get("prompt", "Hello")}]}
    if task["sdk"] == "anthropic":
        return {**ask, "max_tokens": 100}
    return ask


def _told(error: Any) -> dict[str, Any]:
    body = error.body if isinstance(error.body, dict) else {}
    inner = body.get("error", body)
    response = getattr(error, "response", None)
    headers = {} if response is None else response.headers
    return {
        "class": type(error).__name__,
        "status": getattr(error, "status_code", None),
        "type": inner.get("type"),
        "code": inner.get("code"),
        "message": inner.get("message"),
        "request_id": body.get("request_id") or getattr(error, "request_id", None),
        "should_retry": headers.get("x-should-retry"),
        "retry_after": headers.get("retry-after"),
    }


def _message(message: Any) -> dict[str, Any]:
    return {
        "text": "".join(block.text for block in message.content if block.type == "text"),
        "tools": [[block.name, block.input] for block in message.content if block.type == "tool_use"],
        "stop": message.stop_reason,
        "usage": [message.usage.input_tokens, message.usage.output_tokens],
        "request_id": getattr(message, "_request_id", None),
    }


def _completion(completion: Any, request_id: str | None = None) -> dict[str, Any]:
    (choice,) = completion.choices
    usage = completion.usage
    calls = choice.message.tool_calls or []
    return {
        "text": choice.message.content or "",
        "tools": [[call.function.name, call.function.arguments] for call in calls],
        "stop": choice.finish_reason,
        "usage": None if usage is None else [usage.prompt_tokens, usage.completion_tokens],
        "request_id": request_id or getattr(completion, "_request_id", None),
    }


def _response(response: Any) -> dict[str, Any]:
    calls = [item for item in response.output if item.type == "function_call"]
    return {
        "text": response.output_text,
        "tools": [[call.name, call.arguments] for call in calls],
        "stop": response.status,
        "usage": [response.usage.input_tokens, response.usage.output_tokens],
        "request_id": getattr(response, "_request_id", None),
    }


def _ask_response(task: dict[str, Any]) -> dict[str, Any]:
    return {"model": task["model"], "input": task.get("prompt", "Hello")}


def _numbered(events: list[Any]) -> dict[str, Any]:
    return {"kinds": [event.type for event in events], "numbers": [event.sequence_number for event in events]}


def _deltas(events: list[Any]) -> str:
    return "".join(event.delta for event in events if event.type == "response.output_text.delta")


def _chat_tools(task: dict[str, Any]) -> dict[str, Any]:
    function = {"name": TOOL["name"], "description": TOOL["description"], "parameters": TOOL["schema"]}
    return {**_ask(task), "tools": [{"type": "function", "function": function}]}


def _message_tools(task: dict[str, Any]) -> dict[str, Any]:
    tool = {"name": TOOL["name"], "description": TOOL["description"], "input_schema": TOOL["schema"]}
    return {**_ask(task), "tools": [tool]}


def _chunks(pieces: list[Any]) -> dict[str, Any]:
    """What raw chunks say, put together by hand."""
    choices = [chunk.choices[0] for chunk in pieces if chunk.choices]
    counted = [chunk.usage for chunk in pieces if chunk.usage]
    return {
        "text": "".join(choice.delta.content or "" for choice in choices),
        "stop": next((choice.finish_reason for choice in choices if choice.finish_reason), None),
        "chunks_without_choices": len(pieces) - len(choices),
        "counted": len(counted),
    }


def _plain_message(client: Any, task: dict[str, Any]) -> dict[str, Any]:
    return _message(client.messages.create(**_ask(task)))


def _stream_message(client: Any, task: dict[str, Any]) -> dict[str, Any]:
    with client.messages.stream(**_ask(task)) as stream:
        text = "".join(stream.text_stream)
        told = _message(stream.get_final_message())
        return {**told, "pieces": text, "request_id": stream.request_id}


def _raw_message(client: Any, task: dict[str, Any]) -> dict[str, Any]:
    with client.messages.create(stream=True, **_ask(task)) as stream:
        return {"kinds": [event.type for event in stream]}


def _tools_message(client: Any, task: dict[str, Any]) -> dict[str, Any]:
    with client.messages.stream(**_message_tools(task)) as stream:
        return _message(stream.get_final_message())


def _count(client: Any, task: dict[str, Any]) -> dict[str, Any]:
    ask = {name: value for name, value in _ask(task).items() if name != "max_tokens"}
    return {"tokens": client.messages.count_tokens(**ask).input_tokens}


def _models(client: Any, task: dict[str, Any]) -> dict[str, Any]:
    return {"models": [model.id for model in client.models.list()]}


def _plain_chat(client: Any, task: dict[str, Any]) -> dict[str, Any]:
    return _completion(client.chat.completions.create(**_ask(task)))


def _stream_chat(client: Any, task: dict[str, Any]) -> dict[str, Any]:
    with client.chat.completions.stream(**_ask(task), stream_options={"include_usage": True}) as stream:
        pieces = [event.delta for event in stream if event.type == "content.delta"]
        request_id = stream._response.headers["x-request-id"]
        return {**_completion(stream.get_final_completion(), request_id), "pieces": "".join(pieces)}


def _raw_chat(client: Any, task: dict[str, Any]) -> dict[str, Any]:
    with client.chat.completions.create(stream=True, **_ask(task)) as stream:
        return _chunks(list(stream))


def _tools_chat(client: Any, task: dict[str, Any]) -> dict[str, Any]:
    with client.chat.completions.stream(**_chat_tools(task)) as stream:
        return _completion(stream.get_final_completion())


def _plain_response(client: Any, task: dict[str, Any]) -> dict[str, Any]:
    return _response(client.responses.create(**_ask_response(task)))


def _stream_response(client: Any, task: dict[str, Any]) -> dict[str, Any]:
    with client.responses.stream(**_ask_response(task)) as stream:
        pieces = _deltas(list(stream))
        return {**_response(stream.get_final_response()), "pieces": pieces}


def _raw_response(client: Any, task: dict[str, Any]) -> dict[str, Any]:
    with client.responses.create(stream=True, **_ask_response(task)) as stream:
        return _numbered(list(stream))


Scenario = Callable[[Any, dict[str, Any]], Any]
_SYNC: dict[tuple[str, str], Scenario] = {
    ("anthropic", "plain"): _plain_message,
    ("anthropic", "stream"): _stream_message,
    ("anthropic", "raw"): _raw_message,
    ("anthropic", "tools"): _tools_message,
    ("anthropic", "count_tokens"): _count,
    ("anthropic", "models"): _models,
    ("openai", "plain"): _plain_chat,
    ("openai", "stream"): _stream_chat,
    ("openai", "raw"): _raw_chat,
    ("openai", "tools"): _tools_chat,
    ("openai", "models"): _models,
    ("openai", "response"): _plain_response,
    ("openai", "response_stream"): _stream_response,
    ("openai", "response_raw"): _raw_response,
}


async def _async_plain_message(client: Any, task: dict[str, Any]) -> dict[str, Any]:
    return _message(await client.messages.create(**_ask(task)))


async def _async_stream_message(client: Any, task: dict[str, Any]) -> dict[str, Any]:
    async with client.messages.stream(**_ask(task)) as stream:
        text = "".join([piece async for piece in stream.text_stream])
        return {**_message(await stream.get_final_message()), "pieces": text, "request_id": stream.request_id}


async def _async_raw_message(client: Any, task: dict[str, Any]) -> dict[str, Any]:
    async with await client.messages.create(stream=True, **_ask(task)) as stream:
        return {"kinds": [event.type async for event in stream]}


async def _async_tools_message(client: Any, task: dict[str, Any]) -> dict[str, Any]:
    async with client.messages.stream(**_message_tools(task)) as stream:
        return _message(await stream.get_final_message())


async def _async_count(client: Any, task: dict[str, Any]) -> dict[str, Any]:
    ask = {name: value for name, value in _ask(task).items() if name != "max_tokens"}
    return {"tokens": (await client.messages.count_tokens(**ask)).input_tokens}


async def _async_models(client: Any, task: dict[str, Any]) -> dict[str, Any]:
    return {"models": [model.id async for model in client.models.list()]}


async def _async_plain_chat(client: Any, task: dict[str, Any]) -> dict[str, Any]:
    return _completion(await client.chat.completions.create(**_ask(task)))


async def _async_stream_chat(client: Any, task: dict[str, Any]) -> dict[str, Any]:
    async with client.chat.completions.stream(**_ask(task), stream_options={"include_usage": True}) as stream:
        pieces = [event.delta async for event in stream if event.type == "content.delta"]
        request_id = stream._response.headers["x-request-id"]
        return {**_completion(await stream.get_final_completion(), request_id), "pieces": "".join(pieces)}


async def _async_raw_chat(client: Any, task: dict[str, Any]) -> dict[str, Any]:
    async with await client.chat.completions.create(stream=True, **_ask(task)) as stream:
        return _chunks([chunk async for chunk in stream])


async def _async_tools_chat(client: Any, task: dict[str, Any]) -> dict[str, Any]:
    async with client.chat.completions.stream(**_chat_tools(task)) as stream:
        return _completion(await stream.get_final_completion())


async def _async_plain_response(client: Any, task: dict[str, Any]) -> dict[str, Any]:
    return _response(await client.responses.create(**_ask_response(task)))


async def _async_stream_response(client: Any, task: dict[str, Any]) -> dict[str, Any]:
    async with client.responses.stream(**_ask_response(task)) as stream:
        pieces = _deltas([event async for event in stream])
        return {**_response(await stream.get_final_response()), "pieces": pieces}


async def _async_raw_response(client: Any, task: dict[str, Any]) -> dict[str, Any]:
    async with await client.responses.create(stream=True, **_ask_response(task)) as stream:
        return _numbered([event async for event in stream])


_ASYNC: dict[tuple[str, str], Scenario] = {
    ("anthropic", "plain"): _async_plain_message,
    ("anthropic", "stream"): _async_stream_message,
    ("anthropic", "raw"): _async_raw_message,
    ("anthropic", "tools"): _async_tools_message,
    ("anthropic", "count_tokens"): _async_count,
    ("anthropic", "models"): _async_models,
    ("openai", "plain"): _async_plain_chat,
    ("openai", "stream"): _async_stream_chat,
    ("openai", "raw"): _async_raw_chat,
    ("openai", "tools"): _async_tools_chat,
    ("openai", "models"): _async_models,
    ("openai", "response"): _async_plain_response,
    ("openai", "response_stream"): _async_stream_response,
    ("openai", "response_raw"): _async_raw_response,
}
