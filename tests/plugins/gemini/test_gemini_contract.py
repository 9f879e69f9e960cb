"""The dialect keeps the contract of dialects, with a plain answer and with one that thinks and calls a tool."""

from typing import Any

import pytest

from unbroken.errors import AuthenticationError, Error, OverloadedError, QuotaExceededError, RateLimitError, ServerError
from unbroken.messages import Usage
from unbroken.testing import RecordedError, Recording, check_dialect
from unbroken_gemini import Gemini

from .chunks import HELLO, THINKING, chunk, failure, written


def told(code: int, status: str, error: type[Error], message: str = "why", **fields: Any) -> RecordedError:
    (data,) = written(("", failure(code, status, message, **fields)))
    return RecordedError(data=data, error=error, status=code)


DAILY = {"@type": "type.googleapis.com/google.rpc.QuotaFailure", "violations": [{"quotaId": "RequestsPerDay"}]}
ERRORS = (
    told(503, "UNAVAILABLE", OverloadedError, "The model is overloaded."),
    told(500, "INTERNAL", ServerError),
    told(429, "RESOURCE_EXHAUSTED", RateLimitError),
    told(429, "RESOURCE_EXHAUSTED", QuotaExceededError, details=[DAILY]),
    told(401, "UNAUTHENTICATED", AuthenticationError),
)
KEEPALIVES = (b": ping\r\n\r\n", *written(("", {}), chunk()))


@pytest.mark.parametrize(
    ("events", "text", "usage"),
    [
        pytest.param(HELLO, "Hello", Usage(input_tokens=9, output_tokens=2, final=True), id="text"),
        pytest.param(THINKING, "Hello ", Usage(input_tokens=9, output_tokens=9, final=True), id="thinking"),
    ],
)
def test_the_dialect_keeps_the_contract(events, text, usage):
    """There is no terminal event: the last chunk and a normal end prove the answer."""
    recording = Recording(
        pieces=tuple(written(*events)),
        text=text,
        usage=usage,
        terminal=False,
        keepalives=KEEPALIVES,
        unknown=written(("", {"news": 1})),
        errors=ERRORS,
    )
    check_dialect(Gemini(), recording)
