"""A conversation with typed lines, against a server on loopback."""

import builtins
import io
import json
import sys
from collections.abc import Callable
from typing import Any

import pytest

import unbroken_chat
import unbroken_cli.chat._screen as cli_screen
from unbroken import CircuitOpenError, ConfigurationError
from unbroken_cli.chat import ChatRequest, chat
from unbroken_faults import Fault, FaultServer, faults

TEXT = "Water runs downhill."


def body(server: FaultServer, number: int = -1) -> Any:
    return server.requests[number].json()


def said(server: FaultServer, number: int = -1) -> list[str]:
    """The messages of a request, of either API."""
    made = []
    for message in body(server, number)["messages"]:
        content = message["content"]
        text = content if isinstance(content, str) else "".join(block["text"] for block in content)
        made.append(f"{message['role']}: {text}")
    return made


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def prompts() -> list[str]:
    return []


@pytest.fixture
def converse(server, monkeypatch, capsys, prompts) -> Callable[..., tuple[int, str, str]]:
    """Hold a conversation with typed lines; an exception among them is raised at the prompt."""

    def call(*lines: Any, **options: Any) -> tuple[int, str, str]:
        typed = iter(lines)

        def type_line(prompt: str) -> str:
            prompts.append(prompt)
            line = next(typed, None)
            if line is None:
                raise EOFError
            if isinstance(line, BaseException):
                raise line
            return line() if callable(line) else line

        out = Terminal()
        monkeypatch.setattr(sys, "stdin", Terminal())
        monkeypatch.setattr(sys, "stdout", out)
        monkeypatch.setattr(builtins, "input", type_line)
        code = chat(ChatRequest(**{"endpoint": f"{server.url}/v1/messages", "plugins": ["timeout"], **options}))
        return code, out.getvalue(), capsys.readouterr().err

    return call


def openai(server: FaultServer) -> dict[str, Any]:
    return {"endpoint": None, "dialect": "openai", "base_url": f"{server.url}/v1"}


@pytest.mark.parametrize("wire", ["anthropic", "openai"])
def test_each_question_goes_with_what_was_said_before(converse, server, wire):
    """Questions and answers in turns, the system text in front."""
    server.push(faults.ok("First."), faults.ok("Second."))
    options = openai(server) if wire == "openai" else {}
    code, out, err = converse("one", "two", system="Be brief", **options)
    assert (code, out) == (0, "First.\nSecond.\n\n")
    expected = ["user: one", "assistant: First.", "user: two"]
    assert said(server) == (["system: Be brief", *expected] if wire == "openai" else expected)
    assert "/help shows the commands" in err


@pytest.mark.parametrize("wire", ["anthropic", "openai"])
def test_commands_change_what_is_sent_next(converse, server, wire):
    """Another model, other instructions, no history; tokens of both APIs are counted."""
    server.push(*[Fault(text="Yes.", usage=(30, 4))] * 2)
    options = openai(server) if wire == "openai" else {}
    _, _, err = converse("one", "/model m-2", "/system Be kind", "/clear", "two", "/usage", "/quit", **options)
    assert body(server)["model"] == "m-2"
    assert said(server)[-1] == "user: two"
    assert body(server).get("system") == "Be kind" or said(server) == ["system: Be kind", "user: two"]
    assert "2 answers: 60 tokens read, 8 written." in err


def test_a_failed_answer_goes_on(converse, server):
    """Words for people, then the block; the question is not part of the next one."""
    server.push(faults.status(500), faults.ok(TEXT))
    code, out, err = converse("lost", "next")
    assert (code, out) == (0, f"{TEXT}\n\n")
    assert "The service is temporarily unavailable. Please try again in a moment. (request req_" in err
    assert "ServerError: HTTP 500" in err
    assert said(server) == ["user: next"]


def test_a_failed_answer_can_be_asked_for_again(converse, server):
    """`/retry` sends the same question."""
    server.push(faults.cut(after=5), faults.ok("One."), faults.ok("Two."))
    _, out, _ = converse("again", "/retry", "/retry", "next")
    assert out.splitlines()[1:3] == ["One.", "Two."]
    assert [said(server, number) for number in range(3)] == [["user: again"]] * 3
    assert said(server) == ["user: again", "assistant: Two.", "user: next"]


def test_interrupting_an_answer_goes_on(converse, server, monkeypatch):
    """The partial answer is no history; what it cost is counted."""
    server.push(faults.stall(after=6), Fault(text=TEXT, usage=(30, 4)))
    real = cli_screen._write
    pieces: list[str] = []

    def interrupt(text: str) -> None:
        real(text)
        pieces.append(text)
        if len(pieces) == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(cli_screen, "_write", interrupt)
    code, out, err = converse("slow", "next", "/usage")
    partial, answer, _ = out.splitlines()
    assert (code, partial, answer) == (0, "".join(pieces[:2]), TEXT)
    assert "cancelled\n" in err
    assert said(server) == ["user: next"]
    assert "2 answers: " in err
    assert "Of 1 not finished" in err


def test_interrupting_while_nothing_has_come_goes_on(converse, server, monkeypatch):
    """Waiting for the first word can be given up too."""

    def impatient(self: Any) -> Any:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(unbroken_chat.ReplyStream, "__enter__", impatient)
        code, _, err = converse("slow", "/usage")
    assert code == 0
    assert "cancelled\n" in err
    assert "0 answers: " in err


@pytest.mark.parametrize("leaving", [EOFError(), KeyboardInterrupt(), "/quit"], ids=["ctrl-d", "ctrl-c", "quit"])
def test_leaving_is_exit_code_0(converse, server, leaving, monkeypatch):
    """It was a conversation, not a failure."""
    monkeypatch.setattr(cli_screen, "_typed", lambda: "")
    assert converse(leaving, "never asked")[0] == 0
    assert server.requests == []


