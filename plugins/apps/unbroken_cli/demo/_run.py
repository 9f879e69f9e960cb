"""Runs a row: one call of the sync or the async client against the embedded server."""

import asyncio
import re
import ssl
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, ClassVar, Final

from attrs import evolve, field, frozen

from unbroken import (
    AsyncClient,
    AsyncStream,
    Call,
    Client,
    Dialect,
    Error,
    Event,
    GiveUp,
    Plugin,
    Reject,
    Replay,
    Stream,
    TryAgain,
    Wait,
)
from unbroken.decisions import Decision
from unbroken.registry import resolve_dialect
from unbroken_faults import FaultServer, parse_script
from unbroken_retry import Retry
from unbroken_timeout import Timeout, TimeoutConfig

from ._apis import MESSAGES, Api
from ._scenarios import FIRST_EVENT, IDLE, QUIET, Scenario
from ._trial import NoteKind, Trial

if TYPE_CHECKING:
    from unbroken_metrics import Metrics

SETTINGS: Final = (
    f"Timeout(first_event={FIRST_EVENT:g}, idle={IDLE:g}, quiet={QUIET:g}), Retry(max_retries=3, initial_delay=0.1)"
)
"""The plugins of a row, as they are shown to the user."""

_CLOSING: Final = 1.0
"""Seconds that the server has to notice a closed connection."""
_STATUS: Final = re.compile(r"^(HTTP \d+ ?)?(\w+_error: )?")


# The total timeout is a safety net: no row may block the whole demonstration.
_TIMEOUTS: Final = TimeoutConfig(connect=2.0, first_event=FIRST_EVENT, idle=IDLE, quiet=QUIET, total=8.0)


@frozen
class Runner:
    """Runs rows against one server."""

    server: FaultServer
    use_async: bool = False
    api: Api = MESSAGES
    metrics: "Metrics | None" = None
    """Counts the calls of all rows together."""
    timeouts: TimeoutConfig = _TIMEOUTS
    verify: ssl.SSLContext = field(factory=ssl.create_default_context, repr=False)
    """Shared by the clients of all rows: reading the certificates is the slowest part of making a client."""

    @property
    def dialect(self) -> Dialect:
        """The dialect of the API."""
        return resolve_dialect(self.api.dialect)

    def run(self, scenarios: Sequence[Scenario], begin: Callable[[Trial], None]) -> list[Trial]:
        """Run `scenarios` one after the other; `begin` gets each trial before its call starts."""
        trials: list[Trial] = []
        for scenario in scenarios:
            trial = Trial(scenario)
            trials.append(trial)
            begin(trial)
            self.run_one(trial)
        return trials

    def run_one(self, trial: Trial) -> None:
        """Make the call, read what the server recorded, and judge the trial."""
        self.server.reset()
        self.server.push(*_script(trial.scenario, self.api))
        asyncio.run(self._call_async(trial)) if self.use_async else self._call(trial)
        trial.left_open = max(trial.left_open, self._still_open())
        requests = self.server.requests
        trial.requests = len(requests)
        trial.keys = len({request.headers.get("idempotency-key") for request in requests})
        trial.meant = self.server.replies[-1].text if requests else ""
        trial.finish()

    def _plugins(self, trial: Trial) -> list[object]:
        counting = [] if self.metrics is None else [self.metrics]
        return [*counting, Narrator(trial), Timeout(self.timeouts), Retry(max_retries=3, initial_delay=0.1)]

    def _call(self, trial: Trial) -> None:
        with Client(self._plugins(trial), dialect=self.dialect, verify=self.verify) as client:
            stream = client.stream("POST", self._url, json=self.api.body)
            trial.started = time.monotonic()
            try:
                with stream:
                    for number, piece in enumerate(stream.text(), 1):
                        trial.text += piece
                        if number == 3:
                            time.sleep(trial.scenario.pause)
            except Exception as error:  # noqa: BLE001  # every error is judged
                trial.error = error
            _ended(trial, stream)
            if trial.scenario.expect.closed:
                trial.left_open = self._still_open()

    async def _call_async(self, trial: Trial) -> None:
        async with AsyncClient(self._plugins(trial), dialect=self.dialect, verify=self.verify) as client:
            stream = client.stream("POST", self._url, json=self.api.body)
            trial.started = time.monotonic()
            try:
                async with stream:
                    number = 0
                    async for piece in stream.text():
                        number += 1
                        trial.text += piece
                        if number == 3:
                            await asyncio.sleep(trial.scenario.pause)
            except Exception as error:  # noqa: BLE001  # every error is judged
                trial.error = error
            _ended(trial, stream)
            if trial.scenario.expect.closed:
                trial.left_open = await asyncio.to_thread(self._still_open)

    @property
    def _url(self) -> str:
        return f"{self.server.url}{self.api.path}"

    def _still_open(self) -> int:
        """Return how many connections are open at the server, after it had time to notice closed ones."""
        with suppress(TimeoutError):
            self.server.wait_idle(_CLOSING)
        return self.server.connections


def _script(scenario: Scenario, api: Api) -> list[Any]:
    """Return the faults, each with its text, sent slowly in slices that do not match the events."""
    manner: dict[str, Any] = {"text": scenario.text, "slice_size": api.slice_size, "slice_delay": 0.005}
    return [evolve(fault, **manner) for fault in parse_script(scenario.script)]


def _ended(trial: Trial, stream: Stream | AsyncStream) -> None:
    trial.seconds = time.monotonic() - trial.started
    trial.status = "unknown" if stream.outcome is None else stream.outcome.status
    trial.attempts = stream.attempts
    trial.request_id = stream.request_id


class Narrator(Plugin):
    """An observer that any program could write: notes failures, decisions and the commit of a call in a `Trial`."""

    name: ClassVar[str] = "narrator"

    def __init__(self, trial: Trial) -> None:
        super().__init__()
        self._trial = trial
        self._last: Error | None = None

    def on_error(self, call: Call, error: Error) -> None:
        """Note the failure of an attempt."""
        self._last = error
        status = f" ({error.status_code})" if error.status_code else ""
        self._trial.note("error", f"{type(error).__name__}{status}: {_STATUS.sub('', error.message)}")

    def on_decision(self, call: Call, decision: Decision, plugin: str) -> None:
        """Note a decision and the plugin that made it."""
        kind: NoteKind = "stop" if isinstance(decision, GiveUp | Reject) else "decision"
        self._trial.note(kind, f"{plugin} {self._words(decision)}")

    def on_commit(self, call: Call, event: Event) -> None:
        """Note the commit, after which nothing is repeated."""
        self._trial.note("commit", "the first word is delivered")

    def _words(self, decision: Decision) -> str:
        match decision:
            case TryAgain(delay=delay, reason=reason):
                hint = None if self._last is None else self._last.retry_after
                asked = " as the server asked" if hint and delay >= hint else ""
                return f"waits {delay:.2f} s{asked}, then tries again{_because(_without_hint(reason, asked))}"
            case GiveUp(reason=reason):
                return f"gives up{_because(reason)}"
            case Wait(seconds=seconds, reason=reason):
                return f"waits {seconds:.2f} s{_because(reason)}"
            case Reject(error=error):
                return f"rejects: {error.message}"
            case Replay(events=events):
                return f"replays {len(events)} events"


def _because(reason: str) -> str:
    return f" ({reason})" if reason else ""


def _without_hint(reason: str, asked: str) -> str:
    return reason.removesuffix(", as asked") if asked else reason
