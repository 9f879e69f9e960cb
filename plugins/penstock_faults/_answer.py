"""From a request and a fault to what will be said."""

from attrs import evolve, frozen

from . import _conversation as conversation
from ._conversation import Reply
from ._fault import Fault
from ._plan import Answer
from ._requests import ReceivedRequest

_STREAM = "text/event-stream; charset=utf-8"
_JSON = "application/json"


@frozen
class _Body:
    content_type: str | None = None
    pieces: tuple[bytes, ...] | None = None
    streamed: bool = False


def answer_to(request: ReceivedRequest, fault: Fault, reply: Reply, now: float) -> Answer:
    """Return what `fault` makes of `reply`; `now` is in Unix seconds."""
    body = _body(request, fault, reply)
    error = conversation.error_event(reply, fault) if body.streamed else b""
    return Answer(
        headers=tuple(conversation.headers(reply, request.number, now)),
        content_type=body.content_type,
        pieces=body.pieces,
        insertion=error + fault.insert,
        streamed=body.streamed,
    )


def _body(request: ReceivedRequest, fault: Fault, reply: Reply) -> _Body:
    if fault.body is not None:
        return _Body(_JSON, (fault.body,))
    if fault.status >= 400:
        return _Body(_JSON, (conversation.error_body(reply, fault, fault.status),))
    if fault.status != 200:
        return _Body()
    if fault.events is not None:
        return _Body(_STREAM, fault.events, streamed=True)
    if conversation.wants_stream(request):
        return _Body(_STREAM, conversation.stream(reply), streamed=True)
    return _Body(_JSON, (conversation.message(reply),))


def fitting(request: ReceivedRequest, fault: Fault) -> Fault:
    """Return `fault`, or a 404 where there is no conversation and the fault says nothing of its own."""
    here = request.method == "POST" and request.path.endswith("/v1/messages")
    own = fault.status != 200 or fault.body is not None or fault.events is not None
    return fault if here or own else evolve(fault, status=404)
