"""The APIs of OpenAI behind the content generator: what is sent, what is refused, what is made of the answers."""

import contextlib
import json
from typing import Any

import pytest

from unbroken import ConfigurationError, StreamError, TruncatedStreamError
from unbroken.testing import Answer as Script
from unbroken.testing import sse
from unbroken_chat import (
    AnthropicConfig,
    AsyncContentGenerator,
    ChatCompletions,
    ChatCompletionsApi,
    ChatMessage,
    ContentGenerator,
    ImagePart,
    MessagesApi,
    ModelConfig,
    OtherPart,
    ProxyConfig,
    ResponsesApi,
    TextPart,
    ThinkingPart,
    ToolCallPart,
    ToolResultPart,
)

from .openai_types import faults

APIS = ["chat-completions", "responses"]
TOOL = {"name": "look", "description": "Looks.", "input_schema": {"type": "object", "properties": {}}}
LOOK = ToolCallPart("c1", "look", {"at": "sea"})
IMAGE = ImagePart(data=b"\x89PNG", media_type="image/png")
URL = "data:image/png;base64,iVBORw=="
ITEM = {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "Hm."}]}
REASONING = {**ITEM, "encrypted_content": "gAAA"}
OUTPUT = [
    REASONING,
    {
        "type": "message",
        "id": "msg_1",
        "status": "completed",
        "role": "assistant",
        "phase": "commentary",
        "content": [
            {"type": "output_text", "text": "So: ", "annotations": []},
            {"type": "refusal", "refusal": "No."},
        ],
    },
    {"type": "function_call", "id": "fc_1", "status": "completed", "call_id": "c1", "name": "look", "arguments": "{}"},
    {"type": "web_search_call", "id": "ws_1", "status": "completed", "action": {"type": "search", "query": "sea"}},
]
NAMES = {"chat-completions": "Chat Completions", "responses": "the Responses API"}


def completion(*deltas: dict[str, Any], reason: str | None = "stop", **more: Any) -> Script:
    chunks = [{"id": "c", "model": "gpt", "choices": [{"index": 0, "delta": delta}], **more} for delta in deltas]
    ends = [] if reason is None else [{"choices": [{"index": 0, "delta": {}, "finish_reason": reason}]}, "[DONE]"]
    return Script(body=sse(*(each if isinstance(each, str) else json.dumps(each) for each in [*chunks, *ends])))


def response(*output: Any, end: str = "completed", **more: Any) -> Script:
    made = {"id": "resp_1", "object": "response", "model": "gpt", "status": end, "output": output or OUTPUT, **more}
    events = [
        {"type": "response.created", "response": {**made, "status": "in_progress", "output": []}},
        {"type": f"response.{end}", "response": made},
    ]
    return Script(body=sse(*((event["type"], event) for event in events)))


def answered(api: str, text: str = "Well.") -> Script:
    if api == "chat-completions":
        return completion({"content": text})
    return response({"type": "message", "content": [{"type": "output_text", "text": text}]})


def sent(chat: Any, api: Any, message: Any, history: Any = (), config: Any = None, **arguments: Any) -> Any:
    """Return the body of a request, which the SDK's types accept."""
    name = api if isinstance(api, str) else api.name
    parameters = arguments.pop("parameters", {})
    generator = chat.generator([answered(name)], model="gpt", api=api, config=config, **arguments)
    assert chat.send(generator, message, history, **parameters).text == "Well."
    body = chat.bodies[0]
    assert faults(name, body) == []
    return body


