"""Places, idle connections, look-ups and races, without a network."""

import socket
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

import unbroken
from unbroken._wire import idle, process, resolve
from unbroken._wire.connect import Race, alternating, socket_options
from unbroken._wire.connection import Connection
from unbroken._wire.idle import EXPIRY, Idle
from unbroken._wire.places import Place, Places
from unbroken._wire.resolve import Lookup, Resolver, resolver
from unbroken._wire.sockets.sync import SyncGate, run

V4, V6 = socket.AF_INET, socket.AF_INET6


# Places.


class Note:
    """Something to abort."""

    def __init__(self) -> None:
        self.aborted = 0

    def abort(self) -> None:
        self.aborted += 1


def taken(books: Places, deadline: float | None = None) -> Place:
    place = Place(books)
    run(books.take, place, deadline)
    return place


def test_a_place_that_is_left_goes_to_the_first_who_waits() -> None:
    """And each is left once."""
    books = Places(1, SyncGate)
    first = taken(books)
    order: list[int] = []
    waiting: list[Place] = []
    with ThreadPoolExecutor(3) as threads:
        for number in range(3):

            def wait(number: int = number) -> None:
                place = Place(books)
                waiting.append(place)
                run(books.take, place, None)
                order.append(number)
                place.leave()

            threads.submit(wait)
            while books.under_way() < number + 2:
                time.sleep(0.001)
        assert len(books) == 1
        first.leave()
        first.leave()
    assert order == [0, 1, 2]
    assert books.under_way() == 0


def test_who_waits_in_vain_leaves_the_queue() -> None:
    books = Places(1, SyncGate)
    held = taken(books)
    with pytest.raises(unbroken.TimeoutError, match="no connection became free") as caught:
        taken(books, time.monotonic())
    assert (caught.value.timeout, caught.value.is_local) == ("connect", True)
    assert books.under_way() == 1
    held.leave()


def test_a_place_that_is_dropped_is_left_and_its_pending_thing_aborted() -> None:
    """An interrupt may hit before anybody knows what was taken."""
    books, note = Places(1, SyncGate), Note()
    place = taken(books)
    place.hold(note)
    assert books.connected() == 1
    del place
    assert (len(books), note.aborted) == (0, 1)


def test_closing_ends_all_and_lets_nobody_in() -> None:
    books, note = Places(2, SyncGate), Note()
    place, other = taken(books), taken(books)
    place.hold(note)
    with ThreadPoolExecutor(1) as threads:
        waiting = threads.submit(taken, books)
        while books.under_way() < 3:
            time.sleep(0.001)
        books.close()
        for late in (waiting.result, lambda: taken(books), lambda: other.hold(note)):
            with pytest.raises(unbroken.NetworkError, match="the client is closed"):
                late()
    assert note.aborted == 2
    place.leave()
    with pytest.raises(unbroken.NetworkError, match="the client is closed"):
        taken(books)


def test_an_interrupt_while_a_place_is_left_is_raised_when_it_is_left() -> None:
    """Each step can be repeated."""

    class Interrupted(Note):
        def abort(self) -> None:
            super().abort()
            if self.aborted == 1:
                raise KeyboardInterrupt

    books, note = Places(1, SyncGate), Interrupted()
    place = taken(books)
    place.hold(note)
    with pytest.raises(KeyboardInterrupt):
        place.leave()
    assert (len(books), note.aborted) == (0, 2)


class Meddling(dict[int, Any]):
    """The books of somebody who is interrupted by others at the worst moment."""

    def __init__(self, meddle: Callable[[int], None]) -> None:
        self._meddle = meddle

    def __setitem__(self, key: int, value: Any) -> None:
        super().__setitem__(key, value)
        self._meddle(key)


def test_a_place_that_is_left_in_the_moment_it_is_granted_is_free() -> None:
    books = Places(1, SyncGate)
    place = Place(books)
    books._held = Meddling(lambda _: setattr(place, "left", True))
    assert books._grant(place)
    assert len(books) == 0


def test_two_who_take_the_last_place_at_once_look_again() -> None:
    """Here the other one takes his back, so that there is room."""
    books = Places(1, SyncGate)
    place = Place(books)
    others = [7]

    def meddle(key: int) -> None:
        if others:
            dict.__setitem__(books._held, others.pop(), None)

    books._held = Meddling(meddle)
    pops: list[int] = []
    real = books._held.pop

    def pop(key: int, *default: Any) -> Any:
        pops.append(key)
        dict.pop(books._held, 7, None)
        return real(key, *default)

    books._held.pop = pop  # type: ignore[method-assign]
    assert books._grant(place)
    assert pops == [id(place)]


