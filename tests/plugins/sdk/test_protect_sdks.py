"""`protect` over anthropic and openai: the user's own kind of object, with everything that it was set up with."""

import gc
import pickle

import anthropic
import httpx2
import openai
import pytest

from unbroken import ConfigurationError
from unbroken.testing import run
from unbroken_retry import Retry
from unbroken_sdk import protect
from unbroken_sdk.testing import scripted

ASK = {"max_tokens": 9, "model": "m", "messages": [{"role": "user", "content": "hi"}]}
CHAT = {"model": "m", "messages": ASK["messages"]}
MODELS = {"data": [{"id": "m", "type": "model", "object": "model"}], "object": "list", "has_more": False}

AZURE = {"api_version": "1", "azure_endpoint": "https://azure.example", "azure_deployment": "d"}
VERTEX = {"region": "r", "project_id": "p", "access_token": "t"}

CLIENTS = {
    "Anthropic": lambda **more: anthropic.Anthropic(api_key="k", **more),
    "AsyncAnthropic": lambda **more: anthropic.AsyncAnthropic(api_key="k", **more),
    "OpenAI": lambda **more: openai.OpenAI(api_key="k", **more),
    "AsyncOpenAI": lambda **more: openai.AsyncOpenAI(api_key="k", **more),
    "AzureOpenAI": lambda **more: openai.AzureOpenAI(api_key="k", **AZURE, **more),
    "AsyncAzureOpenAI": lambda **more: openai.AsyncAzureOpenAI(azure_ad_token_provider=lambda: "t", **AZURE, **more),
    "AnthropicVertex": lambda **more: anthropic.AnthropicVertex(**VERTEX, **more),
    "AsyncAnthropicVertex": lambda **more: anthropic.AsyncAnthropicVertex(**VERTEX, **more),
    "AnthropicBedrock": lambda **more: anthropic.AnthropicBedrock(api_key="k", aws_region="r", **more),
    "AsyncAnthropicBedrock": lambda **more: anthropic.AsyncAnthropicBedrock(api_key="k", aws_region="r", **more),
}

every = pytest.mark.parametrize("make", CLIENTS.values(), ids=CLIENTS)


def is_async(client):
    return type(client).__name__.startswith("Async")


def text_of(client, *, stream=False):
    """The text that the client gets, whichever it is."""
    create = client.messages.create if hasattr(client, "messages") else client.chat.completions.create
    arguments = {**(ASK if hasattr(client, "messages") else CHAT), "stream": stream}

    def said(answer):
        if hasattr(client, "messages"):
            return answer.content[0].text
        return answer.choices[0].message.content

    def told(events):
        if hasattr(client, "messages"):
            return "".join(it.delta.text for it in events if it.type == "content_block_delta")
        return "".join(it.choices[0].delta.content or "" for it in events)

    async def ask():
        answer = await create(**arguments)
        return told([event async for event in answer]) if stream else said(answer)

    if is_async(client):
        return run(ask)
    return told(list(create(**arguments))) if stream else said(create(**arguments))


@every
def test_the_copy_is_the_same_kind_with_the_same_settings_and_no_retries(make):
    original = make(timeout=7.0, max_retries=5, default_headers={"x-team": "a"}, default_query={"q": "1"})
    client = protect(original, [])
    assert type(client) is type(original)
    assert isinstance(client._client, type(original._client))
    changed = {name for name, value in vars(original).items() if vars(client).get(name) is not value}
    changed = {name for name in changed if vars(original)[name] != vars(client).get(name)}
    assert changed - {"messages", "beta", "_otel"} == {"_client", "max_retries"}
    assert (client.max_retries, original.max_retries, client.timeout) == (0, 5, 7.0)


@every
@pytest.mark.parametrize("stream", [False, True], ids=["plain", "stream"])
def test_calls_go_through_the_policies(make, stream):
    sent = []
    client = scripted(make(), [503, "Whole."], [Retry()], requests=sent)
    assert text_of(client, stream=stream) == "Whole."
    assert len(sent) == 2
    assert sent[0].headers == sent[1].headers


@every
def test_copies_of_the_copy_are_under_the_same_policies(make):
    sent = []
    client = scripted(make(), [503, "a", 503, "b"], [Retry()], requests=sent)
    assert text_of(client.with_options(timeout=3.0)) == "a"
    assert text_of(client.copy(default_headers={"x-team": "b"})) == "b"
    assert [request.headers.get("x-team") for request in sent] == [None, None, "b", "b"]


@every
def test_credentials_are_those_of_the_client(make):
    sent = []
    assert text_of(scripted(make(), ["a"], [], requests=sent)) == "a"
    headers = sent[0].headers
    credential = headers.get("x-api-key") or headers.get("api-key") or headers.get("authorization")
    assert credential in ("k", "Bearer k", "Bearer t")
    assert headers["accept-encoding"] == "identity"


