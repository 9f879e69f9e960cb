"""Passes each record to its sink: a stream, a file, the standard logging or the application's loguru."""

import logging
import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final, Protocol

import msgspec

from unbroken.errors import ConfigurationError, Problem

from ._lines import STREAMS, File
from .config import LEVELS, LoggingConfig
from .records import Record

_BARE = re.compile(r"[\w.:/@+*-]+\Z", re.ASCII)
_log: Final = logging.getLogger("unbroken")


class Sink(Protocol):
    """Where records go."""

    def write(self, record: Record, fields: dict[str, Any]) -> None:
        """Write one record, whose `fields` are cleaned. May raise anything."""
        ...

    def close(self) -> None:
        """Release what is held."""
        ...


class Output:
    """Writes records to the sink of the configuration.

    Raises ConfigurationError if that is a file that cannot be opened, or loguru, which is not installed.
    """

    def __init__(self, config: LoggingConfig) -> None:
        self._place = config.sink or "loguru"
        self._sink: Sink | None = _make(config)
        self._reported = False

    def write(self, record: Record) -> None:
        """Clean and write one record. What the sink raises passes through; the first time it is also reported."""
        if self._sink is None:
            return
        try:
            self._sink.write(record, record.cleaned())
        except Exception as error:
            if not self._reported:
                self._reported = True
                # Only the class: the text of an error of the application's own sink can say anything.
                _log.error("log records cannot be written to %s: %s", self._place, type(error).__name__)
            raise

    def close(self) -> None:
        """Release the sink. A second time does nothing."""
        sink, self._sink = self._sink, None
        if sink is not None:
            sink.close()


def _make(config: LoggingConfig) -> Sink:
    if config.sink is None:
        return _loguru()
    if config.sink == "stdlib":
        return _Standard()
    return _Lines(config.sink, as_json if config.json else _with_time)


def _loguru() -> Sink:
    try:
        from ._loguru import Loguru
    except ImportError:
        missing = "the default is loguru, which is not installed: `pip install loguru`, or choose stderr, stdout, "
        raise ConfigurationError.of(Problem("logging.sink", f"{missing}stdlib or the path of a file")) from None
    return Loguru(as_text)


class _Lines:
    """One line per record, in a stream of the process or in a file."""

    def __init__(self, place: str, line: Callable[[Record, dict[str, Any]], str]) -> None:
        self._line = line
        self._file: File | None = None
        if place in STREAMS:
            self._put: Callable[[str], None] = STREAMS[place]
            return
        try:
            self._file = File(place)
        except (OSError, ValueError) as error:
            raise ConfigurationError.of(Problem("logging.sink", f"cannot write to {place!r}: {error}")) from None
        self._put = self._file.write

    def write(self, record: Record, fields: dict[str, Any]) -> None:
        self._put(self._line(record, fields) + "\n")

    def close(self) -> None:
        if self._file is not None:
            self._file.close()


class _Standard:
    """Passes records on to the standard logger ``unbroken``, whatever handlers it has at that time."""

    def write(self, record: Record, fields: dict[str, Any]) -> None:
        rank = LEVELS[record.level]
        if not _log.isEnabledFor(rank):
            return
        text, kind = as_text(record, fields), fields["unbroken"]
        made = _log.makeRecord("unbroken", rank, "unbroken", 0, text, (), None, kind, {"extra": fields})
        made.relativeCreated += (record.time - made.created) * 1000
        made.created, made.msecs = record.time, record.time % 1 * 1000
        record.context.run(_log.handle, made)

    def close(self) -> None:
        """Nothing is held."""


def as_text(record: Record, fields: dict[str, Any]) -> str:
    """Return the message and the fields as ``name=value``, readable and easy to grep."""
    shown = (f"{name}={_shown(value)}" for name, value in fields.items() if name != "unbroken")
    return f"{record.message} {' '.join(shown)}"


def as_json(record: Record, fields: dict[str, Any]) -> str:
    """Return one JSON object: time (ISO 8601, UTC), level, message, then the fields."""
    time = datetime.fromtimestamp(record.time, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    head = {"time": time, "level": record.level, "message": record.message}
    return msgspec.json.encode(head | fields).decode()


def _with_time(record: Record, fields: dict[str, Any]) -> str:
    """Return the text behind the local time and the level."""
    local = datetime.fromtimestamp(record.time, UTC).astimezone().replace(tzinfo=None)
    return f"{local.isoformat(' ', 'milliseconds')} {record.level:<7} {as_text(record, fields)}"


def _shown(value: Any) -> str:
    if not isinstance(value, str):
        return msgspec.json.encode(value).decode()
    return value if _BARE.match(value) else '"' + value.replace('"', '\\"') + '"'
