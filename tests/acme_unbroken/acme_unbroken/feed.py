"""The dialect of Acme's feed: server-sent events whose last one says how many words there were."""

from typing import Any

import msgspec

from unbroken import Dialect, Error, Event, Kind, Response, Usage
from unbroken.dialect import AttemptView, error_for, stamped
from unbroken.error_bodies import load_json_object

__all__ = ["Feed", "FeedReader"]

_STATUSES = {"slow_down": 429, "no_entry": 401, "no_room": 529, "no_sense": 400}


class FeedReader:
    """Counts the words of one attempt."""

    quiet = False

    def __init__(self) -> None:
        self._words = 0

    def classify(self, event: Event) -> Kind:
        if event.type == "word":
            self._words += 1
            return Kind.CONTENT
        if event.type == "end":
            return Kind.TERMINAL | Kind.USAGE if _object(event).get("words") == self._words else Kind.ERROR
        return {"begin": Kind.PREAMBLE, "fault": Kind.ERROR}.get(event.type, Kind.KEEPALIVE)

    def text(self, event: Event) -> str | None:
        text = _object(event).get("text") if event.type == "word" else None
        return text if isinstance(text, str) else None

    def complete_at_end(self) -> bool:
        return False


class Feed(Dialect):
    """The events and errors of the feed."""

    name = "acme-feed"
    has_terminal_event = True

    def reader(self, call: AttemptView) -> FeedReader:
        return FeedReader()

    def error_from_event(self, event: Event) -> Error:
        return _error(event.raw, 500)

    def error_from_response(self, response: Response, body: bytes) -> Error:
        return stamped(_error(body, response.status_code), response)

    def usage(self, event: Event) -> Usage | None:
        words = _object(event).get("words")
        return Usage(output_tokens=words, final=True) if type(words) is int else None


def _object(event: Event) -> dict[str, Any]:
    return load_json_object(event.raw) or {}


def _error(body: bytes, status: int) -> Error:
    fault = (load_json_object(body) or {}).get("fault")
    name = fault if isinstance(fault, str) else msgspec.json.encode(fault).decode()
    return error_for(_STATUSES.get(name, status), f"the feed says {name[:80]!r}")
