"""A client whose policies are replaced while it runs: what stays, what changes when, and what leaves no trace."""

import gc
import threading
import weakref
from typing import Any

import attrs
import pluggy
import pytest

from unbroken import (
    AsyncClient,
    Client,
    ConfigurationError,
    NetworkError,
    Plugin,
    PluginError,
    Reject,
    Request,
    TryAgain,
    ValidationError,
)
from unbroken.messages import Timeouts
from unbroken.relay import AsyncRelay, Relay
from unbroken.testing import Answer, AsyncScriptedTransport, FakeClock, ScriptedTransport, run, sse

from ..kit import Retry

URL = "https://api.example.org/v1"
OK = Answer(body=sse("one", "two"))
DOWN = Answer(status=503)
KINDS = pytest.mark.parametrize("kind", [Client, AsyncClient, Relay, AsyncRelay])


@attrs.frozen(kw_only=True)
class CountedConfig:
    most: int = 10
    broken: bool = False


class Counted(Plugin):
    """Counts the calls that run, in an object that a successor shares; refuses those beyond `most`."""

    name = "counted"
    Config = CountedConfig

    def __init__(self, config=None, /, **values):
        super().__init__(config, **values)
        self.running: list[str] = []
        self.bound: list[Any] = []
        self.adopted: list[Any] = []

    def bind(self, relay, clock):
        self.bound.append(clock)

    def adopt(self, old):
        self.adopted.append(old)
        if self.config.broken:
            raise ValueError("no")
        self.running = old.running

    def before_request(self, call, request):
        if len(self.running) >= self.config.most:
            return Reject(ValidationError("too many"))
        self.running.append(call.id)
        return None

    def after_request(self, call, outcome):
        if call.id in self.running:
            self.running.remove(call.id)


def made(kind=Client, plugins=(), script=lambda _: OK, **settings):
    clock = FakeClock()
    transport = (AsyncScriptedTransport if kind in {AsyncClient, AsyncRelay} else ScriptedTransport)(script, clock)
    return kind(list(plugins), transport=transport, clock=clock, **settings), transport


def ask(client, request_id="call"):
    with client.stream("POST", URL, request_id=request_id) as stream:
        return [event.data for event in stream]


def problems(act):
    with pytest.raises(ConfigurationError) as caught:
        act()
    return [(problem.path, problem.message) for problem in caught.value.problems]


@KINDS
def test_new_calls_have_the_new_plugins_and_the_connections_stay(kind):
    """The same transport, the same clock, another list."""
    client, transport = made(kind, [Retry()])
    client.reconfigure([Counted()])
    assert "plugins: counted" in client.describe()
    assert "counted" in repr(client)
    assert client._setup.clock is transport._clock
    assert not transport.closed

    if kind is Client:
        assert ask(client) == ["one", "two"]
    elif kind is AsyncClient:
        answer = run(lambda: client.send("GET", URL), clock=transport._clock, backend="asyncio")
        assert answer.content == OK.body[0]


def test_a_call_that_runs_keeps_its_policies_also_for_its_retries():
    """It began with three retries; the new ones allow none."""
    client, transport = made(plugins=[Retry()], script=[DOWN, DOWN, OK, DOWN])
    stream = client.stream("POST", URL)
    client.reconfigure([Retry(max_retries=0)])
    with stream:
        assert stream.attempts == 3
        assert [event.data for event in stream] == ["one", "two"]
    with pytest.raises(Exception, match="503"):
        ask(client)
    assert len(transport.requests) == 4


def test_an_object_in_both_lists_is_neither_bound_nor_changed():
    """It stays, with all that it has counted."""
    kept = Counted()
    client, _ = made(plugins=[kept])
    client.reconfigure([Retry(), kept])
    client.reconfigure([kept])
    assert (len(kept.bound), kept.adopted) == (1, [])


