"""An error that a call raises tells its attempts in notes, below the traceback."""

import copy
import pickle
import traceback
from typing import Any

import pytest

from unbroken import Call, Client, Error, GiveUp, Plugin, ServerError, TryAgain
from unbroken.testing import Answer, FakeClock, ScriptedTransport, play, sse

from ..kit import Retry

CANARY = "sk-ant-api03-canarycanarycanarycanary"


def notes(error: BaseException | None) -> list[str]:
    """Return the notes of an error, which has none by default."""
    return list(getattr(error, "__notes__", []))


class Again(Plugin):
    """Retries at once, up to a number of attempts."""

    name = "again"

    def __init__(self, most: int, reason: str = "") -> None:
        self.most, self.reason = most, reason

    def should_retry(self, call: Call, error: Error) -> TryAgain | GiveUp:
        return TryAgain(0.25) if call.attempts < self.most else GiveUp(reason=self.reason)


@pytest.mark.parametrize("backend", ["sync", "asyncio", "trio"])
def test_every_attempt_has_a_line(backend: Any) -> None:
    """The class, the status and what followed."""
    played = play([Answer(status=503), Answer(status=529)], [Again(2, "enough")], backend=backend)
    assert notes(played.error) == [
        "attempt 1: ServerError 503, retried after 0.25 s",
        "attempt 2: OverloadedError 529, not retried (enough)",
    ]


def test_the_lines_are_below_the_traceback() -> None:
    """Where Python prints them, once."""
    played = play([Answer(status=503)], [])
    assert isinstance(played.error, ServerError)
    text = "".join(traceback.format_exception(played.error))
    assert text.rstrip().endswith("attempt 1: ServerError 503, not retried")
    assert text.count("attempt 1: ") == 1


def test_many_attempts_are_ten_lines() -> None:
    """The newest are told."""
    found = notes(play([Answer(status=503)] * 30, [Again(30)]).error)
    assert len(found) == 10
    assert found[0] == "attempt 1 to 21: in `history`, as far as it is kept"
    assert found[-1] == "attempt 30: ServerError 503, not retried"


def test_an_error_that_is_raised_again_is_told_once() -> None:
    """By the same call, and by another that raises the same object."""

    class Same(Plugin):
        def on_error(self, call: Call, error: Error) -> Error:
            return shared

    shared = ServerError("down")
    shared.add_note("a note of the program")
    clock = FakeClock()
    client = Client([Same()], transport=ScriptedTransport([Answer(status=503)] * 2, clock), clock=clock)
    for _ in range(2):
        stream = client.stream("GET", "https://api.example.org")
        for _ in range(2):
            with pytest.raises((ServerError, RuntimeError)):
                stream.__enter__()
        assert notes(shared) == ["a note of the program", "attempt 1: ServerError, not retried"]


def test_a_copy_has_the_notes() -> None:
    """Also one in another process."""
    error = play([Answer(status=503)], []).failure
    for made in (copy.copy(error), pickle.loads(pickle.dumps(error))):
        assert notes(made) == ["attempt 1: ServerError 503, not retried"]


def test_a_reason_is_told_without_its_credential() -> None:
    """Whatever the plugin wrote into it, in one line."""
    (note,) = notes(play([Answer(status=503)], [Again(1, f"refused {CANARY}\nfor good")]).error)
    assert CANARY not in note
    assert "\n" not in note


def test_a_bug_in_a_policy_has_its_line() -> None:
    """It is an error of the call like any other, and tells the failure before it."""

    class Buggy(Plugin):
        def should_retry(self, call: Call, error: Error) -> TryAgain | None:
            raise LookupError

    assert notes(play([Answer(status=503)], [Buggy()]).error) == ["attempt 1: ServerError 503, not retried"]


def test_an_error_of_the_program_and_a_success_have_no_notes() -> None:
    """They are not errors of the call."""

    def consume(event: Any) -> None:
        raise LookupError

    assert notes(play([Answer(body=sse("a"))], [], consume=consume).error) == []
    assert play([Answer(status=503), Answer(body=sse("a"))], [Retry()]).error is None


def test_an_error_without_attempts_has_no_notes():
    """Such as one that no request was sent for."""
    from unbroken import Error
    from unbroken._engine.notes import add_notes

    error = Error("nothing was sent")
    add_notes(error)
    assert not hasattr(error, "__notes__")
