"""What the server says at ``/chat/completions``: the same reply and the same faults in OpenAI's form."""

import hashlib
import json

import pytest

from unbroken_faults import Fault, FaultServer, faults

PATH = "/v1/chat/completions"
STREAM = {"model": "gpt-test", "stream": True, "messages": [{"role": "user", "content": "Hello"}]}
COUNTED = {**STREAM, "stream_options": {"include_usage": True}}


@pytest.fixture
def chat(ask):
    """Send one request to Chat Completions and see the answer."""
    return lambda server, body=STREAM, **more: ask(server, body=body, path=PATH, **more)


def blocks(seen) -> list[str]:
    return seen.body.decode().split("\n\n")[:-1]


def chunks(seen) -> list[dict]:
    data = [block.removeprefix("data: ") for block in blocks(seen) if block.startswith("data: ")]
    return [json.loads(each) for each in data if each != "[DONE]"]


def text(seen) -> str:
    deltas = [choice["delta"] for chunk in chunks(seen) for choice in chunk["choices"]]
    return "".join(delta.get("content", "") for delta in deltas)


def test_the_documented_order_of_chunks(chat):
    """Three pieces of preamble, then text, the finish reason and [DONE]; no event has a name."""
    with FaultServer() as server:
        seen = chat(server)
        (reply,) = server.replies
    assert seen.header("content-type").startswith("text/event-stream")
    assert [block[:1] for block in blocks(seen)[:4]] == [":", "d", ":", "d"]
    assert blocks(seen)[-1] == "data: [DONE]"
    first, *middle, last = chunks(seen)
    assert first["choices"][0]["delta"]["role"] == "assistant"
    assert len(middle) == reply.output_tokens
    assert (last["choices"][0]["finish_reason"], reply.stop_reason) == ("stop", "stop")
    assert {(each["id"], each["model"], each["object"]) for each in chunks(seen)} == {
        (reply.id, "gpt-test", "chat.completion.chunk")
    }
    assert (text(seen), seen.header("x-request-id")) == (reply.text, reply.request_id)
    assert not any("usage" in each for each in chunks(seen))


def test_usage_comes_when_it_is_asked_for(chat):
    """In a last chunk without choices, and as null in all others."""
    with FaultServer([Fault(usage=(7, 9))]) as server:
        *others, last = chunks(chat(server, COUNTED))
    assert (last["choices"], last["usage"]["prompt_tokens"], last["usage"]["completion_tokens"]) == ([], 7, 9)
    assert last["usage"]["total_tokens"] == 16
    assert {each["usage"] for each in others} == {None}


@pytest.mark.parametrize("options", ["x", {"include_usage": 1}, None], ids=["text", "number", "null"])
def test_odd_stream_options_ask_for_no_usage(chat, options):
    """Only ``true`` does."""
    with FaultServer() as server:
        assert not any("usage" in each for each in chunks(chat(server, {**STREAM, "stream_options": options})))


@pytest.mark.parametrize("words", ["", " ", "  two  words \n", "ein Wörtchen\u2028"])
def test_text_arrives_unchanged(chat, words):
    """Piece by piece, white space included."""
    with FaultServer([Fault(text=words)]) as server:
        assert text(chat(server)) == words


def test_without_stream_the_reply_is_one_completion(chat):
    """With the counts in it."""
    with FaultServer() as server:
        seen = chat(server, {"messages": []})
        (reply,) = server.replies
    completion = json.loads(seen.body)
    assert (completion["object"], completion["model"]) == ("chat.completion", "gpt-unbroken")
    assert completion["choices"][0]["message"]["content"] == reply.text
    assert completion["usage"]["completion_tokens"] == reply.output_tokens


