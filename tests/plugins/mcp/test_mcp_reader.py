"""What each message is: the response proves the answer complete, whatever else comes before it."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unbroken import Event
from unbroken.dialect import CONTENT, ERROR, KEEPALIVE, STRUCTURE, TERMINAL
from unbroken.errors import Error
from unbroken_mcp import MCP

from .talk import CALL, LIST, SAID, View, failed, get, notification, post, request, result

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda values: (
        st.lists(values, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "jsonrpc",
                    "id",
                    "method",
                    "params",
                    "result",
                    "error",
                    "code",
                    "message",
                    "content",
                    "contents",
                    "text",
                    "type",
                    "isError",
                    "resultType",
                ]
            ),
            values,
            max_size=5,
        )
    ),
    max_leaves=12,
)
PING = request("ping", id="s-1")


def reader(content: Any) -> Any:
    return MCP().reader(View(request=post(content)))


def event(message: Any, type: str = "message") -> Event:
    return Event(type, message if isinstance(message, bytes) else json.dumps(message).encode())


@pytest.mark.parametrize(
    ("message", "called", "listed"),
    [
        pytest.param(result(**SAID), TERMINAL, TERMINAL, id="the response"),
        pytest.param(failed(), ERROR, ERROR, id="an error"),
        pytest.param(failed(id=None), ERROR, ERROR, id="an error without an id"),
        pytest.param({**result(), "error": None}, TERMINAL, TERMINAL, id="a response without an error"),
        pytest.param([notification(), result()], TERMINAL, TERMINAL, id="a batch with the response"),
        pytest.param(result("1"), CONTENT, STRUCTURE, id="a text for a number"),
        pytest.param(result(True), CONTENT, STRUCTURE, id="a boolean"),
        pytest.param(result(2), CONTENT, STRUCTURE, id="another id"),
        pytest.param(failed(id=2), CONTENT, STRUCTURE, id="an error of another"),
        pytest.param(result(None), CONTENT, STRUCTURE, id="no id"),
        pytest.param(notification(), CONTENT, STRUCTURE, id="progress"),
        pytest.param(notification("notifications/message"), CONTENT, STRUCTURE, id="a log"),
        pytest.param(PING, CONTENT, CONTENT, id="a request of the server"),
        pytest.param(b"", KEEPALIVE, KEEPALIVE, id="priming"),
        pytest.param({}, KEEPALIVE, KEEPALIVE, id="an empty object"),
        pytest.param([], KEEPALIVE, KEEPALIVE, id="an empty list"),
        pytest.param({"id": 1, "jsonrpc": "2.0"}, KEEPALIVE, KEEPALIVE, id="neither result nor error"),
        pytest.param([[1], "x"], KEEPALIVE, KEEPALIVE, id="no messages"),
        pytest.param(b"ping", KEEPALIVE, KEEPALIVE, id="no JSON"),
        pytest.param(b' {"jsonrpc": ', CONTENT, CONTENT, id="JSON that is cut"),
    ],
)
def test_what_a_message_is(message, called, listed):
    """A call that may be repeated waits for its response with what it can."""
    assert (reader(CALL).classify(event(message)), reader(LIST).classify(event(message))) == (called, listed)


def test_an_event_with_a_name_is_no_message():
    assert reader(CALL).classify(event(result(), "other")) == KEEPALIVE


@pytest.mark.parametrize("id", ["a", "1", 0, 7, 2**60])
def test_ids_are_compared_with_their_type(id):
    assert reader({**CALL, "id": id}).classify(event(result(id))) == TERMINAL
    other = int(id) if id == "1" else str(id) if isinstance(id, int) else id + "x"
    assert reader({**CALL, "id": id}).classify(event(result(other))) == CONTENT


def test_a_batch_has_an_answer_for_each_request():
    """Of which any may be an error (revision 2025-03-26)."""
    read = reader([LIST, {**LIST, "id": "b"}, notification()])
    assert (read.quiet, read.complete_at_end()) == (True, False)
    assert [read.classify(event(message)) for message in (failed(id=None), failed(id="b"), result(1))] == [
        STRUCTURE,
        CONTENT,
        TERMINAL,
    ]
    assert (read.quiet, read.complete_at_end()) == (False, True)
    assert read.summary.finish_reasons == ("error", "complete")


@pytest.mark.parametrize("asks", [get(), post(request("subscriptions/listen"))], ids=["GET", "listen"])
def test_a_feed_is_complete_when_it_ends(asks):
    read = MCP().reader(View(request=asks))
    assert read.classify(event(notification())) == CONTENT
    assert read.complete_at_end()


def test_an_error_without_an_id_is_of_no_request_in_a_batch():
    assert reader([LIST, {**LIST, "id": 2}]).classify(event(failed(id=None))) == STRUCTURE


def test_a_subscription_may_end_with_its_response():
    assert reader(request("subscriptions/listen")).classify(event(result())) == TERMINAL


def test_the_dialect_itself_reads_a_feed():
    assert MCP().classify(event(notification())) == CONTENT


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        (SAID, "complete"),
        ({"isError": True}, "error"),
        ({"resultType": "input_required"}, "input_required"),
        ({"resultType": 5}, "complete"),
    ],
)
def test_the_summary_says_how_the_request_ended(fields, reason):
    read = reader(CALL)
    assert read.summary.finish_reasons == ()
    read.classify(event(result(**fields)))
    assert read.summary.finish_reasons == (reason,)


@pytest.mark.parametrize(
    ("message", "text"),
    [
        (result(**SAID), "3"),
        (result(content=[{"text": "a"}, {"type": "image"}, 7, {"text": 8}, {"text": "b"}]), "ab"),
        ([result(content=[{"text": "a"}]), result(2, contents=[{"text": "b"}])], "ab"),
        (result(contents=[{"uri": "x", "text": "of a resource"}]), "of a resource"),
        (result(content={"text": "alone"}), "alone"),
        (result(), None),
        ({"result": [1]}, None),
        (notification(), None),
        (b"{", None),
    ],
)
def test_text_is_that_of_the_results(message, text):
    assert MCP().text(event(message)) == reader(CALL).text(event(message)) == text


@given(st.lists(JSON, max_size=4), JSON, st.binary(max_size=20))
def test_no_json_raises_anything(values, content, garbage):
    """Whatever type stands in whatever place, also in the request."""
    read = reader(json.dumps(content).encode())
    for raw in [json.dumps(value).encode() for value in values] + [garbage]:
        told = Event("message", raw)
        assert isinstance(read.classify(told), int)
        assert read.text(told) is None or isinstance(read.text(told), str)
        assert isinstance(MCP().error_from_event(told), Error)
        assert all(isinstance(reason, str) for reason in read.summary.finish_reasons)


@given(st.lists(JSON, max_size=6))
def test_only_the_response_is_a_proof(values):
    read = reader(CALL)
    for value in values:
        if read.classify(event(value)) & TERMINAL:
            said = value if isinstance(value, list) else [value]
            assert any(isinstance(one, dict) and one.get("id") == 1 and "result" in one for one in said)
