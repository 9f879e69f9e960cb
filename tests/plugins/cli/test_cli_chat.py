"""One question, against servers on loopback, and who is asked."""

import io
import json
import sys
from typing import Any

import pytest
import typer

import unbroken_cli.chat._screen as cli_screen
from unbroken_chat import ChatCompletions, ContentGenerator
from unbroken_cli.chat import ChatRequest, chat
from unbroken_cli.chat._server import connected
from unbroken_faults import Fault, FaultServer, faults

SECRET = "canary-4711-secret"
TEXT = "Water runs downhill."
ONCE = ["--plugins", "timeout"]
START = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": "m",
    "content": [],
    "stop_reason": None,
    "stop_sequence": None,
    "usage": {"input_tokens": 3, "output_tokens": 1},
}


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


@pytest.fixture
def endpoint(server) -> list[str]:
    return ["--endpoint", f"{server.url}/v1/messages"]


@pytest.fixture
def compatible(server) -> list[str]:
    return ["--dialect", "openai", "--base-url", f"{server.url}/v1"]


@pytest.fixture(params=["endpoint", "compatible"])
def way(request) -> list[str]:
    """Both wires."""
    return request.getfixturevalue(request.param)


# One question.


def test_the_answer_is_printed_with_a_newline(invoke, way, server):
    """The text alone on standard output, nothing on standard error, exit code 0."""
    server.push(faults.ok(TEXT))
    result = invoke("chat", "Where to?", *way)
    assert (result.exit_code, result.stdout, result.stderr) == (0, f"{TEXT}\n", "")
    assert said(server) == ["user: Where to?"]


def test_an_answer_that_ends_its_line_gets_no_second_newline(invoke, way, server):
    """So that the output is the same whether the model says the newline or not."""
    server.push(faults.ok(f"{TEXT}\n"))
    assert invoke("chat", "Where to?", *way).stdout == f"{TEXT}\n"


def test_the_question_can_come_from_standard_input(invoke, endpoint, server):
    """Without a terminal, what is piped in is the question."""
    assert invoke("chat", *endpoint, input="What is\nthis?\n").exit_code == 0
    assert said(server) == ["user: What is\nthis?"]


def test_options_are_sent(invoke, way, server):
    """System text, model and limit, in the form of the API."""
    invoke("chat", "Hi", "--system", "Be brief", "--model", "m-1", "--max-tokens", "7", *way)
    sent = body(server)
    assert (sent["model"], sent["max_tokens"], sent["stream"]) == ("m-1", 7, True)
    assert sent.get("system") == "Be brief" or said(server)[0] == "system: Be brief"


def test_what_is_not_given_is_left_to_the_server(invoke, way, server):
    """A backend chooses model and limit itself."""
    invoke("chat", "Hi", *way)
    assert not {"model", "max_tokens", "system"} & set(body(server))


def test_chat_completions_are_asked_for_their_counts(invoke, compatible, server):
    """They come only to those who ask."""
    invoke("chat", "Hi", *compatible)
    assert server.requests[0].path == "/v1/chat/completions"
    assert body(server)["stream_options"] == {"include_usage": True}


def test_a_failure_is_shown_as_by_stream(invoke, way, server, monkeypatch):
    """Class, request id, phase, attempts, a hint that fits; exit code 1."""
    monkeypatch.setenv("UNBROKEN_RETRY__INITIAL_DELAY", "0.001")
    server.push(faults.status(429, retry_after=0), faults.status(401))
    result = invoke("chat", "Hi", "--plugins", "retry", *way)
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith("AuthenticationError: HTTP 401")
    for words in ("request   req_", "phase     headers", "1. RateLimitError 429: retry waited", "UNBROKEN_TOKEN"):
        assert words in result.stderr


