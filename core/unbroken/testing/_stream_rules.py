"""The rules of `check_dialect` about whole streams: cut, with more in them, out of order, failing."""

from typing import Final

from attrs import define, field

from ..errors import Error, NetworkError, PluginError
from ._findings import Findings
from ._player import Player, Seen
from ._strange import GARBAGE
from .recording import MOST_BORDERS, MOST_CUTS, RecordedError, Recording, inserted, reordered
from .script import STALL, Item

_SPOILED: Final = 256
# Longer than any timeout of the player.
_PINGS: Final = 8
_RESET: Final = "the connection was reset"


@define(eq=False)
class StreamRules:
    """Plays the recording in all variants, and notes what the dialect makes of them wrongly."""

    player: Player
    recording: Recording
    findings: Findings
    texts: list[str]
    """The text of each piece."""
    is_whole: bool = False
    """Whether the body is one event, into which nothing can be put."""
    whole: Seen = field(init=False)

    def run(self) -> None:
        """Apply all rules; of a dialect that cannot read the recording itself, only that."""
        self.whole = self.play("as it was recorded", self.recording.body)
        self.expect_whole("whole", self.whole, "in one piece")
        if not self.whole.succeeded or self.whole.text != self.recording.text:
            return
        self.pieces()
        self.cuts()
        self.errors()
        self.garbage()
        if not self.is_whole:
            self.keepalives()
            self.silence()
            self.behind_the_end()
            self.order()

    def play(self, place: str, *body: Item) -> Seen:
        """Make one call, and note an exception that is none of the library."""
        seen = self.player.play(*body)
        error = seen.error
        cause = error.__cause__ if isinstance(error, PluginError) else error
        if cause is not None and (cause is not error or not isinstance(error, Error)):
            self.findings.note("foreign", f"raises {type(cause).__name__}, which is none of unbroken's errors", place)
        return seen

    def expect_whole(self, rule: str, seen: Seen, place: str, *, usage: bool = True, repeated: bool = False) -> bool:
        """Note what `seen` has not of the recording. Returns whether it has all.

        With `repeated`, the first attempt may have failed.
        """
        recording, problem = self.recording, ""
        if not seen.succeeded or (seen.first_error and not repeated):
            problem = f"a good stream fails with {seen.failed_as}"
        elif seen.text != recording.text:
            problem = "the text is not the one that was recorded"
            if rule == "whole":
                problem = f"the text is {seen.text[:200]!r}, not the one that was recorded"
        elif usage and seen.usage != recording.usage:
            problem = f"the usage is {seen.usage}, not the one that was recorded"
        if problem:
            self.findings.note(rule, problem, place)
        return not problem

    def expect_start(self, seen: Seen, place: str) -> None:
        """Note what was delivered if it is not the beginning of the recording."""
        events = self.whole.events
        if not self.recording.text.startswith(seen.text):
            self.findings.note("prefix", "the delivered text is not a beginning of the whole text", place)
        elif seen.events != events[: len(seen.events)]:
            self.findings.note("prefix", "the delivered events are not the first ones of the stream", place)

    def pieces(self) -> None:
        """Play the stream event by event, byte by byte, and in two pieces that part between events."""
        body, pieces = self.recording.body, self.recording.pieces
        single = [body[at : at + 1] for at in range(len(body))]
        for place, parts in (("event by event", pieces), ("byte by byte", single)):
            self.expect_same("whole", self.play(place, *parts), place)
        for at in self.recording.borders(MOST_BORDERS):
            place = f"in two pieces behind event {at}"
            self.expect_same("whole", self.play(place, b"".join(pieces[:at]), b"".join(pieces[at:])), place)

    def expect_same(self, rule: str, seen: Seen, place: str) -> None:
        """Note how `seen` differs from the recording as it came in one piece."""
        if self.expect_whole(rule, seen, place) and seen.events != self.whole.events:
            self.findings.note(rule, "the events are not those of the stream in one piece", place)

    def cuts(self) -> None:
        """End the stream early, by a normal end of the body and by a failure of the network."""
        body = self.recording.body
        for at in self.recording.cuts(MOST_CUTS):
            place, start = self.recording.place(at), body[:at]
            self.ended(self.play(place, start), at, place, clean=True)
            self.ended(self.play(place, start, NetworkError(_RESET)), at, place, clean=False)

    def ended(self, seen: Seen, at: int, place: str, *, clean: bool) -> None:
        """Note what is wrong about an attempt that ended early."""
        recording, how = self.recording, "a normal end" if clean else "a failure of the network"
        proven = recording.proven(at, clean=clean)
        wanted = "TruncatedStreamError" if clean else "NetworkError"
        if not seen.failed_as:
            if proven is False:
                self.findings.note("proof", f"{how} without the proof is taken for success", place)
            elif recording.proved_by:
                self.expect_whole("proof", seen, f"{how} {place}", usage=False)
        elif proven:
            self.findings.note("proof", f"{how} behind the proof fails with {seen.failed_as}", place)
        elif seen.failed_as != wanted:
            self.findings.note("cut", f"{how} gives {seen.failed_as}, not {wanted}", place)
        self.repeated(seen, place)

    def repeated(self, seen: Seen, place: str) -> None:
        """Note what is wrong about a call whose first attempt may have failed and been repeated."""
        if seen.attempts > 1:
            self.expect_whole("repeat", seen, place, repeated=True)
        self.expect_start(seen, place)

    def keepalives(self) -> None:
        """Put keep-alives and unknown events in every place: the answer stays the same."""
        recording = self.recording
        for rule, extra in (("keep-alive", recording.keepalives), ("unknown", recording.unknown)):
            for piece in extra:
                for at in recording.borders(MOST_BORDERS):
                    place = f"{piece[:40]!r} behind event {at}"
                    seen = self.play(place, inserted(recording.pieces, at, piece))
                    left = iter(seen.events)
                    if self.expect_whole(rule, seen, place) and not all(
                        any(event == other for other in left) for event in self.whole.events
                    ):
                        self.findings.note(rule, "an event is lost", place)

    def silence(self) -> None:
        """Let keep-alives alone follow: they neither commit nor renew a timeout."""
        for piece in self.recording.keepalives:
            for at in self.recording.borders(MOST_BORDERS):
                place = f"{piece[:40]!r} behind event {at}"
                start = b"".join(self.recording.pieces[:at])
                silent = self.play(place, start, STALL)
                kept = self.play(place, start, *(1.0, piece) * _PINGS, STALL)
                if kept.attempts != silent.attempts:
                    self.findings.note("progress", "a keep-alive commits", place)
                elif kept.elapsed != silent.elapsed:
                    self.findings.note("progress", "a keep-alive renews a timeout", place)

    def behind_the_end(self) -> None:
        """Put events behind the terminal event, and the terminal event in front of others."""
        recording, pieces = self.recording, self.recording.pieces
        if not recording.terminal:
            return
        for piece in (*pieces, *(error.data for error in recording.errors), recording.body):
            place = f"{piece[:40]!r} behind the terminal event"
            self.expect_same("end", self.play(place, recording.body + piece), place)
        for at in recording.borders(MOST_BORDERS)[:-2]:
            place = f"the terminal event behind event {at}"
            start = b"".join((*pieces[:at], pieces[-1]))
            seen = self.play(place, start + b"".join(pieces[at:]))
            alone = self.play(place, start)
            if not alone.failed_as and seen.facts != alone.facts:  # otherwise it is no proof without the others
                self.findings.note("end", "what follows the terminal event changes the outcome", place)
            known = recording.text, "".join((*self.texts[:at], self.texts[-1]))
            if not alone.failed_as and not any(text.startswith(seen.text) for text in known):
                self.findings.note("end", "there is more text than in front of the terminal event", place)

    def order(self) -> None:
        """Repeat, leave out and move single events. A success has the text that this leaves, or the whole one."""
        recording, count = self.recording, len(self.recording.pieces)
        for at in recording.borders(MOST_BORDERS):
            if at >= count - bool(recording.terminal):
                continue
            for how, order in reordered(count, at):
                place = f"event {at + 1} {how}"
                seen = self.play(place, b"".join(recording.pieces[each] for each in order))
                left = "".join(self.texts[each] for each in order)
                if seen.succeeded and seen.text != recording.text and (recording.numbered or seen.text != left):
                    self.findings.note("order", "a success has a text that was lost, doubled or out of order", place)
                if seen.succeeded and how == "repeated" and seen.usage != recording.usage:
                    self.findings.note("order", "the usage of an event that is repeated counts twice", place)
                if not seen.failed_as and how == "left out" and at + 1 == recording.proved_by:
                    self.findings.note("proof", "a stream without its proof is taken for success", place)

    def errors(self) -> None:
        """Report each failure in every place: before the content it is retried, behind it is raised."""
        count = len(self.recording.pieces)
        for error in self.recording.errors:
            for at in [0] if self.is_whole else self.recording.borders(MOST_BORDERS):
                if at < count or not self.recording.terminal:
                    place = f"{error.data[:40]!r} behind event {at}"
                    body = error.data if self.is_whole else inserted(self.recording.pieces, at, error.data)
                    self.failed(self.play(place, body), error, at, place)

    def failed(self, seen: Seen, error: RecordedError, at: int, place: str) -> None:
        """Note what is wrong about an attempt in which the server reported `error`."""
        wanted, found = error.error.__name__, seen.error
        if not seen.failed_as:
            self.findings.note("error", "a failure that the server reports is not found", place)
        elif seen.failed_as != wanted:
            self.findings.note("error", f"it gives {seen.failed_as}, not {wanted}", place)
        elif not at and seen.attempts < 2:
            self.findings.note("error", "a failure before everything else is not retried", place)
        elif isinstance(found, Error) and found.delivered != bool(seen.events):
            self.findings.note("error", f"delivered is {found.delivered} after {len(seen.events)} events", place)
        self.repeated(seen, place)

    def garbage(self) -> None:
        """Put bytes that mean nothing in every place, and spoil single bytes: any outcome but a foreign exception."""
        pieces, body = self.recording.pieces, self.recording.body
        for at in self.recording.borders(MOST_BORDERS):
            for piece in GARBAGE:
                self.play(f"{piece[:40]!r} behind event {at}", inserted(pieces, at, piece))
        for at in self.recording.cuts(_SPOILED):
            if at < len(body):
                self.play(f"byte {at} spoiled", body[:at] + b"\xff" + body[at + 1 :])
