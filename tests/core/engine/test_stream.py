"""What a stream offers, before, during and after the call."""

import gc

import anyio
import anyio.lowlevel
import pytest

from unbroken import AsyncClient, Client, Dialect, Kind, NetworkError, Plugin, ServerError, Usage
from unbroken.testing import Answer, AsyncScriptedTransport, FakeClock, ScriptedTransport, run, sse

from ..kit import Talk

START = (
    "message_start",
    {"type": "message_start", "message": {"usage": {"input_tokens": 7, "output_tokens": 1}}},
)
STOP = ("message_stop", {"type": "message_stop"})
USED = ("message_delta", {"type": "message_delta", "delta": {}, "usage": {"output_tokens": 42}})
URL = "https://user.example.org/v1"


def delta(text: str) -> tuple[str, dict]:
    return ("content_block_delta", {"delta": {"type": "text_delta", "text": text}})


ANSWER = Answer(body=[sse(START, delta("Hel")), sse(delta("lo")), sse(USED, STOP)])


class Sync:
    """The few things that differ."""

    def __init__(self, replies, clock, plugins=()):
        self.transport = ScriptedTransport(replies, clock)
        self.client = Client(list(plugins), transport=self.transport, clock=clock, dialect=Talk())

    def stream(self, **arguments):
        return Plain(self.client.stream("POST", URL, **arguments))


class Plain:
    """A blocking stream with the interface of an awaiting one."""

    def __init__(self, stream):
        self.stream = stream

    def __getattr__(self, name):
        return getattr(self.stream, name)

    async def __aenter__(self):
        self.stream.__enter__()
        return self

    async def __aexit__(self, *about):
        self.stream.__exit__(*about)

    def __aiter__(self):
        return self

    async def __anext__(self):
        try:
            return next(self.stream)
        except StopIteration:
            raise StopAsyncIteration from None

    async def text(self):
        for piece in self.stream.text():
            yield piece


class Async:
    """The same for the awaiting client."""

    def __init__(self, replies, clock, plugins=()):
        self.transport = AsyncScriptedTransport(replies, clock)
        self.client = AsyncClient(list(plugins), transport=self.transport, clock=clock, dialect=Talk())

    def stream(self, **arguments):
        return self.client.stream("POST", URL, **arguments)


@pytest.fixture
def tell(backend, fake_clock):
    """Run an async test with a client of each backend."""

    def run_it(story, replies, plugins=()):
        here = (Sync if backend == "sync" else Async)(replies, fake_clock, plugins)
        run(story, here, clock=fake_clock, backend="asyncio" if backend == "sync" else backend)

    return run_it


def test_a_stream_says_what_it_is(tell):
    """Before, during and after."""

    async def story(here):
        stream = here.stream(request_id="call-1")
        assert (stream.request_id, stream.attempts, stream.history) == ("call-1", 0, ())
        assert stream.response is stream.outcome is stream.usage is None
        async with stream:
            assert stream.response.status_code == 200
            async for event in stream:
                assert event.request_id == stream.request_id
                assert stream.outcome is None
        assert stream.outcome.status == "success"
        assert stream.outcome.attempts == stream.attempts == 1
        assert stream.usage == Usage(input_tokens=7, output_tokens=42, final=True)

    tell(story, [ANSWER])


def test_the_text_alone(tell):
    """What the dialect finds in the events; the rest is passed over, and the outcome is the same."""

    async def story(here):
        async with here.stream() as stream:
            assert [piece async for piece in stream.text()] == ["Hel", "lo"]
        assert stream.outcome.status == "success"

    tell(story, [ANSWER])


def test_the_text_can_be_left_and_taken_up_again(tell):
    """It is a view of the stream, not a second one."""

    async def story(here):
        async with here.stream() as stream:
            async for piece in stream.text():
                assert piece == "Hel"
                break
            assert [event.type async for event in stream] == [
                "content_block_delta",
                "message_delta",
                "message_stop",
            ]

    tell(story, [ANSWER])
    gc.collect()


def test_the_events_of_a_call_know_its_dialect(play):
    """Whatever their block looked like, and also those that were held until the commit."""

    class Numbered(Dialect):
        has_terminal_event = True

        def classify(self, event):
            return {"a": Kind.PREAMBLE, "z": Kind.TERMINAL}.get(event.type, Kind.CONTENT)

        def typed(self, event):
            return int(event.data)

    body = [b"event: a\ndata: 1\n\nid: 7\ndata: 2\n", b"\nevent: z\ndata: 3\n\n"]
    played = play([Answer(body=body)], dialect=Numbered())
    assert [event.typed() for event in played.events] == [1, 2, 3]