@every
def test_it_can_be_pickled_as_before(make):
    """Not at all, today; a version of which it can be is not broken by this."""

    def outcome(client):
        try:
            return type(pickle.dumps(client))
        except Exception as error:
            return type(error)

    original = make()
    assert outcome(protect(original, [])) == outcome(original)


@pytest.mark.parametrize("make", [CLIENTS["Anthropic"], CLIENTS["OpenAI"]], ids=["anthropic", "openai"])
def test_other_resources_work(make):
    def handler(request):
        seen.append(request.url.path)
        return httpx2.Response(200, json=MODELS)

    seen = []
    client = protect(make(http_client=httpx2.Client(transport=httpx2.MockTransport(handler))), [])
    assert [model.id for model in client.models.list()] == ["m"]
    assert client.models.with_raw_response.list().headers["x-unbroken-attempts"] == "1"
    with client.models.with_streaming_response.list() as response:
        assert response.json() == MODELS
    assert seen == ["/v1/models"] * 3


def test_the_beta_resources_are_under_it_too():
    client = scripted(anthropic.Anthropic(api_key="k"), [529, "a"], [Retry()])
    assert client.beta.messages.create(**ASK).content[0].text == "a"


def test_the_helpers_of_the_streams_work():
    client = scripted(anthropic.Anthropic(api_key="k"), ["a b"], [])
    with client.messages.stream(**ASK) as stream:
        assert "".join(stream.text_stream) == "a b"
        assert stream.get_final_message().stop_reason == "end_turn"
    other = scripted(openai.OpenAI(api_key="k"), ["a b", "c"], [])
    with other.responses.stream(model="m", input="hi") as stream:
        assert stream.get_final_response().output_text == "a b"
    with other.chat.completions.stream(**CHAT) as stream:
        assert stream.get_final_completion().choices[0].message.content == "c"


@pytest.mark.parametrize("make", [CLIENTS["Anthropic"], CLIENTS["OpenAI"]], ids=["anthropic", "openai"])
def test_the_proxies_of_the_environment_are_obeyed(make, monkeypatch):
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("NO_PROXY", "open.example")
    client, original = protect(make(), []), make()
    assert set(client._client._mounts) == set(original._client._mounts) != set()
    with pytest.raises((anthropic.APIConnectionError, openai.APIConnectionError)):
        client.models.list()


@pytest.mark.parametrize("make", [CLIENTS["Anthropic"], CLIENTS["OpenAI"]], ids=["anthropic", "openai"])
def test_a_dropped_original_does_not_close_what_is_kept(make, monkeypatch):
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    client = protect(make(), [])
    assert not client._client._unbroken_keeps.is_closed
    client.close()
    assert client.is_closed()


class Tenant(anthropic.Anthropic):
    """A user's own client, with a setting of its own."""

    def __init__(self, *, tenant="none", **options):
        super().__init__(**options)
        self.tenant = tenant
        self.counted = []


class Fixed(openai.OpenAI):
    """A user's own client, whose constructor takes nothing."""

    def __init__(self):
        super().__init__(api_key="k")


def test_the_users_own_subclass_keeps_what_it_holds():
    original = Tenant(api_key="k", tenant="a")
    assert original.messages is not None
    client = scripted(original, ["text"], [])
    assert (type(client), client.tenant, client.counted) == (Tenant, "a", original.counted)
    assert client.messages is not original.messages
    assert text_of(client) == "text"


def test_one_that_cannot_be_copied_is_refused_and_stays_open(monkeypatch):
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    client, closed = Fixed(), []
    for mount in client._client._mounts.values():
        monkeypatch.setattr(mount, "close", lambda: closed.append(1))
    with pytest.raises(ConfigurationError, match=r"Fixed: it cannot be copied: TypeError"):
        protect(client, [])
    gc.collect()
    assert not closed


class Other(openai.OpenAI):
    """A client whose copies are something else."""

    def copy(self, **options):
        return openai.OpenAI(api_key="k")


def test_a_copy_of_another_kind_is_refused():
    with pytest.raises(ConfigurationError, match="its copy is not as this version expects it"):
        protect(Other(api_key="k"), [])


@every
def test_twice_is_refused(make):
    with pytest.raises(ConfigurationError, match="has Unbroken under it already"):
        protect(protect(make(), []), [])


@every
def test_a_closed_client_is_refused(make):
    original = make()
    if is_async(original):
        run(original.close)
    else:
        original.close()
    with pytest.raises(ConfigurationError, match="is closed"):
        protect(original, [])
