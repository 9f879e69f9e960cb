"""Tickets for EventSource, in virtual time."""

import pytest

from unbroken.testing import FakeClock, run
from unbroken_gateway.streams.cursors import Refusal
from unbroken_gateway.streams.memory import MemoryLog
from unbroken_gateway.streams.tickets import Redeemed, Tickets

ID, OWNER, ORIGIN = "A" * 24, "issuer|alice", "https://app.example.com"
OTHER = "B" * 24


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


async def desk(clock: FakeClock, frames: int = 9) -> tuple[Tickets, Tickets, str]:
    """Two workers with one secret, and a ticket of the first."""
    log = MemoryLog(4_000_000, clock)
    for id in (ID, OTHER):
        await log.create(id, f"messages {OWNER}", 600, 5)
        await log.append(id, 1, 1, [b"x"] * frames)
    here, there = (Tickets(log, b"secret", 60, clock) for _ in range(2))
    ticket = await here.issue(ID, OWNER, ORIGIN)
    assert isinstance(ticket, str)
    return here, there, ticket


def test_a_ticket_serves_its_stream_in_any_worker(clock: FakeClock) -> None:
    async def test() -> None:
        _, there, ticket = await desk(clock)
        assert await there.redeem(ticket, ORIGIN) == Redeemed(id=ID, owner=OWNER, after=0, issued_at=clock.time())
        assert set(ticket) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.")

    run(test, clock=clock)


def test_its_cursor_never_goes_back(clock: FakeClock) -> None:
    async def test() -> None:
        here, there, ticket = await desk(clock)
        places = []
        for tickets, cursor in ((here, None), (there, f"{ID}.5"), (here, f"{ID}.3"), (there, None), (here, f"{ID}.9")):
            redeemed = await tickets.redeem(ticket, ORIGIN, cursor)
            assert isinstance(redeemed, Redeemed)
            places.append(redeemed.after)
        assert places == [0, 5, 5, 5, 9]
        second = await here.issue(ID, OWNER, ORIGIN)
        assert isinstance(second, str)
        fresh = await there.redeem(second, ORIGIN)
        assert isinstance(fresh, Redeemed)
        assert fresh.after == 0

    run(test, clock=clock)


@pytest.mark.parametrize(
    ("cursor", "answer"),
    [("nonsense", Refusal.MALFORMED), (f"{OTHER}.1", Refusal.UNKNOWN), (f"{ID}.10", Refusal.UNKNOWN)],
)
def test_a_wrong_cursor_is_refused_and_moves_nothing(clock: FakeClock, cursor: str, answer: Refusal) -> None:
    async def test() -> None:
        here, _, ticket = await desk(clock)
        assert await here.redeem(ticket, ORIGIN, cursor) is answer
        redeemed = await here.redeem(ticket, ORIGIN)
        assert isinstance(redeemed, Redeemed)
        assert redeemed.after == 0

    run(test, clock=clock)


def test_a_ticket_is_bound_to_its_origin_its_time_and_its_secret(clock: FakeClock) -> None:
    async def test() -> None:
        here, there, ticket = await desk(clock)
        assert await here.redeem(ticket, "https://evil.example.com") is Refusal.UNKNOWN
        assert await here.redeem(ticket, "") is Refusal.UNKNOWN
        stranger = Tickets(here._log, b"another", 60, clock)
        assert await stranger.redeem(ticket, ORIGIN) is Refusal.UNKNOWN
        await stranger.revoke(ticket)
        assert isinstance(await there.redeem(ticket, ORIGIN), Redeemed)
        clock.advance(60)
        assert await there.redeem(ticket, ORIGIN) is Refusal.UNKNOWN

    run(test, clock=clock)


def test_a_changed_ticket_is_worthless(clock: FakeClock) -> None:
    async def test() -> None:
        here, _, ticket = await desk(clock)
        text, _, signature = ticket.partition(".")
        other = (await here.issue(OTHER, OWNER, ORIGIN)).partition(".")  # type: ignore[union-attr]
        changed = [
            ticket[:at] + ("A" if ticket[at] != "A" else "B") + ticket[at + 1 :] for at in range(len(ticket) - 1)
        ]
        strange = ["", ".", "..", "é.é", text, signature, f"{text}.", f".{signature}", f"{other[0]}.{signature}"]
        for wrong in (*changed, *strange):
            assert await here.redeem(wrong, ORIGIN) is Refusal.UNKNOWN, wrong

    run(test, clock=clock)


def test_a_ticket_ends_with_its_revocation_in_every_worker(clock: FakeClock) -> None:
    async def test() -> None:
        here, there, ticket = await desk(clock)
        await here.revoke(ticket)
        assert await there.redeem(ticket, ORIGIN) is Refusal.UNKNOWN
        await here.revoke("nonsense")

    run(test, clock=clock)


def test_r26_a_ticket_is_issued_to_the_owner_alone_and_ends_with_the_stream(clock: FakeClock) -> None:
    async def test() -> None:
        here, there, ticket = await desk(clock)
        assert await here.issue(ID, "issuer|bob", ORIGIN) is Refusal.UNKNOWN
        assert await here.issue("C" * 24, OWNER, ORIGIN) is Refusal.UNKNOWN
        await here._log.delete(ID)
        assert await there.redeem(ticket, ORIGIN) is Refusal.UNKNOWN

    run(test, clock=clock)
