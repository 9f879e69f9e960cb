"""`check_plugin` passes what keeps the contract, and catches each way of breaking it."""

import os
import random
import socket
import subprocess
import sys
import threading
import time
import types
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import pytest

from unbroken import (
    Call,
    Error,
    Event,
    GiveUp,
    Inbox,
    Key,
    NetworkError,
    Outcome,
    Plugin,
    Reject,
    Replay,
    Request,
    Response,
    ServerError,
    TryAgain,
    Wait,
    hookimpl,
)
from unbroken.testing import check_plugin


def breaches(make: Callable[[], object], held: Callable[[Any], int] | None = None) -> str:
    """What the check says of a plugin that breaks the contract."""
    with pytest.raises(AssertionError) as caught:
        check_plugin(make, held=held)
    heading, _, problems = str(caught.value).partition("\n")
    assert heading == "the contract of plugins is broken:"
    return problems


class Probe(Plugin):
    """Does what it is made for in `before_request`."""

    name = "probe"
    act: Callable[[Call], Any] = staticmethod(lambda call: None)

    def before_request(self, call: Call, request: Request) -> Any:
        return self.act(call)


def probing(act: Callable[[Call], Any]) -> Callable[[], object]:
    return type("Acting", (Probe,), {"act": staticmethod(act)})


# Plugins that keep the contract


class Slots(Plugin):
    """Takes a slot per attempt and gives it back, whatever happens."""

    name = "slots"
    HELD: Key[bool] = Key("held")

    def __init__(self) -> None:
        super().__init__()
        self.inbox = Inbox()
        self.taken = 0

    def take(self, slots: int) -> None:
        self.taken += slots

    def before_request(self, call: Call, request: Request) -> Wait:
        self.inbox.do(self.take, 1)
        call.set(self.HELD, True)
        return Wait(call.random())

    def after_request(self, call: Call, outcome: Outcome) -> None:
        if call.pop(self.HELD):
            self.inbox.put(self.take, -1)


class Budget(Plugin):
    """Looks at answers, at error and at events, and uses time and chance as it should."""

    name = "budget"

    @hookimpl(wrapper=True)
    def should_retry(self, call: Call, error: Error) -> Generator[None, Any, Any]:  # type: ignore[override]
        answer = yield
        return GiveUp(reason="budget") if isinstance(answer, TryAgain) and call.now() > 1e9 else answer

    @hookimpl(events={"delta"})
    def on_event(self, call: Call, event: Event) -> Event:
        return Event(event.type, event.raw + b" ")

    def on_error(self, call: Call, error: Error) -> Error:
        return ServerError("changed")


class Again(Plugin):
    """Tries again, rejects, replays."""

    name = "again"

    def before_request(self, call: Call, request: Request) -> Any:
        return Reject(NetworkError("open")) if call.attempt == 2 else request.with_headers({"x-a": "1"})

    def should_retry(self, call: Call, error: Error) -> Any:
        if call.committed_at is not None:
            return None
        return TryAgain(call.random()) if call.attempt < 3 else Replay([Event("delta"), Event("stop")])


class Wraps(Plugin):
    """The one place where a plugin may do I/O."""

    name = "wraps"

    def wrap_transport(self, transport: Any) -> Any:
        Path(os.devnull).read_bytes()
        return transport

    def wrap_async_transport(self, transport: Any) -> Any:
        time.monotonic()
        return transport


def module() -> types.ModuleType:
    made = types.ModuleType("acme")
    made.on_finish = hookimpl(lambda call, outcome: None)  # type: ignore[attr-defined]
    return made


class Refuses(Plugin):
    """Rejects whatever comes, and remembers why."""

    name = "refuses"
    last: Error | None = None

    def before_request(self, call: Call, request: Request) -> Reject:
        self.last = NetworkError("no")
        return Reject(self.last)


class RefusesEvents(Plugin):
    """Rejects in the middle of the stream."""

    name = "refuses-events"

    def on_event(self, call: Call, event: Event) -> Reject:
        return Reject(NetworkError("no"))


