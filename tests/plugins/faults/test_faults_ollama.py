"""What the server says like Ollama: lines of JSON."""

import json

import attrs
import pytest

from unbroken_faults import Fault, FaultServer, faults

CHAT = "/api/chat"
GENERATE = "/api/generate"
WHOLE = Fault(thinking="Let me see. ", text="One moment.", tools=[("look", {"q": "Wörter, 1"}), ("now", "")])


@pytest.fixture
def run(ask):
    """Send one request and see the answer; it is streamed unless the body says otherwise."""
    return lambda server, path=CHAT, **body: ask(server, path=path, body={"model": "llama-test", **body})


def lines(seen) -> list[dict]:
    return [json.loads(line) for line in seen.body.decode().split("\n")[:-1]]


def test_a_chat_thinks_speaks_and_calls_in_this_order(run):
    """The last line is done and has the counts."""
    with FaultServer([attrs.evolve(WHOLE, usage=(7, 9))]) as server:
        *said, last = lines(run(server))
    messages = [each["message"] for each in said]
    assert "".join(message.get("thinking", "") for message in messages) == WHOLE.thinking
    assert "".join(message["content"] for message in messages) == WHOLE.text
    calls = [call for message in messages for call in message.get("tool_calls", [])]
    assert [(call["function"]["index"], call["function"]["name"]) for call in calls] == [(0, "look"), (1, "now")]
    assert calls[0]["function"]["arguments"] == {"q": "Wörter, 1"}
    assert [each["done"] for each in said] == [False] * len(said)
    assert (last["done"], last["done_reason"], last["prompt_eval_count"], last["eval_count"]) == (True, "stop", 7, 9)
    assert {(each["model"], each["created_at"]) for each in said} == {("llama-test", "2026-01-01T00:00:01.000000Z")}


def test_a_generated_text_has_no_calls(run):
    """This API has none."""
    with FaultServer([WHOLE]) as server:
        *said, last = lines(run(server, GENERATE))
    assert "".join(each.get("thinking", "") for each in said) == WHOLE.thinking
    assert "".join(each["response"] for each in said) == WHOLE.text
    assert (last["response"], last["done"], "message" in last) == ("", True, False)


@pytest.mark.parametrize("fault", [WHOLE, Fault(), faults.tool_use()], ids=["everything", "text", "call"])
def test_the_whole_says_what_the_lines_say(run, fault):
    """One object for ``"stream": false``, and only for that."""
    with FaultServer(default=fault) as server:
        *_, last = lines(run(server, stream=None))
        server.reset()
        seen = run(server, stream=False)
        server.reset()
        generated = json.loads(run(server, GENERATE, stream=False).body)
        (reply,) = server.replies
    whole = json.loads(seen.body)
    message = whole.pop("message")
    assert {**whole, "message": last["message"]} == last | {key: whole[key] for key in whole if "prompt" in key} | {
        "total_duration": whole["total_duration"]
    }
    assert (message["content"], message.get("thinking", "")) == (reply.text, reply.thinking)
    assert [call["function"]["name"] for call in message.get("tool_calls", [])] == [tool.name for tool in reply.tools]
    assert (generated["response"], generated.get("thinking", "")) == (reply.text, reply.thinking)
    assert (seen.header("content-type"), generated["done"]) == ("application/json", True)


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        pytest.param(faults.status(404), "model not found", id="404"),
        pytest.param(
            Fault(status=500, error="overloaded_error"), "server overloaded, please retry shortly", id="named"
        ),
        pytest.param(Fault(status=500, error="own words"), "own words", id="own-name"),
        pytest.param(Fault(status=500, error="overloaded_error", message="Sorry"), "Sorry", id="message"),
        pytest.param(faults.error_first("own words"), "own words", id="streamed"),
    ],
)
def test_an_error_is_a_text(run, fault, error):
    """With its HTTP status, or as a line under 200."""
    with FaultServer([fault]) as server:
        seen = run(server)
    assert (seen.status, json.loads(seen.body)) == (fault.status, {"error": error})
    assert seen.body.endswith(b"\n") == (fault.status == 200)


def test_characters_are_escaped_as_go_does(run):
    """So no line of JSON has a line separator, at which some clients would split it."""
    with FaultServer([Fault(text="<a>&\u2028\u2029")]) as server:
        seen = run(server)
    assert [each in seen.body for each in (rb"\u003ca\u003e\u0026", rb"\u2028\u2029", b"<")] == [True, True, False]
    assert "".join(each["message"]["content"] for each in lines(seen)) == "<a>&\u2028\u2029"


def test_without_a_model_it_is_one_of_its_own(ask):
    """As in the other APIs."""
    with FaultServer() as server:
        assert json.loads(ask(server, path=CHAT, body={"stream": False}).body)["model"] == "llama-unbroken"
