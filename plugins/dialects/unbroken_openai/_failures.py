"""Find where a JSON document reports a failure: the forms in which the API and compatible servers do it."""

from typing import Any, Final

from unbroken.error_bodies import as_object
from unbroken.error_report import reports_error

from ._choices import as_list, objects_of
from ._responses import CANCELLED

# The values of ``finish_reason`` that say that the server failed; all others are passed on.
_FAILING: Final = frozenset(
    {"error", "abort", "aborted", "network_error", "insufficient_system_resource", "server_error"}
)


def unwrapped(value: Any) -> dict[str, Any]:
    """Return the JSON object that `value` is, or that a list contains first; otherwise an empty one."""
    return as_object(next(iter(as_list(value)), None)) if isinstance(value, list) else as_object(value)


def failure_in(document: dict[str, Any]) -> dict[str, Any] | None:
    """Return the failure that `document` reports, in a stream or under status 200; None if it reports none.

    It is `document` itself, or in the form ``{"error": {...}}`` if only this API says it in that way.
    """
    # As in the vendor's SDK: any `error` that is not null or empty, an object or a text, alone or inside a chunk.
    if document.get("error"):
        return _named(document)
    told = _in_response(document) or _in_choices(document) or _beside_choices(document)
    return told or (document if reports_error(document) else None)


def _named(document: dict[str, Any]) -> dict[str, Any]:
    """Return `document`, or the same with its error as an object if that is a name and its words stand beside it."""
    name, said = document["error"], document.get("message")
    both = isinstance(name, str) and isinstance(said, str) and said
    return {**document, "error": {"type": name, "message": said}} if both else document


def _in_response(document: dict[str, Any]) -> dict[str, Any] | None:
    response = as_object(document.get("response"))
    status = response.get("status")
    if status in ("cancelled", "canceled") or document.get("type") in CANCELLED:
        return {"error": {"code": "cancelled", "message": "the response was cancelled"}}
    told = as_object(response.get("status_details")).get("error")
    if told and not response.get("error"):
        return {"error": told}
    return {"error": {"message": None}} if status == "failed" and not response.get("error") else None


def _in_choices(document: dict[str, Any]) -> dict[str, Any] | None:
    for choice in objects_of(document.get("choices")):
        reason = choice.get("finish_reason")
        failing = reason if isinstance(reason, str) and reason in _FAILING else None
        error = choice.get("error")
        if isinstance(error, dict) and error:
            return {"error": {"type": failing, **as_object(error)}}
        if error or failing:
            words = error if isinstance(error, str) else "the finish_reason of the answer"
            return {"error": {"type": failing, "message": words}}
    return None


def _beside_choices(document: dict[str, Any]) -> dict[str, Any] | None:
    """Return the failure that Groq reports in a field of its own, or other servers in place of the choices."""
    groq = as_object(document.get("x_groq")).get("error")
    if groq:
        return {"error": groq}
    names = ("error_type", "error_code", "error_message", "error_msg")
    kind, code, *words = (document.get(name) for name in names)
    if document.get("choices") or not any((kind, code, *words)):
        return None
    message = next((each for each in words if isinstance(each, str)), None)
    return {"error": {"type": kind, "code": code, "message": message}}
