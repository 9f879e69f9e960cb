"""The content generator: what it sends, what it returns, what it raises."""

import json

import attrs
import pytest

from unbroken import ConfigurationError, OverloadedError, StreamError, TruncatedStreamError, ValidationError
from unbroken.testing import Answer as Script
from unbroken.testing import sse
from unbroken_chat import AnthropicConfig, ChatMessage, ContentGenerator, ProxyConfig, TextPart, ToolCallPart

HELLO = [{"role": "user", "content": [{"type": "text", "text": "Hello"}]}]
TOOL = {"name": "open_gate", "description": "Opens a gate.", "input_schema": {"type": "object"}}
USING_TOOL = [
    ({"type": "thinking", "thinking": "", "signature": ""}, [{"type": "thinking_delta", "thinking": "hm"}]),
    (
        {"type": "tool_use", "id": "toolu_1", "name": "open_gate", "input": {}},
        [
            {"type": "input_json_delta", "partial_json": '{"ga'},
            {"type": "input_json_delta", "partial_json": 'te": 3}'},
        ],
    ),
]


def test_a_reply_has_everything_that_an_application_needs(chat, answer) -> None:
    """The text first."""
    reply = chat.send(chat.generator([answer("Good day")]), "Hello")
    assert (reply.text, reply.stop_reason, reply.model, reply.attempts) == (
        "Goodday",
        "end_turn",
        "claude-sonnet-4-5",
        1,
    )
    assert (reply.usage.input_tokens, reply.usage.output_tokens, reply.usage.final) == (11, 7, True)
    assert (reply.request_id[:4], reply.response_id) == ("req_", "req_server")
    assert reply.message == ChatMessage.assistant("Goodday")
    assert [type(block).__name__ for block in reply.content] == ["TextBlock"]
    assert reply.raw.id == "msg_1"


def test_direct_mode_sends_the_model_and_what_is_configured(chat, answer) -> None:
    """And nothing that is not set."""
    generator = chat.generator([answer()])
    chat.send(generator, "Hello")
    assert chat.bodies == [{"model": "claude-sonnet-4-5", "max_tokens": 4096, "messages": HELLO, "stream": True}]
    assert chat.requests[0].url == "https://api.anthropic.com/v1/messages"
    assert chat.requests[0].headers["anthropic-version"] == "2023-06-01"
    assert "anthropic-beta" not in chat.requests[0].headers


def test_everything_that_can_be_configured_is_sent(chat, answer) -> None:
    """Under the API's names."""
    config = AnthropicConfig(
        max_tokens=9,
        temperature=0.5,
        top_p=0.9,
        top_k=5,
        stop_sequences=("END",),
        thinking={"type": "enabled", "budget_tokens": 1024},
        anthropic_version="2030-01-01",
        betas=("one", "two"),
        headers={"X-Team": "water"},
    )
    generator = chat.generator([answer()], config=config, system="Be brief.", tools=[TOOL], base_url="https://x.org/")
    chat.send(generator, "Hello")
    assert chat.bodies == [
        {
            "model": "claude-sonnet-4-5",
            "max_tokens": 9,
            "temperature": 0.5,
            "top_p": 0.9,
            "top_k": 5,
            "stop_sequences": ["END"],
            "thinking": {"type": "enabled", "budget_tokens": 1024},
            "messages": HELLO,
            "system": "Be brief.",
            "tools": [TOOL],
            "stream": True,
        }
    ]
    request = chat.requests[0]
    assert request.url == "https://x.org/v1/messages"
    expected = {"anthropic-version": "2030-01-01", "anthropic-beta": "one,two", "x-team": "water"}
    assert {name: request.headers[name] for name in expected} == expected


def test_one_request_may_differ(chat, answer) -> None:
    """What it says itself goes before what is configured."""
    generator = chat.generator([answer()])
    chat.send(generator, "Hello", max_tokens=5, model="claude-haiku", tool_choice={"type": "auto"}, stream=True)
    body = chat.bodies[0]
    assert (body["max_tokens"], body["model"], body["tool_choice"], body["stream"]) == (
        5,
        "claude-haiku",
        {"type": "auto"},
        True,
    )


