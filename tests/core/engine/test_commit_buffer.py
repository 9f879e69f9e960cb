"""The commit buffer by itself: events go in, what may be delivered comes out."""

from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unbroken import Dialect, Event, Kind, Usage
from unbroken._engine.commit_buffer import Commit, CommitBuffer
from unbroken.dialect import CONTENT, ERROR, HIDDEN, KEEPALIVE, PREAMBLE, STRUCTURE, TERMINAL, USAGE
from unbroken.framing import Limits

KINDS = {"k": KEEPALIVE, "p": PREAMBLE, "s": STRUCTURE, "c": CONTENT, "t": TERMINAL, "h": TERMINAL | HIDDEN, "e": ERROR}


class Letters(Dialect):
    """The first letter of an event's type is its kind; an upper-case letter also carries usage: its id."""

    def classify(self, event: Event) -> Kind:
        kind = KINDS[event.type[0].lower()]
        return kind | USAGE if event.type[0].isupper() else kind

    def usage(self, event: Event) -> Usage | None:
        return Usage(output_tokens=int(event.id)) if event.id else None


def events(letters: str) -> list[Event]:
    return [Event.make(letter, "x", id=str(place)) for place, letter in enumerate(letters)]


def buffer(**arguments: Any) -> CommitBuffer:
    dialect = Letters()
    return CommitBuffer(dialect, dialect, **arguments)


def letters(some: list[Event]) -> str:
    return "".join(event.type for event in some)


@pytest.mark.parametrize(
    ("pieces", "ready"),
    [
        (["pkp", "c"], ["", "pkpc"]),
        (["pc", "kc"], ["pc", "kc"]),
        (["p", "t"], ["", "pt"]),
        (["t", ""], ["t", ""]),
        (["kk", "k"], ["", ""]),
        (["pe", ""], ["", ""]),
        (["ce", ""], ["c", ""]),
        (["ctc", ""], ["ct", ""]),
        (["pch", ""], ["pc", ""]),
        (["c", "h"], ["c", ""]),
        (["p", "h"], ["", "p"]),
    ],
    ids=lambda value: "-".join(value),
)
def test_preamble_waits_for_the_first_content_or_terminal_event(pieces: list[str], ready: list[str]) -> None:
    """After it everything goes through as it comes; nothing is read behind a terminal event or an error."""
    held = buffer()
    assert [letters(held.sort(events(piece))) for piece in pieces] == ready


def test_holding_nothing_hands_everything_on() -> None:
    """A keep-alive may be the first event of a consumer that asked for the first event."""
    assert letters(buffer(commit="first-event").sort(events("kp"))) == "kp"


@pytest.mark.parametrize("limits", [Limits(held_events=2), Limits(held_bytes=6)], ids=["events", "bytes"])
def test_what_does_not_fit_is_handed_on(limits: Limits) -> None:
    """Holding back is bounded in events and in bytes (here three of each event); it is no content for that."""
    held = buffer(limits=limits)
    assert letters(held.sort(events("pp"))) == ""
    assert letters(held.sort(events("pk"))) == "pppk"
    assert (held.released, held.first_content) == (True, None)


def test_the_first_content_is_kept_for_the_commit() -> None:
    """The one event that `on_commit` is told of, wherever it stands among those that are delivered."""
    held = buffer()
    held.sort(events("pk"))
    assert held.first_content is None
    ready = held.sort(events("pcc"))
    assert held.first_content is ready[3]


def test_how_the_stream_ended_is_kept() -> None:
    """Complete with its terminal event, failed by an error event."""
    complete, failed, hidden = buffer(), buffer(), buffer()
    complete.sort(events("ct"))
    hidden.sort(events("h"))
    sent = events("ce")
    failed.sort(sent)
    assert (complete.complete, complete.failed_by) == (hidden.complete, hidden.failed_by) == (True, None)
    assert (failed.complete, failed.failed_by) == (False, sent[1])


@pytest.mark.parametrize(
    ("piece", "progress"), [("k", False), ("kp", False), ("ks", True), ("c", True), ("t", True), ("e", False)]
)
def test_keepalives_and_preamble_are_no_progress(piece: str, progress: bool) -> None:
    """Of the events that were sorted last."""
    held = buffer()
    held.sort(events("c"))
    held.sort(events(piece))
    assert held.progress is progress
    held.sort([])
    assert held.progress is False


def test_usage_is_kept_as_the_events_say_it() -> None:
    """Also of events that are held back, of an error, and of one that says nothing."""
    held = buffer()
    held.sort(events("kP"))
    assert held.usage == Usage(output_tokens=1)
    held.sort([Event.make("C", "x", id="7"), Event.make("C", "x"), Event.make("E", "x", id="9")])
    assert held.usage == Usage(output_tokens=9)


@given(st.lists(st.text("kpct", max_size=6), max_size=6), st.sampled_from(get_args(Commit)), st.integers(1, 8))
def test_every_event_is_delivered_once_and_in_order(pieces: list[str], commit: Commit, room: int) -> None:
    """Up to the terminal event, however the stream is cut; nothing before there is content, if there is room."""
    held = buffer(commit=commit, limits=Limits(held_events=room))
    delivered: list[Event] = []
    sent: list[Event] = []
    for piece in pieces:
        came = events(piece)
        sent += came
        delivered += held.sort(came)
        if held.complete:
            break
        if commit == "complete" or (commit == "content" and len(sent) <= room and "c" not in letters(sent)):
            assert delivered == []
    whole = letters(sent).partition("t")
    assert letters(delivered + held.release()) == whole[0] + whole[1]
