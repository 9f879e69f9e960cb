"""`protect` over the objects of frameworks, by stand-ins of their shape; tests/sdks has the real ones."""

import copy
import functools
import sys
from types import ModuleType, SimpleNamespace

import anthropic
import httpx
import openai
import pytest

import unbroken_sdk
from unbroken import ConfigurationError
from unbroken_sdk import protect
from unbroken_sdk.testing import scripted

CHAT = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}


def said(client):
    return client.chat.completions.create(**CHAT).choices[0].message.content


def shape(module, name="Thing", **members):
    return type(name, (), {"__module__": module, **members})


def filled(kind, **values):
    thing = kind()
    vars(thing).update(values)
    return thing


LangChain = shape("langchain_openai.chat_models.base", model_copy=copy.copy)


def test_clients_and_resources_of_a_langchain_model_are_exchanged():
    client = openai.OpenAI(api_key="k")
    model = filled(LangChain, root_client=client, client=client.chat.completions, model="m", http_client=httpx.Client())
    protected = scripted(model, [503, "one"])
    assert protected.client.create(**CHAT).choices[0].message.content == "one"
    assert protected.client._client is protected.root_client
    assert (protected.model, protected.http_client) == ("m", model.http_client)
    assert model.client._client is model.root_client is client


def test_clients_that_a_langchain_model_makes_on_first_use_are_exchanged():
    made = functools.cached_property(lambda _: anthropic.Anthropic(api_key="k"))
    kind = shape("langchain_anthropic.chat_models", model_copy=copy.copy, _client=made)
    made.__set_name__(kind, "_client")
    model = kind()
    protected = protect(model, [])
    assert isinstance(protected._client._client._transport, unbroken_sdk.httpx2.Transport)
    assert model._client.max_retries == 2


Model, Provider = shape("pydantic_ai.models"), shape("pydantic_ai.providers")


class Around(Model):
    """Forwards what it does not have to the model that it stands around."""

    def __getattr__(self, name):
        return getattr(self.wrapped, name)


def test_a_provider_is_protected_with_what_it_makes_later():
    def factory():
        return openai.OpenAI(api_key="k")._client

    client = openai.OpenAI(api_key="k", http_client=factory())
    lives = {"_own_http_client": client._client, "_http_client_factory": factory, "_entered_count": 1, "_enter_lock": 1}
    provider = filled(Provider, _client=client, **lives)
    protected = protect(provider, [])
    assert protected._own_http_client is protected._client._client
    assert isinstance(protected._http_client_factory()._transport, unbroken_sdk.httpx2.Transport)
    assert (protected._entered_count, "_enter_lock" in vars(protected)) == (0, False)
    assert vars(provider) == {"_client": client, **lives}


def test_models_are_protected_with_their_provider_and_around_others():
    client = openai.OpenAI(api_key="k")
    provider = filled(Provider, _client=client)
    old = filled(Model, _provider=provider, client=client)
    protected = scripted(old, ["one"])
    assert protected.client is protected._provider._client
    assert said(protected.client) == "one"
    several = protect(filled(Model, models=(filled(Around, wrapped=old), filled(Model, _provider=provider))), [])
    assert several.models[0].wrapped._provider is several.models[1]._provider
    assert type(several.models[0]) is Around


def test_a_model_around_one_that_cannot_be_protected_is_refused():
    with pytest.raises(ConfigurationError, match=r"tests\.Own: it is none of those"):
        protect(filled(Around, wrapped=shape("tests", "Own")()), [])


@pytest.mark.parametrize("name", ["OpenAIChatCompletionsModel", "OpenAIProvider"])
def test_models_and_providers_of_openai_agents_are_copied(name):
    model = filled(shape("agents.models", name), _client=openai.AsyncOpenAI(api_key="k"))
    protected = protect(model, [])
    assert protected._client is not model._client
    assert isinstance(protected._client._client._transport, unbroken_sdk.httpx2.AsyncTransport)


def test_both_clients_of_mistralai_are_exchanged_or_none():
    settings = SimpleNamespace(client=httpx.Client(), async_client=httpx.AsyncClient(), retry_config="some")
    client = filled(shape("mistralai.client.sdk", "Mistral"), sdk_configuration=settings)
    before = dict(vars(settings))
    settings.async_client = SimpleNamespace()
    with pytest.raises(ConfigurationError, match="must be a client of httpx"):
        protect(client, [])
    assert settings.client is before["client"]
    settings.async_client = before["async_client"]
    assert protect(client, []) is client
    assert isinstance(settings.client._transport, unbroken_sdk.httpx.Transport)
    assert isinstance(settings.async_client._transport, unbroken_sdk.httpx.AsyncTransport)
    assert settings.retry_config is None


@pytest.fixture
def litellm(monkeypatch):
    module, handler = ModuleType("litellm"), "litellm.llms.custom_httpx.http_handler"
    flushed = []
    module.client_session = module.aclient_session = module.ssl_certificate = None
    module.in_memory_llm_clients_cache = SimpleNamespace(flush_cache=lambda: flushed.append(1))
    module.flushed = flushed
    for name in (handler.rpartition(".")[0], "litellm.llms"):
        monkeypatch.setitem(sys.modules, name, ModuleType(name))
    monkeypatch.setitem(sys.modules, "litellm", module)
    monkeypatch.setitem(sys.modules, handler, SimpleNamespace(get_ssl_configuration=lambda: False))
    return module


def test_both_sessions_of_litellm_are_set_and_its_clients_forgotten(litellm):
    given = litellm.client_session = httpx.Client(headers={"x-team": "a"})
    assert protect(litellm, []) is litellm
    assert litellm.client_session is not given
    assert litellm.client_session.headers["x-team"] == "a"
    assert litellm.aclient_session.follow_redirects
    assert not litellm.aclient_session._transport._requests.connections.verify.check_hostname
    assert litellm.flushed == [1]
    with pytest.raises(ConfigurationError, match="has Unbroken under it already"):
        protect(litellm, [])


def test_another_version_of_litellm_is_refused_and_not_changed(litellm):
    del litellm.in_memory_llm_clients_cache
    with pytest.raises(ConfigurationError, match="litellm: it is not as this version expects it"):
        protect(litellm, [])
    assert litellm.client_session is litellm.aclient_session is None


def test_a_handler_of_litellm_gets_a_protected_client():
    handler = filled(shape("litellm.llms.custom_httpx.http_handler", "HTTPHandler"), client=httpx.Client())
    assert protect(handler, []) is handler
    assert isinstance(handler.client._transport, unbroken_sdk.httpx.Transport)
