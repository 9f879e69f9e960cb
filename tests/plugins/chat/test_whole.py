"""Whole replies: what is cut, stalls or is broken is asked for again."""

import pytest

from unbroken import Error, NetworkError
from unbroken.testing import STALL, Answer, sse

MESSAGE = {"id": "m", "type": "message", "role": "assistant", "model": "x", "content": []}


def events(*types_and_fields) -> bytes:
    return sse(*((kind, {"type": kind, **fields}) for kind, fields in types_and_fields))


START = ("message_start", {"message": MESSAGE})
OTHER = ("message_start", {"message": {**MESSAGE, "id": "n"}})
BLOCK = ("content_block_start", {"index": 0, "content_block": {"type": "text", "text": ""}})
DELTA = ("content_block_delta", {"index": 0, "delta": {"type": "text_delta", "text": "x"}})
TOOL = ("content_block_start", {"index": 0, "content_block": {"type": "tool_use", "id": "t", "name": "n", "input": {}}})
HALF = ("content_block_delta", {"index": 0, "delta": {"type": "input_json_delta", "partial_json": '{"a":'}})
STOP = ("content_block_stop", {"index": 0})
ENDED = ("message_delta", {"delta": {"stop_reason": "end_turn"}})
END = ("message_stop", {})
FAILED = ("error", {"error": {"type": "overloaded_error", "message": "Overloaded"}})
BEGUN = events(START, BLOCK, DELTA)
WHOLE = Answer(body=events(START, BLOCK, DELTA, STOP, ENDED, END))
BROKEN = [
    pytest.param([BEGUN], "TruncatedStreamError", id="cut"),
    pytest.param([BEGUN, NetworkError("reset")], "NetworkError", id="reset"),
    pytest.param([BEGUN, STALL], "TimeoutError", id="stalled"),
    pytest.param([events(START, BLOCK, DELTA, FAILED)], "OverloadedError", id="reported"),
    pytest.param([events(START, DELTA, STOP, ENDED, END)], "StreamError", id="delta-without-block"),
    pytest.param([events(START, OTHER, BLOCK, DELTA, STOP, ENDED, END)], "StreamError", id="second-message"),
    pytest.param([events(START, BLOCK, DELTA, STOP, END)], "TruncatedStreamError", id="no-stop-reason"),
    pytest.param([events(START, TOOL, HALF, STOP, ENDED, END)], "StreamError", id="tool-input-that-is-no-json"),
]


@pytest.mark.parametrize("broken", [fault.values[0] for fault in BROKEN], ids=[fault.id for fault in BROKEN])
def test_a_whole_reply_is_asked_for_again_when_it_breaks(chat, broken) -> None:
    """Nothing of it was shown, so a fault after the content is like one before it."""
    reply = chat.send(chat.generator([Answer(body=broken), WHOLE]), "Hello")
    assert (reply.text, reply.attempts, len(chat.requests)) == ("x", 2, 2)


@pytest.mark.parametrize(("broken", "error"), BROKEN)
def test_a_reply_that_stays_broken_is_one_error(chat, broken, error) -> None:
    """Each attempt is in its history, and nothing was delivered."""
    with pytest.raises(Error) as caught:
        chat.send(chat.generator([Answer(body=broken)] * 4), "Hello")
    assert [attempt.error for attempt in caught.value.history] == [error] * 4
    assert (type(caught.value).__name__, caught.value.delivered) == (error, False)


def test_of_300_replies_each_is_whole(chat) -> None:
    """Every second one is cut, stalls or is broken the first time."""
    faults = [Answer(body=broken.values[0]) for broken in BROKEN]
    script = [answer for number in range(300) for answer in (faults[number % 8], WHOLE)[1 - number % 2 :]]
    generator = chat.generator(script)
    assert [chat.send(generator, "Hello").text for _ in range(300)] == ["x"] * 300
    assert len(chat.requests) == 450
