"""The settings of the two modes. Durations are in seconds."""

from collections.abc import Callable, Iterable, Mapping
from functools import wraps
from inspect import signature
from typing import Any, Final, TypeVar

from attrs import field, frozen

from unbroken import ConfigurationError, Problem
from unbroken.config import nearest
from unbroken.headers import Headers
from unbroken.validators import flag, instance_of, number, optional, refused

API_VERSION: Final = "2023-06-01"

T = TypeVar("T")

_DURATION = number(above=0)
_WHOLE = number(at_least=0, whole=True)


def checked_names(cls: type[T]) -> type[T]:
    """Make `cls` raise ConfigurationError for an unknown keyword argument; the error offers the nearest name."""
    build: Callable[..., None] = cls.__init__
    known = list(signature(build).parameters)[1:]

    @wraps(build)
    def checked(self: T, *arguments: Any, **values: Any) -> None:
        what = f"is not a setting of {cls.__name__}"
        unknown = [Problem(name, what + nearest(name, known)) for name in values if name not in known]
        if unknown:
            raise ConfigurationError.of(*unknown)
        build(self, *arguments, **values)

    cls.__init__ = checked  # type: ignore[method-assign, assignment]
    return cls


def _headers(value: Any) -> Headers:
    return Headers.validated(value or ())


def _tuple(value: Iterable[str]) -> tuple[str, ...]:
    if isinstance(value, str):
        raise refused("betas", "must be a list of names, not text")
    return tuple(value)


@checked_names
@frozen(kw_only=True)
class AnthropicConfig:
    """The settings of direct mode. A field that is None is not sent, so the API's own default applies.

    Raises ConfigurationError that names a bad field.
    """

    max_tokens: int = field(default=4096, validator=number(at_least=1, whole=True))
    timeout: float = field(default=600.0, validator=_DURATION)
    """Seconds until the first content of each attempt. From then on the stream inactivity timeout applies."""
    retry_attempts: int = field(default=3, validator=_WHOLE)
    """Retries after the first attempt. Has no effect if a `retry_config` is given."""
    headers: Headers = field(default=Headers(), converter=_headers)
    """Sent with every request, in addition to the headers of the API."""
    temperature: float | None = field(default=None, validator=optional(number(at_least=0, at_most=1)))
    top_p: float | None = field(default=None, validator=optional(number(at_least=0, at_most=1)))
    top_k: int | None = field(default=None, validator=optional(_WHOLE))
    stop_sequences: tuple[str, ...] | None = None
    thinking: Mapping[str, Any] | None = field(default=None, validator=optional(instance_of(Mapping, "a mapping")))
    """Sent unchanged, such as ``{"type": "enabled", "budget_tokens": 2048}``."""
    anthropic_version: str = API_VERSION
    betas: tuple[str, ...] = field(default=(), converter=_tuple)
    """Sent as the ``anthropic-beta`` header."""

    def parameters(self) -> dict[str, Any]:
        """Return the fields of the request body that are set here."""
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
        """Return the headers that every request has."""
        own = {"anthropic-version": self.anthropic_version}
        if self.betas:
            own["anthropic-beta"] = ",".join(self.betas)
        return Headers.validated(own).merged(self.headers)


@checked_names
@frozen(kw_only=True)
class ModelConfig:
    """The settings of direct mode for any API but Messages. A field that is None is not sent.

    Each API gives the fields its own names (``max_output_tokens``, ``stop`` …). Raises ConfigurationError that names a
    bad field.
    """

    max_tokens: int | None = field(default=None, validator=optional(number(at_least=1, whole=True)))
    timeout: float = field(default=600.0, validator=_DURATION)
    """Seconds until the first content of each attempt. From then on the stream inactivity timeout applies."""
    retry_attempts: int = field(default=3, validator=_WHOLE)
    """Retries after the first attempt. Has no effect if a `retry_config` is given."""
    headers: Headers = field(default=Headers(), converter=_headers)
    """Sent with every request."""
    temperature: float | None = field(default=None, validator=optional(number(at_least=0)))
    top_p: float | None = field(default=None, validator=optional(number(at_least=0, at_most=1)))
    stop_sequences: tuple[str, ...] | None = None

    def parameters(self) -> dict[str, Any]:
        """Return the settings of the reply that are set here, under the names of the fields."""
        given: dict[str, Any] = {
            "max_tokens": self.max_tokens,
            "temperature": self.temperature,
            "top_p": self.top_p,
            "stop_sequences": None if self.stop_sequences is None else list(self.stop_sequences),
        }
        return {name: value for name, value in given.items() if value is not None}

    def all_headers(self) -> Headers:
        """Return the headers that every request has."""
        return self.headers


@checked_names
@frozen(kw_only=True)
class ProxyConfig:
    """The settings of proxy mode. Raises ConfigurationError that names a bad field."""

    timeout: float = field(default=600.0, validator=_DURATION)
    """Seconds until the first content of each attempt. From then on the stream inactivity timeout applies."""
    retry_attempts: int = field(default=3, validator=_WHOLE)
    """Retries after the first attempt. Has no effect if a `retry_config` is given."""
    include_history: bool = field(default=True, validator=flag)
    """Whether to send the history. A backend that keeps the history itself needs only the message."""
    max_history_messages: int | None = field(default=20, validator=optional(_WHOLE))
    """The largest number of earlier messages to send. The newest are sent; 0 sends none, None sends all."""
    headers: Headers = field(default=Headers(), converter=_headers)
    """Sent with every request."""

    @property
    def history_limit(self) -> int | None:
        """The largest number of messages of the history to send; None for all."""
        return self.max_history_messages if self.include_history else 0


DirectConfig = AnthropicConfig | ModelConfig
ModeConfig = DirectConfig | ProxyConfig
