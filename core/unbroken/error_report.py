"""What an error body or an error event says about the failure, in whichever of the shapes that servers use."""

from collections.abc import Iterator
from typing import Any, Final

from attrs import frozen

from .error_bodies import as_list, as_object, described, error_document, words_of
from .errors import Error
from .retry_after import seconds_in, seconds_in_words

SPENT: Final = frozenset(
    {
        "1113",
        "Arrearage",
        "billing_hard_limit_reached",
        "billing_not_active",
        "contract_spend_limit_reached",
        "credit_balance_exhausted",
        "enforced_spend_limit_reached",
        "exceeded_current_quota_error",
        "insufficient_quota",
        "linked_organization_spend_limit_reached",
        "organization_spend_limit_exceeded",
        "organization_usage_limit_exceeded",
        "project_spend_limit_exceeded",
    }
)
"""The codes and types of APIs for an account that is spent, which waiting does not cure."""

# `status` is that of problem+json (RFC 9457 §3.1.2); elsewhere it is a name, which is no number.
_STATUSES: Final = ("http_status_code", "status_code", "code", "status")
_NAMES: Final = ("code", "type", "error_code", "reason")
# The values of ``type`` and ``object`` that only say that this is an error.
_GENERIC: Final = ("error", "response.failed")


@frozen(kw_only=True)
class ErrorReport:
    """What a body or an event says about a failure. Every field is empty or None if it does not say it."""

    described: dict[str, Any]
    """The object that describes the error: that of ``error``, or the whole body."""
    words: str | None
    """The message, as the server wrote it: `unbroken.error_bodies.safe_line` makes it safe to show."""
    status_code: int | None
    """The number from 400 to 599 in the body. It takes precedence over the HTTP status, and a known name over it."""
    retry_after: float | None
    """The seconds after which to try again, from protobuf's ``RetryInfo``, ``resets_in_seconds`` or the words."""
    is_spent: bool
    """Whether the error has one of the names in `SPENT`."""

    @classmethod
    def of(cls, body: bytes) -> "ErrorReport":
        """Return what `body` says: JSON, also in a list or framed as SSE. Never raises."""
        document = error_document(body) or {}
        inner = described(document)
        words = words_of(document)
        return cls(
            described=inner or _without_generic(document),
            words=words,
            status_code=next(_numbers(inner, document), None),
            retry_after=_hint(inner, document, words or ""),
            is_spent=any(name in SPENT for name in _names(inner, document)),
        )

    def on(self, error: Error) -> Error:
        """Set the status and the retry hint of `error`, and return it."""
        error.status_code, error.retry_after = self.status_code, self.retry_after
        return error


def reports_error(document: dict[str, Any]) -> bool:
    """Return whether a JSON object under status 200 describes a failure, as `ErrorReport` reads it."""
    said = (document.get("error"), as_object(document.get("response")).get("error"), document.get("errors"))
    named = "error" in (document.get("type"), document.get("object"))
    return named or any(said) or next(_numbers(document), None) is not None


def _without_generic(document: dict[str, Any]) -> dict[str, Any]:
    kept = {name: value for name, value in document.items() if name != "type" or value not in _GENERIC}
    error = document.get("error")
    return {"code": error, **kept} if isinstance(error, str) and error.isidentifier() and "_" in error else kept


def _numbers(*objects: dict[str, Any]) -> Iterator[int]:
    for fields in objects:
        for name in _STATUSES:
            number = fields.get(name)
            if isinstance(number, str) and number.isascii() and number.isdecimal() and len(number) == 3:
                number = int(number)
            if type(number) is int and 400 <= number <= 599:
                yield number


def _names(*objects: dict[str, Any]) -> Iterator[str]:
    for fields in objects:
        for values in (fields, as_object(fields.get("details"))):
            yield from (str(values.get(name)) for name in _NAMES)
        yield str(fields.get("error"))


def _hint(inner: dict[str, Any], document: dict[str, Any], words: str) -> float | None:
    hints = [seconds_in(delay) for delay in (*_delays(inner), *_delays(document))]
    return next((hint for hint in hints if hint is not None), seconds_in_words(words))


def _delays(fields: dict[str, Any]) -> Iterator[Any]:
    # https://github.com/googleapis/googleapis/blob/master/google/rpc/error_details.proto
    for detail in map(as_object, as_list(fields.get("details"))):
        yield detail.get("retryDelay")
        yield detail.get("retry_delay")
    yield fields.get("resets_in_seconds")
