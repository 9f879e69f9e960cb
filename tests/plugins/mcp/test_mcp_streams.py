"""Whole calls: an answer with its proof, as a stream or as JSON, and what follows a cut."""

import json
import os
import random
from typing import Any

import pytest

from unbroken import Client, ContentTypeError, NetworkError, Timeouts
from unbroken.errors import ServerError, StreamError, TimeoutError, TruncatedStreamError, ValidationError
from unbroken.relay import Relay
from unbroken.testing import BACKENDS, STALL, Answer, FakeClock, ScriptedTransport, play
from unbroken_mcp import MCP
from unbroken_retry import Retry

from .talk import (
    CALL,
    LEGACY,
    LIST,
    MODERN,
    SAID,
    bare,
    events,
    failed,
    get,
    notification,
    post,
    request,
    result,
    stream,
)

CUTS = 100_000 if os.environ.get("UNBROKEN_LONG") == "1" else 600
PROGRESS = notification(progress=1)
ANSWER = result(**SAID)
HEADERS = {"mcp-session-id": "s", "mcp-protocol-version": LEGACY}


def call(*script: Any, content: Any = CALL, plugins: Any = None, dialect: MCP | None = None, **options: Any) -> Any:
    """Play one call, with a policy that retries."""
    with_retry = [Retry(jitter_kind="none")] if plugins is None else plugins
    options = {"headers": HEADERS, "url": "https://tools.example.org/mcp", **options}
    return play([*script], with_retry, dialect=dialect or MCP(), json=content, **options)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize(
    "answer",
    [bare(ANSWER), bare([ANSWER]), stream(ANSWER), stream("", PROGRESS, ANSWER, first=0)],
    ids=["JSON", "batch", "stream", "long stream"],
)
def test_a_whole_answer_is_a_success(answer, backend):
    played = call(answer, backend=backend)
    assert (played.error, played.outcome.status) == (None, "success")
    assert MCP().text(played.events[-1]) == "3"
    assert played.requests[0].headers["accept"] == "application/json, text/event-stream"


@pytest.mark.parametrize("content", [CALL, LIST], ids=["called", "listed"])
def test_what_follows_the_response_is_not_awaited(content):
    """Also where the server leaves the stream open."""
    played = call(Answer(headers={"content-type": "text/event-stream"}, body=[events(ANSWER), STALL]), content=content)
    assert (played.error, played.elapsed) == (None, 0)


@pytest.mark.parametrize("answer", [stream(), stream(PROGRESS), stream(result(2)), bare(result(2)), bare([])])
def test_an_end_without_the_response_is_a_cut(answer):
    assert type(call(answer).error) is TruncatedStreamError


def test_a_call_that_reads_is_repeated_and_its_notifications_are_not():
    played = call(stream(PROGRESS, PROGRESS), stream(PROGRESS, result(tools=[])), content=LIST)
    assert (played.error, len(played.events), played.attempts) == (None, 2, 2)
    assert [sent.method for sent in played.requests] == ["POST", "POST"]


@pytest.mark.parametrize("answer", [stream(PROGRESS), NetworkError("reset"), bare({}, 503)])
def test_a_call_of_a_tool_is_not_repeated(answer):
    script = answer if isinstance(answer, Answer) else Answer(body=[answer])
    played = call(script)
    assert played.error is not None
    assert len(played.requests) == 1


def test_a_tool_that_only_reads_is_called_again():
    again = MCP(repeatable_tools=("add",))
    assert call(stream(PROGRESS), stream(ANSWER), dialect=again).error is None


def test_a_connection_that_failed_is_tried_again_for_any_tool():
    assert call(Answer(connect=6.0), stream(ANSWER)).error is None


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("begun", [[""], ["", PROGRESS]], ids=["before", "behind"])
def test_a_lost_stream_goes_on_behind_its_last_event(begun, backend):
    """Before the commit and behind it: the tool is called once, and no event comes twice."""
    rest = [PROGRESS, ANSWER]
    played = call(stream(*begun, first=0), stream(*rest, first=len(begun)), backend=backend)
    assert played.error is None
    assert [event.json() for event in played.events if event.raw] == [*begun[1:], *rest]
    _, resumed = played.requests
    assert (resumed.method, resumed.content) == ("GET", b"")
    assert resumed.headers["last-event-id"] == str(len(begun) - 1)
    assert resumed.headers["mcp-session-id"] == "s"
    assert played.history[0].reason.endswith("behind the last event")


