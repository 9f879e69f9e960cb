"""The timeout policy: default timeouts for the calls that set none of their own."""

from typing import Any, ClassVar, TypedDict, Unpack

from attrs import asdict, frozen

from unbroken import decisions
from unbroken.call import Call
from unbroken.messages import Request, Timeouts
from unbroken.plugin import Order, Plugin

__all__ = ["Timeout", "TimeoutConfig"]


@frozen(kw_only=True)
class TimeoutConfig(Timeouts):
    """The settings of `Timeout`, which are the fields of `Timeouts`."""


class _TimeoutOptions(TypedDict, total=False):
    """The keyword arguments of `Timeout`, one per setting; `TimeoutConfig` documents them."""

    connect: float | None
    first_event: float | None
    idle: float | None
    quiet: float | None
    total: float | None
    count_keepalives: bool
    shadow: bool


class Timeout(Plugin):
    """Sets the timeouts of a call, which the engine enforces: ``Timeout(idle=30, total=120)``.

    A call that has its own `Timeouts` keeps exactly those: the two are not merged field by field. With ``shadow=True``
    the defaults of `Timeouts` stay in force, and the engine reports which of these timeouts would have expired.
    """

    name: ClassVar[str] = "timeout"
    Config: ClassVar[type[Any]] = TimeoutConfig
    order: ClassVar[tuple[Order, ...]] = (
        Order(("retry", "rate-limit"), "the deadline is not known yet when they decide how long to wait"),
    )
    config: TimeoutConfig

    def __init__(self, config: TimeoutConfig | None = None, /, **options: Unpack[_TimeoutOptions]) -> None:
        super().__init__(config, **options)
        self._timeouts = Timeouts(**asdict(self.config))

    def before_request(self, call: Call, request: Request) -> decisions.BeforeRequest:
        """Return `request` with these timeouts, None if it has its own."""
        return None if request.timeouts is not None else request.with_timeouts(self._timeouts)
