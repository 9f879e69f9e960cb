"""The vendors' own clients, as judges of what the fault server says like Gemini, Ollama, Bedrock and MCP."""

import contextlib
from collections.abc import Iterator
from typing import Any

import attrs
import pytest

from unbroken_faults import Fault, FaultServer, faults

SPOKEN = [Fault(), faults.sliced(), Fault(text="Wörter\u2028 und\nZeilen", usage=(3, 5))]
WHOLE = Fault(thinking="Let me see. ", text="One moment.", tools=[("look", {"q": "Wörter, 1"})], usage=(7, 20))
spoken = pytest.mark.parametrize("fault", SPOKEN, ids=["text", "sliced", "own"])
HELLO = [{"role": "user", "content": "Hello"}]


@pytest.fixture
def server() -> Iterator[FaultServer]:
    with FaultServer() as server:
        yield server


# Gemini.


@pytest.fixture
def gemini(server: FaultServer) -> Iterator[Any]:
    genai = pytest.importorskip("google.genai")
    options = {"base_url": server.url, "api_version": "v1beta", "timeout": 10_000}
    with genai.Client(api_key="test", http_options=options) as client:
        yield client.models


@pytest.fixture
def vertex(server: FaultServer) -> Iterator[Any]:
    genai = pytest.importorskip("google.genai")
    credentials = pytest.importorskip("google.oauth2.credentials").Credentials(token="test")
    options = {"base_url": server.url, "api_version": "v1", "timeout": 10_000}
    place = {"project": "p", "location": "global", "credentials": credentials}
    with genai.Client(vertexai=True, http_options=options, **place) as client:
        yield client.models


@spoken
@pytest.mark.parametrize("api", ["gemini", "vertex"])
def test_gemini_streams(server, fault, api, request):
    """In both places."""
    models = request.getfixturevalue(api)
    server.push(fault)
    chunks = list(models.generate_content_stream(model="gemini-test", contents="Hello"))
    (reply,) = server.replies
    assert "".join(chunk.text for chunk in chunks) == reply.text
    assert chunks[-1].candidates[0].finish_reason.value == reply.stop_reason
    usage = chunks[-1].usage_metadata
    assert (usage.prompt_token_count, usage.candidates_token_count) == (reply.input_tokens, reply.output_tokens)
    (request,) = server.requests
    assert request.path.startswith("/v1beta/models/" if api == "gemini" else "/v1/projects/p/locations/global/")


def test_gemini_thinks_and_calls(server, gemini):
    """Streamed and whole."""
    server.push(WHOLE, WHOLE)
    streamed = list(gemini.generate_content_stream(model="gemini-test", contents="Hello"))
    whole = gemini.generate_content(model="gemini-test", contents="Hello")
    said = [part for chunk in streamed for part in chunk.candidates[0].content.parts]
    for parts in (said, whole.candidates[0].content.parts):
        assert "".join(part.text for part in parts if part.thought) == WHOLE.thinking
        assert "".join(part.text or "" for part in parts if not part.thought) == WHOLE.text
        assert [part.function_call.args for part in parts if part.function_call] == [{"q": "Wörter, 1"}]
    assert whole.usage_metadata == streamed[-1].usage_metadata
    assert whole.usage_metadata.thoughts_token_count == 4


def test_gemini_tells_errors(server, gemini):
    """By a status, and in the stream."""
    errors = pytest.importorskip("google.genai.errors")
    server.push(faults.status(400), faults.error_first("rate_limit_error"))
    with pytest.raises(errors.ClientError) as refused:
        gemini.generate_content(model="gemini-test", contents="Hello")
    with pytest.raises(errors.ClientError) as broken:
        list(gemini.generate_content_stream(model="gemini-test", contents="Hello"))
    assert (refused.value.code, refused.value.status) == (400, "INVALID_ARGUMENT")
    assert (broken.value.code, broken.value.status) == (429, "RESOURCE_EXHAUSTED")


# Ollama.


@pytest.fixture
def ollama(server: FaultServer) -> Iterator[Any]:
    with pytest.importorskip("ollama").Client(host=server.url, timeout=10) as client:
        yield client


@spoken
def test_ollama_streams(server, ollama, fault):
    """A chat and a text."""
    server.push(fault, fault)
    chat = list(ollama.chat(model="m", messages=HELLO, stream=True))
    text = list(ollama.generate(model="m", prompt="Hello", stream=True))
    said = ["".join(line.message.content for line in chat), "".join(line.response for line in text)]
    assert said == [reply.text for reply in server.replies]
    for last, reply in zip((chat[-1], text[-1]), server.replies, strict=True):
        counted = (last.prompt_eval_count, last.eval_count)
        assert (last.done, last.done_reason) == (True, reply.stop_reason)
        assert counted == (reply.input_tokens, reply.output_tokens)


