"""Makes many calls that each take the same stream differently, and tells what the consumer got."""

from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import Any, Final

from attrs import define, field, frozen

from ..call import Call
from ..client import AsyncClient, Client
from ..decisions import TryAgain
from ..dialect import Dialect
from ..errors import Error
from ..messages import Event, Request, Timeouts, Usage
from ..plugin import Plugin
from ..stream import AsyncStream, Stream
from .clock import FakeClock
from .recording import Recording
from .runner import AsyncBackend, run
from .script import Answer, Item
from .transport import AsyncScriptedTransport, ScriptedTransport

SILENCE: Final = 5.0
"""The seconds of each timeout that ends a stream without progress."""

_TIMEOUTS: Final = Timeouts(connect=1, first_event=SILENCE, idle=SILENCE, quiet=SILENCE)

Body = Sequence[Item]


class _Again(Plugin):
    """Makes one more attempt after any failure."""

    name = "again"

    def should_retry(self, call: Call, error: Error) -> TryAgain | None:
        return TryAgain(0.0) if call.attempts < 2 else None


@frozen(eq=False, kw_only=True)
class Seen:
    """One call as the consumer saw it."""

    events: list[Event]
    text: str
    error: BaseException | None
    succeeded: bool
    attempts: int
    first_error: str
    """The class of the error that ended the first attempt, empty if none did."""
    usage: Usage | None
    elapsed: float

    @property
    def facts(self) -> tuple[Any, ...]:
        """Everything but the time, to compare with."""
        events = [(event.type, event.raw, event.id) for event in self.events]
        return events, self.text, type(self.error), self.succeeded, self.attempts, self.first_error, self.usage

    @property
    def failed_as(self) -> str:
        """The class of the error of the first attempt, empty if it did not fail."""
        return self.first_error or ("" if self.error is None else type(self.error).__name__)


@define(eq=False)
class Player:
    """Makes calls whose first attempt gets a body of its own, and the second the whole recording."""

    dialect: Dialect
    recording: Recording
    clock: FakeClock = field(factory=FakeClock, init=False)
    _transport: ScriptedTransport = field(init=False)
    _client: Client = field(init=False)
    _bodies: list[Body] = field(factory=list[Body], init=False)

    def __attrs_post_init__(self) -> None:
        self._transport = ScriptedTransport(self._answer, self.clock)
        self._client = Client([_Again()], transport=self._transport, clock=self.clock, dialect=self.dialect)

    def play(self, *body: Item) -> Seen:
        """Make one call."""
        self._begin(body)
        started, events, texts = self.clock.monotonic(), list[Event](), list[str]()
        stream = self._client.stream("POST", self.recording.url, json=self.recording.request, timeouts=_TIMEOUTS)
        error: BaseException | None = None
        try:
            with stream:
                for event in stream:
                    events.append(event)
                    texts.append(_text(stream, event))
        except Exception as failure:  # noqa: BLE001  # the rules decide what it means
            error = failure
        return self._seen(stream, events, texts, error, started)

    def in_backend(self, backend: AsyncBackend, bodies: Iterable[Body]) -> list[Seen]:
        """Make one call after the other in an event loop."""
        return run(self._aplay_all, list(bodies), clock=self.clock, backend=backend)

    async def _aplay_all(self, bodies: list[Body]) -> list[Seen]:
        transport = AsyncScriptedTransport(self._answer, self.clock)
        async with AsyncClient([_Again()], transport=transport, clock=self.clock, dialect=self.dialect) as client:
            return [await self._aplay(client, body) for body in bodies]

    async def _aplay(self, client: AsyncClient, body: Body) -> Seen:
        self._begin(body)
        started, events, texts = self.clock.monotonic(), list[Event](), list[str]()
        stream = client.stream("POST", self.recording.url, json=self.recording.request, timeouts=_TIMEOUTS)
        error: BaseException | None = None
        try:
            async with stream:
                async for event in stream:
                    events.append(event)
                    texts.append(_text(stream, event))
        except Exception as failure:  # noqa: BLE001  # the rules decide what it means
            error = failure
        return self._seen(stream, events, texts, error, started)

    def _begin(self, body: Body) -> None:
        self._bodies = [body, (self.recording.body,)]
        for kept in (self._transport.requests, self._transport.exchanges, self._transport.sent_at, self.clock.slept):
            kept.clear()

    def _answer(self, _: Request) -> Answer:
        return Answer(headers={"content-type": self.recording.content_type}, body=tuple(self._bodies.pop(0)))

    def _seen(
        self,
        stream: Stream | AsyncStream,
        events: list[Event],
        texts: list[str],
        error: BaseException | None,
        at: float,
    ) -> Seen:
        outcome, history = stream.outcome, stream.history
        return Seen(
            events=events,
            text="".join(texts),
            error=error,
            succeeded=error is None and outcome is not None and outcome.status == "success",
            attempts=stream.attempts,
            first_error=history[0].error if history else "",
            usage=stream.usage,
            elapsed=self.clock.monotonic() - at,
        )


def _text(stream: Stream | AsyncStream, event: Event) -> str:
    """Return the text of `event`. That a text is no text is told by another rule."""
    text: Any = stream.text_of(event)
    return text if isinstance(text, str) else ""


def copied(error: Error) -> Error | None:
    """Return `error` as pickling makes it again, None if that fails."""
    import pickle  # of what this process has just pickled

    with suppress(Exception):
        made: Any = pickle.loads(pickle.dumps(error))  # noqa: S301
        return made if isinstance(made, Error) else None
    return None
