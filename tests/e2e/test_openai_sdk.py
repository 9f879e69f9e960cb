"""The vendor's own SDK, as the independent judge of what the fault server says in the APIs of OpenAI."""

import anyio
import openai
import pytest
from openai.types.responses import Response, ResponseFailedEvent

import unbroken
from unbroken_anthropic import Anthropic
from unbroken_faults import Fault, FaultServer, faults
from unbroken_openai import OpenAI

MESSAGES = [{"role": "user", "content": "Hello"}]
ASK = {"model": "gpt-test", "messages": MESSAGES}
COUNTED = {**ASK, "stream_options": {"include_usage": True}}
QUESTION = {"model": "gpt-test", "input": "Hello"}
CHAT = "/v1/chat/completions"
APIS = ((Anthropic(), "/v1/messages"), (OpenAI(), CHAT), (OpenAI(), "/v1/responses"))
OPTIONS = {"api_key": "test", "max_retries": 0, "timeout": 10.0}
STRICT = {**OPTIONS, "_strict_response_validation": True}


def base_url(server: FaultServer) -> str:
    return f"{server.url}/v1"


@pytest.fixture(params=[Fault(), faults.sliced(), Fault(text="Wörter\u2028 und\nZeilen", usage=(3, 5))])
def server(request):
    with FaultServer([request.param]) as server:
        yield server
        server.wait_idle()


@pytest.fixture
def client(server):
    with openai.OpenAI(base_url=base_url(server), **OPTIONS) as client:
        yield client


@pytest.fixture
def strict(server):
    """A client that takes no field but those of the type."""
    with openai.OpenAI(base_url=base_url(server), **STRICT) as client:
        yield client


def same(completion: openai.types.chat.ChatCompletion, server: FaultServer) -> bool:
    """Whether `completion` is what the server says it sent."""
    (reply,) = server.replies
    (choice,) = completion.choices
    said = (completion.id, completion.model, choice.message.content, choice.finish_reason)
    usage = completion.usage
    return said == (reply.id, reply.model, reply.text, reply.stop_reason) and (
        usage.prompt_tokens,
        usage.completion_tokens,
    ) == (reply.input_tokens, reply.output_tokens)


def same_response(response: Response, server: FaultServer) -> bool:
    """Whether `response` is what the server says it sent."""
    (reply,) = server.replies
    said = (response.id, response.model, response.output_text, response.status)
    counted = (response.usage.input_tokens, response.usage.output_tokens)
    return (said, counted) == (
        (reply.id, reply.model, reply.text, reply.stop_reason),
        (reply.input_tokens, reply.output_tokens),
    )


def test_stream_helper(client, server):
    """The helper assembles what was sent, counts included."""
    with client.chat.completions.stream(**COUNTED) as stream:
        text = "".join(event.delta for event in stream if event.type == "content.delta")
        completion = stream.get_final_completion()
    assert text == server.replies[0].text
    assert same(completion, server)


def test_raw_stream(client, server):
    """Every chunk can be read, and the last one with a choice says why it stopped."""
    with client.chat.completions.create(stream=True, **ASK) as stream:
        chunks = list(stream)
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == server.replies[0].text
    assert [chunk.choices[0].finish_reason for chunk in chunks if chunk.choices[0].finish_reason] == ["stop"]


def test_without_a_stream(client, server):
    """One completion, with the server's id of the response."""
    completion = client.chat.completions.create(**ASK)
    assert same(completion, server)
    assert completion._request_id == server.replies[0].request_id


def test_the_helper_of_responses(strict, server):
    """It assembles what was sent; each event is as its type describes it, and numbered."""
    with strict.responses.stream(**QUESTION) as stream:
        events = list(stream)
        response = stream.get_final_response()
    assert (
        "".join(event.delta for event in events if event.type == "response.output_text.delta") == response.output_text
    )
    assert [event.sequence_number for event in events] == list(range(len(events)))
    assert same_response(response, server)


def test_the_raw_stream_of_responses(strict, server):
    """Its last event has the whole response."""
    with strict.responses.create(stream=True, **QUESTION) as stream:
        *_, last = list(stream)
    assert last.type == "response.completed"
    assert same_response(last.response, server)


def test_a_response_without_a_stream(strict, server):
    """One response, with the server's id of the request."""
    response = strict.responses.create(**QUESTION)
    assert same_response(response, server)
    assert response._request_id == server.replies[0].request_id


def test_the_async_helper_of_responses(server):
    """The same under asyncio."""

    async def main() -> Response:
        client = openai.AsyncOpenAI(base_url=base_url(server), **STRICT)
        async with client, client.responses.stream(**QUESTION) as stream:
            return await stream.get_final_response()

    assert same_response(anyio.run(main), server)