class RefusesAnswers(Plugin):
    """Rejects every response, with an error that has been raised before."""

    name = "refuses-answers"

    def on_response(self, call: Call, response: Response) -> Reject:
        try:
            raise NetworkError("no")
        except NetworkError as error:
            return Reject(error)


KEEPS = [Slots, Budget, Again, Wraps, Refuses, RefusesEvents, RefusesAnswers, module]


@pytest.mark.parametrize("make", KEEPS, ids=lambda it: it.__name__)
def test_a_plugin_that_keeps_the_contract_passes(make: Callable[[], Any]) -> None:
    """Whatever it decides."""
    check_plugin(make, held=lambda plugin: getattr(plugin, "taken", 0))


# No I/O, no sleep


@pytest.mark.parametrize(
    ("act", "noted"),
    [
        pytest.param(lambda _: time.sleep(0), "before_request does I/O or sleeps: time.sleep", id="sleeps"),
        pytest.param(lambda _: Path(os.devnull).read_bytes() and None, "does I/O or sleeps: open", id="opens-a-file"),
        pytest.param(lambda _: os.scandir("/").close(), "os.scandir", id="lists-a-directory"),
        pytest.param(lambda _: subprocess.run(["true"]) and None, "subprocess.Popen", id="starts-a-process"),
        pytest.param(lambda _: socket.getaddrinfo("127.0.0.1", 1) and None, "socket.getaddrinfo", id="asks-DNS"),
    ],
)  # fmt: skip
def test_io_within_a_hook_is_caught(act: Any, noted: str) -> None:
    """By what the interpreter audits."""
    assert noted in breaches(probing(act))


def test_io_elsewhere_is_not_looked_at() -> None:
    """Neither in another thread nor after the check."""

    def act(_: Call) -> None:
        thread = threading.Thread(target=lambda: time.sleep(0))
        thread.start()

    check_plugin(probing(act))
    time.sleep(0)


# Time and chance


@pytest.mark.parametrize(
    ("act", "name"),
    [
        pytest.param(lambda _: time.time() and None, "time.time", id="wall-time"),
        pytest.param(lambda _: time.monotonic() and None, "time.monotonic", id="monotonic-time"),
        pytest.param(lambda _: time.perf_counter_ns() and None, "time.perf_counter_ns", id="counter"),
        pytest.param(lambda _: random.random() and None, "random.random", id="chance"),
        pytest.param(lambda _: random.uniform(a=1, b=2) and None, "random.uniform", id="range"),
        pytest.param(lambda _: os.urandom(1) and None, "os.urandom", id="system-chance"),
    ],
)
def test_time_and_chance_of_the_machine_are_caught(act: Any, name: str) -> None:
    """They would make tests slow and flaky."""
    assert f"before_request takes time or chance from {name}, not from the call" in breaches(probing(act))


def test_the_machines_clocks_are_put_back() -> None:
    """After the check, failed or not."""
    before = time.monotonic, random.random, os.urandom
    breaches(probing(lambda _: time.time() and None))
    assert (time.monotonic, random.random, os.urandom) == before


_OWN_CHANCE = random.Random()


def test_what_is_not_repeatable_is_caught() -> None:
    """Even where the source of chance cannot be seen."""

    class Shaky(Plugin):
        name = "shaky"

        def should_retry(self, call: Call, error: Error) -> TryAgain | None:
            return TryAgain(_OWN_CHANCE.random()) if call.attempt == 1 else None

    found = breaches(Shaky)
    assert "two runs of server error on the same clock and seed differ" in found


@pytest.mark.parametrize("wrapping", [False, True], ids=["hook", "wrapper"])
def test_an_endless_retry_is_caught(wrapping: bool) -> None:
    """Virtual time does not pass, so no deadline would end it. With a delay the deadline does."""

    class Stubborn(Plugin):
        name = "stubborn"
        delay = 0.0

        def should_retry(self, call: Call, error: Error) -> TryAgain | None:
            return TryAgain(self.delay)

    class Wrapping(Plugin):
        name = "wrapping"

        @hookimpl(wrapper=True)
        def should_retry(self, call: Call, error: Error) -> Any:
            yield
            return TryAgain(0)

    found = breaches(Wrapping if wrapping else Stubborn)
    assert found.count("an endless retry") == 1
    assert "should_retry tries again at once after 100 attempts" in found
    Stubborn.delay = 60.0
    check_plugin(Stubborn)


