"""Reads a stream of the gateway on where the connection was lost, instead of asking the model again."""

import re
from typing import ClassVar, Final

from unbroken import (
    Call,
    Error,
    GiveUp,
    Headers,
    Key,
    NetworkError,
    Order,
    Plugin,
    Request,
    Response,
    TimeoutError,
    TryAgain,
)
from unbroken.decisions import ShouldRetry
from unbroken.validators import must_be

ASK: Final = "unbroken-resume"
STREAM: Final = "unbroken-stream"
TRIES: Final = 8
"""The most attempts in a row that bring no event."""
_FIRST: Final = 0.25
_LONGEST: Final = 8.0
_ID: Final = re.compile(r"[A-Za-z0-9_-]{24}")
_SENT_LATER: Final = frozenset({429, 502, 503, 504})
"""Statuses of a gateway, or of a proxy before it, that starts again."""

_OF_THE_BODY: Final = frozenset({"content-type", "idempotency-key"})

_FOUND: Final[Key[str]] = Key("resume.stream")
_TRIED: Final[Key[tuple[int, int]]] = Key("resume.tried")
"""How many events there were at the last failure, and how many attempts since have brought none."""


class Resume(Plugin):
    """Continues a stream whose connection was lost: ``Resume()``, first in the list.

    Each request asks for a resumable stream. A backend that has them names the stream in the header
    ``unbroken-stream`` and gives each event an id; after a cut or a silence this asks it for the events behind the last
    one that was delivered, at ``<origin of the request>/v1/streams/<id>`` or below `streams`. It is the same call: no
    event is lost or repeated, and the model is not asked again. A backend that has none is used as without it. What the
    backend reports as a failure is final.
    """

    name: ClassVar[str] = "resume"
    order: ClassVar[tuple[Order, ...]] = (
        Order(("retry",), "a stream that was cut before its first content is asked for a second time, and paid twice"),
    )

    def __init__(self, streams: str | None = None) -> None:
        super().__init__()
        if streams is not None:
            must_be("streams", streams, str, "the URL below which the backend has its streams")
            Request.build("GET", streams)
        self._streams = streams

    def before_request(self, call: Call, request: Request) -> Request | None:
        """Ask for a stream that can be resumed."""
        return request.with_headers({ASK: "1"}) if request.method == "POST" else None

    def on_response(self, call: Call, response: Response) -> None:
        """Note the id of the stream."""
        found = response.headers.get(STREAM)
        if response.status_code == 200 and found is not None and _ID.fullmatch(found):
            call.set(_FOUND, found)

    def should_retry(self, call: Call, error: Error) -> ShouldRetry:
        """Return `TryAgain` for a lost connection, `GiveUp` when the stream is not there any more, else None."""
        id = call.get(_FOUND)
        if id is None or not self._was_lost(call, error):
            return None
        if self._is_gone(call):
            return self._started_again(call)
        before, tries = call.get(_TRIED) or (0, 0)
        tries = tries + 1 if call.events == before else 1
        call.set(_TRIED, (call.events, tries))
        if tries > TRIES:
            return GiveUp(reason=f"{TRIES} attempts in a row brought no event")
        delay = 0.0 if tries == 1 else min(_LONGEST, _FIRST * 2 ** (tries - 2)) * (0.5 + call.random())
        reason = f"reads on behind event {call.last_event_id or 'none'}"
        delay = max(delay, error.retry_after or 0.0)
        return TryAgain(delay, request=self._reading(call, id), resume=True, reason=reason)

    def _was_lost(self, call: Call, error: Error) -> bool:
        if isinstance(error, (NetworkError, TimeoutError)) and not error.is_local and error.kind is None:
            return not (isinstance(error, TimeoutError) and error.timeout == "total")
        return call.current.method == "GET" and _status(call) not in (None, 200)

    def _is_gone(self, call: Call) -> bool:
        status = _status(call)
        return call.current.method == "GET" and status not in (None, 200, *_SENT_LATER)

    def _started_again(self, call: Call) -> ShouldRetry:
        """Return the decision about a stream that is gone: if nothing was delivered, the model is asked once more."""
        if call.committed_at is not None:
            return GiveUp(reason="the backend no longer has the stream")
        call.pop(_FOUND)
        return TryAgain(request=call.request, fresh=True, reason="the backend no longer has the stream")

    def _reading(self, call: Call, id: str) -> Request:
        where = f"{call.request.origin}/v1/streams" if self._streams is None else self._streams.rstrip("/")
        kept = [(name, value) for name, value in call.request.headers.items() if name.lower() not in _OF_THE_BODY]
        headers = Headers.validated([*kept, ("Last-Event-ID", call.last_event_id or f"{id}.0")])
        return Request(method="GET", url=f"{where}/{id}", headers=headers, timeouts=call.request.timeouts)


def _status(call: Call) -> int | None:
    return None if call.response is None else call.response.status_code
