"""A third party's dialect is found by its name and held to the same contract as those of the house."""

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


def test_the_feed_of_acme_keeps_the_contract(acme: None) -> None:
    check_dialect(resolve_dialect("acme-feed"), FEED)
