"""What the command line asks for, and which kind of server that means."""

from collections.abc import Mapping, Sequence
from typing import Final, Literal, get_args

import typer
from attrs import field, frozen

from unbroken_chat import GeminiApi, OllamaApi

DEFAULT_MODEL: Final = "claude-sonnet-4-5"
"""The model that Anthropic is asked for without ``--model``."""
OPENAI_MODEL: Final = "gpt-5.4-mini"
"""The model that OpenAI is asked for without ``--model``."""

GEMINI_MODEL: Final = "gemini-flash-latest"
"""The model that Google is asked for without ``--model``."""

ANTHROPIC_KEY: Final = "ANTHROPIC_API_KEY"
OPENAI_KEY: Final = "OPENAI_API_KEY"
GEMINI_KEY: Final = GeminiApi.key
OLLAMA_KEY: Final = OllamaApi.key
TOKEN: Final = "UNBROKEN_TOKEN"  # noqa: S105 - the name of a variable

Wire = Literal["anthropic", "openai", "gemini", "ollama"]
Way = Literal["direct", "proxy", "compatible", "gemini", "ollama", "embedded"]


@frozen(kw_only=True)
class ChatRequest:
    """The options of the command line. Raises BadParameter for options that exclude each other."""

    question: str | None = None
    model: str | None = None
    max_tokens: int | None = None
    system: str | None = None
    endpoint: str | None = None
    token: str | None = field(default=None, repr=False)
    dialect: str | None = None
    base_url: str | None = None
    demo: bool = False
    plugins: Sequence[str] | None = None
    config: str | None = None
    insecure: bool = False

    def __attrs_post_init__(self) -> None:
        wires = get_args(Wire)
        if self.dialect is not None and self.dialect not in wires:
            raise _bad("--dialect", f"{self.dialect!r} is none of {', '.join(wires)}")
        if self.demo and (self.endpoint, self.base_url, self.dialect) != (None, None, None):
            raise _bad("--demo", "asks the embedded server; leave out --endpoint, --base-url and --dialect")
        if self.endpoint is not None and self.base_url is not None:
            raise _bad("--endpoint", "is a backend of your own, --base-url an API; choose one")
        if self.endpoint is not None and self.dialect not in {None, "anthropic"}:
            raise _bad("--endpoint", "speaks the Messages API; for others use --base-url")
        if self.endpoint is None and self.token is not None:
            raise _bad("--token", "is for --endpoint; the API keys are read from the environment")

    def way(self, environ: Mapping[str, str], *, conversation: bool = False) -> Way:
        """Return which kind of server is asked. An empty variable counts as unset.

        Without a key, the embedded server answers only in a `conversation`, whose prompt says so, or with ``--demo``: a
        made-up answer must not end up in a script. Raises BadParameter when a key is missing.
        """
        if self.demo:
            return "embedded"
        if self.endpoint is not None:
            return "proxy"
        if self.dialect == "openai":
            return self._openai(environ)
        if self.dialect == "gemini":
            return self._gemini(environ)
        if self.dialect == "ollama":
            return self._ollama()
        if environ.get(ANTHROPIC_KEY):
            return "direct"
        if self.base_url is not None:
            raise _bad("--base-url", f"needs a key in {ANTHROPIC_KEY}, or --dialect openai")
        if self.dialect is None and environ.get(OPENAI_KEY):
            return "compatible"
        if conversation and self.dialect is None:
            return "embedded"
        raise typer.BadParameter(
            f"nobody to ask: set {ANTHROPIC_KEY} or {OPENAI_KEY}, or give --endpoint or --base-url; --demo asks the"
            " embedded server, which makes its answers up"
        )

    def _openai(self, environ: Mapping[str, str]) -> Way:
        if self.base_url is None and not environ.get(OPENAI_KEY):
            raise _bad("--dialect", f"openai needs a key in {OPENAI_KEY}, or --base-url http://127.0.0.1:8080/v1")
        return "compatible"

    def _gemini(self, environ: Mapping[str, str]) -> Way:
        if self.base_url is None and not environ.get(GEMINI_KEY):
            raise _bad("--dialect", f"gemini needs a key in {GEMINI_KEY}, or --base-url")
        return "gemini"

    def _ollama(self) -> Way:
        if self.model is None:
            raise _bad("--model", "is needed for ollama: the name of a model that it has, as `ollama list` shows it")
        return "ollama"


def _bad(option: str, message: str) -> typer.BadParameter:
    return typer.BadParameter(message, param_hint=option)