def test_async_raw_stream(server):
    """The same under asyncio; trio complains that the SDK leaves its generator to the garbage collector."""

    async def main() -> list[str]:
        client = openai.AsyncOpenAI(base_url=base_url(server), **OPTIONS)
        async with client, await client.chat.completions.create(stream=True, **ASK) as stream:
            return [chunk.choices[0].delta.content or "" async for chunk in stream]

    assert "".join(anyio.run(main)) == server.replies[0].text


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (faults.status(400), openai.BadRequestError),
        (faults.status(401), openai.AuthenticationError),
        (faults.rate_limited(), openai.RateLimitError),
        (faults.server_error(), openai.InternalServerError),
    ],
    ids=["400", "401", "429", "500"],
)
def test_refusals_have_the_vendors_format(fault, error):
    """The SDK finds type and code where it looks for them."""
    with (
        FaultServer(default=fault) as server,
        openai.OpenAI(base_url=base_url(server), **OPTIONS) as client,
    ):
        for create, ask in ((client.chat.completions.create, ASK), (client.responses.create, QUESTION)):
            with pytest.raises(error) as caught:
                create(**ask)
            assert caught.value.request_id == server.replies[-1].request_id
            assert {"message", "type", "code"} <= caught.value.body.keys()


@pytest.mark.parametrize("fault", [faults.error_first(), faults.error_after()], ids=["first", "after"])
def test_an_error_in_the_stream_is_one_for_the_sdk_too(fault):
    """It raises where Unbroken does; what it says is the same."""
    with (
        FaultServer(default=fault) as server,
        openai.OpenAI(base_url=base_url(server), **OPTIONS) as client,
    ):
        for create, ask in ((client.chat.completions.create, ASK), (client.responses.create, QUESTION)):
            with create(stream=True, **ask) as stream, pytest.raises(openai.APIError) as caught:
                list(stream)
            assert caught.value.code == "server_is_overloaded"


def test_the_failed_response_behind_the_error_is_as_the_sdk_describes_it():
    """The SDK stops at the error before it; its type knows some codes only, of which this is one."""
    with (
        FaultServer([faults.error_after("rate_limit_error")]) as server,
        openai.OpenAI(base_url=base_url(server), **OPTIONS) as client,
        client.responses.with_streaming_response.create(stream=True, **QUESTION) as response,
    ):
        failed = ResponseFailedEvent.model_validate_json(response.text().rsplit("data: ", 1)[1])
    assert failed.response.status == "failed"
    assert (failed.response.error.code, failed.response.error.message) == ("rate_limit_exceeded", "Rate limit reached")


FAULTS = [
    pytest.param(faults.ok(), id="ok"),
    pytest.param(faults.rate_limited(retry_after=3), id="rate-limited"),
    pytest.param(faults.overloaded(), id="overloaded"),
    pytest.param(faults.server_error(), id="server-error"),
    pytest.param(faults.spend_limit(), id="spend-limit"),
    pytest.param(faults.status(401), id="401"),
    pytest.param(faults.json_error(), id="json-error"),
    pytest.param(faults.error_first(), id="error-first"),
    pytest.param(faults.error_after(), id="error-after"),
    pytest.param(faults.error_after("rate_limit_error"), id="rate-limited-after"),
    pytest.param(faults.cut(), id="cut"),
    pytest.param(faults.truncate(), id="truncate"),
    pytest.param(faults.reset(after=5), id="reset"),
    pytest.param(faults.pings(interval=0.02), id="pings"),
    pytest.param(faults.stall(after=2), id="stall"),
    pytest.param(faults.keep_open(b": bye\n\n"), id="keep-open"),
    pytest.param(faults.gzip(), id="gzip"),
]


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_the_same_in_each_api(connect, fault):
    """The consumer sees the same error, as retryable and after as many words, whichever API it talks to."""
    seen = []
    clocks = unbroken.Timeouts(connect=5, first_event=0.3, idle=0.3, total=5)
    for dialect, path in APIS:
        with FaultServer([fault]) as server:
            call = connect(dialect=dialect).start(server.url + path, timeouts=clocks).result(10)
            said = "".join(dialect.text(event) or "" for event in call.events)
            error = call.error
            facts = error and (type(error), error.retryable, error.retry_after, error.status_code, error.phase)
            seen.append((call.status, facts, said))
            if error is None:
                assert said == server.replies[0].text
    assert seen == seen[:1] * len(APIS)


def test_the_finish_reason_and_a_clean_end_are_proof(connect):
    """Some servers send no [DONE]. Without the finish reason it would be a truncation."""
    for fault, status in ((faults.omit_terminal(), "success"), (faults.truncate(), "failure")):
        with FaultServer([fault]) as server:
            call = connect(dialect=OpenAI()).start(server.url + CHAT).result(10)
            assert call.status == status
