"""What the server says at ``/responses``: the same reply and the same faults as events of a response."""

import hashlib
import json

import attrs
import pytest

from unbroken_faults import Fault, FaultServer, faults

PATH = "/v1/responses"
STREAM = {"model": "gpt-test", "stream": True, "input": "Hello"}
WHOLE = Fault(thinking="Let me see. ", text="One moment.", tools=[("look", {"q": "Wörter, 1"}), ("now", "")])


@pytest.fixture
def respond(ask):
    """Send one request to the Responses API and see the answer."""
    return lambda server, body=STREAM, **more: ask(server, body=body, path=PATH, **more)


def events(seen) -> list[dict]:
    lines = seen.body.decode().split("\n")
    data = [json.loads(line[6:]) for line in lines if line.startswith("data: ")]
    assert [each["type"] for each in data] == [line[7:] for line in lines if line.startswith("event: ")]
    return data


def types(seen) -> list[str]:
    return [each["type"].removeprefix("response.") for each in events(seen)]


def joined(seen, type: str, index: int = 0) -> str:
    said = [each for each in events(seen) if each["type"] == f"response.{type}.delta" and each["output_index"] == index]
    return "".join(each["delta"] for each in said)


def test_the_documented_order_of_events(respond):
    """Each is numbered; the first and the last contain the response, empty and whole."""
    with FaultServer() as server:
        seen = respond(server)
        (reply,) = server.replies
    assert seen.header("content-type").startswith("text/event-stream")
    assert types(seen) == [
        "created",
        "in_progress",
        "output_item.added",
        "content_part.added",
        *["output_text.delta"] * reply.output_tokens,
        "output_text.done",
        "content_part.done",
        "output_item.done",
        "completed",
    ]
    first, *_, last = events(seen)
    assert [each["sequence_number"] for each in events(seen)] == list(range(len(events(seen))))
    assert (joined(seen, "output_text"), seen.header("x-request-id")) == (reply.text, reply.request_id)
    assert (first["response"]["status"], first["response"]["output"], first["response"]["usage"]) == (
        "in_progress",
        [],
        None,
    )
    response = last["response"]
    assert (response["id"], response["model"], response["status"]) == (reply.id, "gpt-test", reply.stop_reason)
    assert response["output"][0]["content"][0]["text"] == reply.text
    usage = response["usage"]
    assert (usage["input_tokens"], usage["output_tokens"]) == (reply.input_tokens, reply.output_tokens)
    assert usage["total_tokens"] == reply.input_tokens + reply.output_tokens


@pytest.mark.parametrize("words", ["", " ", "  two  words \n", "ein Wörtchen\u2028"])
def test_text_arrives_unchanged(respond, words):
    """Piece by piece, and again as a whole when it is done."""
    with FaultServer([Fault(text=words)]) as server:
        seen = respond(server)
    assert joined(seen, "output_text") == words
    done = [each for each in events(seen) if each["type"].endswith(".done")]
    assert [each.get("text", each.get("part", {}).get("text")) for each in done[:2]] == [words, words]


def test_without_stream_the_reply_is_the_response_that_the_stream_ends_with(respond):
    """Under its own id and date."""
    with FaultServer(default=attrs.evolve(WHOLE, usage=(7, 9)), clock=lambda: 1_000_000_000.5) as server:
        *_, last = events(respond(server))
        server.reset()
        seen = respond(server, {"input": "Hello", "model": "gpt-test"})
    response = json.loads(seen.body)
    assert seen.header("content-type") == "application/json"
    assert response == last["response"]
    assert (response["object"], response["created_at"], response["completed_at"]) == ("response", 10**9, 10**9)


def test_without_a_model_it_is_that_of_the_vendor(respond):
    """As in Chat Completions."""
    with FaultServer() as server:
        assert json.loads(respond(server, {}).body)["model"] == "gpt-unbroken"


def test_a_response_reasons_speaks_and_calls_in_this_order(respond):
    """Each item starts empty and is whole when it is done, in the order of its index."""
    with FaultServer([WHOLE]) as server:
        seen = respond(server)
    added = [each["item"] for each in events(seen) if each["type"] == "response.output_item.added"]
    done = [each["item"] for each in events(seen) if each["type"] == "response.output_item.done"]
    assert [item["type"] for item in added] == ["reasoning", "message", "function_call", "function_call"]
    assert [item["status"] for item in added] == ["in_progress"] * 4
    emptied = [item.get("summary", item.get("content", item.get("arguments"))) for item in added]
    assert emptied == [[], [], "", ""]
    assert events(seen)[-1]["response"]["output"] == done
    assert joined(seen, "reasoning_summary_text", 0) == done[0]["summary"][0]["text"] == WHOLE.thinking
    assert joined(seen, "output_text", 1) == done[1]["content"][0]["text"] == WHOLE.text
    assert json.loads(joined(seen, "function_call_arguments", 2)) == {"q": "Wörter, 1"}
    assert [(item["name"], item["arguments"]) for item in done[2:]] == [(it.name, it.input) for it in WHOLE.tools]
    assert len({item["id"] for item in done} | {item["call_id"] for item in done[2:]}) == 6


