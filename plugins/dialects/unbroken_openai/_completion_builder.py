"""Build a completion from the chunks of Chat Completions."""

from typing import Any, Final, NoReturn, final

from attrs import define, field

from unbroken.dialect import ERROR
from unbroken.errors import Error, StreamError, TruncatedStreamError
from unbroken.messages import Event

from ._choice import ChoiceInProgress
from ._choices import Choices, as_list, index_of, objects_of
from ._chunks import is_done, says_something
from ._errors import error_of
from ._failures import failure_in, unwrapped
from ._reader import is_cut, type_of
from ._responses import PREFIX, is_response, kind_of
from ._text import text_of
from ._usage import counts_of

# Several choices are told apart up to as many indices as the reader keeps; those beyond share one.
_MOST_INDICES: Final = 1024
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
    _choices: dict[int, ChoiceInProgress] = field(factory=dict[int, ChoiceInProgress], init=False)
    _only: ChoiceInProgress = field(factory=lambda: ChoiceInProgress(0), init=False)
    """All choices as one, in case their index says nothing."""
    _told: Choices = field(factory=Choices, init=False)
    _texts: list[str] = field(factory=list[str], init=False)
    _last: int | None = field(default=None, init=False)
    _spoke: set[int] = field(factory=set[int], init=False)
    """The indices of choices that said more than a role; `_last` is that of the last one."""
    _returned: set[int] = field(factory=set[int], init=False)
    """The indices that spoke again after another one."""
    _rest: dict[str, Any] = field(factory=dict[str, Any], init=False)
    _usage: dict[str, Any] | None = field(default=None, init=False)
    _object: str = field(default="chat.completion", init=False)
    _unused: list[Event] = field(factory=list[Event], init=False)
    _event: Event = field(factory=Event, init=False)

    def __attrs_post_init__(self) -> None:
        self._told.asked = self.n is not None and self.n > 1

    @property
    def unused(self) -> tuple[Event, ...]:
        """The events that are not part of the completion: those of the Responses API, and objects without choices."""
        return tuple(self._unused)

    @property
    def text(self) -> str:
        """The text so far, the same as the pieces of `Stream.text` joined: that of the choice with the lowest index.

        It is so in every case if `n` is that of the request. Reasoning, refusals and tool calls are no text.
        """
        if self.n is None and self._are_several and self._choices:
            return "".join(self._choices[min(self._choices)].texts)
        return "".join(self._texts)

    def add(self, event: Event) -> None:
        """Add `event` to the completion. Keep-alives and ``[DONE]`` add nothing.

        Raises StreamError for data that is cut, and the error that a chunk reports. After an error `snapshot` still
        returns everything before it.
        """
        self._event = event
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
        if self._are_several:
            made = [choice.value(index) for index, choice in sorted(self._choices.items())]
        else:
            made = [self._only.value(self._index)] if self._choices else []
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
        choices = [*self._choices.values()] if self._are_several else [self._only]
        if not self._choices:
            self._truncated("there was no choice")
        for choice in choices:
            if choice.finish_reason is None and self.needs_finish_reason:
                self._truncated(f"choice {choice.index} has no finish_reason")
            for fault in choice.faults if self.strict else ():
                raise StreamError(f"choice {choice.index}: {fault}", request_id=self._event.request_id or None)
        return self.snapshot()

    @property
    def _are_several(self) -> bool:
        """Whether the index of a choice tells it from others (`Choices`)."""
        if self._told.several or self.n is not None:
            return self._told.several
        return len(self._returned) > 1 or sum(bool(each.finish_reason) for each in self._choices.values()) > 1

    @property
    def _index(self) -> int:
        """The index of the only choice; 0 if it changed."""
        return min(self._choices) if len(self._choices) == 1 else 0

    def _add(self, document: dict[str, Any]) -> None:
        given = as_list(document.get("choices"))
        self._told.add(given)
        text = text_of(document, self._told)
        if text is not None:
            self._texts.append(text)
        for choice in objects_of(given):
            self._add_choice(choice)
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
            self._unused.append(event)

    def _reported(self) -> Error:
        error = error_of(self._event.raw, name=self._event.type)
        error.request_id = self._event.request_id or None
        return error

    def _add_choice(self, choice: dict[str, Any]) -> None:
        index = index_of(choice)
        if index not in self._choices and len(self._choices) >= _MOST_INDICES:
            index = min(self._choices)
        known = self._choices.get(index)
        if known is None:
            known = self._choices[index] = ChoiceInProgress(index)
        if says_something(choice):
            if index != self._last and index in self._spoke:
                self._returned.add(index)
            self._spoke.add(index)
            self._last = index
        known.add(choice)
        self._only.add(choice)

    def _truncated(self, why: str) -> NoReturn:
        raise TruncatedStreamError(f"the completion is not complete: {why}", request_id=self._event.request_id or None)
