"""`protect` under AnthropicBedrock, of any supported version. It signs each request before it is sent."""

import asyncio
import json

import pytest

from unbroken import ConfigurationError, Event
from unbroken.testing import Answer
from unbroken_bedrock import Bedrock
from unbroken_sdk import protect

from .kit import MESSAGES, under

anthropic = pytest.importorskip("anthropic")
boto3 = pytest.importorskip("boto3")
ASK = {"max_tokens": 9, "model": "anthropic.claude-x-v1:0", "messages": MESSAGES}
KEYS = {"aws_access_key": "AKIA", "aws_secret_key": "secret", "aws_region": "us-east-1"}
MEDIA_TYPE = "application/vnd.amazon.eventstream"
HALF = [
    {
        "type": "message_start",
        "message": {"id": "m", "type": "message", "role": "assistant", "model": "m", "content": []}
        | {"stop_reason": None, "stop_sequence": None, "usage": {"input_tokens": 1, "output_tokens": 1}},
    },
    {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Half"}},
]
THROTTLED = Event.make("exception:throttlingException", {"message": "Too many tokens."})


def frames(*events):
    framing = Bedrock().framings[MEDIA_TYPE]
    made = [event if isinstance(event, Event) else Event.make(event["type"], event) for event in events]
    return Answer(headers={"content-type": MEDIA_TYPE}, body=b"".join(map(framing.encode, made)))


def client(*answers, requests=None):
    return under(anthropic.AnthropicBedrock(**KEYS), *answers, requests=requests)


def said(protected):
    events = protected.messages.create(stream=True, **ASK)
    return "".join(event.delta.text for event in events if event.type == "content_block_delta")


def test_plain_answers_and_streams():
    original = anthropic.AnthropicBedrock(**KEYS)
    protected = under(original, 529, "one", 529, "two")
    assert type(protected) is type(original)
    assert protected.messages.create(**ASK).content[0].text == "one"
    assert said(protected) == "two"


def test_async():
    async def ask():
        protected = under(anthropic.AsyncAnthropicBedrock(**KEYS), 529, "one")
        events = await protected.messages.create(stream=True, **ASK)
        return "".join([event.delta.text async for event in events if event.type == "content_block_delta"])

    assert asyncio.run(ask()) == "one"


def test_the_signature_is_that_of_what_is_sent():
    """A second signature of the same request, with the headers that it names, is equal."""
    sent = []
    said(client(529, "one", requests=sent))
    first, second = sent
    assert first.headers["authorization"] == second.headers["authorization"]
    assert first.headers["accept-encoding"] == "identity"
    signing = pytest.importorskip("botocore.auth")
    credentials = pytest.importorskip("botocore.credentials").Credentials("AKIA", "secret")
    signed = first.headers["authorization"].partition("SignedHeaders=")[2].partition(",")[0].split(";")
    own = {"host": "bedrock-runtime.us-east-1.amazonaws.com", "content-length": str(len(first.content))}
    names = [name for name in signed if name not in ("x-amz-date", "host")]
    headers = {name: own.get(name) or first.headers[name] for name in names}
    request = pytest.importorskip("botocore.awsrequest").AWSRequest("POST", first.url, headers, first.content)
    request.context["timestamp"] = first.headers["x-amz-date"]
    signer = signing.SigV4Auth(credentials, "bedrock", "us-east-1")
    request.headers["X-Amz-Date"] = first.headers["x-amz-date"]
    text = signer.string_to_sign(request, signer.canonical_request(request))
    assert signer.signature(text, request) == first.headers["authorization"].rpartition("Signature=")[2]


def test_a_polite_cut_is_an_error():
    with pytest.raises(Exception, match="before the stream was complete"):
        said(client(frames(*HALF)))
    assert said(client(frames(*HALF[:2]), "one")) == "one"


def test_an_exception_before_the_content_is_retried():
    assert said(client(frames(HALF[0], THROTTLED), "one")) == "one"
    with pytest.raises(anthropic.RateLimitError, match="Too many tokens"):
        said(client(*[frames(THROTTLED)] * 9))


def test_an_exception_behind_the_content_is_raised():
    sent = []
    with pytest.raises(Exception, match="Too many tokens"):
        said(client(frames(*HALF, THROTTLED), requests=sent))
    assert len(sent) == 1


def test_failures_are_the_sdks_own():
    told = {"message": "no"}
    refused = Answer(status=403, headers={"x-amzn-errortype": "AccessDeniedException"}, body=json.dumps(told).encode())
    with pytest.raises(anthropic.PermissionDeniedError):
        said(client(refused))
    with pytest.raises(anthropic.APIConnectionError):
        client(*[ConnectionResetError()] * 9).messages.create(**ASK)


def test_boto3_is_refused():
    runtime = boto3.client("bedrock-runtime", region_name="us-east-1", aws_access_key_id="a", aws_secret_access_key="s")
    with pytest.raises(ConfigurationError, match="over urllib3"):
        protect(runtime)
    with pytest.raises(ConfigurationError, match="over urllib3"):
        protect(boto3.Session())