def test_a_call_alone_has_no_text(respond):
    """There is no empty message."""
    with FaultServer([faults.tool_use()]) as server:
        assert [item["type"] for item in json.loads(respond(server, {}).body)["output"]] == ["function_call"]


@pytest.mark.parametrize(
    ("fault", "status", "type", "code"),
    [
        pytest.param(faults.status(401), 401, "invalid_request_error", "invalid_api_key", id="401"),
        pytest.param(faults.rate_limited(1), 429, "requests", "rate_limit_exceeded", id="429"),
        pytest.param(faults.spend_limit(), 429, "insufficient_quota", "insufficient_quota", id="quota"),
        pytest.param(faults.overloaded(), 529, "service_unavailable_error", "server_is_overloaded", id="529"),
    ],
)
def test_refusals_are_those_of_chat_completions(ask, respond, fault, status, type, code):
    """In body and headers."""
    with FaultServer(default=fault) as server:
        seen = respond(server)
        server.reset()
        chat = ask(server, body=STREAM, path="/v1/chat/completions")
    error = json.loads(seen.body)["error"]
    assert (seen.status, error["type"], error["code"]) == (status, type, code)
    assert seen.raw == chat.raw


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        pytest.param(Fault(error="overloaded_error"), "server_is_overloaded", id="overloaded"),
        pytest.param(Fault(error="rate_limit_error"), "rate_limit_exceeded", id="rate-limit"),
        pytest.param(Fault(error="api_error"), "server_error", id="type-without-code"),
        pytest.param(Fault(error="new_error"), "new_error", id="own-words"),
        pytest.param(Fault(error="rate_limit_error", error_code="enforced_spend_limit_reached"), "insufficient_quota"),
    ],
)
@pytest.mark.parametrize("after", [0, 1, 5])
def test_an_error_in_the_stream_is_told_twice(respond, fault, code, after):
    """By the API's error and by the failed response; their numbers continue those of the events before them."""
    with FaultServer([attrs.evolve(fault, after=after, then="end", message="Sorry")]) as server:
        seen = respond(server)
    *before, error, failed = events(seen)
    assert (error["type"], failed["type"]) == ("error", "response.failed")
    assert (error["error"]["code"] or error["error"]["type"], error["error"]["message"]) == (code, "Sorry")
    response = failed["response"]
    assert (response["status"], response["error"]) == ("failed", {"code": code, "message": "Sorry"})
    assert [each["sequence_number"] for each in events(seen)] == list(range(len(before) + 2))
    assert {each["response"]["created_at"] for each in events(seen) if "response" in each} == {response["created_at"]}


def test_an_error_within_an_event_has_the_number_of_that_event(respond):
    """Only whole events are counted."""
    with FaultServer([Fault(error="api_error", after_bytes=10, then="end")]) as server:
        seen = respond(server)
    assert b'"type":"error","sequence_number":0' in seen.body


def test_an_error_before_the_head_is_number_0(respond):
    """Nothing was sent before it."""
    with FaultServer([Fault(error="api_error", before_head=True, then="close")]) as server:
        assert b'"sequence_number":0' in respond(server).raw


@pytest.mark.parametrize(
    ("fault", "written"),
    [
        pytest.param(faults.pings(after=3, interval=0), b"\n\n: keep-alive\n\n", id="pings"),
        pytest.param(
            faults.garbage(after=3),
            b'event: response.output_text.delta\ndata: {"type": "response.output_text.delta", \n\n',
            id="garbage",
        ),
        pytest.param(faults.garbage(b"data: x\n\n", after=3), b"data: x\n\n", id="own-garbage"),
    ],
)
def test_what_is_written_in_between_is_this_apis(respond, fault, written):
    """A ping is a comment, and broken JSON has the name of a delta."""
    with FaultServer([fault]) as server:
        assert written in respond(server, limit=20_000).body


@pytest.mark.parametrize(
    ("after", "last"),
    [(1, "created"), (2, "in_progress"), (3, "content_part.added"), (4, "output_text.delta"), (-1, "output_item.done")],
)
def test_after_three_pieces_the_text_follows(respond, after, last):
    """An item is opened by one piece, and closed by one."""
    with FaultServer([faults.cut(after=after)]) as server:
        assert types(respond(server))[-1] == last


def test_it_says_what_the_other_apis_say(ask, respond):
    """With the same seed, request by request."""
    with FaultServer(seed=3) as server:
        said = joined(respond(server), "output_text")
        server.reset()
        assert ask(server).text == said
        assert respond(server, method="GET").status == 404


def test_the_same_seed_gives_the_same_bytes(respond):
    """Recorded, so that they are those of every other machine too."""
    script = (Fault(), faults.sliced(), faults.rate_limited(retry_after=1), faults.cut(after=4), faults.error_after())
    with FaultServer(script, seed=7) as server:
        raw = b"".join(respond(server).raw for _ in script)
    assert hashlib.sha256(raw).hexdigest()[:16] == "48e053d93e76a55a"
