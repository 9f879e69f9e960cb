"""The settings of a gateway as values. Their names are those of the TOML file; `loading` reads and checks it."""

from collections.abc import Iterable, Mapping
from typing import Any, Final, Literal

from attrs import field, frozen

from unbroken.validators import number, optional, seconds, text

from ..values import Allowance, DialectName, Price

LOOPBACK_HOSTS: Final = frozenset({"127.0.0.1", "localhost", "::1"})
"""The hosts of a gateway that is reached from its own machine alone."""

_positive = number(above=0)
_count = number(at_least=1, whole=True)


def _lower(names: Iterable[str]) -> frozenset[str]:
    return frozenset(name.lower() for name in names)


@frozen(kw_only=True)
class CORS:
    """``[gateway.cors]``: the web pages that may call the gateway."""

    origins: frozenset[str] = frozenset()


@frozen(kw_only=True)
class Issuer:
    """``[[gateway.issuers]]``: who signs tokens, and what they must say."""

    issuer: str = field(validator=text)
    """The exact ``iss`` of its tokens."""
    audience: str = field(validator=text)
    """What ``aud`` must be."""
    algorithms: tuple[str, ...]
    """Signature algorithms, all of one kind of key."""
    jwks: str | None = None
    """The URL of its public keys."""
    secret: str | None = field(default=None, repr=False)
    """The shared secret of an HS algorithm, in place of `jwks`."""
    max_lifetime: float = field(default=3600.0, validator=_positive)
    """The longest time in seconds from ``iat`` to ``exp``."""
    leeway: float = field(default=30.0, validator=number(at_least=0, at_most=60))
    """Seconds that clocks may differ, at most 60."""
    audience_list: bool = False
    """Whether ``aud`` may be a list."""
    user_claim: str = field(default="sub", validator=text)
    """The claim that identifies a user."""
    plan_claim: str | None = field(default="plan", validator=optional(text))
    """The claim that names the plan; None gives every user the default plan."""
    default_plan: str | None = None
    """The plan of a token without the claim; None refuses it."""


@frozen(kw_only=True)
class Upstream:
    """``[gateway.upstreams.NAME]``: an API behind the gateway."""

    name: str
    dialect: DialectName
    url: str
    """The base, such as ``https://api.anthropic.com``; the path of the route, ``/v1/messages``, is appended."""
    insecure: bool = False
    """Whether `url` may be ``http://`` to another machine, where the key can be read on the way."""
    key: str = field(default="", repr=False)
    """The API key; empty sends none."""
    headers: Mapping[str, str] = field(factory=dict[str, str], repr=False)
    """Further headers of each request."""
    first_event: float | None = field(default=None, validator=optional(_positive))
    """Seconds to the first content; None is the default of the timeout plugin."""
    on_disconnect: Literal["cancel", "drain"] = "cancel"
    """When the client has left: ``drain`` reads on to the end for the usage."""
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
    """``[gateway.models.KEY]``: a model that clients may ask for."""

    name: str = field(validator=text)
    """What clients call it; without one, the key of its table. ``*`` matches every name that no other model has."""
    upstream: str
    """The name of the upstream; its dialect is that of the model."""
    model: str = field(validator=text)
    """What the upstream calls it; ``*`` is the name that the client gave."""
    max_tokens: int = field(default=4096, validator=_count)
    """The most tokens of output that a client may ask for, and the number for a client that does not say."""
    max_choices: int = field(default=1, validator=_count)
    """The most answers (``n``) that a client may ask for."""
    cap_field: Literal["max_completion_tokens", "max_tokens"] = "max_completion_tokens"
    """The field of a chat completion that gets `max_tokens` when the client does not say; older servers know only
    ``max_tokens``."""
    body: Mapping[str, Any] = field(factory=dict[str, Any], repr=False)
    """Fields of the request body that clients cannot change, such as ``{ service_tier = "default" }``."""
    price: Price = Price()
    """In the file in USD per million tokens."""


@frozen(kw_only=True)
class Plan:
    """``[gateway.plans.NAME]``: what its users may use."""

    name: str
    models: tuple[str, ...]
    """Keys of models, the first of a dialect being the default of clients that name none; ``*`` is all."""
    allowance: Allowance = Allowance()
    """From ``requests``, ``tokens``, ``streams`` and ``budget``."""


