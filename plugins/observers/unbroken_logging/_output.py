"""The only module that uses loguru: it formats records and passes them to their sink."""

import logging
import re
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final, TextIO

import msgspec
from loguru import logger

from unbroken.errors import ConfigurationError, Problem

from .config import LoggingConfig
from .records import Record
from .redaction import clean_named

_BARE = re.compile(r"[\w.:/@+*-]+\Z", re.ASCII)
_TEXT_FORMAT = "{time:YYYY-MM-DD HH:mm:ss.SSS} {level: <7} {message}"


class Output:
    """Writes records to the sink of the configuration.

    Without a sink they go through the application's `loguru.logger`, whose handlers are not touched. With one they go
    through a logger of its own with a single handler, so that loguru's default handler on stderr does not print them a
    second time.
    """

    def __init__(self, config: LoggingConfig) -> None:
        self._line: Callable[[Record, dict[str, Any]], str] = as_json if config.json else as_text
        self._logger: Any = logger if config.sink is None else _separate_logger()
        if config.sink is not None:
            _add(self._logger, config.sink, "{message}" if config.json else _TEXT_FORMAT)
        self._own = config.sink is not None

    def write(self, record: Record) -> None:
        """Clean and write one record."""
        fields = record.cleaned()

        def finish(entry: dict[str, Any]) -> None:
            moment = entry["time"]
            entry["time"] = moment.fromtimestamp(record.time, moment.tzinfo)
            entry.update(name="unbroken", function=fields["unbroken"], line=0)
            extra = entry["extra"]
            entry["extra"] = {n: v if n in fields else clean_named(n, v) for n, v in extra.items()}

        # Without arguments loguru does not format the message; without `colors` it interprets no markup in it.
        bound = self._logger.bind(**fields).patch(finish)
        record.context.run(bound.log, record.level, self._line(record, fields))

    def close(self) -> None:
        """Remove the handler that this output has added, if any. A second time does nothing."""
        if self._own:
            self._own = False
            self._logger.remove()


def as_text(record: Record, fields: dict[str, Any]) -> str:
    """Return the message and the fields as ``name=value``, readable and easy to grep."""
    shown = (f"{name}={_shown(value)}" for name, value in fields.items() if name != "unbroken")
    return f"{record.message} {' '.join(shown)}"


def as_json(record: Record, fields: dict[str, Any]) -> str:
    """Return one JSON object: time (ISO 8601, UTC), level, message, then the fields."""
    time = datetime.fromtimestamp(record.time, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    head = {"time": time, "level": record.level, "message": record.message}
    return msgspec.json.encode(head | fields).decode()


def _shown(value: Any) -> str:
    if not isinstance(value, str):
        return msgspec.json.encode(value).decode()
    return value if _BARE.match(value) else '"' + value.replace('"', '\\"') + '"'


def _separate_logger() -> Any:
    """Return a loguru logger without handlers.

    loguru documents `copy.deepcopy(logger)` for this, but that requires the application's handlers to be removed first.
    This does what `bind` does, with a new core. It uses private attributes, so a test checks that it still works.
    """
    shared: Any = logger
    return type(shared)(type(shared._core)(), *shared._options)


def _add(separate: Any, sink: str, format: str) -> None:
    # diagnose and backtrace would print local variables, and so secrets, when the sink raises.
    options: dict[str, Any] = {
        "level": 0,
        "colorize": False,
        "catch": True,
        "diagnose": False,
        "backtrace": False,
    }
    if sink == "stdlib":
        separate.add(_Bridge(), format="{message}", **options)
        return
    if sink in _STREAMS:
        separate.add(_STREAMS[sink], format=format, **options)
        return
    try:
        separate.add(sink, format=format, encoding="utf-8", watch=True, **options)
    except (OSError, ValueError, LookupError) as error:
        raise ConfigurationError.of(Problem("logging.sink", f"cannot write to {sink!r}: {error}")) from None


class _Bridge(logging.Handler):
    """Passes records on to the standard logger ``unbroken``, whatever handlers it has at that time."""

    def emit(self, record: logging.LogRecord) -> None:
        target = logging.getLogger("unbroken")
        if target.isEnabledFor(record.levelno):
            target.handle(record)


def _print(stream: TextIO | None, line: str) -> None:
    if stream is not None:
        encoding = getattr(stream, "encoding", None) or "utf-8"
        stream.write(line.encode(encoding, "backslashreplace").decode(encoding))
        stream.flush()


def _to_stderr(line: str) -> None:
    _print(sys.stderr, line)


def _to_stdout(line: str) -> None:
    _print(sys.stdout, line)


# The stream is looked up for each line because tests and servers replace it.
_STREAMS: Final = {
    "stderr": _to_stderr,
    "stdout": _to_stdout,
}
