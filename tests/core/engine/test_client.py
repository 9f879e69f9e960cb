"""Building clients and calls: what is refused, what is described, what is closed."""

import subprocess
import sys

import pytest

from unbroken import AsyncClient, Client, ConfigurationError, Plugin, PluginError
from unbroken._wire import AsyncWireTransport, WireTransport
from unbroken.clock import SystemClock
from unbroken.messages import Timeouts
from unbroken.registry import DIALECTS, PLUGINS
from unbroken.testing import Answer, AsyncScriptedTransport, FakeClock, ScriptedTransport, run, sse
from unbroken.transport import Connections

from ..kit import Retry, Talk, Timeout

URL = "https://api.example.org/v1"
BOTH = pytest.mark.parametrize("make", [Client, AsyncClient])


def problems(caught) -> list[str]:
    return [problem.path for problem in caught.value.problems]


@BOTH
@pytest.mark.parametrize(
    ("arguments", "path"),
    [
        pytest.param({"commit": "first_event"}, "commit", id="E63-commit-misspelt"),
        pytest.param({"commit": None}, "commit", id="E63-commit-none"),
        pytest.param({"max_event_size": 0}, "max_event_size", id="E63-size-zero"),
        pytest.param({"max_event_size": -1}, "max_event_size", id="E63-size-negative"),
        pytest.param({"max_event_size": float("nan")}, "max_event_size", id="E63-size-nan"),
        pytest.param({"max_event_size": True}, "max_event_size", id="E63-size-bool"),
        pytest.param({"max_connections": 0}, "max_connections", id="E63-no-connections"),
        pytest.param({"headers": {"x-key": "a\r\nb"}}, "headers.x-key", id="C43-crlf"),
        pytest.param({"headers": {"x-key": "a\0b"}}, "headers.x-key", id="C43-nul"),
        pytest.param({"headers": {"x-key": "schlüssel"}}, "headers.x-key", id="C43-non-ascii"),
        pytest.param({"headers": {"x-key": 5}}, "headers.x-key", id="C43-no-text"),
        pytest.param({"headers": {"bad name": "x"}}, "headers", id="C43-name"),
        pytest.param({"plugins": [Retry(), Retry()]}, "plugins", id="E65-twice"),
    ],
)
def test_a_bad_argument_is_refused_when_the_client_is_built(make, arguments, path):
    """By name; no value of a header is in the message."""
    with pytest.raises(ConfigurationError) as caught:
        make(**{"plugins": [], **arguments})
    assert problems(caught) == [path]
    assert "schlüssel" not in str(caught.value)


@BOTH
def test_everything_that_is_wrong_is_said_at_once(make):
    """One error for all arguments."""
    with pytest.raises(ConfigurationError) as caught:
        make(
            [Retry(), Retry()],
            dialect="klingon",
            headers={"x": "\n", "y": "\0"},
            commit="x",
            max_event_size=0,
        )
    found = problems(caught)
    assert [path for path in found if path != found[1]] == [
        "plugins",
        "headers.x",
        "headers.y",
        "commit",
        "max_event_size",
    ]
    assert "klingon" in str(caught.value)


@pytest.mark.parametrize(
    ("settings", "path"),
    [
        pytest.param({"max_retries": -1}, "max_retries", id="E63-retries"),
        pytest.param({"initial_delay": -1}, "initial_delay", id="E63-delay"),
        pytest.param({"max_retry_after": float("nan")}, "max_retry_after", id="E63-nan"),
    ],
)
@BOTH
def test_E63_through_the_client_the_field_is_named(make, installed, settings, path):
    """With the plugin that it belongs to."""
    installed(PLUGINS, Retry)
    with pytest.raises(ConfigurationError) as caught:
        make(["retry"], config={"retry": settings})
    assert problems(caught) == [f"retry.{path}"]


@BOTH
@pytest.mark.parametrize(
    ("arguments", "path"),
    [
        pytest.param({"request_id": ""}, "request_id", id="id-empty"),
        pytest.param({"request_id": "x" * 129}, "request_id", id="id-long"),
        pytest.param({"request_id": "a\r\nb"}, "request_id", id="E69-id-crlf"),
        pytest.param({"request_id": "größe"}, "request_id", id="id-non-ascii"),
        pytest.param({"request_id": 5}, "request_id", id="id-no-text"),
        pytest.param({"headers": {"x": "a\nb"}}, "headers.x", id="C43-crlf"),
        pytest.param({"json": object()}, "json", id="json"),
        pytest.param({"url": "ftp://x"}, "url", id="url"),
    ],
)
def test_a_bad_call_is_refused_before_anything_is_sent(make, arguments, path):
    """At `stream`, not on entering it."""
    client = make([], transport=ScriptedTransport([], FakeClock()))
    with pytest.raises(ConfigurationError) as caught:
        client.stream(**{"method": "POST", "url": URL, **arguments})
    assert problems(caught) == [path]


