"""What a dialect knows of a request: whether it may be sent twice, may be silent, and how its stream goes on."""

import pytest
from attrs import evolve

from unbroken import Dialect, Event, NetworkError, Request, TimeoutError, Timeouts, TruncatedStreamError, TryAgain
from unbroken.dialect import CONTENT, KEEPALIVE, PREAMBLE, TERMINAL, Kind
from unbroken.errors import Error
from unbroken.relay import Relay
from unbroken.testing import STALL, Answer, FakeClock, ScriptedTransport, play

KINDS: dict[str, Kind] = {"content": CONTENT, "end": TERMINAL, "preamble": PREAMBLE}
ASK = Request(method="POST", url="https://api.example.org/v1", content=b"{}")
FEED = Timeouts(first_event=None, idle=None, quiet=None)


class Once(Dialect):
    """Requests are sent once, answers are feeds, and events are what they say."""

    name = "once"
    has_terminal_event = True

    def classify(self, event: Event) -> Kind:
        return KINDS.get(event.data, KEEPALIVE)

    def repeatable(self, request: Request) -> bool:
        return False

    def is_feed(self, request: Request) -> bool:
        return True

    def asks_for_stream(self, request: Request) -> bool:
        return True


def relayed(dialect: Dialect, request: Request) -> Request:
    """Return what is sent of `request`."""
    transport = ScriptedTransport([Answer(body=b"data: end\n\n")], FakeClock())
    relay = Relay([], dialect=dialect, transport=transport, clock=FakeClock())
    with relay.stream(request) as stream:
        list(stream)
    return transport.requests[0]


def test_the_dialect_says_what_is_sent_once_and_what_is_a_feed():
    sent = relayed(Once(), ASK)
    assert (sent.repeatable, sent.timeouts) == (False, FEED)
    (sent,) = play([Answer(body=b"data: end\n\n")], dialect=Once()).requests
    assert (sent.repeatable, sent.timeouts) == (False, FEED)


def test_what_the_sender_says_stays():
    class Often(Once):
        def repeatable(self, request: Request) -> bool:
            return True

    given = Timeouts(idle=1)
    sent = relayed(Often(), evolve(ASK, repeatable=False, timeouts=given))
    assert (sent.repeatable, sent.timeouts) == (False, given)


def test_by_itself_a_dialect_knows_nothing():
    plain = Dialect()
    assert (plain.repeatable(ASK), plain.is_feed(ASK), plain.tells_any_failure) == (True, False, False)
    call = relayed_call()
    assert plain.resume_request(call) is None
    assert plain.error_event_for(call, Error("x")) is None


def test_the_event_for_a_call_is_that_for_any():
    class Telling(Dialect):
        def error_event(self, error: Error) -> Event:
            return Event.make("error", str(error))

    assert Telling().error_event_for(relayed_call(), Error("x")) == Event.make("error", "x")


def relayed_call():
    return Relay([], transport=ScriptedTransport([], FakeClock()), clock=FakeClock()).stream(ASK).call


def test_a_feed_may_be_silent():
    body = [10_000.0, b"data: content\n\n", 10_000.0, b"data: end\n\n"]
    assert play([Answer(body=body)], dialect=Once()).error is None
    late = play([Answer(body=[b"data: content\n\n", STALL])], dialect=Once(), timeouts=Timeouts(total=9))
    assert isinstance(late.error, TimeoutError)


@pytest.mark.parametrize(
    ("body", "cursor"),
    [
        pytest.param(b"id: 1\ndata: x\n\n", "1", id="a keep-alive"),
        pytest.param(b"id: 1\n\n", "1", id="an id alone"),
        pytest.param(b"id: 1\ndata: x\n\nid: 2\ndata: preamble\n\n", "", id="what is held would be lost"),
    ],
)
def test_what_is_held_may_be_left_behind_if_it_is_a_keepalive(make_spy, body, cursor):
    """Before the commit too a stream can go on behind its last event."""
    spy = make_spy()
    play([Answer(body=body)], [spy], dialect=Once())
    assert spy.call.last_event_id == cursor


def test_a_stream_goes_on_before_the_commit(make_spy):
    seen: list[tuple[str, float | None]] = []

    def resume(call, error):
        seen.append((call.last_event_id, call.reconnection_time))
        return TryAgain(request=evolve(call.request, method="GET"), resume=True)

    script = [b"retry: 1500\nid: 1\ndata: x\n\n", b": nothing\n\n", NetworkError("reset"), b"data: end\n\n"]
    played = play([Answer(body=[each]) for each in script], [make_spy(should_retry=resume)], dialect=Once())
    assert (played.error, played.data) == (None, ["end"])
    assert seen == [("1", 1.5)] * 3
    assert [event.id for event in played.events] == ["1"]


def test_a_stream_that_begins_again_has_no_place_to_go_on_from(make_spy):
    seen: list[str] = []

    def again(call, error):
        seen.append(call.last_event_id)
        return TryAgain() if len(seen) < 2 else None

    script = [Answer(body=b"id: 1\ndata: x\n\n"), Answer(body=[NetworkError("reset")])]
    played = play(script, [make_spy(should_retry=again)], dialect=Once())
    assert seen == ["1", ""]
    assert not isinstance(played.error, TruncatedStreamError)
