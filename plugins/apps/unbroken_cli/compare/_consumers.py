"""The consumers: each makes one call as its documentation shows, with the same limits."""

import ssl
from collections.abc import Callable, Mapping
from functools import cache, partial
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Final, TypeAlias

from attrs import frozen

from unbroken import Client, Dialect
from unbroken_anthropic import Anthropic
from unbroken_openai import OpenAI
from unbroken_retry import Retry
from unbroken_timeout import Timeout

from ._heard import Heard

SILENCE: Final = 1.0
"""Seconds without anything new: the SDKs' ``timeout``, Unbroken's first-event and idle timeouts."""
RETRIES: Final = 3
BACK_OFF: Final = 0.5
"""Seconds before the first retry: a constant of both SDKs, a setting of Unbroken."""
KEY: Final = "sk-unbroken-compare"
_ASKED: Final = [{"role": "user", "content": "Tell me how you are."}]

Listen: TypeAlias = Callable[[str, Heard], None]
"""Makes one call to a server and writes down what arrives; raises what the consumer gets."""


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
    """An API, the SDK of its vendor, and how Unbroken is told about it."""

    title: str
    package: str
    """The distribution and the module of the SDK."""
    usage: str
    """How the SDK is called, as it is shown."""
    sdk: Listen
    path: str
    dialect: Callable[[], Dialect]
    body: Mapping[str, Any]
    headers: Mapping[str, str]

    def ours(self) -> Consumer:
        """Return Unbroken as a consumer of this API."""
        return Consumer(name="unbroken", version=version("unbroken"), ours=True, listen=partial(_unbroken, self))

    def theirs(self) -> Consumer | None:
        """Return the SDK, which is not imported before it listens; None when it is not installed."""
        try:
            return Consumer(name=self.package, version=version(self.package), ours=False, listen=self.sdk)
        except PackageNotFoundError:
            return None


@cache
def _verify() -> ssl.SSLContext:
    # What takes longest in making a client is to read the certificates, of which none is needed here.
    return ssl.create_default_context()


def _sdk_options(sdk: Any) -> dict[str, Any]:
    # The SDK's own HTTP client, but that it must not find a proxy in the environment: this stays on the machine.
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
"""How Unbroken is called, as it is shown."""
