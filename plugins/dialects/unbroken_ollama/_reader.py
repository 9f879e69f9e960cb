"""Reads the lines of one attempt: those of an answer, or those of a job such as a pull."""

from typing import Any, Final, cast, final

from attrs import define, field

from unbroken.dialect import CONTENT, ERROR, KEEPALIVE, PREAMBLE, TERMINAL, USAGE, AttemptView, Kind
from unbroken.error_bodies import as_object, error_document
from unbroken.error_report import reports_error
from unbroken.errors import StreamError
from unbroken.messages import Event, Summary

from ._lines import PROGRESS, SUCCESS, has_tools, path_of, says_anything, text_of
from ._plain import Plain, plain_in

_END: Final = TERMINAL | USAGE


# Without repr: it would show what the server sent, and stands in the variables of tracebacks.
@final
@define(eq=False, repr=False)
class OllamaReader:
    """Tells what each line is. The path of the request decides whether the lines are those of an answer or a job.

    Without a `call` they are those of an answer.
    """

    call: AttemptView | None = None
    quiet: bool = field(default=False, init=False)
    """Whether silence is normal: the model thinks, draws, or may be writing the call of a tool, or a job is at work.

    The server keeps a call of a tool back until it is whole.
    """
    _is_job: bool | None = field(default=None, init=False)  # None until the first line
    _has_tools: bool = field(default=False, init=False)
    _begun: str | None = field(default=None, init=False)  # the first status of a job
    _model: Any = field(default=None, init=False)
    _reason: Any = field(default=None, init=False)
    _raw: bytes = field(default=b"", init=False)
    """The data that was read last: the text is mostly asked for right after the kind."""
    _plain: Plain | None = field(default=None, init=False)
    """What `_raw` says if it has the ordinary form."""

    @property
    def summary(self) -> Summary:
        """The model that answers, and the ``done_reason``. The API gives no id."""
        return Summary(
            model=self._model if isinstance(self._model, str) else None,
            finish_reasons=(self._reason,) if isinstance(self._reason, str) and self._reason else (),
        )

    def complete_at_end(self) -> bool:
        """Return False: only the last line proves that the stream is complete."""
        return False

    def classify(self, event: Event) -> Kind:
        """Return the kind of `event`. Never raises."""
        if self._is_job is None:
            self._begin()
        plain = None if self._is_job else self._read(event.raw)
        return self._kind_by_data(event) if plain is None else self._kind_of_plain(plain)

    def text(self, event: Event) -> str | None:
        """Return the text of the answer in `event`, None without any. Raises StreamError for a line that was cut."""
        plain = self._read(event.raw)
        return text_in(event) if plain is None else plain.text

    def _read(self, raw: bytes) -> Plain | None:
        if raw is not self._raw:
            self._raw, self._plain = raw, plain_in(raw)
        return self._plain

    def _kind_of_plain(self, plain: Plain) -> Kind:
        if self._model is None:
            self._model = plain.model
        if not plain.says_anything:
            return KEEPALIVE
        self.quiet = self._has_tools or plain.text is None
        return CONTENT

    def _kind_by_data(self, event: Event) -> Kind:
        try:
            value = event.json()
        except StreamError:
            # What begins like a line has lost a part; other text is some form of keep-alive.
            return CONTENT if event.raw.lstrip()[:1] == b"{" else KEEPALIVE
        if not isinstance(value, dict):
            return ERROR if reports_error(error_document(event.raw) or {}) else KEEPALIVE
        document = cast("dict[str, Any]", value)
        if document.get("error"):
            return ERROR
        return self._kind_of_job(document) if self._is_job else self._kind_of_answer(document)

    def _begin(self) -> None:
        request = None if self.call is None else self.call.current
        self._is_job = self.quiet = request is not None and path_of(request).endswith(PROGRESS)
        self._has_tools = request is not None and has_tools(request)

    def _kind_of_answer(self, document: dict[str, Any]) -> Kind:
        if self._model is None:
            self._model = document.get("model")
        if document.get("done") is True:
            self._reason = document.get("done_reason")
            return _END
        if not says_anything(document):
            return KEEPALIVE
        if "done" not in document and reports_error(document):
            return ERROR
        self.quiet = self._has_tools or text_of(document) is None
        return CONTENT

    def _kind_of_job(self, document: dict[str, Any]) -> Kind:
        """The first status says that the job begins; the next one that it got on."""
        status = document.get("status")
        if status == SUCCESS:
            self._reason = status
            return TERMINAL
        if not isinstance(status, str) or not status:
            return ERROR if reports_error(document) else KEEPALIVE
        self._begun = self._begun or status
        return PREAMBLE if status == self._begun and len(document) == 1 else CONTENT


def text_in(event: Event) -> str | None:
    """Return the text of the answer in `event`, None without any. Raises StreamError for a line that was cut."""
    try:
        return text_of(as_object(event.json()))
    except StreamError:
        if event.raw.lstrip()[:1] == b"{":
            raise
        return None
