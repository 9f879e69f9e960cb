"""A dialect that keeps the contract, from which the tests make others that do not."""

from typing import Any

import pytest

from unbroken import Dialect, Error, Event, Kind, Response, Usage
from unbroken.dialect import AttemptView, Reader
from unbroken.error_bodies import error_for, stamped
from unbroken.errors import OverloadedError, RateLimitError, StreamError
from unbroken.messages import Summary
from unbroken.testing import RecordedError, Recording, check_dialect, sse

KINDS = {
    "start": Kind.PREAMBLE | Kind.USAGE,
    "delta": Kind.CONTENT,
    "part": Kind.STRUCTURE,
    "stop": Kind.TERMINAL | Kind.USAGE,
    "error": Kind.ERROR,
}


def loaded(event: Event) -> dict[str, Any]:
    """The JSON object of `event`, an empty one for anything else."""
    try:
        document = event.json()
    except StreamError:
        return {}
    return document if isinstance(document, dict) else {}


def status_of(raw: bytes) -> int:
    code = loaded(Event("", raw)).get("code")
    return code if type(code) is int and 400 <= code < 600 else 500


class LettersReader:
    """Reads one attempt."""

    quiet = False
    summary = Summary()

    def classify(self, event: Event) -> Kind:
        return KINDS.get(event.type, Kind.KEEPALIVE)

    def text(self, event: Event) -> str | None:
        text = loaded(event).get("text")
        return text if event.type == "delta" and isinstance(text, str) else None

    def complete_at_end(self) -> bool:
        return False


class Letters(Dialect):
    """A dialect that keeps the contract."""

    name = "letters"
    has_terminal_event = True

    def reader(self, call: AttemptView) -> Reader:
        return LettersReader()

    def error_from_event(self, event: Event) -> Error:
        return (
            StreamError("lost") if loaded(event).get("code") == "lost" else error_for(status_of(event.raw), "reported")
        )

    def error_from_response(self, response: Response, body: bytes) -> Error:
        return stamped(error_for(status_of(body), "refused"), response)

    def usage(self, event: Event) -> Usage | None:
        count = loaded(event).get("tokens")
        return Usage(output_tokens=count) if type(count) is int else None


LIMITED = RecordedError(data=sse(("error", {"code": 429})), error=RateLimitError)
LETTERS = Recording(
    pieces=(
        sse(("start", {"tokens": 1})),
        sse(("part", {})),
        sse(("delta", {"text": "ä"})),
        sse(("delta", {"text": "b"})),
        sse(("stop", {"tokens": 2})),
    ),
    text="äb",
    usage=Usage(output_tokens=2),
    keepalives=(b": ping\n\n", sse(("ping", {}))),
    unknown=(sse(("new", {"text": "c"})),),
    errors=(
        LIMITED,
        RecordedError(data=sse(("error", {"code": 529})), error=OverloadedError),
        RecordedError(data=sse(("error", {"code": "lost"})), error=StreamError),
    ),
)
PLAIN = Recording(pieces=(sse("one "), sse("two")), text="one two", proof=0, keepalives=(b": ping\n\n",))


def breaches(dialect: Dialect, recording: Recording = LETTERS) -> dict[str, str]:
    """What the check says about each rule that `dialect` breaks."""
    with pytest.raises(AssertionError) as caught:
        check_dialect(dialect, recording)
    heading, *lines = str(caught.value).splitlines()
    assert heading == "the contract of dialects is broken:"
    found: dict[str, str] = {}
    for line in lines:
        rule, _, what = line.removeprefix("- ").partition(": ")
        found[rule] = f"{found.get(rule, '')}{what}\n"
    return found


def reading(reader: type[LettersReader]) -> Dialect:
    """Return the dialect with another reader."""
    return type("Reading", (Letters,), {"reader": lambda self, call: reader()})()
