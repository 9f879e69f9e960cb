"""An observer such as anybody can write: it puts down each failure, each decision and the commit, and does no I/O."""

import re
from typing import ClassVar

from unbroken import Call, Error, Event, GiveUp, Plugin, Reject, Replay, TryAgain, Wait
from unbroken.decisions import Decision

from ._trial import NoteKind, Trial

_STATUS = re.compile(r"^(HTTP \d+ ?)?(\w+_error: )?")


class Narrator(Plugin):
    """Writes into a `Trial` what happens in its call."""

    name: ClassVar[str] = "narrator"

    def __init__(self, trial: Trial) -> None:
        super().__init__()
        self._trial = trial
        self._last: Error | None = None

    def on_error(self, call: Call, error: Error) -> None:
        """Note the failure of an attempt."""
        self._last = error
        status = f" ({error.status_code})" if error.status_code else ""
        self._trial.note("error", f"{type(error).__name__}{status}: {_STATUS.sub('', error.message)}")

    def on_decision(self, call: Call, decision: Decision, plugin: str) -> None:
        """Note who decided what."""
        kind: NoteKind = "stop" if isinstance(decision, GiveUp | Reject) else "decision"
        self._trial.note(kind, f"{plugin} {self._words(decision)}")

    def on_commit(self, call: Call, event: Event) -> None:
        """Note where nothing can be repeated any more."""
        self._trial.note("commit", "the first word is delivered")

    def _words(self, decision: Decision) -> str:
        match decision:
            case TryAgain(delay=delay, reason=reason):
                hint = None if self._last is None else self._last.retry_after
                asked = " as the server asked" if hint and delay >= hint else ""
                return f"waits {delay:.2f} s{asked}, then tries again{_because(_without_hint(reason, asked))}"
            case GiveUp(reason=reason):
                return f"gives up{_because(reason)}"
            case Wait(seconds=seconds, reason=reason):
                return f"waits {seconds:.2f} s{_because(reason)}"
            case Reject(error=error):
                return f"rejects: {error.message}"
            case Replay(events=events):
                return f"replays {len(events)} events"


def _because(reason: str) -> str:
    return f" ({reason})" if reason else ""


def _without_hint(reason: str, asked: str) -> str:
    return reason.removesuffix(", as asked") if asked else reason