def test_proxy_mode_sends_the_messages_and_who_asks(chat, answer) -> None:
    """The backend knows the key and, unless it is given, the model."""
    generator = chat.generator([answer()], proxy=True, config=ProxyConfig(headers={"X-App": "demo"}))
    reply = chat.send(generator, "Hello")
    request = chat.requests[0]
    assert chat.bodies == [{"messages": HELLO, "max_tokens": 4096, "stream": True}]
    assert request.url == "https://backend.example.org/api/claude"
    assert request.headers["authorization"] == "Bearer jwt-canary"
    assert request.headers["x-request-id"] == reply.request_id
    assert request.headers["x-app"] == "demo"
    assert "x-api-key" not in request.headers


@pytest.mark.parametrize(
    ("arguments", "parameters", "sent"),
    [
        ({}, {}, {"max_tokens": 4096}),
        ({"model": "m"}, {}, {"model": "m", "max_tokens": 4096}),
        ({"model": "m"}, {"model": "n"}, {"model": "n", "max_tokens": 4096}),
        ({"max_tokens": 9}, {}, {"max_tokens": 9}),
        ({"max_tokens": 9}, {"max_tokens": 5}, {"max_tokens": 5}),
        ({"max_tokens": None}, {}, {}),
        ({}, {"max_tokens": None}, {}),
        ({"max_tokens": None}, {"max_tokens": 5}, {"max_tokens": 5}),
        ({}, {"extra_body": {"max_tokens": 5, "max_token": 6}}, {"max_tokens": 5, "max_token": 6}),
        ({}, {"extra_body": {}, "betas": ["a"], "seed": 1}, {"max_tokens": 4096, "betas": ["a"], "seed": 1}),
    ],
    ids=str,
)
def test_proxy_mode_sends_a_valid_body(chat, answer, arguments, parameters, sent) -> None:
    """The API requires max_tokens; None leaves it to the backend."""
    chat.send(chat.generator([answer()], proxy=True, **arguments), "Hello", **parameters)
    assert chat.bodies == [{"messages": HELLO, "stream": True, **sent}]


def test_none_leaves_max_tokens_to_the_configuration(chat, answer) -> None:
    """In direct mode."""
    chat.send(chat.generator([answer()], config=AnthropicConfig(max_tokens=7)), "Hello", max_tokens=None)
    assert chat.bodies[0]["max_tokens"] == 7


@pytest.mark.parametrize("max_tokens", [0, 1.5, "9", True])
def test_a_bad_max_tokens_is_named(max_tokens) -> None:
    """Before anything is sent."""
    with pytest.raises(ConfigurationError, match="max_tokens"):
        ContentGenerator.proxy("https://backend.example.org/", max_tokens=max_tokens)


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("max_token", "max_tokens"),
        ("maxTokens", "max_tokens"),
        ("temprature", "temperature"),
        ("stop_sequence", "stop_sequences"),
        ("topP", "top_p"),
        ("tool", "tools"),
        ("extra_bdy", "extra_body"),
        ("requestid", "request_id"),
    ],
)
@pytest.mark.parametrize("proxy", [True, False], ids=["proxy", "direct"])
def test_a_near_miss_is_refused_with_the_right_name(chat, answer, proxy, name, meant) -> None:
    """It would be sent, and the API would refuse it or do something else."""
    generator = chat.generator([answer()], proxy=proxy)
    with pytest.raises(ConfigurationError, match=rf"{name}: .*did you mean '{meant}'"):
        chat.send(generator, "Hello", **{name: 1})
    assert chat.requests == []