def test_ollama_thinks_and_calls(server, ollama):
    """Streamed and whole."""
    server.push(WHOLE, WHOLE, WHOLE)
    streamed = [line.message for line in ollama.chat(model="m", messages=HELLO, stream=True)]
    whole = [ollama.chat(model="m", messages=HELLO).message]
    for messages in (streamed, whole):
        assert "".join(message.thinking or "" for message in messages) == WHOLE.thinking
        assert "".join(message.content for message in messages) == WHOLE.text
        calls = [call.function for message in messages for call in message.tool_calls or ()]
        assert [(call.name, call.arguments) for call in calls] == [("look", {"q": "Wörter, 1"})]
    assert ollama.generate(model="m", prompt="Hello").thinking == WHOLE.thinking


@pytest.mark.parametrize(("fault", "status"), [(faults.status(404), 404), (faults.error_first(), -1)])
def test_ollama_tells_errors(server, ollama, fault, status):
    """By a status, and in the stream, where there is none."""
    server.push(fault)
    with pytest.raises(pytest.importorskip("ollama").ResponseError) as raised:
        list(ollama.chat(model="m", messages=HELLO, stream=True))
    assert raised.value.status_code == status


# Bedrock.


@pytest.fixture
def bedrock(server: FaultServer) -> Iterator[Any]:
    session = pytest.importorskip("boto3").session.Session(
        aws_access_key_id="test", aws_secret_access_key="test", region_name="us-east-1"
    )
    config = pytest.importorskip("botocore.config").Config(retries={"total_max_attempts": 1}, read_timeout=10)
    client = session.client("bedrock-runtime", endpoint_url=server.url, config=config)
    yield client
    client.close()


QUESTION = {"modelId": "anthropic.claude-v1:0", "messages": [{"role": "user", "content": [{"text": "Hello"}]}]}


@spoken
def test_bedrock_streams(server, bedrock, fault):
    """From the role to the counts."""
    server.push(fault)
    events = list(bedrock.converse_stream(**QUESTION)["stream"])
    (reply,) = server.replies
    deltas = [event["contentBlockDelta"]["delta"] for event in events if "contentBlockDelta" in event]
    assert "".join(delta["text"] for delta in deltas) == reply.text
    assert events[0] == {"messageStart": {"role": "assistant"}}
    assert events[-2] == {"messageStop": {"stopReason": reply.stop_reason}}
    usage = events[-1]["metadata"]["usage"]
    assert (usage["inputTokens"], usage["outputTokens"]) == (reply.input_tokens, reply.output_tokens)
    assert reply.model == QUESTION["modelId"]


def test_bedrock_thinks_and_calls(server, bedrock):
    """Whole; the stream has the same pieces."""
    server.push(WHOLE, WHOLE)
    answer = bedrock.converse(**QUESTION)
    reasoning, text, call = answer["output"]["message"]["content"]
    assert reasoning["reasoningContent"]["reasoningText"]["text"] == WHOLE.thinking
    assert (text["text"], call["toolUse"]["input"], answer["stopReason"]) == (
        WHOLE.text,
        {"q": "Wörter, 1"},
        "tool_use",
    )
    stream = [next(iter(event)) for event in bedrock.converse_stream(**QUESTION)["stream"]]
    assert stream.count("contentBlockStop") == 3
    assert stream.count("contentBlockStart") == 1


@pytest.mark.parametrize("fault", [faults.pings(interval=0), faults.comments(interval=0)], ids=["pings", "comments"])
def test_bedrock_passes_over_events_that_it_does_not_know(server, bedrock, fault):
    """Which stand for keep-alives there."""
    server.push(attrs.evolve(fault, times=3))
    events = list(bedrock.converse_stream(**QUESTION)["stream"])
    text = "".join(event["contentBlockDelta"]["delta"]["text"] for event in events if "contentBlockDelta" in event)
    assert text == server.replies[0].text


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        (faults.error_after("rate_limit_error"), "throttlingException"),
        (faults.error_first(), "serviceUnavailableException"),
    ],
)
def test_bedrock_tells_errors_in_the_stream(server, bedrock, fault, code):
    """By a frame."""
    exceptions = pytest.importorskip("botocore.exceptions")
    server.push(fault)
    closing = contextlib.closing(bedrock.converse_stream(**QUESTION)["stream"])
    with closing as stream, pytest.raises(exceptions.EventStreamError) as raised:
        list(stream)
    assert raised.value.response["Error"]["Code"] == code


