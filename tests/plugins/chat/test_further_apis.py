"""The requests for Gemini and Ollama and the reading of their answers; their dialects judge the streams."""

import contextlib
import json
from typing import Any

import pytest

from unbroken import ConfigurationError, Event, TruncatedStreamError
from unbroken_chat import (
    ChatMessage,
    Conversation,
    GeminiApi,
    ImagePart,
    ModelConfig,
    OllamaApi,
    OtherPart,
    TextPart,
    ThinkingPart,
    ToolCallPart,
    ToolResultPart,
)

GEMINI, OLLAMA = GeminiApi(), OllamaApi()
TOOL = {"name": "look", "description": "Looks.", "input_schema": {"type": "object"}}
NESTED = {"type": "function", "function": {"name": "nested"}}
IMAGE = ImagePart(data=b"\x89PNG", media_type="image/png")
CALLING = [
    ChatMessage.user("How?", IMAGE),
    ChatMessage.assistant("So: ", ToolCallPart("c1", "look", {"at": "sea"}), ToolCallPart("c2", "look")),
    ChatMessage(
        "user", [ToolResultPart("c1", "12"), ToolResultPart("c2", ("no", IMAGE), is_error=True), TextPart("?")]
    ),
]


def body(api: Any, *messages: ChatMessage, **more: Any) -> dict[str, Any]:
    made = api.body(Conversation(messages=messages, numbers=range(1, len(messages) + 1), **more))
    json.dumps(made)
    return made


def read(api: Any, *documents: Any) -> Any:
    reading = api.reading({})
    for each in documents:
        reading.add(Event.make("message", each) if isinstance(each, dict) else Event("message", each))
        assert isinstance(reading.snapshot(), dict)
    return reading.answer()


def test_a_request_for_gemini() -> None:
    """With the names of the functions, which results need, and the settings in their place."""
    own = {"googleSearch": {}}
    assert body(GEMINI, *CALLING, system="S", tools=[TOOL, NESTED, own], max_tokens=5) == {
        "contents": [
            {
                "role": "user",
                "parts": [{"text": "How?"}, {"inlineData": {"mimeType": "image/png", "data": "iVBORw=="}}],
            },
            {
                "role": "model",
                "parts": [
                    {"text": "So: "},
                    {"functionCall": {"name": "look", "args": {"at": "sea"}}},
                    {"functionCall": {"name": "look", "args": {}}},
                ],
            },
            {
                "role": "user",
                "parts": [
                    {"functionResponse": {"name": "look", "response": {"output": "12"}}},
                    {
                        "functionResponse": {
                            "name": "look",
                            "response": {"error": "no"},
                            "parts": [{"inlineData": {"mimeType": "image/png", "data": "iVBORw=="}}],
                        }
                    },
                    {"text": "?"},
                ],
            },
        ],
        "systemInstruction": {"parts": [{"text": "S"}]},
        "tools": [
            {
                "functionDeclarations": [
                    {"name": "look", "description": "Looks.", "parametersJsonSchema": {"type": "object"}},
                    {"name": "nested"},
                ]
            },
            own,
        ],
        "generationConfig": {"maxOutputTokens": 5},
    }
    config = GEMINI.settings(ModelConfig(max_tokens=9, top_p=0.5))
    assert GEMINI.merged(config, {"generationConfig": {"maxOutputTokens": 5}}) == {
        "generationConfig": {"maxOutputTokens": 5, "topP": 0.5}
    }
    assert GEMINI.merged(config, {"generationConfig": None}) == {"generationConfig": None}
    url = GEMINI.url("https://x.org/v1beta/", {"model": "models/gemini-3"})
    assert url == "https://x.org/v1beta/models/gemini-3:streamGenerateContent?alt=sse"
    assert GEMINI.sent({"model": "m", "stream": True, "contents": []}) == {"contents": []}
    with pytest.raises(ConfigurationError, match="model: must be given"):
        GEMINI.url("https://x.org", {})


