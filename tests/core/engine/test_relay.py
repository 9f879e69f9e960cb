"""Relays: calls for a program that hands the answers on. Whole events, byte for byte, and never those of a failure."""

import gc
from typing import Any, ClassVar

import pytest

from unbroken import (
    DROP,
    FINISH,
    AuthenticationError,
    ContentTypeError,
    Event,
    NetworkError,
    OverloadedError,
    Plugin,
    Reject,
    Replay,
    Request,
    ServerError,
    StreamError,
    TimeoutError,
    TruncatedStreamError,
    TryAgain,
)
from unbroken.dialect import HIDDEN, TERMINAL, Dialect, Kind
from unbroken.headers import Headers
from unbroken.messages import Timeouts
from unbroken.relay import PIECE, WHOLE, AsyncRelay, Relay
from unbroken.testing import STALL, Answer

from ..kit import Retry, Talk, Timeout
from .relaying import ASK, PLAIN, URL, Relaying, answer, decoded

START = b": welcome\nretry: 10\nevent: message_start\ndata: {}\n\n"
PING = b": ping\n\n"
A = b"event: content_block_delta\nid: 1\ndata: a\n\n"
B = b"event: content_block_delta\r\ndata: b\r\n\r\n"
STOP = b"event: message_stop\ndata: {}\n\n"
BUSY = b'event: error\ndata: {"error": {"type": "overloaded_error", "message": "busy"}}\n\n'
GOOD = answer(START, PING + A, B + STOP + b"garbage")
WHOLE_BODY = START + PING + A + B + STOP


class Marked(Talk):
    """Its streams end with a mark that is not delivered."""

    name: ClassVar[str] = "marked"

    def classify(self, event: Event) -> Kind:
        return TERMINAL | HIDDEN if event.raw == b"[DONE]" else super().classify(event)


DONE = b"data: [DONE]\n\n"


@pytest.fixture
def relay(backend: Any, fake_clock: Any) -> Relaying:
    return Relaying(backend, fake_clock)


def test_the_consumer_gets_the_bytes_and_the_server_gets_the_request_as_it_is(relay) -> None:
    """Each read is handed on as one event, when its content or its end is there; nothing behind the proof."""
    request = Request(method="POST", url=URL, headers=Headers({"x-own": "1"}), content=ASK.content)
    relayed = relay([GOOD], request=request)
    assert relayed.raw == [START + PING + A, B + STOP]
    assert {piece.type for piece in relayed.pieces} == {PIECE}
    (sent,) = relayed.transport.requests
    assert (sent.method, sent.url, sent.content) == ("POST", URL, ASK.content)
    assert dict(sent.headers.items_raw) == {"x-own": "1"}
    assert (relayed.status, relayed.stream.attempts, relayed.stream.is_plain) == ("success", 1, False)
    assert relayed.stream.call.events == 4
    assert relayed.stream.request_id[:4] == "req_"


def test_preamble_is_held_until_the_content(relay) -> None:
    """Until then a failure can be retried without a trace."""
    relayed = relay([answer(START, 5.0, PING, 5.0, A, 5.0, STOP)])
    assert (relayed.raw, relayed.times) == ([START + PING + A, STOP], [1010.0, 1015.0])


def test_the_first_event_is_handed_on_at_once_if_the_consumer_wants_that(relay) -> None:
    """Only what is no event waits for one."""
    relayed = relay([answer(PING, 5.0, START, 5.0, A, 5.0, STOP)], commit="first-event")
    assert (relayed.raw, relayed.times) == ([PING + START, A, STOP], [1005.0, 1010.0, 1015.0])


def test_a_complete_answer_is_handed_on_as_one(relay) -> None:
    """When it is proven, and what failed before that is retried."""
    relayed = relay([answer(START, A, BUSY), answer(START, A, 5.0, B + STOP)], [Retry()], commit="complete")
    assert relayed.raw == [START + A + B + STOP]
    assert relayed.stream.attempts == 2


@pytest.mark.parametrize(
    "failing",
    [
        pytest.param(answer(START, PING, BUSY), id="error-event"),
        pytest.param(answer(START, A[:-1]), id="cut-within-the-content"),
        pytest.param(answer(START + b"event: content", NetworkError("reset")), id="reset"),
        pytest.param(answer(b"{}", status=500, kind="application/json"), id="status"),
    ],
)
def test_no_bytes_of_an_attempt_that_failed_are_handed_on(relay, failing) -> None:
    """Its preamble and its comments are dropped with it."""
    relayed = relay([failing, GOOD], [Retry()])
    assert relayed.body == WHOLE_BODY
    assert relayed.stream.attempts == 2


