"""Turn a request and a fault into the payload of the answer."""

from typing import Final

from attrs import evolve, frozen

from ._chat import ChatCompletions
from ._conversation import Speech, Voice, wants_stream
from ._count_tokens import CountTokens
from ._fault import Fault
from ._messages import Messages
from ._plan import Payload, pieces_before
from ._requests import ReceivedRequest
from ._responses import Responses

_STREAM = "text/event-stream; charset=utf-8"
_JSON = "application/json"
_MESSAGES: Final = Messages()
_VOICES: Final[tuple[Voice, ...]] = (_MESSAGES, CountTokens(), ChatCompletions(), Responses())


@frozen
class _Body:
    content_type: str | None = None
    pieces: tuple[bytes, ...] | None = None
    streamed: bool = False


def voice_for(request: ReceivedRequest) -> Voice:
    """Return the API at the path of `request`; for any other path that of Messages, whose errors are sent there."""
    return next((voice for voice in _VOICES if request.path.endswith(voice.path)), _MESSAGES)


def answer_to(request: ReceivedRequest, fault: Fault, voice: Voice, reply: Speech, now: float) -> Payload:
    """Return `reply` in the form of `voice`, changed by `fault`. `now` is in Unix seconds."""
    body = _body(request, fault, voice, reply, now)
    error = b""
    if body.streamed and fault.error is not None:
        error = voice.error_event(reply, fault, pieces_before(fault, body.pieces or ()), now)
    return Payload(
        headers=tuple(voice.headers(reply, request.number, now)),
        content_type=body.content_type,
        pieces=body.pieces,
        insertion=error + voice.insertion(fault),
        streamed=body.streamed,
    )


def _body(request: ReceivedRequest, fault: Fault, voice: Voice, reply: Speech, now: float) -> _Body:
    if fault.body is not None:
        return _Body(_JSON, (fault.body,))
    if fault.status >= 400:
        return _Body(_JSON, (voice.error_body(reply, fault, fault.status),))
    if fault.status != 200:
        return _Body()
    if fault.events is not None:
        return _Body(_STREAM, fault.events, streamed=True)
    if wants_stream(request) and (pieces := voice.stream(request, reply, now)) is not None:
        return _Body(_STREAM, pieces, streamed=True)
    return _Body(_JSON, (voice.message(reply, now),))


def fitting(request: ReceivedRequest, fault: Fault) -> Fault:
    """Return `fault`; a 404 if no API is at the path and `fault` has no status, body or events of its own."""
    here = request.method == "POST" and request.path.endswith(tuple(voice.path for voice in _VOICES))
    own = fault.status != 200 or fault.body is not None or fault.events is not None
    return fault if here or own else evolve(fault, status=404)