def test_bedrock_tells_errors(server, bedrock):
    """By a header."""
    server.push(faults.rate_limited())
    with pytest.raises(bedrock.exceptions.ThrottlingException) as raised:
        bedrock.converse(**QUESTION)
    assert raised.value.response["ResponseMetadata"]["HTTPStatusCode"] == 429


@pytest.fixture
def anthropic_bedrock(server: FaultServer) -> Iterator[Any]:
    pytest.importorskip("boto3")
    anthropic = pytest.importorskip("anthropic")
    keys = {"aws_region": "us-east-1", "aws_access_key": "test", "aws_secret_key": "test"}
    with anthropic.AnthropicBedrock(base_url=server.url, max_retries=0, timeout=10, **keys) as client:
        yield client.messages


ASK = {"model": "anthropic.claude-v1:0", "max_tokens": 100, "messages": HELLO}


@spoken
def test_anthropic_on_bedrock_streams(server, anthropic_bedrock, fault):
    """And says the same as a whole."""
    server.push(fault, fault)
    with anthropic_bedrock.stream(**ASK) as stream:
        text = "".join(stream.text_stream)
        message = stream.get_final_message()
    whole = anthropic_bedrock.create(**ASK)
    reply, second = server.replies
    assert (text, message.id, message.stop_reason) == (reply.text, reply.id, reply.stop_reason)
    assert (whole.content[0].text, whole.id) == (second.text, second.id)


def test_anthropic_on_bedrock_thinks_and_calls(server, anthropic_bedrock):
    """And tells an error in the stream."""
    anthropic = pytest.importorskip("anthropic")
    server.push(WHOLE, faults.error_after())
    with anthropic_bedrock.stream(**ASK) as stream:
        thinking, text, call = stream.get_final_message().content
    assert (thinking.thinking, text.text, call.input) == (WHOLE.thinking, WHOLE.text, {"q": "Wörter, 1"})
    failing = anthropic_bedrock.stream(**ASK)
    with pytest.raises(anthropic.APIStatusError, match="serviceUnavailableException"), failing as stream:
        stream.get_final_message()


# MCP.


async def called(server: FaultServer, mode: str, name: str, **arguments: Any) -> tuple[str, str]:
    """Call a tool; return its result and the words of its progress."""
    client = pytest.importorskip("mcp.client.client").Client
    said: list[str] = []

    async def progress(done: float, total: float | None, message: str | None) -> None:
        said.append(message or "")

    async with client(f"{server.url}/mcp", mode=mode) as session:
        result = await session.call_tool(name, arguments, progress_callback=progress)
        assert [tool.name for tool in (await session.list_tools()).tools] == ["echo", "add", "count"]
    return result.content[0].text, "".join(said)


on_asyncio = pytest.mark.parametrize("anyio_backend", ["asyncio"])  # under trio the client leaves generators unclosed


@pytest.mark.anyio
@on_asyncio
@pytest.mark.parametrize("mode", ["auto", "legacy"])
async def test_mcp_calls_tools(anyio_backend, mode):
    """In the newest revision, and in the last one with sessions."""
    with FaultServer([faults.sliced()]) as server:
        result, said = await called(server, mode, "echo", text="Wörter")
        replies = [reply.text for reply in server.replies if reply.result]
        versions = {request.headers.get("mcp-protocol-version") for request in server.requests}
        await server.await_idle()
    assert (result, [said]) == ("Wörter", replies)
    assert ("2026-07-28" in versions) == (mode == "auto")


@pytest.mark.anyio
@on_asyncio
async def test_mcp_resumes_a_stream_that_was_cut(anyio_backend):
    """The tool is called once, and nothing is missing or there twice."""
    with FaultServer([faults.cut(after=6)]) as server:
        result, said = await called(server, "legacy", "count")
        (text,) = [reply.text for reply in server.replies if reply.result]
        resumed = [each.headers["last-event-id"] for each in server.requests if "last-event-id" in each.headers]
        await server.await_idle()
    assert (result, said, len(resumed)) == ("1", text, 1)


@pytest.mark.anyio
@on_asyncio
@pytest.mark.parametrize("fault", [faults.error_after("-32050"), faults.status(503)], ids=["stream", "status"])
async def test_mcp_tells_errors(anyio_backend, fault):
    """By an event, and by a status."""
    error = pytest.importorskip("mcp.shared.exceptions").MCPError
    with FaultServer([fault]) as server:
        with pytest.raises((error, ExceptionGroup)) as raised:
            await called(server, "auto", "echo")
        await server.await_idle()
    found = raised.value
    while isinstance(found, ExceptionGroup):
        (found,) = found.exceptions
    assert found.code == (-32050 if fault.status == 200 else -32603)