def test_a_plain_request_has_the_fields_of_chat_completions(chat) -> None:
    """Of OpenAI's own server, with the key as a bearer token."""
    config = ModelConfig(max_tokens=9, temperature=1.5, top_p=0.5, stop_sequences=("END",), headers={"X-Team": "w"})
    tools = [TOOL, {"type": "function", "name": "flat", "parameters": {}, "strict": True}]
    own = {"type": "function", "function": {"name": "own"}}
    history = [ChatMessage.system("And kind."), ChatMessage.user("Hi"), ChatMessage.assistant("Yes?")]
    body = sent(
        chat,
        "chat-completions",
        "Go",
        history,
        config,
        system="Be brief.",
        tools=[*tools, own],
        parameters={"store": False},
    )
    assert body == {
        "model": "gpt",
        "max_completion_tokens": 9,
        "temperature": 1.5,
        "top_p": 0.5,
        "stop": ["END"],
        "messages": [
            {"role": "system", "content": "Be brief.\n\nAnd kind."},
            {"role": "user", "content": "Hi"},
            {"role": "assistant", "content": "Yes?"},
            {"role": "user", "content": "Go"},
        ],
        "tools": [
            {
                "type": "function",
                "function": {
                    "name": "look",
                    "description": "Looks.",
                    "parameters": {"type": "object", "properties": {}},
                },
            },
            {"type": "function", "function": {"name": "flat", "parameters": {}, "strict": True}},
            own,
        ],
        "store": False,
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    request = chat.requests[0]
    assert request.url == "https://api.openai.com/v1/chat/completions"
    assert request.headers["authorization"] == "Bearer sk-ant-canary"
    assert request.headers["x-team"] == "w"


def test_a_plain_request_has_the_fields_of_responses(chat) -> None:
    """`store` is the user's to choose."""
    nested = {"type": "function", "function": {"name": "nested", "description": "N"}}
    body = sent(
        chat,
        "responses",
        "Go",
        [ChatMessage.system("And kind."), ChatMessage.user("Hi"), ChatMessage.assistant("Yes?")],
        ModelConfig(max_tokens=9, temperature=1.5),
        system="Be brief.",
        tools=[TOOL, nested, {"type": "web_search"}],
        parameters={"store": False, "include": ["reasoning.encrypted_content"], "max_tokens": 5},
    )
    assert body == {
        "model": "gpt",
        "max_output_tokens": 5,
        "temperature": 1.5,
        "instructions": "Be brief.\n\nAnd kind.",
        "input": [
            {"role": "user", "content": "Hi"},
            {"role": "assistant", "content": "Yes?"},
            {"role": "user", "content": "Go"},
        ],
        "tools": [
            {
                "type": "function",
                "name": "look",
                "description": "Looks.",
                "parameters": {"type": "object", "properties": {}},
                "strict": False,
            },
            {"type": "function", "name": "nested", "description": "N", "parameters": None, "strict": False},
            {"type": "web_search"},
        ],
        "store": False,
        "include": ["reasoning.encrypted_content"],
        "stream": True,
    }
    assert chat.requests[0].url == "https://api.openai.com/v1/responses"


@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        ({}, "max_completion_tokens"),
        ({"base_url": "https://api.openai.com/v1/"}, "max_completion_tokens"),
        ({"base_url": "http://127.0.0.1:1/v1"}, "max_tokens"),
        ({"base_url": "http://127.0.0.1:1/v1", "api": ChatCompletionsApi()}, "max_completion_tokens"),
    ],
    ids=["default", "own", "compatible", "chosen"],
)
def test_compatible_servers_are_sent_the_older_limit(chat, arguments, field) -> None:
    """Unless an `Api` says otherwise."""
    body = sent(chat, message="Go", parameters={"max_tokens": 3}, **{"api": "chat-completions", **arguments})
    assert {name: body[name] for name in body if "max_" in name} == {field: 3}


CALLING = [
    ChatMessage.user("How?", IMAGE, ImagePart(url="https://x.org/a.png")),
    ChatMessage.assistant(TextPart("So: "), LOOK, ToolCallPart("c2", "look")),
    ChatMessage.tool_result("c1", "12"),
]
LAST = ChatMessage("user", [ToolResultPart("c2", "gone", is_error=True), TextPart("And?")])


def test_tools_and_images_in_chat_completions(chat) -> None:
    """Results come first, as they must follow the calls."""
    assert sent(chat, "chat-completions", LAST, CALLING)["messages"] == [
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "How?"},
                {"type": "image_url", "image_url": {"url": URL}},
                {"type": "image_url", "image_url": {"url": "https://x.org/a.png"}},
            ],
        },
        {
            "role": "assistant",
            "content": "So: ",
            "tool_calls": [
                {"id": "c1", "type": "function", "function": {"name": "look", "arguments": '{"at":"sea"}'}},
                {"id": "c2", "type": "function", "function": {"name": "look", "arguments": "{}"}},
            ],
        },
        {"role": "tool", "tool_call_id": "c1", "content": "12"},
        {"role": "tool", "tool_call_id": "c2", "content": "Error: gone"},
        {"role": "user", "content": "And?"},
    ]


