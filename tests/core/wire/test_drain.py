"""How long a closing exchange waits for the end of the body."""

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from unbroken._wire import async_transport, transport
from unbroken._wire.async_transport import AsyncWireExchange
from unbroken._wire.connection import DRAIN_BYTES, Connection
from unbroken._wire.transport import WireExchange
from unbroken.transport import DRAIN_SECONDS

HEAD = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
NOW = 100.0


class Wire:
    """Brings `pieces`, then waits until the deadline."""

    def __init__(self, *pieces: bytes) -> None:
        self.pieces = [*pieces]
        self.deadlines: list[float | None] = []

    async def read(self, deadline: float | None) -> bytes:
        self.deadlines.append(deadline)
        if not self.pieces:
            raise TimeoutError
        return self.pieces.pop(0)

    def abort(self) -> None:
        """Nothing to close."""


def closed(exchange: Any, wire: Wire, monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Close an exchange whose body has not ended. Returns how its connection was left: True is reusable."""
    monkeypatch.setattr(transport, "time", SimpleNamespace(monotonic=lambda: NOW))
    monkeypatch.setattr(async_transport, "time", SimpleNamespace(monotonic=lambda: NOW))
    connection, left = Connection(wire, ("http", "a", 80, "")), list[bool]()  # type: ignore[arg-type]
    connection.parser.feed(HEAD)
    exchange._opened = SimpleNamespace(
        left=False, connection=connection, leave=lambda *, reusable: left.append(reusable)
    )
    if isinstance(exchange, WireExchange):
        exchange.close(reusable=True)
    else:
        asyncio.run(exchange.aclose())
    return left


@pytest.mark.parametrize("kind", [WireExchange, AsyncWireExchange])
@pytest.mark.parametrize(
    ("pieces", "reads", "reusable"),
    [
        pytest.param([], 1, False, id="silence"),
        pytest.param([b"5\r\nhello\r\n"] * 3, 4, False, id="no-end"),
        pytest.param([b"5\r\nhello\r\n", b"0\r\n\r\n"], 2, True, id="the-end"),
        pytest.param([b"8000\r\n" + b"x" * 0x8000 + b"\r\n"] * 9, DRAIN_BYTES // 0x8000, False, id="much"),
        pytest.param([b"nonsense\r\n"], 1, False, id="malformed"),
    ],
)
def test_a_closing_exchange_waits_for_the_end_of_the_body(
    kind: Any, pieces: list[bytes], reads: int, reusable: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Until one deadline and for so many bytes, whatever else is set; then the connection serves nobody else."""
    wire = Wire(*pieces)
    assert closed(kind.__new__(kind), wire, monkeypatch) == [reusable]
    assert wire.deadlines == [NOW + DRAIN_SECONDS] * reads
