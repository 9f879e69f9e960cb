"""boto3, the client of Anthropic and Unbroken read the same streams: the same text, counts and failures."""

import io
import json
import os
from random import Random
from typing import Any

import anthropic
import boto3
import httpx2
import pytest
from botocore.awsrequest import AWSResponse
from botocore.config import Config
from botocore.exceptions import ClientError, EventStreamError

from unbroken.errors import NetworkError, RateLimitError, ServerError, ValidationError
from unbroken.testing import Answer, play
from unbroken_bedrock import Bedrock
from unbroken_bedrock._framing import BEDROCK_EVENTS

from .bedrock_frames import AWS, BASE, CONVERSE, INVOKE, LAST, TALK, body, chunk, message, random_message, random_talk

STREAMS = 2000 if os.environ.get("UNBROKEN_LONG") == "1" else 40
HEADERS = {"content-type": AWS, "x-amzn-requestid": "r-1"}
ERROR = {"content-type": "application/json", "x-amzn-requestid": "r-1", "x-amzn-errortype": "ThrottlingException"}


class Raw(io.BytesIO):
    """A body as urllib3 gives it."""

    def stream(self, amt: int = 1024, **_: Any) -> Any:
        while piece := self.read(amt):
            yield piece


@pytest.fixture(scope="module")
def runtime() -> Any:
    settings = Config(retries={"total_max_attempts": 1})
    secrets = {"aws_access_key_id": "a", "aws_secret_access_key": "b"}
    return boto3.session.Session(**secrets, region_name="us-east-1").client("bedrock-runtime", config=settings)


@pytest.fixture
def aws(runtime: Any) -> Any:
    """The client of AWS, with these bytes as its answer."""

    def answered(data: bytes, status: int = 200, headers: Any = HEADERS) -> Any:
        def send(request: Any, **_: Any) -> AWSResponse:
            return AWSResponse(request.url, status, headers, Raw(data))

        runtime.meta.events.unregister("before-send", unique_id="answer")
        runtime.meta.events.register("before-send", send, unique_id="answer")
        return runtime

    return answered


def claude(data: bytes, status: int = 200, headers: Any = HEADERS) -> anthropic.AnthropicBedrock:
    def handle(request: httpx2.Request) -> httpx2.Response:
        return httpx2.Response(status, headers=headers, content=data)

    network = httpx2.Client(transport=httpx2.MockTransport(handle))
    keys = {"aws_access_key": "a", "aws_secret_key": "b", "aws_region": "us-east-1"}
    return anthropic.AnthropicBedrock(**keys, http_client=network, max_retries=0)


def said_by(client: anthropic.AnthropicBedrock) -> Any:
    asked = {"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}]}
    with client.messages.stream(**asked) as stream:
        return stream.get_final_message()


def ours(data: bytes, path: str, status: int = 200, headers: Any = HEADERS) -> Any:
    answer = Answer(status=status, headers=headers, body=data)
    return play([answer], [], dialect=Bedrock(), url=BASE + path)


def text(events: Any) -> str:
    return "".join(Bedrock().text(event) or "" for event in events)


def conversed(client: Any) -> list[Any]:
    return list(client.converse_stream(modelId="m", messages=[])["stream"])


def test_converse_text_and_counts(aws):
    random = Random(0)
    for frames, said in [(TALK, "Hello"), *(random_talk(random) for _ in range(STREAMS))]:
        theirs = conversed(aws(body(*frames)))
        parts = (event.get("contentBlockDelta", {}).get("delta", {}).get("text", "") for event in theirs)
        played = ours(body(*frames), CONVERSE)
        assert "".join(parts) == text(played.events) == said
        assert [event.type for event in played.events] == [next(iter(event)) for event in theirs]
        counts = theirs[-1]["metadata"]["usage"]
        assert (played.usage.input_tokens, played.usage.output_tokens) == (
            counts["inputTokens"],
            counts["outputTokens"],
        )


def test_chunks_are_opened_as_aws_opens_them(aws):
    random = Random(1)
    for frames, said in [random_message(random) for _ in range(STREAMS)]:
        client = aws(body(*frames))
        theirs = [part["chunk"]["bytes"] for part in client.invoke_model_with_response_stream(modelId="m")["body"]]
        played = ours(body(*frames), INVOKE)
        assert [event.raw for event in played.events] == theirs
        whole = said_by(claude(body(*frames)))
        assert text(played.events) == whole.content[0].text == said
        counts = (played.usage.input_tokens, played.usage.output_tokens)
        assert counts == (whole.usage.input_tokens, whole.usage.output_tokens)


@pytest.mark.parametrize(
    "error",
    [RateLimitError("told"), ServerError("told"), ValidationError("told"), NetworkError("told")],
    ids=lambda error: type(error).__name__,
)
def test_failures_of_a_stream_are_failures_of_all(error, aws):
    """The exception is the one that this dialect writes; every client makes an error of it."""
    event = Bedrock().error_event(error)
    told = BEDROCK_EVENTS.encode(event)
    with pytest.raises(EventStreamError) as raised:
        conversed(aws(body(*TALK[:2]) + told))
    failure = ours(body(*TALK[:2]) + told, CONVERSE).failure
    assert raised.value.response["Error"]["Code"] == event.type.removeprefix("exception:") == failure.kind
    begun = body(*map(chunk, message()[:3]))
    with pytest.raises(EventStreamError):
        list(aws(begun + told).invoke_model_with_response_stream(modelId="m")["body"])
    with pytest.raises(anthropic.APIStatusError):
        said_by(claude(begun + told))
    assert type(ours(begun + told, INVOKE).error) is type(failure)


def test_failures_of_an_answer_are_failures_of_all(aws):
    data = json.dumps({"message": "Too many requests"}).encode()
    with pytest.raises(ClientError) as raised:
        conversed(aws(data, 429, ERROR))
    error = ours(data, CONVERSE, 429, ERROR).failure
    told = raised.value.response
    assert (type(error), error.kind, error.status_code) == (RateLimitError, told["Error"]["Code"], 429)
    assert error.response_id == told["ResponseMetadata"]["RequestId"]
    with pytest.raises(anthropic.RateLimitError):
        said_by(claude(data, 429, ERROR))


def test_a_cut_that_the_others_take_for_the_end(aws):
    """A stream that lacks its last messages is whole to boto3, and an error here."""
    cut = body(*TALK[:3])
    assert len(conversed(aws(cut))) == 3
    assert ours(cut, CONVERSE).outcome.status == "failure"
    llama = body(chunk({"generation": "Hel"}))
    assert len(list(aws(llama).invoke_model_with_response_stream(modelId="m")["body"])) == 1
    assert ours(llama, INVOKE).outcome.status == "failure"
    assert ours(body(chunk({"generation": "lo"} | LAST)), INVOKE).outcome.status == "success"
