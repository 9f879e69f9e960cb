"""What each line means: progress, content, the end, a failure; its text, its counts, and where silence is normal."""

import json
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unbroken import Event, Request, Usage
from unbroken.dialect import CONTENT, ERROR, KEEPALIVE, PREAMBLE, TERMINAL, USAGE
from unbroken.errors import Error, StreamError
from unbroken.messages import Summary
from unbroken.registry import resolve_dialect
from unbroken_ollama import Ollama

from .ollama_lines import BASE, HEAD, PULL, chat, end, generated

TOOLS = [{"type": "function", "function": {"name": "f"}}]
CALL = {"function": {"name": "f", "arguments": {}}}
NAMES = ["done", "error", "message", "response", "status", "content", "thinking", "tool_calls", "eval_count", "model"]
ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=4),
    max_leaves=12,
)


def event(data: Any) -> Event:
    return Event.make("message", data if isinstance(data, bytes) else json.dumps(data))


def reader(path: str = "/api/chat", **body: Any) -> Any:
    request = Request.build("POST", BASE + path, json=body)
    return Ollama().reader(SimpleNamespace(id="req_1", current=request, response=None))


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        (chat("a"), CONTENT),
        (chat(" "), CONTENT),
        (chat(thinking="hm"), CONTENT),
        (chat(tool_calls=[CALL]), CONTENT),
        (generated("a"), CONTENT),
        (generated(thinking="hm"), CONTENT),
        (generated(image="aGk="), CONTENT),
        (generated(completed=1, total=20), CONTENT),
        (chat() | {"logprobs": [{"token": "a", "logprob": 0}]}, CONTENT),
        (HEAD | {"message": "odd", "done": False}, CONTENT),
        (chat(), KEEPALIVE),
        (generated(), KEEPALIVE),
        ({}, KEEPALIVE),
        ([], KEEPALIVE),
        (b"null", KEEPALIVE),
        (b"7", KEEPALIVE),
        (b"keepalive", KEEPALIVE),
        (b'{"message": {"content": "cut', CONTENT),
        (end(), TERMINAL | USAGE),
        (end("load"), TERMINAL | USAGE),
        (end() | {"done": "true"}, CONTENT),
        (end() | {"done": 1}, CONTENT),
        ({"status": "success"}, CONTENT),
        ({"error": "no"}, ERROR),
        (end(error="no"), ERROR),
        (chat("a") | {"error": ""}, CONTENT),
        ({"error": {"message": "no"}}, ERROR),
        ([{"error": "no"}], ERROR),
        ({"message": "no", "code": 503}, ERROR),
    ],
    ids=repr,
)
def test_the_kind_of_a_line_of_an_answer(line, kind):
    """A line is what it says; ``done`` counts if it is true, and nothing else does."""
    assert (reader().classify(event(line)), Ollama().classify(event(line))) == (kind, kind)


@pytest.mark.parametrize("path", ["/api/pull", "/proxy/api/create/", "/api/push"])
def test_the_lines_of_a_job(path):
    """The first status says that it begins, the next ones that it goes on, and the last that it has succeeded."""
    job = reader(path)
    kinds = [job.classify(event(line)) for line in [PULL[0], *PULL]]
    assert kinds == [PREAMBLE, PREAMBLE, CONTENT, CONTENT, CONTENT, CONTENT, TERMINAL]
    assert job.quiet
    assert job.summary == Summary(finish_reasons=("success",))
    assert [job.text(event(line)) for line in PULL] == [None] * len(PULL)


@pytest.mark.parametrize(
    ("line", "kind"),
    [({"done": True}, KEEPALIVE), ({"status": 7}, KEEPALIVE), ({"status": 500}, ERROR), ({"error": "x"}, ERROR)],
    ids=repr,
)
def test_odd_lines_of_a_job(line, kind):
    """The mark of an answer does not end it."""
    assert reader("/api/pull").classify(event(line)) == kind


