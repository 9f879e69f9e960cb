"""One worker of a race on a shared state: ``gateway_racing.py sqlite|redis WHERE race|hold TURNS``."""

import asyncio
import sys

from unbroken_gateway.state import State
from unbroken_gateway.state.redis import RedisState
from unbroken_gateway.state.sqlite import SQLiteState
from unbroken_gateway.values import Allowance, Cost, Grant, Rate

USER = "https://id.example.com|alice"
LIMITS = Allowance(requests=Rate(1_000_000, 86_400), budget=Rate(1_000, 86_400 * 36_500))
"""The budget is for ten calls, in a period that does not end while the test runs."""
CALL = Cost(micro_usd=100)
PATIENCE = 600.0


def open_shared(kind: str, where: str) -> State:
    """Return a state that waits for a slow machine."""
    return SQLiteState(where, deadline=PATIENCE) if kind == "sqlite" else RedisState(where, deadline=PATIENCE)


async def main(kind: str, where: str, what: str, turns: str) -> None:
    """Say when ready, reserve when told, and print how many were granted."""
    state = open_shared(kind, where)
    print("ready", flush=True)
    await asyncio.to_thread(sys.stdin.readline)
    if what == "hold":
        grant = await state.reserve(USER, Allowance(streams=1, budget=LIMITS.budget), CALL, 1.0)
        print(isinstance(grant, Grant), flush=True)
        await asyncio.to_thread(sys.stdin.readline)
    results = await asyncio.gather(*(state.reserve(USER, LIMITS, CALL, 600) for _ in range(int(turns))))
    print(sum(isinstance(result, Grant) for result in results), flush=True)
    await state.aclose()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