@pytest.mark.parametrize("cut", range(len(B) - 1))
def test_a_failure_behind_the_content_leaves_whole_events(relay, cut) -> None:
    """The cut may be anywhere in the next event."""
    relayed = relay([answer(START + A + B[:cut], NetworkError("reset"))], [Retry()])
    assert relayed.raw == [START + A]
    assert type(relayed.error) is NetworkError
    assert relayed.error.delivered
    assert relayed.stream.failed_by is None


class JSON(Talk):
    """A client that decodes its events fails by anything else."""

    name: ClassVar[str] = "json"
    events_are_json: ClassVar[bool] = True


X = b'event: content_block_delta\ndata: {"x": 1}\n\n'


def test_an_event_that_its_reader_could_not_decode_is_a_failure(relay) -> None:
    """Before the content it is retried; behind it, whole events have been handed on and nothing else."""
    pings = b"event: ping\ndata: alive\n\n"
    body = START + pings + X + STOP
    relayed = relay([answer(START, A), answer(body)], [Retry()], dialect=JSON())
    assert (relayed.body, relayed.stream.attempts) == (body, 2)
    relayed = relay([answer(START + X, X + A + X + STOP)], dialect=JSON())
    assert relayed.body == START + X + X
    assert (type(relayed.error), relayed.stream.failed_by) == (StreamError, None)
    assert "'content_block_delta' is not JSON" in relayed.error.message


def test_the_event_that_reports_a_failure_is_not_handed_on_but_kept(relay) -> None:
    """With its bytes, for a consumer that has its own words for it."""
    relayed = relay([answer(A + PING + BUSY + B)])
    assert relayed.raw == [A]
    assert type(relayed.error) is OverloadedError
    assert relayed.stream.failed_by.raw == b'{"error": {"type": "overloaded_error", "message": "busy"}}'
    assert relayed.stream.error_body == b""


def test_the_failure_of_an_earlier_attempt_is_not_that_of_the_last(relay) -> None:
    """What is told is what happened last."""
    relayed = relay([answer(BUSY), answer(b"oh", status=500, kind="text/plain")], [Retry(max_retries=1)])
    assert type(relayed.error) is ServerError
    assert (relayed.stream.failed_by, relayed.stream.error_body) == (None, b"oh")


def test_nothing_has_failed_before_the_call_has_begun() -> None:
    """And a stream that is never entered needs no closing."""
    stream = Relay([], dialect=Talk()).stream(ASK)
    assert (stream.failed_by, stream.error_body, stream.attempts) == (None, b"", 0)
    del stream
    gc.collect()


@pytest.mark.parametrize(
    ("given", "kind"),
    [
        pytest.param(answer(b'{"error": 1}', status=400, kind="application/json"), Exception, id="status"),
        pytest.param(answer(b"<html>", kind="text/html"), ContentTypeError, id="portal"),
    ],
)
def test_the_body_of_an_answer_that_is_no_stream_is_kept(relay, given, kind) -> None:
    """Up to 64 KiB of it."""
    relayed = relay([given])
    assert isinstance(relayed.error, kind)
    assert relayed.stream.error_body == given.body[0]


@pytest.mark.parametrize(
    "start", [b"", b"\n\r\n", b"\xef\xbb\xbf\n", b": hi\n"], ids=["none", "blank", "BOM", "comment"]
)
def test_a_stream_that_only_its_bytes_tell_is_handed_on_from_its_first_byte(relay, start) -> None:
    """Without a content type, the first line decides."""
    body = start + START + A + STOP
    relayed = relay([Answer(headers={}, body=[*(body[i : i + 1] for i in range(len(body)))])])
    assert relayed.body == body


def test_an_unfinished_mark_at_the_end_is_handed_on(relay) -> None:
    """With the preamble that was held until then."""
    relayed = relay([answer(START, DONE[:-2])], dialect=Marked())
    assert (relayed.raw, relayed.status) == ([START + DONE[:-2]], "success")


