"""Keys and tokens do not go over http:// to another machine, though the transport alone puts them on a request."""

import pickle

import pytest

from unbroken import ConfigurationError
from unbroken.testing import Answer, FakeClock, ScriptedTransport
from unbroken_chat import ChatCompletions, RefreshAuth

BACKEND = "http://backend.example.org/api/claude"
WAYS = pytest.mark.parametrize(
    ("proxy", "place"),
    [
        pytest.param(False, {"base_url": "http://backend.example.org"}, id="direct"),
        pytest.param(True, {"endpoint": BACKEND}, id="proxy"),
    ],
)


def names(error) -> list[str]:
    assert "canary" not in f"{error} {error!r} {vars(error)} {pickle.dumps(error)!r}"
    return [problem.path for problem in error.problems]


@WAYS
def test_a_generator_refuses(chat, answer, proxy, place) -> None:
    """Nothing is sent, and the key is in no part of the error."""
    generator = chat.generator([answer()], proxy=proxy, **place)
    with pytest.raises(ConfigurationError, match=r"unencrypted to http://backend\.example\.org:80") as caught:
        chat.send(generator, "Hello")
    assert names(caught.value) == ["headers.authorization" if proxy else "headers.x-api-key"]
    assert chat.requests == []


@WAYS
def test_a_generator_sends_where_that_is_allowed(chat, answer, proxy, place) -> None:
    """It passes the argument to its client."""
    generator = chat.generator([answer("Hi")], proxy=proxy, insecure=True, **place)
    assert chat.send(generator, "Hello").text == "Hi"


@pytest.mark.parametrize("proxy", [False, True], ids=["direct", "proxy"])
def test_a_handler_refuses_and_sends_where_that_is_allowed(chat, answer, proxy) -> None:
    """As a generator does."""
    place = {"endpoint": BACKEND} if proxy else {"base_url": BACKEND}
    with pytest.raises(ConfigurationError, match="would be sent unencrypted"):
        chat.events(chat.handler([answer()], proxy=proxy, **place), {"messages": []})
    assert chat.events(chat.handler([answer()], proxy=proxy, insecure=True, **place), {"messages": []})


def test_a_token_of_a_provider_is_refused(chat, answer) -> None:
    """It is known only when the request is sent."""
    generator = chat.generator([answer()], proxy=True, endpoint=BACKEND, token_provider=lambda: "canary")
    with pytest.raises(ConfigurationError) as caught:
        chat.send(generator, "Hello")
    assert names(caught.value) == ["headers.authorization"]


def test_a_refreshed_token_is_refused(chat, answer, failed) -> None:
    """The first request has none, so it is sent; the second would have one."""
    refused = failed(401, "authentication_error")
    generator = chat.generator(
        [refused, answer()],
        proxy=True,
        endpoint=BACKEND,
        auth_token=None,
        plugins=[RefreshAuth(lambda: "canary")],
    )
    with pytest.raises(ConfigurationError) as caught:
        chat.send(generator, "Hello")
    assert names(caught.value) == ["headers.authorization"]
    assert len(chat.requests) == 1


def test_a_backend_without_credentials_is_asked(chat, answer) -> None:
    """There is nothing to read on the way but the conversation."""
    generator = chat.generator([answer("Hi")], proxy=True, endpoint=BACKEND, auth_token=None)
    assert chat.send(generator, "Hello").text == "Hi"


@pytest.mark.parametrize("insecure", [None, True])
def test_chat_completions_do_the_same(insecure) -> None:
    """Local servers need no key; one elsewhere is sent it over TLS, or where that is allowed."""
    clock = FakeClock()
    transport = ScriptedTransport([Answer(status=400)], clock)
    with (
        ChatCompletions(
            "http://gpu.example:8000/v1",
            api_key="canary",
            plugins=[],
            transport=transport,
            clock=clock,
            insecure=insecure,
        ) as server,
        pytest.raises(Exception, match="HTTP 400" if insecure else "headers.authorization: would be sent"),
    ):
        server.send_request("Hi", model="m")
    assert len(transport.requests) == (1 if insecure else 0)
