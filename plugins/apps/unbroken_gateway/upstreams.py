"""The clients of the upstreams, each with its policies."""

from collections.abc import Callable, Sequence
from typing import Final
from urllib.parse import urlsplit

from attrs import define, field

from unbroken import AsyncClient, AsyncTransport, Clock
from unbroken.config import default_plugins
from unbroken.registry import resolve_plugins
from unbroken_fallback import Fallback, Target
from unbroken_metrics import Metrics

from .phases import Phases
from .settings import Settings, Upstream
from .traffic import Phase

_CREDENTIAL: Final = {"anthropic": ("x-api-key", "{}"), "openai": ("authorization", "Bearer {}")}
_VERSION: Final = ("anthropic-version", "2023-06-01")


def credentials(upstream: Upstream) -> dict[str, str]:
    """Return the headers that carry the key of an upstream, and the further ones of its settings."""
    headers: dict[str, str] = dict([_VERSION]) if upstream.dialect == "anthropic" else {}
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
    own = urlsplit(upstream.url).path.rstrip("/")
    return [Fallback(targets=targets, prefix=own), *plugins]


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

    def __attrs_post_init__(self) -> None:
        for name, upstream in self.settings.upstreams.items():
            others = [self.settings.upstreams[other] for other in upstream.fallback]
            self.clients[name] = AsyncClient(
                [Phases(self.reached), self.metrics, *policies(upstream, others)],
                dialect=upstream.dialect,
                headers=credentials(upstream),
                clock=self.clock,
                transport=self.transport,
                insecure=True,  # `loading` has refused addresses that are not safe
            )

    def url(self, name: str, path: str, query: str = "") -> str:
        """Return the address of `path` at an upstream."""
        return f"{self.settings.upstreams[name].url.rstrip('/')}{path}{'?' + query if query else ''}"

    async def aclose(self) -> None:
        """Close all connections."""
        for client in self.clients.values():
            await client.aclose()