@pytest.mark.parametrize(
    ("fault", "status", "type", "code"),
    [
        pytest.param(faults.status(400), 400, "invalid_request_error", None, id="400"),
        pytest.param(faults.status(401), 401, "invalid_request_error", "invalid_api_key", id="401"),
        pytest.param(faults.status(418), 418, "invalid_request_error", None, id="418"),
        pytest.param(faults.status(599), 599, "server_error", None, id="599"),
        pytest.param(faults.rate_limited(1), 429, "requests", "rate_limit_exceeded", id="429"),
        pytest.param(faults.spend_limit(), 429, "insufficient_quota", "insufficient_quota", id="quota"),
        pytest.param(faults.overloaded(), 529, "service_unavailable_error", "server_is_overloaded", id="529"),
        pytest.param(Fault(status=500, error="new_error", error_code="new"), 500, "new_error", "new", id="own-words"),
    ],
)
def test_refusals_have_the_vendors_form(chat, fault, status, type, code):
    """An error object with the words of its status, or the fault's own, under the vendor's headers."""
    with FaultServer([fault]) as server:
        seen = chat(server)
    error = json.loads(seen.body)["error"]
    assert (seen.status, error["type"], error["code"], error["param"]) == (status, type, code, None)
    assert error["message"]
    limits = {name: value for name, value in seen.headers if name.startswith("x-ratelimit-")}
    assert len(limits) == 6
    assert limits["x-ratelimit-reset-tokens"] == "1m0.5s"
    assert not [name for name, _ in seen.headers if name.startswith("anthropic-")]


@pytest.mark.parametrize(
    ("error", "type", "code"),
    [
        pytest.param("overloaded_error", "service_unavailable_error", "server_is_overloaded", id="overloaded"),
        pytest.param("rate_limit_error", "requests", "rate_limit_exceeded", id="rate-limit"),
        pytest.param("api_error", "server_error", None, id="server"),
        pytest.param("new_error", "new_error", None, id="own-words"),
    ],
)
def test_an_error_in_the_stream_is_a_chunk_of_its_own(chat, error, type, code):
    """The catalogue's names become what this API has for them, and nothing follows."""
    with FaultServer([faults.error_first(error), faults.error_after(error, after=5)]) as server:
        first, later = chat(server), chat(server)
    assert len(chunks(first)) == 1
    assert len(chunks(later)) == 4
    for seen in (first, later):
        said = chunks(seen)[-1]["error"]
        assert (said["type"], said["code"]) == (type, code)
        assert "[DONE]" not in blocks(seen)[-1]


@pytest.mark.parametrize(
    ("fault", "written"),
    [
        pytest.param(faults.pings(after=3, interval=0), b": keep-alive\n\n", id="pings"),
        pytest.param(faults.garbage(after=3), b'data: {"object": "chat.completion.chunk", \n\n', id="garbage"),
        pytest.param(faults.garbage(b"data: x\n\n", after=3), b"data: x\n\n", id="own-garbage"),
    ],
)
def test_what_is_written_in_between_is_this_apis(chat, fault, written):
    """A ping is a comment, and broken JSON comes without a name."""
    with FaultServer([fault]) as server:
        seen = chat(server, limit=20_000)
    assert written in seen.body
    assert b"event:" not in seen.body


def test_without_its_terminal_event_a_stream_ends_with_the_finish_reason(chat):
    """Everything but [DONE], and a polite end."""
    with FaultServer([faults.omit_terminal()]) as server:
        seen = chat(server)
    assert seen.ending == "complete"
    assert chunks(seen)[-1]["choices"][0]["finish_reason"] == "stop"
    assert b"[DONE]" not in seen.body


def test_one_server_has_both_voices(ask, chat):
    """Request by request, by the path; the model says the same in both."""
    with FaultServer(seed=3) as server:
        said = text(chat(server))
        server.reset()
        assert ask(server).text == said
        assert chat(server, method="GET").status == 404


def test_the_same_seed_gives_the_same_bytes(chat):
    """Recorded, so that they are those of every other machine too."""
    script = (Fault(), faults.sliced(), faults.rate_limited(retry_after=1), faults.cut(after=4))
    with FaultServer(script, seed=7) as server:
        raw = b"".join(chat(server, COUNTED).raw for _ in script)
    assert hashlib.sha256(raw).hexdigest()[:16] == "28c740c1cc1be6bb"
