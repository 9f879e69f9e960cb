"""A stream whose connection is lost goes on where it was, as one call."""

from typing import Any

import pytest
from attrs import define, field
from hypothesis import given
from hypothesis import strategies as st

from unbroken import (
    AuthenticationError,
    Client,
    NetworkError,
    OverloadedError,
    Request,
    TimeoutError,
    TruncatedStreamError,
    ValidationError,
)
from unbroken.testing import STALL, Answer, AsyncScriptedTransport, FakeClock, ScriptedTransport, run, sse
from unbroken_anthropic import Anthropic
from unbroken_chat import AsyncContentGenerator, ContentGenerator, Resume
from unbroken_timeout import Timeout

ID = "A" * 24
JSON = {"content-type": "application/json"}
STREAM = {"content-type": "text/event-stream", "unbroken-stream": ID}
TEXT = "The river runs, the gate opens."


def _events() -> list[bytes]:
    message = {"id": "msg_1", "type": "message", "role": "assistant", "model": "m", "content": []}
    usage = {"input_tokens": 3, "output_tokens": 1}
    pieces = [{"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": p}} for p in TEXT]
    events: list[dict[str, Any]] = [
        {"type": "message_start", "message": {**message, "stop_reason": None, "stop_sequence": None, "usage": usage}},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        *pieces,
        {"type": "content_block_stop", "index": 0},
        {
            "type": "message_delta",
            "delta": {"stop_reason": "end_turn", "stop_sequence": None},
            "usage": {"output_tokens": 9},
        },
        {"type": "message_stop"},
    ]
    return [f"id: {ID}.{n}\n".encode() + sse((e["type"], e)) for n, e in enumerate(events, 1)]


EVENTS = _events()


@define
class Backend:
    """Has resumable streams. Each of its answers ends as the next of `ends` says, the last ones whole.

    An end is a number of bytes and what follows them; an `Answer` is given as it is.
    """

    ends: list[Any]
    asked: list[tuple[str, str]] = field(factory=list[tuple[str, str]])
    """The method and the cursor of each request."""

    def __call__(self, request: Request) -> Answer:
        cursor = request.headers.get("last-event-id", "")
        self.asked.append((request.method, cursor))
        after = int(cursor.rpartition(".")[2]) if cursor else 0
        whole = b"".join(EVENTS[after:])
        if request.method == "GET":
            assert request.url == f"https://gateway.example:443/v1/streams/{ID}"
            assert request.headers["authorization"] == "Bearer t"
        end = self.ends.pop(0) if self.ends else None
        if isinstance(end, Answer):
            return end
        if end is None:
            return Answer(headers=STREAM, body=whole)
        size, last = end
        return Answer(headers=STREAM, body=[whole[:size], *([] if last is None else [last])])


def ask(
    backend: Any, *, whole: bool = False, sync: bool = True, asyncio_backend: Any = "asyncio"
) -> tuple[str, int, Any]:
    """Return the text of the reply, how many attempts it took, and its history."""
    clock = FakeClock()
    options: dict[str, Any] = {"auth_token": "t", "resume": True, "clock": clock}
    url = "https://gateway.example/api/claude"
    if sync:
        with ContentGenerator.proxy(url, **options, transport=ScriptedTransport(backend, clock)) as generator:
            if whole:
                reply = generator.send_request("hi")
                return reply.text, reply.attempts, None
            with generator.stream_request("hi") as stream:
                text = "".join(stream.text())
                return text, stream.attempts, stream.history

    async def main() -> tuple[str, int, Any]:
        transport = AsyncScriptedTransport(backend, clock)
        generator = AsyncContentGenerator.proxy(url, **options, transport=transport)
        async with generator, generator.stream_request("hi") as stream:
            text = "".join([piece async for piece in stream.text()])
            return text, stream.attempts, stream.history

    return run(main, clock=clock, backend=asyncio_backend)


@pytest.mark.parametrize("backend", ["sync", "asyncio", "trio"])
def test_a_stream_that_is_cut_goes_on_behind_its_last_event(backend: str) -> None:
    size = len(b"".join(EVENTS[:10])) + 20
    served = Backend([(size, NetworkError("reset"))])
    text, attempts, history = ask(served, sync=backend == "sync", asyncio_backend=backend)
    assert (text, attempts) == (TEXT, 2)
    assert served.asked == [("POST", ""), ("GET", f"{ID}.10")]
    assert [attempt.decided_by for attempt in history] == ["resume"]


CUTS = st.lists(
    st.tuples(st.integers(0, len(b"".join(EVENTS)) - 1), st.sampled_from([None, NetworkError("reset"), STALL])),
    max_size=6,
)


