"""The dialects are found by their names and held to the same contract as those of Unbroken."""

import pytest

from unbroken.errors import OverloadedError, RateLimitError, ServerError, ValidationError
from unbroken.messages import Usage
from unbroken.registry import resolve_dialect
from unbroken.testing import RecordedError, Recording, check_dialect, sse


def fault(name: str) -> bytes:
    return sse(("fault", {"fault": name}))


FEED = Recording(
    pieces=(
        sse(("begin", {"topic": "Wasser"})),
        sse(("word", {"text": "Grün "})),
        sse(("word", {"text": "ist "})),
        sse(("word", {"text": "der Fluss"})),
        sse(("end", {"words": 3})),
    ),
    text="Grün ist der Fluss",
    usage=Usage(output_tokens=3, final=True),
    keepalives=(b": still here\n\n", sse(("tick", "0"))),
    unknown=(sse(("advert", {"text": "Buy!"})),),
    errors=(
        RecordedError(data=fault("slow_down"), error=RateLimitError),
        RecordedError(data=fault("no_room"), error=OverloadedError),
        RecordedError(data=fault("no_sense"), error=ValidationError),
        RecordedError(data=fault("else"), error=ServerError),
    ),
)


LINES = Recording(
    content_type="application/x-ndjson",
    pieces=(
        b'{"row": "Wasser: "}\n',
        '{"row": "größer"}\r\n'.encode(),
        b'{"row": " als 5 m"}\n',
        b'{"done": true, "rows": 3}\n',
    ),
    text="Wasser: größer als 5 m",
    usage=Usage(output_tokens=3, final=True),
    keepalives=(b"\n", b" \r\n", b'{"working": true}\n'),
    unknown=(b'{"column": "new"}\n', b"[1]\n"),
    errors=(
        RecordedError(data=b'{"error": "slow down", "code": 429}\n', error=RateLimitError),
        RecordedError(data=b'{"error": {"message": "no room"}, "code": 529}\n', error=OverloadedError),
        RecordedError(data=b'{"error": null}\n', error=ServerError),
    ),
)


@pytest.mark.parametrize(("name", "recording"), [("acme-feed", FEED), ("acme-lines", LINES)])
def test_a_dialect_keeps_the_contract(name: str, recording: Recording) -> None:
    check_dialect(resolve_dialect(name), recording)