def test_tools_and_images_in_responses(chat) -> None:
    """In their order."""
    with_image = ToolResultPart("c2", (IMAGE,), is_error=True)
    assert sent(chat, "responses", ChatMessage("user", [with_image, TextPart("And?")]), CALLING)["input"] == [
        {
            "role": "user",
            "content": [
                {"type": "input_text", "text": "How?"},
                {"type": "input_image", "image_url": URL, "detail": "auto"},
                {"type": "input_image", "image_url": "https://x.org/a.png", "detail": "auto"},
            ],
        },
        {"role": "assistant", "content": "So: "},
        {"type": "function_call", "call_id": "c1", "name": "look", "arguments": '{"at":"sea"}'},
        {"type": "function_call", "call_id": "c2", "name": "look", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "c1", "output": "12"},
        {
            "type": "function_call_output",
            "call_id": "c2",
            "output": [
                {"type": "input_text", "text": "Error"},
                {"type": "input_image", "image_url": URL, "detail": "auto"},
            ],
        },
        {"role": "user", "content": "And?"},
    ]


def test_a_response_goes_back_as_it_came(chat) -> None:
    """Item by item, also when it was stored as JSON in between, in either form."""
    script = [response(), *(answered("responses") for _ in range(3))]
    generator = chat.generator(script, model="gpt", api="responses")
    reply = chat.send(generator, "Hi")
    assert (reply.text, reply.thinking, reply.message.refusal) == ("So: ", "Hm.", "No.")
    assert [(call.id, call.name, call.arguments) for call in reply.tool_calls] == [("c1", "look", {})]
    assert (reply.stop_reason, reply.model, reply.raw["id"], reply.content) == (
        "completed",
        "gpt",
        "resp_1",
        tuple(OUTPUT),
    )
    stored = json.loads(json.dumps([reply.to_dict(), reply.message.to_dict()]))
    for said in (reply, *stored):
        chat.send(generator, ChatMessage.tool_result("c1", "x"), [ChatMessage.user("Hi"), said])
    for body in chat.bodies[1:]:
        assert body["input"][1:-1] == OUTPUT
        assert faults("responses", body) == []


@pytest.mark.parametrize(
    "reasoning",
    [{"reasoning_content": "Hm."}, {"reasoning": "Hm.", "reasoning_details": [{"type": "x", "data": "y"}]}],
    ids=["one", "details"],
)
def test_a_completion_goes_back_as_it_came(chat, reasoning) -> None:
    """With the fields of reasoning and calls that servers other than OpenAI's have."""
    call = {"id": "c1", "type": "function", "function": {"name": "look", "arguments": "{}"}, "extra_content": {"g": 1}}
    custom = {"id": "c2", "type": "custom", "custom": {"name": "run", "input": "ls"}}
    first = completion(
        reasoning,
        {"content": "So:"},
        {"refusal": "No."},
        {"tool_calls": [{"index": 0, **call}, {"index": 1, **custom}]},
        reason="tool_calls",
    )
    generator = chat.generator([first, *(answered("chat-completions") for _ in range(4))], model="gpt", api=APIS[0])
    reply = chat.send(generator, "Hi")
    assert (reply.text, reply.thinking, reply.message.refusal) == ("So:", "Hm.", "No.")
    assert (reply.stop_reason, reply.model, len(reply.tool_calls)) == ("tool_calls", "gpt", 1)
    stored = json.loads(json.dumps([reply.to_dict(), reply.message.to_dict(), reply.raw["choices"][0]["message"]]))
    results = ChatMessage("user", [ToolResultPart("c1", "x"), ToolResultPart("c2", "y")])
    for said in (reply, *stored):
        chat.send(generator, results, [ChatMessage.user("Hi"), said])
    for body in chat.bodies[1:]:
        made = body["messages"][1]
        assert made == {
            "role": "assistant",
            "content": "So:",
            "refusal": "No.",
            **reasoning,
            "tool_calls": [call, custom],
        }


@pytest.mark.parametrize("api", APIS)
def test_a_history_may_be_in_the_form_of_the_api(chat, api) -> None:
    """Every message of what was sent is one, so the same is sent again."""
    first = sent(chat, api, LAST, [ChatMessage.system("S"), *CALLING])
    field = "messages" if api == "chat-completions" else "input"
    history = first[field][1:] if api == "chat-completions" else first[field]
    *before, last = [{"role": "developer", "content": "S"}, *history]
    assert sent(chat, api, last, before) == first


