"""The table of errors that clients of the gateway may get: GATEWAY.md's, written down once more, for its judges."""

import json
from typing import Any

from attrs import field, frozen

from unbroken_faults import Fault, faults

CLASSES = {
    "anthropic": {
        400: "BadRequestError",
        401: "AuthenticationError",
        402: "PaymentRequiredError",
        403: "PermissionDeniedError",
        404: "NotFoundError",
        409: "ConflictError",
        413: "ContentTooLargeError",
        429: "RateLimitError",
        500: "InternalServerError",
        502: "InternalServerError",
        503: "ServiceUnavailableError",
        504: "GatewayTimeoutError",
        529: "OverloadedError",
    },
    "openai": {
        400: "BadRequestError",
        401: "AuthenticationError",
        402: "API(Status)?Error",
        403: "PermissionDeniedError",
        404: "NotFoundError",
        409: "ConflictError",
        413: "API(Status)?Error",
        429: "RateLimitError",
        500: "InternalServerError",
        502: "InternalServerError",
        503: "InternalServerError",
        504: "InternalServerError",
    },
}
"""The class that the SDKs raise, by status: a pattern, as the two of OpenAI differ where they have no class for one."""


@frozen(kw_only=True)
class Row:
    """One cause of an error: how it comes about, and what the client must see of it."""

    id: str
    status: int
    type: str
    """``error.type`` for clients of Anthropic."""
    code: str
    """``error.code`` for clients of OpenAI."""
    should_retry: str | None = "false"
    retry_after: str | None = None
    """A pattern; None: there is no such header."""
    upstream: Fault | None = None
    """What the upstream does; None if it must not be asked."""
    task: dict[str, Any] = field(factory=dict[str, Any])
    """What the client does differently."""
    settings: str = "open"
    """The name of the configuration of the gateway, `gateway_process.CONFIGURATIONS`."""
    before: int = 0
    """How many calls use up what the user may use."""
    reachable: bool = True
    """Whether a client can bring it about; otherwise only its form is judged."""
    streamed: bool | None = None
    """Whether it needs a stream, or a plain call; None is either."""

    def status_for(self, sdk: str) -> int:
        """OpenAI knows no 529."""
        return 503 if (sdk, self.status) == ("openai", 529) else self.status

    def class_for(self, sdk: str) -> str:
        """Return the pattern of the class that the SDK raises."""
        return CLASSES[sdk][self.status_for(sdk)]

    def body(self, sdk: str, request_id: str) -> dict[str, Any]:
        """Return the body in the form that the gateway promises."""
        if sdk == "anthropic":
            error = {"type": self.type, "message": self.id}
            return {"type": "error", "error": error, "request_id": request_id}
        return {"error": {"message": self.id, "type": self.type, "param": None, "code": self.code}}

    def form(self, sdk: str) -> Fault:
        """Return the answer of a stand-in for the gateway."""
        lines = [("x-request-id", "req_judged"), ("request-id", "req_judged")]
        if self.should_retry is not None:
            lines.append(("x-should-retry", self.should_retry))
        if self.retry_after is not None:
            lines.append(("retry-after", "7"))
        body = json.dumps(self.body(sdk, "req_judged"))
        return Fault(status=self.status_for(sdk), headers=tuple(lines), body=body)

    def frame(self, sdk: str) -> bytes:
        """Return the error as an event, behind the 200."""
        data = json.dumps(self.body(sdk, "req_judged")).encode()
        return b"event: error\ndata: %b\n\n" % data if sdk == "anthropic" else b"data: %b\n\n" % data


_EXACT = r"[1-9][0-9]*"
_HUGE = "x" * 1_100_000

ROWS = (
    Row(
        id="no-credential",
        status=401,
        type="authentication_error",
        code="invalid_api_key",
        task={"key": "wrong"},
    ),
    Row(
        id="unknown-model",
        status=404,
        type="not_found_error",
        code="model_not_found",
        task={"model": "nobody-knows-it"},
    ),
    Row(id="forbidden-scope", status=403, type="permission_error", code="forbidden", reachable=False),
    Row(
        id="upstream-400",
        status=400,
        type="invalid_request_error",
        code="invalid_request",
        upstream=faults.status(400),
    ),
    Row(
        id="upstream-422",
        status=400,
        type="invalid_request_error",
        code="invalid_request",
        upstream=faults.status(422),
    ),
    Row(
        id="body-too-large",
        status=413,
        type="request_too_large",
        code="request_too_large",
        task={"prompt": _HUGE},
    ),
    Row(
        id="user-limit",
        status=429,
        type="rate_limit_error",
        code="rate_limit_exceeded",
        should_retry=None,
        retry_after=_EXACT,
        settings="limited",
        before=1,
    ),
    Row(
        id="budget-spent",
        status=402,
        type="billing_error",
        code="insufficient_quota",
        settings="spent",
    ),
    Row(
        id="upstream-429",
        status=429,
        type="rate_limit_error",
        code="upstream_rate_limit",
        retry_after="7",
        upstream=faults.rate_limited(retry_after=7),
    ),
    Row(
        id="upstream-401",
        status=502,
        type="api_error",
        code="upstream_unavailable",
        upstream=faults.status(401),
    ),
    Row(
        id="upstream-403",
        status=502,
        type="api_error",
        code="upstream_unavailable",
        upstream=faults.status(403),
    ),
    Row(
        id="upstream-quota",
        status=502,
        type="api_error",
        code="upstream_unavailable",
        upstream=faults.spend_limit(),
    ),
    Row(id="upstream-500", status=502, type="api_error", code="upstream_error", upstream=faults.server_error()),
    Row(
        id="upstream-breaks",
        status=502,
        type="api_error",
        code="upstream_error",
        upstream=Fault(after_bytes=10, then="close"),
    ),
    Row(
        id="upstream-is-no-model",
        status=502,
        type="api_error",
        code="upstream_error",
        upstream=faults.captive_portal(),
    ),
    Row(id="upstream-529", status=529, type="overloaded_error", code="overloaded", upstream=faults.overloaded()),
    Row(
        id="circuit-open",
        status=503,
        type="overloaded_error",
        code="unavailable",
        should_retry="true",
        retry_after=_EXACT,
        reachable=False,
    ),
    Row(
        id="timeout",
        status=504,
        type="timeout_error",
        code="timeout",
        upstream=Fault(before_head=True, then="stall"),
        task={"model": "impatient"},
    ),
    Row(id="bug", status=500, type="api_error", code="internal_error", reachable=False),
    Row(id="upstream-404", status=404, type="not_found_error", code="model_not_found", upstream=faults.status(404)),
    Row(id="upstream-409", status=409, type="conflict_error", code="conflict_error", upstream=faults.status(409)),
    Row(
        id="upstream-413",
        status=413,
        type="request_too_large",
        code="request_too_large",
        upstream=faults.status(413),
    ),
)
