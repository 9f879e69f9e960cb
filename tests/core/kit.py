"""What the tests of core need beside core: a dialect with an event of each kind, and the two commonest plugins.

They exercise the engine and are as simple as that allows. The plugins of the house have tests of their own.
"""

from typing import Any, ClassVar, Final

from attrs import field, frozen

from unbroken import Error, GiveUp, OverloadedError, Plugin, ServerError, TryAgain, Usage
from unbroken.dialect import CONTENT, ERROR, KEEPALIVE, PREAMBLE, STRUCTURE, TERMINAL, USAGE, Dialect, Kind
from unbroken.error_bodies import as_object, load_json_object
from unbroken.messages import Event, Request, Timeouts
from unbroken.validators import number, seconds

KINDS: Final = {
    "message_start": PREAMBLE | USAGE,
    "content_block_start": STRUCTURE,
    "ping": KEEPALIVE,
    "content_block_delta": CONTENT,
    "content_block_stop": STRUCTURE,
    "message_delta": CONTENT | USAGE,
    "message_stop": TERMINAL,
    "error": ERROR,
}


class Talk(Dialect):
    """Events are what their names say; those of unknown names are content."""

    name: ClassVar[str] = "talk"
    has_terminal_event: ClassVar[bool] = True
    response_id_header: ClassVar[str] = "request-id"

    def classify(self, event: Event) -> Kind:
        return KINDS.get(event.type, CONTENT)

    def error_from_event(self, event: Event) -> Error:
        error = as_object(_data(event).get("error"))
        kind = OverloadedError if error.get("type") == "overloaded_error" else ServerError
        return kind(str(error.get("message", "")))

    def usage(self, event: Event) -> Usage | None:
        final = event.type == "message_delta"
        counts = as_object((_data(event) if final else as_object(_data(event).get("message"))).get("usage"))
        return Usage(**counts, final=final) if counts else None

    def text(self, event: Event) -> str | None:
        return as_object(_data(event).get("delta")).get("text")


def _data(event: Event) -> dict[str, Any]:
    return load_json_object(event.raw) or {}


@frozen(kw_only=True)
class RetryConfig:
    max_retries: int = field(default=3, validator=number(at_least=0, whole=True))
    initial_delay: float = field(default=0.5, validator=seconds)
    max_retry_after: float = field(default=120.0, validator=seconds)


class Retry(Plugin):
    """Tries again what may be tried again, as soon as the server asks, else after a delay that doubles.

    It does not look at the commit, at deadlines, or at whether a failure is local: those rules are the engine's.
    """

    name: ClassVar[str] = "retry"
    Config: ClassVar[type[Any]] = RetryConfig

    def should_retry(self, call: Any, error: Error) -> TryAgain | GiveUp | None:
        if not (error.retryable if error.should_retry is None else error.should_retry):
            return None
        if call.attempt > self.config.max_retries:
            return GiveUp(reason=f"max_retries {self.config.max_retries} reached")
        if error.retry_after and error.retry_after > self.config.max_retry_after:
            return GiveUp(reason=f"max_retry_after {self.config.max_retry_after:g} passed")
        return TryAgain(error.retry_after or self.config.initial_delay * 2 ** (call.attempt - 1))


class Timeout(Plugin):
    """Puts its timeouts on requests that have none."""

    name: ClassVar[str] = "timeout"
    Config: ClassVar[type[Any]] = Timeouts

    def before_request(self, call: Any, request: Request) -> Request | None:
        return None if request.timeouts is not None else request.with_timeouts(self.config)
