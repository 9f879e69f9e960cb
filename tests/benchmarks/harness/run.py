"""The run: who is asked what, in which order."""

import contextlib
import statistics
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import trustme

from .contestants import BASELINES, CONTESTANTS, Contestant
from .environments import IMPORTS, Environments, import_times
from .payloads import OPENING, expected
from .processes import DidNotFinish, Server, Worker
from .shapes import FLEETS, SDK_LIMIT, SHAPES, Fleet, Shape

SLOW = 4
"""What is slower than this is measured in every third round only, as the largest shapes are."""


class Figure(NamedTuple):
    """A median, and its ratio to raw httpx on the same bytes in the same run."""

    backend: str
    shape: str
    contestant: str
    value: float
    ratio: float | None
    wall: float
    """The median of the time that passed, in the same unit."""
    waits: float
    """How often the process waited, per event or request."""
    connections: int
    finished: bool = True
    """False when the contestant hung or ended in this shape: the numbers then mean nothing."""


class Plan(NamedTuple):
    """What is measured."""

    rounds: int
    backends: tuple[str, ...]
    contestants: tuple[Contestant, ...]
    shapes: tuple[Shape, ...]
    fleets: tuple[Fleet, ...]


def plan(rounds: int, quick: bool, backends: tuple[str, ...], only: list[str]) -> Plan:
    """Return what is measured: all of it, or less of it when it is to be `quick`."""
    contestants = tuple(
        each
        for each in CONTESTANTS
        if each.name in BASELINES.values() or not only or any(word.lower() in each.name.lower() for word in only)
    )
    if quick:
        return Plan(3, backends, contestants, tuple(each for each in SHAPES if not each.rarely), FLEETS[:1])
    return Plan(rounds, backends, contestants, SHAPES, FLEETS)