def test_what_was_printed_stays_when_the_answer_is_cut(invoke, way, server):
    """The words so far end with a newline, the error is on standard error."""
    server.push(faults.cut(after=5))
    result = invoke("chat", "Hi", *way, *ONCE)
    assert result.exit_code == 1
    assert len(result.stdout.split()) == 2
    assert result.stdout.endswith("\n")
    assert result.stderr.startswith("TruncatedStreamError")


def test_an_event_that_is_no_json_is_a_failure(invoke, way, server):
    """Whatever the API."""
    server.push(faults.garbage())
    result = invoke("chat", "Hi", *way, *ONCE)
    assert (result.exit_code, result.stderr.split(":")[0]) == (1, "StreamError")


def test_an_answer_that_was_cut_short_by_the_model_says_so(invoke, server, endpoint):
    """A reader must not take half an answer for the whole."""
    events = [
        {"type": "message_start", "message": START},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Half"}},
        {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": {"stop_reason": "max_tokens"}, "usage": {"output_tokens": 1}},
        {"type": "message_stop"},
    ]
    server.push(Fault(events=events))
    result = invoke("chat", "Hi", *endpoint)
    assert (result.stdout, result.stderr) == ("Half\n", "The answer ended with max_tokens.\n")


@pytest.mark.parametrize(
    ("choices", "out", "err"),
    [
        ([{"delta": {"content": "Half"}, "finish_reason": "length"}], "Half\n", "The answer ended with length.\n"),
        ([{"delta": {"refusal": "No."}, "finish_reason": "stop"}], "", "The model refuses: No.\n"),
        ([{"delta": {"content": "All"}, "finish_reason": 7}, 3], "All\n", ""),
    ],
    ids=["length", "refusal", "nonsense"],
)
def test_why_a_completion_ended_is_read_from_its_chunks(invoke, server, compatible, choices, out, err):
    """An unusual end is said, an empty answer too, and nonsense there does no harm."""
    chunk = b"data: %b\n\n" % json.dumps({"choices": choices}).encode()
    server.push(Fault(events=(chunk, b'data: {"choices": null}\n\n', b"data: [DONE]\n\n")))
    result = invoke("chat", "Hi", *compatible)
    assert (result.exit_code, result.stdout, result.stderr) == (0, out, err)


def interrupting(text: str) -> None:
    raise KeyboardInterrupt


def test_interrupting_an_answer_is_exit_code_130(invoke, way, server, monkeypatch):
    """The connection is closed, and nothing else is said."""
    server.push(faults.stall(after=5))
    monkeypatch.setattr(cli_screen, "_write", interrupting)
    result = invoke("chat", "Hi", *way)
    assert (result.exit_code, result.stderr) == (130, "cancelled\n")
    server.wait_idle()


def test_interrupting_before_the_question_is_exit_code_130(monkeypatch):
    """While standard input is read."""

    class Impatient(io.StringIO):
        def read(self, size: int | None = -1) -> str:
            raise KeyboardInterrupt

    monkeypatch.setattr(sys, "stdin", Impatient())
    assert chat(ChatRequest()) == 130


@pytest.mark.parametrize(
    "arguments",
    [
        ["Hi", "--dialect", "klingon"],
        ["Hi", "--dialect", "openai"],
        ["Hi", "--demo", "--dialect", "openai"],
        ["Hi", "--demo", "--endpoint", "http://127.0.0.1:1/x"],
        ["Hi", "--endpoint", "http://127.0.0.1:1/x", "--base-url", "http://127.0.0.1:1"],
        ["Hi", "--endpoint", "http://127.0.0.1:1/x", "--dialect", "openai"],
        ["Hi", "--token", SECRET],
        ["Hi", "--base-url", "http://127.0.0.1:1"],
        ["Hi", "--endpoint", "ftp://127.0.0.1/x"],
        ["Hi", "--endpoint", "http://127.0.0.1:1/x", "--token", f"{SECRET}\n"],
        ["Hi", "--endpoint", "http://127.0.0.1:1/x", "--token", ""],
        ["Hi", "--dialect", "openai", "--base-url", "127.0.0.1:1"],
        ["Hi", "--plugins", "tiemout"],
        ["Hi", "--config", "missing.toml"],
        ["Hi", "--max-tokens", "0"],
        ["Hi \ud800"],
        [" "],
        [],
    ],
    ids=[
        "dialect", "no-base-url", "demo-of-what", "demo-where", "two-servers", "two-wires", "token-alone", "no-key",
        "scheme", "bad-token", "empty-token", "bad-base-url", "plugin", "config", "max-tokens", "surrogate",
        "blank", "nothing",
    ],
)  # fmt: skip
def test_bad_usage_is_exit_code_2(invoke, arguments):
    """What is wrong is said, and no secret repeated."""
    result = invoke("chat", *arguments, input="")
    assert result.exit_code == 2
    assert result.stderr
    assert SECRET not in result.stdout + result.stderr


def test_standard_input_must_be_text(monkeypatch):
    """Rather than asking about something else than what was piped in."""
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"\xff"), "utf-8"))
    with pytest.raises(typer.BadParameter, match="not UTF-8"):
        chat(ChatRequest())


