"""What depends on the stream so far: a reader for each attempt, made by the dialect."""

from typing import Any

from unbroken import Client, Event, Kind, Plugin, Request, TruncatedStreamError, TryAgain
from unbroken.dialect import CONTENT, PREAMBLE, AttemptView, Dialect
from unbroken.testing import Answer, ScriptedTransport, sse

from ..kit import Retry

DOWN = Answer(status=503)


class Counting:
    """Every third event is content; the stream is complete when its last event was."""

    quiet = False

    def __init__(self, view: AttemptView) -> None:
        self.view = view
        self.seen = 0

    def classify(self, event: Event) -> Kind:
        self.seen += 1
        return PREAMBLE if self.seen % 3 else CONTENT

    def text(self, event: Event) -> str | None:
        return f"{event.data}@{self.view.current.headers['x-request-id']}"

    def complete_at_end(self) -> bool:
        return self.seen % 3 == 0


class Thirds(Dialect):
    name = "thirds"

    def __init__(self) -> None:
        self.readers: list[Counting] = []

    def reader(self, call: AttemptView) -> Counting:
        self.readers.append(Counting(call))
        return self.readers[-1]


def test_each_attempt_has_a_reader_of_its_own(play: Any) -> None:
    """State of an attempt that failed does not reach the next one."""
    dialect = Thirds()
    cut, whole = Answer(body=sse("a", "b")), Answer(body=sse("a", "b", "c"))
    played = play([cut, DOWN, whole], [Retry()], dialect=dialect)
    assert played.data == ["a", "b", "c"]
    assert [reader.seen for reader in dialect.readers] == [2, 0, 3]


def test_the_reader_says_whether_a_polite_end_is_the_end(play: Any) -> None:
    """A dialect without a terminal event may know it from what came before."""
    played = play([Answer(body=sse("a", "b", "c", "d"))], dialect=Thirds())
    assert played.data == ["a", "b", "c", "d"]
    assert isinstance(played.error, TruncatedStreamError)


def test_the_text_is_what_the_reader_finds(fake_clock: Any) -> None:
    """It may look at the request and at the head of the response."""
    transport = ScriptedTransport([Answer(body=sse("a", "b", "c"))], fake_clock)
    client = Client([], transport=transport, clock=fake_clock, dialect=Thirds(), headers={"x-request-id": "7"})
    with client.stream("GET", "https://api.example.org/") as stream:
        assert list(stream.text()) == ["a@7", "b@7", "c@7"]


def test_the_reader_of_another_target_sees_its_request(play: Any) -> None:
    """Before anything of it is sent, and what plugins change afterwards too."""
    seen: list[str] = []

    class Looking(Dialect):
        def reader(self, call: AttemptView) -> Dialect:
            seen.append(call.current.origin)
            return self

    class Elsewhere(Plugin):
        name = "elsewhere"

        def should_retry(self, call: Any, error: Any) -> TryAgain:
            return TryAgain(request=Request.build("POST", "https://other.example.org/v1"))

    play([DOWN, Answer(body=sse("a"))], [Elsewhere()], dialect=Looking())
    assert seen == ["https://api.example.org:443", "https://other.example.org:443"]
