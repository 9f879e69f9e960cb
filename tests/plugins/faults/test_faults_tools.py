"""Answers with thinking and tools, in the form of each API, and that every fault can happen within them."""

import json

import attrs
import pytest

from unbroken_faults import Fault, FaultServer, ToolUse, faults, parse_fault, parse_script

CHAT = "/v1/chat/completions"
RESPONSES = "/v1/responses"
STREAM = {"model": "m", "stream": True, "messages": [{"role": "user", "content": "Hello"}]}
WHOLE = Fault(thinking="Let me see. ", text="One moment.", tools=[("look", {"q": "Wörter, 1"}), ("now", "")])


def data(seen) -> list[dict]:
    lines = [line[6:] for line in seen.body.decode().split("\n") if line.startswith("data: ")]
    return [json.loads(line) for line in lines if line != "[DONE]"]


def joined(events: list[dict], index: int, field: str) -> str:
    deltas = [event["delta"] for event in events if event["type"] == "content_block_delta" and event["index"] == index]
    return "".join(delta.get(field, "") for delta in deltas)


def test_a_message_thinks_speaks_and_calls_in_this_order(ask):
    """Each block starts empty; its deltas are the whole of it, and the signature is the last of the thinking."""
    with FaultServer([WHOLE]) as server:
        events = data(ask(server))
        (reply,) = server.replies
    starts = [event["content_block"] for event in events if event["type"] == "content_block_start"]
    assert [(block["type"], block.get("name")) for block in starts] == [
        ("thinking", None),
        ("text", None),
        ("tool_use", "look"),
        ("tool_use", "now"),
    ]
    assert [block.get("input", {}) for block in starts] == [{}] * 4
    assert (joined(events, 0, "thinking"), joined(events, 1, "text")) == (reply.thinking, reply.text)
    assert json.loads(joined(events, 2, "partial_json")) == {"q": "Wörter, 1"}
    assert joined(events, 3, "partial_json") == ""
    assert joined(events, 0, "signature")
    assert [event["type"] for event in events[:3]] == ["message_start", "content_block_start", "ping"]
    assert events[-2]["delta"]["stop_reason"] == reply.stop_reason == "tool_use"
    assert starts[2]["id"] != starts[3]["id"]


def test_a_chat_reasons_speaks_and_calls_in_this_order(ask):
    """A call begins with its id and name, then its arguments come in pieces."""
    with FaultServer([WHOLE]) as server:
        choices = [chunk["choices"][0] for chunk in data(ask(server, path=CHAT, body=STREAM))]
    deltas = [choice["delta"] for choice in choices]
    assert "".join(delta.get("reasoning_content", "") for delta in deltas) == WHOLE.thinking
    assert "".join(delta.get("content") or "" for delta in deltas) == WHOLE.text
    calls = [call for delta in deltas for call in delta.get("tool_calls", [])]
    assert [(call["index"], call["function"]["name"]) for call in calls if "id" in call] == [(0, "look"), (1, "now")]
    arguments = "".join(call["function"]["arguments"] for call in calls if call["index"] == 0)
    assert json.loads(arguments) == {"q": "Wörter, 1"}
    assert len(calls) > 4
    assert choices[-1]["finish_reason"] == "tool_calls"


def test_without_a_stream_the_reply_has_the_same_parts(ask):
    """As one message, and as one completion."""
    with FaultServer([WHOLE, WHOLE]) as server:
        message = json.loads(ask(server, body={}).body)
        said = json.loads(ask(server, path=CHAT, body={}).body)["choices"][0]
    assert [block["type"] for block in message["content"]] == ["thinking", "text", "tool_use", "tool_use"]
    assert [block["input"] for block in message["content"][2:]] == [{"q": "Wörter, 1"}, ""]
    assert (message["stop_reason"], said["finish_reason"]) == ("tool_use", "tool_calls")
    assert (said["message"]["reasoning_content"], said["message"]["content"]) == (WHOLE.thinking, WHOLE.text)
    assert [call["function"]["name"] for call in said["message"]["tool_calls"]] == ["look", "now"]


def test_a_call_alone_has_no_text(ask):
    """Neither an empty block nor an empty content."""
    with FaultServer([faults.tool_use(), faults.tool_use()]) as server:
        message = json.loads(ask(server, body={}).body)
        said = json.loads(ask(server, path=CHAT, body={}).body)["choices"][0]["message"]
    assert [block["type"] for block in message["content"]] == ["tool_use"]
    assert said["content"] is None


def test_thinking_is_followed_by_the_usual_answer(ask):
    """Or by the given one."""
    with FaultServer([faults.thinking(), faults.thinking("Hm.", answer="Yes.")]) as server:
        usual, given = data(ask(server)), data(ask(server))
        replies = server.replies
    assert joined(usual, 1, "text") == replies[0].text
    assert (joined(given, 0, "thinking"), joined(given, 1, "text")) == ("Hm.", "Yes.")
    assert [reply.stop_reason for reply in replies] == ["end_turn", "end_turn"]


@pytest.mark.parametrize("path", ["/v1/messages", CHAT, RESPONSES], ids=["messages", "chat", "responses"])
@pytest.mark.parametrize(
    ("fault", "ending"),
    [
        pytest.param(faults.cut(after=6), "complete", id="cut"),
        pytest.param(faults.truncate(after=6), "eof", id="truncate"),
        pytest.param(faults.bad_chunk(after=6), "nonsense", id="bad-chunk"),
        pytest.param(faults.stall(after=6), "silence", id="stall"),
    ],
)
def test_a_fault_happens_within_the_input_of_a_tool(ask, fault, ending, path):
    """What came before it is the beginning of the input."""
    call = attrs.evolve(fault, text="", tools=[("look", {"question": "a really long one"})])
    with FaultServer([call]) as server:
        seen = ask(server, path=path, body=STREAM, silence=0.2)
    assert seen.ending == ending
    assert b"look" in seen.body
    assert b"questi" in seen.body
    assert b"ong one" not in seen.body


def test_an_input_may_be_anything_that_a_model_writes(ask):
    """Text is sent as it is, also if it is no JSON."""
    with FaultServer([faults.tool_use("look", '{"q": ')]) as server:
        assert joined(data(ask(server)), 0, "partial_json") == '{"q": '


def test_scripts_write_thinking_and_tools_like_any_field():
    """As text, as JSON and in Python."""
    stalled = attrs.evolve(faults.stall(after=6), thinking="One moment")
    assert parse_fault("stall:after=6:thinking=One moment") == stalled
    assert parse_fault('tool_use:name=look:input={"q": "x"}') == faults.tool_use("look", {"q": "x"})
    tools = [{"name": "look", "input": {"q": 1}}, ["now", {}]]
    (fault,) = parse_script(json.dumps({"fault": "cut", "after": 6, "tools": tools}))
    assert fault.tools == (ToolUse("look", '{"q": 1}'), ToolUse("now", "{}"))
    assert attrs.evolve(fault, after=7).tools == fault.tools


@pytest.mark.parametrize("tools", [["look"], [("look", 1)], [{"input": {}}], [(1, {})], 7])
def test_tools_that_are_none_are_refused(tools):
    """With the name of the field."""
    with pytest.raises(ValueError, match="'tools' must be pairs of name and input"):
        Fault(tools=tools)