# Who is asked.


@pytest.mark.parametrize(
    ("environ", "options", "way"),
    [
        ({}, {"demo": True}, "embedded"),
        ({"ANTHROPIC_API_KEY": "k", "OPENAI_API_KEY": "k"}, {"demo": True}, "embedded"),
        ({"OPENAI_API_KEY": "k", "UNBROKEN_TOKEN": "t"}, {}, "compatible"),
        ({"OPENAI_API_KEY": "k"}, {"dialect": "openai"}, "compatible"),
        ({"ANTHROPIC_API_KEY": "k", "OPENAI_API_KEY": "k"}, {}, "direct"),
        ({"ANTHROPIC_API_KEY": "k", "OPENAI_API_KEY": "k"}, {"dialect": "openai"}, "compatible"),
        ({"ANTHROPIC_API_KEY": "k"}, {"dialect": "anthropic"}, "direct"),
        ({"ANTHROPIC_API_KEY": "k"}, {}, "direct"),
        ({"ANTHROPIC_API_KEY": "k"}, {"base_url": "http://127.0.0.1:1"}, "direct"),
        ({"ANTHROPIC_API_KEY": "k"}, {"endpoint": "http://127.0.0.1:1/x"}, "proxy"),
        ({}, {"endpoint": "http://127.0.0.1:1/x", "token": "t"}, "proxy"),
        ({"ANTHROPIC_API_KEY": "k"}, {"dialect": "openai", "base_url": "http://127.0.0.1:1"}, "compatible"),
        ({}, {"dialect": "openai", "base_url": "http://127.0.0.1:1"}, "compatible"),
        ({"ANTHROPIC_API_KEY": "k", "GEMINI_API_KEY": "k"}, {"dialect": "gemini"}, "gemini"),
        ({}, {"dialect": "gemini", "base_url": "http://127.0.0.1:1"}, "gemini"),
        ({"ANTHROPIC_API_KEY": "k"}, {"dialect": "ollama", "model": "m"}, "ollama"),
    ],
)
def test_options_go_before_the_environment(environ, options, way):
    """What is given on the command line is meant; of two keys Anthropic's is used."""
    request = ChatRequest(**options)
    assert request.way(environ) == way
    with connected(request, environ) as server:
        assert type(server.generator) is (ChatCompletions if way == "compatible" else ContentGenerator)
        assert server.is_embedded == (way == "embedded")


@pytest.mark.parametrize("environ", [{}, {"ANTHROPIC_API_KEY": "", "OPENAI_API_KEY": "", "UNBROKEN_TOKEN": "t"}])
def test_without_a_key_nothing_is_made_up(invoke, monkeypatch, environ):
    """A script would take it for the answer of a model. What would help is said."""
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    result = invoke("chat", "Hi")
    assert (result.exit_code, result.stdout) == (2, "")
    words = " ".join(result.stderr.replace("│", "").split())
    assert "nobody to ask" in words
    assert all(each in words for each in ("ANTHROPIC_API_KEY", "OPENAI_API_KEY", "--endpoint", "--demo"))


