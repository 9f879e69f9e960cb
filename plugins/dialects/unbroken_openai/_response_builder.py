"""Build a response from the events of the Responses API."""

from typing import Any, Final, TypeAlias, final

import msgspec
from attrs import define, field

from unbroken.dialect import ERROR, TERMINAL
from unbroken.error_bodies import as_object, one_line
from unbroken.errors import Error, StreamError, TruncatedStreamError
from unbroken.messages import Event

from ._arguments import fault_of
from ._choices import as_list
from ._chunks import is_done
from ._errors import error_of
from ._failures import failure_in, unwrapped
from ._items import id_of
from ._output import Output
from ._parts import TYPES, Parts, TextDelta
from ._reader import is_cut, type_of
from ._responses import PREFIX, is_response, kind_of

_LIFE: Final = frozenset({"response.created", "response.queued", "response.in_progress"})
_CREATED: Final = "response.created"
_CALLS: Final = frozenset({"function_call", "mcp_call"})
_INCOMPLETE: Final = "incomplete"
_Form: TypeAlias = tuple[str, str | None, str | None, int | None, int | None, int | None]


class _Delta(TextDelta, gc=False):
    type: str | None = None
    summary_index: int | None = None
    logprobs: tuple[()] | None = None


_decode_delta = msgspec.json.Decoder(_Delta).decode


def _form_of(event: Event) -> tuple[_Form | None, str]:
    """Return what decides where the delta of an event belongs, and the delta; no form for any other event."""
    try:
        it = _decode_delta(event.raw)
    except (ValueError, RecursionError):
        return None, ""
    return (event.type, it.type, it.item_id, it.output_index, it.content_index, it.summary_index), it.delta


