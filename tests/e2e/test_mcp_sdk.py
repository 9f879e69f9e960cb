"""The official client of MCP over Unbroken, against a server that loses its streams."""

from typing import Any

import anyio
import mcp
import pytest
from mcp.client.streamable_http import streamable_http_client

import unbroken_sdk.httpx2 as under
from unbroken_mcp import MCP
from unbroken_retry import Retry
from unbroken_timeout import Timeout

from .mcp_server import Served, served

# The client leaves the generators of its HTTP library open when it has read enough.
pytestmark = pytest.mark.filterwarnings("ignore:Async generator 'httpx2")
ALWAYS = 10**9
PLUGINS = (Timeout(total=20), Retry(initial_delay=0.01))
both = pytest.mark.parametrize("backend", ["asyncio", "trio"])
rudely = pytest.mark.parametrize("rude", [False, True], ids=["politely", "within the body"])


@pytest.fixture
def call(backend):
    """A call of the one tool by the official client: its text, or the error that it raises."""

    def made(server: Served, plugins: Any = PLUGINS, dialect: Any = "auto") -> Any:
        return anyio.run(_called, server.url, plugins, dialect, backend=backend)

    return made


async def _called(url: str, plugins: Any, dialect: Any) -> Any:
    async with under.AsyncClient(plugins, dialect=dialect) as http:
        transport = streamable_http_client(url, http_client=http)
        with anyio.fail_after(30):
            async with mcp.Client(transport) as client:
                assert [tool.name for tool in (await client.list_tools()).tools] == ["add"]
                try:
                    result = await client.call_tool("add", {"a": 1})
                except mcp.MCPError as error:
                    return error
                return result.content[0].text


@both
@pytest.mark.parametrize("stateless", [False, True], ids=["2025-11-25", "2026-07-28"])
@pytest.mark.parametrize("bare", [False, True], ids=["stream", "JSON"])
def test_a_tool_is_called(call, stateless, bare):
    with served(stateless=stateless, bare=bare) as server:
        assert call(server) == "3"
    assert server.relevant == [("POST", "tools/call")]
    assert ("GET", "") in server.requests or stateless


@both
@rudely
def test_a_stream_that_is_cut_once_is_resumed(call, rude):
    """The tool is called once; the client has its answer."""
    with served(cuts=1, rude=rude) as server:
        assert call(server) == "3"
    assert server.relevant == [("POST", "tools/call"), ("GET", "0")]


@both
@rudely
def test_a_stream_that_is_always_cut_is_given_up(call, rude):
    """Alone the client would go on for as long as the streams end politely."""
    with served(cuts=ALWAYS, rude=rude) as server:
        error = call(server)
    assert (error.code, error.data["type"][:9]) == (-32000, "unbroken_")
    assert "the connection ended" in error.message
    assert server.relevant == [("POST", "tools/call"), ("GET", "0"), ("GET", "1"), ("GET", "2")]


@both
def test_the_server_cannot_make_the_client_wait_for_long(call):
    with served(cuts=ALWAYS) as server:
        error = call(server, [Timeout(total=20), Retry(max_retry_after=0.01)])
    assert (error.code, server.relevant) == (-32000, [("POST", "tools/call")])


@both
@pytest.mark.parametrize("stateless", [False, True], ids=["2025-11-25", "2026-07-28"])
def test_without_a_policy_that_resumes_a_cut_is_an_error(call, stateless):
    with served(cuts=1, stateless=stateless) as server:
        error = call(server, [Timeout(total=20)])
    assert (error.code, server.relevant) == (-32000, [("POST", "tools/call")])


@both
def test_the_stateless_revision_has_no_resumption(call):
    """A tool that only reads may be called again, if its user says so."""
    with served(cuts=1, stateless=True) as server:
        assert call(server).code == -32000
    assert server.relevant == [("POST", "tools/call")]
    with served(cuts=1, stateless=True) as server:
        assert call(server, dialect=MCP(repeatable_tools=["add"])) == "3"
    assert server.relevant == [("POST", "tools/call")] * 2


@both
@pytest.mark.parametrize("bare", [False, True], ids=["stream", "JSON"])
@pytest.mark.parametrize("code", [-32602, -32603, -32050, 7])
def test_the_errors_of_the_server_reach_the_client_as_they_are(call, bare, code):
    with served(bare=bare, error={"code": code, "message": "so it is", "data": [1]}) as server:
        error = call(server)
    assert (error.code, error.message, error.data) == (code, "so it is", [1])
    assert server.relevant == [("POST", "tools/call")]


@both
def test_json_that_is_cut_is_told_as_an_error_of_the_call(call):
    """The session goes on: an exception of the HTTP library would end it."""
    with served(bare=True, cut_json=True) as server:
        error = call(server)
    assert (error.code, error.data["type"]) == (-32000, "unbroken_NetworkError")
    assert ("DELETE", "") in server.requests


@both
@pytest.mark.parametrize("status", [401, 404, 500, 503])
def test_an_http_error_is_one_of_the_client_and_the_tool_is_not_called_again(call, status):
    with served(status=status) as server:
        assert isinstance(call(server), mcp.MCPError)
    assert server.relevant == [("POST", "tools/call")]