def test_a_stream_without_events_is_handed_on_at_its_end(relay) -> None:
    """It may have comments."""
    relayed = relay([answer(PING, b": x")], dialect=Dialect())
    assert (relayed.raw, relayed.status) == ([PING + b": x"], "success")
    assert relay([answer()], dialect=Dialect()).raw == []


class Changing(Plugin):
    """Answers each event with what it was given for its data."""

    name: ClassVar[str] = "changing"

    def __init__(self, **answers: Any) -> None:
        super().__init__()
        self._answers = answers

    def on_event(self, call: Any, event: Event) -> Any:
        return self._answers.get(event.data)


C = b"event: content_block_delta\ndata: c\n\n"


@pytest.mark.parametrize(
    ("answers", "body"),
    [
        pytest.param({}, PING + A + B + STOP, id="untouched"),
        pytest.param({"b": DROP}, A + STOP, id="one-dropped"),
        pytest.param({"b": Event("content_block_delta", b"c")}, A + C + STOP, id="one-changed"),
        pytest.param({"a": FINISH}, A, id="finished"),
        pytest.param({"a": DROP, "b": DROP, "{}": DROP}, b"", id="all-dropped"),
    ],
)
@pytest.mark.parametrize("reads", ["one", "many"])
def test_plugins_that_change_events_change_the_pieces(relay, answers, body, reads) -> None:
    """They are then encoded from what is left; untouched ones are the server's own bytes."""
    chunks = [PING + A + B + STOP] if reads == "one" else [PING + A, B, STOP]
    relayed = relay([answer(*chunks)], [Changing(**answers)])
    assert (relayed.error, relayed.status) == (None, "success")
    assert [event[:2] for event in decoded(relayed.body)] == [event[:2] for event in decoded(body)]
    assert all(relayed.raw)
    if not answers:
        assert relayed.body == body


@pytest.mark.parametrize("reads", ["one", "many"])
@pytest.mark.parametrize(
    ("answers", "body"),
    [
        pytest.param({}, A + B + DONE, id="untouched"),
        pytest.param({"a": DROP}, B + DONE, id="one-dropped"),
        pytest.param({"a": DROP, "b": DROP}, DONE, id="all-dropped"),
        pytest.param({"a": FINISH}, A, id="finished"),
    ],
)
def test_a_hidden_mark_ends_the_pieces_whatever_plugins_do(relay, answers, body, reads) -> None:
    """No plugin sees it, but a consumer may wait for it; where a plugin ends the stream, it has not come."""
    chunks = [A + B + DONE] if reads == "one" else [A, B, DONE]
    relayed = relay([answer(*chunks)], [Changing(**answers)], dialect=Marked())
    assert [event[:2] for event in decoded(relayed.body)] == [event[:2] for event in decoded(body)]


def test_what_came_before_an_event_that_a_plugin_refuses_is_handed_on(relay) -> None:
    """As it would be to a consumer of events, however they were read."""
    refused = Reject(error=ServerError("no"))
    relayed = relay([answer(A + B + STOP)], [Changing(b=refused)])
    assert [event[1] for event in decoded(relayed.body)] == [b"a"]
    assert type(relayed.error) is ServerError


def test_the_place_in_the_stream_is_that_of_the_pieces_that_were_taken(relay) -> None:
    """A consumer that leaves has seen the events of its pieces, and no more."""
    relayed = relay([answer(A, B, STOP)], leave_after=1)
    assert (relayed.raw, relayed.status) == ([A], "cancelled")
    assert (relayed.stream.call.events, relayed.stream.call.last_event_id) == (1, "1")


def test_a_consumer_that_leaves_with_the_last_piece_has_all(relay) -> None:
    """It need not ask whether there is more."""
    relayed = relay([answer(A + STOP)], leave_after=1)
    assert relayed.status == "success"


class Stored(Plugin):
    """Replays stored events in place of the request, or of its failure."""

    name: ClassVar[str] = "stored"

    def __init__(self, *events: Event, late: bool = False) -> None:
        super().__init__()
        self._replay, self._late = Replay(events), late

    def before_request(self, call: Any, request: Request) -> Any:
        return None if self._late else self._replay

    def should_retry(self, call: Any, error: Any) -> Any:
        return self._replay


