"""The dialect of Amazon Bedrock (https://docs.aws.amazon.com/bedrock/latest/APIReference/API_Operations_Amazon_Bedrock_Runtime.html)."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, ClassVar, get_args

from attrs import Attribute, field, frozen

from unbroken.dialect import AttemptView, Dialect, Kind
from unbroken.error_bodies import as_object, load_json_object, stamped
from unbroken.errors import Error, StreamError
from unbroken.framing import Framing
from unbroken.messages import Event, Request, Response, Usage
from unbroken.validators import one_of

from ._converse import Proof
from ._errors import error_of, event_of, names_failure
from ._framing import BEDROCK_EVENTS, MESSAGES
from ._reader import CONVERSE, FAILURES, INVOKE, BedrockReader, messages_api, path_of, text_of
from ._usage import usage_of

_PROOF: Callable[[Any, "Attribute[Proof]", Proof], None] = one_of(*get_args(Proof))
_ERROR_TYPE = "x-amzn-errortype"


@frozen(eq=False, kw_only=True)
class Bedrock(Dialect):
    """The events, errors and headers of ConverseStream and InvokeModelWithResponseStream.

    The path of the request tells which of the two answers. An answer of Converse is complete with ``messageStop`` and
    ``metadata``. Of an invoked model the chunks are opened: the events of Anthropic's models are those of the Messages
    API, and those of any other model are of type ``chunk``; its answer is complete with the chunk that has Bedrock's
    metrics.
    """

    name: ClassVar[str] = "bedrock"
    has_terminal_event: ClassVar[bool] = True
    events_are_json: ClassVar[bool] = True
    response_id_header: ClassVar[str] = "x-amzn-requestid"
    framings: ClassVar[Mapping[str, Framing]] = MappingProxyType({"application/vnd.amazon.eventstream": BEDROCK_EVENTS})
    whole_answer_hint: ClassVar[str] = "send it to /converse or /invoke"
    proof: Proof = field(default="metadata", validator=_PROOF)
    """``message_stop``: that event of Converse ends a stream, and no counts are waited for."""

    def reader(self, call: AttemptView) -> BedrockReader:
        """Return the reader of one attempt of `call`."""
        return BedrockReader(self.proof, call)

    def asks_for_stream(self, request: Request) -> bool:
        """Return whether `request` leads to a stream, as its path tells."""
        return path_of(request).endswith((CONVERSE, INVOKE))

    def error_from_event(self, event: Event) -> Error:
        """Return the error that an exception or an event of a model reports, of the class of its HTTP twin.

        Never raises. Its `status_code` is the one that the event gives, usually None.
        """
        if event.type in MESSAGES:
            return messages_api().error_from_event(event)
        named = next((event.type.removeprefix(each) for each in FAILURES if event.type.startswith(each)), "")
        return error_of(event.raw, name=named)

    def error_from_response(self, response: Response, body: bytes) -> Error:
        """Return the error for an HTTP error status. The name in ``x-amzn-ErrorType`` or the body goes before it."""
        error = error_of(body, response.status_code, name=response.headers.get(_ERROR_TYPE, ""))
        return stamped(error, response, self.response_id_header)

    def error_from_body(self, response: Response, body: bytes) -> Error | None:
        """Return the error in a body with status 200, None if it reports none."""
        if names_failure(load_json_object(body) or {}):
            return stamped(error_of(body), response, self.response_id_header)
        error = messages_api().error_from_body(response, body)
        return None if error is None else stamped(error, response, self.response_id_header)

    def error_from_answer(self, request: Request, response: Response, body: bytes) -> Error | None:
        """Return the error that a plain answer reports, None if it reports none."""
        if names_failure(load_json_object(body) or {}):
            return stamped(error_of(body), response, self.response_id_header)
        error = messages_api().error_from_answer(request, response, body)
        return None if error is None else stamped(error, response, self.response_id_header)

    def error_event(self, error: Error) -> Event:
        """Return an exception of the stream, of which the clients of AWS and Anthropic make one of their own."""
        return event_of(error)

    def usage(self, event: Event) -> Usage | None:
        """Return the token counts of ``metadata``, of a model's last event or of a plain answer, None without any.

        Never raises. ``input_tokens`` excludes the tokens read from and written to the cache, as the API does.
        """
        if event.type in MESSAGES:
            return messages_api().usage(event)
        try:
            return usage_of(as_object(event.json()))
        except StreamError:
            return None

    def classify(self, event: Event) -> Kind:
        """Return the kind of `event` by itself, whichever of the two APIs has it. Never raises."""
        return BedrockReader("message_stop").classify(event)

    def text(self, event: Event) -> str | None:
        """Return the text of the answer in `event`, None without any; reasoning and the input of tools are none.

        Raises StreamError for a part of an answer that is not JSON.
        """
        return messages_api().text(event) if event.type in MESSAGES else text_of(event)

    def typed(self, event: Event) -> Any:
        """Return an event of Anthropic's models as an object of its class, any other unchanged."""
        return messages_api().typed(event) if event.type in MESSAGES else event
