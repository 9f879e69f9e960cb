"""The client for Chat Completions, against scripted answers and a server on loopback."""

import json
from typing import Any

import pytest

from unbroken import AuthenticationError, ConfigurationError, TruncatedStreamError
from unbroken.testing import Answer, FakeClock, ScriptedTransport, sse
from unbroken_chat import ChatCompletions, ChatMessage, ToolCallPart
from unbroken_faults import Fault, FaultServer, faults

TEXT = "Water runs downhill."
QUESTION = ChatMessage.user("Where to?")


def scripted(*answers: Answer) -> tuple[ChatCompletions, ScriptedTransport]:
    clock = FakeClock()
    transport = ScriptedTransport(answers, clock)
    return ChatCompletions("http://127.0.0.1:1/v1/", plugins=[], transport=transport, clock=clock), transport


def chunks(*documents: Any) -> Answer:
    return Answer(body=sse(*(json.dumps(each) for each in documents), "[DONE]"))


def said(text: str, reason: Any = None) -> dict[str, Any]:
    return {"choices": [{"delta": {"content": text}, "finish_reason": reason}]}


def test_a_whole_answer_has_its_text_its_counts_and_its_end():
    """As a message that goes into the history."""
    with FaultServer([Fault(text=TEXT, usage=(30, 4))]) as server, ChatCompletions(f"{server.url}/v1") as model:
        answer = model.send_request("Where to?", model="m", max_tokens=7)
    assert (answer.message, answer.text, answer.stop_reason) == (ChatMessage.assistant(TEXT), TEXT, "stop")
    assert answer.usage is not None
    assert (answer.usage.input_tokens, answer.usage.output_tokens) == (30, 4)
    sent = server.requests[0]
    assert sent.path == "/v1/chat/completions"
    assert "authorization" not in sent.headers
    assert sent.json() == {
        "messages": [{"role": "user", "content": "Where to?"}],
        "stream": True,
        "stream_options": {"include_usage": True},
        "model": "m",
        "max_tokens": 7,
    }


def test_the_history_is_messages_and_earlier_answers():
    """Oldest first, the question last."""
    model, transport = scripted(chunks(said("One.", "stop")), chunks(said("Two.", "stop")))
    first = model.send_request(QUESTION)
    history = [ChatMessage.system("Be brief"), QUESTION, first]
    with model.stream_request("And then?", history, request_id="req_mine") as stream:
        assert (stream.request_id, stream.reply().text) == ("req_mine", "Two.")
    messages = json.loads(transport.requests[-1].content)["messages"]
    assert [(each["role"], each["content"]) for each in messages] == [
        ("system", "Be brief"),
        ("user", "Where to?"),
        ("assistant", "One."),
        ("user", "And then?"),
    ]


def test_text_arrives_in_pieces_and_the_rest_is_in_the_reply():
    """`reply` continues where `text` was left."""
    model, _ = scripted(chunks(said("Water "), said("runs "), said("downhill.", "length")))
    with model.stream_request(QUESTION) as stream:
        assert next(stream.text()) == "Water "
        assert stream.usage is None
        answer = stream.reply()
    assert (answer.message, answer.usage, answer.stop_reason) == (ChatMessage.assistant(TEXT), None, "length")


def test_nonsense_in_a_chunk_is_not_a_finish_reason():
    """Whatever a compatible server sends there."""
    model, _ = scripted(chunks(said("All", 7), {"choices": None}, {"choices": [3]}))
    assert model.send_request(QUESTION).stop_reason is None


def test_an_answer_that_is_cut_raises():
    """A partial answer is never returned."""
    model, _ = scripted(Answer(body=sse(json.dumps(said("Half")))))
    with pytest.raises(TruncatedStreamError):
        model.send_request(QUESTION)


def test_the_key_is_a_bearer_token_and_is_not_shown():
    """Neither by the client nor by an error."""
    key = "canary-4711-secret"
    with FaultServer([faults.status(401)]) as server, ChatCompletions(f"{server.url}/v1", api_key=key) as model:
        assert key not in repr(model)
        with pytest.raises(AuthenticationError) as caught:
            model.send_request(QUESTION)
    assert server.requests[0].headers["authorization"] == f"Bearer {key}"
    assert key not in repr(caught.value) + str(caught.value)


@pytest.mark.parametrize(
    ("message", "problem"),
    [
        (ChatMessage.assistant(ToolCallPart("t", "warmth", {})), "message 1: calls the tool 'warmth'"),
        (3, "message: must be a ChatMessage, a dict or text, not int"),
    ],
    ids=["tool", "number"],
)
def test_what_cannot_be_sent_is_refused_before_anything_is(message, problem):
    """These servers are sent text only."""
    model, transport = scripted()
    with pytest.raises(ConfigurationError, match=problem):
        model.stream_request(message)
    assert transport.requests == []


@pytest.mark.parametrize("stream", [False, None, 0], ids=repr)
def test_an_answer_that_does_not_stream_is_refused(stream):
    """Nothing would be read of it."""
    model, transport = scripted(chunks(said("One.", "stop")))
    with pytest.raises(ConfigurationError, match="stream: must be true"):
        model.send_request(QUESTION, stream=stream)
    assert transport.requests == []
    assert model.send_request({"role": "user", "content": "One?"}, stream=True).text == "One."


def test_of_several_choices_the_first_is_the_reply():
    """Also if another one speaks first."""
    pieces = [(1, "B", None), (0, "A", None), (1, "b", "stop"), (0, "a", "stop")]
    documents = [{"choices": [{"index": at, "delta": {"content": t}, "finish_reason": end}]} for at, t, end in pieces]
    model, _ = scripted(chunks(*documents))
    assert model.send_request(QUESTION, n=2).text == "Aa"
