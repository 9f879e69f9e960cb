"""The dialect of Acme's reports: lines of JSON, the last of which says that the report is done."""

from typing import Any

from unbroken import Dialect, Error, Event, Kind, Response, Usage
from unbroken.dialect import error_for, stamped
from unbroken.error_bodies import error_message, load_json_object
from unbroken.framings import NDJSON

__all__ = ["Lines"]


class Lines(Dialect):
    """The lines and errors of a report."""

    name = "acme-lines"
    has_terminal_event = True
    framings = {"application/x-ndjson": NDJSON}  # noqa: RUF012  # of the class, as in the base

    def classify(self, event: Event) -> Kind:
        line = _object(event.raw)
        if "error" in line:
            return Kind.ERROR
        if "row" in line:
            return Kind.CONTENT
        return Kind.TERMINAL | Kind.USAGE if line.get("done") is True else Kind.KEEPALIVE

    def text(self, event: Event) -> str | None:
        row = _object(event.raw).get("row")
        return row if isinstance(row, str) else None

    def error_from_event(self, event: Event) -> Error:
        return _error(event.raw, 500)

    def error_from_response(self, response: Response, body: bytes) -> Error:
        return stamped(_error(body, response.status_code), response)

    def usage(self, event: Event) -> Usage | None:
        rows = _object(event.raw).get("rows")
        return Usage(output_tokens=rows, final=True) if type(rows) is int else None


def _object(raw: bytes) -> dict[str, Any]:
    return load_json_object(raw) or {}


def _error(body: bytes, status: int) -> Error:
    code = _object(body).get("code")
    known = type(code) is int and 400 <= code < 600
    return error_for(code if known else status, f"the report failed: {error_message(body)}")
