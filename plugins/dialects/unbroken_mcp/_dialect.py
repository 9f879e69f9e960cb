"""The dialect of MCP over Streamable HTTP.

According to https://modelcontextprotocol.io/specification/2025-11-25/basic/transports and
https://modelcontextprotocol.io/specification/2026-07-28/basic/transports/streamable-http.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, ClassVar, Final, cast

from attrs import field, frozen

from unbroken.dialect import AttemptView, Dialect, Kind
from unbroken.error_bodies import stamped
from unbroken.errors import ConfigurationError, ContentTypeError, Error
from unbroken.framing import Decoder, Framing, Limits
from unbroken.framings import JSON_BODY, SSE
from unbroken.headers import Headers
from unbroken.messages import Event, Request, Response
from unbroken.validators import refused, shown

from ._errors import error_in_answer, error_of_event, error_of_response, error_told
from ._messages import asked, is_stateless
from ._reader import MCPReader, text_of

_STREAM: Final = "text/event-stream"
_SESSION: Final = "mcp-session-id"
_OF_THE_BODY: Final = frozenset({"accept", "content-type", "idempotency-key", "last-event-id", _SESSION})


def _names(value: Any) -> frozenset[str]:
    given = cast("list[object]", value) if isinstance(value, list | tuple | set | frozenset) else [None]
    if not all(isinstance(name, str) for name in given):
        raise refused("repeatable_tools", f"must be names of tools, not {shown(cast('object', value))}")
    return frozenset(cast("list[str]", given))


@frozen(eq=False, kw_only=True)
class MCP(Dialect[Event]):
    """The messages and errors of the Model Context Protocol, in all revisions that have Streamable HTTP.

    An answer, as a stream or as JSON, is complete when it has the response with the id of the request. A feed, which is
    the stream of a ``GET`` or of ``subscriptions/listen``, is complete whenever it ends. A JSON-RPC error in place of
    the response is the failure of the call.

    Tools are not called twice, unless they are in `repeatable_tools`. A stream whose events have ids can be asked for
    again behind the last one (`resume_request`), up to revision 2025-11-25.
    """

    name: ClassVar[str] = "mcp"
    has_terminal_event: ClassVar[bool] = True
    events_are_json: ClassVar[bool] = True
    tells_any_failure: ClassVar[bool] = True
    framings: ClassVar[Mapping[str, Framing]] = MappingProxyType({"application/json": JSON_BODY, _STREAM: SSE})
    repeatable_tools: frozenset[str] = field(default=frozenset[str](), converter=_names)
    """The tools that may be called again after the server may have run them, such as those that only read."""

    def decoder(self, limits: Limits, call: AttemptView) -> Decoder:
        """Return the decoder of the answer. Raises ContentTypeError for JSON that goes on with a stream."""
        if call.current.method == "GET" and self.framing(call.response) is JSON_BODY:
            raise ContentTypeError(f"expected {_STREAM}, got JSON", content_type="application/json")
        return super().decoder(limits, call)

    def reader(self, call: AttemptView) -> MCPReader:
        """Return the reader of one attempt of `call`."""
        return MCPReader.of(call)

    def classify(self, event: Event) -> Kind:
        """Return the kind of `event` on a feed. Never raises."""
        return MCPReader(asked(_NOTHING), holds=False).classify(event)

    def text(self, event: Event) -> str | None:
        """Return the text of the results in `event`, None without any. Never raises."""
        return text_of(event)

    def error_from_event(self, event: Event) -> Error:
        """Return the error that `event` reports. Its `kind` is the code of JSON-RPC. Never raises."""
        return error_of_event(event)

    def error_from_response(self, response: Response, body: bytes) -> Error:
        """Return the error for an HTTP error status: the status decides its class. Never raises."""
        return error_of_response(response, body, self.response_id_header)

    def error_from_answer(self, request: Request, response: Response, body: bytes) -> Error | None:
        """Return the error that a plain answer is in place of the response, None if it is none."""
        event = Event.make("message", body)
        try:
            failed = error_in_answer(event.json())
        except Error:
            return None
        return None if failed is None else stamped(error_of_event(event), response, self.response_id_header)

    def asks_for_stream(self, request: Request) -> bool:
        """Return whether the answer may be a stream: to a JSON-RPC request or a ``GET`` that accept one."""
        accepted = _STREAM in request.headers.get("accept", "").lower()
        return accepted and (request.method == "GET" or bool(asked(request).ids))

    def error_event_for(self, call: AttemptView, error: Error) -> Event | None:
        """Return the JSON-RPC error with the id of the request; None for a feed by ``GET``, a batch, a notification."""
        ids = asked(call.request).ids
        return error_told(ids[0], error) if len(ids) == 1 else None

    def repeatable(self, request: Request) -> bool:
        """Return whether `request` reads, or calls nothing but `repeatable_tools`."""
        return request.method != "POST" or asked(request).repeatable(self.repeatable_tools)

    def is_feed(self, request: Request) -> bool:
        """Return whether `request` opens a stream of what the server sends by itself."""
        return asked(request).listens or (request.method == "GET" and self.asks_for_stream(request))

    def resume_request(self, call: AttemptView) -> Request | None:
        """Return the ``GET`` for the rest of the answer, None if its events had no ids or it is a feed."""
        request, wanted = call.request, asked(call.request)
        if not call.last_event_id or not wanted.ids or wanted.listens or is_stateless(request):
            return None
        given = call.response.headers.get(_SESSION) if call.response is not None else None
        session = request.headers.get(_SESSION) or given
        kept = [(name, value) for name, value in request.headers.items() if name.lower() not in _OF_THE_BODY]
        fields = [*kept, ("Accept", _STREAM), ("Last-Event-ID", call.last_event_id)]
        try:
            headers = Headers.validated([*fields, (_SESSION, session)] if session else fields)
        except ConfigurationError:
            return None  # the server has given an id that cannot be sent
        return Request(method="GET", url=request.url, headers=headers, timeouts=request.timeouts)


_NOTHING: Final = Request(method="GET", url="http://localhost/")