# Bugs


def _broken() -> None:
    raise KeyError("mine")


@pytest.mark.parametrize(
    ("hook", "payload"),
    [
        ("before_request", "request"),
        ("on_response", "response"),
        ("on_commit", "event"),
        ("on_event", "event"),
        ("on_error", "error"),
        ("should_retry", "error"),
        ("after_request", "outcome"),
        ("on_finish", "outcome"),
    ],
)
def test_E64_a_hook_that_raises_is_caught(hook: str, payload: str) -> None:
    """In every hook, also where the engine contains it."""
    namespace: dict[str, Any] = {}
    exec(f"def {hook}(self, call, {payload}): broken()", {"broken": _broken}, namespace)
    assert f"{hook} raised KeyError: 'mine'" in breaches(type("Broken", (Plugin,), namespace))


def test_E64_an_observer_that_raises_is_caught() -> None:
    """`on_decision` needs a decision first."""

    class Broken(Plugin):
        def before_request(self, call: Call, request: Request) -> Wait:
            return Wait(0)

        def on_decision(self, call: Call, decision: Any, plugin: str) -> None:
            raise KeyError("mine")

    assert "on_decision raised KeyError" in breaches(Broken)


def test_E64_a_wrong_type_is_caught() -> None:
    """By plugin and hook."""
    assert "plugin 'probe' returned int in before_request" in breaches(probing(lambda _: 5))


@pytest.mark.parametrize("hook", ["on_commit", "after_request", "on_finish"])
def test_E64_an_answer_where_none_is_wanted_is_caught(hook: str) -> None:
    """The engine would report it, or fail the call."""
    payload = "event" if hook == "on_commit" else "outcome"
    namespace: dict[str, Any] = {}
    exec(f"def {hook}(self, call, {payload}): return 5", {}, namespace)
    assert f"{hook} returned int" in breaches(type("Answers", (Plugin,), namespace))


def test_E64_a_coroutine_function_is_caught() -> None:
    """It cannot even be registered."""

    class Awaits(Plugin):
        async def on_event(self, call: Call, event: Event) -> None:  # type: ignore[override]
            ...

    assert "it cannot be used: Awaits.on_event: is a coroutine function" in breaches(Awaits)


def test_E64_a_wrapper_with_a_bug_is_caught() -> None:
    """In either half, or when it yields twice."""

    class Twice(Plugin):
        name = "twice"

        @hookimpl(wrapper=True)
        def should_retry(self, call: Call, error: Error) -> Any:
            yield
            yield

    class Behind(Plugin):
        @hookimpl(wrapper=True)
        def should_retry(self, call: Call, error: Error) -> Any:
            yield
            time.time()
            raise KeyError("mine")

    class Before(Plugin):
        @hookimpl(wrapper=True)
        def should_retry(self, call: Call, error: Error) -> Any:
            time.sleep(0)
            return (yield)

    assert "plugin 'twice' raised RuntimeError in should_retry" in breaches(Twice)
    found = breaches(Behind)
    assert "should_retry raised KeyError: 'mine'" in found
    assert "should_retry takes time or chance from time.time" in found
    assert "should_retry does I/O or sleeps: time.sleep" in breaches(Before)


def test_a_misspelt_hook_is_caught() -> None:
    """A near miss by its name; a plugin without any hook by that."""

    class Near(Plugin):
        def on_events(self, call: Call, event: Event) -> None: ...

    class Far(Plugin):
        def handle(self, call: Call, event: Event) -> None: ...

    assert "did you mean on_event?" in breaches(Near)
    assert "it implements no hook" in breaches(Far)


