"""Who takes part. Each module has its contestants of either backend, by name, in `SYNC` and `ASYNC`.

A contestant is made with the base of its URL and the path of a certificate authority; `pull` makes one request and
returns what it has collected, of the `kind` that `payloads.text_of` knows. An async one awaits `opened`, when it is
given, as soon as the stream is open.
"""

import importlib
from typing import Any, NamedTuple


class Contestant(NamedTuple):
    """A library, and a way to use it."""

    name: str
    module: str
    package: str = ""
    """What is installed for it; nothing for this library and what it needs."""
    api: str = "anthropic"
    slow: int = 1
    """It is asked so many times less often."""
    tls: bool = False
    """Whether it is measured over TLS too."""
    many: bool = False
    """Whether it is measured with many streams and with many tasks too."""
    backends: tuple[str, ...] = ("sync", "asyncio")


CONTESTANTS = (
    Contestant("httpx raw", "httpx_raw", "httpx", tls=True, many=True),
    Contestant("httpx raw, OpenAI", "httpx_raw", "httpx", api="openai"),
    Contestant("bare socket", "bare", many=True),
    Contestant("aiohttp raw", "aiohttp_raw", "aiohttp", tls=True, many=True, backends=("asyncio",)),
    Contestant("Unbroken events", "ours", tls=True, many=True),
    Contestant("Unbroken six plugins", "ours", many=True),
    Contestant("Unbroken text()", "ours", tls=True),
    Contestant("Unbroken typed()", "ours"),
    Contestant("Unbroken builder", "ours"),
    Contestant("anthropic create()", "anthropic_sdk", "anthropic", tls=True, many=True),
    Contestant("anthropic helper", "anthropic_sdk", "anthropic"),
    Contestant("anthropic under Unbroken", "under", tls=True, many=True),
    Contestant("Unbroken OpenAI text()", "ours", api="openai"),
    Contestant("openai create()", "openai_sdk", "openai", api="openai", slow=2),
    Contestant("openai under Unbroken", "under", api="openai", slow=2),
    Contestant("litellm", "litellm_completion", "litellm", api="openai", slow=8),
)
BASELINES = {"anthropic": "httpx raw", "openai": "httpx raw, OpenAI"}


def load(name: str, backend: str) -> Any:
    """Import the module of a contestant and return what makes its client. Raises KeyError when it has none."""
    module = next(each.module for each in CONTESTANTS if each.name == name)
    found = importlib.import_module(f".{module}", __name__)
    return getattr(found, {"sync": "SYNC", "asyncio": "ASYNC"}[backend])[name]