def test_interrupting_a_half_typed_line_drops_the_line(converse, server, monkeypatch):
    """It is not asked, and the next one is."""
    monkeypatch.setattr(cli_screen, "_typed", lambda: "half a li")
    converse(KeyboardInterrupt(), "whole")
    assert said(server) == ["user: whole"]


def test_without_readline_an_interrupted_line_leaves(converse, server, monkeypatch):
    """Only readline knows what was typed."""
    monkeypatch.setattr(cli_screen, "readline", None)
    assert converse(KeyboardInterrupt(), "never asked")[0] == 0
    assert server.requests == []


def test_typing_something_that_is_no_text_goes_on(converse, server):
    """It is said, and the next line counts."""
    code, _, err = converse(UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid start byte"), "next")
    assert code == 0
    assert "That was not UTF-8." in err
    assert said(server) == ["user: next"]


def test_an_empty_answer_is_said_and_forgotten(converse, server):
    """Or the API would refuse every question after it."""
    server.push(faults.ok(""), faults.ok(TEXT))
    _, out, err = converse("one", "two")
    assert out == f"{TEXT}\n\n"
    assert "The answer is empty." in err
    assert said(server) == ["user: two"]


def test_a_server_writes_text_and_nothing_else_to_the_terminal(converse, server):
    """Neither an answer nor the name of a model can clear a screen."""
    server.push(faults.ok("\x1b[2Jgone"), Fault(status=400, message="\x1b[2Jno"))
    _, out, err = converse("one", "/model \x1b[2J", "two")
    assert out == "\ufffd[2Jgone\n\n"
    assert "\x1b[2J" not in err


@pytest.mark.parametrize(
    ("block", "problem"),
    [
        ({"type": "tool_use", "id": "t", "name": "warmth", "input": {}}, "calls the tool 'warmth' (t), and the next"),
        ({"odd": 1}, "has a block, which Chat Completions does not take"),
        ({"type": "thinking", "thinking": "Hm", "signature": "x"}, "has thinking that Chat Completions has not made"),
    ],
    ids=["tool", "odd", "thinking"],
)
def test_what_a_server_cannot_be_sent_is_said(converse, server, nowhere, block, problem):
    """Nothing is sent; the conversation is kept, and the program goes on."""
    talk = [{"role": "user", "content": "How warm?"}, {"role": "assistant", "content": [block]}]
    (nowhere / "talk.json").write_text(json.dumps(talk))
    _, _, err = converse("/load talk.json", "next", "/save talk.json", **openai(server))
    assert f"message 2: {problem}" in err
    assert "2 messages written" in err
    assert server.requests == []


def test_a_conversation_with_tools_and_images_goes_on_with_openai(converse, server, nowhere):
    """It was had with Anthropic, and is written as Chat Completions has it."""
    image = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "iVBORw=="}}
    talk = [
        {"role": "user", "content": [{"type": "text", "text": "How warm?"}, image]},
        {"role": "assistant", "content": [{"type": "tool_use", "id": "t", "name": "warmth", "input": {"at": "sea"}}]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t", "content": "12"}]},
        {"role": "assistant", "content": "12 degrees."},
    ]
    (nowhere / "talk.json").write_text(json.dumps(talk))
    converse("/load talk.json", "next", "/save talk.json", **openai(server))
    call = {"id": "t", "type": "function", "function": {"name": "warmth", "arguments": '{"at":"sea"}'}}
    url = {"url": "data:image/png;base64,iVBORw=="}
    assert server.requests[0].json()["messages"] == [
        {"role": "user", "content": [{"type": "text", "text": "How warm?"}, {"type": "image_url", "image_url": url}]},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "t", "content": "12"},
        {"role": "assistant", "content": "12 degrees."},
        {"role": "user", "content": "next"},
    ]
    assert json.loads((nowhere / "talk.json").read_text())[1:3] == talk[1:3]


def test_an_open_circuit_is_explained(converse, server, monkeypatch):
    """The words are those for users, the block says which plugin it was."""

    def refused(self: Any) -> Any:
        raise CircuitOpenError("circuit 'x' is open", request_id="req_1")

    monkeypatch.setattr(unbroken_chat.ReplyStream, "__enter__", refused)
    _, _, err = converse("one")
    assert "temporarily unavailable" in err
    assert "CircuitOpenError: circuit 'x' is open" in err


def test_who_answers_is_introduced(converse, server, prompts):
    """Model and address, and the embedded server once only, and with each prompt."""
    assert f"m-1 at {server.url}/v1/messages. /help" in converse(model="m-1")[2].replace("\n", " ")
    assert converse()[2].startswith(f"{server.url}/v1/messages. /help")
    assert set(prompts) == {"> "}
    prompts.clear()
    assert converse(endpoint=None)[2].count("embedded") == 1
    assert prompts == ["demo> "]
    assert converse(endpoint=None, demo=True)[2].startswith("the embedded fault server makes the answers up.")


def test_a_bad_address_ends_before_it_begins(converse):
    """A conversation that cannot work is not begun."""
    with pytest.raises(ConfigurationError, match="must start with http"):
        converse("one", endpoint="ftp://127.0.0.1/x")


def test_a_token_that_cannot_be_sent_is_answered_with_the_remedy(converse):
    """Not with advice to try again."""
    code, _, err = converse("one", endpoint="http://backend.example/v1/messages", token="canary-4711-secret")
    assert code == 0
    assert "headers.authorization: would be sent unencrypted to http://backend.example:80" in err
    assert "--insecure" in err
    assert "try again" not in err
    assert "canary" not in err
