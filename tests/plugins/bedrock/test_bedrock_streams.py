"""The dialect at work in the engine: whole streams, in every backend, without sockets, and cut at every byte."""

import os
from random import Random
from typing import Any

import pytest

from unbroken import Client, ConfigurationError, Plugin, Request, Usage
from unbroken.errors import NetworkError, OverloadedError, RateLimitError, StreamError, TruncatedStreamError
from unbroken.relay import Relay
from unbroken.testing import BACKENDS, Answer, FakeClock, ScriptedTransport, play
from unbroken_bedrock import Bedrock
from unbroken_bedrock._framing import BEDROCK_EVENTS
from unbroken_retry import Retry

from ...cutting import read
from .bedrock_frames import (
    AWS,
    BASE,
    BLOCK_STOP,
    CLAUDE,
    CONVERSE,
    INVOKE,
    LAST,
    METADATA,
    START,
    STOP,
    TALK,
    THROTTLED,
    answer,
    body,
    chunk,
    delta,
    frame,
    message,
    random_message,
    random_talk,
)

LONG = os.environ.get("UNBROKEN_LONG") == "1"
CALLS = 2000 if LONG else 200
CUTS = 2 * 10**5 if LONG else 5000
MADE = [(CONVERSE, random_talk), (INVOKE, random_message)]
SEED = int(os.environ.get("UNBROKEN_SEED", "0"))
LLAMA = [chunk({"generation": "Hel"}), chunk({"generation": "lo", "stop_reason": "stop"} | LAST)]
BOTH = pytest.mark.parametrize(
    ("path", "frames"), [(CONVERSE, TALK), (INVOKE, CLAUDE), (INVOKE, LLAMA)], ids=["converse", "claude", "llama"]
)


def run(path: str, *answers: Answer, settings: Any = (), **options: Any) -> Any:
    return play([*answers], [Retry()], dialect=Bedrock(**dict(settings)), url=BASE + path, **options)


def text(events: Any) -> str:
    return "".join(Bedrock().text(event) or "" for event in events)


@BOTH
@pytest.mark.parametrize("backend", BACKENDS)
def test_a_complete_stream_is_delivered(path, frames, backend):
    """Every event once and in order, with its text and its counts."""
    played = run(path, answer(*frames), backend=backend)
    assert (played.error, played.outcome.status, len(played.events)) == (None, "success", len(frames))
    assert text(played.events) == "Hello"
    assert played.usage == Usage(input_tokens=9, output_tokens=2, final=True)
    assert played.requests[0].headers["accept"] == AWS


@BOTH
def test_a_stream_without_its_end_is_truncated(path, frames):
    played = run(path, answer(*frames[:-1]))
    if path == CONVERSE:  # the stop is there, and the body ended well: only the counts are missing
        assert (played.error, played.usage) == (None, None)
        played = run(path, answer(*frames[:-2]))
    assert (type(played.error), len(played.requests)) == (TruncatedStreamError, 1)


@BOTH
def test_an_exception_before_the_first_content_is_retried_unseen(path, frames):
    failed = Answer(status=503, headers={"x-amzn-errortype": "ServiceUnavailableException"})
    played = run(path, answer(frames[0] if path == CONVERSE else CLAUDE[0], THROTTLED), failed, answer(*frames))
    assert (played.error, played.attempts, text(played.events)) == (None, 3, "Hello")
    assert [each.error for each in played.history] == ["RateLimitError", "ServerError"]


def test_an_exception_after_content_is_raised():
    played = run(
        CONVERSE, Answer(headers={"content-type": AWS, "x-amzn-requestid": "r-1"}, body=body(*TALK[:2], THROTTLED))
    )
    assert (type(played.error), text(played.events), len(played.requests)) == (RateLimitError, "Hel", 1)
    assert (played.failure.response_id, played.failure.kind) == ("r-1", "throttlingException")
    error = {"type": "error", "error": {"type": "overloaded_error", "message": "later"}}
    played = run(INVOKE, answer(*CLAUDE[:3], chunk(error)))
    assert (type(played.error), text(played.events)) == (OverloadedError, "Hel")


def test_a_stream_may_end_with_its_stop():
    """By the setting; what follows is not read."""
    played = run(CONVERSE, answer(*TALK), settings={"proof": "message_stop"})
    assert (played.error, played.events[-1].type) == (None, "messageStop")


@pytest.mark.parametrize(("first", "fails"), [(delta(reasoningContent={"text": "a"}), False), (delta(text="a"), True)])
def test_silence_behind_reasoning_is_normal(first, fails):
    played = run(CONVERSE, Answer(headers={"content-type": AWS}, body=(body(START, first), 300.0, body(*TALK[1:]))))
    assert (played.error is not None) is fails


def test_a_chunk_that_cannot_be_opened_fails_the_call():
    played = run(INVOKE, Answer(headers={"content-type": AWS}, body=body(*CLAUDE[:3]) + frame("chunk", {"bytes": "*"})))
    assert (type(played.error), text(played.events)) == (StreamError, "Hel")


