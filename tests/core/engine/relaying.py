"""Calls of a relay against a script, in one backend, and what its consumer and its server saw."""

from typing import Any, Final

from attrs import define, field

from unbroken import Dialect, Request
from unbroken.headers import Headers
from unbroken.relay import AsyncRelay, Relay
from unbroken.sse import SSEDecoder
from unbroken.testing import Answer, AsyncScriptedTransport, ScriptedTransport, run

from ..kit import Talk

URL: Final = "https://api.example.org/v1/messages"
ASK: Final = Request(method="POST", url=URL, content=b'{"stream": true}')
PLAIN: Final = Request(method="POST", url=URL, content=b'{"input": "x"}')


@define(eq=False)
class Relayed:
    """What came of one call."""

    transport: Any
    pieces: list[Any] = field(factory=list)
    error: BaseException | None = None
    stream: Any = None
    times: list[float] = field(factory=list)

    @property
    def raw(self) -> list[bytes]:
        return [piece.raw for piece in self.pieces]

    @property
    def body(self) -> bytes:
        return b"".join(self.raw)

    @property
    def status(self) -> str:
        return str(self.stream.outcome.status)


@define(eq=False)
class Relaying:
    """Makes a relay over a script and one call of it."""

    backend: Any
    clock: Any

    def __call__(
        self,
        script: Any,
        plugins: Any = (),
        *,
        request: Request = ASK,
        dialect: Dialect | None = None,
        leave_after: int = -1,
        through: Any = None,
        **options: Any,
    ) -> Relayed:
        settings = {"dialect": Talk(), "clock": self.clock, **options}
        if self.backend == "sync":
            transport: Any = ScriptedTransport(script, self.clock)
            relay: Any = Relay([*plugins], transport=transport, **settings)
            relayed = Relayed(transport)
            self._play(relay.stream(request, dialect=dialect, through=through), relayed, leave_after)
            relay.close()
        else:
            transport = AsyncScriptedTransport(script, self.clock)
            relay = AsyncRelay([*plugins], transport=transport, **settings)
            relayed = Relayed(transport)

            async def played() -> None:
                await self._aplay(relay.stream(request, dialect=dialect, through=through), relayed, leave_after)
                await relay.aclose()

            run(played, clock=self.clock, backend=self.backend)
        assert transport.closed
        assert transport.open_exchanges == 0
        return relayed

    def _play(self, stream: Any, relayed: Relayed, leave_after: int) -> None:
        relayed.stream = stream
        try:
            with stream:
                for piece in stream:
                    relayed.pieces.append(piece)
                    relayed.times.append(self.clock.monotonic())
                    if len(relayed.pieces) == leave_after:
                        break
        except Exception as error:
            relayed.error = error

    async def _aplay(self, stream: Any, relayed: Relayed, leave_after: int) -> None:
        relayed.stream = stream
        try:
            async with stream:
                async for piece in stream:
                    relayed.pieces.append(piece)
                    relayed.times.append(self.clock.monotonic())
                    if len(relayed.pieces) == leave_after:
                        break
        except Exception as error:
            relayed.error = error


def decoded(body: bytes) -> list[tuple[str, bytes, str]]:
    """Return the events of `body`."""
    return [(event.type, event.raw, event.id) for event in SSEDecoder().feed(body)]


def answer(*body: Any, status: int = 200, kind: str = "text/event-stream", **fields: str) -> Answer:
    named = {name.replace("_", "-"): value for name, value in fields.items()}
    return Answer(status=status, headers=Headers({"content-type": kind, **named}).items_raw, body=body)
