"""Plain answers: `send` returns a whole answer or raises one error, through the same policies as a stream."""

import gzip
from typing import Any

import pytest

from unbroken import (
    AsyncClient,
    AuthenticationError,
    Client,
    ConfigurationError,
    ContentTypeError,
    NetworkError,
    Plugin,
    RateLimitError,
    Replay,
    ServerError,
    StreamError,
    TimeoutError,
    TruncatedStreamError,
    Usage,
)
from unbroken._engine import plain
from unbroken.messages import Event, Timeouts
from unbroken.testing import STALL, Answer, AsyncScriptedTransport, ScriptedTransport, run

from ..kit import Retry, Talk

URL = "https://api.example.org/v1/embeddings"
JSON = {"content-type": "application/json"}


def json(*body: Any, length: int | None = None, status: int = 200, **fields: str) -> Answer:
    sized = {} if length is None else {"content-length": str(length)}
    return Answer(status=status, headers={**JSON, **sized, **fields}, body=body)


WHOLE = json(b'{"data": [1, 2]}', length=16)


class Sender:
    """Sends requests that a script answers, in one backend."""

    def __init__(self, backend: str, clock: Any) -> None:
        self.backend, self.clock = backend, clock
        self.transport: Any = None

    def __call__(self, script: Any, plugins: Any = (), *, method: str = "POST", client: Any = None, **call: Any) -> Any:
        settings = {"clock": self.clock, **(client or {})}
        arguments = {"json": {"input": "x"}, **call} if method == "POST" else call
        if self.backend == "sync":
            self.transport = ScriptedTransport(script, self.clock)
            with Client([*plugins], transport=self.transport, **settings) as sync_client:
                return sync_client.send(method, URL, **arguments)
        self.transport = AsyncScriptedTransport(script, self.clock)
        async_client = AsyncClient([*plugins], transport=self.transport, **settings)

        async def sent() -> Any:
            async with async_client:
                return await async_client.send(method, URL, **arguments)

        return run(sent, clock=self.clock, backend=self.backend)

    @property
    def requests(self) -> Any:
        return self.transport.requests


@pytest.fixture
def send(backend: str, fake_clock: Any) -> Sender:
    return Sender(backend, fake_clock)


def test_an_answer_has_everything_that_a_program_needs(send, spy) -> None:
    """The status, the headers, the body in three forms, and what the call did."""
    answer = send([json(b'{"data":', b" [1, 2]}", length=16, **{"x-request-id": "r7"})], [spy])
    assert (answer.status_code, answer.headers["x-request-id"]) == (200, "r7")
    assert (answer.content, answer.text) == (b'{"data": [1, 2]}', '{"data": [1, 2]}')
    assert answer.json() == {"data": [1, 2]}
    assert answer.json() is answer.json()
    assert (answer.request_id[:4], answer.attempts, answer.history, answer.usage) == ("req_", 1, (), None)
    assert [event.type for event in spy.payloads("on_event")] == ["response"]
    assert spy.statuses("on_finish") == ["success"]


def test_it_never_asks_for_a_stream(send) -> None:
    """Any type is welcome; the rest of the head is that of every request."""
    send([WHOLE], client={"headers": {"x-team": "blue"}})
    headers = send.requests[0].headers
    assert (headers["accept"], headers["accept-encoding"], headers["x-team"]) == ("*/*", "identity", "blue")
    assert headers["idempotency-key"][:4] == "req_"


@pytest.mark.parametrize(
    "call",
    [
        pytest.param({"json": {"stream": True}}, id="body"),
        pytest.param({"json": None, "content": b'{"a": 1, "stream": true}'}, id="content"),
        pytest.param({"headers": {"Accept": "text/event-stream"}}, id="accept"),
    ],
)
def test_a_request_for_a_stream_is_refused_before_it_is_sent(send, call) -> None:
    """The answer would not be what was asked for."""
    with pytest.raises(ConfigurationError, match='asks for a stream; use `stream` for it, or leave out "stream": true'):
        send([], **call)


@pytest.mark.parametrize(
    "call",
    [
        pytest.param({"json": {"stream": False}}, id="false"),
        pytest.param({"json": {"stream": "true"}}, id="text"),
        pytest.param({"json": None, "content": b'not "stream": true'}, id="no-json"),
        pytest.param({"headers": {"Accept": "application/json, text/event-stream"}}, id="either"),
    ],
)
def test_any_other_request_is_sent(send, call) -> None:
    """Also one that only looks like it."""
    assert send([WHOLE], **call).status_code == 200


