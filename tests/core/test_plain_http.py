"""Credentials are not sent over http:// to another machine, whoever puts them on the request."""

import pickle
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import attrs
import pytest

from unbroken import AsyncClient, Client, ConfigurationError, Headers, Plugin
from unbroken.messages import Request
from unbroken.plain_http import is_loopback, refuse_exposed_credentials
from unbroken.testing import Answer, AsyncScriptedTransport, FakeClock, ScriptedTransport, run, sse
from unbroken.transport import Connections

CANARY = "canary-4711"
KEY = {"x-api-key": CANARY}
DIRECT = Connections()
REMOTE = "http://gateway.example:8080/v1/messages"
BOTH = pytest.mark.parametrize("make", [Client, AsyncClient])

LOOPBACK = [
    *("localhost", "LocalHost", "localhost.", "api.localhost", "A.B.LOCALHOST.", "127.0.0.1", "127.255.3.4"),
    *("127.0.0.1.", "::1", "0:0:0:0:0:0:0:1", "::ffff:127.0.0.1", "::ffff:7f00:1"),
]
ELSEWHERE = [
    *("", ".", "api.example.org", "localhost.example.org", "notlocalhost", "localhost..", "127.0.0.1.example.org"),
    *("128.0.0.1", "0.0.0.0", "10.0.0.1", "192.168.1.5", "127.1", "::", "::2", "fe80::1", "::ffff:10.0.0.1"),
    "\uff4cocalhost",
]


def connect(make: Any, script: Any = (), **arguments: Any) -> tuple[Any, Any]:
    clock = FakeClock()
    transport = (ScriptedTransport if make is Client else AsyncScriptedTransport)(script, clock)
    return make(arguments.pop("plugins", []), transport=transport, clock=clock, **arguments), transport


def refused(url: str = REMOTE, headers: Any = KEY, connections: Connections = DIRECT) -> str:
    """Return what is wrong with sending a request; empty if nothing is."""
    try:
        refuse_exposed_credentials(Request.build("POST", url, headers=headers), connections)
    except ConfigurationError as error:
        return str(error)
    return ""


@pytest.mark.parametrize("host", LOOPBACK)
def test_this_machine_has_many_names(host: str) -> None:
    """RFC 6761 §6.3, RFC 1122 §3.2.1.3, RFC 4291 §2.5.3; in any case, with or without the dot of the root."""
    assert is_loopback(host)


@pytest.mark.parametrize("host", ELSEWHERE)
def test_another_machine_is_not_taken_for_this_one(host: str) -> None:
    """A name that only looks like it, and addresses that may lead elsewhere."""
    assert not is_loopback(host)


@pytest.mark.parametrize(
    "name",
    ["Authorization", "x-api-key", "api-key", "X-Goog-Api-Key", "Cookie", "x-amz-security-token", "x-auth-secret"],
)
def test_every_header_that_is_hidden_as_a_credential_is_refused(name: str) -> None:
    """The same names as in logs."""
    assert f"headers.{name.lower()}: would be sent unencrypted to http://gateway.example:8080" in refused(
        headers={name: CANARY}
    )


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param({}, id="none"),
        pytest.param({"Authorization": ""}, id="empty"),
        pytest.param({"Idempotency-Key": "req_1", "X-Request-ID": "req_1", "anthropic-version": "1"}, id="harmless"),
        pytest.param({"Proxy-Authorization": "Basic eA=="}, id="for-the-proxy"),
    ],
)
def test_a_request_without_credentials_is_sent(headers: dict[str, str]) -> None:
    """Over http:// too; those for a proxy are between the client and its proxy."""
    assert refused(headers=headers) == ""


@pytest.mark.parametrize(
    "url", ["https://gateway.example/", "HTTPS://gateway.example/", "http://LOCALHOST:1/", "http://[::1]:8/"]
)
def test_tls_and_this_machine_get_credentials(url: str) -> None:
    """Nothing on the way can read them."""
    assert refused(url) == ""