def test_a_successor_is_bound_then_takes_over_before_it_is_asked():
    """A call of before still counts, and gives back what it has."""
    old, new = Counted(), Counted(most=1)
    client, _ = made(plugins=[old])
    with client.stream("POST", URL, request_id="old") as stream:
        client.reconfigure([new])
        assert (len(new.bound), new.adopted, new.running) == (1, [old], ["old"])
        with pytest.raises(ValidationError, match="too many"):
            ask(client)
        assert len(list(stream)) == 2
    assert ask(client) == ["one", "two"]
    assert old.running is new.running
    assert not new.running


def test_another_class_of_the_same_name_takes_over_nothing():
    """Nor does another name of the same class."""

    class Other(Counted):
        pass

    class Renamed(Counted):
        def __init__(self, name):
            super().__init__()
            self.name = name

    other, renamed = Other(), Renamed("renamed")
    client, _ = made(plugins=[Counted(), Renamed("first")])
    client.reconfigure([other, renamed])
    assert other.adopted == renamed.adopted == []


def test_what_adopt_raises_is_logged(caplog):
    """It is a bug; the change goes on, as others may have taken over already."""
    client, _ = made(plugins=[Counted()])
    client.reconfigure([Counted(broken=True)])
    assert "'counted' failed in adopt" in caplog.text
    assert ask(client) == ["one", "two"]


class Unbindable(Plugin):
    name = "unbindable"

    def __init__(self, error):
        super().__init__()
        self.error = error

    def bind(self, relay, clock):
        raise self.error


class Unwrapping(Plugin):
    name = "unwrapping"

    def wrap_transport(self, transport):
        raise ValueError("no")


@pytest.mark.parametrize(
    ("arguments", "expected", "found"),
    [
        pytest.param(([Retry(), Retry()],), ConfigurationError, "retry.*twice", id="two-of-a-name"),
        pytest.param((["no-such-plugin"],), ConfigurationError, "no-such-plugin", id="unknown"),
        pytest.param(([Retry],), ConfigurationError, "is a class", id="class"),
        pytest.param(([], {"retry": {}}), ConfigurationError, "nothing to configure", id="config"),
        pytest.param((None, "nowhere.toml"), ConfigurationError, "nowhere", id="file"),
        pytest.param(("retry",), ConfigurationError, "list", id="no-list"),
        pytest.param(([Counted(), Unbindable(ValueError("no"))],), ConfigurationError, "bind: raised Value", id="bind"),
        pytest.param(([Unbindable(ConfigurationError("no"))],), ConfigurationError, "no", id="refusing"),
        pytest.param(([Unbindable(KeyboardInterrupt())],), KeyboardInterrupt, None, id="interrupted"),
        pytest.param(([Counted(), Unwrapping()],), PluginError, "unwrapping", id="transport"),
    ],
)
def test_nothing_changes_if_anything_is_wrong(arguments, expected, found):
    """Not even for a plugin that is in both lists."""
    kept = Counted()
    client, transport = made(plugins=[kept, Retry()], script=[DOWN, OK])
    before = client._setup
    plugins, config = (*arguments, None)[:2]
    with pytest.raises(expected, match=found):
        client.reconfigure(plugins, config=config)
    assert client._setup is before
    assert kept.adopted == []
    assert ask(client) == ["one", "two"]
    assert len(transport.requests) == 2


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({"transport": "httpx"}, [("transport", "cannot be changed in a running client; make a new one")]),
        (
            {"confg": {}, "clock": None},
            [
                ("confg", "is not an argument of reconfigure (did you mean 'config'?)"),
                ("clock", "cannot be changed in a running client; make a new one"),
            ],
        ),
    ],
    ids=["fixed", "misspelt"],
)
@KINDS
def test_other_arguments_are_refused_with_what_to_do(kind, arguments, expected):
    """Those of the constructor need another client, all others are mistakes."""
    client, _ = made(kind)
    assert problems(lambda: client.reconfigure([], **arguments)) == expected


