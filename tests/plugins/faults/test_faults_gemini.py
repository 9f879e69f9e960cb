"""What the server says like Gemini: chunks of a response, as events, as an array and as a whole."""

import json

import attrs
import pytest

from unbroken_faults import Fault, FaultServer, faults

MODELS = "/v1beta/models/gemini-test"
VERTEX = "/v1/projects/p/locations/global/publishers/google/models/gemini-test"
WHOLE = Fault(thinking="Let me see. ", text="One moment.", tools=[("look", {"q": "Wörter, 1"}), ("now", "")])


@pytest.fixture
def generate(ask):
    """Send one request for a stream of events and see the answer."""

    def generate(server, path=f"{MODELS}:streamGenerateContent?alt=sse", **more):
        return ask(server, path=path, body={"contents": []}, **more)

    return generate


def chunks(seen) -> list[dict]:
    lines = seen.body.decode().split("\r\n")
    assert {line[:6] for line in lines if line} == {"data: "}
    return [json.loads(line[6:]) for line in lines if line]


def parts(answers: list[dict]) -> list[dict]:
    return [part for answer in answers for part in answer["candidates"][0]["content"]["parts"]]


def test_a_response_thinks_speaks_and_calls_in_this_order(generate):
    """Only the last chunk says why it ends, and the counts grow from chunk to chunk."""
    with FaultServer([attrs.evolve(WHOLE, usage=(7, 20))]) as server:
        said = chunks(generate(server))
        (reply,) = server.replies
    assert "".join(part["text"] for part in parts(said) if part.get("thought")) == WHOLE.thinking
    assert "".join(part["text"] for part in parts(said) if "text" in part and "thought" not in part) == WHOLE.text
    calls = [part["functionCall"] for part in parts(said) if "functionCall" in part]
    assert [(call["name"], call["args"]) for call in calls] == [("look", {"q": "Wörter, 1"}), ("now", "")]
    assert [each["candidates"][0].get("finishReason") for each in said] == [None] * (len(said) - 1) + ["STOP"]
    assert {(each["modelVersion"], each["responseId"]) for each in said} == {("gemini-test", reply.id)}
    totals = [each["usageMetadata"]["totalTokenCount"] for each in said]
    assert totals == sorted(totals)
    last = {"promptTokenCount": 7, "candidatesTokenCount": 16, "totalTokenCount": 27, "thoughtsTokenCount": 4}
    assert said[-1]["usageMetadata"] == last


@pytest.mark.parametrize("fault", [Fault(), WHOLE, faults.tool_use()], ids=["text", "everything", "call"])
def test_the_array_and_the_whole_say_what_the_events_say(generate, fault):
    """The same chunks, and in the whole each part at once."""
    with FaultServer(default=fault) as server:
        said = chunks(generate(server))
        server.reset()
        array = generate(server, f"{MODELS}:streamGenerateContent")
        server.reset()
        whole = json.loads(generate(server, f"{MODELS}:generateContent").body)
    assert json.loads(array.body) == said
    assert (whole["usageMetadata"], whole["responseId"]) == (said[-1]["usageMetadata"], said[-1]["responseId"])
    texts = {bool(part.get("thought")): part["text"] for part in parts([whole]) if "text" in part}
    assert texts.get(True, "") == "".join(part["text"] for part in parts(said) if part.get("thought"))
    assert [part for part in parts([whole]) if "text" not in part] == [
        part for part in parts(said) if "text" not in part
    ]


@pytest.mark.parametrize("path", [f"{VERTEX}:streamGenerateContent", f"{MODELS}%3AstreamGenerateContent"])
@pytest.mark.parametrize("query", ["alt=sse", "$alt=sse", "%24alt=sse&key=x"])
def test_the_paths_of_vertex_say_the_same(generate, path, query):
    """Whoever writes the colon."""
    with FaultServer() as server:
        said = chunks(generate(server))
        server.reset()
        assert chunks(generate(server, f"{path}?{query}")) == said


@pytest.mark.parametrize(
    ("fault", "status", "name"),
    [
        pytest.param(faults.status(400), 400, "INVALID_ARGUMENT", id="400"),
        pytest.param(faults.rate_limited(), 429, "RESOURCE_EXHAUSTED", id="429"),
        pytest.param(faults.overloaded(), 529, "UNAVAILABLE", id="529"),
        pytest.param(faults.status(418), 418, "INVALID_ARGUMENT", id="unknown"),
        pytest.param(faults.status(599), 599, "INTERNAL", id="unknown-server"),
        pytest.param(Fault(status=500, error="DATA_LOSS"), 500, "DATA_LOSS", id="own-name"),
        pytest.param(Fault(status=503, error="rate_limit_error"), 503, "RESOURCE_EXHAUSTED", id="translated"),
    ],
)
def test_refusals_have_the_status_twice(generate, fault, status, name):
    """As the HTTP status and in the error."""
    with FaultServer([fault]) as server:
        seen = generate(server)
    error = json.loads(seen.body)["error"]
    assert (seen.status, error["code"], error["status"]) == (status, status, name)
    assert (list(error), seen.header("content-type")) == (["code", "message", "status"], "application/json")


@pytest.mark.parametrize(
    ("fault", "details"),
    [
        pytest.param(faults.rate_limited(1.5), [{"retryDelay": "1.5s"}], id="wait"),
        pytest.param(faults.rate_limited("Thu, 01 Jan 2026 00:00:00 GMT"), None, id="date"),
        pytest.param(faults.spend_limit(), [{"reason": "BILLING_DISABLED", "domain": "googleapis.com"}], id="spent"),
        pytest.param(Fault(status=400, error_code="X"), [{"reason": "X", "domain": "googleapis.com"}], id="code"),
    ],
)
def test_details_are_told_in_the_body(generate, fault, details):
    """A time to wait, and the error code."""
    with FaultServer([fault]) as server:
        error = json.loads(generate(server).body)["error"]
    told = error.get("details") and [{key: each[key] for key in each if key != "@type"} for each in error["details"]]
    assert told == details


@pytest.mark.parametrize(
    ("error", "code", "status"),
    [("overloaded_error", 503, "UNAVAILABLE"), ("rate_limit_error", 429, "RESOURCE_EXHAUSTED"), ("X", 500, "X")],
)
@pytest.mark.parametrize("after", [0, 1, 5])
def test_an_error_in_the_stream_is_a_chunk(generate, error, code, status, after):
    """Also in an array, which it ends."""
    with FaultServer(default=faults.error_after(error, after)) as server:
        *_, last = chunks(generate(server))
        array = json.loads(generate(server, f"{MODELS}:streamGenerateContent").body)
    assert (last["error"]["code"], last["error"]["status"]) == (code, status)
    assert array[-1] == last
    assert len(array) == max(0, after - 3) + 1


def test_a_path_without_a_known_method_is_not_found(generate):
    """As everywhere."""
    with FaultServer() as server:
        assert generate(server, f"{MODELS}:countTokens").status == 404
        assert generate(server, method="GET").status == 404
