"""The dialect of Ollama (https://docs.ollama.com/api)."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import ClassVar

from attrs import frozen

from unbroken.dialect import AttemptView, Dialect, Kind
from unbroken.error_bodies import as_object, stamped
from unbroken.errors import Error, StreamError
from unbroken.framing import Framing
from unbroken.framings import NDJSON
from unbroken.messages import Event, Request, Response, Usage

from ._errors import error_of
from ._lines import streams, usage_of
from ._reader import OllamaReader, text_in


@frozen(eq=False)
class Ollama(Dialect[Event]):
    """The lines and errors of ``/api/chat`` and ``/api/generate``, and of the jobs pull, create and push.

    An answer is complete with the line that has ``"done": true``, a job with ``{"status": "success"}``. The API streams
    unless a request says ``"stream": false``.
    """

    name: ClassVar[str] = "ollama"
    has_terminal_event: ClassVar[bool] = True
    events_are_json: ClassVar[bool] = True
    framings: ClassVar[Mapping[str, Framing]] = MappingProxyType(
        # The server says the first; proxies, and the server for a stream of a single line, one of the others.
        {"application/x-ndjson": NDJSON, "application/ndjson": NDJSON, "application/json": NDJSON}
        | {"application/jsonl": NDJSON}
    )
    whole_answer_hint: ClassVar[str] = 'add "stream": false'

    def reader(self, call: AttemptView) -> OllamaReader:
        """Return the reader of one attempt of `call`."""
        return OllamaReader(call)

    def classify(self, event: Event) -> Kind:
        """Return the kind of `event` by itself, as a line of an answer. Never raises."""
        return OllamaReader().classify(event)

    def asks_for_stream(self, request: Request) -> bool:
        """Return whether `request` leads to a stream: to one of the paths above, without ``"stream": false``."""
        asks = streams(request)
        return super().asks_for_stream(request) if asks is None else asks

    def error_from_event(self, event: Event) -> Error:
        """Return the error that a line reports, of the class of its HTTP twin. Never raises.

        Its `status_code` is None, unless the line has one: the response had status 200. The words decide the class.
        """
        return error_of(event.raw)

    def error_from_response(self, response: Response, body: bytes) -> Error:
        """Return the error for an HTTP error status."""
        return stamped(error_of(body, response.status_code), response, self.response_id_header)

    def error_event(self, error: Error) -> Event:
        """Return a line with an ``error``."""
        return Event.make("message", {"error": str(error)})

    def usage(self, event: Event) -> Usage | None:
        """Return the token counts of a last line or a plain answer, None without any. Never raises."""
        try:
            return usage_of(as_object(event.json()))
        except StreamError:
            return None

    def text(self, event: Event) -> str | None:
        """Return the text of the answer in `event`, None without any; thinking is none.

        Raises StreamError for a line that was cut.
        """
        return text_in(event)