@pytest.mark.parametrize("api", APIS)
@pytest.mark.parametrize(
    ("history", "problem"),
    [
        ([ChatMessage.user("a"), ChatMessage.assistant(LOOK)], "message 2: calls the tool 'look' (c1), and the next"),
        (
            [ChatMessage.user("a"), ChatMessage.tool_result("c9", "x")],
            "message 2: answers the tool call 'c9', which no",
        ),
        ([ChatMessage.user("a"), ChatMessage.assistant(IMAGE)], "message 2: has an image, which {} does not take from"),
        ([ChatMessage.user(LOOK)], "message 1: has a tool call, which {} does not take from the user"),
        (
            [ChatMessage.user("a"), ChatMessage.assistant(ThinkingPart("Hm", "signed"))],
            "message 2: has thinking that {} has not made and does not take; leave it out with without_thinking",
        ),
        ([ChatMessage.user(OtherPart({"type": "document", "source": {}}))], "message 1: has a document, which {} does"),
        ([ChatMessage.user(OtherPart({"odd": 1}))], "message 1: has a block, which {} does not take"),
        ([ChatMessage.user(OtherPart({"type": ["odd"]}))], "message 1: has a ['odd'], which {} does not take"),
        (
            [ChatMessage.user("a"), ChatMessage.assistant(ToolCallPart("c", "f", {"x": object()}))],
            "arguments: of the tool call 'c' cannot be written as JSON",
        ),
    ],
    ids=["call", "result", "image", "role", "thinking", "document", "untyped", "odd", "arguments"],
)
def test_what_cannot_be_sent_is_refused_by_message(chat, api, history, problem) -> None:
    """Before anything is sent; the number counts the history that was given."""
    answers = [] if "arguments" not in problem else [ChatMessage.tool_result("c", "x")]
    generator = chat.generator([], model="gpt", api=api)
    with pytest.raises(ConfigurationError) as caught:
        chat.send(generator, *(answers or ["now"]), history)
    assert problem.format(NAMES[api]) in str(caught.value)
    assert chat.requests == []


def test_an_image_in_a_result_is_for_responses(chat) -> None:
    """Chat Completions takes text there."""
    generator = chat.generator([], model="gpt", api="chat-completions")
    history = [ChatMessage.system("S"), ChatMessage.user("a"), ChatMessage.assistant(LOOK)]
    with pytest.raises(ConfigurationError, match=r"message 4: has something else than text in the result of .* 'c1'"):
        chat.send(generator, ChatMessage.tool_result("c1", (IMAGE,)), history)


def test_a_result_may_come_without_its_call_if_the_server_has_it(chat) -> None:
    """That of an earlier response."""
    body = sent(chat, "responses", ChatMessage.tool_result("c1"), parameters={"previous_response_id": "resp_1"})
    assert body["input"] == [{"type": "function_call_output", "call_id": "c1", "output": ""}]


def test_trimming_keeps_a_call_with_its_result(chat) -> None:
    """And errors count the messages that were given."""
    history = [
        ChatMessage.user("old"),
        ChatMessage.assistant("old"),
        ChatMessage.user("a"),
        ChatMessage.assistant(LOOK),
    ]
    for api in APIS:
        generator = chat.generator(
            [answered(api)], proxy=True, api=api, model="gpt", config=ProxyConfig(max_history_messages=1)
        )
        chat.send(generator, ChatMessage.tool_result("c1", "x"), history)
        items = chat.bodies[0]["messages" if api == "chat-completions" else "input"]
        assert items[0] == {"role": "user", "content": "a"}
        assert len(items) == 3
        assert "max_tokens" not in str(chat.bodies[0])
        with pytest.raises(ConfigurationError, match="message 5: answers the tool call 'other'"):
            chat.send(generator, ChatMessage.tool_result("other", "x"), history)


