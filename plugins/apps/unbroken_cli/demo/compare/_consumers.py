"""The consumers: the SDKs and Unbroken. Each makes one call as its documentation shows, with the same limits."""

import ssl
from collections.abc import Callable, Mapping
from functools import cache, partial
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from time import monotonic
from typing import Any, Final, TypeAlias

from attrs import define, field, frozen

from unbroken import Client, Dialect
from unbroken_anthropic import Anthropic
from unbroken_openai import OpenAI
from unbroken_retry import Retry
from unbroken_timeout import Timeout

SILENCE: Final = 1.0
"""Seconds without progress: the SDKs' ``timeout``, Unbroken's first-event and idle timeouts."""
RETRIES: Final = 3
BACK_OFF: Final = 0.5
"""Seconds before the first retry: a constant of both SDKs, a setting of Unbroken."""
KEY: Final = "sk-unbroken-compare"
_ASKED: Final = [{"role": "user", "content": "Tell me how you are."}]


@define(eq=False)
class Heard:
    """The answer as a consumer receives it. The thread that writes it may go on after the cell was given up."""

    text: str = ""
    stop_reason: str | None = None
    """Of the SDK's final message. Unbroken sets none: it raises where an SDK would have no reason."""
    attempts: int = 0
    started: float = field(factory=monotonic)
    error: Exception | None = None
    seconds: float | None = None
    """How long the call took; None while it runs."""

    def begin(self) -> None:
        """Note the beginning of the call; the client is made before it."""
        self.started = monotonic()

    def end(self, error: Exception | None = None) -> None:
        """Note the end of the call, and its error."""
        self.error = error
        self.seconds = monotonic() - self.started


Listen: TypeAlias = Callable[[str, Heard], None]
"""Makes one call to the server at a URL and records what arrives; raises the error that the consumer gets."""


@frozen(kw_only=True)
class Consumer:
    """A client of one of the APIs."""

    name: str
    version: str
    ours: bool
    listen: Listen

    def __str__(self) -> str:
        return f"{self.name} {self.version}"


@frozen(kw_only=True)
class Api:
    """An API: the SDK of its vendor, and the dialect and request for Unbroken."""

    title: str
    package: str
    """The name of the SDK: of its distribution and of its module."""
    usage: str
    """The call of the SDK, as it is shown to the user."""
    sdk: Listen
    path: str
    dialect: Callable[[], Dialect]
    body: Mapping[str, Any]
    headers: Mapping[str, str]

    def ours(self) -> Consumer:
        """Return Unbroken as a consumer of this API."""
        return Consumer(name="unbroken", version=version("unbroken"), ours=True, listen=partial(_unbroken, self))

    def theirs(self) -> Consumer | None:
        """Return the SDK as a consumer, None when it is not installed. It is imported by its first call."""
        try:
            return Consumer(name=self.package, version=version(self.package), ours=False, listen=self.sdk)
        except PackageNotFoundError:
            return None


@cache
def _verify() -> ssl.SSLContext:
    # Reading the certificates is the slowest part of making a client, and none is needed here.
    return ssl.create_default_context()


def _sdk_options(sdk: Any) -> dict[str, Any]:
    # The SDK's own HTTP client, but without proxies from the environment: all calls stay on this machine.
    http = sdk.DefaultHttpxClient(trust_env=False, verify=_verify())
    return {"api_key": KEY, "timeout": SILENCE, "max_retries": RETRIES, "http_client": http}


def _anthropic(url: str, heard: Heard) -> None:
    sdk: Any = import_module("anthropic")
    with sdk.Anthropic(base_url=url, **_sdk_options(sdk)) as client:
        heard.begin()
        with client.messages.stream(model="claude-unbroken", max_tokens=64, messages=_ASKED) as stream:
            for piece in stream.text_stream:
                heard.text += piece
            heard.stop_reason = stream.get_final_message().stop_reason


def _openai(url: str, heard: Heard) -> None:
    sdk: Any = import_module("openai")
    with sdk.OpenAI(base_url=f"{url}/v1", **_sdk_options(sdk)) as client:
        heard.begin()
        with client.chat.completions.stream(model="gpt-unbroken", messages=_ASKED) as stream:
            for event in stream:
                if event.type == "content.delta":
                    heard.text += event.delta
            heard.stop_reason = stream.get_final_completion().choices[0].finish_reason


def _unbroken(api: Api, url: str, heard: Heard) -> None:
    timeouts = Timeout(connect=SILENCE, first_event=SILENCE, idle=SILENCE)
    plugins = [timeouts, Retry(max_retries=RETRIES, initial_delay=BACK_OFF)]
    with Client(plugins, dialect=api.dialect(), headers=api.headers, verify=_verify()) as client:
        stream = client.stream("POST", f"{url}{api.path}", json=dict(api.body))
        heard.begin()
        try:
            with stream:
                for piece in stream.text():
                    heard.text += piece
        finally:
            heard.attempts = stream.attempts


APIS: Final = (
    Api(
        title="Messages API",
        package="anthropic",
        usage=f"anthropic.Anthropic(timeout={SILENCE:g}, max_retries={RETRIES}).messages.stream(...)",
        sdk=_anthropic,
        path="/v1/messages",
        dialect=Anthropic,
        body={"model": "claude-unbroken", "max_tokens": 64, "stream": True, "messages": _ASKED},
        headers={"x-api-key": KEY, "anthropic-version": "2023-06-01"},
    ),
    Api(
        title="Chat Completions API",
        package="openai",
        usage=f"openai.OpenAI(timeout={SILENCE:g}, max_retries={RETRIES}).chat.completions.stream(...)",
        sdk=_openai,
        path="/v1/chat/completions",
        dialect=OpenAI,
        body={"model": "gpt-unbroken", "stream": True, "messages": _ASKED},
        headers={"Authorization": f"Bearer {KEY}"},
    ),
)
OURS: Final = (
    f"unbroken.Client(plugins=[Timeout(first_event={SILENCE:g}, idle={SILENCE:g}), "
    f"Retry(max_retries={RETRIES}, initial_delay={BACK_OFF:g})])"
)
"""The client of Unbroken, as it is shown to the user."""
