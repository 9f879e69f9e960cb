"""Map the errors of Bedrock to error classes.

https://docs.aws.amazon.com/bedrock/latest/userguide/troubleshooting-api-error-codes.html and
https://docs.aws.amazon.com/bedrock/latest/APIReference/CommonErrors.html
"""

import re
from typing import Any, Final

from unbroken.error_bodies import described, error_document, error_for, error_message, headed, one_line, safe_line
from unbroken.error_report import ErrorReport
from unbroken.errors import (
    AuthenticationError,
    Error,
    OverloadedError,
    QuotaExceededError,
    RateLimitError,
    ServerError,
    ValidationError,
)
from unbroken.messages import Event

# In lower case and without ``Exception`` at their end: a stream has throttlingException, an answer ThrottlingException.
# 402 stands for a quota that waiting does not cure. A model that fails or takes too long is a failure of the server,
# though it is told as 424 and 408. An overload is told as 503, and only its words differ from those of an outage.
_TWINS: Final[dict[str, int]] = {
    name: status
    for status, names in {
        400: "validation badrequest serialization malformedquerystring",
        402: "servicequotaexceeded",
        403: """
            accessdenied expiredtoken unrecognizedclient invalidsignature signaturedoesnotmatch incompletesignature
            missingauthenticationtoken invalidclienttokenid optinrequired notauthorized requestexpired
        """,
        404: "resourcenotfound unknownoperation",
        409: "conflict",
        429: "throttling throttled modelnotready toomanyrequests requestlimitexceeded provisionedthroughputexceeded",
        500: "internalserver internalfailure internalservererror",
        502: "modelerror modelstreamerror",
        503: "serviceunavailable",
        504: "modeltimeout requesttimeout",
    }.items()
    for name in names.split()
}
_OF_THE_MODEL: Final = ("modelerror", "modelstreamerror")
_OVERLOADED: Final = re.compile(r"\btoo many connections\b", re.IGNORECASE)
_PER_DAY: Final = re.compile(r"\btokens per day\b", re.IGNORECASE)
# The exceptions that both streams can have, and the errors that they tell.
_TOLD: Final[tuple[tuple[type[Error], str], ...]] = (
    (OverloadedError, "serviceUnavailableException"),
    (RateLimitError, "throttlingException"),
    (AuthenticationError, "validationException"),
    (ValidationError, "validationException"),
    (ServerError, "internalServerException"),
)
_OTHERWISE: Final = "modelStreamErrorException"
_SAME: Final = frozenset({_OTHERWISE, "serviceUnavailableException", *(name for _, name in _TOLD)})


def error_of(body: bytes, status: int | None = None, *, name: str = "") -> Error:
    """Return the error that `body` describes. `status` is None if the response had status 200. Never raises.

    `name` is that of the exception, from the message or the header; without one it is looked for in the body. A known
    name takes precedence over the status. The status that a model itself gave takes precedence over both.
    """
    report, document = ErrorReport.of(body), error_document(body) or {}
    kind = _cleaned(name) or next(filter(None, map(_cleaned, _names(document))), None)
    words = _words(document) or safe_line(report.words or "") or ("" if document else error_message(body))
    key = (kind or "").lower().removesuffix("exception")
    of_model = _status(document.get("originalStatusCode")) if key in _OF_THE_MODEL else None
    told = of_model or report.status_code
    twin = of_model or _TWINS.get(key) or told or status or 500
    if twin == 503 and _OVERLOADED.search(words):
        twin = 529
    message = headed(words, status, kind)
    spent = report.is_spent or (twin == 429 and _PER_DAY.search(words) is not None)
    error = report.on(QuotaExceededError(message) if spent else error_for(twin, message))
    error.status_code, error.kind = told, kind
    return error


def event_of(error: Error) -> Event:
    """Return the exception in which a stream reports `error`."""
    kind = error.kind or ""
    named = kind[:1].lower() + kind[1:]
    fitting = next((name for each, name in _TOLD if isinstance(error, each)), _OTHERWISE)
    return Event.make(f"exception:{named if named in _SAME else fitting}", {"message": str(error)})


def names_failure(document: dict[str, Any]) -> bool:
    """Return whether JSON under a good status has the name of an exception."""
    return any(_cleaned(place.get("__type")) for place in (document, _inner(document)))


def _names(document: dict[str, Any]) -> list[Any]:
    inner = _inner(document)
    return [document.get("__type"), inner.get("__type"), inner.get("code"), inner.get("type"), document.get("code")]


def _inner(document: dict[str, Any]) -> dict[str, Any]:
    """Return the object that describes the failure; a front end of AWS puts it into ``Output``."""
    output = document.get("Output")
    return described(document) or described({"error": output})


def _words(document: dict[str, Any]) -> str:
    """Return the message; which of its spellings a service uses is not documented."""
    said = [place.get(name) for place in (document, _inner(document)) for name in ("message", "Message")]
    return next((safe_line(text) for text in said if isinstance(text, str) and text.strip()), "")


def _cleaned(name: Any) -> str | None:
    """Return a name without its namespace and the address behind it: ``a.b#ThrottlingException:http://…``."""
    if not isinstance(name, str):
        return None
    kept = one_line(name.partition(":")[0].rpartition("#")[2], 100)
    return kept if kept and not kept.isdecimal() else None


def _status(value: Any) -> int | None:
    return value if type(value) is int and 400 <= value <= 599 else None