def test_a_request_for_ollama() -> None:
    """With images beside the text, and the names of the functions."""
    assert body(OLLAMA, *CALLING, system="S", tools=[TOOL, NESTED], max_tokens=5) == {
        "messages": [
            {"role": "system", "content": "S"},
            {"role": "user", "content": "How?", "images": ["iVBORw=="]},
            {
                "role": "assistant",
                "content": "So: ",
                "tool_calls": [
                    {"function": {"name": "look", "arguments": {"at": "sea"}}},
                    {"function": {"name": "look", "arguments": {}}},
                ],
            },
            {"role": "tool", "tool_name": "look", "content": "12"},
            {"role": "tool", "tool_name": "look", "content": "Error: no", "images": ["iVBORw=="]},
            {"role": "user", "content": "?"},
        ],
        "tools": [
            {
                "type": "function",
                "function": {"name": "look", "description": "Looks.", "parameters": {"type": "object"}},
            },
            NESTED,
        ],
        "options": {"num_predict": 5},
    }
    assert OLLAMA.url("http://x/", {}) == "http://x/api/chat"
    assert OLLAMA.settings(ModelConfig(stop_sequences=("a",))) == {"options": {"stop": ["a"]}}
    assert OLLAMA.settings(ModelConfig()) == {}
    assert not OLLAMA.needs_key(OLLAMA.base_url)
    only_results = [ToolResultPart("c1", "1"), ToolResultPart("c2", "2")]
    assert body(OLLAMA, *CALLING[:2], ChatMessage("user", only_results))["messages"][-1]["role"] == "tool"


PARTS = [
    {"text": "Hm.", "thought": True},
    {"text": "So: all"},
    {"text": "", "thoughtSignature": "s1"},
    {"functionCall": {"id": "f1", "name": "look", "args": {"at": "sea"}}, "thoughtSignature": "s2"},
    {"executableCode": {"code": "1"}},
]


def test_an_answer_of_gemini_goes_back_as_it_came() -> None:
    """Signatures are with the parts that they came with, also from a stored message."""
    chunks = [[PARTS[0]], [{"text": "So: "}], [{"text": "all"}], PARTS[2:]]
    documents: list[Any] = [{"candidates": [{"content": {"parts": parts}}]} for parts in chunks]
    documents[2:2] = [{"candidates": [{"index": 1, "content": {"parts": [{"text": "other"}]}}]}, b"", b"[3]"]
    documents += [{"candidates": [{"finishReason": "STOP"}], "modelVersion": "g", "responseId": "r"}]
    answer = read(GEMINI, *documents)
    assert (answer.stop_reason, answer.model, answer.message.text) == ("STOP", "g", "So: all")
    assert (answer.message.thinking, answer.message.tool_calls[0].id) == ("Hm.", "f1")
    stored = [ChatMessage.from_dict(answer.message.to_dict()), GEMINI.message_of(answer.raw)]
    for message in (answer.message, *stored):
        made = body(GEMINI, ChatMessage.user("a"), message, ChatMessage.tool_result("f1", "x"))["contents"]
        assert made[1] == {"role": "model", "parts": PARTS}
        assert made[2]["parts"][0]["functionResponse"]["id"] == "f1"
        assert [GEMINI.message_of(content).role for content in made] == ["user", "assistant", "user"]


def test_an_answer_of_ollama_goes_back() -> None:
    """A call without an id gets one, for its result."""
    call = {"function": {"name": "look", "arguments": {"at": "sea"}}}
    odd = {"function": {"name": "look", "arguments": 3}}
    answer = read(
        OLLAMA,
        {"message": {"role": "assistant", "content": "", "thinking": "Hm."}, "model": "m"},
        {"message": {"content": "So: "}},
        b"\n",
        {"message": {"content": "all", "tool_calls": [call, {"id": "c9", **call}, odd, 3]}},
        {"message": {"content": ""}, "done": True, "done_reason": "stop"},
    )
    assert (answer.stop_reason, answer.model, answer.message.text, answer.message.thinking) == (
        "stop",
        "m",
        "So: all",
        "Hm.",
    )
    ids = [call.id for call in answer.message.tool_calls]
    assert ids[0].startswith("call_")
    assert ids[1] == "c9"
    results = ChatMessage("user", [ToolResultPart(id, "x") for id in ids])
    made = body(OLLAMA, ChatMessage.user("a"), answer.message, results)["messages"]
    said = {
        "role": "assistant",
        "content": "So: all",
        "thinking": "Hm.",
        "tool_calls": [call, {"id": "c9", **call}, odd],
    }
    assert made[1] == said
    assert OLLAMA.message_of(answer.raw).text == "So: all"
    assert OLLAMA.message_of({"role": "user", "content": "x"}) == ChatMessage.user("x")
    assert GEMINI.message_of({"role": "user", "content": "x"}) == ChatMessage.user("x")


