"""Find where a JSON document reports a failure: the forms in which the API and compatible servers do it."""

from typing import Any, Final

from attrs import frozen

from unbroken.error_bodies import as_object

from ._choices import as_list, objects_of
from ._responses import KINDS

# The values of ``finish_reason`` that say that the server failed; all others are passed on.
_FAILING: Final = frozenset(
    {"error", "abort", "aborted", "network_error", "insufficient_system_resource", "server_error"}
)
# The values of ``type`` that name the event, not the error in it.
EVENTS: Final = frozenset({"error", *(type for type in KINDS if type.startswith("response."))})


@frozen(kw_only=True)
class Failure:
    """A failure that a document reports."""

    error: dict[str, Any]
    """The object with code, type and message."""
    around: dict[str, Any]
    """The object that `error` is in. It may have the code too."""
    message: str | None = None
    """The words of the server, if they are not in `error`."""
    reason: str | None = None
    """The name of the failure if the error has none."""


def unwrapped(value: Any) -> dict[str, Any]:
    """Return the JSON object that `value` is, or that a list contains first; otherwise an empty one."""
    if isinstance(value, list):
        return as_object(next(iter(as_list(value)), None))
    return as_object(value)


def failure_in(document: dict[str, Any]) -> Failure | None:
    """Return the failure that `document` reports, in a stream or under status 200; None if it reports none."""
    # As in the vendor's SDK: any `error` that is not null or empty, an object or a text, alone or inside a chunk.
    if document.get("error"):
        return _wrapped(document)
    found = _in_response(document) or _unwrapped_error(document) or _in_choices(document)
    return found or _beside_choices(document) or _problem(document)


def _wrapped(document: dict[str, Any], reason: str | None = None) -> Failure:
    error = document.get("error")
    if isinstance(error, dict):
        return Failure(error=as_object(error), around=document, reason=reason)
    said = document.get("message")
    if isinstance(error, str) and isinstance(said, str) and said:
        return Failure(error={"type": error, "message": said}, around=document, reason=reason)
    message = error if isinstance(error, str) else None
    return Failure(error={}, around=document, message=message, reason=reason)


def _unwrapped_error(document: dict[str, Any]) -> Failure | None:
    told = document.get("object") == "error" or document.get("type") in ("error", "response.error", "response.failed")
    return Failure(error=document, around={}) if told else None


def _in_response(document: dict[str, Any]) -> Failure | None:
    response = as_object(document.get("response"))
    status = response.get("status")
    if status in ("cancelled", "canceled") or document.get("type") in ("response.cancelled", "response.canceled"):
        return Failure(error={}, around={}, message="the response was cancelled", reason="cancelled")
    if response.get("error"):
        return _wrapped(response)
    told = as_object(response.get("status_details"))
    if told.get("error"):
        return _wrapped(told)
    return Failure(error={}, around=response) if status == "failed" else None


def _in_choices(document: dict[str, Any]) -> Failure | None:
    for choice in objects_of(document.get("choices")):
        reason = choice.get("finish_reason")
        failing = reason if isinstance(reason, str) and reason in _FAILING else None
        if choice.get("error"):
            return _wrapped(choice, failing)
        if failing is not None:
            return Failure(error={}, around={}, message="the finish_reason of the answer", reason=failing)
    return None


def _beside_choices(document: dict[str, Any]) -> Failure | None:
    names = ("error_type", "error_code", "error_message", "error_msg")
    kind, code, *words = (document.get(name) for name in names)
    if document.get("choices") or not any((kind, code, *words)):
        return None
    message = next((each for each in words if isinstance(each, str)), None)
    return Failure(error={"type": kind, "code": code, "message": message}, around=document)


def _problem(document: dict[str, Any]) -> Failure | None:
    """Return the failure of a problem document (RFC 9457)."""
    status, words = document.get("status"), document.get("detail") or document.get("title")
    if type(status) is not int or not 400 <= status <= 599 or not isinstance(words, str):
        return None
    return Failure(error={"code": status, "message": words}, around={})