@pytest.mark.parametrize(
    ("api", "script", "error"),
    [
        (APIS[0], completion({"content": "Half"}, reason=None), TruncatedStreamError),
        (
            APIS[1],
            Script(body=sse(("response.created", {"type": "response.created", "response": {"id": "r"}}))),
            TruncatedStreamError,
        ),
        (
            APIS[0],
            completion({"tool_calls": [{"index": 0, "id": "c", "function": {"name": "f", "arguments": "{"}}]}),
            StreamError,
        ),
        (APIS[1], response({**OUTPUT[2], "arguments": '{"at'}), StreamError),
    ],
    ids=["chat-cut", "responses-cut", "chat-arguments", "responses-arguments"],
)
def test_a_broken_answer_is_an_error(chat, api, script, error) -> None:
    """Whether it is read as it grows or at once; then it is asked for again."""
    generator = chat.generator([script] * 9, model="gpt", api=api, plugins=[])
    with pytest.raises(error):
        chat.send(generator, "Hi")
    with pytest.raises(error):
        chat.read(generator.stream_request("Hi"), lambda it: it.text(), lambda it: it.reply())


@pytest.mark.parametrize(("api", "cut"), [(APIS[0], "length"), (APIS[1], "max_output_tokens")])
def test_a_call_that_the_limit_cut_off_is_no_tool_call(chat, api, cut) -> None:
    """It is a part of another kind."""
    call = {
        "type": "function_call",
        "id": "fc",
        "call_id": "c",
        "name": "f",
        "arguments": '{"a',
        "status": "incomplete",
    }
    chunk = {"tool_calls": [{"index": 0, "id": "c", "type": "function", "function": {"name": "f", "arguments": '{"a'}}]}
    script = (
        completion(chunk, reason="length")
        if api == APIS[0]
        else response(call, end="incomplete", incomplete_details={"reason": cut})
    )
    reply = chat.send(chat.generator([script], model="gpt", api=api), "Hi")
    assert (reply.tool_calls, reply.stop_reason) == ((), cut)
    assert [type(part) for part in reply.message.parts] == [OtherPart]


@pytest.mark.parametrize("api", APIS)
def test_a_reply_grows(chat, api) -> None:
    """Events, text, what is there so far, and the rest."""
    generator = chat.generator([answered(api)], model="gpt", api=api)
    stream = generator.stream_request("Hi")
    assert stream.snapshot()["object"] in {"chat.completion", "response"}
    events, reply = chat.read(stream, lambda it: it, lambda it: it.reply())
    assert type(events[-1]).__name__ == ("ChatCompletionChunk" if api == "chat-completions" else "ResponseCompleted")
    assert (reply.text, reply.attempts) == ("Well.", 1)


def test_an_event_that_does_not_fit_its_class_is_an_error_of_the_call(chat) -> None:
    """When it is asked for typed; its text is read all the same."""
    odd = {"type": "response.output_text.annotation.added", "annotation_index": "x", "item_id": 3, "output_index": []}
    generator = chat.generator([odd_response(odd)] * 2, model="gpt", api="responses", plugins=[])
    with pytest.raises(StreamError) as caught:
        chat.read(generator.stream_request("Hi"), lambda it: it)
    assert caught.value.request_id


def odd_response(event: dict[str, Any]) -> Script:
    made = {"id": "resp_1", "object": "response", "model": "gpt", "status": "completed", "output": []}
    events = [{"type": "response.created", "response": made}, event, {"type": "response.completed", "response": made}]
    return Script(body=sse(*((each["type"], each) for each in events)))


def test_what_other_apis_said_is_not_sent(chat, answer) -> None:
    """Only the API that a part came from gets its `extra`; thinking of another is refused."""
    extra = {"responses": {"item": {"id": "msg_1"}}}
    said = ChatMessage.assistant(TextPart("So", extra=extra), ToolCallPart("c1", "look", extra=extra))
    generator = chat.generator([answer()])
    chat.send(generator, ChatMessage.tool_result("c1", "x"), [ChatMessage.user("a"), said])
    assert chat.bodies[0]["messages"][1]["content"] == [
        {"type": "text", "text": "So"},
        {"type": "tool_use", "id": "c1", "name": "look", "input": {}},
    ]
    thought = ChatMessage.assistant(ThinkingPart("Hm", extra={"responses": REASONING}), "So")
    with pytest.raises(ConfigurationError, match="message 2: has the thinking of another API"):
        chat.send(generator, "b", [ChatMessage.user("a"), thought])
    assert thought.without_thinking() == ChatMessage.assistant("So")


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ({"api": "response"}, "api: must be an Api or one of messages, .* \\(did you mean 'responses'"),
        ({"api": 3}, "api: must be an Api"),
        ({"api": "responses", "config": AnthropicConfig()}, "config: must be ModelConfig, the settings for the Resp"),
        ({"config": ModelConfig()}, "config: must be AnthropicConfig"),
        (
            {"api": "responses", "config": ModelConfig(stop_sequences=("a",))},
            "stop_sequences: is a setting that the Re",
        ),
        ({"api": "responses", "api_key": None}, "api_key: is neither given nor in the environment as OPENAI_API_KEY"),
    ],
    ids=["name", "number", "anthropic", "other", "stop", "key"],
)
def test_a_bad_choice_is_named(arguments, problem, monkeypatch) -> None:
    """Before anything is sent."""
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with pytest.raises(ConfigurationError, match=problem):
        ContentGenerator(**{"model": "m", "api_key": "k", **arguments})


