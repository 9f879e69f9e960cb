"""What is measured: the path of the answer, how often it is asked for, and what a figure is per."""

from typing import Any, NamedTuple

from .contestants import Contestant


class Shape(NamedTuple):
    """One way in which streams come."""

    name: str
    title: str
    path: str
    events: int
    """Of one answer."""
    options: dict[str, Any]
    per: int
    """The figure is the time divided by this."""
    do: str = "pull"
    tls: bool = False
    rarely: bool = False
    """In every third round only."""
    backends: tuple[str, ...] = ("sync", "asyncio")

    def suits(self, contestant: Contestant, backend: str) -> bool:
        """Say whether `contestant` is measured in this shape."""
        chosen = contestant.tls if self.tls else self.do == "pull" or contestant.many
        return chosen and backend in self.backends

    def asked_of(self, contestant: Contestant) -> tuple[dict[str, Any], int]:
        """Return the options for `contestant`, and what its figure is per."""
        if self.do != "pull":
            return self.options, self.per
        times = max(self.options["times"] // contestant.slow, 1)
        return {"times": times}, self.per * times // self.options["times"]


LONG, APART, PAUSE = 1_600, 500, 200


def _burst(name: str, title: str, per_write: int, *, tls: bool = False) -> Shape:
    times = 2 if tls else 4
    return Shape(name, title, f"/burst/{LONG}/{per_write}", LONG, {"times": times}, LONG * times, tls=tls)


def _crowd(name: str, title: str, many: int, times: int, backend: str) -> Shape:
    options = {"many": many, "times": times}
    return Shape(name, title, "/burst/10/10", 10, options, many * times, "crowd", rarely=True, backends=(backend,))


SHAPES = (
    Shape("apart", "an event that comes alone", f"/apart/{APART}/{PAUSE}", APART, {"times": 1}, APART),
    _burst("burst-1", "an event, 1 per write", 1),
    _burst("burst-16", "an event, 16 per write", 16),
    _burst("burst-64", "an event, 64 per write", 64),
    Shape("short", "a request of 10 events", "/burst/10/10", 10, {"times": 100}, 100),
    _burst("tls-1", "TLS: an event, 1 per write", 1, tls=True),
    _burst("tls-64", "TLS: an event, 64 per write", 64, tls=True),
    _crowd("tasks", "a request of 500 tasks", 500, 10, "asyncio"),
    _crowd("threads", "a request of 16 threads", 16, 50, "sync"),
)


class Fleet(NamedTuple):
    """Many streams at a time, one event after each pause."""

    many: int
    events: int
    pause: int
    """Milliseconds."""
    rounds: int


FLEETS = (Fleet(200, 23, 100, 3), Fleet(1_000, 13, 500, 2), Fleet(5_000, 8, 3_000, 1))
SDK_LIMIT = 1_000
"""The vendors' SDKs open so many connections."""
