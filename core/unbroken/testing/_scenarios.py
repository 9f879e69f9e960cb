"""The scenarios of `check_plugin`: every way in which an attempt can end, and every kind of other plugin."""

from collections.abc import Mapping
from typing import Any, ClassVar, Final

from ..decisions import Reject, Replay, TryAgain, Wait
from ..dialect import CONTENT, ERROR, PREAMBLE, TERMINAL, Dialect, Kind
from ..errors import Error, NetworkError, ValidationError
from ..messages import Event, Request
from ..plugin import Plugin
from ._watch import NEIGHBOUR
from .script import STALL, Answer, sse
from .transport import Script


class ContractDialect(Dialect):
    """The dialect of the scenarios, with an event type for each kind."""

    name = "contract"
    has_terminal_event = True
    _kinds: ClassVar[Mapping[str, Kind]] = {"start": PREAMBLE, "stop": TERMINAL, "error": ERROR}

    def classify(self, event: Event) -> Kind:
        """Return the kind for the event's type; unknown types are content."""
        return self._kinds.get(event.type, CONTENT)


class Left(BaseException):
    """The consumer was cancelled."""


def _always(**reply: Any) -> Script:
    return lambda _: Answer(**reply)


def _cancelled(request: Request) -> Answer:
    raise Left


_GOOD = sse(("start", "{}"), ("delta", "{}"), ("delta", "{}"), ("stop", "{}"))
_PART = sse(("start", "{}"), ("delta", "{}"))

# Every way in which an attempt can end.
SCENARIOS: Final[dict[str, Script]] = {
    "success": _always(body=_GOOD),
    "server error": _always(status=503),
    "throttled": _always(status=429, headers={"retry-after": "1"}),
    "refused request": _always(status=400),
    "no connection": lambda _: Answer(failure=NetworkError("refused")),
    "broken stream": lambda _: Answer(body=(_PART, NetworkError("reset"))),
    "truncated stream": _always(body=_PART),
    "error in the stream": _always(body=sse(("error", "{}"))),
    "stalled stream": _always(body=(_PART, STALL)),
    "not a stream": _always(headers={"content-type": "text/html"}, body=b"<html>"),
    "cancelled request": _cancelled,
}


class _Neighbour(Plugin):
    """Another plugin of the same client, which interferes."""

    name = NEIGHBOUR


class _Rejects(_Neighbour):
    def before_request(self, call: Any, request: Request) -> Reject:
        return Reject(ValidationError("no"))


class _Breaks(_Neighbour):
    def before_request(self, call: Any, request: Request) -> None:
        raise RuntimeError("a bug")


class _Replays(_Neighbour):
    def before_request(self, call: Any, request: Request) -> Replay:
        return Replay((Event.make("delta", {}),))


class _WaitsTooLong(_Neighbour):
    def before_request(self, call: Any, request: Request) -> Wait:
        return Wait(1e6)


class _TriesAgain(_Neighbour):
    def should_retry(self, call: Any, error: Error) -> TryAgain | None:
        return TryAgain(0.5) if call.attempt < 3 else None


NEIGHBOURS: Final[dict[str, Plugin]] = {
    "rejects": _Rejects(),
    "has a bug": _Breaks(),
    "replays": _Replays(),
    "waits too long": _WaitsTooLong(),
    "tries again": _TriesAgain(),
}