def test_a_whole_answer():
    """Through the same policies; a request for a stream is refused."""
    clock = FakeClock()
    plain = Answer(headers={"content-type": "application/json"}, body=b'{"usage": {"inputTokens": 9}, "output": {}}')
    transport = ScriptedTransport([plain], clock)
    client = Client([], dialect="bedrock", clock=clock, transport=transport)
    assert client.send("POST", f"{BASE}/model/m/converse", json={}).usage == Usage(input_tokens=9)
    with pytest.raises(ConfigurationError, match="use `stream` for it, or send it to /converse or /invoke"):
        client.send("POST", BASE + CONVERSE, json={})


def relayed(path: str, *script: Answer, plugins: Any = ()) -> tuple[bytes, Any]:
    """Return the bytes that a client above gets, and the error behind them."""
    clock = FakeClock()
    transport = ScriptedTransport([*script], clock)
    relay = Relay([*plugins], dialect=Bedrock(), clock=clock, transport=transport)
    stream, pieces = relay.stream(Request.build("POST", BASE + path, json={})), []
    try:
        with stream:
            pieces.extend(piece.raw for piece in stream)
    except Exception as error:
        return b"".join(pieces), error
    return b"".join(pieces), None


@BOTH
def test_a_relay_hands_on_the_messages_of_the_server(path, frames):
    """Byte for byte, also what the dialect has opened; nothing behind the proof or a failure."""
    whole = body(*frames)
    garbage = b"\x00" * 20
    pieces = tuple(whole[place : place + 50] for place in range(0, len(whole), 50))
    assert relayed(path, Answer(headers={"content-type": AWS}, body=(*pieces, garbage))) == (whole, None)
    assert relayed(path, Answer(headers={"content-type": AWS}, body=whole + garbage)) == (whole, None)
    raw, error = relayed(path, answer(*frames[:2], THROTTLED))
    if frames is LLAMA:  # both chunks are the whole answer
        assert (raw, error) == (whole, None)
    elif path == CONVERSE:
        assert (raw, type(error)) == (body(*frames[:2]), RateLimitError)
    else:
        assert (raw, type(error)) == (b"", RateLimitError)  # a message that had no content yet
    raw, error = relayed(path, Answer(headers={"content-type": AWS}, body=body(*frames[:1], BLOCK_STOP) + garbage))
    assert isinstance(error, StreamError)


@BOTH
def test_what_plugins_change_is_written_as_the_server_would(path, frames):
    class Louder(Plugin):
        def on_event(self, call, event):
            return event.replace(raw=event.raw.replace(b"Hel", b"HEL"))

    raw, error = relayed(path, answer(*frames), plugins=[Louder()])
    events = BEDROCK_EVENTS.decoder(10**6).feed(raw)
    assert (error, text(events), len(events)) == (None, "HELlo", len(frames))


def test_no_cut_is_taken_for_the_end_and_no_text_is_lost_or_doubled():
    """With a retry: what is delivered is all of an answer, or a beginning of the first one and an error."""
    random, calls = Random(SEED), 0
    while calls < CALLS:
        path, make = random.choice(MADE)
        frames, said = make(random)
        data = body(*frames)
        for at in random.sample(range(len(data)), min(len(data), 100)):
            cut = Answer(headers={"content-type": AWS}, body=cut_at(data, at, random))
            played = run(path, cut, answer(*frames))
            heard = text(played.events)
            if played.error is None:
                assert heard == said
                assert (played.attempts == 1) is (at >= proof_of(path, frames))
            else:
                assert type(played.error) is TruncatedStreamError
                assert (played.attempts, said.startswith(heard)) == (1, True)
                assert at < proof_of(path, frames)
            calls += 1


def test_every_cut_is_seen():
    """At each byte, and there in two pieces: a success is the whole text, anything else a beginning of it."""
    random, cuts, dialect = Random(SEED + 1), 0, Bedrock()
    while cuts < CUTS:
        path, make = random.choice(MADE)
        frames, said = make(random)
        data, proven = body(*frames), proof_of(path, frames)
        assert read(dialect, BASE + path, AWS, [data])[:2] == (None, said)
        for at in range(len(data)):
            failure, heard, _ = read(dialect, BASE + path, AWS, cut_at(data, at, random))
            assert (failure is None) is (at >= proven)
            assert said.startswith(heard) if failure else heard == said
            cuts += 1


def proof_of(path: str, frames: Any) -> int:
    """Return how many bytes prove that all has come: with the stop of Converse, or all of them."""
    return len(body(*frames)) - (len(frame(*frames[-1])) if path == CONVERSE else 0)


def cut_at(data: bytes, at: int, random: Random) -> tuple[bytes, ...]:
    split = random.randint(0, at)
    return tuple(filter(None, (data[:split], data[split:at])))


def test_a_reset_behind_the_stop_is_no_end():
    """Only the normal end of the body is one without the counts."""
    cut = Answer(headers={"content-type": AWS}, body=(body(*TALK[:-1]), NetworkError("reset")))
    assert type(run(CONVERSE, cut).error) is NetworkError
    assert run(CONVERSE, answer(START, STOP, METADATA)).error is None
    assert run(INVOKE, answer(*map(chunk, message("")))).error is None
