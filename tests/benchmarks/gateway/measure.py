"""Ask a contestant, and see what that costs it."""

import http.client
import statistics
import time
from typing import Final, NamedTuple

from ..harness.processes import Server
from .contestants import Contestant

EVENTS: Final = 500
"""Events of a paced stream."""
APIS: Final = ("messages", "chat")
_LAST: Final = {"messages": b"message_stop", "chat": b"[DONE]"}


class Amounts(NamedTuple):
    """How much is asked in one round."""

    requests: int
    paced: int
    first: int
    held: int


FULL, QUICK = Amounts(300, 6, 100, 500), Amounts(60, 2, 20, 100)


class Figures(NamedTuple):
    """What one contestant cost in one round, by the name of a measure. Seconds or bytes."""

    contestant: str
    values: dict[str, float]


def ask(contestant: Contestant, connection: http.client.HTTPConnection, shape: str, api: str) -> float:
    """Make a request and read its answer, which must be whole. Returns the seconds to the first event."""
    path, body = contestant.asked(shape, api)
    started = time.perf_counter()
    connection.request("POST", path, body, contestant.headers())
    answer = connection.getresponse()
    line = answer.readline()
    while not line.startswith((b"data:", b"event:")):
        if not line:
            raise RuntimeError(f"{contestant.name}: {answer.status} without an event")
        line = answer.readline()
    first = time.perf_counter() - started
    rest = answer.read()
    if answer.status != 200 or _LAST[api] not in rest[-200:]:
        raise RuntimeError(f"{contestant.name}: {answer.status} {line!r} … {rest[-300:]!r}")
    return first


def cost(contestant: Contestant, shape: str, api: str, times: int) -> float:
    """Return the seconds of CPU of one of `times` requests on one connection."""
    connection = contestant.connection()
    try:
        ask(contestant, connection, shape, api)
        before = contestant.cpu()
        for _ in range(times):
            ask(contestant, connection, shape, api)
        return (contestant.cpu() - before) / times
    finally:
        connection.close()


def first_event(contestant: Contestant, api: str, times: int) -> float:
    """Return the median of the seconds to the first event."""
    connection = contestant.connection()
    try:
        return statistics.median(ask(contestant, connection, "burst", api) for _ in range(times + 1))
    finally:
        connection.close()


def memory_per_stream(contestant: Contestant, server: Server, api: str, many: int) -> float:
    """Return the resident bytes that each of `many` open streams adds."""
    before = contestant.memory()
    opened = [_open(contestant, api) for _ in range(many)]
    each = (contestant.memory() - before) / many
    server.go()
    for connection, answer in opened:
        answer.read()
        connection.close()
    return each


def _open(contestant: Contestant, api: str) -> tuple[http.client.HTTPConnection, http.client.HTTPResponse]:
    connection = contestant.connection()
    path, body = contestant.asked("held", api)
    connection.request("POST", path, body, contestant.headers())
    answer = connection.getresponse()
    if answer.status != 200:
        raise RuntimeError(f"{contestant.name}: {answer.status} {answer.read(300)!r}")
    answer.readline()
    return connection, answer


def once(contestant: Contestant, server: Server, amounts: Amounts) -> Figures:
    """Measure what is measured at the start: its time, the memory of an idle process and of open streams."""
    values = {"start": contestant.start_seconds, "idle": float(contestant.memory())}
    many = max(amounts.held // (2 if contestant.slow > 1 else 1), 20)
    memory_per_stream(contestant, server, "messages", 20)  # what the first streams load is not theirs
    for api in APIS:
        cost(contestant, "burst", api, 10)
    values["stream"] = memory_per_stream(contestant, server, "messages", many)
    return Figures(contestant.name, values)


def around(contestant: Contestant, amounts: Amounts) -> Figures:
    """Measure one round."""
    values: dict[str, float] = {}
    for api in APIS:
        values[f"request-{api}"] = cost(contestant, "burst", api, max(amounts.requests // contestant.slow, 5))
        times = max(amounts.paced // contestant.slow, 1)
        values[f"paced-{api}"] = cost(contestant, "apart", api, times) / EVENTS
    values["first-event"] = first_event(contestant, "messages", max(amounts.first // contestant.slow, 5))
    return Figures(contestant.name, values)