def test_the_server_says_how_long_to_wait():
    cut = Answer(headers={"content-type": "text/event-stream"}, body=b"retry: 7000\nid: 4\ndata:\n\n")
    played = call(cut, stream(ANSWER))
    assert (played.error, played.elapsed) == (None, 7)
    assert played.requests[1].headers["last-event-id"] == "4"


def test_an_id_is_kept_through_resumptions_that_bring_nothing():
    empty = Answer(headers={"content-type": "text/event-stream"}, body=b": nothing\n\n")
    gone = Answer(connect=6.0)
    played = call(stream("", first=3), empty, gone, stream(ANSWER))
    assert played.error is None
    assert [sent.headers.get("last-event-id") for sent in played.requests] == [None, "3", "3", "3"]


def test_a_stream_is_not_resumed_for_ever():
    played = call(*(stream("", PROGRESS, first=number) for number in range(9)))
    assert type(played.error) is TruncatedStreamError
    assert len(played.requests) == 4


@pytest.mark.parametrize(
    "headers", [{"mcp-protocol-version": MODERN}, {}], ids=["a revision without resumption", "no ids"]
)
def test_some_streams_cannot_be_resumed(headers):
    first = 0 if headers else None
    played = call(stream("", PROGRESS, first=first), headers=headers)
    assert type(played.error) is TruncatedStreamError
    assert len(played.requests) == 1


@pytest.mark.parametrize("begun", [[""], ["", PROGRESS]], ids=["before", "behind"])
@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (Answer(status=405), ValidationError),
        (bare(failed(-32001, "Session not found"), 404), ValidationError),
        (bare(ANSWER), ContentTypeError),
        (stream(failed(-32603)), ServerError),
    ],
)
def test_what_the_server_says_of_the_rest_is_final(answer, kind, begun):
    played = call(stream(*begun, first=0), answer)
    assert type(played.error) is kind
    assert len(played.requests) == 2


def test_an_overloaded_server_is_asked_for_the_rest_again():
    assert call(stream("", PROGRESS, first=0), Answer(status=503), stream(ANSWER)).error is None


@pytest.mark.parametrize("content", [CALL, LIST], ids=["called", "listed"])
def test_the_error_of_the_server_is_that_of_the_call(content):
    played = call(stream("", failed(-32602, "bad"), first=0), content=content)
    assert (type(played.error), played.error.kind) == (ValidationError, "-32602")
    assert len(played.requests) == 1
    failing = call(*[bare(failed())] * 4, content=content)
    assert (type(failing.error), len(failing.requests)) == (ServerError, 1 if content is CALL else 4)


def test_a_tool_may_be_silent():
    """`quiet` holds in place of `idle`."""
    body = [events(PROGRESS), 70.0, events(ANSWER)]
    slow = Answer(headers={"content-type": "text/event-stream"}, body=body)
    assert call(slow).error is None
    silent = Answer(headers={"content-type": "text/event-stream"}, body=[events(PROGRESS), STALL])
    error = call(silent).error
    assert (type(error), error.timeout) == (TimeoutError, "quiet")


@pytest.mark.parametrize("plugins", [[], [Retry()]], ids=["alone", "with retry"])
def test_a_feed_may_be_silent_for_days_and_ends_when_it_ends(plugins):
    body = [200_000.0, events(PROGRESS), 200_000.0, events(PROGRESS)]
    for method, content in (("GET", None), ("POST", request("subscriptions/listen"))):
        headers = {"accept": "text/event-stream"}
        answer = Answer(headers={"content-type": "text/event-stream"}, body=body)
        played = call(answer, content=content, method=method, headers=headers, plugins=plugins)
        assert (played.error, played.outcome.status, len(played.events)) == (None, "success", 2)


