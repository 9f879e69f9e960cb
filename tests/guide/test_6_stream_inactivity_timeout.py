"""Production Features, 6: Stream Inactivity Timeout."""

import pytest

from unbroken import TimeoutError
from unbroken.testing import STALL, Answer, sse

START = {"type": "message_start", "message": {"id": "m", "type": "message", "role": "assistant", "content": []}}
BLOCK = {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}
DELTA = {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Hel"}}
BEGUN = sse(*((event["type"], event) for event in (START, BLOCK, DELTA)))
PING = sse(("ping", {"type": "ping"}))

STALLED = [
    pytest.param([BEGUN, STALL], id="silence"),
    pytest.param([BEGUN, *[10.0, PING] * 20], id="pings-are-no-data"),
]


@pytest.mark.parametrize("body", STALLED)
def test_a_stream_that_stops_sending_is_a_timeout(chat, body) -> None:
    """After 60 seconds without data, and what was said is not said again."""
    handler = chat.handler([Answer(body=body)], proxy=True, stream_inactivity_timeout=60)
    started = chat.clock.monotonic()
    with pytest.raises(TimeoutError) as caught:
        chat.events(handler, {"messages": []})
    assert (caught.value.timeout, caught.value.seconds) == ("idle", 60)
    assert chat.clock.monotonic() - started == pytest.approx(60)
    assert len(chat.requests) == 1


def test_a_slow_stream_is_not_a_stalled_one(chat, answer) -> None:
    """However long it takes as a whole."""
    whole = answer("Hello there").body[0]
    pieces = [piece + b"\n\n" for piece in whole.split(b"\n\n") if piece]
    body = [item for piece in pieces for item in (piece, 50.0)]
    handler = chat.handler([Answer(body=body)], proxy=True, stream_inactivity_timeout=60)
    assert chat.events(handler, {"messages": []})[-1].type == "message_stop"
    assert chat.clock.monotonic() - 1000 >= 50.0 * (len(pieces) - 1)
