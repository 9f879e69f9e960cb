"""`protect` over clients of httpx and httpx2: what they were set up with stays, and nothing of the original changes."""

import asyncio
import gc
import logging
import socket
import ssl
from http.cookiejar import CookieJar, DefaultCookiePolicy
from types import SimpleNamespace

import httpx
import httpx2
import pytest

import unbroken_sdk
from unbroken import ConfigurationError
from unbroken_retry import Retry
from unbroken_sdk import protect
from unbroken_sdk._clients import _connections

LIBRARIES = {"httpx": httpx, "httpx2": httpx2}
URL = "https://api.example/v1/models"

both = pytest.mark.parametrize("library", LIBRARIES.values(), ids=LIBRARIES)


class Server:
    """Answers with each status in turn, then with 200, and keeps the requests."""

    def __init__(self, library, *statuses, headers=None):
        self.library, self.statuses, self.headers = library, list(statuses), headers
        self.requests = []

    def __call__(self, request):
        self.requests.append(request)
        status = self.statuses.pop(0) if self.statuses else 200
        return self.library.Response(status, json={"object": "list", "data": []}, headers=self.headers)

    def transport(self):
        return self.library.MockTransport(self)


def quick():
    return [Retry(initial_delay=0.0, max_delay=0.0)]


@both
def test_a_sync_client_keeps_its_own_transport_under_the_policies(library):
    server = Server(library, 503)
    with protect(library.Client(transport=server.transport()), quick()) as client:
        response = client.get(URL)
    assert (response.status_code, response.headers["x-unbroken-attempts"], len(server.requests)) == (200, "2", 2)
    assert response.json() == {"object": "list", "data": []}


@both
def test_so_does_an_async_one(library):
    server = Server(library, 503)

    async def ask():
        async with protect(library.AsyncClient(transport=server.transport()), quick()) as client:
            return await client.get(URL)

    assert asyncio.run(ask()).headers["x-unbroken-attempts"] == "2"
    assert len(server.requests) == 2


@both
def test_what_the_client_was_set_up_with_is_taken_over(library):
    class Own(library.Client):
        """The user's own."""

    server, seen = Server(library), []
    original = Own(
        transport=server.transport(),
        base_url="https://api.example/v1/",
        headers={"x-team": "a"},
        cookies={"session": "1"},
        params={"page": "2"},
        auth=("name", "word"),
        timeout=7.0,
        follow_redirects=True,
        max_redirects=3,
        default_encoding="latin-1",
        event_hooks={
            "request": [lambda request: seen.append("request")],
            "response": [lambda _: seen.append("response")],
        },
    )
    client = protect(original, [])
    client.get("models")
    (request,) = server.requests
    assert str(request.url) == "https://api.example/v1/models?page=2"
    assert (request.headers["x-team"], request.headers["cookie"]) == ("a", "session=1")
    assert request.headers["authorization"].startswith("Basic ")
    assert request.headers["accept-encoding"] == "identity"
    assert seen == ["request", "response"]
    assert client.headers["accept-encoding"] == "identity"
    assert type(client) is Own
    assert (client.timeout, client.follow_redirects, client.max_redirects) == (library.Timeout(7.0), True, 3)


@both
def test_nothing_of_the_original_changes(library):
    server = Server(library, headers={"set-cookie": "new=1"})
    original = library.Client(transport=server.transport(), cookies={"old": "1"})
    before = (dict(original.headers), original._transport, dict(original._mounts))
    client = protect(original, [])
    client.headers["x-new"] = "1"
    client.event_hooks["request"].append(print)
    client.event_hooks = {"request": []}
    client.get(URL)
    assert (dict(original.headers), original._transport, dict(original._mounts)) == before
    assert original.event_hooks == {"request": [], "response": []}
    assert dict(original.cookies) == {"old": "1"}
    assert dict(client.cookies) == {"old": "1", "new": "1"}
    assert original.get(URL).headers.get("x-unbroken-attempts") is None


@both
def test_the_policy_of_the_cookie_jar_stays(library):
    server = Server(library, headers={"set-cookie": "new=1"})
    jar = CookieJar(DefaultCookiePolicy(allowed_domains=[]))
    client = protect(library.Client(transport=server.transport(), cookies=jar), [])
    client.get(URL)
    assert dict(client.cookies) == {}