# Without repr: it would show what the server sent, and stands in the variables of tracebacks.
@final
@define(eq=False, repr=False)
class ResponseBuilder:
    """Builds the response from the events of one stream, in time linear in their number.

    With `strict`, an order of events that leaves the response in doubt raises StreamError: a delta for an item that is
    not open, an item that is added twice, a second response, anything after the end; and so does a value that is not
    what its event has, and the arguments of a complete tool call that are no JSON object. Without `strict`, such an
    event is used as far as possible: an item that was not added is implied by its deltas, and what cannot be used is
    put into `unused`. Data that is not JSON raises StreamError in either case.

    Items are told apart by their id and, with an id that is not known, by their ``output_index``, as some servers give
    the same item another id in each event. What the last event of a response leaves out, such as its output, is kept as
    it came before.
    """

    strict: bool = True
    _response: dict[str, Any] = field(factory=dict[str, Any], init=False)
    _output: Output = field(init=False)
    _parts: Parts = field(factory=Parts, init=False)
    _texts: list[str] = field(factory=list[str], init=False)
    _unused: list[Event] = field(factory=list[Event], init=False)
    _event: Event = field(factory=Event, init=False)
    _number: int = field(default=0, init=False)
    _created: str | None = field(default=None, init=False)
    """The id in ``response.created``."""
    _stopped: bool = field(default=False, init=False)
    _form: _Form | None = field(default=None, init=False)
    """The form of the last event, if the delta of one more of this form can only continue `_pieces`."""
    _pieces: list[list[str]] = field(factory=list[list[str]], init=False)

    def __attrs_post_init__(self) -> None:
        self._output = Output(self._tolerate)

    @property
    def stopped(self) -> bool:
        """Whether the end of the response has arrived: ``response.completed`` or another event that ends one."""
        return self._stopped

    @property
    def unused(self) -> tuple[Event, ...]:
        """The events that are not part of the response: of unknown types, of audio and partial images, out of order."""
        return tuple(self._unused)

    @property
    def text(self) -> str:
        """The text so far, the same as the pieces of `Stream.text` joined. Refusals and reasoning are no text."""
        return "".join(self._texts)

    def add(self, event: Event) -> None:
        """Add `event` to the response. Keep-alives add nothing.

        Raises StreamError for invalid data and, if `strict`, for a wrong order; for an event that reports a failure
        raises the error that it reports. After an error `snapshot` still returns everything before it.
        """
        self._number += 1
        self._event = event
        if self._form is not None:  # nearly all events differ from the last one in their delta alone
            form, delta = _form_of(event)
            if form == self._form:
                for pieces in self._pieces:
                    pieces.append(delta)
                return None
            self._form = None
        if not event.raw.strip() or is_done(event.raw):
            return None
        named = event.type if is_response(event.type) else None
        try:
            document = unwrapped(event.json())
        except StreamError:
            if named is not None or is_cut(event.raw):
                raise
            return None
        type = named or type_of(document)
        if type is None:
            if failure_in(document) is not None:
                raise self._reported()
            return self._unused.append(event) if document else None
        return self._add(type, document)

    def snapshot(self) -> dict[str, Any]:
        """Return the response so far, in the shape of `response`. The time that this takes grows with its length."""
        return {"id": "", "object": "response", **self._response, "output": self._output.items.value()}

    def response(self) -> dict[str, Any]:
        """Return the complete response: the JSON object of a response that is not streamed.

        ``{"id": str, "object": "response", "status": "completed" | "incomplete", "model": str, "output": [...],
        "usage": {...} | None, "incomplete_details": {"reason": str} | None, ...}``, with every field that the events
        had. The items of ``output`` are those of the API: ``{"type": "message", "id": str, "role": "assistant",
        "content": [{"type": "output_text", "text": str, "annotations": [...], ...} | {"type": "refusal", "refusal":
        str}], ...}``,
        ``{"type": "reasoning", "id": str, "summary": [{"type": "summary_text", "text": str}], ...}``, ``{"type":
        "function_call", "id": str, "call_id": str, "name": str, "arguments": str, ...}``, ``{"type":
        "custom_tool_call", "call_id": str, "name": str, "input": str, ...}`` and others.

        Raises TruncatedStreamError if there was no end, whether `strict` or not. Raises StreamError, if `strict`, for
        the arguments of a complete call that are no JSON object.
        """
        if not self._stopped:
            why = "the response is not complete: there was no response.completed"
            raise TruncatedStreamError(why, request_id=self._event.request_id or None)
        made = self.snapshot()
        if self.strict and made.get("status") != _INCOMPLETE:
            self._judge(made["output"])
        return made

    def _judge(self, output: list[Any]) -> None:
        for place, each in enumerate(output):
            item = as_object(each)
            type, arguments = item.get("type"), item.get("arguments")
            if type in _CALLS and item.get("status") != _INCOMPLETE and isinstance(arguments, str):
                fault = fault_of(arguments)
                if fault is not None:
                    why = f"item {place} of the output: the arguments of the {type} are {fault}"
                    raise StreamError(why, request_id=self._event.request_id or None)

    def _add(self, type: str, document: dict[str, Any]) -> None:
        kind = kind_of(type, self._event.raw)
        if kind & ERROR:
            raise self._reported()
        if not type.startswith(PREFIX):  # a keep-alive
            return None
        text = self._parts.text(type, document) if type in TYPES else None
        if text is not None:
            self._texts.append(text)
        if self._stopped:
            return self._refuse("comes after the end of the response")
        if kind & TERMINAL:
            return self._end(type, as_object(document.get("response")))
        if type in _LIFE:
            return self._live(type, as_object(document.get("response")))
        if not self._output.take(type, document):
            self._unused.append(self._event)
        continued = self._output.continued
        if continued is not None:
            self._form, _ = _form_of(self._event)
            self._pieces = [continued.pieces] if text is None else [continued.pieces, self._texts]
        return None

    def _end(self, type: str, response: dict[str, Any]) -> None:
        status = _INCOMPLETE if type == "response.incomplete" else "completed"
        self._tell({**response, "status": response.get("status") or status})
        self._output.items.finish(response.get("output"))
        self._stopped = True

    def _live(self, type: str, response: dict[str, Any]) -> None:
        id = id_of(response)
        if type == _CREATED:
            if id is not None and self._created not in {None, id}:
                return self._refuse("a second response")
            self._created = self._created or id
        self._tell(response)
        for place, each in enumerate(as_list(response.get("output"))):
            item = as_object(each)
            if item and self._output.items.find(id_of(item), place) is None:
                self._output.items.new(item, id_of(item), place)
        return None

    def _tell(self, response: dict[str, Any]) -> None:
        """Keep the fields of the response; a null replaces nothing."""
        for name, value in response.items():
            if name != "output" and (value is not None or name not in self._response):
                self._response[name] = value

    def _reported(self) -> Error:
        error = error_of(self._event.raw, name=self._event.type)
        error.request_id = self._event.request_id or None
        return error

    def _refuse(self, why: str) -> None:
        self._tolerate(why)
        self._unused.append(self._event)

    def _tolerate(self, why: str) -> None:
        if self.strict:
            where = f"event {self._number} ({one_line(self._event.type, 40)})"
            raise StreamError(f"{where}: {why}", request_id=self._event.request_id or None)
