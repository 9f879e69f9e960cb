"""What can be set about the two modes. Durations are in seconds."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from attrs import field, frozen

from unbroken.headers import Headers
from unbroken.validators import flag, number, optional, refused

API_VERSION: Final = "2023-06-01"

_DURATION = number(above=0)
_WHOLE = number(at_least=0, whole=True)


def _headers(value: Any) -> Headers:
    return Headers.validated(value or ())


def _tuple(value: Iterable[str]) -> tuple[str, ...]:
    if isinstance(value, str):
        raise refused("betas", "must be a list of names, not text")
    return tuple(value)


def _mapping(instance: Any, attribute: Any, value: Any) -> None:
    if value is not None and not isinstance(value, Mapping):
        raise refused(attribute.name, f"must be a mapping, not {type(value).__name__}")


@frozen(kw_only=True)
class AnthropicConfig:
    """Direct mode. What is None is not sent, so the API's own default counts.

    Every bad value is a ConfigurationError that names its field.
    """

    max_tokens: int = field(default=4096, validator=number(at_least=1, whole=True))
    timeout: float = field(default=60.0, validator=_DURATION)
    """Until the first piece of the answer, for each attempt. While it streams, the inactivity timeout counts."""
    retry_attempts: int = field(default=3, validator=_WHOLE)
    """Attempts after the first; without effect where a `retry_config` is given."""
    headers: Headers = field(default=Headers(), converter=_headers)
    """Sent with every request, besides those of the API."""
    temperature: float | None = field(default=None, validator=optional(number(at_least=0, at_most=1)))
    top_p: float | None = field(default=None, validator=optional(number(at_least=0, at_most=1)))
    top_k: int | None = field(default=None, validator=optional(_WHOLE))
    stop_sequences: tuple[str, ...] | None = None
    thinking: Mapping[str, Any] | None = field(default=None, validator=_mapping)
    """Sent as it is, such as ``{"type": "enabled", "budget_tokens": 2048}``."""
    anthropic_version: str = API_VERSION
    betas: tuple[str, ...] = field(default=(), converter=_tuple)
    """Sent as ``anthropic-beta``, untouched."""

    def parameters(self) -> dict[str, Any]:
        """Return the fields of the request that this sets."""
        given: dict[str, Any] = {
            "max_tokens": self.max_tokens,
            "temperature": self.temperature,
            "top_p": self.top_p,
            "top_k": self.top_k,
            "stop_sequences": None if self.stop_sequences is None else list(self.stop_sequences),
            "thinking": None if self.thinking is None else dict(self.thinking),
        }
        return {name: value for name, value in given.items() if value is not None}

    def all_headers(self) -> Headers:
        """Return the headers of every request."""
        own = {"anthropic-version": self.anthropic_version}
        if self.betas:
            own["anthropic-beta"] = ",".join(self.betas)
        return Headers.validated(own).merged(self.headers)


@frozen(kw_only=True)
class ProxyConfig:
    """Proxy mode. Every bad value is a ConfigurationError that names its field."""

    timeout: float = field(default=120.0, validator=_DURATION)
    """Until the first piece of the answer, for each attempt. While it streams, the inactivity timeout counts."""
    retry_attempts: int = field(default=3, validator=_WHOLE)
    """Attempts after the first; without effect where a `retry_config` is given."""
    include_history: bool = field(default=True, validator=flag)
    """Whether the backend is sent the history; one that keeps it itself needs only the message."""
    max_history_messages: int | None = field(default=20, validator=optional(_WHOLE))
    """How many messages before the present one are sent at most, the newest; 0 is none, None is all."""
    headers: Headers = field(default=Headers(), converter=_headers)
    """Sent with every request."""

    @property
    def history_limit(self) -> int | None:
        """How many messages of the history are sent at most, None for all."""
        return self.max_history_messages if self.include_history else 0
