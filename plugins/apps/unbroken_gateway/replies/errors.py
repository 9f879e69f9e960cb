"""What the gateway answers instead of a reply. The texts are fixed: what an upstream or a bug said is only logged.

Each function returns one row of the table. All `retry_after` are in seconds. `failures.problem_of` finds the row of an
error of an upstream, and `answers` writes it in the dialect of the client.
"""

import math
from typing import Final

from attrs import evolve, field, frozen

from ..values import Denied, LimitName


@frozen(kw_only=True)
class Problem:
    """One row of the table of errors."""

    name: str
    """The name of the cause, for logs, metrics and the audit."""
    status: int
    """Of the answer; an OpenAI client gets 503 for 529, which its SDK does not know (`answers.status_of`)."""
    anthropic: str
    """``error.type`` of the Anthropic body."""
    openai: str
    """``error.code`` of the OpenAI body."""
    message: str
    retry_after: float | None = None
    """Seconds."""
    should_retry: bool | None = None
    """``x-should-retry``; None leaves it out."""
    alert: bool = False
    """Whether the operator must act."""
    headers: tuple[tuple[str, str], ...] = field(default=())
    """Further headers, such as ``allow``."""


class Refused(Exception):
    """The request is answered with `problem`. `counted` is that of a call, which is in the traffic already."""

    def __init__(self, problem: Problem, *, counted: bool = False) -> None:
        super().__init__(problem.name)
        self.problem, self.counted = problem, counted


_CHALLENGE: Final = (("www-authenticate", "Bearer"),)  # RFC 9110 §15.5.2: a 401 must have one
_REACHED: Final[dict[LimitName, str]] = {
    "requests": "You have reached your limit of requests.",
    "tokens": "You have reached your limit of tokens.",
    "streams": "You have reached your limit of parallel calls.",
    "budget": "You have reached your budget.",
}


def no_credential() -> Problem:
    """No credential, more than one, or one that does not count; all look the same."""
    text = "The credential is missing or not valid."
    return _row("no_credential", 401, "authentication_error", "invalid_api_key", text, headers=_CHALLENGE)


def too_many_bad_credentials(retry_after: float) -> Problem:
    """An address sent too many bad credentials."""
    text = "There were too many bad credentials from your address."
    return _row("too_many_bad_credentials", 429, "rate_limit_error", "rate_limit_exceeded", text, retry_after)


def unknown_model() -> Problem:
    """An unknown model, or one that the user may not use; both look the same."""
    return _not_found("unknown_model", "There is no such model.")


def unknown_stream() -> Problem:
    """An unknown stream, one of another user, or a cursor in its future; all look the same."""
    return _not_found("unknown_stream", "There is no such stream.")


def unknown_route() -> Problem:
    """A path without a route."""
    return _not_found("unknown_route", "There is nothing at this path.")


def trimmed_stream() -> Problem:
    """A cursor before the oldest event that is kept."""
    return _invalid("trimmed_stream", 410, "The events after this cursor are no longer kept.")


def forbidden_scope() -> Problem:
    """A credential without the scope that the route needs."""
    text = "Your credential does not permit this."
    return _row("forbidden_scope", 403, "permission_error", "forbidden", text)


def cancelled() -> Problem:
    """A resumable stream that its user has ended, or that had no reader for too long."""
    return _invalid("cancelled", 410, "The stream was cancelled.", should_retry=False)


def invalid_request(detail: str = "The request is not valid.") -> Problem:
    """A request that is wrong in itself. `detail` is a fixed text of ours, never that of an upstream or of a client."""
    return _invalid("invalid_request", 400, detail)


def body_too_large() -> Problem:
    """A body over ``max_body``."""
    return _too_large("body_too_large", "The body of the request is too large.")


def body_timed_out() -> Problem:
    """A body that did not arrive in time."""
    text = "The body of the request did not arrive in time."
    return _invalid("body_timed_out", 408, text, should_retry=None)


def head_too_large() -> Problem:
    """Too many headers, or too many bytes of them."""
    return _invalid("head_too_large", 431, "The headers of the request are too large.")


def wrong_method(allow: str) -> Problem:
    """A method that the route does not have. `allow` lists those that it has, such as ``GET, DELETE``."""
    text = "This method is not allowed here."
    return _invalid("wrong_method", 405, text, should_retry=None, headers=(("allow", allow),))


def length_required() -> Problem:
    """A POST with neither ``Content-Length`` nor ``Transfer-Encoding``."""
    text = "The request must declare the length of its body."
    return _invalid("length_required", 411, text, should_retry=None)


