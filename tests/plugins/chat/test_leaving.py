"""Leaving an answer wherever one is: nothing stays behind."""

import anyio

from unbroken.testing import AsyncScriptedTransport
from unbroken_chat import AsyncContentGenerator, RefreshAuth
from unbroken_circuit_breaker import CircuitBreaker
from unbroken_rate_limit import RateLimit
from unbroken_retry import Retry


def test_E57_a_reply_can_be_cancelled_at_every_await(cancel_sweep, answer, failed) -> None:
    """Asking for the token, refreshing it, sending, backing off, reading: each gives back what it took."""

    async def token() -> str:
        await anyio.sleep(1.0)
        return "token"

    def make_call(clock):
        script = [failed(401, "authentication_error"), failed(529, "overloaded_error"), answer("Hello there")]
        transport = AsyncScriptedTransport(script, clock)
        breaker, limit = CircuitBreaker(), RateLimit(requests=100)
        generator = AsyncContentGenerator.proxy(
            "https://backend.example.org/claude",
            token_provider=token,
            plugins=[Retry(), RefreshAuth(token), breaker, limit],
            transport=transport,
            clock=clock,
        )

        async def call() -> None:
            async with generator:
                await generator.send_request("Hello")

        def held() -> dict[str, int]:
            return {
                "exchanges": transport.open_exchanges,
                "permits": sum(circuit.in_flight for circuit in breaker.snapshot().values()),
                "places": sum(state.waiting + state.in_flight for state in limit.snapshot().values()),
            }

        return call, held

    assert cancel_sweep(make_call) >= 10


def test_a_cancelled_refresh_is_made_up_for_by_the_next_call(answer, failed) -> None:
    """Who was to get the new token left meanwhile; the lock and the need for it did not stay with them."""
    from unbroken.testing import FakeClock, run

    clock, refreshed = FakeClock(), []

    async def refresh() -> str:
        await anyio.sleep(5.0)
        refreshed.append(clock.monotonic())
        return "fresh"

    transport = AsyncScriptedTransport([failed(401, "authentication_error"), answer("Hello")], clock)

    async def main() -> str:
        async with AsyncContentGenerator.proxy(
            "https://backend.example.org/claude",
            auth_token="old",
            plugins=[RefreshAuth(refresh)],
            transport=transport,
            clock=clock,
        ) as generator:
            with anyio.move_on_after(2.0):
                await generator.send_request("Hello")
            return (await generator.send_request("Hello")).text

    assert run(main, clock=clock) == "Hello"
    assert (len(refreshed), transport.requests[-1].headers["authorization"]) == (1, "Bearer fresh")
