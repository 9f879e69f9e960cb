"""What the server says like an MCP server: JSON-RPC over HTTP, with sessions and without."""

import json

import attrs
import pytest

from unbroken_faults import Fault, FaultServer, faults

BOTH = "application/json, text/event-stream"
OLD, SESSIONS, MODERN = "2025-06-18", "2025-11-25", "2026-07-28"


@pytest.fixture
def call(ask):
    """Send one message and see the answer."""

    def call(
        server, method, id=1, *, accept=BOTH, version=None, session=None, resume=None, query="", verb="POST", **more
    ):
        headers = {
            "Accept": accept,
            "MCP-Protocol-Version": version,
            "Mcp-Session-Id": session,
            "Last-Event-ID": resume,
        }
        extra = "".join(f"{name}: {value}\r\n" for name, value in headers.items() if value is not None)
        body = {"jsonrpc": "2.0", "method": method, "params": more.pop("params", {})} | ({"id": id} if id else {})
        return ask(server, path=f"/mcp{query}", body=more.pop("body", body), extra=extra, method=verb, **more)

    return call


def tool(name, *, token="p", meta=None, **arguments) -> dict:
    return {"name": name, "arguments": arguments, "_meta": {"progressToken": token, **(meta or {})}}


def messages(seen) -> list[dict]:
    lines = [line[6:] for line in seen.body.decode().split("\n") if line.startswith("data: ")]
    return [json.loads(line) for line in lines if line]


def ids(seen) -> list[str]:
    return [line[4:] for line in seen.body.decode().split("\n") if line.startswith("id: ")]


def words(seen) -> list[str]:
    return [each["params"]["message"] for each in messages(seen) if each.get("method") == "notifications/progress"]


def result(seen) -> str:
    (content,) = messages(seen)[-1]["result"]["content"]
    return content["text"]


def test_a_session(call):
    """It begins with initialize, and is unknown when it was deleted."""
    with FaultServer() as server:
        begun = call(server, "initialize", params={"protocolVersion": SESSIONS})
        session = begun.header("mcp-session-id")
        assert messages(begun)[0]["result"]["protocolVersion"] == SESSIONS
        assert call(server, "notifications/initialized", id=None, session=session).status == 202
        assert messages(call(server, "ping", session=session)) == [{"jsonrpc": "2.0", "id": 1, "result": {}}]
        assert call(server, None, session=session, verb="DELETE").status == 204
        gone = call(server, "ping", session=session)
    assert (gone.status, json.loads(gone.body)["error"]["code"]) == (404, -32001)
    assert session


@pytest.mark.parametrize("session", ["unknown", ""])
def test_an_unknown_session_is_not_found(call, session):
    """A missing one is not needed."""
    with FaultServer() as server:
        assert call(server, "ping", session=session).status == 404
        assert call(server, "ping").status == 200


@pytest.mark.parametrize(
    ("asked", "answered"),
    [(OLD, OLD), (SESSIONS, SESSIONS), (MODERN, SESSIONS), ("1999-01-01", SESSIONS), (None, SESSIONS)],
)
def test_initialize_agrees_on_a_revision_with_sessions(call, asked, answered):
    """The newest, unless the client names another."""
    with FaultServer() as server:
        seen = call(server, "initialize", params={"protocolVersion": asked})
    assert messages(seen)[0]["result"]["protocolVersion"] == answered


@pytest.mark.parametrize("version", [None, OLD, SESSIONS, MODERN])
def test_a_tool_reports_its_progress_in_the_words_of_the_reply(call, version):
    """Then comes the result; only the last revision with sessions has ids."""
    with FaultServer() as server:
        seen = call(server, "tools/call", 7, version=version, params=tool("echo", text="Hi"))
        (reply,) = server.replies
    assert "".join(words(seen)) == reply.text
    assert (messages(seen)[-1]["id"], result(seen), reply.result, reply.model) == (7, "Hi", "Hi", "echo")
    resumable = version in {None, SESSIONS}
    assert ids(seen) == ([f"1-{index}" for index in range(len(messages(seen)) + 1)] if resumable else [])
    assert seen.body.startswith(b"retry: 100\nid: 1-0\ndata: \n\n") == resumable
    assert messages(seen)[-1]["result"].get("resultType") == ("complete" if version == MODERN else None)


@pytest.mark.parametrize(
    ("version", "meta", "method"),
    [
        (SESSIONS, {}, "notifications/message"),
        (MODERN, {}, None),
        (MODERN, {"io.modelcontextprotocol/logLevel": "info"}, "notifications/message"),
    ],
)
def test_without_a_token_a_tool_logs(call, version, meta, method):
    """Unless the client of a revision without sessions did not ask for it."""
    with FaultServer() as server:
        seen = call(server, "tools/call", version=version, params=tool("echo", token=[], meta=meta))
        (reply,) = server.replies
    *said, _ = messages(seen)
    assert {each["method"] for each in said} == ({method} if method else set())
    assert "".join(each["params"]["data"] for each in said) == (reply.text if method else "")
    assert result(seen) == reply.text