@pytest.mark.parametrize(
    "parameters", [{"stream": False}, {"stream": None}, {"extra_body": {"stream": False}}], ids=str
)
def test_a_reply_is_always_a_stream(chat, answer, parameters) -> None:
    """There would be nothing to read from."""
    with pytest.raises(ConfigurationError, match="stream: must be true"):
        chat.send(chat.generator([answer()]), "Hello", **parameters)


def test_extra_body_is_a_mapping(chat, answer) -> None:
    """Anything else is named."""
    with pytest.raises(ConfigurationError, match="extra_body"):
        chat.send(chat.generator([answer()]), "Hello", extra_body=[1])


def test_a_plain_dict_is_a_message(chat, answer) -> None:
    """In the format of the API, alone and in the history; a stored reply is one."""
    generator = chat.generator([answer("Good"), answer("Bye")], proxy=True)
    stored = json.loads(json.dumps(chat.send(generator, {"role": "user", "content": "Hello"}).to_dict()))
    assert (stored["id"], stored["model"], stored["stop_reason"]) == ("msg_1", "claude-sonnet-4-5", "end_turn")
    history = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hello"}, stored]
    chat.send(generator, {"role": "user", "content": [{"type": "text", "text": "Again"}]}, history)
    assert chat.bodies[1]["system"] == "Be brief."
    assert chat.bodies[1]["messages"] == [
        *HELLO,
        {"role": "assistant", "content": [{"type": "text", "text": "Good"}]},
        {"role": "user", "content": [{"type": "text", "text": "Again"}]},
    ]


@pytest.mark.parametrize("wrong", ["Hello", 5, None])
def test_what_is_no_message_is_refused_in_the_history(chat, answer, wrong) -> None:
    """And named."""
    with pytest.raises(ConfigurationError, match="history"):
        chat.send(chat.generator([answer()]), "Hello", [wrong])


def test_the_id_of_a_call_can_be_chosen(chat, answer) -> None:
    """To go on with that of the request that one is answering."""
    generator = chat.generator([answer()], proxy=True)
    assert chat.send(generator, "Hello", request_id="mine-1").request_id == "mine-1"
    assert chat.requests[0].headers["x-request-id"] == "mine-1"


def test_a_conversation_goes_on_with_the_replies_themselves(chat, answer) -> None:
    """Messages and replies, as they come."""
    generator = chat.generator([answer("Good"), answer("Bye")])
    first = chat.send(generator, "Hello")
    chat.send(generator, "Again", [ChatMessage.user("Hello"), first])
    assert chat.bodies[1]["messages"] == [
        *HELLO,
        {"role": "assistant", "content": [{"type": "text", "text": "Good"}]},
        {"role": "user", "content": [{"type": "text", "text": "Again"}]},
    ]


@pytest.mark.parametrize(
    ("config", "sent"),
    [
        (ProxyConfig(), 20 + 1),
        (ProxyConfig(max_history_messages=2), 2 + 1),
        (ProxyConfig(max_history_messages=0), 1),
        (ProxyConfig(include_history=False), 1),
        (ProxyConfig(max_history_messages=None), 40 + 1),
    ],
    ids=["default", "two", "none", "not-included", "all"],
)
def test_proxy_mode_limits_the_history(chat, answer, config, sent) -> None:
    """The present message is not counted; instructions are not either."""
    history = [ChatMessage.system("Be brief.")]
    for number in range(20):
        history += [ChatMessage.user(f"q{number}"), ChatMessage.assistant(f"a{number}")]
    chat.send(chat.generator([answer()], proxy=True, config=config), "Hello", history)
    assert len(chat.bodies[0]["messages"]) == sent
    assert chat.bodies[0]["system"] == "Be brief."


