"""Keys and tokens: sent, renewed, and seen by nobody."""

import pickle
import threading
import traceback

import anyio
import pytest

from unbroken import AuthenticationError, Client, ConfigurationError, Plugin, RateLimitError
from unbroken.testing import Answer, AsyncScriptedTransport, FakeClock, ScriptedTransport, check_plugin, run, sse
from unbroken_chat import AsyncContentGenerator, ContentGenerator, DirectModeHandler, ProxyModeHandler, RefreshAuth
from unbroken_chat.credentials import Credentials
from unbroken_retry import Retry

HELLO = {"messages": [{"role": "user", "content": "Hello"}]}


class Spy(Plugin):
    """Keeps what a plugin can see."""

    name = "spy"

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[str] = []

    def before_request(self, call, request):
        self.seen += [repr(request), *request.headers.values(), *call.request.headers.values()]

    def after_request(self, call, outcome):
        self.seen += [repr(outcome), repr(call), *call.current.headers.values()]


@pytest.mark.parametrize("proxy", [False, True], ids=["direct", "proxy"])
def test_E68_no_plugin_sees_a_credential(chat, answer, proxy) -> None:
    """It is put on the request behind them all."""
    spy = Spy()
    handler = chat.handler([answer()], proxy=proxy, plugins=[spy])
    chat.events(handler, HELLO)
    assert any("canary" in value for value in chat.requests[0].headers.values())
    assert spy.seen
    assert not any("canary" in text for text in [*spy.seen, repr(handler), handler.describe()])


@pytest.mark.parametrize("proxy", [False, True], ids=["direct", "proxy"])
def test_E68_no_error_has_a_credential_in_it(chat, failed, proxy) -> None:
    """Not in its text, its traceback, its pickle."""
    generator = chat.generator([failed(401, "authentication_error", "invalid x-api-key")], proxy=proxy)
    with pytest.raises(AuthenticationError) as caught:
        chat.send(generator, "Hello")
    told = "".join(traceback.format_exception(caught.value))
    assert "canary" not in told + repr(caught.value) + repr(generator)
    assert b"canary" not in pickle.dumps(caught.value)


def test_a_provider_is_asked_with_each_attempt(chat, answer, failed) -> None:
    """A token may expire during the back-off."""
    tokens = iter(["one", "two"])
    generator = chat.generator(
        [failed(529, "overloaded_error"), answer()], proxy=True, token_provider=lambda: next(tokens)
    )
    chat.send(generator, "Hello")
    assert [request.headers["authorization"] for request in chat.requests] == ["Bearer one", "Bearer two"]


def test_a_provider_may_be_awaited(chat, answer) -> None:
    """Where there is a loop to do it."""

    async def provider() -> str:
        await anyio.sleep(1.0)
        return "slow"

    if chat.sync:
        with pytest.raises(AuthenticationError, match="provider has to be awaited"):
            chat.send(chat.generator([answer()], proxy=True, token_provider=provider), "Hello")
    else:
        chat.send(chat.generator([answer()], proxy=True, token_provider=provider), "Hello")
        assert chat.requests[0].headers["authorization"] == "Bearer slow"


def test_a_provider_that_is_awaited_for_ever_is_given_up(chat, answer) -> None:
    """A hang is not an answer."""
    generator = chat.generator([answer()], proxy=True, token_provider=anyio.sleep_forever)
    words, seconds = ("has to be awaited", 0.0) if chat.sync else ("took too long", 30.0)
    with pytest.raises(AuthenticationError, match=words):
        chat.send(generator, "Hello")
    assert chat.clock.monotonic() == pytest.approx(1000.0 + seconds)


class Locked(Exception):
    """A failure of the user's own."""


def fails() -> str:
    raise Locked("the keychain says canary")


def limited() -> str:
    raise RateLimitError("the identity provider is busy", retryable=False)


@pytest.mark.parametrize(
    ("provider", "error", "words"),
    [
        pytest.param(fails, AuthenticationError, "no credentials: fails raised Locked", id="raises"),
        pytest.param(limited, RateLimitError, "identity provider is busy", id="raises-one-of-ours"),
        pytest.param(lambda: None, ConfigurationError, "token: must be a text", id="none"),
        pytest.param(lambda: "", ConfigurationError, "token: must be a text", id="empty"),
        pytest.param(lambda: "canary\r\nx", ConfigurationError, "Authorization", id="control-characters"),
    ],
)
def test_a_provider_that_has_no_token_fails_the_call(chat, answer, provider, error, words) -> None:
    """With what happened, not with what it said."""
    generator = chat.generator([answer()], proxy=True, token_provider=provider)
    with pytest.raises(error, match=words) as caught:
        chat.send(generator, "Hello")
    assert caught.value.request_id
    assert "canary" not in str(caught.value)
    assert chat.requests == []