def test_a_feed_has_the_timeouts_that_it_is_given():
    answer = Answer(headers={"content-type": "text/event-stream"}, body=[STALL])
    played = call(answer, content=None, method="GET", plugins=[], timeouts=Timeouts(first_event=5))
    assert played.error.timeout == "first_event"


def test_a_plain_answer_may_be_sent_for():
    """To a client that wants no stream; a notification has an empty answer."""
    transport = ScriptedTransport([bare(ANSWER), bare(failed(-32602)), Answer(status=202)], FakeClock())
    client = Client([], dialect=MCP(), transport=transport, clock=FakeClock())
    assert client.send("POST", "https://tools.example.org/mcp", json=CALL).json() == ANSWER
    with pytest.raises(ValidationError, match="error -32602"):
        client.send("POST", "https://tools.example.org/mcp", json=CALL)
    assert client.send("POST", "https://tools.example.org/mcp", json=notification()).status_code == 202
    assert [sent.headers["accept"] for sent in transport.requests] == ["*/*"] * 3


def test_a_relay_goes_on_with_the_same_bytes():
    """What is handed on is one stream, without the half event before the cut."""
    cut = Answer(headers={"content-type": "text/event-stream"}, body=[events("", PROGRESS, first=0), b"id: 2\ndata: {"])
    rest = stream(PROGRESS, ANSWER, first=2)
    transport = ScriptedTransport([cut, rest], FakeClock())
    relay = Relay([Retry()], dialect=MCP(), transport=transport, clock=FakeClock())
    with relay.stream(post(CALL, mcp_session_id="s")) as relayed:
        body = b"".join(piece.raw for piece in relayed)
    assert body == events("", PROGRESS, PROGRESS, ANSWER, first=0)


def test_a_relay_hands_on_no_json_that_is_cut():
    transport = ScriptedTransport([stream('{"id": 1, "res')], FakeClock())
    relay = Relay([], dialect=MCP(), transport=transport, clock=FakeClock())
    with pytest.raises(StreamError, match="not JSON"), relay.stream(post(CALL)) as relayed:
        list(relayed)


def test_a_relayed_feed_is_handed_on_at_once():
    body = [events(PROGRESS), STALL]
    transport = ScriptedTransport([Answer(headers={"content-type": "text/event-stream"}, body=body)], FakeClock())
    relay = Relay([], dialect=MCP(), transport=transport, clock=FakeClock())
    with relay.stream(get()) as relayed:
        assert next(iter(relayed)).raw == events(PROGRESS)


def test_no_cut_is_a_success_without_the_response():
    """Random answers, cut at random places, in random pieces; UNBROKEN_LONG=1 makes it 100 000."""
    chance = random.Random(20260728)  # the same cuts each time
    for _ in range(CUTS):
        content, id = chance.choice([CALL, LIST]), chance.choice([1, "1", "seven"])
        said = [
            chance.choice([PROGRESS, "", request("ping", id=9), result(99), {}]) for _ in range(chance.randrange(4))
        ]
        whole = chance.random() < 0.3
        kind = "application/json" if whole else "text/event-stream"
        proof = result(id, **SAID)
        body = json.dumps(proof).encode() if whole else events(*said, proof, first=chance.choice([None, 0]))
        place = chance.randrange(len(body) + 1)
        middle = chance.randrange(place + 1)
        lost: list[Any] = [NetworkError("reset")] if chance.random() < 0.5 else []
        pieces = [piece for piece in (body[:middle], body[middle:place]) if piece]
        answer = Answer(headers={"content-type": kind}, body=[*pieces, *lost])
        played = call(answer, content={**content, "id": id}, plugins=[])
        # The last byte of a stream is that of the blank line, without which there is no event.
        proven = place == len(body) and not (whole and lost)
        assert (played.error is None) is proven, (body[:place], played.error)
        assert proven == any(event.get("id") == id and "result" in event for event in played.events if event.raw)