@pytest.mark.parametrize("hook", ["wrap_transport", "wrap_async_transport"])
def test_E64_a_wrapped_transport_that_is_none_is_caught(hook: str) -> None:
    """In both backends, though a test may use only one."""
    namespace: dict[str, Any] = {}
    exec(f"def {hook}(self, transport): return None", {}, namespace)
    assert f"plugin 'Nothing' returned NoneType in {hook}" in breaches(type("Nothing", (Plugin,), namespace))


def test_a_bug_for_the_awaiting_client_alone_is_caught() -> None:
    """Whatever makes the difference."""

    class Picky(Plugin):
        name = "picky"
        awaiting = False

        def wrap_async_transport(self, transport: Any) -> Any:
            self.awaiting = True
            return transport

        def on_event(self, call: Call, event: Event) -> Any:
            return 5 if self.awaiting else None

    assert "plugin 'picky' returned int in on_event (awaiting)" in breaches(Picky)


def test_one_error_object_for_several_rejections_is_caught() -> None:
    """The engine stamps each with the id of its call."""
    error = ServerError("no")
    problem = "- before_request rejects several times with one error object: the engine writes into it"
    assert breaches(probing(lambda _: Reject(error))) == problem


# Giving back


class Leaky(Slots):
    """Gives back only when all is well."""

    def after_request(self, call: Call, outcome: Outcome) -> None:
        if outcome.status == "success":
            super().after_request(call, outcome)


class OncePerCall(Slots):
    """Gives back at the end of the call, one of several."""

    def after_request(self, call: Call, outcome: Outcome) -> None: ...

    def on_finish(self, call: Call, outcome: Outcome) -> None:
        super().after_request(call, outcome)


class Greedy(Slots):
    """Gives back what it never took."""

    def after_request(self, call: Call, outcome: Outcome) -> None:
        self.taken -= 1


@pytest.mark.parametrize(
    ("make", "noted"),
    [
        pytest.param(Leaky, "1 taken and not given back after server error", id="only-on-success"),
        pytest.param(Leaky, "1 taken and not given back after the consumer left", id="not-on-cancel"),
        pytest.param(Leaky, "1 taken and not given back after cancelled request", id="not-before-the-head"),
        pytest.param(Leaky, "1 taken and not given back in front of a plugin that rejects", id="not-on-rejection"),
        pytest.param(Leaky, "not given back after calls in several threads", id="threads"),
        pytest.param(OncePerCall, "2 taken and not given back in front of a plugin that tries again", id="attempts"),
        pytest.param(Greedy, "-1 taken and not given back behind a plugin that rejects", id="never-taken"),
    ],
)
def test_what_is_not_given_back_is_caught(make: Any, noted: str) -> None:
    """With the way in which the attempt ended."""
    assert noted in breaches(make, held=lambda plugin: plugin.taken)


# State


class Keeps(Plugin):
    """Keeps the call on itself: two calls at a time would be mixed up."""

    name = "keeps"
    call: Any = None

    def before_request(self, call: Call, request: Request) -> None:
        self.call = call


def test_a_call_kept_on_the_plugin_is_caught() -> None:
    """It mixes threads up, and holds memory."""
    assert "it keeps a call after its end" in breaches(Keeps)


class Locks(Plugin):
    """Holds a lock across a call."""

    name = "locks"

    def __init__(self) -> None:
        super().__init__()
        self.lock = threading.Lock()

    def before_request(self, call: Call, request: Request) -> None:
        self.lock.acquire()

    def after_request(self, call: Call, outcome: Outcome) -> None:
        if self.lock.locked():
            self.lock.release()


def test_a_lock_that_is_held_across_a_call_is_caught() -> None:
    """A call within another would wait for ever; that nothing moves any more tells it, not the time."""
    made: list[Locks] = []

    def make() -> Locks:
        made.append(Locks())
        return made[-1]

    problems = breaches(make)
    assert "it does not come to an end in one call in the middle of another, in one thread: does a hook" in problems
    made[-1].lock.release()