@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        ({"auth_token": "a", "token_provider": lambda: "b"}, "token_provider"),
        ({"auth_token": 5}, "auth_token"),
        ({"token_provider": "b"}, "token_provider"),
        ({"auth_token": "a\nb"}, "Authorization"),
        ({"endpoint": "/chat"}, "url"),
        ({"plugins": [], "retry_config": object()}, "retry_config"),
        ({"plugins": [], "circuit_breaker": object()}, "circuit_breaker"),
    ],
    ids=["both", "number", "text-as-provider", "control", "endpoint", "retry", "breaker"],
)
def test_arguments_that_make_no_sense_are_refused(arguments, field) -> None:
    """When the handler is built."""
    with pytest.raises(ConfigurationError, match=field):
        ProxyModeHandler(**{"endpoint": "https://x.org", **arguments})


def test_a_header_that_a_request_has_already_stays(chat, answer) -> None:
    """Somebody meant it."""

    class Own(Plugin):
        name = "own"

        def before_request(self, call, request):
            return request.with_headers({"Authorization": "Basic abc"})

    handler = chat.handler([answer()], proxy=True, plugins=[Own()])
    chat.events(handler, HELLO)
    assert chat.requests[0].headers["authorization"] == "Basic abc"


# Refreshing.


def refused(failed):
    return failed(401, "authentication_error", "token expired")


def test_a_refused_token_is_refreshed_once_and_the_call_goes_on(chat, answer, failed) -> None:
    """The guide's error flow, without the application."""
    generator = chat.generator([refused(failed), answer("Hi")], proxy=True, plugins=[RefreshAuth(lambda: "fresh")])
    reply = chat.send(generator, "Hello")
    assert (reply.text, reply.attempts) == ("Hi", 2)
    assert [it.headers["authorization"] for it in chat.requests] == ["Bearer jwt-canary", "Bearer fresh"]


@pytest.mark.parametrize("in_front", [True, False], ids=["in-front", "behind"])
def test_it_stands_in_front_of_or_behind_retry(chat, answer, failed, in_front) -> None:
    """As retry has no opinion of a 401: neither order adds an attempt or a pause."""
    decided: list[str] = []

    class Watch(Plugin):
        name = "watch"

        def after_request(self, call, outcome):
            decided[:] = [each.decided_by for each in call.history]

    refresh, retry = RefreshAuth(lambda: "fresh"), Retry(jitter=0)
    plugins = [Watch(), *([refresh, retry] if in_front else [retry, refresh])]
    busy = failed(529, "overloaded_error", "busy")
    generator = chat.generator([refused(failed), busy, answer("Hi")], proxy=True, plugins=plugins)
    assert chat.send(generator, "Hello").text == "Hi"
    assert decided == ["refresh-auth", "retry"]


def test_the_fresh_token_stays(chat, answer, failed) -> None:
    """The next call begins with it."""
    generator = chat.generator(
        [refused(failed), answer(), answer()], proxy=True, plugins=[RefreshAuth(lambda: "fresh")]
    )
    chat.send(generator, "Hello")
    chat.send(generator, "Again")
    assert chat.requests[2].headers["authorization"] == "Bearer fresh"


def test_a_provider_that_was_refreshed_is_asked_again(chat, answer, failed) -> None:
    """`refresh` comes first, then the provider, whose token it has renewed."""
    tokens = {"now": "old"}

    def refresh() -> None:
        tokens["now"] = "new"

    generator = chat.generator(
        [refused(failed), answer()],
        proxy=True,
        token_provider=lambda: tokens["now"],
        plugins=[RefreshAuth(refresh)],
    )
    chat.send(generator, "Hello")
    assert [it.headers["authorization"] for it in chat.requests] == ["Bearer old", "Bearer new"]


def test_a_second_refusal_is_the_end(chat, failed) -> None:
    """Once is all that it tries."""
    refreshed = []
    generator = chat.generator(
        [refused(failed), refused(failed)], proxy=True, plugins=[RefreshAuth(lambda: refreshed.append(1))]
    )
    with pytest.raises(AuthenticationError) as caught:
        chat.send(generator, "Hello")
    assert (len(refreshed), [it.decided_by for it in caught.value.history]) == (1, ["refresh-auth", None])


