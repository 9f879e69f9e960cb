"""The stores against a model, by sequences of operations that hypothesis chooses."""

import asyncio
import tempfile
from collections.abc import Awaitable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import pytest
from attrs import define, field
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from unbroken_gateway.streams import Fenced, Page, StreamLog

from ....redis_server import RedisServer
from .conftest import Store

T = TypeVar("T")
IDS = st.sampled_from(["A" * 24, "B" * 24])
FRAMES = st.lists(st.integers(0, 40).map(lambda size: b"x" * size), max_size=4)
ENDS = st.sampled_from([None, None, "done", "error"])
# All ends are at least 10 s from any sum of these, as in Redis the test's own seconds pass too.
SECONDS = st.sampled_from([20.0, 40.0, 100.0, 700.0])
TTL, LEASE, PRESENCE = 650.0, 70.0, 50.0
MAX_BYTES = 80


@define(eq=False)
class Model:
    """What a log is, in the plainest form."""

    leased: float
    expires: float
    epoch: int = 1
    state: Any = "open"
    frames: list[bytes] = field(factory=list[bytes])
    trimmed: int = 0
    repeated: tuple[int, list[bytes], Any] | None = None
    readers: dict[str, float] = field(factory=dict[str, float])
    marks: dict[str, int] = field(factory=dict[str, int])

    def add(self, frames: list[bytes], now: float) -> None:
        self.frames += frames
        while sum(map(len, self.frames[self.trimmed :])) > MAX_BYTES and self.trimmed < len(self.frames) - 1:
            self.trimmed += 1
        self.renew(now)

    def renew(self, now: float) -> None:
        self.leased, self.expires = now + LEASE, now + TTL