def test_only_a_conversation_without_a_key_is_with_the_embedded_server():
    """Unless another API is asked for."""
    assert ChatRequest().way({}, conversation=True) == "embedded"
    with pytest.raises(typer.BadParameter, match="nobody to ask"):
        ChatRequest(dialect="anthropic").way({"OPENAI_API_KEY": "k"}, conversation=True)


def test_openai_itself_is_asked_for_a_model():
    """It chooses none, as servers of your own do."""
    for request, model in ((ChatRequest(), "gpt-5.4-mini"), (ChatRequest(model="m"), "m")):
        with connected(request, {"OPENAI_API_KEY": "k"}) as server:
            assert (server.where, server.model) == ("https://api.openai.com/v1/chat/completions", model)


def test_google_is_asked_for_a_model_and_ollama_needs_one():
    """A server at home has the models that were pulled; which one is for the user to say."""
    with connected(ChatRequest(dialect="gemini"), {"GEMINI_API_KEY": "k"}) as server:
        assert server.model == "gemini-flash-latest"
        assert server.where == "https://generativelanguage.googleapis.com/v1beta"
    with connected(ChatRequest(dialect="ollama", model="m"), {}) as server:
        assert (server.model, server.where) == ("m", "http://127.0.0.1:11434")
    with pytest.raises(typer.BadParameter, match="ollama list"):
        ChatRequest(dialect="ollama").way({})
    with pytest.raises(typer.BadParameter, match="GEMINI_API_KEY"):
        ChatRequest(dialect="gemini").way({"GEMINI_API_KEY": ""})


@pytest.mark.parametrize(
    ("dialect", "base", "field"),
    [("gemini", "/v1beta", "x-goog-api-key"), ("ollama", "", "authorization")],
)
def test_gemini_and_ollama_answer(invoke, server, monkeypatch, dialect, base, field):
    """The limit is sent under the name that the API has for it, and a cut answer is an error."""
    monkeypatch.setenv(f"{dialect.upper()}_API_KEY", SECRET)
    server.push(Fault(text="Water falls."), faults.cut())
    options = ["--dialect", dialect, "--base-url", server.url + base, "--model", "m", "--max-tokens", "99"]
    result = invoke("chat", "Hi", *options)
    assert (result.exit_code, result.stdout) == (0, "Water falls.\n")
    assert SECRET in server.requests[0].headers[field]
    sent = server.requests[0].json()
    limit = sent["generationConfig"]["maxOutputTokens"] if dialect == "gemini" else sent["options"]["num_predict"]
    assert limit == 99
    assert invoke("chat", "Hi", *options, "--plugins", "-retry").exit_code == 1


def test_the_embedded_server_answers_and_says_so(invoke):
    """One line on standard error, so that its words are not taken for those of a model."""
    result = invoke("chat", "--demo", "Hi")
    assert result.exit_code == 0
    assert result.stdout.strip()
    assert result.stderr.count("\n") == 1
    assert "embedded fault server" in result.stderr


def test_a_key_asks_anthropic(invoke, server, monkeypatch):
    """With the documented model and limit, the key as its header."""
    monkeypatch.setenv("ANTHROPIC_API_KEY", SECRET)
    server.push(faults.ok(TEXT))
    result = invoke("chat", "Hi", "--base-url", server.url)
    assert (result.exit_code, result.stdout, result.stderr) == (0, f"{TEXT}\n", "")
    assert server.requests[0].headers["x-api-key"] == SECRET
    assert (body(server)["model"], body(server)["max_tokens"]) == ("claude-sonnet-4-5", 4096)
    invoke("chat", "Hi", "--base-url", server.url, "--max-tokens", "9", "--model", "m-1")
    assert (body(server)["model"], body(server)["max_tokens"]) == ("m-1", 9)


