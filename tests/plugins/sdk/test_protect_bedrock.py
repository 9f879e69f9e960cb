"""`protect` over the clients of anthropic for Bedrock: binary messages below, the SDK's own objects above."""

import anthropic
import pytest

from unbroken.testing import Answer, run
from unbroken_retry import Retry
from unbroken_sdk.testing import scripted

from ..bedrock.bedrock_frames import CLAUDE, THROTTLED, answer, chunk

ASK = {"max_tokens": 9, "model": "m", "messages": [{"role": "user", "content": "hi"}]}
KEYS = {"aws_access_key": "a", "aws_secret_key": "b", "aws_region": "us-east-1"}
LATE = {"type": "error", "error": {"type": "overloaded_error", "message": "later"}}
THROTTLING = {"content-type": "application/json", "x-amzn-errortype": "ThrottlingException"}
GOOD = [503, answer(CLAUDE[0], THROTTLED), answer(*CLAUDE)]


def client(*answers, requests=None):
    return scripted(anthropic.AnthropicBedrock(**KEYS), answers, [Retry()], requests=requests)


def test_failures_before_the_content_are_retried_unseen():
    requests = []
    with client(*GOOD, requests=requests).messages.stream(**ASK) as stream:
        assert stream.get_final_message().content[0].text == "Hello"
    assert [each.url.rpartition("/")[2] for each in requests] == ["invoke-with-response-stream"] * 3


def test_async():
    async def ask():
        protected = scripted(anthropic.AsyncAnthropicBedrock(**KEYS), GOOD, [Retry()])
        async with protected.messages.stream(**ASK) as stream:
            return await stream.get_final_text()

    assert run(ask) == "Hello"


@pytest.mark.parametrize(
    ("late", "words"),
    [([THROTTLED], "Too many requests"), ([chunk(LATE)], "overloaded_error"), ([], "before the stream was complete")],
    ids=["exception", "event", "cut"],
)
def test_failures_behind_the_content_are_the_sdks_own(late, words):
    """A cut too, which the SDK alone takes for the end."""
    protected = client(answer(*CLAUDE[:3], *late))
    with pytest.raises(anthropic.APIStatusError, match=words):
        list(protected.messages.create(stream=True, **ASK))


def test_an_error_answer_is_the_sdks_own():
    refused = Answer(status=429, headers=THROTTLING, body=b'{"message": "slow down"}')
    with pytest.raises(anthropic.RateLimitError, match="slow down"):
        client(*[refused] * 9).messages.create(**ASK)
