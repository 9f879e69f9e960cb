"""The clients of the upstreams, each with its policies."""

from collections.abc import Callable, Sequence
from typing import Final
from urllib.parse import urlsplit

from attrs import define, field

from unbroken import AsyncClient, AsyncTransport, Clock
from unbroken.config import default_plugins
from unbroken.registry import resolve_plugins
from unbroken_circuit_breaker import CircuitBreaker
from unbroken_fallback import Fallback, Target
from unbroken_metrics import Metrics
from unbroken_rate_limit import RateLimit

from ..config.settings import Settings, Upstream
from ..traffic import Phase
from .phases import Phases

_CREDENTIAL: Final = {"anthropic": ("x-api-key", "{}"), "openai": ("authorization", "Bearer {}")}
_VERSION: Final = ("anthropic-version", "2023-06-01")


def credentials(upstream: Upstream) -> dict[str, str]:
    """Return the headers that carry the key of an upstream, and the further ones of its settings."""
    headers: dict[str, str] = {}
    if upstream.dialect == "anthropic":
        headers[_VERSION[0]] = _VERSION[1]
    if upstream.key:
        name, form = _CREDENTIAL[upstream.dialect]
        headers[name] = form.format(upstream.key)
    return {**headers, **upstream.headers}


def policies(upstream: Upstream, others: Sequence[Upstream]) -> list[object]:
    """Return the plugins of the calls of an upstream, with its fallbacks in front. Raises ConfigurationError."""
    tables = dict(upstream.policies)
    names = default_plugins() if upstream.plugins is None else upstream.plugins
    if upstream.first_event is not None:
        tables["timeout"] = {"first_event": upstream.first_event, **tables.get("timeout", {})}
    plugins = resolve_plugins(names, tables, environ={}, cwd="/")
    if not others:
        return plugins
    targets = [
        Target(name=other.name, url=f"{other.url.rstrip('/')}{{path}}", headers=credentials(other)) for other in others
    ]
    return [Fallback(targets=targets, prefix=urlsplit(upstream.url).path.rstrip("/")), *plugins]


@define(eq=False)
class Upstreams:
    """One client for each upstream."""

    settings: Settings
    metrics: Metrics
    """Counts the calls of all clients, and knows their circuits."""
    reached: Callable[[str, Phase], None]
    """Told of the phases of calls."""
    clock: Clock
    transport: AsyncTransport | None = None
    clients: dict[str, AsyncClient] = field(factory=dict[str, AsyncClient], init=False, repr=False)
    _policies: dict[str, list[object]] = field(factory=dict[str, list[object]], init=False, repr=False)

    def __attrs_post_init__(self) -> None:
        for name, upstream in self.settings.upstreams.items():
            others = [self.settings.upstreams[other] for other in upstream.fallback]
            plugins = policies(upstream, others)
            self._policies[name] = plugins
            self.clients[name] = AsyncClient(
                [Phases(self.reached), self.metrics, *plugins],
                dialect=upstream.dialect,
                headers=credentials(upstream),
                clock=self.clock,
                transport=self.transport,
                insecure=True,  # `loading` has refused addresses that are not safe
            )

    def url(self, name: str, path: str, query: str = "") -> str:
        """Return the address of `path` at an upstream."""
        return f"{self.settings.upstreams[name].url.rstrip('/')}{path}{'?' + query if query else ''}"

    def known(self) -> dict[str, float]:
        """Return which circuits are open and which gates are closed here, each with the seconds that are left."""
        found: dict[str, float] = {}
        for name, plugins in self._policies.items():
            for plugin in plugins:
                if isinstance(plugin, CircuitBreaker):
                    left = {key: each.retry_after or 0.0 for key, each in plugin.snapshot().items()}
                    found |= {f"{name} circuit {key}": seconds for key, seconds in left.items() if seconds > 0}
                elif isinstance(plugin, RateLimit):
                    gates = {key: each.gate for key, each in plugin.snapshot().items() if isinstance(key, str)}
                    found |= {f"{name} gate {key}": seconds for key, seconds in gates.items() if seconds > 0}
        return found

    def learn(self, what: str, seconds: float) -> None:
        """Open a circuit or close a gate that another worker has told, for `seconds`."""
        name, _, rest = what.partition(" ")
        kind, _, key = rest.partition(" ")
        for plugin in self._policies.get(name, ()):
            if kind == "circuit" and isinstance(plugin, CircuitBreaker):
                plugin.trip(key, seconds)
            elif kind == "gate" and isinstance(plugin, RateLimit):
                plugin.pause(key, seconds)

    async def aclose(self) -> None:
        """Close all connections."""
        for client in self.clients.values():
            await client.aclose()