@both
def test_mounts_stay_each_with_its_own_transport(library):
    default, mounted = Server(library), Server(library)
    mounts = {"all://inside.example": mounted.transport(), "all://open.example": None}
    client = protect(library.Client(transport=default.transport(), mounts=mounts), [])
    client.get("https://inside.example/")
    client.get("https://open.example/")
    assert [str(request.url) for request in mounted.requests] == ["https://inside.example/"]
    assert [str(request.url) for request in default.requests] == ["https://open.example/"]


@both
def test_the_proxies_of_the_environment_stay(library, monkeypatch):
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("NO_PROXY", "open.example")
    original = library.Client()
    client = protect(original, [])
    assert list(client._mounts) == list(original._mounts)
    kept = {str(pattern.pattern): mount for pattern, mount in client._mounts.items()}
    assert isinstance(kept["https://"], getattr(unbroken_sdk, library.__name__).Transport)
    assert kept["all://*open.example"] is None
    with pytest.raises(library.ConnectError):
        client.get("https://api.example/")


@both
def test_a_client_that_ignores_the_environment_still_does(library, monkeypatch):
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    assert protect(library.Client(trust_env=False), [])._mounts == {}


@both
def test_one_transport_of_two_mounts_is_one_below_as_well(library):
    shared = Server(library).transport()
    client = protect(library.Client(transport=shared, mounts={"https://": shared}), [])
    assert [*client._mounts.values()] == [client._transport]


@both
def test_an_open_client_gives_a_copy_that_can_be_entered(library):
    with library.Client(transport=Server(library).transport()) as original, protect(original, []) as client:
        assert client.get(URL).status_code == 200


@both
def test_a_closed_client_is_refused(library):
    client = library.Client()
    client.close()
    with pytest.raises(ConfigurationError, match="is closed"):
        protect(client, [])


@both
def test_twice_is_refused(library):
    with pytest.raises(ConfigurationError, match="has Unbroken under it already"):
        protect(protect(library.Client(), []), [])
    with pytest.raises(ConfigurationError, match="has Unbroken under it already"):
        protect(getattr(unbroken_sdk, library.__name__).AsyncClient([]), [])


@both
def test_a_dropped_original_that_closes_itself_leaves_the_copy_open(library):
    class Kept(library.MockTransport):
        closed = False

        def close(self):
            self.closed = True

    class Closing(library.Client):
        def __del__(self):
            self.close()

    transport = Kept(Server(library))
    client = protect(Closing(transport=transport), [])
    gc.collect()
    assert not transport.closed
    client.close()
    assert transport.closed


@both
def test_a_client_of_another_version_is_refused(library):
    client = library.Client()
    del client._mounts
    with pytest.raises(ConfigurationError, match="must be a client of httpx or httpx2"):
        protect(client, [])


# What gives way to the wire, and what is kept below


KEEPALIVE = [(socket.SOL_SOCKET, socket.SO_KEEPALIVE, True), (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 60)]


@both
def test_an_ordinary_transport_gives_way_with_its_trust_and_its_limit(library):
    context = ssl.create_default_context()
    limits = library.Limits(max_connections=7)
    for transport in (
        library.HTTPTransport(verify=context, limits=limits),
        library.AsyncHTTPTransport(verify=context, limits=limits, socket_options=KEEPALIVE),
    ):
        connections = _connections(transport)
        assert (connections.verify, connections.max_connections, connections.trust_env) == (context, 7, False)
    assert _connections(library.HTTPTransport(limits=library.Limits())).max_connections == 10**6
    assert _connections(library.HTTPTransport(verify=False)).verify.verify_mode is ssl.CERT_NONE


@both
@pytest.mark.parametrize(
    "options",
    [
        {"proxy": "http://127.0.0.1:9"},
        {"local_address": "127.0.0.1"},
        {"uds": "/run/model.sock"},
        {"retries": 1},
        {"socket_options": [(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)]},
    ],
    ids=lambda options: next(iter(options)),
)
def test_one_that_is_set_up_in_a_special_way_is_kept(library, options):
    assert _connections(library.HTTPTransport(**options)) is None