@given(CUTS)
def test_no_cut_loses_or_repeats_anything(cuts: list[Any]) -> None:
    """Wherever the connections are lost, and however, there is one reply and the model is asked once."""
    served = Backend(list(cuts))
    assert ask(served)[0] == TEXT
    assert [method for method, _ in served.asked].count("POST") == 1


@given(CUTS)
def test_a_whole_reply_is_resumed_as_well(cuts: list[Any]) -> None:
    served = Backend(list(cuts))
    assert ask(served, whole=True)[0] == TEXT
    assert [method for method, _ in served.asked].count("POST") == 1


def test_a_backend_that_starts_again_is_asked_later() -> None:
    starting = Answer(status=503, headers={**JSON, "retry-after": "2"}, body=b"{}")
    refused = Answer(failure=NetworkError("refused"))
    served = Backend([(1500, None), refused, starting, refused])
    assert ask(served)[0] == TEXT


def test_a_stream_that_never_goes_on_fails_after_a_bounded_number_of_attempts() -> None:
    served = Backend([(1500, None), *[Answer(failure=NetworkError("refused")) for _ in range(20)]])
    with pytest.raises(NetworkError) as caught:
        ask(served)
    assert len(served.asked) == 9
    assert caught.value.delivered
    assert "brought no event" in caught.value.history[-1].reason


def test_a_stream_that_is_gone_before_its_content_is_asked_for_again() -> None:
    """Nothing was shown, so the model may be asked once more."""
    gone = Answer(status=404, headers=JSON, body=b'{"type":"error","error":{"type":"not_found_error","message":"no"}}')
    served = Backend([(40, None), gone])
    assert ask(served)[0] == TEXT
    assert [method for method, _ in served.asked] == ["POST", "GET", "POST"]


def test_a_stream_that_is_gone_behind_its_content_is_an_error() -> None:
    gone = Answer(
        status=410, headers=JSON, body=b'{"type":"error","error":{"type":"invalid_request_error","message":"no"}}'
    )
    served = Backend([(1500, None), gone])
    with pytest.raises(ValidationError) as caught:
        ask(served)
    assert caught.value.delivered
    assert caught.value.history[-1].reason == "the backend no longer has the stream"


def test_a_failure_that_the_backend_reports_is_final() -> None:
    told = sse(("error", {"type": "error", "error": {"type": "overloaded_error", "message": "busy"}}))
    served = Backend([(len(b"".join(EVENTS[:10])), told)])
    with pytest.raises(OverloadedError):
        ask(served)
    assert len(served.asked) == 1


def test_a_backend_without_resumable_streams_is_used_as_it_is() -> None:
    """What was delivered cannot be continued."""
    plain = Answer(body=[b"".join(EVENTS)[:1500]])
    with pytest.raises(TruncatedStreamError):
        ask(Backend([plain]))


def test_a_token_that_is_refused_on_the_way_is_an_error() -> None:
    refused = Answer(
        status=401, headers=JSON, body=b'{"type":"error","error":{"type":"authentication_error","message":"x"}}'
    )
    with pytest.raises(AuthenticationError):
        ask(Backend([(1500, None), refused]))


def test_the_total_timeout_ends_resuming() -> None:
    clock = FakeClock()
    served = Backend([(1500, STALL), *[Answer(latency=STALL) for _ in range(20)]])
    transport, url = ScriptedTransport(served, clock), "https://gateway.example/x"
    client = Client(
        [Resume(), Timeout(total=300)],
        dialect=Anthropic(),
        headers={"Authorization": "Bearer t"},
        transport=transport,
        clock=clock,
    )
    with client, pytest.raises(TimeoutError) as caught, client.stream("POST", url, json={}) as stream:
        list(stream)
    assert caught.value.timeout == "total"
    assert clock.monotonic() == 1300


def test_the_place_of_the_streams_can_be_another() -> None:
    asked = []

    def backend(request: Request) -> Answer:
        asked.append(request.url)
        return Answer(headers=STREAM, body=b"".join(EVENTS[:5] if len(asked) == 1 else EVENTS[5:]))

    clock = FakeClock()
    url, streams = "https://gateway.example/gw/api/claude", "https://gateway.example/gw/v1/streams"
    transport = ScriptedTransport(backend, clock)
    generator = ContentGenerator.proxy(url, plugins=[Resume(streams)], clock=clock, transport=transport)
    with generator, generator.stream_request("hi") as stream:
        assert "".join(stream.text()) == TEXT
    assert asked[1] == f"{streams}/{ID}"
