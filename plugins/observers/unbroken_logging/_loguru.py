"""The application's loguru. Nothing else of Unbroken imports it."""

from collections.abc import Callable
from typing import Any

from loguru import logger

from .records import Record
from .redaction import clean_named


class Loguru:
    """Passes records to `loguru.logger`. The handlers of the application get them, and are not touched."""

    def __init__(self, line: Callable[[Record, dict[str, Any]], str]) -> None:
        self._line = line

    def write(self, record: Record, fields: dict[str, Any]) -> None:
        """Log one record, in the context of its hook, so that it has what `contextualize` added there."""

        def finish(entry: dict[str, Any]) -> None:
            moment = entry["time"]
            entry["time"] = moment.fromtimestamp(record.time, moment.tzinfo)
            entry.update(name="unbroken", function=fields["unbroken"], line=0)
            extra = entry["extra"]
            entry["extra"] = {n: v if n in fields else clean_named(n, v) for n, v in extra.items()}

        # Without arguments loguru does not format the message; without `colors` it interprets no markup in it.
        bound: Any = logger.bind(**fields).patch(finish)  # type: ignore[arg-type]
        record.context.run(bound.log, record.level, self._line(record, fields))

    def close(self) -> None:
        """Nothing is held."""
