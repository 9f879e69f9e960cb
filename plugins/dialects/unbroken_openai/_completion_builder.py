"""Build a completion from the chunks of Chat Completions."""

from typing import Any, Final, NoReturn, final

from attrs import define, field

from unbroken.dialect import ERROR
from unbroken.errors import Error, StreamError, TruncatedStreamError
from unbroken.messages import Event

from ._choice import ChoiceInProgress
from ._chunks import is_done
from ._errors import error_of
from ._failures import failure_in, unwrapped
from ._folds import Folds, Form, form_of
from ._reader import is_cut, type_of
from ._responses import PREFIX, is_response, kind_of
from ._usage import counts_of

_DROPPED: Final = frozenset({"choices", "object", "obfuscation", "usage"})
_FIRST: Final = frozenset({"id", "created", "model"})
_LEGACY: Final = "text_completion"


# Without repr: it would show what the server sent, and stands in the variables of tracebacks.
@final
@define(eq=False, repr=False)
class CompletionBuilder:
    """Builds the completion from the chunks of one stream, in time linear in their number.

    It accepts what compatible servers send (`Calls` and `ChoiceInProgress` say how): missing and repeated indices, ids,
    names and roles, a whole message in place of a delta, null anywhere. Data that is not JSON raises StreamError, and
    so do, if `strict`, the arguments of a tool call that are no JSON object; arguments that ``length`` or
    ``content_filter`` cut off are kept as they are.
    """

    strict: bool = True
    n: int | None = None
    """How many choices the request asked for. By None the chunks tell, as far as they can."""
    needs_finish_reason: bool = True
    """Whether a choice without a finish reason is incomplete; False for servers that send none (``proof="done"``)."""
    _folds: Folds = field(init=False)
    _form: Form | None = field(default=None, init=False)
    """The form of the last event, if it was a chunk of one choice."""
    _current: ChoiceInProgress | None = field(default=None, init=False)
    """The choice that a chunk continues that has this form, too; None if it may change more."""
    _rest: dict[str, Any] = field(factory=dict[str, Any], init=False)
    _usage: dict[str, Any] | None = field(default=None, init=False)
    _object: str = field(default="chat.completion", init=False)
    _unused: list[Event] = field(factory=list[Event], init=False)
    _event: Event = field(factory=Event, init=False)

    def __attrs_post_init__(self) -> None:
        self._folds = Folds(self.n)

    @property
    def unused(self) -> tuple[Event, ...]:
        """The events that are not part of the completion: those of the Responses API, and objects without choices."""
        return tuple(self._unused)

    @property
    def text(self) -> str:
        """The text so far, the same as the pieces of `Stream.text` joined: that of the choice with the lowest index.

        It is so in every case if `n` is that of the request. Reasoning, refusals and tool calls are no text.
        """
        folds = self._folds
        if self.n is None and folds.are_several and folds.by_index:
            return "".join(folds.by_index[min(folds.by_index)].texts)
        return "".join(folds.texts)

    def add(self, event: Event) -> None:
        """Add `event` to the completion. Keep-alives and ``[DONE]`` add nothing.

        Raises StreamError for data that is cut, and the error that a chunk reports. After an error `snapshot` still
        returns everything before it.
        """
        self._event = event
        form, delta = form_of(event.type, event.raw)
        # Nearly all chunks differ from the last one in their delta alone, and to look at all the rest takes long.
        if self._current is not None and form == self._form and self._folds.go_on(self._current, delta):
            return None
        self._form, self._current = form, None
        if is_done(event.raw) or not event.raw.strip():
            return None
        if is_response(event.type):
            return self._add_foreign(event)
        try:
            document = unwrapped(event.json())
        except StreamError:
            if is_cut(event.raw):
                raise
            return None
        if failure_in(document) is not None:
            raise self._reported()
        if type_of(document) is None and ("choices" in document or counts_of(document)):
            return self._add(document)
        return self._unused.append(event) if document else None

    def snapshot(self) -> dict[str, Any]:
        """Return the completion so far, in the shape of `completion`. The time that this takes grows with its length.

        ``finish_reason`` is None until the API sends it.
        """
        made = [choice.value(index) for index, choice in self._folds.made]
        head: dict[str, Any] = {"id": "", "object": self._object, "model": ""}
        return {**head, **self._rest, "choices": made, "usage": self._usage}

    def completion(self) -> dict[str, Any]:
        """Return the complete completion: the JSON object of a response that is not streamed.

        ``{"id": str, "object": "chat.completion", "created": int, "model": str, "choices": [{"index": int, "message":
        {"role": "assistant", "content": str | list | None, "tool_calls": [{"id": str, "type": "function", "function":
        {"name": str, "arguments": str}}], ...}, "logprobs": {...} | None, "finish_reason": str, ...}], "usage": {...} |
        None, ...}``. A message has ``tool_calls``, ``refusal``, ``audio``, ``reasoning_content`` and others only if
        they came. A choice of the older completions has ``text`` in place of ``message``. Unknown fields are kept: in a
        message their texts and lists are joined, elsewhere the last value counts.

        Raises TruncatedStreamError if there is no choice or one without a finish reason, whether `strict` or not.
        Raises StreamError, if `strict`, for the arguments of a tool call that are no JSON object.
        """
        if not self._folds.made:
            self._truncated("there was no choice")
        for index, choice in self._folds.made:
            if choice.finish_reason is None and self.needs_finish_reason:
                self._truncated(f"choice {index} has no finish_reason")
            for fault in choice.faults if self.strict else ():
                raise StreamError(f"choice {index}: {fault}", request_id=self._event.request_id or None)
        return self.snapshot()

    def _add(self, document: dict[str, Any]) -> None:
        current = self._folds.add(document)
        self._current = None if self._form is None else current
        self._usage = counts_of(document) or self._usage
        if document.get("object") == _LEGACY:
            self._object = _LEGACY
        for name, value in document.items():
            before = self._rest.get(name)
            if name not in _DROPPED and (before is None or (value is not None and not (name in _FIRST and before))):
                self._rest[name] = value

    def _add_foreign(self, event: Event) -> None:
        """Take in an event of the Responses API: an error, a keep-alive or one of no use."""
        if kind_of(event.type, event.raw) & ERROR:
            raise self._reported()
        if event.type.startswith(PREFIX):
            if is_cut(event.raw):
                event.json()
            self._unused.append(event)

    def _reported(self) -> Error:
        error = error_of(self._event.raw, name=self._event.type)
        error.request_id = self._event.request_id or None
        return error

    def _truncated(self, why: str) -> NoReturn:
        raise TruncatedStreamError(f"the completion is not complete: {why}", request_id=self._event.request_id or None)
