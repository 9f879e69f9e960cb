"""`unbroken stream`: one call to any endpoint that sends events."""

import json
import sys
from collections.abc import Callable, Sequence
from typing import Any, Final, Literal

from attrs import frozen

from unbroken import Client, Dialect, Error, Event, StreamError
from unbroken.registry import resolve_dialect

from ._console import printable, say
from ._failure import failure_block
from ._fields import is_secret

Form = Literal["auto", "raw", "text", "json"]
FAILED: Final = 1
INTERRUPTED: Final = 130
_SHORTEST_SECRET: Final = 6


@frozen(kw_only=True)
class StreamRequest:
    """What the command line asks for."""

    method: str
    url: str
    headers: Sequence[tuple[str, str]] = ()
    content: bytes | None = None
    dialect: str = "sse"
    plugins: Sequence[str] | None = None
    config: str | None = None
    form: Form = "auto"

    def secrets(self) -> list[str]:
        """Return what may not be printed: the credentials, whole and without ``Bearer``."""
        values = [value for name, value in self.headers if is_secret(name)]
        return [part for value in values for part in (value, *value.split()) if len(part) >= _SHORTEST_SECRET]


def stream(request: StreamRequest) -> int:
    """Print the events as they arrive. Returns the exit code; raises ConfigurationError before anything is sent."""
    dialect = resolve_dialect(request.dialect)
    write = _printer(request.form, dialect)
    headers = [*request.headers]
    if request.content is not None and not any(name.lower() == "content-type" for name, _ in headers):
        headers.append(("Content-Type", "application/json"))
    with Client(request.plugins, config=request.config, dialect=dialect) as client:
        call = client.stream(request.method, request.url, headers=headers, content=request.content or b"")
        try:
            with call:
                for event in call:
                    write(event)
            return _ended(0)
        except Error as error:
            _ended(FAILED)
            say(failure_block(error, request.secrets()))
            return FAILED
        except KeyboardInterrupt:
            _ended(INTERRUPTED)
            say("cancelled\n")
            return INTERRUPTED


def _ended(code: int) -> int:
    """Leave a terminal with its prompt on a line of its own."""
    if sys.stdout.isatty():
        sys.stdout.write("\n")
    sys.stdout.flush()
    return code


def _printer(form: Form, dialect: Dialect) -> Callable[[Event], None]:
    own_text = type(dialect).text is not Dialect.text
    if form == "auto":
        form = "text" if own_text else "raw"
    if form == "json":
        return lambda event: _write(_as_json(event) + "\n")
    if form == "raw":
        return lambda event: _write(_as_sent(event))
    # Plain SSE says nothing about where its text ends, so each event has a line.
    end = "" if own_text else "\n"

    def write_text(event: Event) -> None:
        piece = dialect.text(event)
        if piece is not None:
            _write(piece + end)

    return write_text


def _write(text: str) -> None:
    sys.stdout.write(printable(text) if sys.stdout.isatty() else text)
    sys.stdout.flush()


def _as_json(event: Event) -> str:
    try:
        data: Any = event.json()
    except StreamError:
        data = event.data
    line = {"type": event.type, "data": data, "id": event.id, "request_id": event.request_id}
    return json.dumps(line, ensure_ascii=False)


def _as_sent(event: Event) -> str:
    name = f"event: {event.type}\n" if event.type != "message" else ""
    return name + "".join(f"data: {line}\n" for line in event.data.split("\n")) + "\n"
