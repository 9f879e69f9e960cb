"""A whole configuration, and what loading another one finds wrong."""

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from unbroken import ConfigurationError
from unbroken_gateway.config.loading import load
from unbroken_gateway.config.settings import Model, Plan, Settings, Upstream
from unbroken_gateway.edge.routes import ROUTES, Route
from unbroken_gateway.values import Price, Principal

STRONG = "q7Zk2mVw9sLxT4bYhN8cRfJ3gPdA6uEo1iQy5tWzKXM"
SECRET = "sk-ant-canary-0123456789abcdef"
ENVIRON = {"ANTHROPIC_API_KEY": SECRET, "UNBROKEN_GATEWAY_PEPPER": STRONG, "REDIS": "redis://:canary-word@cache:6379"}

WHOLE = """
[gateway]
listen = "0.0.0.0:8080"
hosts = ["api.example.com"]
keys = "keys.db"
[gateway.upstreams.claude]
dialect = "anthropic"
url = "https://api.anthropic.com"
key = { env = "ANTHROPIC_API_KEY" }
[gateway.models.default]
upstream = "claude"
model = "claude-sonnet-x"
[gateway.plans.free]
models = ["default"]
"""

Loads = Callable[..., Settings]
Problems = Callable[..., list[tuple[str, str]]]


def settings_of(path: Path, text: str, environ: Mapping[str, str] = ENVIRON) -> Settings:
    """Load `text` from a file at `path`."""
    path.write_text(text, "utf-8")
    return load(path, environ)


def problems_of(path: Path, text: str, environ: Mapping[str, str] = ENVIRON) -> list[tuple[str, str]]:
    """Return the place below ``gateway`` and the message of each problem of `text`."""
    with pytest.raises(ConfigurationError) as caught:
        settings_of(path, text, environ)
    assert {problem.source for problem in caught.value.problems} == {str(path)}
    assert "canary" not in str(caught.value)
    return [(problem.path.removeprefix("gateway."), problem.message) for problem in caught.value.problems]


def route(name: str) -> Route:
    """Return a route by its name."""
    return next(route for route in ROUTES if route.name == name)


def user(plan: str = "free") -> Principal:
    """Return a user of `plan`."""
    return Principal(id="u", issuer="keys", plan=plan)


ANTHROPIC = Upstream(name="claude", dialect="anthropic", url="https://claude.example")
OPENAI = Upstream(name="gpt", dialect="openai", url="https://gpt.example")
SONNET = Model(
    name="default",
    upstream="claude",
    model="claude-x",
    max_tokens=4096,
    price=Price(input=3_000_000, output=15_000_000),
)
OPUS = Model(name="large", upstream="claude", model="claude-y")
GPT = Model(name="gpt", upstream="gpt", model="gpt-x", max_tokens=1000, max_choices=3)

SETTINGS = Settings(
    upstreams={"claude": ANTHROPIC, "gpt": OPENAI},
    models={"default": SONNET, "large": OPUS, "gpt": GPT},
    plans={
        "free": Plan(name="free", models=("default", "gpt")),
        "all": Plan(name="all", models=("*",)),
        "chat": Plan(name="chat", models=("gpt",)),
    },
)