@pytest.mark.parametrize("api", APIS)
@pytest.mark.parametrize(
    ("tools", "problem"),
    [
        ([{"type": "web_search_20250305", "name": "w"}], "tools\\[0\\]: is the server tool 'web_search_20250305'"),
        ([TOOL, {**TOOL, "input_examples": []}], "tools\\[1\\]: has 'input_examples', which only the Messages API"),
        (3, "tools: must be a list of definitions"),
        ([3], "tools: must be definitions"),
    ],
    ids=["server", "field", "number", "numbers"],
)
def test_a_tool_that_the_api_has_not_is_named(chat, api, tools, problem) -> None:
    """Before anything is sent."""
    with pytest.raises(ConfigurationError, match=problem):
        chat.send(chat.generator([], model="m", api=api), "Hi", tools=tools)


def test_near_misses_are_those_of_the_api(chat) -> None:
    """And the names of the arguments."""
    generator = chat.generator([], model="m", api="responses")
    with pytest.raises(ConfigurationError, match=r"previous_respons_id: .*did you mean 'previous_response_id'"):
        chat.send(generator, "Hi", previous_respons_id="r")


def test_a_server_that_needs_no_key_gets_none(chat, monkeypatch) -> None:
    """Local ones, unless the environment has one."""
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    arguments = {"api": "responses", "api_key": None, "base_url": "http://127.0.0.1:1/v1"}
    sent(chat, message="Hi", **arguments)
    assert "authorization" not in chat.requests[0].headers


@pytest.mark.parametrize("api", ["gemini", "ollama"])
def test_a_further_api_needs_its_dialect(api) -> None:
    """It is found by its name, so that the generator does without those of the other APIs."""
    arguments: dict[str, Any] = {"model": "m", "api": api, "api_key": "k"}
    with ContentGenerator(**arguments) as generator:
        assert {"gemini": "streamGenerateContent", "ollama": "/api/chat"}[api] in repr(generator)


def test_a_client_without_a_list_of_plugins_reads_the_settings(monkeypatch) -> None:
    """As `unbroken.Client` does."""
    arguments: dict[str, Any] = {"api_key": "k", "plugins": ["retry"]}
    with pytest.raises(ConfigurationError, match="insecure"), ChatCompletions("http://x.example/v1", **arguments) as it:
        it.send_request("Hi")
    monkeypatch.setenv("UNBROKEN_INSECURE", "1")
    with ChatCompletions("http://x.example/v1", **arguments) as it:
        assert it.stream_request("Hi").attempts == 0


def test_a_generator_takes_the_api_of_its_handler(chat) -> None:
    """As does one in proxy mode that is told."""
    handler = chat.handler([answered("responses")], api="responses", model="gpt", config=None)
    kind = ContentGenerator if chat.sync else AsyncContentGenerator
    assert chat.send(kind.with_handler(handler), "Hi").text == "Well."
    assert (handler.api, repr(handler.api), handler.url) == (
        ResponsesApi(),
        "ResponsesApi()",
        "https://api.openai.com/v1/responses",
    )
    assert chat.handler([]).api == MessagesApi()


