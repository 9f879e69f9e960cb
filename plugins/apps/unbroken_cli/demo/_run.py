"""Running a row: one call of the blocking or the awaiting client against the embedded server."""

import asyncio
import ssl
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from attrs import evolve, field, frozen

from unbroken import AsyncClient, AsyncStream, Client, Stream
from unbroken_anthropic import Anthropic
from unbroken_faults import FaultServer, parse_script
from unbroken_retry import Retry
from unbroken_timeout import Timeout

from ._narrator import Narrator
from ._scenarios import FIRST_EVENT, IDLE, Scenario
from ._trial import Trial

if TYPE_CHECKING:
    from unbroken_metrics import Metrics

SETTINGS: Final = f"Timeout(first_event={FIRST_EVENT:g}, idle={IDLE:g}), Retry(max_retries=3, initial_delay=0.1)"
"""What `_plugins` builds, as it is shown."""

_BODY: Final = {
    "model": "claude-unbroken",
    "max_tokens": 64,
    "stream": True,
    "messages": [{"role": "user", "content": "Tell me how you are."}],
}
_CLOSING: Final = 1.0
"""Seconds in which the server has to notice that a connection was closed."""


def _plugins(trial: Trial, metrics: "Metrics | None") -> list[object]:
    # The total timeout is a safety net: no row may take the demonstration with it.
    timeouts = Timeout(connect=2.0, first_event=FIRST_EVENT, idle=IDLE, total=8.0)
    counting = [] if metrics is None else [metrics]
    return [*counting, Narrator(trial), timeouts, Retry(max_retries=3, initial_delay=0.1)]


@frozen
class Runner:
    """Runs rows against one server."""

    server: FaultServer
    use_async: bool = False
    metrics: "Metrics | None" = None
    """Counts all rows together."""
    verify: ssl.SSLContext = field(factory=ssl.create_default_context, repr=False)
    """Shared by the clients of all rows: what takes longest in making one is to read the certificates."""

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
        """Make the call, see what the server saw of it, and judge."""
        self.server.reset()
        self.server.push(*_script(trial.scenario))
        asyncio.run(self._call_async(trial)) if self.use_async else self._call(trial)
        trial.left_open = max(trial.left_open, self._still_open())
        requests = self.server.requests
        trial.requests = len(requests)
        trial.keys = len({request.headers.get("idempotency-key") for request in requests})
        trial.meant = self.server.replies[-1].text if requests else ""
        trial.finish()

    def _call(self, trial: Trial) -> None:
        with Client(_plugins(trial, self.metrics), dialect=Anthropic(), verify=self.verify) as client:
            stream = client.stream("POST", self._url, json=_BODY)
            trial.started = time.monotonic()
            try:
                with stream:
                    for number, piece in enumerate(stream.text(), 1):
                        trial.text += piece
                        if number == 3:
                            time.sleep(trial.scenario.pause)
            except Exception as error:  # noqa: BLE001  # whatever it is, it is judged
                trial.error = error
            _ended(trial, stream)
            if trial.scenario.expect.closed:
                trial.left_open = self._still_open()

    async def _call_async(self, trial: Trial) -> None:
        async with AsyncClient(_plugins(trial, self.metrics), dialect=Anthropic(), verify=self.verify) as client:
            stream = client.stream("POST", self._url, json=_BODY)
            trial.started = time.monotonic()
            try:
                async with stream:
                    number = 0
                    async for piece in stream.text():
                        number += 1
                        trial.text += piece
                        if number == 3:
                            await asyncio.sleep(trial.scenario.pause)
            except Exception as error:  # noqa: BLE001  # whatever it is, it is judged
                trial.error = error
            _ended(trial, stream)
            if trial.scenario.expect.closed:
                trial.left_open = await asyncio.to_thread(self._still_open)

    @property
    def _url(self) -> str:
        return f"{self.server.url}/v1/messages"

    def _still_open(self) -> int:
        """Return how many connections are open at the server, given the time to notice that they are not."""
        with suppress(TimeoutError):
            self.server.wait_idle(_CLOSING)
        return self.server.connections


def _script(scenario: Scenario) -> list[Any]:
    """Return the faults, each with its words, written slowly and in pieces that have nothing to do with events."""
    manner: dict[str, Any] = {"text": scenario.text, "slice_size": (40, 160), "slice_delay": 0.005}
    return [evolve(fault, **manner) for fault in parse_script(scenario.script)]


def _ended(trial: Trial, stream: Stream | AsyncStream) -> None:
    trial.seconds = time.monotonic() - trial.started
    trial.status = "unknown" if stream.outcome is None else stream.outcome.status
    trial.attempts = stream.attempts
    trial.request_id = stream.request_id