def test_a_tool_is_called_and_its_result_is_answered(chat, answer) -> None:
    """The whole round, with the thinking that belongs to it."""
    generator = chat.generator([answer(blocks=USING_TOOL, stop_reason="tool_use"), answer("Done")], tools=[TOOL])
    asked = chat.send(generator, "Open gate 3")
    assert asked.tool_calls == (ToolCallPart("toolu_1", "open_gate", {"gate": 3}),)
    result = ChatMessage.tool_result(asked.tool_calls[0].id, "open")
    assert chat.send(generator, result, [ChatMessage.user("Open gate 3"), asked]).text == "Done"
    roles = [message["role"] for message in chat.bodies[1]["messages"]]
    kinds = [block["type"] for message in chat.bodies[1]["messages"] for block in message["content"]]
    assert (roles, kinds) == (["user", "assistant", "user"], ["text", "thinking", "tool_use", "tool_result"])
    assert chat.bodies[1]["messages"][1]["content"][1]["input"] == {"gate": 3}


def test_unknown_blocks_and_citations_come_back_as_they_were(chat, answer) -> None:
    """A history may not lose what the API will ask for."""
    citation = {"type": "char_location", "cited_text": "water", "document_index": 0}
    blocks = [
        ({"type": "text", "text": "", "citations": []}, [{"type": "citations_delta", "citation": citation}]),
        ({"type": "hologram", "depth": 3}, []),
        ({"type": "redacted_thinking", "data": "x"}, []),
    ]
    generator = chat.generator([answer(blocks=blocks), answer()])
    reply = chat.send(generator, "Hello")
    chat.send(generator, "Again", [ChatMessage.user("Hello"), reply])
    assert chat.bodies[1]["messages"][1]["content"] == reply.raw.to_dict()["content"]
    assert reply.raw.to_dict()["content"] == [
        {"type": "text", "text": "", "citations": [citation]},
        {"type": "hologram", "depth": 3},
        {"type": "redacted_thinking", "data": "x"},
    ]


def test_an_answer_may_be_empty(chat, answer) -> None:
    """The model has nothing to say, and in the history it says nothing."""
    nothing = events(("message_start", {"message": MESSAGE}), ENDED, END)
    generator = chat.generator([nothing, answer()])
    reply = chat.send(generator, "Hello")
    assert (reply.text, reply.content, reply.message.parts) == ("", (), ())
    chat.send(generator, "Again", [ChatMessage.user("Hello"), reply])
    texts = [block["text"] for message in chat.bodies[1]["messages"] for block in message["content"]]
    assert (len(chat.bodies[1]["messages"]), texts) == (1, ["Hello", "Again"])


# As a stream.


def test_a_stream_can_be_read_as_text_as_events_or_as_values(chat, answer) -> None:
    """And is a reply at its end, however it was read."""
    generator = chat.generator([answer("Good day"), answer("Good day"), answer("Good day")])

    def read(how):
        return chat.read(generator.stream_request("Hello"), how, lambda stream: stream.reply())

    pieces, reply = read(lambda stream: stream.text())
    assert (pieces, reply.text) == (["Good", "day"], "Goodday")
    events, reply = read(lambda stream: stream.events())
    assert [event["type"] for event in events][:2] == ["message_start", "content_block_start"]
    assert {event.request_id for event in events} == {reply.request_id}
    values, reply = read(lambda stream: stream)
    assert [type(value).__name__ for value in values][-2:] == ["MessageDelta", "MessageStop"]
    assert reply.text == "Goodday"


def test_the_ways_of_reading_go_on_from_each_other(chat, answer) -> None:
    """Nothing is delivered twice."""
    generator = chat.generator([answer("one two three")])

    def some(stream):
        return _First(stream.text())

    pieces, reply = chat.read(generator.stream_request("Hello"), some, lambda stream: stream.reply())
    assert (pieces, reply.text) == (["one"], "onetwothree")


class _First:
    """The first item alone, of both kinds of iterators."""

    def __init__(self, items) -> None:
        self.items, self.done = items, False

    def __iter__(self):
        yield next(self.items)

    def __aiter__(self):
        return self

    async def __anext__(self):
        if self.done:
            raise StopAsyncIteration
        self.done = True
        return await anext(self.items)


