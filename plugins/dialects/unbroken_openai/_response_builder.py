"""Build a response from the events of the Responses API."""

from typing import Any, Final, final

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
from ._items import MESSAGE, REASONING, Item, OutputItems, id_of
from ._parts import TYPES, Parts
from ._places import ANNOTATION, EMPTY, KNOWN, PARTS, SHELL, TEXTS, Place, number, take_shell
from ._reader import is_cut, type_of
from ._responses import PREFIX, is_response, kind_of
from ._silence import ADDED, DONE

_LIFE: Final = frozenset({"response.created", "response.queued", "response.in_progress"})
_CREATED: Final = "response.created"
# An event with nothing else only says that a tool works.
_SAYS_NOTHING: Final = frozenset({"type", "sequence_number", "output_index", "item_id"})
_CALLS: Final = frozenset({"function_call", "mcp_call"})
_INCOMPLETE: Final = "incomplete"


@final
@define(eq=False)
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
    _items: OutputItems = field(factory=OutputItems, init=False)
    _parts: Parts = field(factory=Parts, init=False)
    _texts: list[str] = field(factory=list[str], init=False)
    _unused: list[Event] = field(factory=list[Event], init=False)
    _event: Event = field(factory=Event, init=False)
    _number: int = field(default=0, init=False)
    _created: str | None = field(default=None, init=False)
    """The id in ``response.created``."""
    _stopped: bool = field(default=False, init=False)

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
        return {"id": "", "object": "response", **self._response, "output": self._items.value()}

    def response(self) -> dict[str, Any]:
        """Return the complete response: the JSON object of a response that is not streamed.

        ``{"id": str, "object": "response", "status": "completed" | "incomplete", "model": str, "output": [...],
        "usage": {...} | None, "incomplete_details": {"reason": str} | None, ...}``, with every field that the events had. The
        items of ``output`` are those of the API: ``{"type": "message", "id": str, "role": "assistant", "content":
        [{"type": "output_text", "text": str, "annotations": [...], ...} | {"type": "refusal", "refusal": str}], ...}``,
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
        return self._take(type, document)

    def _end(self, type: str, response: dict[str, Any]) -> None:
        status = _INCOMPLETE if type == "response.incomplete" else "completed"
        self._tell({**response, "status": response.get("status") or status})
        self._items.finish(response.get("output"))
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
            if item and self._items.find(id_of(item), place) is None:
                self._items.new(item, id_of(item), place)
        return None

    def _tell(self, response: dict[str, Any]) -> None:
        """Keep the fields of the response; a null replaces nothing."""
        for name, value in response.items():
            if name != "output" and (value is not None or name not in self._response):
                self._response[name] = value

    def _take(self, type: str, document: dict[str, Any]) -> None:
        stem, _, what = type.rpartition(".")
        if type in (ADDED, DONE):
            item = document.get("item")
            if isinstance(item, dict):  # some servers send an event without one
                (self._added if type == ADDED else self._done)(as_object(item), number(document.get("output_index")))
        elif stem in TEXTS and what in ("delta", "done"):
            self._text(TEXTS[stem], what, document)
        elif stem in PARTS and what in ("added", "done"):
            self._part(*PARTS[stem], what, document)
        elif type == ANNOTATION:
            self._annotation(document)
        elif stem in SHELL:
            self._shell(SHELL[stem], what, document)
        elif not document.keys() <= _SAYS_NOTHING:
            self._unused.append(self._event)

    def _added(self, given: dict[str, Any], place: int | None) -> None:
        id = id_of(given)
        known = self._items.find(id, place) if id is not None or place is not None else None
        if known is None:
            self._items.new(given, id, place)
        elif known.node.base == given:
            return
        elif id is None or not known.ids or id in known.ids:
            self._tolerate(f"item {_shown(id, place)} was added before")
            known.node.begin(given)
            self._items.name(known, id)
        else:
            if known.is_open:
                self._tolerate(f"the place of item {_shown(id, place)} is taken by one that is open")
            self._items.new(given, id, place)

    def _done(self, given: dict[str, Any], place: int | None) -> None:
        id = id_of(given)
        item = self._items.find(id, place) if id is not None or place is not None else None
        if item is not None and item.node.type != given.get("type", item.node.type):
            self._tolerate(f"item {_shown(id, place)} is a {item.node.type}")
            item = None
        if item is None or (not item.is_open and id is not None and id not in item.ids):
            item = self._items.new(given, id, place)
        self._items.name(item, id)
        item.finish(given)

    def _text(self, place: Place, what: str, document: dict[str, Any]) -> None:
        name = "delta" if what == "delta" else place.field
        value = document.get(name)
        if not isinstance(value, str):
            return self._refuse(f"its {name} is no text")
        key = place.field, number(document.get(place.index)) or 0
        item = self._item(place.item, document, key)
        if item is None:
            return None
        node, logprobs = place.node(item, document), as_list(document.get("logprobs"))
        if what == "delta":
            node.append(place.field, value)
            if logprobs:
                node.extend("logprobs", logprobs)
            return None
        item.whole.add(key)
        return node.finish({place.field: value, **({"logprobs": logprobs} if logprobs else {})})

    def _part(self, parts: str, index: str, what: str, document: dict[str, Any]) -> None:
        part = document.get("part")
        if not isinstance(part, dict):
            return self._refuse("its part is no object")
        given = as_object(part)
        thought = parts == "summary" or given.get("type") == "reasoning_text"
        item = self._item(REASONING if thought else MESSAGE, document)
        if item is None:
            return None
        node = item.node.part(parts, number(document.get(index)) or 0, {})
        return node.begin(given) if what == "added" else node.finish(given)

    def _annotation(self, document: dict[str, Any]) -> None:
        item = self._item(MESSAGE, document)
        annotation = document.get("annotation")
        if item is not None and annotation is not None:
            node = TEXTS["response.output_text"].node(item, document)
            node.extend("annotations", [annotation], number(document.get("annotation_index")))

    def _shell(self, type: str, what: str, document: dict[str, Any]) -> None:
        item = self._item(type, document)
        if item is not None and not take_shell(item, what, document):
            self._refuse("what it brings is no text")

    def _item(self, type: str, document: dict[str, Any], key: Any = None) -> Item | None:
        """Return the open item of an event, an implied one if it was not opened; None if there can be none."""
        id, place = document.get("item_id"), number(document.get("output_index"))
        id = id if isinstance(id, str) and id else None
        item = self._items.find(id, place)
        if item is not None and item.node.type != type and item.node.type in KNOWN:
            self._tolerate(f"item {_shown(id, place)} is a {item.node.type}")
            item = None
        if item is not None and id is not None and id not in item.ids and (key in item.whole or not item.is_open):
            item = None  # the place of an item that is whole was used again
        if item is None or not item.is_open:
            self._tolerate(f"item {_shown(id, place)} is not open")
        if item is None:
            item = self._items.new({"type": type, **EMPTY.get(type, {}), **({"id": id} if id else {})}, id, place)
        self._items.name(item, id)
        return item

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


def _shown(id: str | None, place: int | None) -> str:
    """Name an item for a message."""
    return str(place) if id is None else one_line(repr(id), 60)
