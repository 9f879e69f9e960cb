"""The settings of a gateway as values. Their names are those of the TOML file; `loading` reads and checks it."""

from collections.abc import Mapping
from typing import Any, Literal

from attrs import field, frozen

from .values import Allowance, DialectName, Price


@frozen(kw_only=True)
class CORS:
    """``[gateway.cors]``: the web pages that may call the gateway."""

    origins: frozenset[str] = frozenset()


@frozen(kw_only=True)
class Issuer:
    """``[[gateway.issuers]]``: who signs tokens, and what they must say."""

    issuer: str
    audience: str
    algorithms: tuple[str, ...]
    """Signature algorithms, all of one kind of key."""
    jwks: str | None = None
    """The URL of its public keys."""
    secret: str | None = field(default=None, repr=False)
    """The shared secret of an HS algorithm, in place of `jwks`."""
    max_lifetime: float = 3600.0
    """The longest time in seconds from ``iat`` to ``exp``."""
    leeway: float = 30.0
    """Seconds that clocks may differ, at most 60."""
    audience_list: bool = False
    """Whether ``aud`` may be a list."""
    user_claim: str = "sub"
    plan_claim: str | None = "plan"
    default_plan: str | None = None
    """The plan of a token without the claim; None refuses it."""


@frozen(kw_only=True)
class Upstream:
    """``[gateway.upstreams.NAME]``: an API behind the gateway."""

    name: str
    dialect: DialectName
    url: str
    """The base, such as ``https://api.anthropic.com``; the path of the route is appended."""
    key: str = field(default="", repr=False)
    headers: Mapping[str, str] = field(factory=dict[str, str], repr=False)
    """Further headers of each request."""
    first_event: float | None = None
    """Seconds to the first content; None is the default of the timeout plugin."""
    on_disconnect: Literal["cancel", "drain"] = "cancel"
    fallback: tuple[str, ...] = ()
    """Names of the upstreams to try next, of the same dialect."""
    plugins: tuple[str, ...] | None = None
    """The policies of its calls; None is the default list."""
    policies: Mapping[str, Any] = field(factory=dict[str, Any], repr=False)
    """The tables of its policies, such as ``{"retry": {"max_retries": 1}}``."""
    show_errors: bool = False
    """Whether the text of a 400 of this API may be shown to clients."""


@frozen(kw_only=True)
class Model:
    """``[gateway.models.NAME]``: a name that clients may ask for."""

    name: str
    upstream: str
    model: str
    """The name that the upstream knows."""
    max_tokens: int = 4096
    """The default, and the most that a client may ask for."""
    price: Price = Price()


@frozen(kw_only=True)
class Plan:
    """``[gateway.plans.NAME]``: what its users may use."""

    name: str
    models: tuple[str, ...]
    """Names of models, the first of a dialect being the default of clients that name none; ``*`` is all."""
    allowance: Allowance = Allowance()
    """From ``requests``, ``tokens``, ``streams`` and ``budget``."""


@frozen(kw_only=True)
class Resume:
    """``[gateway.resume]``."""

    enabled: bool = True
    always: bool = False
    """Whether each stream is resumable, not only those that ask for it."""
    ttl: float = 600.0
    """Seconds that the log of a stream is kept after its last event."""
    grace: float = 30.0
    """Seconds that a resumable stream goes on without a reader."""
    max_bytes: int = 4_000_000
    """Of one log; the oldest frames go first."""
    lease: float = 5.0
    """Seconds after which a producer that is silent is taken for dead."""
    readers: int = 3
    """The most readers of one stream at a time."""
    encryption_key: str | None = field(default=None, repr=False)
    """Base64 of 32 bytes for AES-GCM over the frames at rest; None stores them as they are."""


@frozen(kw_only=True)
class AuditSettings:
    """``[gateway.audit]``."""

    path: str | None = "audit.db"
    """The SQLite file; None keeps the rows in memory."""
    prompts: bool = False
    on_failure: Literal["refuse", "go-on"] = "refuse"


@frozen(kw_only=True)
class Alias:
    """``[gateway.aliases]``: another path of a route, such as ``"/api/claude" = "/v1/messages"``."""

    path: str
    route: str


@frozen(kw_only=True)
class Settings:
    """A whole configuration."""

    listen: str = "127.0.0.1:8080"
    admin_listen: str | None = "127.0.0.1:8081"
    """None has no admin port."""
    admin_credential: str | None = field(default=None, repr=False)
    hosts: frozenset[str] = frozenset({"127.0.0.1", "localhost", "::1"})
    """The names under which clients may call the gateway, without a port."""
    state: str = "memory"
    """``memory``, ``sqlite:PATH`` or a ``redis://`` URL."""
    on_state_failure: Literal["closed", "local"] = "closed"
    workers: int = 1
    keys: str | None = None
    """The SQLite file of stored keys; None has none."""
    pepper: str | None = field(default=None, repr=False)
    """Of the stored keys; comes from the environment."""
    development_token: str | None = field(default=None, repr=False)
    """A token of everybody on this machine, in the zero configuration only."""
    development_plan: str = "development"
    trusted_proxies: tuple[str, ...] = ()
    """Addresses and networks whose ``X-Forwarded-For`` counts."""
    max_body: int = 32 * 1024 * 1024
    """Bytes."""
    head_deadline: float = 10.0
    body_deadline: float = 60.0
    keepalive: float = 15.0
    """Seconds between the keep-alives of a silent stream."""
    open_after: float = 10.0
    """Seconds after which a stream is opened though nothing has come yet; 0 never."""
    drain: float = 600.0
    """Seconds that streams may go on after SIGTERM."""
    send_deadline: float = 30.0
    """Seconds after which a client that reads nothing is cut."""
    characters_per_token: float = 4.0
    """For the estimate of tokens until the upstream counts them."""
    max_retry_after: float = 3600.0
    """The longest retry-after that is forwarded."""
    bad_credentials: int = 20
    """The 401s per minute and address after which it gets 429."""
    cors: CORS = CORS()
    issuers: tuple[Issuer, ...] = ()
    upstreams: Mapping[str, Upstream] = field(factory=dict[str, Upstream])
    models: Mapping[str, Model] = field(factory=dict[str, Model])
    plans: Mapping[str, Plan] = field(factory=dict[str, Plan])
    aliases: tuple[Alias, ...] = (Alias(path="/api/claude", route="/v1/messages"),)
    resume: Resume = Resume()
    audit: AuditSettings = AuditSettings()
