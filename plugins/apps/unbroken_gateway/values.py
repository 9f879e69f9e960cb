"""The values that the parts of the gateway hand to each other."""

from typing import Final, Literal

from attrs import field, frozen

MICRO: Final = 1_000_000
"""Micro-dollars per dollar. All money is in integer micro-dollars."""

DialectName = Literal["anthropic", "openai"]
LimitName = Literal["requests", "tokens", "streams", "budget"]


@frozen(kw_only=True)
class Principal:
    """Who makes a request, proven by a token or a key."""

    id: str
    """The user's id at the issuer, or the name of the key."""
    issuer: str
    """The issuer of the token; ``keys`` for a stored key, ``development`` for the development token."""
    plan: str
    """The name of the plan in the settings."""
    scopes: frozenset[str] = frozenset()
    expires_at: float | None = None
    """In Unix seconds; None for a credential without an end."""
    issued_at: float | None = None
    """In Unix seconds."""
    credential_id: str = ""
    """The ``jti`` of the token or the id of the stored key: what can be revoked. Not secret."""
    key_id: str = ""
    """The ``kid`` of the key that signed the token."""

    @property
    def user(self) -> str:
        """The id under which limits, streams and audit rows are kept: unique over all issuers."""
        return f"{self.issuer}|{self.id}"


@frozen
class Rate:
    """So much per period, as ``20/min`` in the settings."""

    amount: int
    """Requests, tokens or micro-dollars."""
    seconds: float
    """The length of the period."""


@frozen(kw_only=True)
class Allowance:
    """What one user may use. None is no limit."""

    requests: Rate | None = None
    tokens: Rate | None = None
    streams: int | None = None
    """Calls under way at one time."""
    budget: Rate | None = None
    """In micro-dollars. Its periods are aligned: ``1/day`` begins again at midnight UTC."""


@frozen(kw_only=True)
class Cost:
    """What one call uses, reserved as an estimate and settled as counted."""

    requests: int = 1
    tokens: int = 0
    micro_usd: int = 0


@frozen(kw_only=True)
class Grant:
    """A place that was reserved for one call."""

    id: str
    """Random; every operation on a grant is idempotent by it."""
    user: str
    allowance: Allowance
    reserved: Cost


@frozen
class Denied:
    """The answer to a reservation that is over a limit."""

    limit: LimitName
    retry_after: float
    """Seconds until the same reservation can succeed, for the budget until its next period; ``inf`` if it never can."""


@frozen
class Balance:
    """The answer to a settlement."""

    left: int | None
    """Micro-dollars left of the budget in this period, negative when it is overdrawn; None without a budget."""

    @property
    def spent(self) -> bool:
        """Whether the budget is used up, so that a stream under way must end."""
        return self.left is not None and self.left < 0


@frozen(kw_only=True)
class Standing:
    """What a user has used, for display: read from the counters that decide."""

    user: str
    streams: int = 0
    requests: int = 0
    """Of the present period, rounded up."""
    tokens: int = 0
    micro_usd: int = 0
    """Spent and reserved in the present period of the budget."""


@frozen(kw_only=True)
class Price:
    """Micro-dollars per million tokens."""

    input: int = 0
    output: int = 0
    cache_read: int = 0
    cache_write: int = 0


Ending = Literal["success", "failed", "cancelled", "cut", "lost"]
"""How a call ended: ``cancelled`` by the client, ``cut`` by the gateway, ``lost`` with its process."""


@frozen(kw_only=True)
class AuditStart:
    """The first phase of an audit row, safe on disk before the upstream is called."""

    request_id: str
    """Ours, unique for each request."""
    client_request_id: str = ""
    """The client's own, if it sent one."""
    at: float
    """Unix seconds."""
    user: str
    issuer: str
    plan: str
    route: str
    dialect: DialectName
    model: str
    """As the client named it."""
    upstream: str
    streamed: bool
    stream_id: str = ""
    prompt: bytes | None = field(default=None, repr=False)
    """The body of the request, only where the settings say ``prompts = true``."""


@frozen(kw_only=True)
class AuditEnd:
    """The second phase of an audit row."""

    request_id: str
    at: float
    ending: Ending
    status: int
    """The HTTP status that the client got; 200 where the failure was told in the stream."""
    error: str = ""
    """The class of the error."""
    attempts: int = 0
    upstream_request_id: str = ""
    upstream_model: str = ""
    input_tokens: int | None = None
    """None when the upstream has not said, which is not 0."""
    output_tokens: int | None = None
    cache_read_tokens: int | None = None
    cache_write_tokens: int | None = None
    estimated_tokens: int = 0
    """Counted from the delivered characters where the upstream has not said."""
    micro_usd: int = 0
    first_byte: float | None = None
    """Seconds to the first content."""
    duration: float = 0.0
    on_disconnect: str = ""
    """``cancel`` or ``drain`` if the client left."""