class Machine(RuleBasedStateMachine):
    """Two workers, chosen in turn, over one store."""

    make: Any

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.store: Store = self.make()
        self.store.max_bytes = MAX_BYTES
        self.now = 0.0
        self.models: dict[str, Model] = {}

    @initialize()
    def open(self) -> None:
        self.workers = [self.store.open(), self.store.open()]

    def teardown(self) -> None:
        self.do(self.store.aclose())
        self.runner.close()

    def do(self, work: Awaitable[T]) -> T:
        async def awaited() -> T:
            return await work

        return self.runner.run(awaited())

    @property
    def log(self) -> StreamLog:
        self.workers.reverse()
        return self.workers[0]

    def model(self, id: str) -> Model | None:
        found = self.models.get(id)
        return found if found is not None and self.now < found.expires else None

    def fenced(self, work: Awaitable[Any]) -> None:
        with pytest.raises(Fenced):
            self.do(work)

    @rule(id=IDS)
    def create(self, id: str) -> None:
        if self.model(id) is not None:
            return self.fenced(self.log.create(id, "o", TTL, LEASE))
        self.models[id] = Model(self.now + LEASE, self.now + TTL)
        assert self.do(self.log.create(id, "o", TTL, LEASE)) == 1
        return None

    @rule(id=IDS, frames=FRAMES, end=ENDS)
    def append(self, id: str, frames: list[bytes], end: Any) -> None:
        model = self.model(id)
        seq = 1 if model is None else len(model.frames) + 1
        if model is None or model.state != "open" or model.epoch != 1:
            if model is None or model.state != end or frames:
                self.fenced(self.log.append(id, 1, seq, frames, end))
            return
        assert self.do(self.log.append(id, 1, seq, frames, end)) == seq + len(frames) - 1
        model.add(frames, self.now)
        model.state = end or "open"
        model.repeated = seq, frames, end

    @rule(id=IDS)
    def repeat(self, id: str) -> None:
        model = self.model(id)
        if model is None or model.repeated is None:
            return None
        seq, frames, end = model.repeated
        if model.epoch != 1:
            return self.fenced(self.log.append(id, 1, seq, frames, end))
        assert self.do(self.log.append(id, 1, seq, frames, end)) == seq + len(frames) - 1
        if model.state == "open":
            model.renew(self.now)
        return None

    @rule(id=IDS, epoch=st.integers(1, 3), ahead=st.integers(2, 4))
    def append_wrongly(self, id: str, epoch: int, ahead: int) -> None:
        model = self.model(id)
        seq = ahead if model is None else len(model.frames) + ahead
        fenced = model is None or model.state != "open" or model.epoch != epoch
        with pytest.raises(Fenced if fenced else ValueError):
            self.do(self.log.append(id, epoch, seq, [b"x"], None))

    @rule(id=IDS, epoch=st.integers(1, 2))
    def beat(self, id: str, epoch: int) -> None:
        model = self.model(id)
        alive = model is not None and model.state == "open" and model.epoch == epoch
        assert self.do(self.log.beat(id, epoch)) == alive
        if model is not None and alive:
            model.renew(self.now)

    @rule(id=IDS, frame=st.sampled_from([b"", b"end"]))
    def bury(self, id: str, frame: bytes) -> None:
        model = self.model(id)
        if model is None or model.state != "open" or self.now < model.leased:
            assert self.do(self.log.bury(id, frame)) is None
        else:
            self.close(model, frame, "error")
            assert self.do(self.log.bury(id, frame)) == len(model.frames)

    @rule(id=IDS)
    def cancel(self, id: str) -> None:
        model = self.model(id)
        open = model is not None and model.state == "open"
        if model is not None and open:
            self.close(model, b"end", "cancelled")
        assert self.do(self.log.cancel(id, b"end")) == open

    def close(self, model: Model, frame: bytes, state: str) -> None:
        model.add([frame], self.now)
        model.epoch, model.state = model.epoch + 1, state

    @rule(id=IDS)
    def delete(self, id: str) -> None:
        self.do(self.log.delete(id))
        self.models.pop(id, None)

    @rule(id=IDS, reader=st.sampled_from("abc"), limit=st.sampled_from([None, 1, 2]), stays=st.booleans())
    def attend(self, id: str, reader: str, limit: int | None, stays: bool) -> None:
        model = self.model(id)
        answer = self.do(self.log.attend(id, reader, PRESENCE if stays else 0, limit))
        if model is None:
            assert not answer
            return
        model.readers = {name: until for name, until in model.readers.items() if self.now < until}
        assert answer == (reader in model.readers or limit is None or len(model.readers) < limit)
        if answer:
            model.readers[reader] = self.now + (PRESENCE if stays else 0)

    @rule(id=IDS, mark=st.sampled_from("tu"), to=st.integers(0, 10_000_000_000))
    def advance(self, id: str, mark: str, to: int) -> None:
        model = self.model(id)
        place = to if model is None else max(to, model.marks.get(mark, 0))
        assert self.do(self.log.advance(id, mark, to)) == place
        if model is not None:
            model.marks[mark] = place

    @rule(seconds=SECONDS)
    def pass_time(self, seconds: float) -> None:
        self.do(self.store.advance(seconds))
        self.now += seconds

    @rule(id=IDS, after=st.integers(0, 12), limit=st.integers(0, 5))
    def read(self, id: str, after: int, limit: int) -> None:
        model = self.model(id)
        page = self.do(self.log.read(id, after, limit))
        assert page == (None if model is None else self.page(model, after, limit))

    def page(self, model: Model, after: int, limit: int) -> Page:
        return Page(
            frames=tuple(model.frames[max(after, model.trimmed) :][:limit]),
            first=model.trimmed + 1,
            last=len(model.frames),
            state=model.state,
            owner="o",
            lease=model.state == "open" and self.now < model.leased,
            readers=sum(self.now < until for until in model.readers.values()),
        )

    @invariant()
    def both_workers_see_all(self) -> None:
        for id in self.models:
            self.read(id, 0, 256)


@pytest.fixture(params=["memory", "sqlite", "redis"])
def machine(request: pytest.FixtureRequest) -> Iterator[type[Machine]]:
    server: RedisServer | None = request.getfixturevalue("redis_server") if request.param == "redis" else None
    with tempfile.TemporaryDirectory() as place:
        count = iter(range(1_000_000))

        def make(_: Machine) -> Store:
            directory = Path(place, str(next(count)))
            directory.mkdir()
            return Store(request.param, directory, server)

        yield type("Machine", (Machine,), {"make": make})


def test_every_store_does_what_the_model_does(machine: type[Machine]) -> None:
    run_state_machine_as_test(machine, settings=settings(max_examples=20, stateful_step_count=25, deadline=None))