@both
def test_one_without_keep_alive_is_kept(library):
    assert _connections(library.HTTPTransport(limits=library.Limits(max_keepalive_connections=0))) is None


@both
def test_one_of_the_users_own_is_kept(library):
    class Own(library.HTTPTransport):
        """May do more."""

    backend = library.HTTPTransport()
    backend._pool._network_backend = SimpleNamespace()
    unknown = library.HTTPTransport()
    del unknown._pool._uds
    for transport in (Own(), backend, unknown, Server(library).transport(), library.WSGITransport(app=print)):
        assert _connections(transport) is None


# What is refused


def of_module(module, name="Client", **attributes):
    return type(name, (), {"__module__": module, **attributes})()


@pytest.mark.parametrize(
    ("thing", "words"),
    [
        (object(), "builtins.object: it is none of those"),
        (httpx, "httpx: it is none of those"),
        (of_module("google.genai.client"), "no HTTP clients where this version expects them"),
        (of_module("google.genai_other.client"), "none of those"),
        (of_module("botocore.client", "BedrockRuntime"), "over urllib3"),
        (of_module("boto3.session", "Session"), "call Bedrock with AnthropicBedrock"),
        (of_module("a2a.client.base_client", "BaseClient"), "ClientConfig"),
        (of_module("mcp.client.session", "ClientSession"), "streamable_http_client"),
        (of_module("ollama._client"), "no HTTP client where this version expects it"),
        (
            of_module("anthropic.lib.bedrock._client", "AnthropicBedrock"),
            "no HTTP client where this version expects it",
        ),
        (of_module("anthropic._client", "Anthropic"), "no HTTP client where this version expects it"),
        (of_module("mistralai.client.sdk", "Mistral"), "no HTTP client where this version expects it"),
        (of_module("cohere.client", "Client"), "no HTTP client where this version expects it"),
        (of_module("litellm.router", "Router"), "no HTTP client where this version expects it"),
        (of_module("langchain_openai.chat_models.base", "ChatOpenAI"), "holds no client"),
        (of_module("pydantic_ai.models.test", "TestModel"), "no provider and no client"),
        (of_module("agents.models.openai_provider", "OpenAIProvider", _client=None), "no client yet"),
        (of_module("agents.models.openai_responses", "OpenAIResponsesWSModel"), "WebSocket"),
    ],
    ids=lambda value: type(value).__module__ if not isinstance(value, str) else "",
)
def test_anything_else_is_refused_with_the_long_form(thing, words):
    with pytest.raises(ConfigurationError, match=words) as caught:
        protect(thing, [])
    assert "give its HTTP client a transport of unbroken_sdk.httpx or unbroken_sdk.httpx2" in str(caught.value)


def test_an_unknown_dialect_is_refused_before_anything_is_changed():
    with pytest.raises(ConfigurationError, match="dialect"):
        protect(httpx.Client(), [], dialect="nonsense")
    with pytest.raises(ConfigurationError, match="errors"):
        protect(httpx.Client(), [], errors="nonsense")


def test_what_has_no_dialect_says_so_once(caplog, monkeypatch):
    monkeypatch.setattr("unbroken_sdk._seams._warned", set())

    def cohere():
        inner = of_module("cohere.core.http_client", httpx_client=httpx.Client(), base_max_retries=2)
        return of_module("cohere.client", _client_wrapper=of_module("cohere", httpx_client=inner, _max_retries=2))

    with caplog.at_level(logging.WARNING, "unbroken"):
        first = protect(cohere(), [])
        protect(cohere(), [])
        protect(cohere(), [], dialect="openai")
    assert [record.message for record in caplog.records] == [
        "cohere has no dialect yet: its answers are plain SSE or plain JSON, proven by a clean end"
    ]
    assert isinstance(first._client_wrapper.httpx_client.httpx_client._transport, unbroken_sdk.httpx.Transport)
    assert (first._client_wrapper.httpx_client.base_max_retries, first._client_wrapper._max_retries) == (0, 0)