@pytest.mark.parametrize(
    ("arguments", "text", "is_error"),
    [
        ({"a": 1, "b": 2.5}, "3.5", False),
        ({"a": 1}, "'a' and 'b' must be numbers that have a sum", True),
        ({"a": 10**400, "b": 0.5}, "'a' and 'b' must be numbers that have a sum", True),
        ({"a": 10**4299 * 9, "b": 10**4299 * 9}, "'a' and 'b' must be numbers that have a sum", True),
    ],
    ids=["sum", "missing", "overflow", "too-long"],
)
def test_a_sum(call, arguments, text, is_error):
    """Whatever the arguments are."""
    with FaultServer() as server:
        seen = call(server, "tools/call", params=tool("add", **arguments))
    assert (result(seen), messages(seen)[-1]["result"]["isError"]) == (text, is_error)


def test_the_calls_of_a_tool_are_counted(call):
    """Those that were answered or cut, not those that were refused; until the server is reset."""
    with FaultServer([faults.ok(), faults.rate_limited(), faults.cut(after=4), faults.ok()]) as server:
        seen = [call(server, "tools/call", params=tool("count")) for _ in range(4)]
        assert [call(server, "tools/call", params=tool("echo", text="x")).status for _ in range(2)] == [200] * 2
        server.reset()
        again = call(server, "tools/call", params=tool("count"))
    assert [result(seen[0]), seen[1].status, result(seen[3]), result(again)] == ["1", 429, "3", "1"]


def test_the_text_of_a_fault_is_the_result(call):
    """And what the progress says."""
    with FaultServer([faults.ok("Hi there.")]) as server:
        seen = call(server, "tools/call", params=tool("add", a=1, b=2))
    assert (words(seen), result(seen)) == (["Hi", " there."], "Hi there.")


@pytest.mark.parametrize(("accept", "query"), [("application/json", ""), (BOTH, "?stream=false")])
def test_the_response_as_json(call, accept, query):
    """For a client that takes nothing else, or by the address."""
    with FaultServer() as server:
        seen = call(server, "tools/call", accept=accept, query=query, params=tool("echo", text="Hi"))
    assert (seen.header("content-type"), json.loads(seen.body)["result"]["content"][0]["text"]) == (
        "application/json",
        "Hi",
    )


@pytest.mark.parametrize("after", [4, 6])
def test_a_stream_that_was_cut_is_resumed(call, after):
    """As often as it is cut; the tool is not called again."""
    cut = faults.cut(after=after)
    with FaultServer([cut, attrs.evolve(cut, after=5), Fault()]) as server:
        first = call(server, "tools/call", 7, params=tool("count"))
        second = call(server, None, verb="GET", resume=ids(first)[-1])
        third = call(server, None, verb="GET", resume=ids(second)[-1])
        fourth = call(server, "tools/call", params=tool("count"))
        text = server.replies[0].text
    assert [len(words(each)) for each in (first, second)] == [after - 3, 2]
    assert "".join(words(first) + words(second) + words(third)) == text
    assert (messages(third)[-1]["id"], result(third), result(fourth)) == (7, "1", "2")
    assert ids(first) + ids(second) + ids(third) == [f"1-{index}" for index in range(len(text.split()) + 2)]


@pytest.mark.parametrize(("version", "said"), [(SESSIONS, b"retry: 100\nid: 1-0\n"), (OLD, b": keep-alive\n")])
@pytest.mark.parametrize("resume", [None, "1-0"])
def test_a_stream_for_what_the_server_has_to_say(call, version, said, resume):
    """It says nothing and stays open, and again when it is resumed."""
    with FaultServer() as server:
        first = call(server, None, verb="GET", version=version, silence=0.1)
        again = call(server, None, verb="GET", version=version, resume=resume, silence=0.1)
    assert first.body.startswith(said)
    assert (first.ending, again.ending, messages(again)) == ("silence", "silence", [])


def test_a_stream_for_what_the_server_has_to_say_can_fail(call):
    """Like all others, if it asks for it."""
    with FaultServer(default=faults.cut(after=1)) as server:
        assert call(server, None, verb="GET").ending == "complete"


@pytest.mark.parametrize("resume", ["", "x", "9-1", "1-", "-1", "1" * 30 + "-1"])
def test_an_unknown_event_cannot_be_resumed(call, resume):
    """Whatever it looks like."""
    with FaultServer() as server:
        seen = call(server, None, verb="GET", resume=resume)
    assert (seen.status, json.loads(seen.body)["error"]["message"]) == (400, "Unknown event")