def wrong_type() -> Problem:
    """A body that is not declared as plain JSON."""
    text = "The body must be application/json in UTF-8, without a Content-Encoding."
    return _invalid("wrong_type", 415, text, should_retry=None)


def user_limit(retry_after: float, limit: LimitName | None = None) -> Problem:
    """A limit of the user. The wait is exact, without a cap: the SDKs wait so long and try again."""
    text = "You have reached your limit." if limit is None else _REACHED[limit]
    kinds = ("rate_limit_error", "rate_limit_exceeded")
    return _row("user_limit", 429, *kinds, text, retry_after, should_retry=None)


def budget_spent() -> Problem:
    """The budget of the user is used up; only a new period or another plan helps."""
    return _row("budget_spent", 402, "billing_error", "insufficient_quota", "Your budget is spent.")


def denied(by: Denied) -> Problem:
    """The answer to a reservation that is over a limit. Without a wait after which it can succeed, retries are vain."""
    problem = budget_spent() if by.limit == "budget" else user_limit(by.retry_after, by.limit)
    return problem if math.isfinite(by.retry_after) else evolve(problem, retry_after=None, should_retry=False)


def upstream_rate_limit(retry_after: float | None = None) -> Problem:
    """The upstream limits this gateway, and retries did not help."""
    text = "The model receives too many requests at the moment."
    return _row("upstream_rate_limit", 429, "rate_limit_error", "upstream_rate_limit", text, retry_after)


def upstream_unavailable() -> Problem:
    """The upstream refused the key, the rights or the account of this gateway: its operator must act."""
    return _row("upstream_unavailable", 502, *_api("upstream_unavailable"), "The model is not available.", alert=True)


def upstream_error(retry_after: float | None = None) -> Problem:
    """The upstream or its network failed, or its answer was cut or made no sense."""
    text = "The model did not complete its answer."
    return _row("upstream_error", 502, *_api("upstream_error"), text, retry_after)


def upstream_400(text: str = "The model refused the request as not valid.") -> Problem:
    """The upstream found the request wrong. `text` is what it said, only if the operator lets clients see it."""
    return _invalid("upstream_400", 400, text)


def upstream_404() -> Problem:
    """The upstream does not know what the request names."""
    return _not_found("upstream_404", "The model did not find what the request names.")


def upstream_409() -> Problem:
    """The request conflicts with another one at the upstream."""
    text = "The request conflicts with another one."
    return _row("upstream_409", 409, "conflict_error", "conflict_error", text)


def upstream_413() -> Problem:
    """The request is too large for the upstream."""
    return _too_large("upstream_413", "The request is too large for the model.")


def overloaded(retry_after: float | None = None) -> Problem:
    """The upstream has no capacity at the moment."""
    return _row("overloaded", 529, "overloaded_error", "overloaded", "The model is overloaded.", retry_after)


def unavailable(retry_after: float | None = None) -> Problem:
    """A circuit is open, the gateway drains, or its state cannot be reached: another attempt can help."""
    text = "The service is not available at the moment."
    return _row("unavailable", 503, "overloaded_error", "unavailable", text, retry_after, should_retry=True)


def timed_out() -> Problem:
    """The upstream did not answer in time."""
    return _row("timed_out", 504, "timeout_error", "timeout", "The model did not answer in time.")


def internal() -> Problem:
    """A bug of the gateway or of a plugin."""
    return _row("internal", 500, *_api("internal_error"), "The service failed.", alert=True)


def _row(
    name: str,
    status: int,
    anthropic: str,
    openai: str,
    message: str,
    retry_after: float | None = None,
    *,
    should_retry: bool | None = False,
    alert: bool = False,
    headers: tuple[tuple[str, str], ...] = (),
) -> Problem:
    return Problem(
        name=name,
        status=status,
        anthropic=anthropic,
        openai=openai,
        message=message,
        retry_after=retry_after,
        should_retry=should_retry,
        alert=alert,
        headers=headers,
    )


def _invalid(
    name: str, status: int, text: str, *, should_retry: bool | None = False, headers: tuple[tuple[str, str], ...] = ()
) -> Problem:
    kinds = ("invalid_request_error", "invalid_request")
    return _row(name, status, *kinds, text, should_retry=should_retry, headers=headers)


def _not_found(name: str, text: str) -> Problem:
    return _row(name, 404, "not_found_error", "model_not_found", text)


def _too_large(name: str, text: str) -> Problem:
    return _row(name, 413, "request_too_large", "request_too_large", text)


def _api(code: str) -> tuple[str, str]:
    return "api_error", code
