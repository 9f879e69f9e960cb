"""What the server says like Amazon Bedrock. That its frames are right is judged by the vendor's library in e2e."""

import base64
import json
import re
import struct

import pytest

from unbroken_faults import Fault, FaultServer, faults

MODEL = "/model/arn%3Aaws%3Abedrock%3A%3A1%3Ainference-profile%2Fclaude"
WHOLE = Fault(thinking="Let me see. ", text="One moment.", tools=[("look", {"q": "Wörter, 1"}), ("now", "")])


@pytest.fixture
def invoke(ask):
    """Call one operation and see the answer."""
    return lambda server, operation, **more: ask(server, path=f"{MODEL}/{operation}", body={}, **more)


def events(body: bytes) -> list[tuple[str, dict]]:
    """Return type and payload of each frame."""
    found = []
    while body:
        length, headers = struct.unpack(">II", body[:8])
        (type,) = re.findall(rb":event-type\x07\x00.([A-Za-z]+)", body[12 : 12 + headers], re.DOTALL)
        found.append((type.decode(), json.loads(body[12 + headers : length - 4])))
        body = body[length:]
    return found


def test_a_stream_thinks_speaks_and_calls_in_this_order(invoke):
    """Only calls have a start; the counts come after the end."""
    with FaultServer([WHOLE]) as server:
        said = events(invoke(server, "converse-stream").body)
        (reply,) = server.replies
    assert reply.model == "arn:aws:bedrock::1:inference-profile/claude"
    deltas = [event["delta"] for type, event in said if type == "contentBlockDelta"]
    thoughts = [delta["reasoningContent"] for delta in deltas if "reasoningContent" in delta]
    assert "".join(thought.get("text", "") for thought in thoughts) == WHOLE.thinking
    assert list(thoughts[-1]) == ["signature"]
    assert "".join(delta.get("text", "") for delta in deltas) == WHOLE.text
    starts = [
        (event["contentBlockIndex"], event["start"]["toolUse"]["name"]) for type, event in said if "start" in event
    ]
    assert starts == [(2, "look"), (3, "now")]
    arguments = "".join(delta["toolUse"]["input"] for delta in deltas if "toolUse" in delta)
    assert json.loads(arguments) == {"q": "Wörter, 1"}
    assert [type for type, _ in said if "Delta" not in type] == [
        "messageStart",
        *["contentBlockStop"] * 2,
        *["contentBlockStart", "contentBlockStop"] * 2,
        "messageStop",
        "metadata",
    ]
    assert said[-2][1] == {"stopReason": "tool_use"}
    usage = said[-1][1]["usage"]
    assert (usage["inputTokens"], usage["outputTokens"]) == (reply.input_tokens, reply.output_tokens)


def test_the_whole_says_what_the_stream_says(invoke):
    """Each block at once."""
    with FaultServer([WHOLE]) as server:
        seen = invoke(server, "converse")
        (reply,) = server.replies
    said = json.loads(seen.body)
    reasoning, text, look, now = said["output"]["message"]["content"]
    assert reasoning["reasoningContent"]["reasoningText"]["text"] == WHOLE.thinking
    assert text == {"text": WHOLE.text}
    assert (look["toolUse"]["input"], now["toolUse"]["input"]) == ({"q": "Wörter, 1"}, "")
    assert (said["stopReason"], said["usage"]["totalTokens"]) == ("tool_use", reply.input_tokens + reply.output_tokens)


def test_invoke_says_what_messages_says(ask, invoke):
    """Without its ping, under ids of its own, with counts in the last event."""
    with FaultServer(default=WHOLE) as server:
        messages = ask(server, body={"stream": True})
        server.reset()
        streamed = invoke(server, "invoke-with-response-stream")
        server.reset()
        whole = invoke(server, "invoke")
    lines = [json.loads(line[6:]) for line in messages.body.decode().split("\n") if line.startswith("data: ")]
    said = [json.loads(base64.b64decode(event["bytes"])) for type, event in events(streamed.body) if type == "chunk"]
    assert [each["type"] for each in said] == [each["type"] for each in lines if each["type"] != "ping"]
    assert [each for each in said if "thinking" in str(each.get("delta"))] == [
        each for each in lines if "thinking" in str(each.get("delta"))
    ]
    assert set(said[-1]["amazon-bedrock-invocationMetrics"]) > {"inputTokenCount", "outputTokenCount"}
    assert streamed.header("x-amzn-bedrock-content-type") == "application/json"
    answer = json.loads(whole.body)
    assert answer["id"].startswith("msg_bdrk_01")
    assert [block["type"] for block in answer["content"]] == ["thinking", "text", "tool_use", "tool_use"]


@pytest.mark.parametrize(
    ("fault", "type"),
    [
        pytest.param(faults.status(400), "ValidationException", id="400"),
        pytest.param(faults.status(403), "AccessDeniedException", id="403"),
        pytest.param(faults.rate_limited(), "ThrottlingException", id="429"),
        pytest.param(faults.overloaded(), "ServiceUnavailableException", id="529"),
        pytest.param(faults.spend_limit(), "ServiceQuotaExceededException", id="quota"),
        pytest.param(Fault(status=424, error="ModelErrorException"), "ModelErrorException", id="own-name"),
    ],
)
@pytest.mark.parametrize("operation", ["converse", "converse-stream", "invoke", "invoke-with-response-stream"])
def test_refusals_are_named_in_a_header(invoke, fault, type, operation):
    """The body has the message alone."""
    with FaultServer([fault]) as server:
        seen = invoke(server, operation)
    assert (seen.status, seen.header("x-amzn-errortype")) == (fault.status, type)
    assert list(json.loads(seen.body)) == ["message"]
    assert re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", seen.header("x-amzn-requestid"))


@pytest.mark.parametrize(
    ("error", "type"),
    [
        ("overloaded_error", "serviceUnavailableException"),
        ("rate_limit_error", "throttlingException"),
        ("api_error", "internalServerException"),
        ("timeout_error", "modelStreamErrorException"),
        ("invalid_request_error", "validationException"),
        ("ownException", "ownException"),
    ],
)
@pytest.mark.parametrize("operation", ["converse-stream", "invoke-with-response-stream"])
def test_an_error_in_the_stream_is_an_exception(invoke, error, type, operation):
    """In a frame of its own kind."""
    with FaultServer([faults.error_after(error)]) as server:
        body = invoke(server, operation).body
    headers = b"\x0f:exception-type\x07" + len(type).to_bytes(2, "big") + type.encode()
    assert body.count(headers) == 1
    assert b"\x0d:message-type\x07\x00\x09exception" in body.partition(headers)[2]


def test_an_operation_of_another_name_is_not_found(invoke):
    """As everywhere."""
    with FaultServer() as server:
        assert invoke(server, "apply-guardrail").status == 404
        assert invoke(server, "converse", method="GET").status == 404