@pytest.mark.parametrize("late", [False, True], ids=["in-place-of-the-request", "in-place-of-a-failure"])
def test_stored_events_are_encoded(relay, late) -> None:
    """As one piece, and nothing of the attempt that failed."""
    stored = [Event("message_start", b"{}"), Event("content_block_delta", b"a\nb", "4"), Event("message_stop", b"{}")]
    relayed = relay([answer(START, BUSY)], [Stored(*stored, late=late)])
    assert len(relayed.raw) == 1
    assert [event[:2] for event in decoded(relayed.body)] == [(event.type, event.raw) for event in stored]
    assert relayed.status == "success"
    assert (relayed.stream.response is None) is not late


def test_stored_events_may_be_none(relay) -> None:
    """Then there is nothing to hand on."""
    assert relay([], [Stored()]).raw == []


def test_the_stored_event_of_a_plain_answer_is_its_body(relay) -> None:
    """Not framed."""
    relayed = relay([], [Stored(Event(WHOLE, b'{"a": 1}'))], request=PLAIN)
    assert (relayed.raw, relayed.stream.is_plain) == ([b'{"a": 1}'], True)


@pytest.mark.parametrize(
    ("given", "pieces"),
    [
        pytest.param(answer(b'{"a":', b" 1}", kind="application/json"), [(WHOLE, b'{"a": 1}')], id="JSON"),
        pytest.param(answer(b"a,", b"b", kind="text/csv"), [(PIECE, b"a,"), (PIECE, b"b")], id="pieces"),
        pytest.param(answer(status=204, kind="application/json"), [(WHOLE, b"")], id="204"),
        pytest.param(
            answer(b"\x1f\x8b", b"..", kind="application/json", content_encoding="gzip"),
            [(PIECE, b"\x1f\x8b"), (PIECE, b"..")],
            id="encoded",
        ),
    ],
)
def test_a_plain_answer_is_whole_if_it_is_json(relay, given, pieces) -> None:
    """Anything else is handed on as it comes."""
    relayed = relay([given], request=PLAIN)
    assert [(piece.type, piece.raw) for piece in relayed.pieces] == pieces
    assert (relayed.status, relayed.stream.is_plain) == ("success", True)


def test_a_plain_answer_that_is_cut_is_retried_and_its_body_kept(relay) -> None:
    """JSON, as nothing of it was handed on."""
    cut = answer(b'{"a":', kind="application/json", content_length="8")
    relayed = relay([cut, answer(b'{"a": 1}', kind="application/json")], [Retry()], request=PLAIN)
    assert (relayed.raw, relayed.stream.attempts) == ([b'{"a": 1}'], 2)
    relayed = relay([cut], request=PLAIN)
    assert type(relayed.error) is TruncatedStreamError
    assert relayed.stream.error_body == b'{"a":'


def test_a_consumer_may_leave_a_plain_answer(relay) -> None:
    """Between its pieces."""
    relayed = relay([answer(b"a", b"b", kind="text/csv")], request=PLAIN, leave_after=1)
    assert (relayed.raw, relayed.status) == ([b"a"], "cancelled")


def test_a_plugin_may_finish_a_plain_answer(relay) -> None:
    """What it has seen was enough."""
    relayed = relay([answer(b"a", b"b", kind="text/csv")], [Changing(a=FINISH)], request=PLAIN)
    assert (relayed.raw, relayed.status) == ([b"a"], "success")


@pytest.mark.parametrize(
    ("location", "stays"),
    [
        ("/elsewhere", True),
        ("?page=2", True),
        ("https://api.example.org/v2", True),
        ("https://api.example.org:443/v2", True),
        ("", True),
        ("http://api.example.org/v2", False),
        ("https://api.example.org:8443/v2", False),
        ("https://api.example.com/v2", False),
        ("//evil.example/v2", False),
        ("https://api.example.org@evil.example/", False),
        ("ftp://api.example.org/", False),
        ("https://[", False),
    ],
)
def test_a_redirect_of_a_plain_answer_is_one_for_the_consumer_within_the_origin_only(relay, location, stays) -> None:
    """Elsewhere it would take the credentials along."""
    relayed = relay([answer(status=307, kind="text/plain", location=location)], request=PLAIN)
    if stays:
        assert (relayed.error, relayed.stream.response.status_code) == (None, 307)
    else:
        assert isinstance(relayed.error, StreamError)
        assert "redirect" in str(relayed.error)


def test_a_redirect_in_place_of_a_stream_is_none(relay) -> None:
    """Also within the origin."""
    relayed = relay([answer(status=307, location="/elsewhere")])
    assert isinstance(relayed.error, StreamError)