def test_a_stream_is_entered_once(tell):
    """The second time would be a second call."""

    async def story(here):
        stream = here.stream()
        async with stream:
            with pytest.raises(RuntimeError, match="entered once"):
                await stream.__aenter__()
        with pytest.raises(RuntimeError, match="entered once"):
            await stream.__aenter__()
        assert len(here.transport.requests) == 1

    tell(story, [ANSWER])


def test_a_stream_that_was_not_entered_cannot_be_read_and_can_be_left(tell, spy):
    """Nothing was sent; no hook ran."""

    async def story(here):
        stream = here.stream()
        with pytest.raises(RuntimeError, match="enter the stream first"):
            await stream.__anext__()
        with pytest.raises(RuntimeError, match="enter the stream first"):
            async for _ in stream.text():
                pass
        await stream.__aexit__(None, None, None)
        assert (here.transport.requests, spy.hooks) == ([], [])

    tell(story, [ANSWER], [spy])


def test_a_complete_stream_stays_at_its_end(tell):
    """Within the block and after it: an iterator that has ended has ended."""

    async def story(here):
        async with here.stream() as stream:
            events = stream.__aiter__()
            assert len([event async for event in events]) == 5
            for _ in range(2):
                with pytest.raises(StopAsyncIteration):
                    await stream.__anext__()
        with pytest.raises(StopAsyncIteration):
            await stream.__anext__()

    tell(story, [ANSWER])


def test_what_is_left_of_a_stream_cannot_be_taken_for_the_whole(tell):
    """Who left early and asks again is told so, and not that this was the end."""

    async def story(here):
        async with here.stream() as stream:
            assert (await stream.__anext__()).type == "message_start"
        with pytest.raises(RuntimeError, match="left before its end"):
            await stream.__anext__()

    tell(story, [ANSWER])


def test_a_failed_stream_fails_again(tell):
    """The same error, as often as one asks."""

    async def story(here):
        async with here.stream() as stream:
            for number in range(3):
                with pytest.raises(NetworkError, match="reset") as caught:
                    async for _ in stream:
                        pass
                assert caught.value is stream.outcome.error, number
        stream = here.stream()
        with pytest.raises(ServerError):
            await stream.__aenter__()
        with pytest.raises(ServerError):
            await stream.__anext__()

    tell(story, [Answer(body=[sse(delta("a")), NetworkError("reset")]), Answer(status=500)])


def test_entering_raises_what_fails_before_the_first_content(tell):
    """The body of the block is never run."""

    async def story(here):
        with pytest.raises(ServerError):
            async with here.stream():
                pytest.fail("not reached")
        assert here.transport.open_exchanges == 0

    tell(story, [Answer(status=500)])


def test_a_repr_shows_neither_query_nor_headers(tell):
    """Only what identifies the call."""

    async def story(here):
        stream = here.client.stream("POST", f"{URL}?key=CANARY", headers={"x-api-key": "CANARY"}, request_id="call-1")
        assert repr(stream) == (
            f"<{type(stream).__name__} <Call call-1 attempt 0 before POST https://user.example.org:443>>"
        )

    tell(story, [])


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_A13_a_hundred_thousand_events_in_one_piece_let_others_run(backend):
    """All are delivered, and a second task gets its turns in between."""
    clock, turns, longest = FakeClock(), 0, 0
    count = 100_000
    body = b"data: x\n\n" * count
    client = AsyncClient([], transport=AsyncScriptedTransport([Answer(body=body)], clock), clock=clock)

    async def other():
        nonlocal turns
        while True:
            await anyio.lowlevel.checkpoint()
            turns += 1

    async def main():
        nonlocal longest
        seen = last = got = 0
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(other)
            async with client.stream("GET", URL) as stream:
                async for _ in stream:
                    got += 1
                    if turns != seen:
                        longest, last, seen = max(longest, got - last), got, turns
            tasks.cancel_scope.cancel()
        assert got == count

    run(main, clock=clock, backend=backend)
    assert turns >= 300
    assert longest <= 512


def test_A13_and_blocking_code_gets_them_all():
    """Threads need no turns."""
    clock = FakeClock()
    client = Client([], transport=ScriptedTransport([Answer(body=b"data: x\n\n" * 100_000)], clock), clock=clock)
    with client.stream("GET", URL) as stream:
        assert sum(1 for _ in stream) == 100_000