@pytest.mark.parametrize("status", [403, 400, 500])
def test_what_no_token_cures_is_not_its_business(chat, failed, status) -> None:
    """A 403 knows who is asking."""
    kinds = {403: "permission_error", 400: "invalid_request_error", 500: "api_error"}
    generator = chat.generator([failed(status, kinds[status])], proxy=True, plugins=[RefreshAuth(fails)])
    with pytest.raises(Exception, match=str(status)) as caught:
        chat.send(generator, "Hello")
    assert caught.value.history[0].decided_by is None


def test_a_refresh_that_fails_is_what_the_call_ends_with(chat, failed) -> None:
    """And the next call tries to refresh again."""
    generator = chat.generator([refused(failed)], proxy=True, plugins=[RefreshAuth(fails)])
    for _ in range(2):
        with pytest.raises(AuthenticationError, match="fails raised Locked"):
            chat.send(generator, "Hello")
    assert len(chat.requests) == 1


def test_a_refresh_may_be_awaited(chat, answer, failed) -> None:
    """By the async client alone."""

    async def refresh() -> str:
        await anyio.sleep(1.0)
        return "fresh"

    generator = chat.generator([refused(failed), answer()], proxy=True, plugins=[RefreshAuth(refresh)])
    if chat.sync:
        with pytest.raises(AuthenticationError, match="refresh has to be awaited"):
            chat.send(generator, "Hello")
    else:
        assert chat.send(generator, "Hello").attempts == 2


def test_many_calls_that_were_refused_together_refresh_once() -> None:
    """Threads: each had the old token, the first of them gets the new one for all."""
    callers, refreshed = 8, []
    refusals = threading.Barrier(callers)

    def answer_to(request):
        if request.headers["authorization"] == "Bearer old":
            refusals.wait(10)
            return Answer(status=401)
        return Answer(body=sse(("message_stop", "{}")))

    clock = FakeClock()
    refresh = RefreshAuth(lambda: refreshed.append(1) or "new")
    client = Client([refresh], transport=ScriptedTransport(answer_to, clock), clock=clock, dialect="anthropic")

    def call() -> None:
        with client.stream("POST", "https://x.org", headers={"Authorization": "Bearer old"}) as stream:
            list(stream)

    threads = [threading.Thread(target=call) for _ in range(callers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert refreshed == [1]


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_many_tasks_that_were_refused_together_refresh_once(answer, backend) -> None:
    """The first of them does it, the others wait for it."""
    clock, refreshed = FakeClock(), []

    def answer_to(request):
        fresh = request.headers["authorization"] == "Bearer new"
        return answer() if fresh else Answer(status=401, latency=1.0)

    async def refresh() -> str:
        await anyio.sleep(2.0)
        refreshed.append(clock.monotonic())
        return "new"

    async def main() -> None:
        async with (
            AsyncContentGenerator.proxy(
                "https://x.org",
                auth_token="old",
                plugins=[RefreshAuth(refresh)],
                transport=AsyncScriptedTransport(answer_to, clock),
                clock=clock,
            ) as generator,
            anyio.create_task_group() as group,
        ):
            for _ in range(8):
                group.start_soon(generator.send_request, "Hello")

    run(main, clock=clock, backend=backend)
    assert refreshed == [pytest.approx(1003.0)]


@pytest.mark.parametrize("token", [5, "", "a\nb"], ids=str)
def test_a_refresh_that_returns_no_token_fails_the_call(chat, failed, token) -> None:
    """As a provider would."""
    generator = chat.generator([refused(failed)], proxy=True, plugins=[RefreshAuth(lambda: token)])
    with pytest.raises(ConfigurationError):
        chat.send(generator, "Hello")
    assert len(chat.requests) == 1


def test_refreshing_needs_a_function() -> None:
    """A text would be a token."""
    with pytest.raises(ConfigurationError, match="refresh"):
        RefreshAuth("token")  # type: ignore[arg-type]


def test_it_keeps_the_contract_of_plugins() -> None:
    """As every other plugin does."""
    check_plugin(lambda: RefreshAuth(lambda: "fresh"))


@pytest.mark.parametrize(
    "thing",
    [
        ContentGenerator(api_key="sk-ant-canary", model="x"),
        DirectModeHandler("sk-ant-canary", "x"),
        ProxyModeHandler("https://x.org/a", "jwt-canary"),
        RefreshAuth(lambda: "canary"),
        Credentials("x-api-key", "canary"),
    ],
    ids=lambda thing: type(thing).__name__,
)
def test_nothing_shows_its_credential(thing) -> None:
    """In a debugger, in a log."""
    assert "canary" not in repr(thing) + str(thing)
