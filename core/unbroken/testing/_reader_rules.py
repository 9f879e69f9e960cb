"""The rules of `check_dialect` about a reader and the functions of a dialect, without calls."""

from collections.abc import Callable, Sequence
from functools import partial
from itertools import zip_longest
from typing import Any, Final

from attrs import define

from ..dialect import CONTENT, ERROR, HIDDEN, KEEPALIVE, PREAMBLE, STRUCTURE, TERMINAL, Dialect, Kind, Reader
from ..errors import Error
from ..headers import Headers
from ..messages import Event, Response, Summary, Usage
from ._decoder_rules import View
from ._findings import Findings
from ._player import copied
from ._strange import RAW, variants
from .recording import RecordedError, Recording

_BASES: Final = tuple(map(int, (KEEPALIVE, PREAMBLE, CONTENT, TERMINAL, ERROR, STRUCTURE)))
# Of strange data, and of events that are read before and behind it.
_MOST_STRANGE: Final = 4096
_MOST_CLASSIFIED: Final = 250_000
_STATUSES: Final = (400, 500)


@define(eq=False)
class ReaderRules:
    """Reads the events of the recording, and notes what the dialect makes of them wrongly."""

    dialect: Dialect
    recording: Recording
    findings: Findings
    view: View
    events: list[list[Event]]
    """The events of each piece."""

    def texts(self) -> list[str]:
        """Return the text of each piece."""
        reader = self.dialect.reader(self.view)
        said = [[self.read(reader, event, "in the recording")[1] for event in events] for events in self.events]
        return ["".join(text or "" for text in texts) for texts in said]

    def run(self) -> None:
        """Apply all rules."""
        self.state()
        self.strange()

    def read(self, reader: Reader, event: Event, place: str) -> tuple[int | None, str | None]:
        """Return the kind and the text of `event`. Notes values of other types, and exceptions that are not errors."""
        kind: Any = self.guarded("classify", lambda: reader.classify(event), place)
        if kind is not None and not _is_kind(kind):
            self.findings.note("types", f"classify returns {kind!r}, which is no kind, or several", place)
        self.expect("quiet", bool, self.guarded("quiet", lambda: reader.quiet, place), place)
        self.expect("complete_at_end", bool, self.guarded("complete_at_end", reader.complete_at_end, place), place)
        self.expect("summary", Summary, self.guarded("summary", lambda: getattr(reader, "summary", None), place), place)
        text = self.guarded("text", lambda: reader.text(event), place)
        self.expect("text", str | None, text, place)
        usage = self.guarded("usage", lambda: self.dialect.usage(event), place)
        if usage is not None and not _is_usage(usage):
            self.findings.note("types", "usage returns counts that are no whole numbers", place)
        self.guarded("typed", lambda: self.dialect.typed(event), place)
        return kind, text if isinstance(text, str) else None

    def guarded(self, name: str, function: Callable[[], Any], place: str) -> Any:
        """Return what `function` returns, None for an error of the library. Notes any other exception."""
        try:
            return function()
        except Error:
            return None
        except Exception as error:  # noqa: BLE001  # noted
            self.findings.note("foreign", f"{name} raises {type(error).__name__}", place)
            return None

    def expect(self, name: str, wanted: Any, value: object, place: str) -> None:
        """Note a value of another type than `wanted`. None stands for an error that was raised."""
        if value is not None and not isinstance(value, wanted):
            self.findings.note("types", f"{name} returns {type(value).__name__}", place)

    def state(self) -> None:
        """Two attempts at once, one after half of another, and one behind another, each read the same."""
        flat = [event for events in self.events for event in events]
        first = self.read_all(self.dialect.reader(self.view), flat)
        one, other = self.dialect.reader(self.view), self.dialect.reader(self.view)
        together = [(self.read(one, event, "two at once"), self.read(other, event, "two at once")) for event in flat]
        half = self.dialect.reader(self.view)
        begun = self.read_all(half, flat[: len(flat) // 2])
        between = self.read_all(self.dialect.reader(self.view), flat)
        rest = self.read_all(half, flat[len(flat) // 2 :])
        for place, found in (
            ("two attempts at once", [each for each, _ in together]),
            ("two attempts at once", [each for _, each in together]),
            ("an attempt within another", between),
            ("an attempt with another within", begun + rest),
        ):
            for number, (was, now) in enumerate(zip_longest(first, found), 1):
                if was != now:
                    self.findings.note("state", "an attempt changes how another is read", f"{place}, event {number}")
                    break

    def read_all(self, reader: Reader, events: Sequence[Event]) -> list[tuple[int | None, str | None]]:
        """Return the kind and the text of each of `events`."""
        return [self.read(reader, event, "in the recording") for event in events]

    def twins(self, error: RecordedError, reported: Event) -> None:
        """A failure within the stream, which is the event `reported`, and as an answer of HTTP have one class."""
        place = f"{error.data[:40]!r}"
        body = reported.raw if error.body is None else error.body
        if error.twin is not None:
            self.expect_error(error.error, self.from_response(error.twin, body, place), place, "error_from_response")
        self.expect_error(error.error, self.from_event(reported, place), place, "error_from_event")
        for raw in (*RAW, *variants(reported.raw)):
            place = f"an error with the data {raw[:80]!r}"
            self.expect_error(Error, self.from_event(reported.replace(raw=raw), place), place, "error_from_event")
            for status in _STATUSES:
                failure = self.from_response(status, raw, place)
                self.expect_error(Error, failure, place, "error_from_response")
            self.from_answers(raw, place)

    def from_event(self, event: Event, place: str) -> Any:
        """Return what the dialect makes of an event that reports a failure."""
        return self.guarded("error_from_event", _raised(lambda: self.dialect.error_from_event(event)), place)

    def from_response(self, status: int, body: bytes, place: str) -> Any:
        """Return what the dialect makes of an answer with an error status."""
        response = Response(status_code=status, headers=Headers({"content-type": "application/json"}))
        made = _raised(lambda: self.dialect.error_from_response(response, body))
        return self.guarded("error_from_response", made, place)

    def from_answers(self, body: bytes, place: str) -> None:
        """Let the dialect look for a failure in a body under status 200."""
        response, request = Response(status_code=200), self.view.current
        found = self.guarded("error_from_body", lambda: self.dialect.error_from_body(response, body), place)
        self.expect("error_from_body", Error, found, place)
        found = self.guarded(
            "error_from_answer", lambda: self.dialect.error_from_answer(request, response, body), place
        )
        self.expect("error_from_answer", Error, found, place)

    def expect_error(self, wanted: type[Error], found: Any, place: str, name: str) -> None:
        """Note an error that is not of the class `wanted`, or that cannot be pickled."""
        if not isinstance(found, Error):
            self.findings.note("types", f"{name} gives no error", place)
            return
        if wanted is not Error and type(found) is not wanted:
            self.findings.note("twin", f"{name} gives {type(found).__name__}, not {wanted.__name__}", place)
        if type(copied(found)) is not type(found):
            self.findings.note("pickle", f"{type(found).__name__} cannot be pickled", place)

    def strange(self) -> None:
        """Read each event with strange data, after those before it and in front of those behind it."""
        flat = [event for events in self.events for event in events]
        made = [(number, raw) for number, event in enumerate(flat) for raw in (*variants(event.raw), *RAW)]
        work = max(len(made) // _MOST_STRANGE, len(made) * len(flat) // _MOST_CLASSIFIED)
        for number, raw in made[:: work + 1]:
            place = f"event {number + 1} with the data {raw[:80]!r}"
            reader = self.dialect.reader(self.view)
            self.guarded("classify", partial(_classify, reader, flat[:number]), place)
            self.read(reader, flat[number].replace(raw=raw), place)
            self.guarded("classify", partial(_classify, reader, flat[number + 1 :]), place)


def _raised(function: Callable[[], Any]) -> Callable[[], Any]:
    """Return `function`, but with an error that it raises as its result: the engine would raise it too."""

    def made() -> Any:
        try:
            return function()
        except Error as error:
            return error

    return made


def _classify(reader: Reader, events: Sequence[Event]) -> None:
    for event in events:
        reader.classify(event)


def _is_kind(kind: object) -> bool:
    if not isinstance(kind, Kind):
        return False
    return sum(bool(kind & base) for base in _BASES) == 1 and not (kind & HIDDEN and not kind & TERMINAL)


def _is_usage(usage: object) -> bool:
    if not isinstance(usage, Usage):
        return False
    counts = (usage.input_tokens, usage.output_tokens, usage.cache_read_tokens, usage.cache_write_tokens)
    return all(count is None or type(count) is int for count in counts) and type(usage.final) is bool