class Run:
    """One run against one server."""

    def __init__(self, plan: Plan, environments: Environments, directory: Path) -> None:
        self._plan = plan
        self._environments = environments
        self._directory = directory
        self._seen: dict[tuple[str, str, str], list[dict[str, float]]] = {}
        self._unfinished: set[tuple[str, str, str]] = set()
        self._unusable: set[str] = set()

    def figures(self) -> list[Figure]:
        """Measure everything."""
        authority = trustme.CA()
        ca, certificate = self._directory / "authority.pem", self._directory / "server.pem"
        authority.cert_pem.write_to_path(ca)
        authority.issue_cert("localhost").private_key_and_cert_chain_pem.write_to_path(certificate)
        try:
            with Server(certificate) as server:
                for backend in self._plan.backends:
                    self._turns(server, backend, str(ca))
                if "asyncio" in self._plan.backends:
                    for fleet in self._plan.fleets:
                        self._fleet(server, fleet)
        finally:
            ca.unlink()
            certificate.unlink()
        return list(self._medians())

    def _turns(self, server: Server, backend: str, authority: str) -> None:
        """Let the contestants of a backend take turns, in a new order each round; the first round is to warm up."""
        with contextlib.ExitStack() as stack:
            workers = self._started(stack, backend)
            for number in range(self._plan.rounds + 1):
                print(f"{backend}: round {number} of {self._plan.rounds}", file=sys.stderr)
                for shape in self._plan.shapes:
                    order = [each for each in workers if shape.suits(each, backend)]
                    for each in order[number % len(order) :] + order[: number % len(order)] if order else ():
                        if number % 3 == 1 or not (shape.rarely or each.slow > SLOW):
                            how = (backend, authority, number > 0)
                            if not self._measured(server, shape, workers[each], each, how):
                                del workers[each]

    def _started(self, stack: contextlib.ExitStack, backend: str) -> dict[Contestant, Worker]:
        """Return a process for each contestant that can be installed and imported."""
        workers = {}
        for each in self._plan.contestants:
            python = self._environments.python(each.package) if backend in each.backends else None
            if python is not None:
                try:
                    workers[each] = stack.enter_context(Worker(python, each.name, backend))
                except DidNotFinish as error:
                    self._unusable.add(each.package)
                    shapes = (shape.name for shape in self._plan.shapes if shape.suits(each, backend))
                    self._give_up(error, each, backend, *shapes)
        return workers

    def _give_up(self, error: DidNotFinish, contestant: Contestant, backend: str, *shapes: str) -> None:
        print(f"did not finish: {', '.join(shapes)}: {error}", file=sys.stderr)
        self._unfinished |= {(backend, shape, contestant.name) for shape in shapes}

    def _measured(
        self, server: Server, shape: Shape, worker: Worker, contestant: Contestant, how: tuple[str, str, bool]
    ) -> bool:
        """Measure one shape. Return False when the contestant did not finish: it takes no part in the rest."""
        try:
            self._measure(server, shape, worker, contestant, how)
        except DidNotFinish as error:
            self._give_up(error, contestant, how[0], shape.name)
            return False
        return True

    def _measure(
        self, server: Server, shape: Shape, worker: Worker, contestant: Contestant, how: tuple[str, str, bool]
    ) -> None:
        backend, authority, counts = how
        options, per = shape.asked_of(contestant)
        base = (server.tls_url if shape.tls else server.url) + shape.path
        server.connections()
        found = worker.ask(shape.do, base=base, **options, **({"authority": authority} if shape.tls else {}))
        check(found["proofs"], contestant, shape.events)
        if counts:
            values = {name: found[name] / per for name in ("cpu", "wall", "waits")}
            values["connections"] = server.connections()
            self._seen.setdefault((backend, shape.name, contestant.name), []).append(values)

    def _fleet(self, server: Server, fleet: Fleet) -> None:
        """Hold many streams. Each contestant is a new process each time: its memory is measured."""
        members = [each for each in self._plan.contestants if each.many and each.api == "anthropic"]
        shapes = [f"{what}-{fleet.many}" for what in ("opening", "memory", "paced")]
        for number in range(fleet.rounds):
            for each in members:
                python = self._environments.python(each.package)
                if python is None or (each.package == "anthropic" and fleet.many > SDK_LIMIT):
                    continue
                if ("asyncio", shapes[0], each.name) in self._unfinished:
                    continue
                print(f"{fleet.many} streams, {number + 1} of {fleet.rounds}: {each.name}", file=sys.stderr)
                try:
                    with Worker(python, each.name, "asyncio") as worker:
                        self._hold(server, fleet, worker, each)
                except DidNotFinish as error:
                    self._give_up(error, each, "asyncio", *shapes)
                    server.go()  # what it left held must not count as the next one's

    def _hold(self, server: Server, fleet: Fleet, worker: Worker, contestant: Contestant) -> None:
        base = f"{server.url}/held/{fleet.events}/{fleet.pause}"
        warm = worker.ask("pull", base=f"{server.url}/burst/10/10", times=1)
        check(warm["proofs"], contestant, 10)
        server.connections()
        opened = worker.ask("fleet", base=base, many=fleet.many)
        connections = server.connections()
        assert server.go() == fleet.many
        worker.say("")
        found = worker.answer()
        check(found["proofs"], contestant, fleet.events)
        events = fleet.many * (fleet.events - OPENING)
        self._note(fleet, "opening", contestant, connections, opened["opening_cpu"] / fleet.many)
        self._note(fleet, "memory", contestant, connections, opened["memory"] / fleet.many)
        self._note(fleet, "paced", contestant, connections, found["cpu"] / events)

    def _note(self, fleet: Fleet, what: str, contestant: Contestant, connections: int, value: float) -> None:
        values = {"cpu": value, "wall": 0.0, "waits": 0.0, "connections": connections}
        self._seen.setdefault(("asyncio", f"{what}-{fleet.many}", contestant.name), []).append(values)

    def _medians(self) -> Iterator[Figure]:
        api = {each.name: each.api for each in CONTESTANTS}
        yield from (Figure(*where, 0.0, None, 0.0, 0.0, 0, finished=False) for where in sorted(self._unfinished))
        for (backend, shape, name), rounds in self._seen.items():
            if (backend, shape, name) in self._unfinished:
                continue
            middle = {key: statistics.median(each[key] for each in rounds) for key in rounds[0]}
            base = self._seen.get((backend, shape, BASELINES[api[name]]))
            unit = statistics.median(each["cpu"] for each in base) if base else None
            ratio = middle["cpu"] / unit if unit else None
            most = int(max(each["connections"] for each in rounds))
            yield Figure(backend, shape, name, middle["cpu"], ratio, middle["wall"], middle["waits"], most)

    def packages(self) -> list[dict[str, Any]]:
        """Return version, size and import time of this library and of each peer that could be installed."""
        names = dict.fromkeys(each.package or "unbroken" for each in self._plan.contestants)
        wanted = [name for name in names if name in IMPORTS and name not in self._unusable]
        there = [name for name in wanted if self._environments.python(name) is not None]
        times = import_times(self._environments, there, self._plan.rounds)
        return [
            {
                "package": name,
                "version": self._environments.version(name),
                "bytes": self._environments.size(name),
                "import": times[name],
                "import_ratio": times[name] / times["httpx"],
            }
            for name in there
        ]


def check(proofs: list[list[int]], contestant: Contestant, events: int) -> None:
    """Raise AssertionError unless every answer was the text that was sent."""
    wanted = expected(contestant.api, events)
    assert proofs == [wanted], f"{contestant.name} got {proofs} and not {wanted}"