@pytest.mark.parametrize(
    ("line", "text"),
    [
        (chat("a"), "a"),
        (generated("a"), "a"),
        (end(response="!"), "!"),
        (chat("a", thinking="hm"), "a"),
        (chat(thinking="hm"), None),
        (chat(), None),
        (HEAD | {"message": ["a"], "response": 7}, None),
        ([], None),
        (b"keepalive", None),
        (b'{"response": "\\ud83d"}', "\ufffd"),
    ],
    ids=repr,
)
def test_the_text_of_a_line(line, text):
    assert (reader().text(event(line)), Ollama().text(event(line))) == (text, text)


def test_a_cut_line_has_no_text_but_an_error():
    """A text that lacks a piece is worse than an error."""
    with pytest.raises(StreamError):
        reader().text(event(b'{"message": {"content": "a'))


@pytest.mark.parametrize(
    ("tools", "lines", "quiet"),
    [
        ([], [chat("a")], [False]),
        ([], [chat(thinking="a"), chat(), chat("b")], [True, True, False]),
        ([], [chat(tool_calls=[CALL]), chat("b")], [True, False]),
        ([], [generated(completed=1, total=2)], [True]),
        (TOOLS, [chat("a"), chat(thinking="b")], [True, True]),
    ],
    ids=["text", "thinking", "call", "image", "tools"],
)
def test_silence_is_normal_while_the_model_thinks_or_may_write_a_call(tools, lines, quiet):
    """The server keeps back what may be the call of a tool."""
    answer = reader(tools=tools)
    seen = []
    for line in lines:
        answer.classify(event(line))
        seen.append(answer.quiet)
    assert seen == quiet


def test_the_summary_has_the_model_and_the_reason():
    answer = reader()
    assert answer.summary == Summary()
    for line in (chat("a"), end("length")):
        answer.classify(event(line))
    assert answer.summary == Summary(model="gemma3", finish_reasons=("length",))


@pytest.mark.parametrize(
    ("counts", "usage"),
    [
        ({"prompt_eval_count": 9, "eval_count": 2}, Usage(input_tokens=9, output_tokens=2, final=True)),
        ({"eval_count": 0}, Usage(output_tokens=0, final=True)),
        ({"prompt_eval_count": 9}, Usage(input_tokens=9)),
        ({"prompt_eval_count": True, "eval_count": -1}, None),
        ({"prompt_eval_count": 10**16}, None),
        ([], None),
        (b"{", None),
    ],
    ids=repr,
)
def test_usage(counts, usage):
    assert Ollama().usage(event(counts)) == usage


@pytest.mark.parametrize(
    ("path", "body", "asks"),
    [
        ("/api/chat", {}, True),
        ("/api/generate", {"stream": True}, True),
        ("/api/generate/", {"stream": None}, True),
        ("/proxy/api/pull?x=1", {}, True),
        ("/api/create", {"stream": False}, False),
        ("/api/push", {"note": '"stream"'}, True),
        ("/api/embed", {}, False),
        ("/api/show", {"stream": True}, True),
        ("/api/tags", None, False),
        ("/api/version", None, False),
        ("/api/ps", None, False),
    ],
    ids=repr,
)
def test_the_api_streams_unless_a_request_says_otherwise(path, body, asks):
    request = Request.build("POST", BASE + path, json=body, stream=False)
    assert resolve_dialect("ollama").asks_for_stream(request) is asks


@given(documents=st.lists(ANY_JSON, max_size=6), path=st.sampled_from(["/api/chat", "/api/pull"]), tools=ANY_JSON)
def test_arbitrary_json_raises_nothing_foreign(documents, path, tools):
    """Also in the request."""
    answer, dialect = reader(path, tools=tools, stream=tools), Ollama()
    assert dialect.asks_for_stream(answer.call.current) is (tools is not False)
    for document in documents:
        line = event(document)
        kind = answer.classify(line)
        assert kind
        answer.text(line)
        dialect.usage(line)
        assert isinstance(dialect.error_from_event(line), Error)
        if kind & TERMINAL:
            assert document.get("done") is True or document.get("status") == "success"
    assert isinstance(answer.summary, Summary)
    assert answer.complete_at_end() is False


@given(st.binary(max_size=60))
def test_arbitrary_bytes_raise_nothing_foreign(raw):
    line, answer = Event("message", raw), reader()
    answer.classify(line)
    Ollama().error_from_event(line)
    try:
        answer.text(line)
    except StreamError:
        assert raw.lstrip()[:1] == b"{"