def test_without_sessions_there_is_one_request_at_a_time(call):
    """No stream of its own, no session, and what is unknown has the status 404."""
    with FaultServer() as server:
        found = call(server, "server/discover", version=MODERN)
        listed = call(server, "tools/list", version=MODERN, session="ignored")
        statuses = [call(server, None, verb=verb, version=MODERN).status for verb in ("GET", "DELETE", "PUT")]
        unknown = call(server, "no/method", version=MODERN)
    assert {SESSIONS, MODERN} < set(messages(found)[0]["result"]["supportedVersions"])
    assert [each["name"] for each in messages(listed)[0]["result"]["tools"]] == ["echo", "add", "count"]
    assert {"ttlMs", "cacheScope", "resultType"} < messages(listed)[0]["result"].keys()
    assert (statuses, unknown.status) == ([405] * 3, 404)


@pytest.mark.parametrize("method", ["no/method", "server/discover"])
def test_with_sessions_an_unknown_method_is_an_error(call, method):
    """Under a good status."""
    with FaultServer() as server:
        seen = call(server, method)
        tools = call(server, "tools/list")
        unknown = call(server, "tools/call", params={"name": "no tool"})
    assert (seen.status, messages(seen)[0]["error"]["code"]) == (200, -32601)
    assert list(messages(tools)[0]["result"]) == ["tools"]
    assert messages(unknown)[-1]["error"]["code"] == -32602


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ([], 400),
        ({"jsonrpc": "2.0"}, 400),
        ({"method": "ping", "id": None}, 400),
        ({"method": "ping", "id": {}}, 400),
        ({"id": 1, "result": {}}, 202),
        ({"id": 1, "error": {}}, 202),
        ({"method": "ping", "id": "x", "params": 1}, 200),
        ({"method": "tools/call", "id": 1, "params": {"name": [], "arguments": 1, "_meta": ""}}, 200),
        ({"method": "tools/call", "id": 1, "params": {"name": "echo", "arguments": {"text": {}}}}, 200),
    ],
)
def test_any_json_is_answered_as_json_rpc_wants(call, body, status):
    """Nothing in a place where it does not belong counts."""
    with FaultServer() as server:
        seen = call(server, None, body=body)
    assert seen.status == status
    assert status != 400 or json.loads(seen.body)["id"] is None


@pytest.mark.parametrize(
    ("fault", "code", "data"),
    [
        pytest.param(faults.error_after(), -32603, {"type": "overloaded_error"}, id="overloaded"),
        pytest.param(faults.error_after("own"), -32603, {"type": "own"}, id="own-name"),
        pytest.param(faults.error_after("-32050"), -32050, None, id="own-code"),
    ],
)
def test_an_error_in_the_stream_takes_the_place_of_the_response(call, fault, code, data):
    """Under its id, also in a stream that is resumed."""
    with FaultServer([fault, faults.cut(after=4), attrs.evolve(fault, after=4)]) as server:
        seen = call(server, "tools/call", 7, params=tool("echo"))
        cut = call(server, "tools/call", "x", params=tool("echo"))
        resumed = call(server, None, verb="GET", resume=ids(cut)[-1])
        count = len(server.replies[0].text.split())
    errors = [messages(each)[-1] for each in (seen, resumed)]
    assert [(each["id"], each["error"]["code"], each["error"].get("data")) for each in errors] == [
        (7, code, data),
        ("x", code, data),
    ]
    assert ids(seen)[-1] == f"1-{count + 1}"


def test_refusals_are_errors_with_a_status(call):
    """In JSON."""
    with FaultServer([faults.rate_limited(1)]) as server:
        seen = call(server, "tools/call", 7, params=tool("echo"))
    error = {"code": -32000, "message": "Too many requests"}
    assert (seen.status, json.loads(seen.body)) == (429, {"jsonrpc": "2.0", "id": 7, "error": error})


def test_only_calls_and_resumptions_take_from_the_script(call):
    """What else a client sends cannot be counted; it can ask, as all requests can."""
    with FaultServer([faults.status(503), faults.status(504)]) as server:
        quiet = [call(server, method).status for method in ("initialize", "tools/list", "ping")]
        asked = call(server, "initialize", query="?fault=429").status
        called = [call(server, "tools/call", params=tool("echo")).status for _ in range(3)]
        assert [fault.status for fault in server.faults] == [200, 200, 200, 429, 503, 504, 200]
        server.reset()
        assert server.faults == []
    assert (quiet, asked, called) == ([200] * 3, 429, [503, 504, 200])