BROKEN = [
    pytest.param(json(b'{"data"', length=16), TruncatedStreamError, id="shorter-than-its-length"),
    pytest.param(json(b'{"data": [1, 2]} ', length=16), TruncatedStreamError, id="longer-than-its-length"),
    pytest.param(json(b'{"data": [1,'), TruncatedStreamError, id="half-the-json-and-a-clean-end"),
    pytest.param(json(), TruncatedStreamError, id="nothing-and-a-clean-end"),
    pytest.param(json(b'{"data"', NetworkError("reset")), NetworkError, id="reset"),
    pytest.param(json(b'{"data"', STALL), TimeoutError, id="stalled"),
    pytest.param(json(STALL), TimeoutError, id="silent"),
    pytest.param(json(b'{"data": [1,', length=12), StreamError, id="json-that-is-wrong"),
    pytest.param(json(b'{"data": [1,', **{"transfer-encoding": "chunked"}), StreamError, id="wrong-and-chunked"),
    pytest.param(json(b'{"error": {"message": "Busy", "code": 503}}'), ServerError, id="error-in-a-good-status"),
    pytest.param(json(b"<p>Busy</p>", status=503), ServerError, id="error-status"),
]


@pytest.mark.parametrize(("broken", "error"), BROKEN)
def test_a_broken_answer_is_asked_for_again(send, broken, error) -> None:
    """Whatever broke it."""
    answer = send([broken, WHOLE], [Retry()])
    assert (answer.json(), answer.attempts) == ({"data": [1, 2]}, 2)
    assert [attempt.error for attempt in answer.history] == [error.__name__]


@pytest.mark.parametrize(("broken", "error"), BROKEN)
def test_an_answer_that_stays_broken_is_one_error(send, spy, broken, error) -> None:
    """It knows its call; the connection is not used again unless the body was read to its end."""
    with pytest.raises(error) as caught:
        send([broken], [spy])
    assert caught.value.delivered is False
    assert [attempt.error for attempt in caught.value.history] == [error.__name__]
    assert spy.statuses("after_request") == ["failure"]


def test_of_300_answers_each_is_whole(send) -> None:
    """Every second one is cut, stalls, is broken or reports an error the first time."""
    faults = [broken.values[0] for broken in BROKEN]
    for number in range(300):
        script = [WHOLE] if number % 2 else [faults[number // 2 % len(faults)], WHOLE]
        answer = send(script, [Retry()])
        assert (answer.json(), answer.attempts) == ({"data": [1, 2]}, len(script))


@pytest.mark.parametrize(
    ("method", "answer"),
    [
        pytest.param("POST", json(status=201), id="created"),
        pytest.param("POST", json(status=202), id="accepted"),
        pytest.param("DELETE", Answer(status=204, headers={}), id="no-content"),
        pytest.param("POST", json(length=0), id="length-0"),
        pytest.param("HEAD", json(length=16, status=200), id="head"),
        pytest.param("GET", Answer(status=304, headers={}), id="not-modified"),
    ],
)
def test_an_answer_may_have_no_body(send, method, answer) -> None:
    """Where its status or its length says so."""
    got = send([answer], method=method)
    assert (got.status_code, got.content) == (answer.status, b"")


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        pytest.param({"content-type": "audio/mpeg"}, b"\xff\xfbsound", id="binary"),
        pytest.param({}, b"anything", id="no-type"),
        pytest.param({"content-type": "text/event-stream"}, b"data: x\n\n", id="stream"),
        pytest.param({**JSON, "content-encoding": "gzip"}, gzip.compress(b"{}"), id="encoded"),
    ],
)
def test_a_body_of_another_type_comes_as_it_is(send, headers, body) -> None:
    """Its JSON is asked for in vain, and the error shows what there is instead."""
    answer = send([Answer(headers=headers, body=[body[:3], body[3:]])])
    assert answer.content == body
    with pytest.raises(ContentTypeError, match="expected JSON, got") as caught:
        answer.json()
    assert caught.value.request_id == answer.request_id


def test_json_without_its_type_is_json(send) -> None:
    """For who asks, and for an error in it."""
    assert send([Answer(headers={}, body=b'{"a": 1}')]).json() == {"a": 1}
    with pytest.raises(ServerError, match="Busy"):
        send([Answer(headers={}, body=b' {"error": "Busy"}')])


@pytest.mark.parametrize("kind", ["application/vnd.api+json; charset=utf-8", "APPLICATION/JSON", "text/json"])
def test_json_has_several_types(send, kind) -> None:
    """Only complete JSON proves any of them."""
    with pytest.raises(TruncatedStreamError):
        send([Answer(headers={"content-type": kind}, body=b'{"a"')])