def test_each_answer_may_have_a_dialect_of_its_own(relay) -> None:
    """The relay's own is for those without."""
    assert relay([answer(A)], dialect=Dialect()).status == "success"
    assert relay([answer(A)]).status == "failure"


def test_timeouts_are_those_of_the_plugins(relay) -> None:
    """Pings are no progress."""
    relayed = relay([answer(A, *[3.0, PING] * 9, STALL)], [Timeout(idle=10)])
    assert isinstance(relayed.error, TimeoutError)
    assert relayed.error.timeout == "idle"
    assert relay.clock.monotonic() == 1010.0


def test_the_timeouts_of_the_request_are_respected(relay) -> None:
    """They go before those of plugins."""
    relayed = relay([answer(STALL)], request=ASK.with_timeouts(Timeouts(first_event=2)))
    assert isinstance(relayed.error, TimeoutError)
    assert relay.clock.monotonic() == 1002.0


def test_a_call_may_go_through_a_transport_of_its_own(relay) -> None:
    """It is put around that of the relay."""
    seen = []
    relayed = relay([GOOD], through=lambda inner: seen.append(inner) or inner)
    assert relayed.body == WHOLE_BODY
    assert seen == [relayed.transport]


@pytest.mark.parametrize("kind", [Relay, AsyncRelay])
def test_a_relay_describes_itself(kind) -> None:
    """Its dialect and its plugins."""
    assert "retry" in kind([Retry()], dialect=Talk()).describe()


class Resuming(Plugin):
    """Goes on with the stream behind the content."""

    name: ClassVar[str] = "resuming"

    def should_retry(self, call: Any, error: Any) -> TryAgain:
        headers = call.base.headers.merged(Headers({"last-event-id": call.last_event_id}))
        return TryAgain(0.0, request=call.base.with_headers(headers), resume=True)


def test_a_feed_that_is_resumed_is_handed_on_as_one(relay) -> None:
    """From the event behind the last one that was handed on."""
    relayed = relay([answer(A + B[:9], NetworkError("reset")), answer(B, STOP)], [Resuming()])
    assert relayed.body == A + B + STOP
    assert relayed.transport.requests[1].headers["last-event-id"] == "1"


def test_an_error_status_says_what_it_is(relay) -> None:
    """401 is no matter for a retry."""
    relayed = relay([answer(b"{}", status=401, kind="application/json")], [Retry()])
    assert type(relayed.error) is AuthenticationError
    assert relayed.stream.response.status_code == 401


BARE = b'{"error": {"type": "overloaded_error", "message": "busy"}}'


@pytest.mark.parametrize(
    "body",
    [
        pytest.param([PING, BARE + b"\n", STALL], id="a-line"),
        pytest.param([PING + BARE[:20], BARE[20:], STALL], id="unfinished"),
        pytest.param([PING + BARE], id="at-the-end"),
        pytest.param([PING, b'{"a": 1}\n', BARE], id="behind-another"),
    ],
)
def test_a_failure_in_json_without_the_framing_is_no_part_of_the_answer(relay, body) -> None:
    """A gateway may put it where a stream was asked for."""
    relayed = relay([answer(*body), GOOD], [Retry()])
    assert relayed.body == WHOLE_BODY
    assert relayed.stream.history[0].error in ("ServerError", "OverloadedError", "TruncatedStreamError")


def test_an_encoded_stream_is_refused(relay) -> None:
    """A few kilobytes of gzip can be gigabytes of text."""
    relayed = relay([answer(b"\x1f\x8b", content_encoding="gzip")])
    assert type(relayed.error) is StreamError
    assert "gzip" in str(relayed.error)


def test_a_json_error_in_place_of_a_stream_is_that_error(relay) -> None:
    """With its body, whatever the status says."""
    relayed = relay([answer(BARE, kind="application/json")])
    assert type(relayed.error) is OverloadedError
    assert relayed.stream.error_body == BARE


def test_a_transport_may_have_timeouts_of_its_own(relay) -> None:
    """Its error stays what it is."""
    own = TimeoutError("no bytes within 3 s")
    assert relay([answer(A, own)]).error is own
    assert relay([Answer(failure=own)]).error is own


def test_plain_sse_has_no_event_for_a_failure() -> None:
    """Other dialects have one."""
    assert Dialect().error_event(ServerError("no")) is None
