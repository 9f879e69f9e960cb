"""Policies in each of the ways in which a third party changes what others do: beside, around, in front, within."""

from collections.abc import Generator
from typing import Any

import pluggy
from attrs import evolve, field, frozen

from unbroken import Call, Error, Event, GiveUp, Plugin, Reject, Request, ServerError, TryAgain, hookimpl
from unbroken.decisions import ShouldRetry
from unbroken.plugin import NoConfig
from unbroken.validators import flag, number
from unbroken_retry import Retry, RetryConfig

__all__ = ["Alarm", "Budget", "BudgetConfig", "Gate", "GateConfig", "NotedRetry", "NotedRetryConfig", "Old", "Quiet"]

hookspec = pluggy.HookspecMarker("unbroken")


@frozen(kw_only=True)
class NotedRetryConfig(RetryConfig):
    """The settings of `NotedRetry`: those of retry, and one more."""

    note: str = "acme"


class NotedRetry(Retry):
    """Extends the policy of Unbroken: its decisions have a note."""

    name = "acme-retry"
    Config = NotedRetryConfig
    config: NotedRetryConfig

    def __init__(self, config: NotedRetryConfig | None = None, /, **values: Any) -> None:
        super().__init__(config, **values)

    def should_retry(self, call: Call, error: Error) -> ShouldRetry:
        answer = super().should_retry(call, error)
        if not isinstance(answer, TryAgain):
            return answer
        return evolve(answer, reason=f"{self.config.note}: {answer.reason}")


@frozen(kw_only=True)
class BudgetConfig:
    """The settings of `Budget`."""

    retries: int = field(default=1, validator=number(at_least=0, whole=True))


class Budget(Plugin):
    """Wraps whatever retries: it allows a number of retries for each call."""

    name = "acme-budget"
    Config = BudgetConfig
    config: BudgetConfig

    @hookimpl(wrapper=True)
    def should_retry(self, call: Call, error: Error) -> Generator[None, ShouldRetry, ShouldRetry]:
        answer = yield
        if isinstance(answer, TryAgain) and call.attempt > self.config.retries:
            return GiveUp(reason="the budget of acme is spent")
        return answer


@frozen(kw_only=True)
class GateConfig:
    """The settings of `Gate`."""

    closed: bool = field(default=False, validator=flag)


class Gate(Plugin):
    """Blocks what stands behind it: while it is closed, no other plugin is asked about a request."""

    name = "acme-gate"
    Config = GateConfig
    config: GateConfig

    def before_request(self, call: Call, request: Request) -> Reject | None:
        return Reject(ServerError("the gate is closed", retryable=False)) if self.config.closed else None


class Old(Plugin):
    """Written for another version: its hook has an argument that there is not."""

    name = "acme-old"

    def before_request(self, call: Call, message: Request) -> None:  # type: ignore[override]
        return None


class QuietSpecs:
    """The hook of `Quiet`."""

    @hookspec
    def on_quiet(self, call: Call, seconds: float) -> None:
        """Called when the first content took more than ten seconds."""


class Quiet(Plugin):
    """Specifies a hook of its own and calls it."""

    name = "acme-quiet"
    hookspecs = QuietSpecs

    def bind(self, relay: Any, clock: Any) -> None:
        self._relay = relay

    def on_commit(self, call: Call, event: Event) -> None:
        seconds = call.now() - call.started_at
        if seconds > 10:
            self._relay.on_quiet(call=call, seconds=seconds)


class Alarm(Plugin):
    """Implements the hook of `Quiet`."""

    name = "acme-alarm"

    def __init__(self, config: NoConfig | None = None, /) -> None:
        super().__init__(config)
        self.heard: list[float] = []

    @hookimpl(optional=True)
    def on_quiet(self, seconds: float) -> None:
        self.heard.append(seconds)