def test_each_call_has_an_id_of_its_own():
    """Unless one is given."""
    client = Client([], transport=ScriptedTransport([], FakeClock()))
    ids = {client.stream("GET", URL).request_id for _ in range(100)}
    assert len(ids) == 100
    assert all(name.startswith("req_") for name in ids)
    assert client.stream("GET", URL, request_id="x" * 128).request_id == "x" * 128


def test_the_headers_of_the_call_beat_those_of_the_client(play):
    """And both beat the defaults."""
    played = play(
        [Answer(body=sse("a"))],
        client={"headers": {"x-a": "client", "x-b": "client", "cache-control": "client"}},
        headers={"X-B": "call"},
    )
    headers = played.requests[0].headers
    assert [headers[name] for name in ("x-a", "x-b", "cache-control")] == ["client", "call", "client"]
    assert (headers["accept"], headers["accept-encoding"]) == ("text/event-stream", "identity")
    assert played.requests[0].json() == {"stream": True}


def test_content_is_sent_as_it_is(play):
    """For bodies that are not JSON."""
    played = play([Answer(body=sse("a"))], json=None, content=b"raw", method="put", timeouts=Timeouts(idle=5))
    assert (played.requests[0].content, played.requests[0].method) == (b"raw", "PUT")
    assert "content-type" not in played.requests[0].headers


@BOTH
def test_a_client_describes_its_pipeline(make):
    """The dialect, the plugins in order, and who acts where."""
    client = make([Timeout(), Retry()], transport=ScriptedTransport([], FakeClock()), dialect=Talk())
    text = client.describe()
    assert text.startswith("dialect: talk\ntransport: ScriptedTransport\nplugins: timeout, retry\n")
    assert "before_request       timeout" in text


@BOTH
def test_the_defaults_of_a_client(make, installed, monkeypatch, tmp_path):
    """Plain SSE, the machine's clocks, HTTP."""
    installed(PLUGINS, Timeout)
    monkeypatch.chdir(tmp_path)
    client = make(["timeout"])
    assert client.describe().startswith("dialect: sse\ntransport: wire\nplugins: timeout")
    assert isinstance(client._setup.clock, SystemClock)
    assert isinstance(client._transport.inner, WireTransport if make is Client else AsyncWireTransport)
    client.close() if make is Client else run(client.aclose)


@BOTH
def test_a_dialect_can_be_named(make, installed):
    """Or given as an object."""
    installed(DIALECTS, Talk)
    transport = ScriptedTransport([], FakeClock())
    assert make([], dialect="talk", transport=transport).describe().startswith("dialect: talk")


def test_leaving_a_client_closes_its_transport():
    """Both ways."""
    transport = ScriptedTransport([], FakeClock())
    with Client([], transport=transport) as client:
        assert not transport.closed
    assert transport.closed
    client.close()
    atransport = AsyncScriptedTransport([], FakeClock())

    async def main():
        async with AsyncClient([], transport=atransport):
            assert not atransport.closed

    run(main)
    assert atransport.closed


class Wrapped:
    """A transport around another one."""

    def __init__(self, inner, name):
        self.inner, self.name = inner, name

    def open(self, request, opening):
        return self.inner.open(
            request.with_headers({"x-path": f"{request.headers.get('x-path', '')}{self.name}"}), opening
        )

    def close(self):
        return self.inner.close()

    def aclose(self):
        return self.inner.aclose()


class Wrapping(Plugin):
    """Wraps both kinds."""

    def __init__(self, name, answer=Wrapped):
        super().__init__()
        self.name, self.answer = name, answer

    def wrap_transport(self, transport):
        return self.answer(transport, self.name)

    wrap_async_transport = wrap_transport


def test_transports_are_wrapped_in_the_order_of_the_plugins(play):
    """The first plugin is the outermost."""
    played = play([Answer(body=sse("a"))], [Wrapping("1"), Wrapping("2")])
    assert played.requests[0].headers["x-path"] == "12"


@BOTH
@pytest.mark.parametrize(
    ("answer", "what"),
    [
        pytest.param(lambda transport, name: None, "returned NoneType", id="E64-nothing"),
        pytest.param(lambda transport, name: 1 / 0, "raised ZeroDivisionError", id="E64-raises"),
    ],
)
def test_E64_a_plugin_that_cannot_wrap_is_named(make, answer, what):
    """When the client is built."""
    with pytest.raises(PluginError, match=what) as caught:
        make([Wrapping("broken", answer)], transport=ScriptedTransport([], FakeClock()))
    assert (caught.value.plugin, caught.value.hook.removeprefix("wrap_").removeprefix("async_")) == (
        "broken",
        "transport",
    )


def test_connections_are_checked():
    """At least one."""
    assert Connections().max_connections == 1000


def test_importing_unbroken_does_not_import_http():
    """A client with a transport of its own never does."""
    code = "import sys, unbroken; sys.exit('httpx' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
