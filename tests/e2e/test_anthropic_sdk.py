"""The vendor's own SDK, as the independent judge of the fault server's conversation, and of what we make of it."""

import anthropic
import anyio
import attrs
import pytest

from unbroken import Client
from unbroken_anthropic import MessageBuilder
from unbroken_faults import Fault, FaultServer, faults

MESSAGES = [{"role": "user", "content": "Hello"}]
ASK = {"model": "claude-test", "max_tokens": 100, "messages": MESSAGES}
OPTIONS = {"api_key": "test", "max_retries": 0, "timeout": 10.0}


def same(message: anthropic.types.Message, server: FaultServer) -> bool:
    """Whether `message` is what the server says it sent."""
    (reply,) = server.replies
    said = (reply.id, reply.model, reply.text, reply.stop_reason)
    counted = (reply.input_tokens, reply.output_tokens)
    return (message.id, message.model, message.content[0].text, message.stop_reason) == said and (
        message.usage.input_tokens,
        message.usage.output_tokens,
    ) == counted


@pytest.fixture(params=[Fault(), faults.sliced(), Fault(text="Wörter\u2028 und\nZeilen", usage=(3, 5))])
def server(request):
    with FaultServer([request.param]) as server:
        yield server
        server.wait_idle()


@pytest.fixture
def client(server):
    with anthropic.Anthropic(base_url=server.url, **OPTIONS) as client:
        yield client


def test_stream_helper(client, server):
    with client.messages.stream(**ASK) as stream:
        text = "".join(stream.text_stream)
        message = stream.get_final_message()
        assert stream.request_id == server.replies[0].request_id
    assert text == server.replies[0].text
    assert same(message, server)


def test_raw_stream(client, server):
    with client.messages.create(stream=True, **ASK) as stream:
        events = list(stream)
    kinds = [event.type for event in events if event.type != "content_block_delta"]
    order = ["message_start", "content_block_start", "content_block_stop", "message_delta", "message_stop"]
    assert [kind for kind in kinds if kind != "ping"] == order
    deltas = [event.delta.text for event in events if event.type == "content_block_delta"]
    assert "".join(deltas) == server.replies[0].text


def test_without_a_stream(client, server):
    assert same(client.messages.create(**ASK), server)


def test_tokens_are_counted(client, server):
    """As many as a message with this question would report."""
    assert client.messages.count_tokens(model="claude-test", messages=MESSAGES).input_tokens == (
        server.replies[0].input_tokens
    )


def test_a_refused_count_has_the_vendors_format():
    """As the refusal of a message."""
    with FaultServer([faults.overloaded()]) as server, anthropic.Anthropic(base_url=server.url, **OPTIONS) as client:
        with pytest.raises(anthropic.APIStatusError) as caught:
            client.messages.count_tokens(model="claude-test", messages=MESSAGES)
        assert caught.value.request_id == server.replies[0].request_id
    assert (caught.value.status_code, caught.value.body["error"]["type"]) == (529, "overloaded_error")


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_async_stream_helper(server, backend):
    async def main() -> tuple[str, anthropic.types.Message]:
        client = anthropic.AsyncAnthropic(base_url=server.url, **OPTIONS)
        async with client, client.messages.stream(**ASK) as stream:
            return "".join([piece async for piece in stream.text_stream]), await stream.get_final_message()

    text, message = anyio.run(main, backend=backend)
    assert text == server.replies[0].text
    assert same(message, server)


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_async_raw_stream(server, backend):
    async def main() -> list[str]:
        client = anthropic.AsyncAnthropic(base_url=server.url, **OPTIONS)
        async with client, await client.messages.create(stream=True, **ASK) as stream:
            return [event.delta.text async for event in stream if event.type == "content_block_delta"]

    assert "".join(anyio.run(main, backend=backend)) == server.replies[0].text


def test_the_message_of_a_stream_is_the_sdks(client, server, request):
    """Field by field; a second server with the same seed says the same again."""
    with client.messages.stream(**ASK) as stream:
        theirs = stream.get_final_message().to_dict()
    builder = MessageBuilder()
    (reply,) = server.replies
    fault = attrs.evolve(fault_of(request), usage=(reply.input_tokens, reply.output_tokens))
    with (
        FaultServer([fault]) as other,
        Client(dialect="anthropic") as unbroken,
        unbroken.stream("POST", f"{other.url}/v1/messages", json={**ASK, "stream": True}) as events,
    ):
        for event in events:
            builder.add(event)
    ours = builder.message().to_dict()
    assert {name: ours.get(name) for name in {*ours, *theirs}} == {name: theirs.get(name) for name in {*ours, *theirs}}


def fault_of(request):
    """The fault that the server was made with."""
    return request.node.callspec.params["server"]


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (faults.status(400), anthropic.BadRequestError),
        (faults.status(401), anthropic.AuthenticationError),
        (faults.rate_limited(), anthropic.RateLimitError),
        (faults.server_error(), anthropic.InternalServerError),
    ],
    ids=["400", "401", "429", "500"],
)
def test_refusals_have_the_vendors_format(fault, error):
    with FaultServer([fault]) as server, anthropic.Anthropic(base_url=server.url, **OPTIONS) as client:
        with pytest.raises(error) as caught:
            client.messages.create(**ASK)
        (reply,) = server.replies
    assert caught.value.request_id == reply.request_id
    assert caught.value.body["type"] == "error"