@pytest.mark.parametrize("given", [{"transport": "httpx", "insecure": True}, {"insecure": True}, {}])
def test_settings_that_are_not_of_plugins_must_stay(given, monkeypatch, tmp_path):
    """A file that says otherwise would not come true; what was given as an argument goes before it."""
    monkeypatch.chdir(tmp_path)
    client = Client([], **({"insecure": False} if len(given) == 2 else {}))
    expected = {
        "transport": ("transport", "is 'httpx' now, but the running client uses 'wire'; make a new one"),
        "insecure": ("insecure", "is True now, but the running client uses False; make a new one"),
    }
    config = {"plugins": [], **given}
    wanted = [expected[name] for name in given if name == "transport" or len(given) == 1]
    if wanted:
        assert problems(lambda: client.reconfigure(config=config)) == wanted
    else:
        client.reconfigure(config=config)
    client.reconfigure([])  # a list of objects reads no settings


def test_a_plugin_that_is_named_with_the_settings_it_has_stays(monkeypatch, tmp_path, acme):
    """Only what has changed is replaced."""
    monkeypatch.chdir(tmp_path)
    file = tmp_path / "unbroken.toml"
    file.write_text('plugins = ["acme-stamp", "acme-alarm"]\n[acme-stamp]\nheader = "X-One"\n')
    client = Client()
    first = client._setup.hooks.binding.plugins
    client.reconfigure()
    assert client._setup.hooks.binding.plugins == first
    file.write_text('plugins = ["acme-stamp", "acme-alarm"]\n[acme-stamp]\nheader = "X-Two"\n')
    client.reconfigure()
    stamp, alarm = client._setup.hooks.binding.plugins
    assert stamp.config.header == "X-Two"
    assert stamp is not first[0]
    assert alarm is first[1]


@KINDS
def test_a_closed_client_refuses(kind):
    """As it refuses calls."""
    client, transport = made(kind)
    if kind in {Client, Relay}:
        client.close()
    else:
        run(client.aclose, clock=transport._clock, backend="asyncio")
    with pytest.raises(NetworkError, match="the client is closed"):
        client.reconfigure([])


def test_a_plugin_may_not_reconfigure_from_within():
    """It would wait for itself."""
    client, _ = made()

    class Nested(Plugin):
        def bind(self, relay, clock):
            client.reconfigure([])

    with pytest.raises(ConfigurationError, match="RuntimeError"):
        client.reconfigure([Nested()])
    client.reconfigure([])


class Wrapping(Plugin):
    """Wraps a transport of either kind, and notes what happens to its own."""

    name = "wrapping"

    def __init__(self):
        super().__init__()
        self.sent = self.closed = self.wrapped = 0

    def wrap_transport(self, transport):
        self.wrapped += 1
        return Wrapped(self, transport)

    def wrap_async_transport(self, transport):
        self.wrapped += 1
        return Wrapped(self, transport)


@attrs.define(eq=False)
class Wrapped:
    plugin: Wrapping
    inner: Any

    def open(self, request, opening):
        self.plugin.sent += 1
        return self.inner.open(request, opening)

    def close(self):
        self.plugin.closed += 1
        self.inner.close()

    async def aclose(self):
        self.plugin.closed += 1
        await self.inner.aclose()


def test_the_connections_are_wrapped_by_the_new_plugins_alone():
    """A call of before goes on through the old ones, whose transports are closed with the client."""
    old, new = Wrapping(), Wrapping()
    client, transport = made(plugins=[old])
    stream = client.stream("POST", URL)
    client.reconfigure([Retry(), old])
    assert old.wrapped == 1
    client.reconfigure([new])
    with stream:
        assert len(list(stream)) == 2
    assert ask(client) == ["one", "two"]
    assert (old.sent, new.sent) == (1, 1)
    client.reconfigure([])
    assert ask(client) == ["one", "two"]
    assert (old.sent, new.sent, old.closed, new.closed) == (1, 1, 0, 0)
    client.reconfigure([new])
    client.close()
    assert transport.closed
    assert (old.closed, new.closed) == (1, 2)


def test_an_async_client_closes_all_of_them_too():
    """With its own method."""
    old = Wrapping()
    client, transport = made(AsyncClient, [old])
    client.reconfigure([])
    run(client.aclose, clock=transport._clock, backend="asyncio")
    assert old.closed == 1
    assert transport.closed


class DoorSpecs:
    """What `Door` adds."""

    @pluggy.HookspecMarker("unbroken")
    def on_door(self, number: int) -> None:
        """Called when something goes through."""


