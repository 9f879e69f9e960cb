"""What a request asks for: a stream or not, once or again, and how its stream goes on."""

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from unbroken import Headers, Request, Response, Timeouts
from unbroken.errors import ConfigurationError
from unbroken_mcp import MCP

from .talk import BOTH, CALL, LEGACY, LIST, MODERN, URL, View, get, notification, post, request, result

LISTEN = request("subscriptions/listen")


def plainly(asks: Request, method: str = "") -> Request:
    headers = Headers.validated({"Accept": "application/json"})
    return evolve(asks, headers=headers, method=method or asks.method)


@pytest.mark.parametrize(
    ("asks", "streams", "feed"),
    [
        (post(CALL), True, False),
        (post([LIST, notification()]), True, False),
        (post(LISTEN), True, True),
        (post(notification()), False, False),
        (post(result()), False, False),
        (post({**CALL, "id": None}), False, False),
        (post(b"grant_type=refresh_token"), False, False),
        (plainly(post(CALL)), False, False),
        (get(), True, True),
        (get(BOTH), True, True),
        (get("*/*"), False, False),
        (plainly(get(), "DELETE"), False, False),
    ],
)
def test_who_gets_a_stream(asks, streams, feed):
    assert (MCP().asks_for_stream(asks), MCP().is_feed(asks)) == (streams, feed)


@pytest.mark.parametrize(
    ("content", "repeatable"),
    [
        *(
            (request(method), True)
            for method in ("initialize", "server/discover", "ping", "tools/list", "resources/read", "prompts/get")
        ),
        (LISTEN, True),
        (notification("notifications/initialized"), True),
        (CALL, False),
        (request("tools/call", name=5), False),
        (request("tools/call", name="search"), True),
        (notification("tools/call", name="add"), False),
        (request("tasks/cancel"), False),
        (request("vendor/anything"), False),
        (result(), False),
        ([LIST, CALL], False),
        ([LIST, result()], False),
        ([LIST, request("ping", id=2)], True),
        ([], False),
        ({"method": 5, "id": 1}, False),
        (b"grant_type=refresh_token", False),
        (b"[" * 5000, False),
    ],
)
def test_what_may_be_sent_again(content, repeatable):
    assert MCP(repeatable_tools=["search"]).repeatable(post(content)) is repeatable


@pytest.mark.parametrize("method", ["GET", "DELETE"])
def test_what_is_no_message_may_be_sent_again(method):
    assert MCP().repeatable(evolve(get(), method=method))


@pytest.mark.parametrize("names", ["search", 5, None, [1], {"search": True}])
def test_tools_are_given_by_their_names(names):
    with pytest.raises(ConfigurationError, match="repeatable_tools"):
        MCP(repeatable_tools=names)


def test_the_rest_of_a_stream_is_asked_for_behind_its_last_event():
    asks = evolve(
        post(CALL, mcp_session_id="s", authorization="Bearer x", content_type="application/json"),
        timeouts=Timeouts(total=5),
    )
    rest = MCP().resume_request(View(request=asks, last_event_id="7"))
    assert (rest.method, rest.url, rest.content, rest.timeouts) == ("GET", URL, b"", Timeouts(total=5))
    assert dict(rest.headers) == {
        "authorization": "Bearer x",
        "accept": "text/event-stream",
        "last-event-id": "7",
        "mcp-session-id": "s",
    }
    assert MCP().repeatable(rest)


def test_the_session_may_be_that_of_the_answer():
    answer = Response(status_code=200, headers=Headers({"Mcp-Session-Id": "new"}))
    rest = MCP().resume_request(View(request=post(request("initialize")), last_event_id="7", response=answer))
    assert rest.headers["mcp-session-id"] == "new"
    rest = MCP().resume_request(View(request=post(LIST), last_event_id="7"))
    assert "mcp-session-id" not in rest.headers


@pytest.mark.parametrize(
    ("asks", "id"),
    [
        pytest.param(post(CALL), "", id="no id"),
        pytest.param(post(CALL, mcp_protocol_version=MODERN), "7", id="without sessions"),
        pytest.param(post(LISTEN), "7", id="a subscription"),
        pytest.param(get(), "7", id="a feed"),
        pytest.param(post(notification()), "7", id="a notification"),
        pytest.param(post(CALL), "7\x00", id="an id that cannot be sent"),
    ],
)
def test_what_has_no_rest(asks, id):
    assert MCP().resume_request(View(request=asks, last_event_id=id)) is None
    assert MCP().resume_request(View(request=post(CALL, mcp_protocol_version=LEGACY), last_event_id="7"))


@given(st.text())
def test_no_id_of_an_event_raises_anything(id):
    rest = MCP().resume_request(View(request=post(CALL), last_event_id=id))
    assert rest is None or rest.headers["last-event-id"] == id
