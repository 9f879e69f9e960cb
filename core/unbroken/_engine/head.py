"""Checks of the head of a response, made before the first byte of the stream is parsed."""

from collections.abc import Container
from urllib.parse import urljoin

from ..dialect import Dialect
from ..errors import ContentTypeError, Error, StreamError
from ..messages import Request, Response
from ..secrets import redact_keys

MAX_HEADER_FIELDS = 256
ERROR_BODY_BYTES = 64 * 1024
ERROR_BODY_SECONDS = 5.0
_SHOWN = 200
_LOOKED_AT = 4096
_JSON = frozenset({"application/json", "text/json"})
_NOT_MODIFIED = 304
_STREAM_STATUSES = frozenset({200, 201})
# RFC 9110 §8.4.1; the others are no content codings, but servers send them for "none".
_UNENCODED = frozenset({"identity", "none", "utf-8", "utf8", ""})


def check_head(response: Response, media_types: Container[str]) -> bool | None:
    """Return True for a stream, False for an answer whose body says what is wrong, None if the first bytes tell.

    `media_types` are those of a stream.

    Raises StreamError for a head that is neither: a redirect or another status below 400 that is not 200 or 201,
    contradictory framing, too many header fields, a compressed stream.
    """
    status = response.status_code
    _check_fields(response)
    if status >= 400:
        return False
    if status not in _STREAM_STATUSES:
        raise StreamError(f"HTTP {status}: there is no stream in this answer")
    kind = response.headers.media_type
    if kind and kind not in media_types:
        return False
    if _is_encoded(response):
        # A few kilobytes of gzip can expand to gigabytes of text.
        encoding = printable(response.headers["content-encoding"])[:40]
        raise StreamError(f"the stream is encoded ({encoding}) though identity was asked for")
    return True if kind else None


def check_plain_head(response: Response, request: Request, *, redirects: bool = False) -> bool:
    """Return True for the head of a plain answer, False for an answer whose body says what is wrong.

    A page of HTML, where only JSON is accepted, is that of a captive portal or a proxy.

    With `redirects`, a redirect within the origin of `request` is an answer too: the consumer may follow it. Raises
    StreamError for any other redirect, contradictory framing and too many header fields.
    """
    _check_fields(response, request if redirects else None)
    accepted = request.headers.get("accept", "").strip().lower()
    return response.status_code < 400 and not (
        accepted == "application/json" and response.headers.media_type == "text/html"
    )


def is_json(response: Response) -> bool:
    """Return whether the body is JSON that is not compressed (RFC 6839 §3.1 for the suffix ``+json``)."""
    kind = response.headers.media_type
    return (kind in _JSON or kind.endswith("+json")) and not _is_encoded(response)


def _check_fields(response: Response, redirected: Request | None = None) -> None:
    headers, status = response.headers, response.status_code
    if len(headers.items_raw) > MAX_HEADER_FIELDS:
        raise StreamError(f"the response has {len(headers.items_raw)} header fields, more than {MAX_HEADER_FIELDS}")
    if "content-length" in headers and "transfer-encoding" in headers:
        # RFC 9112 §6.3: "ought to be handled as an error", because it is a means of response smuggling.
        raise StreamError("the response has both Content-Length and Transfer-Encoding")
    if 300 <= status < 400 and status != _NOT_MODIFIED and not (redirected and _stays(response, redirected)):
        # Following it would send the credentials and the prompt to the host in Location.
        raise StreamError(f"HTTP {status}: a redirect, which is never followed")


def _stays(response: Response, request: Request) -> bool:
    """Return whether the redirect leads to the origin of `request`."""
    try:
        target = Request(method="GET", url=urljoin(request.url, response.headers.get("location", "")))
    except ValueError:  # also a ConfigurationError
        return False
    return target.origin == request.origin


def _is_encoded(response: Response) -> bool:
    encoding = response.headers.get("content-encoding", "").lower()
    return not _UNENCODED.issuperset(map(str.strip, encoding.split(",")))


def error_answer(dialect: Dialect, response: Response, body: bytes, *, expected: str) -> Error:
    """Return the error for an answer that is not what was `expected`."""
    if response.status_code >= 400:
        return dialect.error_from_response(response, body)
    error = dialect.error_from_body(response, body)
    if error is not None:
        return error
    return wrong_content(expected, response, body)


def wrong_content(expected: str, response: Response, body: bytes, request_id: str | None = None) -> ContentTypeError:
    """Return the error for an answer that is not what was `expected`. It shows the start of the body."""
    given = response.headers.get("content-type")
    content_type = None if given is None else printable(given)[:80]
    # A page may repeat what it was sent, such as a key.
    start = redact_keys(printable(body[:_LOOKED_AT].decode("utf-8", "replace")))[:_SHOWN]
    message = f"expected {expected}, got {content_type or 'no content type'}: {start!r}"
    return ContentTypeError(message, content_type=content_type, body=start, request_id=request_id)


def printable(text: str) -> str:
    """Return `text` in one line, with a space for each character that is not printable (such as a terminal escape)."""
    return "".join(character if character.isprintable() else " " for character in text)