def test_a_stream_says_how_it_stands(chat, answer) -> None:
    """Before, meanwhile and afterwards."""
    stream = chat.generator([Script(status=529), answer("Good day")]).stream_request("Hello")
    assert (stream.usage, stream.outcome, stream.snapshot().text) == (None, None, "")
    chat.read(stream, lambda it: _First(it.text()))
    assert (stream.attempts, stream.snapshot().text, stream.usage.input_tokens) == (2, "Good", 11)
    assert stream.outcome.status == "cancelled"


def test_a_reply_is_made_once(chat, answer) -> None:
    """It can be asked for again."""

    stream = chat.generator([answer()]).stream_request("Hello")
    _, reply = chat.read(stream, lambda it: it.text(), lambda it: it.reply())
    assert stream._finished() is reply


def test_a_stream_that_was_left_has_no_reply(chat, answer) -> None:
    """A part is never taken for the whole."""
    stream = chat.generator([answer("one two")]).stream_request("Hello")
    chat.read(stream, lambda it: _First(it.text()))
    with pytest.raises(TruncatedStreamError):
        stream._finished()


# What goes wrong.


def test_failures_before_the_first_content_are_not_noticed(chat, answer, failed) -> None:
    """Three attempts, one reply."""
    script = [failed(529, "overloaded_error"), failed(500, "api_error"), answer()]
    assert chat.send(chat.generator(script), "Hello").attempts == 3


def test_an_error_after_content_is_raised(chat) -> None:
    """No half reply."""
    script = [events(START, BLOCK, DELTA, FAILED)]
    with pytest.raises(OverloadedError) as caught:
        chat.read(chat.generator(script).stream_request("Hello"), lambda stream: stream.text())
    assert (caught.value.phase, len(caught.value.history), caught.value.delivered) == ("streaming", 1, True)


def events(*types_and_fields) -> Script:
    return Script(body=sse(*((kind, {"type": kind, **fields}) for kind, fields in types_and_fields)))


MESSAGE = {"id": "m", "type": "message", "role": "assistant", "model": "x", "content": []}
START = ("message_start", {"message": MESSAGE})
OTHER = ("message_start", {"message": {**MESSAGE, "id": "n"}})
BLOCK = ("content_block_start", {"index": 0, "content_block": {"type": "text", "text": ""}})
DELTA = ("content_block_delta", {"index": 0, "delta": {"type": "text_delta", "text": "x"}})
STOP = ("content_block_stop", {"index": 0})
ENDED = ("message_delta", {"delta": {"stop_reason": "end_turn"}})
END = ("message_stop", {})
FAILED = ("error", {"error": {"type": "overloaded_error", "message": "Overloaded"}})


@pytest.mark.parametrize(
    ("sent", "error"),
    [
        pytest.param([START, DELTA, STOP, ENDED, END], StreamError, id="D50-delta-without-block"),
        pytest.param([START, BLOCK, DELTA, STOP, OTHER, ENDED, END], StreamError, id="D50-second-message"),
        pytest.param([START, BLOCK, DELTA, STOP, END], TruncatedStreamError, id="D51-no-stop-reason"),
    ],
)
def test_an_answer_that_does_not_fit_together_is_an_error_with_everything_on_it(chat, sent, error) -> None:
    """The request id, the phase, and nobody tries again."""
    generator = chat.generator([events(*sent)])
    with pytest.raises(error) as caught:
        chat.read(generator.stream_request("Hello"), lambda stream: stream.events())
    assert (caught.value.request_id[:4], caught.value.phase, caught.value.delivered) == ("req_", "streaming", True)


def test_the_same_events_are_delivered_to_who_reads_them_raw(chat) -> None:
    """D50: a handler does not assemble."""
    handler = chat.handler([events(START, DELTA, ENDED, END)])
    assert [event.type for event in chat.events(handler, {"messages": HELLO})] == [
        "message_start",
        "content_block_delta",
        "message_delta",
        "message_stop",
    ]


