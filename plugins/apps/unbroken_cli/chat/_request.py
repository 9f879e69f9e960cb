"""What the command line asks for, and which server that means."""

from collections.abc import Mapping, Sequence
from typing import Final, Literal, get_args

import typer
from attrs import field, frozen

DEFAULT_MODEL: Final = "claude-sonnet-4-5"
"""What Anthropic is asked for without ``--model``."""

ANTHROPIC_KEY: Final = "ANTHROPIC_API_KEY"
OPENAI_KEY: Final = "OPENAI_API_KEY"
TOKEN: Final = "UNBROKEN_TOKEN"  # noqa: S105 - the name of a variable

Wire = Literal["anthropic", "openai"]
Way = Literal["direct", "proxy", "compatible", "embedded"]


@frozen(kw_only=True)
class ChatRequest:
    """What the command line says. Raises BadParameter for options that do not fit together."""

    question: str | None = None
    model: str | None = None
    max_tokens: int | None = None
    system: str | None = None
    endpoint: str | None = None
    token: str | None = field(default=None, repr=False)
    dialect: str = "anthropic"
    base_url: str | None = None
    plugins: Sequence[str] | None = None
    config: str | None = None

    def __attrs_post_init__(self) -> None:
        wires = get_args(Wire)
        if self.dialect not in wires:
            raise _bad("--dialect", f"{self.dialect!r} is not {' or '.join(wires)}")
        if self.endpoint is not None and self.base_url is not None:
            raise _bad("--endpoint", "is a backend of your own, --base-url an API; choose one")
        if self.endpoint is not None and self.dialect != "anthropic":
            raise _bad("--endpoint", "speaks the Messages API; for others use --base-url")
        if self.endpoint is None and self.token is not None:
            raise _bad("--token", "is for --endpoint; the API keys are read from the environment")
        if self.dialect == "openai" and self.base_url is None:
            raise _bad("--dialect", "openai needs --base-url, such as http://127.0.0.1:8080/v1")

    def way(self, environ: Mapping[str, str]) -> Way:
        """Return who is asked. Raises BadParameter when a key is missing. An empty variable is like none."""
        if self.endpoint is not None:
            return "proxy"
        if self.dialect == "openai":
            return "compatible"
        if environ.get(ANTHROPIC_KEY):
            return "direct"
        if self.base_url is not None:
            raise _bad("--base-url", f"needs a key in {ANTHROPIC_KEY}, or --dialect openai")
        return "embedded"


def _bad(option: str, message: str) -> typer.BadParameter:
    return typer.BadParameter(message, param_hint=option)
