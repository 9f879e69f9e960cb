"""Map the errors of the API to error classes (https://docs.ollama.com/api/errors).

The API has no codes: ``{"error": "…"}`` is all that it says. Behind the first line of a stream there is no status
either, and the words have to tell what it would have been.
"""

import re
from typing import Final

from unbroken.error_bodies import as_object, error_document, error_for, error_message, headed, safe_line
from unbroken.error_report import ErrorReport
from unbroken.errors import Error, QuotaExceededError

_OVERLOADED: Final = 529
# The limits of an account in the cloud, for an hour, a session or a week. Waiting for seconds does not cure them.
_SPENT: Final = re.compile(r"reached your (?:\w+ )?usage limit", re.IGNORECASE)
_BUSY: Final = re.compile(r"server busy|overloaded|maximum pending requests", re.IGNORECASE)
# From the words of the server's handlers to the status that they go with. The first match decides.
_TWINS: Final = tuple(
    (re.compile(words, re.IGNORECASE), status)
    for words, status in (
        (r"\bunauthorized\b|not authenticated|invalid api key", 401),
        (r"not authorized|access denied|forbidden|requires a subscription", 403),
        (r"rate limit|too many|usage limit", 429),
        (r"(?:model|manifest)\b.{0,200}(?:not found|does not exist)|try pulling it first", 404),
        (r"does not support|invalid model name|context (?:length|window|size)|is required\b", 400),
        (r"temporarily unavailable|service unavailable", 503),
    )
)


def error_of(body: bytes, status: int | None = None) -> Error:
    """Return the error that `body` describes. `status` is None if the response had status 200. Never raises.

    A status in the body takes precedence over that of the response. Without either, the words decide; if they say
    nothing known, the server failed.
    """
    report = ErrorReport.of(body)
    words = safe_line(report.words or "") or error_message(body)
    told = report.status_code or _status_in(body)
    twin = _twin(words, told or status)
    message = headed(words, status)
    spent = report.is_spent or (_SPENT.search(words) is not None and twin == 429)
    error = report.on(QuotaExceededError(message) if spent else error_for(twin, message))
    error.status_code = told
    return error


def _twin(words: str, status: int | None) -> int:
    if (status is None or status >= 500) and _BUSY.search(words):
        return _OVERLOADED
    return status or next((twin for pattern, twin in _TWINS if pattern.search(words)), 500)


def _status_in(body: bytes) -> int | None:
    """Return the status of the server that a proxying server asked, which it passes on as ``StatusCode``."""
    number = as_object(error_document(body)).get("StatusCode")
    return number if type(number) is int and 400 <= number <= 599 else None