def test_each_kind_of_part_has_its_place_in_chat_completions(chat) -> None:
    """Parts of the API itself are sent as they are."""
    audio = OtherPart({"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}})
    history = [
        ChatMessage.user("a", audio),
        ChatMessage.assistant(OtherPart({"type": "audio", "id": "audio_1", "data": "AAAA", "transcript": "Hm"})),
        ChatMessage.user("b"),
        ChatMessage.assistant(ThinkingPart("Hm. "), ThinkingPart("Hm.")),
        ChatMessage.user("c"),
        ChatMessage.assistant("Text", OtherPart({"type": "thinking_of_server", "thinking": []})),
        ChatMessage.assistant(),
    ]
    generator = chat.generator([answered("chat-completions")], model="m", api="chat-completions")
    chat.send(generator, "d", history)
    assert chat.bodies[0]["messages"] == [
        {"role": "user", "content": [{"type": "text", "text": "a"}, dict(audio.block)]},
        {"role": "assistant", "content": None, "audio": {"id": "audio_1"}},
        {"role": "user", "content": "b"},
        {"role": "assistant", "content": "", "reasoning_content": "Hm. Hm."},
        {"role": "user", "content": "c"},
        {
            "role": "assistant",
            "content": [{"type": "text", "text": "Text"}, {"type": "thinking_of_server", "thinking": []}],
        },
        {"role": "user", "content": "d"},
    ]


def test_each_kind_of_part_has_its_place_in_responses(chat) -> None:
    """Items of the API itself are sent as they are."""
    file = {"type": "input_file", "file_id": "file_1"}
    custom = {"type": "custom_tool_call", "id": "ct_1", "call_id": "c1", "name": "run", "input": "ls"}
    output = {"type": "custom_tool_call_output", "call_id": "c1", "output": "README"}
    history = [
        ChatMessage.user(OtherPart(file)),
        ChatMessage.assistant(TextPart("a"), TextPart("b"), OtherPart(custom)),
        ChatMessage.user(OtherPart(output)),
        ChatMessage.assistant(OtherPart({"type": "refusal", "refusal": "No."})),
    ]
    body = chat.generator([answered("responses")], model="m", api="responses")
    chat.send(body, ChatMessage.user("c", "d"), history)
    assert chat.bodies[0]["input"] == [
        {"role": "user", "content": [file]},
        {"role": "assistant", "content": "ab"},
        custom,
        output,
        {"role": "assistant", "content": [{"type": "refusal", "refusal": "No."}]},
        {"role": "user", "content": [{"type": "input_text", "text": "c"}, {"type": "input_text", "text": "d"}]},
    ]


def test_a_result_without_parts_is_empty_text(chat) -> None:
    """In both APIs."""
    history = [ChatMessage.user("a"), ChatMessage.assistant(LOOK)]
    for api in APIS:
        body = sent(chat, api, ChatMessage.tool_result("c1", ()), history)
        last = body["messages" if api == "chat-completions" else "input"][-1]
        assert last["content" if api == "chat-completions" else "output"] == ""


def test_a_completion_with_audio_and_a_detailed_image_keeps_them(chat) -> None:
    """What no class of ours holds is kept as a block."""
    api = ChatCompletionsApi()
    said = api.message_of({"role": "assistant", "content": None, "audio": {"id": "a", "data": "AAAA"}})
    assert said == ChatMessage.assistant(OtherPart({"id": "a", "data": "AAAA", "type": "audio"}))
    image = {"type": "image_url", "image_url": {"url": URL, "detail": "low"}}
    assert api.message_of({"role": "user", "content": [image]}) == ChatMessage.user(OtherPart(image))


NOT = [None, 0, "x", [], [0], {}, {"type": 3}, [{}], [{"type": []}], {"role": []}]


@pytest.mark.parametrize("api", [ChatCompletionsApi(), ResponsesApi()], ids=lambda api: api.name)
@pytest.mark.parametrize(
    "name", ["role", "content", "type", "tool_calls", "output", "choices", "call_id", "tool_call_id"]
)
def test_nonsense_in_a_message_is_a_configuration_error(api, name) -> None:
    """Or a message; never anything else."""
    bases: list[dict[str, Any]] = [
        {"role": "assistant", "content": "x"},
        {"role": "tool", "tool_call_id": "c", "content": "x"},
        {"type": "function_call_output", "call_id": "c", "output": "x"},
        {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"},
        {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": 3}]},
        {"role": "user", "content": [{"type": "input_image", "image_url": 3}, {"type": "image_url", "image_url": 3}]},
    ]
    for base in bases:
        for value in NOT:
            with contextlib.suppress(ConfigurationError):
                assert isinstance(api.message_of({**base, name: value}), ChatMessage)
