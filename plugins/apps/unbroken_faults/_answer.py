"""Turn a request and a fault into the payload of the answer."""

from typing import Final

from attrs import evolve, frozen

from ._bedrock import Invoke
from ._chat import ChatCompletions
from ._conversation import Earlier, Exchange, Voice
from ._converse import Converse
from ._count_tokens import CountTokens
from ._fault import Fault
from ._gemini import Gemini
from ._mcp import MCP
from ._messages import Messages
from ._ollama import OllamaChat, OllamaGenerate
from ._plan import Payload, pieces_before
from ._requests import ReceivedRequest
from ._responses import Responses

_JSON = "application/json"
_MESSAGES: Final = Messages()
_VOICES: Final[tuple[Voice, ...]] = (
    _MESSAGES,
    CountTokens(),
    ChatCompletions(),
    Responses(),
    Gemini(),
    OllamaChat(),
    OllamaGenerate(),
    Converse(),
    Invoke(),
    MCP(),
)


@frozen
class _Body:
    content_type: str | None = None
    pieces: tuple[bytes, ...] | None = None
    streamed: bool = False


def voice_for(request: ReceivedRequest) -> Voice:
    """Return the API at the path of `request`; for any other path that of Messages, whose errors are sent there."""
    return next((voice for voice in _VOICES if voice.hears(request)), _MESSAGES)


def answer_to(exchange: Exchange, voice: Voice) -> Payload:
    """Return the reply in the form of `voice`, changed by the fault."""
    format = voice.format_of(exchange.request)
    exchange = evolve(exchange, fault=format.fit(exchange.fault))
    fault = exchange.fault
    body = _body(exchange, voice)
    error = b""
    if body.streamed and fault.error is not None:
        error = voice.error_event(exchange, pieces_before(fault, body.pieces or ()))
    return Payload(
        headers=tuple(voice.headers(exchange)),
        content_type=body.content_type,
        pieces=body.pieces,
        insertion=error + fault.insert,
        streamed=body.streamed,
        begun=format.begun,
    )


def _body(exchange: Exchange, voice: Voice) -> _Body:
    fault = exchange.fault
    if fault.body is not None:
        return _Body(_JSON, (voice.own_body(exchange, fault.body),))
    if fault.status >= 400:
        return _Body(_JSON, (voice.error_body(exchange, fault.status),))
    if fault.status != 200:
        return _Body()
    pieces = voice.stream(exchange) if fault.events is None else fault.events
    if pieces is not None:
        return _Body(voice.format_of(exchange.request).content_type, pieces, streamed=True)
    return _Body(_JSON, (voice.message(exchange),))


def fitting(request: ReceivedRequest, voice: Voice, fault: Fault, earlier: Earlier) -> Fault:
    """Return `fault`, or the refusal of a request that no API answers. With a status or body of its own it is kept."""
    if fault.status != 200 or fault.body is not None or fault.events is not None:
        return fault
    return voice.fitting(request, fault, earlier) if voice.hears(request) else evolve(fault, status=404)