@frozen(kw_only=True)
class Resume:
    """``[gateway.resume]``: streams that survive a lost connection."""

    enabled: bool = True
    """Whether clients may ask for a resumable stream."""
    always: bool = False
    """Whether each stream is resumable, not only those that ask for it."""
    ttl: float = field(default=600.0, validator=_positive)
    """Seconds that the log of a stream is kept after its last event."""
    grace: float = field(default=30.0, validator=seconds)
    """Seconds that a resumable stream goes on without a reader."""
    max_bytes: int = field(default=4_000_000, validator=_count)
    """Of one log; the oldest frames go first."""
    lease: float = field(default=5.0, validator=_positive)
    """Seconds after which a producer that is silent is taken for dead."""
    readers: int = field(default=3, validator=_count)
    """The most readers of one stream at a time."""
    encryption_key: str | None = field(default=None, repr=False)
    """Base64 of 32 bytes for AES-GCM over the frames at rest; None stores them as they are."""


@frozen(kw_only=True)
class AuditSettings:
    """``[gateway.audit]``: the record of who asked for what."""

    path: str | None = field(default="audit.db", validator=optional(text))
    """The SQLite file; None keeps the rows in memory."""
    prompts: bool = False
    """Whether the bodies of requests are kept."""
    on_failure: Literal["refuse", "go-on"] = "refuse"
    """What happens to requests while no row can be written."""


@frozen(kw_only=True)
class Alias:
    """``[gateway.aliases]``: another path of a route, such as ``"/api/claude" = "/v1/messages"``."""

    path: str
    """The path that clients call."""
    route: str
    """The path of the route that answers."""


@frozen(kw_only=True)
class Settings:
    """A whole configuration."""

    listen: str = "127.0.0.1:8080"
    """Address and port; port 0 takes a free one."""
    admin_listen: str | None = "127.0.0.1:8081"
    """Address and port of the dashboard and the metrics; None has none."""
    admin_credential: str | None = field(default=None, repr=False)
    """What an administrator signs in with; None creates one on the first start on loopback."""
    hosts: frozenset[str] = field(default=LOOPBACK_HOSTS, converter=_lower)
    """The names under which clients may call the gateway, without a port."""
    state: str = field(default="memory", repr=False)
    """``memory``, ``sqlite:PATH`` or a ``redis://`` URL."""
    on_state_failure: Literal["closed", "local"] = "closed"
    """While the state does not answer: ``closed`` refuses, ``local`` gives each worker its share of the limits."""
    workers: int = field(default=1, validator=_count)
    """Processes."""
    keys: str | None = field(default=None, validator=optional(text))
    """The SQLite file of stored keys; None has none."""
    pepper: str | None = field(default=None, repr=False)
    """The secret under which stored keys are hashed; None creates one on the first start on loopback."""
    development_token: str | None = field(default=None, repr=False)
    """A token of everybody on this machine, in the zero configuration only."""
    development_plan: str = "development"
    """The plan of the development token."""
    trusted_proxies: tuple[str, ...] = ()
    """Addresses and networks whose ``X-Forwarded-For`` counts."""
    max_body: int = field(default=32 * 1024 * 1024, validator=_count)
    """The longest body of a request, in bytes."""
    head_deadline: float = field(default=10.0, validator=_positive)
    """Seconds in which the head of a request must be complete."""
    body_deadline: float = field(default=60.0, validator=_positive)
    """Seconds in which its body must be complete."""
    keepalive: float = field(default=15.0, validator=_positive)
    """Seconds between the keep-alives of a silent stream."""
    open_after: float = field(default=10.0, validator=seconds)
    """Seconds after which a stream is opened though nothing has come yet; 0 never."""
    drain: float = field(default=600.0, validator=seconds)
    """Seconds that streams may go on after SIGTERM."""
    send_deadline: float = field(default=30.0, validator=_positive)
    """Seconds after which a client that reads nothing is cut."""
    characters_per_token: float = field(default=4.0, validator=_positive)
    """For the estimate of tokens until the upstream counts them."""
    max_retry_after: float = field(default=3600.0, validator=seconds)
    """The longest retry-after that is forwarded."""
    scope: str | None = None
    """The scope that each token and each stored key must have; None asks for none."""
    bad_credentials: int = field(default=20, validator=_count)
    """The 401s per minute and address after which it gets 429."""
    cors: CORS = CORS()
    issuers: tuple[Issuer, ...] = ()
    upstreams: Mapping[str, Upstream] = field(factory=dict[str, Upstream])
    models: Mapping[str, Model] = field(factory=dict[str, Model])
    plans: Mapping[str, Plan] = field(factory=dict[str, Plan])
    aliases: tuple[Alias, ...] = (Alias(path="/api/claude", route="/v1/messages"),)
    resume: Resume = Resume()
    audit: AuditSettings = AuditSettings()