class Changing(dict[Any, Any]):
    """Changed by another thread between two steps, once."""

    changes = 1

    def __iter__(self) -> Iterator[Any]:
        if self.changes:
            self.changes -= 1
            raise RuntimeError("mutated during iteration")
        return super().__iter__()


def test_a_queue_that_changes_meanwhile_is_looked_at_again() -> None:
    books, kept = Places(1, SyncGate), Idle()
    place = Place(books)
    books._queue = Changing({place: SyncGate()})  # type: ignore[assignment]
    books.serve()
    assert len(books) == 1
    kept._all = Changing({"connection": None})  # type: ignore[assignment]
    assert kept._oldest() == "connection"


def test_a_waiter_without_a_gate_is_passed_over() -> None:
    """He has left in the moment between."""
    books = Places(1, SyncGate)
    place = Place(books)
    books._queue[place] = None  # type: ignore[assignment]
    books.serve()
    assert not books._queue


def test_many_threads_share_few_places() -> None:
    """Never more than there are, and none is lost."""
    books = Places(3, SyncGate)
    most: list[int] = []

    def work() -> None:
        for _ in range(50):
            place = taken(books)
            most.append(len(books))
            place.leave()

    with ThreadPoolExecutor(12) as threads:
        for each in [threads.submit(work) for _ in range(12)]:
            each.result(60)
    assert books.under_way() == 0
    assert len(most) == 600


# Idle connections.


class Wire(Note):
    """A socket that is quiet until it is aborted."""

    def is_quiet(self) -> bool:
        return not self.aborted


KEYS = [("http", "a", 80, ""), ("http", "b", 80, "")]


def connection(key: Any = KEYS[0]) -> Connection:
    return Connection(Wire(), key)  # type: ignore[arg-type]


def test_the_newest_is_used_first_and_the_oldest_of_all_goes_first() -> None:
    kept = Idle()
    made = [connection(KEYS[number % 2]) for number in range(4)]
    for each in made:
        kept.put(each)
    assert kept.take(KEYS[0]) is made[2]
    assert kept.evict()
    assert [each.usable() for each in made] == [False, True, True, True]
    assert kept.take(KEYS[0]) is None
    kept.close()
    assert len(kept) == 0
    assert not kept.evict()