def test_F83_a_second_iteration_raises(backend, fake_clock):
    """It does not yield nothing, which would look like an empty answer; going on after a break is no second one."""
    answers = [Answer(body=sse("one", "two", "three"))] * 2
    again = r"can be iterated once"

    def sync() -> None:
        with Client([], transport=ScriptedTransport(answers, fake_clock), clock=fake_clock) as client:
            with client.stream("POST", URL) as stream:
                assert next(iter(stream)).data == "one"
                assert [event.data for event in stream] == ["two", "three"]
                assert next(stream, None) is None
                for second in (stream.__iter__, stream.text):
                    with pytest.raises(RuntimeError, match=again):
                        second()
            with client.stream("POST", URL) as stream:
                assert "".join(stream.text()) == "onetwothree"
                with pytest.raises(RuntimeError, match=again):
                    iter(stream)

    async def asynchronous() -> None:
        transport = AsyncScriptedTransport(answers, fake_clock)
        async with AsyncClient([], transport=transport, clock=fake_clock) as client:
            async with client.stream("POST", URL) as stream:
                assert (await anext(aiter(stream))).data == "one"
                assert [event.data async for event in stream] == ["two", "three"]
                assert await anext(stream, None) is None
                for second in (stream.__aiter__, stream.text):
                    with pytest.raises(RuntimeError, match=again):
                        second()
            async with client.stream("POST", URL) as stream:
                assert "".join([piece async for piece in stream.text()]) == "onetwothree"
                with pytest.raises(RuntimeError, match=again):
                    aiter(stream)

    sync() if backend == "sync" else run(asynchronous, clock=fake_clock, backend=backend)


@pytest.mark.parametrize("watched", [False, True], ids=["unwatched", "watched"])
def test_batches_are_the_events_of_one_read(backend, fake_clock, watched):
    """One by one where a plugin watches; what was begun one way can be gone on with in the other."""

    class Watching(Plugin):
        name = "watching"

        def on_event(self, call, event):
            return None

    plugins = [Watching()] if watched else []
    answer = Answer(body=[sse("a", "b", "c"), 1.0, sse("d", "e"), 1.0, sse("f")])
    whole = [["a"], ["b"], ["c"], ["d"], ["e"], ["f"]] if watched else [["a", "b", "c"], ["d", "e"], ["f"]]
    rest = whole[1:] if watched else [["b", "c"], ["d", "e"], ["f"]]

    def sync() -> None:
        transport = ScriptedTransport([answer] * 3, fake_clock)
        with Client(plugins, transport=transport, clock=fake_clock) as client:
            with client.stream("POST", URL) as stream:
                assert [[event.data for event in batch] for batch in stream.batches()] == whole
                with pytest.raises(RuntimeError, match="iterated once"):
                    stream.batches()
            with client.stream("POST", URL) as stream:
                assert next(stream).data == "a"
                assert [[event.data for event in batch] for batch in stream.batches()] == rest
            with client.stream("POST", URL) as stream:
                first = next(stream.batches())
            assert stream._engine.call.events == len(first)

    async def asynchronous() -> None:
        transport = AsyncScriptedTransport([answer] * 3, fake_clock)
        async with AsyncClient(plugins, transport=transport, clock=fake_clock) as client:
            async with client.stream("POST", URL) as stream:
                assert [[event.data for event in batch] async for batch in stream.batches()] == whole
                with pytest.raises(RuntimeError, match="iterated once"):
                    stream.batches()
            async with client.stream("POST", URL) as stream:
                assert (await anext(stream)).data == "a"
                assert [[event.data for event in batch] async for batch in stream.batches()] == rest
            async with client.stream("POST", URL) as stream:
                first = await anext(stream.batches())
            assert stream._engine.call.events == len(first)

    sync() if backend == "sync" else run(asynchronous, clock=fake_clock, backend=backend)


@pytest.mark.parametrize("taken", [1, 2, 3, 5])
def test_what_is_delivered_is_what_was_taken(backend, fake_clock, taken):
    """However many events came in one read: counts and cursor are those of the last one that the consumer took."""
    seen = []

    class Counting(Plugin):
        name = "counting"

        def on_finish(self, call, outcome):
            seen.append((call.events, call.last_event_id, outcome.status))

    body = b"".join(f"id: {number}\ndata: x\n\n".encode() for number in range(1, 6))
    script = [Answer(body=body)]

    def sync() -> None:
        transport = ScriptedTransport(script, fake_clock)
        with (
            Client([Counting()], transport=transport, clock=fake_clock) as client,
            client.stream("POST", URL) as stream,
        ):
            for _ in range(taken):
                next(stream)

    async def asynchronous() -> None:
        transport = AsyncScriptedTransport(script, fake_clock)
        async with (
            AsyncClient([Counting()], transport=transport, clock=fake_clock) as client,
            client.stream("POST", URL) as stream,
        ):
            for _ in range(taken):
                await anext(stream)

    sync() if backend == "sync" else run(asynchronous, clock=fake_clock, backend=backend)
    assert seen == [(taken, str(taken), "cancelled")]