class Door(Plugin):
    name = "door"
    hookspecs = DoorSpecs
    relay: Any = None

    def bind(self, relay, clock):
        self.relay = relay


class Guard(Plugin):
    def __init__(self, name):
        super().__init__()
        self.name = name
        self.seen = []

    def on_door(self, number):
        self.seen.append(number)


def test_hooks_of_plugins_reach_the_present_observers():
    """Those of a plugin that stays, and of one that is replaced; one that leaves without a successor keeps its own."""
    door, first, second = Door(), Guard("first"), Guard("second")
    client, _ = made(plugins=[door, first])
    door.relay.on_door(number=1)
    client.reconfigure([door, second])
    door.relay.on_door(number=2)
    successor = Door()
    client.reconfigure([successor, first])
    door.relay.on_door(number=3)
    successor.relay.on_door(number=4)
    client.reconfigure([Retry()])
    successor.relay.on_door(number=5)
    assert (first.seen, second.seen) == ([1, 3, 4, 5], [2])


def test_a_plugin_that_was_bound_in_vain_reaches_nobody():
    """It may serve another client."""
    door, guard = Door(), Guard("guard")
    client, _ = made()
    with pytest.raises(ConfigurationError):
        client.reconfigure([door, guard, Unbindable(ValueError("no"))])
    door.relay.on_door(number=1)
    assert guard.seen == []


def test_a_plugin_that_has_left_is_free_when_its_last_call_ends():
    """Whatever it owns, a finalizer can end then."""
    left = Counted()
    client, _ = made(plugins=[left, Wrapping()])
    seen = weakref.ref(left)
    stream = client.stream("POST", URL)
    client.reconfigure([Counted()])
    client._setup.hooks.binding.plugins[0].adopted.clear()
    del left
    with stream:
        assert len(list(stream)) == 2
    assert seen() is not None
    del stream
    gc.collect()
    assert seen() is None


class Marking(Plugin):
    """Marks requests in the hook and in the transport, so that a mixture shows."""

    name = "marking"

    def __init__(self, number):
        super().__init__()
        self.number = number

    def before_request(self, call, request):
        return request.with_headers({"x-hook": str(self.number)})

    def should_retry(self, call, error):
        return TryAgain() if call.attempt < 2 else None

    def wrap_transport(self, transport):
        return Checked(self.number, transport)


@attrs.define(eq=False)
class Checked:
    number: int
    inner: Any

    def open(self, request: Request, opening):
        assert request.headers["x-hook"] == str(self.number)
        return self.inner.open(request, opening)

    def close(self):
        self.inner.close()


def test_eight_threads_never_see_a_mixture():
    """Each attempt of each call goes through the hooks and the transport of one configuration."""
    clock, chance, lock = FakeClock(), iter(range(10**6)), threading.Lock()

    def answer(_):
        with lock:
            return DOWN if next(chance) % 3 == 0 else OK

    client = Client([Marking(0)], transport=ScriptedTransport(answer, clock), clock=clock)
    start, failures, done = threading.Barrier(9), [], []

    def calls():
        start.wait()
        for _ in range(25):
            try:
                done.append(ask(client))
            except Exception as error:
                failures.append(error)

    threads = [threading.Thread(target=calls) for _ in range(8)]
    for thread in threads:
        thread.start()
    start.wait()
    number = 0
    while any(thread.is_alive() for thread in threads):
        number += 1
        client.reconfigure([Marking(number)])
    for thread in threads:
        thread.join()
    assert [error for error in failures if getattr(error, "status_code", None) != 503] == []
    assert len(done) + len(failures) == 200


def test_relay_calls_take_hooks_and_transport_of_one_configuration():
    """As those of a client do."""
    client, transport = made(Relay, [Marking(1)])
    request = Request.build("POST", URL, json={"stream": True}, timeouts=Timeouts())
    stream = client.stream(request)
    client.reconfigure([Marking(2)])
    for each in (stream, client.stream(request)):
        with each:
            list(each)
    assert [request.headers["x-hook"] for request in transport.requests] == ["1", "2"]