def test_a_bad_request_is_told_and_not_repeated(chat, failed) -> None:
    """400."""
    with pytest.raises(ValidationError, match="max_tokens"):
        chat.send(chat.generator([failed(400, "invalid_request_error", "max_tokens: too large")]), "Hello")


# How it is made.


def test_the_key_comes_from_the_environment(monkeypatch, chat, answer) -> None:
    """Unless it is given."""
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-ant-from-env")
    chat.send(chat.generator([answer()], api_key=None), "Hello")
    assert chat.requests[0].headers["x-api-key"] == "sk-ant-from-env"


def test_without_a_key_it_says_where_one_may_be(monkeypatch) -> None:
    """Before anything is sent."""
    monkeypatch.delenv("ANTHROPIC_API_KEY", raising=False)
    with pytest.raises(ConfigurationError, match="ANTHROPIC_API_KEY"):
        ContentGenerator(model="claude")


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"max_tokens": 0}, "max_tokens"),
        ({"max_tokens": 1.5}, "max_tokens"),
        ({"timeout": 0}, "timeout"),
        ({"timeout": float("nan")}, "timeout"),
        ({"retry_attempts": -1}, "retry_attempts"),
        ({"temperature": 2}, "temperature"),
        ({"top_p": -0.1}, "top_p"),
        ({"top_k": True}, "top_k"),
        ({"thinking": "yes"}, "thinking"),
        ({"betas": "one"}, "betas"),
        ({"headers": {"X-A": "a\r\nb"}}, "headers"),
    ],
    ids=str,
)
def test_E63_a_bad_setting_is_named(values, field) -> None:
    """When the configuration is built."""
    with pytest.raises(ConfigurationError, match=field):
        AnthropicConfig(**values)


@pytest.mark.parametrize("values", [{"max_history_messages": -1}, {"include_history": "no"}, {"timeout": -1}], ids=str)
def test_E63_a_bad_setting_of_proxy_mode_is_named(values) -> None:
    """As in direct mode."""
    with pytest.raises(ConfigurationError, match=next(iter(values))):
        ProxyConfig(**values)


@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        ({"system": 5}, "system"),
        ({"tools": ["open_gate"]}, "tools"),
        ({"model": None}, "model"),
        ({"base_url": "api.example.org"}, "url"),
        ({"api_key": "sk\nx"}, "x-api-key"),
        ({"api_key": 5}, "token"),
        ({"stream_inactivity_timeout": 0}, "idle"),
    ],
    ids=str,
)
def test_a_bad_argument_is_named(arguments, field) -> None:
    """B43 too: before anything is sent."""
    with pytest.raises(ConfigurationError, match=field) as caught:
        ContentGenerator(**{"api_key": "sk-ant-canary", "model": "x", **arguments})
    assert "canary" not in str(caught.value)


def test_a_generator_closes_its_handler(chat, answer) -> None:
    """Connections are not left behind."""
    generator = chat.generator([answer()])
    chat.close(generator)
    assert chat.transport.closed


def test_any_handler_will_do(chat, answer) -> None:
    """One that adds something to each request."""

    class Tagging:
        def __init__(self, handler) -> None:
            self.handler = handler

        def create_stream(self, request, *, request_id=None):
            return self.handler.create_stream({**request, "metadata": {"user_id": "u1"}}, request_id=request_id)

    kind = type(chat.generator([]))
    handler = Tagging(chat.handler([answer()]))
    generator = kind.with_handler(handler, system="Be brief.", model="claude-haiku", max_history_messages=0)
    chat.send(generator, ChatMessage.user(TextPart("Hello")), [ChatMessage.user("old")])
    assert chat.bodies == [
        {
            "model": "claude-haiku",
            "max_tokens": 4096,
            "messages": HELLO,
            "system": "Be brief.",
            "metadata": {"user_id": "u1"},
            "stream": True,
        }
    ]


def test_a_configuration_can_be_varied() -> None:
    """It is a value."""
    assert attrs.evolve(AnthropicConfig(headers={"X-A": "b"}), max_tokens=1).headers["x-a"] == "b"