@pytest.mark.parametrize("url", ["HTTP://gateway.example/", "http://gateway.example./", "http://[2001:db8::1]/"])
def test_the_spelling_of_the_url_changes_nothing(url: str) -> None:
    assert refused(url)


def test_all_headers_are_named_at_once_with_what_to_do() -> None:
    """The values are not."""
    assert refused(headers={"Cookie": CANARY, "X": "1", "X-Api-Key": CANARY}).splitlines() == [
        f"headers.{name}: would be sent unencrypted to http://gateway.example:8080; "
        "use https://, or allow it with insecure=True (--insecure on the command line) (from arguments)"
        for name in ("cookie", "x-api-key")
    ]


@pytest.mark.parametrize(
    ("proxy", "local", "encrypted"),
    [
        ("http://127.0.0.1:3128", True, True),
        ("http://proxy.example:3128", False, True),
        ("https://proxy.example", True, True),
        ("socks5://proxy.example", False, True),
        ("http://[::1", False, True),
    ],
)
def test_a_proxy_elsewhere_takes_a_request_off_this_machine(proxy: str, local: bool, encrypted: bool) -> None:
    """An https:// request goes through a tunnel. No proxy makes plain HTTP to another machine safe."""
    by_proxy = Connections(proxy=proxy)
    assert (refused("http://localhost/", connections=by_proxy) == "") is local
    assert (refused("https://gateway.example/", connections=by_proxy) == "") is encrypted
    assert refused(connections=by_proxy)
    if not local:
        assert "to a proxy, for http://localhost:80" in refused("http://localhost/", connections=by_proxy)


@pytest.mark.parametrize("trust_env", [False, True])
def test_a_proxy_of_the_environment_counts_where_it_is_used(monkeypatch: pytest.MonkeyPatch, trust_env: bool) -> None:
    """And only there."""
    monkeypatch.setenv("http_proxy", "proxy.example:3128")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    connections = Connections(trust_env=trust_env)
    assert bool(refused("http://localhost/", connections=connections)) is trust_env
    assert refused("http://127.0.0.1/", connections=connections) == ""


class Late(Plugin):
    """Puts a key on the request at one of the places where a plugin can."""

    name = "late"

    def __init__(self, place: str) -> None:
        super().__init__()
        self.place = place

    def before_request(self, call: Any, request: Request) -> Request | None:
        return request.with_headers(KEY) if self.place == "before_request" else None

    def wrap_transport(self, transport: Any) -> Any:
        return Wrapped(transport) if self.place == "wrap_transport" else transport

    def wrap_async_transport(self, transport: Any) -> Any:
        return AsyncWrapped(transport) if self.place == "wrap_transport" else transport


@attrs.define
class Wrapped:
    inner: Any

    def open(self, request: Request, opening: Any) -> Any:
        return self.inner.open(attrs.evolve(request, headers=request.headers.merged(Headers(KEY))), opening)

    def close(self) -> None:
        self.inner.close()


@attrs.define
class AsyncWrapped:
    inner: Any

    async def open(self, request: Request, opening: Any) -> Any:
        return await self.inner.open(request.with_headers(KEY), opening)

    async def aclose(self) -> None:
        await self.inner.aclose()


PLACES: dict[str, dict[str, Any]] = {
    "client": {"client": {"headers": KEY}},
    "call": {"headers": KEY},
    "hook": {"plugins": [Late("before_request")]},
    "transport": {"plugins": [Late("wrap_transport")]},
}
everywhere = pytest.mark.parametrize("given", PLACES.values(), ids=PLACES)


def locals_of(error: BaseException) -> Iterator[str]:
    """The variables of every frame, as tools that collect errors send them."""
    for frame, _ in traceback.walk_tb(error.__traceback__):
        if "/core/unbroken/" in frame.f_code.co_filename:
            yield from map(repr, frame.f_locals.values())


