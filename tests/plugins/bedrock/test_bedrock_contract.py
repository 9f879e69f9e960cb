"""The dialect keeps the contract of dialects, in ConverseStream and with an invoked model of Anthropic."""

import pytest

from unbroken.errors import Error, QuotaExceededError, RateLimitError, ServerError, ValidationError
from unbroken.messages import Usage
from unbroken.testing import RecordedError, Recording, check_dialect
from unbroken_bedrock import Bedrock

from .bedrock_frames import AWS, BASE, CLAUDE, CONVERSE, INVOKE, TALK, chunk, frame


def told(name: str, error: type[Error], status: int) -> RecordedError:
    body = b'{"__type": "%b", "message": "No."}' % name.encode()
    return RecordedError(data=frame(f"exception:{name}", {"message": "No."}), error=error, status=status, body=body)


ERRORS = (
    told("throttlingException", RateLimitError, 429),
    told("internalServerException", ServerError, 500),
    told("validationException", ValidationError, 400),
    told("serviceQuotaExceededException", QuotaExceededError, 400),
)


@pytest.mark.parametrize(
    ("path", "frames", "proof", "keepalive", "usage"),
    [
        pytest.param(CONVERSE, TALK, 5, ("contentBlockDelta", {"delta": {"text": ""}}), 2, id="converse"),
        pytest.param(INVOKE, CLAUDE, None, chunk({"type": "ping"}), 2, id="invoke"),
    ],
)
def test_the_dialect_keeps_the_contract(path, frames, proof, keepalive, usage):
    recording = Recording(
        pieces=tuple(frame(*each) for each in frames),
        text="Hello",
        usage=Usage(input_tokens=9, output_tokens=usage, final=True),
        proof=proof,
        content_type=AWS,
        url=BASE + path,
        keepalives=(frame(*keepalive),),
        unknown=(frame("news", {"a": 1}),),
        errors=ERRORS,
    )
    check_dialect(Bedrock(), recording)
