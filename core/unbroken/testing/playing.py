"""Makes one whole call against a script, in any backend."""

from collections.abc import Callable, Sequence
from typing import Any, Final, Literal

from attrs import define, field

from ..call import Outcome
from ..client import AsyncClient, Client
from ..dialect import Dialect
from ..errors import Attempt, Error
from ..messages import Event, Request, Response, Usage
from ..stream import AsyncStream, Stream
from .clock import FakeClock
from .runner import run
from .transport import AsyncScriptedTransport, Script, ScriptedTransport

Backend = Literal["sync", "asyncio", "trio"]
BACKENDS: Final[tuple[Backend, ...]] = ("sync", "asyncio", "trio")


@define(eq=False, kw_only=True, repr=False)
class Played:
    """One call as the consumer and the server saw it."""

    clock: FakeClock
    transport: ScriptedTransport | AsyncScriptedTransport
    events: list[Event] = field(factory=list[Event])
    """The events that the consumer received."""
    error: BaseException | None = None
    """The exception that the consumer received, None if there was none."""
    outcome: Outcome | None = None
    response: Response | None = None
    attempts: int = 0
    history: tuple[Attempt, ...] = ()
    usage: Usage | None = None
    request_id: str = ""
    elapsed: float = 0.0
    """The duration of the call in virtual seconds."""

    @property
    def requests(self) -> list[Request]:
        """The requests that the server received."""
        return self.transport.requests

    @property
    def types(self) -> list[str]:
        """The types of the events."""
        return [event.type for event in self.events]

    @property
    def data(self) -> list[str]:
        """The data of the events."""
        return [event.data for event in self.events]

    @property
    def failure(self) -> Error:
        """The error, which must be an `unbroken.Error`. Raises AssertionError otherwise."""
        assert isinstance(self.error, Error), f"expected an Error, got {self.error!r}"
        return self.error

    def __repr__(self) -> str:
        status = "not ended" if self.outcome is None else self.outcome.status
        error = "" if self.error is None else f" error={type(self.error).__name__}"
        counted = f"events={len(self.events)} attempts={self.attempts} elapsed={self.elapsed:g}"
        return f"<{type(self).__name__} {status} {counted}{error}>"

    def note(self, stream: Stream | AsyncStream) -> None:
        """Copy the results of the stream: outcome, response, attempts, history, usage, request id."""
        self.outcome, self.response, self.attempts = stream.outcome, stream.response, stream.attempts
        self.history, self.usage, self.request_id = stream.history, stream.usage, stream.request_id


def play(
    script: Script,
    plugins: Sequence[object] = (),
    *,
    backend: Backend = "sync",
    clock: FakeClock | None = None,
    dialect: str | Dialect | None = None,
    client: dict[str, Any] | None = None,
    consume: Callable[[Event], object] | None = None,
    method: str = "POST",
    url: str = "https://api.example.org/v1/messages",
    **call: Any,
) -> Played:
    """Make one call against `script` and return the result. Errors are returned in it, not raised.

    `consume` is called with each event. It may advance the clock, raise, or return ``False`` to leave the stream.
    `client` holds further arguments of the client, and `call` those of `Client.stream`.
    """
    clock = FakeClock() if clock is None else clock
    settings: dict[str, Any] = {"dialect": dialect, "clock": clock, **(client or {})}
    arguments: dict[str, Any] = {"json": {"stream": True}, **call}
    if backend == "sync":
        transport = ScriptedTransport(script, clock)
        with Client(plugins, transport=transport, **settings) as sync_client:
            played = Played(clock=clock, transport=transport)
            return _play(sync_client.stream(method, url, **arguments), played, consume)
    async_transport = AsyncScriptedTransport(script, clock)
    async_client = AsyncClient(plugins, transport=async_transport, **settings)
    played = Played(clock=clock, transport=async_transport)

    async def aplay() -> Played:
        async with async_client:
            return await _aplay(async_client.stream(method, url, **arguments), played, consume)

    return run(aplay, clock=clock, backend=backend)


def _play(stream: Stream, played: Played, consume: Callable[[Event], object] | None) -> Played:
    started = played.clock.monotonic()
    try:
        with stream:
            for event in stream:
                played.events.append(event)
                if consume is not None and consume(event) is False:
                    break
    except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001  # the test decides what it means
        played.error = error
    played.elapsed = played.clock.monotonic() - started
    played.note(stream)
    return played


async def _aplay(stream: AsyncStream, played: Played, consume: Callable[[Event], object] | None) -> Played:
    started = played.clock.monotonic()
    try:
        async with stream:
            async for event in stream:
                played.events.append(event)
                if consume is not None and consume(event) is False:
                    break
    except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001  # the test decides what it means
        played.error = error
    played.elapsed = played.clock.monotonic() - started
    played.note(stream)
    return played
