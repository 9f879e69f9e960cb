"""`unbroken stream`: one call to any endpoint that sends events."""

import json
import sys
import warnings
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, Literal, cast

import typer
from attrs import fields, frozen

from unbroken import Client, ConfigurationError, ContentTypeError, Dialect, Error, Event, StreamError, Timeouts
from unbroken.registry import PluginOrderWarning, resolve, resolve_dialect

from ._console import FAILED, INTERRUPTED, printable, say
from ._failure import Hints, failure_block
from ._fields import is_secret
from ._progress import Progress

Form = Literal["auto", "raw", "text", "json"]
_SHORTEST_SECRET: Final = 6


@frozen(kw_only=True)
class StreamRequest:
    """The call that the command line asks for."""

    method: str
    url: str
    headers: Sequence[tuple[str, str]] = ()
    content: bytes | None = None
    dialect: str = "sse"
    plugins: Sequence[str] | None = None
    config: str | None = None
    insecure: bool = False
    form: Form = "auto"
    verbose: bool = False
    timeout: float | None = None
    """Seconds until the first event, and between two, unless the settings are to decide."""
    total: float | None = None
    """Seconds for the whole call."""

    def secrets(self) -> list[str]:
        """Return the texts that may not be printed: the credentials, whole and without ``Bearer``."""
        values = [value for name, value in self.headers if is_secret(name)]
        return [part for value in values for part in (value, *value.split()) if len(part) >= _SHORTEST_SECRET]


def parse_headers(lines: Iterable[str]) -> list[tuple[str, str]]:
    """Return the headers in lines ``Name: value``. Errors do not repeat a line, which may contain a credential."""
    parted = [line.partition(":") for line in lines]
    for number, (name, colon, _) in enumerate(parted, 1):
        if not colon or not name.strip():
            raise typer.BadParameter(f"number {number} is not of the form 'Name: value'", param_hint="--header")
    return [(name.strip(), value.strip()) for name, _, value in parted]


def parse_body(given: str | None) -> bytes | None:
    """Return the JSON in `given`, in the file of ``@file``, or on standard input for ``-``. Raises BadParameter."""
    if given is None:
        return None
    try:
        content = sys.stdin.buffer.read() if given == "-" else _content(given)
        json.loads(content)
    except OSError as error:
        raise typer.BadParameter(f"cannot be read: {error.strerror}", param_hint="--json-body") from None
    except (ValueError, RecursionError) as error:
        raise typer.BadParameter(f"is not JSON: {error}", param_hint="--json-body") from None
    return content


def _content(given: str) -> bytes:
    return Path(given[1:]).read_bytes() if given.startswith("@") else given.encode()


def parse_form(*, raw: bool, text: bool, as_json: bool) -> Form:
    """Return the form in which events are printed. Raises BadParameter for more than one."""
    if raw + text + as_json > 1:
        raise typer.BadParameter("choose one of --raw, --text and --json")
    return "raw" if raw else "text" if text else "json" if as_json else "auto"


def stream(request: StreamRequest) -> int:
    """Print the events as they arrive and return the exit code. Raises ConfigurationError before anything is sent."""
    dialect = resolve_dialect(request.dialect)
    headers = [*request.headers]
    if request.content is not None and not any(name.lower() == "content-type" for name, _ in headers):
        headers.append(("Content-Type", "application/json"))
    resolved = resolve(request.plugins, request.config)
    insecure = request.insecure or (resolved.insecure is not None and bool(resolved.insecure.value))
    transport = None if resolved.transport is None else resolved.transport.value
    plugins = [*([Progress(say)] if request.verbose else []), *resolved.plugins]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PluginOrderWarning)  # resolve has warned already
        client = Client(plugins, dialect=dialect, insecure=insecure, transport=transport)
    with client:
        call = client.stream(
            request.method,
            request.url,
            headers=headers,
            content=request.content or b"",
            timeouts=_timeouts(request, plugins),
        )
        write = _printer(request.form, dialect, call.text_of)
        try:
            with call:
                for event in call:
                    write(event)
            return _ended(0)
        except ConfigurationError:
            raise
        except Error as error:
            _ended(FAILED)
            say(failure_block(error, request.secrets(), _hints(request)))
            return FAILED
        except KeyboardInterrupt:
            _ended(INTERRUPTED)
            say("cancelled\n")
            return INTERRUPTED


def _timeouts(request: StreamRequest, plugins: Sequence[object]) -> Timeouts | None:
    """Return the timeouts of the timeout plugin, changed by the options; None without options."""
    silence = dict.fromkeys(("first_event", "idle", "quiet"), request.timeout)
    given = {**silence, "total": request.total}
    wanted = {name: seconds for name, seconds in given.items() if seconds is not None}
    if not wanted:
        return None
    config: Any = next((each for each in plugins if getattr(each, "name", "") == "timeout"), None)
    names = [each.name for each in fields(Timeouts)]
    set_there = {} if config is None else {name: getattr(config.config, name) for name in names}
    values: dict[str, Any] = {**set_there, **wanted}
    return Timeouts(**values)


def _hints(request: StreamRequest) -> Hints:
    """Return what only this command knows about failures."""
    body: Any = None
    with suppress(ValueError):
        body = json.loads(request.content or b"null")
    if isinstance(body, dict) and cast("dict[str, Any]", body).get("stream") is not True:
        return ((ContentTypeError, 'the body does not ask for a stream: it has no "stream": true'),)
    return ()


def _ended(code: int) -> int:
    """End the output, in a terminal with a newline, so that its prompt begins a line."""
    if sys.stdout.isatty():
        sys.stdout.write("\n")
    sys.stdout.flush()
    return code


def _printer(form: Form, dialect: Dialect, text_of: Callable[[Event], str | None]) -> Callable[[Event], None]:
    own_text = type(dialect).text is not Dialect.text
    if form == "auto":
        form = "text" if own_text else "raw"
    if form == "json":
        return lambda event: _write(_as_json(event) + "\n")
    if form == "raw":
        return lambda event: _write(_as_sent(event))
    # The text of plain SSE does not say where lines end, so each event gets a line of its own.
    end = "" if own_text else "\n"

    def write_text(event: Event) -> None:
        piece = text_of(event)
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