@pytest.mark.parametrize("api", [GEMINI, OLLAMA], ids=lambda api: api.name)
def test_an_answer_without_its_end_is_no_answer(api) -> None:
    """Whatever arrived."""
    with pytest.raises(TruncatedStreamError, match="the answer is not complete"):
        read(api, {"candidates": [{"content": {"parts": [{"text": "Half"}]}}], "message": {"content": "Half"}})


def test_a_blocked_prompt_is_an_end() -> None:
    """Its reason is the stop reason."""
    answer = read(GEMINI, {"promptFeedback": {"blockReason": "SAFETY"}})
    assert (answer.stop_reason, answer.message.parts) == ("SAFETY", ())


@pytest.mark.parametrize("api", [GEMINI, OLLAMA], ids=lambda api: api.name)
@pytest.mark.parametrize(
    ("messages", "problem"),
    [
        ([ChatMessage.user(OtherPart({"type": "document"}))], "message 1: has a document, which .* does not take"),
        (
            [ChatMessage.user("a"), ChatMessage.assistant(ThinkingPart("Hm", "signed")), ChatMessage.user("b")],
            "message 2: has thinking",
        ),
        (
            [
                ChatMessage.user("a"),
                ChatMessage.assistant(
                    OtherPart({"type": "gemini", "id": "x"}), OtherPart({"type": "ollama", "id": "x"})
                ),
                ChatMessage.tool_result("x"),
            ],
            "message (2: has a|3: answers)",
        ),
        (
            [
                ChatMessage.user("a"),
                ChatMessage.assistant(ToolCallPart("c", "f")),
                ChatMessage.tool_result("c", (OtherPart({"type": "document"}),)),
            ],
            "message 3: has",
        ),
    ],
    ids=["document", "thinking", "call", "result"],
)
def test_what_they_cannot_be_sent_is_refused(api, messages, problem) -> None:
    """With the number of the message."""
    with pytest.raises(ConfigurationError, match=problem):
        body(api, *messages)


def test_a_result_needs_a_call_that_has_a_name() -> None:
    """A call that could not be read has none."""
    for api in (GEMINI, OLLAMA):
        said = ChatMessage.assistant(OtherPart({"type": api.name, "id": "x"}))
        with pytest.raises(ConfigurationError, match="message 3: answers the tool call 'x'"):
            body(api, ChatMessage.user("a"), said, ChatMessage.tool_result("x"))


def test_an_image_at_a_url() -> None:
    """Gemini fetches it; Ollama does not."""
    message = ChatMessage.user(ImagePart(url="https://x.org/a.png"))
    assert body(GEMINI, message)["contents"][0]["parts"] == [{"fileData": {"fileUri": "https://x.org/a.png"}}]
    with pytest.raises(ConfigurationError, match="message 1: has the URL of an image"):
        body(OLLAMA, message)


@pytest.mark.parametrize("api", [GEMINI, OLLAMA], ids=lambda api: api.name)
def test_nonsense_in_an_answer_raises_nothing_else(api) -> None:
    """Any JSON in any place."""
    for value in (None, 0, "x", [], [0], {}, {"parts": 3}, [{"content": {"parts": [{"functionCall": {"name": 3}}]}}]):
        for name in ("candidates", "message", "promptFeedback", "done"):
            with contextlib.suppress(TruncatedStreamError):
                read(api, {name: value}, {"message": {"tool_calls": value, "content": value}})
