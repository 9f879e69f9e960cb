"""Map the errors of JSON-RPC and of MCP to error classes, and back."""

from typing import Any, Final

from unbroken.error_bodies import (
    as_object,
    error_document,
    error_for,
    error_message,
    headed,
    one_line,
    safe_line,
    stamped,
)
from unbroken.errors import (
    AuthenticationError,
    ConfigurationError,
    Error,
    NetworkError,
    TimeoutError,
    ValidationError,
)
from unbroken.messages import Event, Response

from ._messages import Id, messages_in, messages_of

# The HTTP status that says the same. Codes from -32000 to -32099 are those of servers: 500, but for these.
_TWINS: Final = {
    -32700: 400,  # parse error
    -32600: 400,  # invalid request
    -32601: 404,  # method not found
    -32602: 400,  # invalid params
    -32603: 500,  # internal error
    -32001: 504,  # request timeout, of the SDKs
    -32002: 404,  # resource not found, until 2025-11-25
    -32020: 400,  # headers that do not match the body
    -32021: 400,  # a capability of the client is required
    -32022: 400,  # unsupported protocol version
    -32042: 400,  # the user has to visit a URL first, until 2025-11-25
}
_CANCELLED: Final = -32800
_SESSION_LOST: Final = "the session is lost: initialize another"
_CODES: Final[tuple[tuple[type[Error], int], ...]] = (
    (TimeoutError, -32001),
    (NetworkError, -32000),
    (ValidationError, -32600),
    (AuthenticationError, -32600),
    (ConfigurationError, -32600),
)
_INTERNAL: Final = -32603
_LARGEST: Final = 2**31


def error_of_event(event: Event) -> Error:
    """Return the error that a message in `event` reports, of the same class as its HTTP twin. Never raises."""
    told = next((message["error"] for message in messages_in(event) if message.get("error")), None)
    return _error(told, None)


def error_of_response(response: Response, body: bytes, response_id_header: str) -> Error:
    """Return the error for an HTTP error status, with the code of the JSON-RPC error in the body. Never raises."""
    status = response.status_code
    told = (error_document(body) or {}).get("error")
    code = as_object(told).get("code")
    error = _error(told, status) if type(code) is int else error_for(status, headed(error_message(body), status))
    if status == 404 and (code == -32001 or "session" in error.message.lower()):
        error.message += f" ({_SESSION_LOST})"
    scheme, _, wanted = response.headers.get("www-authenticate", "").partition(" ")
    if isinstance(error, AuthenticationError) and scheme:
        error.message += f" (it asks for {one_line(f'{one_line(scheme, 20)} {safe_line(wanted)}')})"
    error.args = (error.message,)
    return stamped(error, response, response_id_header)


def error_told(id: Id, error: Error) -> Event:
    """Return the JSON-RPC error that tells `error` as the response to the request with that id."""
    code = next((code for kind, code in _CODES if isinstance(error, kind)), _INTERNAL)
    if error.kind is not None and error.kind.removeprefix("-").isdecimal():
        code = int(error.kind)
    data = {
        "type": f"unbroken_{type(error).__name__}",
        "retryable": error.retryable,
        "attempts": [f"{attempt.error}: {attempt.reason}" for attempt in error.history],
    }
    told = {"code": code, "message": str(error), "data": data}
    return Event.make("message", {"jsonrpc": "2.0", "id": id, "error": told})


def error_in_answer(value: Any) -> dict[str, Any] | None:
    """Return the message that is the only one in `value` and an error, None if there is none.

    An error that is not of JSON-RPC is that of another API, such as one for tokens.
    """
    messages = messages_of(value)
    failed = [message for message in messages if "jsonrpc" in message and message.get("error")]
    return failed[0] if len(messages) == 1 and failed else None


def _error(told: Any, status: int | None) -> Error:
    code, said = as_object(told).get("code"), as_object(told).get("message", told)
    words = safe_line(said) if isinstance(said, str) else ""
    number = code if type(code) is int and abs(code) < _LARGEST else None
    name = f"error {number}" if number else None
    error = error_for(status or _twin(number), headed(words, status, name))
    error.kind = None if number is None else str(number)
    if number == _CANCELLED:
        error.retryable = False
    return error


def _twin(code: int | None) -> int:
    if code is not None and 400 <= code <= 599:
        return code
    return _TWINS.get(code or 0, 500)