class Counts(Plugin):
    """Changes its state under a lock that `after_request` takes too."""

    name = "counts"

    def __init__(self) -> None:
        super().__init__()
        self.lock = threading.Lock()
        self.count = 0

    def before_request(self, call: Call, request: Request) -> None:
        with self.lock:
            self.count += 1

    def after_request(self, call: Call, outcome: Outcome) -> None:
        with self.lock:
            self.count -= 1


def test_F78_a_lock_that_a_collected_call_would_wait_for_is_caught() -> None:
    """The garbage collector may end another call in the thread that holds it."""
    made: list[Counts] = []

    def make() -> Counts:
        made.append(Counts())
        return made[-1]

    assert "it does not come to an end in calls that end within the hooks of another" in breaches(make)
    made[-1].lock.release()


class Boxed(Plugin):
    """The same through an inbox."""

    name = "boxed"

    def __init__(self) -> None:
        super().__init__()
        self.inbox = Inbox()
        self.count = 0

    def change(self, by: int) -> None:
        self.count += by

    def before_request(self, call: Call, request: Request) -> None:
        self.inbox.do(self.change, 1)
        call.set(Slots.HELD, True)

    def after_request(self, call: Call, outcome: Outcome) -> None:
        if call.pop(Slots.HELD):
            self.inbox.put(self.change, -1)


def test_F78_an_inbox_keeps_the_contract() -> None:
    """Nothing waits, and everything is given back."""
    check_plugin(Boxed, held=lambda plugin: plugin.count)


class Torn(Plugin):
    """Reads its state, does something, and writes it back."""

    name = "torn"
    count = 0

    def before_request(self, call: Call, request: Request) -> None:
        count = self.count
        self.noted = [call.id]
        self.count = count + 1

    def after_request(self, call: Call, outcome: Outcome) -> None:
        self.count -= 1


def test_F78_state_that_is_changed_without_protection_is_caught() -> None:
    """What the collected call gives back is lost."""
    problems = breaches(Torn, held=lambda plugin: plugin.count)
    assert "taken and not given back after success, with another call ended in the middle of a hook" in problems


# The check itself


def test_every_breach_is_listed_once() -> None:
    """However often it happens."""

    class Bad(Plugin):
        name = "bad"

        def before_request(self, call: Call, request: Request) -> None:
            time.time()

        def on_finish(self, call: Call, outcome: Outcome) -> int:  # type: ignore[override]
            return 5

    lines = breaches(Bad).splitlines()
    assert sorted(lines) == [
        "- before_request takes time or chance from time.time, not from the call",
        "- on_finish returned int; its answer goes nowhere",
    ]


def test_an_error_of_the_maker_is_raised_as_it_is() -> None:
    """It says nothing about the plugin's hooks."""

    def make() -> object:
        raise LookupError("mine")

    with pytest.raises(LookupError, match="mine"):
        check_plugin(make)


def test_a_connection_that_is_left_open_is_caught() -> None:
    """By a wrapped transport that does not close what it was told to."""

    class Forgetful(Plugin):
        name = "forgetful"

        def wrap_transport(self, transport: Any) -> Any:
            class Open:
                def open(self, request: Request, opening: Any) -> Any:
                    exchange = transport.open(request, opening)
                    exchange.close = lambda *, reusable: None
                    return exchange

            return Open()

    assert "a connection was left open after success" in breaches(Forgetful)


_TRACED = """
import sys, threading
from unbroken.testing import _watch

sys.setswitchinterval(1e-6)
with _watch.watching():
    pass
failures = []

def trace():
    for _ in range(2000):
        try:
            sys.settrace(lambda *_: None)
            sys.settrace(None)
        except RuntimeError as error:
            failures.append(error)

threads = [threading.Thread(target=trace) for _ in range(4)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print(len(failures))
"""


def test_the_watch_lets_threads_be_traced() -> None:
    """Two of them at a time: a debugger, or the measuring of coverage, begins with each thread."""
    done = subprocess.run([sys.executable, "-c", _TRACED], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout == "0\n"