def test_invalid_utf8_in_json_is_replaced(send) -> None:
    """As in a stream."""
    assert send([json(b'{"a": "\xff"}')]).json() == {"a": "\ufffd"}


@pytest.mark.parametrize(
    "body",
    [
        b'{"id": "job-1", "object": "fine_tuning.job", "status": "failed", "error": {"message": "bad file"}}',
        b'{"error": null, "data": []}',
        b'{"code": 500, "name": "a product"}',
        b'[{"error": "in a list"}, {}]',
        b'"error"',
    ],
)
def test_an_error_in_what_was_fetched_is_no_failure_of_the_call(send, body) -> None:
    """Only an error that stands alone is one."""
    assert send([json(body)], method="GET").content == body


def test_a_failure_has_the_class_of_its_status(send) -> None:
    """As in a stream."""
    with pytest.raises(AuthenticationError):
        send([json(b'{"error": {"message": "no"}}', status=401)])
    with pytest.raises(RateLimitError) as caught:
        send([json(status=429, **{"retry-after": "7"})])
    assert caught.value.retry_after == 7.0


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirect_is_not_followed(send, status) -> None:
    """The credentials would go with it."""
    with pytest.raises(StreamError, match=f"HTTP {status}: a redirect"):
        send([Answer(status=status, headers={"location": "https://elsewhere.example.org/"})])


def test_two_lengths_are_refused(send) -> None:
    """RFC 9112 §6.3."""
    with pytest.raises(StreamError, match="both Content-Length and Transfer-Encoding"):
        send([json(b"{}", length=2, **{"transfer-encoding": "chunked"})])


def test_its_timeouts_are_those_of_a_stream(send) -> None:
    """`first_event` until its first byte, then `idle`, which each byte starts again."""
    timeouts = Timeouts(first_event=10, idle=3)
    slow = json(9.0, b'{"a"', 2.0, b": ", 2.0, b"1}")
    assert send([slow], timeouts=timeouts).json() == {"a": 1}
    for body, name in (((11.0, b"{}"), "first_event"), ((b"{", 4.0, b"}"), "idle")):
        with pytest.raises(TimeoutError) as caught:
            send([json(*body)], timeouts=timeouts)
        assert caught.value.timeout == name


@pytest.mark.parametrize("headers", [JSON, {"content-type": "audio/mpeg"}], ids=["json", "audio"])
def test_a_large_answer_comes_in_pieces_inside_and_whole_outside(send, spy, monkeypatch, headers) -> None:
    """What cannot be held is not retried any more, and its length is its proof."""
    monkeypatch.setattr(plain, "HELD_ANSWER", 10)
    sized = {**headers, "content-length": "24"}
    answer = send([Answer(headers=sized, body=[b"[1, 2, 3", b", 4, 5, 6", b", 7, 8]"])], [spy])
    assert answer.json() == [1, 2, 3, 4, 5, 6, 7, 8]
    assert [event.raw for event in spy.payloads("on_event")] == [b"[1, 2, 3, 4, 5, 6", b", 7, 8]"]
    with pytest.raises(TruncatedStreamError) as caught:
        send([Answer(headers=sized, body=[b"[1, 2, 3, 4, 5"]), WHOLE], [Retry()])
    assert (caught.value.attempts, caught.value.delivered) == (1, True)


def test_the_counts_of_an_answer_are_its_usage(send, spy) -> None:
    """As the dialect reads them; a policy has them before the answer is delivered."""

    class Counts(Talk):
        def usage(self, event: Event) -> Usage | None:
            return Usage(output_tokens=event["tokens"], final=True)

    answer = send([json(b'{"tokens": 7}')], [spy], client={"dialect": Counts()})
    assert answer.usage == Usage(output_tokens=7, final=True)
    assert spy.call.usage == answer.usage


def test_a_policy_may_replay_a_stored_answer(send) -> None:
    """Nothing is sent."""

    class Cache(Plugin):
        name = "cache"

        def before_request(self, call, request):
            return Replay((Event("response", b'{"a": 1}'),))

    answer = send([], [Cache()])
    assert (answer.json(), answer.status_code, answer.attempts, send.requests) == ({"a": 1}, 200, 1, [])


def test_a_call_that_is_left_is_cancelled(fake_clock, spy) -> None:
    """An interrupt."""

    def interrupt(call, event):
        raise KeyboardInterrupt

    spy.answers["on_event"] = interrupt
    transport = ScriptedTransport([WHOLE], fake_clock)
    with Client([spy], transport=transport, clock=fake_clock) as client, pytest.raises(KeyboardInterrupt):
        client.send("GET", URL)
    assert spy.statuses("on_finish") == ["cancelled"]
    assert [exchange.released for exchange in transport.exchanges] == [False]
