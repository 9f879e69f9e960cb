"""The worst case of a call: attempts, targets and time, and what an SDK's own retries above would make of it."""

from collections.abc import Iterator, Sequence
from typing import Any, Final

from attrs import frozen

from unbroken import Timeouts

SDK_ATTEMPTS: Final = 3
"""The attempts that the SDKs of Anthropic and OpenAI make unless they are told otherwise: ``max_retries=2``."""


@frozen(kw_only=True)
class WorstCase:
    """What a call may take at most if every attempt fails as late as it can. Times are seconds; None is no limit."""

    attempts: int
    """For each target."""
    targets: int
    """The request's own endpoint and those of the fallback, each as often as it has keys."""
    attempt: float | None
    """One attempt, from its beginning to the first content."""
    between: float
    """Each wait between two attempts."""
    queue: float | None
    """The wait before each attempt in the queue of the rate limit."""
    idle: float | None
    """The longest silence after the first content."""
    quiet: float | None
    """The same while silence is normal."""
    total: float | None

    @classmethod
    def of(cls, plugins: Sequence[object]) -> "WorstCase":
        """Return the worst case of a client with these plugins. Those in shadow change nothing."""
        configs = {getattr(plugin, "name", ""): getattr(plugin, "config", None) for plugin in plugins}
        timeouts: Any = _in_force(configs, "timeout") or Timeouts()
        retry, limit = _in_force(configs, "retry"), _in_force(configs, "rate-limit")
        fallback = _in_force(configs, "fallback")
        quiet = timeouts.quiet
        return cls(
            attempts=1 if retry is None else 1 + retry.max_retries,
            targets=1 if fallback is None else 1 + sum(max(1, len(each.keys)) for each in fallback.targets),
            attempt=timeouts.first_event,
            between=0.0 if retry is None else max(retry.max_delay, retry.max_retry_after),
            queue=0.0 if limit is None else limit.max_wait,
            idle=timeouts.idle,
            quiet=None if quiet is None or timeouts.idle is None else max(quiet, timeouts.idle),
            total=timeouts.total,
        )

    @property
    def all_attempts(self) -> int:
        """The attempts at all targets together."""
        return self.attempts * self.targets

    @property
    def waits(self) -> int:
        """The waits between two attempts at the same target; another one is tried at once."""
        return self.all_attempts - self.targets

    @property
    def seconds(self) -> float | None:
        """From the beginning of a call to its first content, or to its error."""
        count = self.all_attempts
        if self.attempt is None or self.queue is None:
            return self.total
        longest = count * (self.attempt + self.queue) + self.waits * self.between
        return longest if self.total is None else min(longest, self.total)

    def lines(self) -> Iterator[tuple[str, str]]:
        """Yield the parts in words, each with its heading."""
        count, targets = self.all_attempts, "1 target" if self.targets == 1 else f"{self.targets} targets"
        yield "attempts", f"{count}: {self.attempts} x {targets}"
        yield "to the first content, or to the error", f"{_time(self.seconds)}: {self._sum()}"
        yield "after it", self._after()
        above = None if self.seconds is None else self.seconds * SDK_ATTEMPTS
        sdk = f"x {SDK_ATTEMPTS}, as with those of Anthropic and OpenAI by default: {count * SDK_ATTEMPTS} attempts"
        yield "under an SDK that retries too", f"{sdk}, {_time(above)}; set max_retries=0 there"

    def _sum(self) -> str:
        parts = [f"{self.all_attempts} x {_time(self.attempt)} (first_event)"]
        if self.between and self.waits:
            parts.append(f"{self.waits} x {_time(self.between)} between them (retry)")
        if self.queue != 0.0:
            parts.append(f"{self.all_attempts} x {_time(self.queue)} in the queue (max_wait)")
        words = " + ".join(parts)
        return words if self.total is None else f"the total timeout, else {words}"

    def _after(self) -> str:
        if self.total is not None:
            return "the rest of the total timeout"
        silence = f"a silence of {_time(self.idle)} ends it, of {_time(self.quiet)} where silence is normal"
        return f"no limit while there is progress; {silence}" if self.idle is not None else "no limit"


def _in_force(configs: dict[str, Any], name: str) -> Any:
    config = configs.get(name)
    return None if config is None or getattr(config, "shadow", False) else config


def _time(seconds: float | None) -> str:
    if seconds is None:
        return "no limit"
    return f"{seconds:g} s" if seconds <= 600 else f"{seconds / 60:.3g} min"
