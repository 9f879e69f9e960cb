"""The rules of `check_dialect` about the decoder of a dialect: bytes in, events out, without calls."""

from collections.abc import Callable, Iterable
from typing import Any

from attrs import define, field, frozen

from ..dialect import Dialect
from ..errors import Error, StreamError
from ..framing import Decoder, Limits
from ..headers import Headers
from ..messages import Event, Request, Response
from ._findings import Findings
from ._strange import GARBAGE
from .recording import MOST_BORDERS, MOST_CUTS, RecordedError, Recording, inserted


@frozen(kw_only=True)
class View:
    """What a reader and a decoder may know of their call."""

    id: str
    current: Request
    response: Response | None
    last_event_id: str = ""

    @property
    def request(self) -> Request:
        """The request, which no plugin has changed."""
        return self.current

    @classmethod
    def of(cls, recording: Recording) -> "View":
        """Return the view of a call that is answered with `recording`."""
        request = Request.build("POST", recording.url, json=recording.request)
        response = Response(status_code=200, headers=Headers({"content-type": recording.content_type}))
        return cls(id="contract", current=request, response=response)


@define(eq=False)
class DecoderRules:
    """Decodes the recording, and notes what the decoder makes of it wrongly."""

    dialect: Dialect
    recording: Recording
    findings: Findings
    view: View = field(init=False)
    _fed: list[list[Event]] = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.view = View.of(self.recording)
        self._fed = self.decoded(self.recording.pieces, "in the recording")

    def events(self) -> list[list[Event]]:
        """Return the events of each piece; the last one has those of the end too."""
        count = len(self.recording.pieces)
        each = [*self._fed, *([] for _ in range(count + 1))]  # those behind a failure have none
        return [*each[: count - 1], each[count - 1] + each[count]]

    @property
    def is_whole(self) -> bool:
        """Whether the body is one event, which only the end of the body completes: nothing can be put into it."""
        return not any(self._fed[:-1]) and any(self._fed)

    def decoder(self) -> Decoder:
        """Return a new decoder."""
        return self.dialect.decoder(Limits(), self.view)

    def decoded(self, parts: Iterable[bytes], place: str, *, garbled: bool = False) -> list[list[Event]]:
        """Return the events that each of `parts` completes, and those that the end of the body does.

        Notes a failure; of the parts that are `garbled`, one that is no StreamError.
        """
        found: list[list[Event]] = []
        try:
            decoder = self.decoder()
            found.extend(map(decoder.feed, parts))
            found.append(decoder.close())
        except StreamError as error:
            if not garbled:
                self.findings.note("whole", f"the decoder raises {type(error).__name__}", place)
        except Exception as error:  # noqa: BLE001  # noted
            self.findings.note("foreign", f"the decoder raises {type(error).__name__}", place)
        return found

    def run(self) -> None:
        """Apply all rules."""
        self.pieces()
        self.cuts()
        self.garbage()

    def pieces(self) -> None:
        """Each piece is one event, as the other rules take it for, and keep-alives are counted."""
        for number, events in enumerate(self.events(), 1):
            if len(events) > 1:
                self.findings.note("recording", "a piece has more than one event", f"piece {number}")
        for piece in self.recording.keepalives:
            decoder = self.decoder()
            if not self.guarded(decoder.feed, piece) and not decoder.comments:
                self.findings.note("framing", "comments does not count a keep-alive", f"{piece[:40]!r}")

    def reported(self, error: RecordedError) -> Event | None:
        """Return the event of `error`, None without one, which is noted."""
        place = f"{error.data[:40]!r}"
        events = [event for each in self.decoded([error.data], place) for event in each]
        if not events:
            self.findings.note("recording", "an error is no event", place)
        return events[-1] if events else None

    def cuts(self) -> None:
        """Wherever the body is cut in two, the events are the same, and the decoder knows whether it is within one."""
        recording, body = self.recording, self.recording.body
        whole = [event for events in self._fed for event in events]
        for at in recording.cuts(MOST_CUTS):
            place = recording.place(at)
            events = self.decoded((body[:at], body[at:]), place)
            if [event for each in events for event in each] != whole:
                self.findings.note("whole", "the events of two pieces are not those of one", place)
            decoder = self.decoder()
            self.guarded(decoder.feed, body[:at])
            self.boundary(decoder, at, place)

    def boundary(self, decoder: Decoder, at: int, place: str) -> None:
        """Note `at_boundary` where it is wrong. In white space, and behind what is no event yet, it may be either."""
        at_boundary: Any = self.guarded(lambda _: decoder.at_boundary, b"")
        arrived, missing = self.recording.arrived(at)
        within = missing != b"" and missing != self.recording.pieces[arrived]
        if not isinstance(at_boundary, bool):
            self.findings.note("framing", "at_boundary is no bool", place)
        elif at_boundary and within and missing.strip() and self.recording.pieces[arrived][: -len(missing)].strip():
            self.findings.note("framing", "at_boundary within an event", place)
        elif not within and not at_boundary and any(self._fed[arrived - 1 : arrived]):
            self.findings.note("framing", "at_boundary is False between events", place)

    def garbage(self) -> None:
        """Bytes that mean nothing raise nothing but a StreamError, the same one each time."""
        for at in self.recording.borders(MOST_BORDERS):
            for piece in GARBAGE:
                place = f"{piece[:40]!r} behind event {at}"
                self.decoded([inserted(self.recording.pieces, at, piece)], place, garbled=True)

    def guarded(self, function: Callable[[bytes], Any], data: bytes) -> Any:
        """Return what `function` returns, None if it raises: that is noted where the same bytes are `decoded`."""
        try:
            return function(data)
        except Error:
            return None
        except Exception as error:  # noqa: BLE001  # noted
            self.findings.note("foreign", f"the decoder raises {type(error).__name__}", f"{data[:40]!r}")
            return None