@everywhere
def test_credentials_are_refused_wherever_they_come_from(play: Any, given: dict[str, Any]) -> None:
    """Before anything is sent; the error is the caller's own mistake, so no policy tries again."""
    played = play([Answer(body=sse("a"))], url=REMOTE, **given)
    error = played.failure
    assert isinstance(error, ConfigurationError)
    assert [problem.path for problem in error.problems] == ["headers.x-api-key"]
    assert (error.is_local, error.retryable, error.attempts, error.request_id) == (True, False, 1, played.request_id)
    assert played.requests == []


@everywhere
def test_E85_a_refusal_shows_no_secret(play: Any, given: dict[str, Any]) -> None:
    """Not in its text, its pickle, its traceback with all variables."""
    error = play([Answer()], url=f"{REMOTE}?key={CANARY}", **given).failure
    seen = [str(error), repr(error), repr(vars(error)), pickle.dumps(error).decode("latin-1"), *locals_of(error)]
    seen += traceback.format_exception(error)
    assert len(seen) > 20
    assert [text for text in seen if CANARY in text] == []


@everywhere
def test_credentials_are_sent_where_that_is_allowed(play: Any, given: dict[str, Any]) -> None:
    """As they were given."""
    arguments = {**given, "client": {**given.get("client", {}), "insecure": True}}
    played = play([Answer(body=sse("a"))], url=REMOTE, **arguments)
    assert played.data == ["a"]
    assert played.requests[0].headers["x-api-key"] == CANARY


@everywhere
def test_credentials_are_sent_to_this_machine(play: Any, given: dict[str, Any]) -> None:
    """Without being asked."""
    assert play([Answer(body=sse("a"))], url="http://127.0.0.1:8000/v1", **given).data == ["a"]


def line(client: Any) -> bool:
    return "\ninsecure: credentials may be sent over http:// to any host\n" in client.describe()


@BOTH
def test_the_argument_beats_the_environment_beats_the_file(
    make: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """As for the transport; a list of objects reads neither. `describe` says what holds."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("UNBROKEN_INSECURE", raising=False)
    names = {"plugins": None, "config": {"plugins": []}}
    assert not line(connect(make, **names)[0])
    (tmp_path / "unbroken.toml").write_text("plugins = []\ninsecure = true\n")
    assert line(connect(make, plugins=None)[0])
    assert not line(connect(make)[0])
    assert line(connect(make, insecure=True)[0])
    monkeypatch.setenv("UNBROKEN_INSECURE", "no")
    assert not line(connect(make, plugins=None)[0])
    monkeypatch.setenv("UNBROKEN_INSECURE", " 1 ")
    assert line(connect(make, **names)[0])
    assert not line(connect(make, **names, insecure=False)[0])
    assert not line(connect(make, plugins=None, config={"plugins": [], "insecure": False})[0])
    monkeypatch.setenv("UNBROKEN_INSECURE", " ")
    assert line(connect(make, plugins=None)[0])


@BOTH
@pytest.mark.parametrize("value", ["yes", 1, "", []], ids=repr)
def test_a_switch_is_true_or_false(make: Any, value: Any) -> None:
    """The truth of anything else would be an accident."""
    with pytest.raises(ConfigurationError, match="insecure: must be True, False or None"):
        connect(make, insecure=value)
    with pytest.raises(ConfigurationError, match="insecure: must be true or false"):
        connect(make, plugins=None, config={"plugins": [], "insecure": value})


def test_a_variable_that_is_no_switch_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """With what it is set to."""
    monkeypatch.setenv("UNBROKEN_INSECURE", "perhaps")
    with pytest.raises(ConfigurationError, match=r"must be true or false, not 'perhaps' \(from UNBROKEN_INSECURE\)"):
        Client(config={"plugins": []})


@BOTH
@pytest.mark.parametrize("insecure", [None, True])
def test_closing_the_client_closes_its_transport(make: Any, insecure: bool | None) -> None:
    """With the check in front of it or without."""
    client, transport = connect(make, insecure=insecure)
    client.close() if make is Client else run(client.aclose)
    assert transport.closed