def test_what_expires_is_closed_at_the_next_occasion(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr(idle.time, "monotonic", lambda: now[0])
    kept = Idle()
    old, older, new = connection(), connection(KEYS[1]), connection()
    kept.put(old)
    kept.put(older)
    now[0] += EXPIRY + 1
    assert kept.take(KEYS[0]) is None
    assert not old.usable()
    kept.put(new)
    assert not older.usable()
    assert kept.take(KEYS[0]) is new


def test_what_was_closed_meanwhile_is_passed_over_and_forgotten_with_its_siblings() -> None:
    kept = Idle()
    made = [connection() for _ in range(3)]
    for each in made:
        kept.put(each)
    made[2].close()
    assert kept.take(KEYS[0]) is made[1]
    kept.forget(KEYS[0])
    kept.forget(KEYS[1])
    assert not made[0].usable()
    assert len(kept) == 0


def test_a_connection_that_another_thread_took_meanwhile_is_his() -> None:
    kept = Idle()
    one, other = connection(), connection()
    kept.put(one)
    kept.put(other)
    kept._all.pop(other)
    assert kept.take(KEYS[0]) is one
    kept.put(one)
    kept._by_key.clear()
    kept._drop(one)
    kept._drop(one)
    assert not one.usable()


# Look-ups.


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What the system answers, by name: addresses or an exception."""
    known: dict[str, Any] = {}

    def getaddrinfo(host: str, port: int, *, type: int, flags: int) -> Any:
        answer = socket.gaierror(socket.EAI_NONAME, "not numeric") if flags else known[host]
        if isinstance(answer, Exception):
            raise answer
        return [(V4, type, 0, "", (each, port)) for each in answer]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    return known


def asked(names: Resolver, host: str, deadline: float | None = None) -> Any:
    return run(names.addresses, host, 80, deadline, taken(Places(9, SyncGate)), SyncGate)


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (socket.gaierror(socket.EAI_NONAME, "Name or service not known"), "Name or service not known"),
        (UnicodeError("label too long"), "label too long"),
        (OSError("no resolver"), "no resolver"),
    ],
)
def test_a_name_that_is_not_found_is_an_error(answers: dict[str, Any], error: Exception, reason: str) -> None:
    """C34: also without any time limit."""
    answers["x"] = error
    with pytest.raises(OSError, match=rf"'x' cannot be resolved: {reason}"):
        asked(Resolver(), "x")


def test_a_name_has_the_addresses_of_the_system(answers: dict[str, Any]) -> None:
    answers["x"] = ["10.0.0.1", "10.0.0.2"]
    assert asked(Resolver(), "x") == [(V4, ("10.0.0.1", 80)), (V4, ("10.0.0.2", 80))]


def test_an_address_needs_no_look_up() -> None:
    started: list[Any] = []
    assert asked(Resolver(started.append), "127.0.0.1") == [(V4, ("127.0.0.1", 80))]
    assert started == []


def test_one_look_up_answers_all_who_ask(answers: dict[str, Any]) -> None:
    """One that could not be started is started by the next who asks; more threads than allowed are not."""
    answers["x"] = ["10.0.0.1"]
    started: list[Callable[[], None]] = []
    names = Resolver(started.append)
    for _ in range(3):
        with pytest.raises(TimeoutError):
            asked(names, "x", time.monotonic())
    assert len(names._flights) == 1
    assert not names._flights["x", 80].gates
    with ThreadPoolExecutor(1) as threads:
        waiting = threads.submit(asked, names, "x")
        while not names._flights["x", 80].gates:
            time.sleep(0.001)
        started[0]()
        assert waiting.result(10) == [(V4, ("10.0.0.1", 80))]
    started[1]()
    assert names._flights == {}
    assert len(started) == 4


def test_a_look_up_that_cannot_be_started_is_an_error_for_now(answers: dict[str, Any]) -> None:
    answers["x"] = ["10.0.0.1"]

    def fail(work: Any) -> None:
        raise RuntimeError("can't start new thread")

    names = Resolver(fail)
    with pytest.raises(RuntimeError):
        asked(names, "x")
    assert names._threads == {}
    names._start = lambda work: work()
    assert asked(names, "x") == [(V4, ("10.0.0.1", 80))]


def test_no_more_threads_than_allowed(answers: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """What is queued is answered by the threads that there are."""
    monkeypatch.setattr(resolve, "THREADS", 1)
    answers.update(x=["10.0.0.1"], y=["10.0.0.2"])
    started: list[Callable[[], None]] = []
    names = Resolver(started.append)
    for host in ("x", "y"):
        with pytest.raises(TimeoutError):
            asked(names, host, time.monotonic())
    assert len(started) == 1
    started[0]()
    assert names._flights == {}
    assert names._threads == {}


def test_a_question_that_comes_as_a_thread_ends_starts_another(answers: dict[str, Any]) -> None:
    started: list[Callable[[], None]] = []
    names = Resolver(started.append)

    class Late(dict[object, None]):
        def pop(self, *arguments: Any) -> Any:
            names._queue.append(Lookup("x", 80))
            return super().pop(*arguments)

    names._threads = Late()
    names._work(object())
    assert len(started) == 1


def test_a_look_up_without_answer_is_an_error() -> None:
    """Its thread died, or the client was closed."""
    lookup = Lookup("x", 80)
    names = Resolver(lambda work: [gate.release() for gate in names._flights["y", 80].gates.values()] and None)
    with pytest.raises(ConnectionAbortedError, match="the look-up was ended"):
        asked(names, "y")
    assert lookup.claim()
    assert not lookup.claim()


def test_each_process_has_its_own_resolver(monkeypatch: pytest.MonkeyPatch) -> None:
    here = resolver()
    assert resolver() is here
    monkeypatch.setattr(process, "current", object())
    assert resolver() is not here


def test_a_fork_is_another_process() -> None:
    before = process.current
    process._forked()
    assert process.current is not before
    process.current = before


# Races.


class FakeAttempt:
    """Ends as its address says."""

    def __init__(self, raw: socket.socket, address: Any) -> None:
        self.raw, self.address = raw, address
        self.done = address == "refused-at-once"
        self.error: OSError | None = ConnectionRefusedError("at once") if self.done else None
        self.abandoned = False

    def abort(self) -> None:
        self.done, self.error = True, None

    def abandon(self) -> None:
        self.abandoned = True
        self.raw.close()


class FakeNetwork:
    """Notes how long it is to wait, and ends the attempts whose address says so."""

    gate = SyncGate

    def __init__(self, on_wait: Callable[[], None] = lambda: None, fail: Exception | None = None) -> None:
        self.begun: list[FakeAttempt] = []
        self.waits: list[float | None] = []
        self._on_wait, self._fail = on_wait, fail

    def begin(self, raw: socket.socket, address: Any) -> FakeAttempt:
        if address == "no such family":
            raise OSError("no such family")
        self.begun.append(FakeAttempt(raw, address))
        return self.begun[-1]

    async def wait(self, attempts: Any, until: float | None) -> None:
        self.waits.append(None if until is None else until - time.monotonic())
        self._on_wait()
        for attempt in attempts:
            if attempt.address == "good":
                attempt.done = True
            if attempt.address == "refused":
                attempt.done, attempt.error = True, ConnectionRefusedError("refused")

    async def adopt(self, attempt: Any) -> Any:
        if self._fail is not None:
            raise self._fail
        attempt.raw.close()
        return attempt


def raced(network: FakeNetwork, *addresses: str, deadline: float | None = None) -> Any:
    return run(Race(network, [(V4, each) for each in addresses]).run, deadline)  # type: ignore[arg-type]


def test_a_silent_address_is_250_ms_ahead_of_the_next() -> None:
    """RFC 8305 §5; the loser is closed."""
    network = FakeNetwork()
    assert raced(network, "silent", "good", "never").address == "good"
    assert [attempt.address for attempt in network.begun] == ["silent", "good"]
    assert network.begun[0].abandoned
    assert network.waits[0] == pytest.approx(0.25, abs=0.05)


def test_a_refused_address_is_followed_at_once() -> None:
    network = FakeNetwork()
    assert raced(network, "refused-at-once", "refused", "good").address == "good"
    assert all(attempt.abandoned for attempt in network.begun[:2])


def test_a_short_time_is_shared_by_the_addresses() -> None:
    """C34: an address where nobody answers must not use up the time of the others."""
    network = FakeNetwork()
    raced(network, "silent", "silent2", "good", deadline=time.monotonic() + 0.3)
    assert network.waits[0] == pytest.approx(0.1, abs=0.05)
    assert len(network.begun) == 3


@pytest.mark.parametrize("addresses", [("refused",), ("refused-at-once", "no such family"), ()])
def test_the_last_failure_says_what_was_wrong(addresses: tuple[str, ...]) -> None:
    with pytest.raises(OSError, match=r"refused|no such family|has no address"):
        raced(FakeNetwork(), *addresses)


def test_a_passed_deadline_ends_the_race() -> None:
    network = FakeNetwork()
    with pytest.raises(TimeoutError):
        raced(network, "silent", deadline=time.monotonic())
    assert network.begun[0].abandoned


def test_a_race_that_is_aborted_connects_to_nothing() -> None:
    """From another thread; whatever the attempts say of themselves."""
    network = FakeNetwork(lambda: race.abort())
    race = Race(network, [(V4, "silent"), (V4, "good")])  # type: ignore[arg-type]
    with pytest.raises(ConnectionAbortedError, match="closed on this side"):
        run(race.run, None)
    assert len(network.begun) == 1
    race = Race(FakeNetwork(), [])  # type: ignore[arg-type]
    race._begin(V4, "silent")
    race.abort()
    with pytest.raises(ConnectionAbortedError, match="closed on this side"):
        run(race.run, None)


def test_a_winner_that_cannot_be_used_is_closed() -> None:
    network = FakeNetwork(fail=MemoryError())
    with pytest.raises(MemoryError):
        raced(network, "good")
    assert network.begun[0].abandoned


def test_a_socket_that_was_won_is_closed_until_it_is_held_otherwise() -> None:
    """An interrupt may come before the exchange knows of it."""
    network = FakeNetwork()
    race = Race(network, [(V4, "good")])  # type: ignore[arg-type]
    won: Any = run(race.run, None)
    won.error = OSError()
    race.abort()
    assert won.error is None


def test_the_families_take_turns() -> None:
    """RFC 8305 §4; each address once."""
    given = [(V6, "a"), (V6, "b"), (V6, "b"), (V4, "c"), (V6, "d")]
    assert alternating(given) == [(V6, "a"), (V4, "c"), (V6, "b"), (V6, "d")]


def test_keep_alive_probes_are_asked_for_where_they_exist(monkeypatch: pytest.MonkeyPatch) -> None:
    """macOS has TCP_KEEPALIVE for TCP_KEEPIDLE; another system may have neither."""
    names = ("TCP_KEEPIDLE", "TCP_KEEPALIVE", "TCP_KEEPINTVL", "TCP_KEEPCNT")
    for number, name in enumerate(names, 900):
        monkeypatch.setattr(socket, name, number, raising=False)
    assert [option[1:] for option in socket_options()[2:]] == [(900, 60), (902, 60), (903, 5)]
    monkeypatch.delattr(socket, "TCP_KEEPIDLE")
    assert [option[1:] for option in socket_options()[2:]] == [(901, 60), (902, 60), (903, 5)]
    for name in names[1:]:
        monkeypatch.delattr(socket, name)
    assert socket_options() == [
        (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
        (socket.IPPROTO_TCP, socket.TCP_NODELAY, 1),
    ]