def test_without_a_base_url_it_is_anthropic_itself():
    """Nothing is sent by looking."""
    with connected(ChatRequest(), {"ANTHROPIC_API_KEY": SECRET}) as server:
        assert (server.where, server.model) == ("https://api.anthropic.com", "claude-sonnet-4-5")
        assert SECRET not in repr(server)


@pytest.mark.parametrize(
    ("environ", "option", "sent"),
    [
        ({}, [], None),
        ({"UNBROKEN_TOKEN": ""}, [], None),
        ({"UNBROKEN_TOKEN": SECRET}, [], f"Bearer {SECRET}"),
        ({"UNBROKEN_TOKEN": "another"}, ["--token", SECRET], f"Bearer {SECRET}"),
    ],
    ids=["none", "empty", "environment", "option"],
)
def test_a_backend_gets_the_token(invoke, server, endpoint, monkeypatch, environ, option, sent):
    """That of the command line before that of the environment; and the id of the call."""
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    invoke("chat", "Hi", *endpoint, *option)
    assert server.requests[0].headers.get("authorization") == sent
    assert server.requests[0].headers["x-request-id"].startswith("req_")


@pytest.mark.parametrize(("key", "sent"), [("", None), (SECRET, f"Bearer {SECRET}")], ids=["without", "with"])
def test_a_compatible_server_gets_a_key_if_there_is_one(invoke, server, compatible, monkeypatch, key, sent):
    """Servers at home need none."""
    monkeypatch.setenv("OPENAI_API_KEY", key)
    invoke("chat", "Hi", *compatible)
    assert server.requests[0].headers.get("authorization") == sent


@pytest.mark.parametrize("variable", ["ANTHROPIC_API_KEY", "UNBROKEN_TOKEN", "OPENAI_API_KEY"])
def test_credentials_are_never_printed(invoke, server, monkeypatch, variable):
    """Not even when the server repeats them."""
    monkeypatch.setenv(variable, SECRET)
    ways = {
        "ANTHROPIC_API_KEY": ["--base-url", server.url],
        "UNBROKEN_TOKEN": ["--endpoint", f"{server.url}/v1/messages"],
        "OPENAI_API_KEY": ["--dialect", "openai", "--base-url", f"{server.url}/v1"],
    }
    server.push(Fault(status=400, message=f"you sent {SECRET}"))
    result = invoke("chat", "Hi", *ways[variable])
    assert SECRET in "".join(server.requests[0].headers.values())
    assert SECRET not in result.stdout + result.stderr
    assert "you sent ***" in result.stderr


def test_an_address_is_shown_without_its_query():
    """A token may be in it."""
    with connected(ChatRequest(endpoint=f"http://127.0.0.1:1/x?token={SECRET}"), {}) as server:
        assert server.where == "http://127.0.0.1:1/x"


def test_plugins_and_their_settings_are_those_of_a_client(invoke, way, server, nowhere):
    """From a file, from `--config`, by name, without one."""
    (nowhere / "unbroken.toml").write_text('plugins = ["retry"]\n[retry]\nmax_retries = 0\n')
    (nowhere / "other.toml").write_text('plugins = ["retry"]\n[retry]\nmax_retries = 1\ninitial_delay = 0.001\n')
    for arguments, requests in ([[], 1], [["--config", "other.toml"], 2], [["--plugins", "-retry"], 1]):
        server.reset()
        server.push(*[faults.status(500)] * 4)
        assert invoke("chat", "Hi", *way, *arguments).exit_code == 1
        assert len(server.requests) == requests


def test_an_order_that_makes_no_sense_is_said_once(server, endpoint, recwarn):
    """By the same warning as everywhere, though the list is resolved before a client is made of it."""
    with (
        pytest.warns(Warning, match="rate-limit") as caught,
        connected(ChatRequest(endpoint=endpoint[1], plugins=["rate-limit", "retry"]), {}),
    ):
        pass
    assert len(caught) == 1
