"""Whoever leaves, wherever: the attempt is cancelled, each clean-up hook runs once, the exchange is let go."""

import asyncio
import gc
import warnings
from contextlib import ExitStack

import anyio
import anyio.lowlevel
import pytest

from unbroken import AsyncClient, Client, Wait
from unbroken.testing import Answer, AsyncScriptedTransport, FakeClock, ScriptedTransport, run, sse
from unbroken.testing.transport import AsyncScriptedExchange, ScriptedExchange

from ..kit import Retry, Talk

START = ("message_start", {"type": "message_start"})
DELTA = ("content_block_delta", {"delta": {"type": "text_delta", "text": "a"}})
STOP = ("message_stop", {"type": "message_stop"})
URL = "https://api.example.org"

FAILING = Answer(connect=1.0, latency=1.0, status=500, body=[1.0, b"busy"])
GOOD = Answer(connect=1.0, latency=1.0, body=[sse(START), 1.0, sse(*[DELTA] * 300), 1.0, sse(STOP)])
EVENTS = 302


def leave_at_each_await(make_spy, cancel, backend):
    """Play a call with a limiter's wait, a failure, a back-off and a stream; cancel at the first await, the second …"""
    for at in range(1, 200):
        spy = make_spy(before_request=lambda call, request: Wait(0.5))
        clock = FakeClock()
        transport = AsyncScriptedTransport([FAILING, GOOD], clock)
        client = AsyncClient([spy, Retry(initial_delay=1.0)], transport=transport, clock=clock, dialect=Talk())
        stream = client.stream("POST", URL)
        got = []

        async def consume(stream=stream, got=got):
            async with stream:
                async for event in stream:
                    got.append(event)
                    if len(got) in {1, EVENTS}:
                        await anyio.lowlevel.checkpoint()

        with pytest.MonkeyPatch.context() as patch:
            cancelled = run(cancel, consume, at, patch, clock=clock, backend=backend)
        yield at, spy, transport, stream, got, cancelled
        if not cancelled:
            return
    raise AssertionError("the call never came to its end")


def on_await(at, patch, action):
    """Call `action` when the call awaits something for the `at`-th time, and each time after that."""
    awaits = 0

    def counted(function):
        async def wrapper(*arguments):
            nonlocal awaits
            awaits += 1
            if awaits >= at:
                action()
            await function(*arguments)

        return wrapper

    patch.setattr(anyio, "sleep", counted(anyio.sleep))
    patch.setattr(anyio.lowlevel, "checkpoint", counted(anyio.lowlevel.checkpoint))


async def by_task(consume, at, patch):
    """``task.cancel()``, again at each await that follows."""
    task = asyncio.ensure_future(consume())
    on_await(at, patch, task.cancel)
    await asyncio.wait([task])
    return task.cancelled()


async def twice(consume, at, patch):
    """``task.cancel()``, and once more before the task has noticed."""
    task = asyncio.ensure_future(consume())
    loop = asyncio.get_running_loop()

    def cancel():
        task.cancel()
        loop.call_soon(task.cancel)

    on_await(at, patch, cancel)
    await asyncio.wait([task])
    return task.cancelled()


async def by_scope(consume, at, patch):
    """A cancel scope, which is level-triggered: every await fails from then on."""
    with anyio.CancelScope() as scope:
        on_await(at, patch, scope.cancel)
        await consume()
    return scope.cancelled_caught


@pytest.mark.parametrize(
    ("cancel", "backend"),
    [
        pytest.param(by_task, "asyncio", id="E57-task"),
        pytest.param(twice, "asyncio", id="E66-task-twice"),
        pytest.param(by_scope, "asyncio", id="E57-scope-asyncio"),
        pytest.param(by_scope, "trio", id="E57-scope-trio"),
    ],
)
def test_E57_a_cancellation_at_any_await_leaves_nothing_behind(make_spy, cancel, backend):
    """Limiter wait, connect, head, error body, back-off, stream, pause in a large piece, consumer, close."""
    phases = set()
    for at, spy, transport, stream, got, cancelled in leave_at_each_await(make_spy, cancel, backend):
        phases.add(stream._engine.call.phase)
        complete = len(got) == EVENTS
        assert cancelled or complete, at
        assert stream.outcome.status == ("success" if complete else "cancelled"), at
        assert spy.statuses("on_finish") == [stream.outcome.status], at
        assert spy.hooks.count("after_request") == spy.hooks.count("before_request") == stream.attempts, at
        assert transport.open_exchanges == 0, at
        failures = spy.statuses("after_request").count("failure")
        assert spy.hooks.count("on_error") == spy.hooks.count("should_retry") == failures, at
        assert [event.type for event in got] == [START[0], *[DELTA[0]] * 300, STOP[0]][: len(got)], at
    assert at > 12
    assert phases == {"before", "connect", "headers", "first_event", "streaming", "complete"}


@pytest.mark.parametrize("within", ["read", "back-off", "close"])
def test_E66_a_coroutine_that_is_closed_lets_go(make_spy, within):
    """What an event loop does to the tasks that are left at its end: GeneratorExit, and nothing may be awaited."""
    clock = FakeClock()
    spy = make_spy()
    body = [sse(START, DELTA), 5.0, sse(STOP)]
    replies = [Answer(status=500), Answer(body=body)] if within == "back-off" else [Answer(body=body)]
    transport = AsyncScriptedTransport(replies, clock)
    client = AsyncClient([spy, Retry()], transport=transport, clock=clock, dialect=Talk())

    async def consume():
        async with client.stream("POST", URL) as stream:
            async for _ in stream:
                pass

    async def main():
        coroutine = consume()
        while True:
            coroutine.send(None)
            exchange = transport.exchanges[-1] if transport.exchanges else None
            if within == "back-off" and clock.slept:
                break
            if within == "read" and spy.hooks.count("on_event") == 2:
                break
            if within == "close" and exchange is not None and exchange.released:
                break
            if exchange is not None and exchange._body and exchange._body[0] == 5.0:
                exchange._body.pop(0) if within == "close" else None
        coroutine.close()

    run(main, clock=clock)
    assert spy.statuses("on_finish") == ["success" if within == "close" else "cancelled"]
    assert spy.hooks.count("after_request") == len(replies) - (within == "back-off")
    assert transport.open_exchanges == 0


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
@pytest.mark.parametrize("last", [START[0], DELTA[0], STOP[0]])
def test_E66_an_exception_in_the_body_is_the_consumers_own(talk, spy, error, last):
    """It is raised as it is, never offered to a policy; the call is cancelled, or complete if it was the last event."""

    def consume(event):
        if event.type == last:
            raise error

    if error is SystemExit:  # `play` keeps only what a test may see
        with pytest.raises(SystemExit):
            talk([Answer(body=sse(START, DELTA, STOP))], [spy], consume=consume)
    else:
        played = talk([Answer(body=sse(START, DELTA, STOP))], [spy], consume=consume)
        assert type(played.error) is error
        assert played.transport.open_exchanges == 0
    expected = "success" if last == STOP[0] else "cancelled"
    assert spy.statuses("after_request") == spy.statuses("on_finish") == [expected]
    assert not {"on_error", "should_retry"} & set(spy.hooks)


def interrupt(at, patch):
    """Raise KeyboardInterrupt in the `at`-th thing that blocks."""
    done = 0

    def counted(function):
        def wrapper(*arguments, **named):
            nonlocal done
            done += 1
            if done == at:
                raise KeyboardInterrupt
            return function(*arguments, **named)

        return wrapper

    patch.setattr(ScriptedTransport, "_wait", counted(ScriptedTransport._wait))
    patch.setattr(FakeClock, "sleep", counted(FakeClock.sleep))


def test_E57_an_interrupt_in_any_blocking_call_leaves_nothing_behind(make_spy):
    """Ctrl-C while it waits, connects, reads or backs off."""
    for at in range(1, 99):
        spy = make_spy(before_request=lambda call, request: Wait(0.5))
        clock = FakeClock()
        transport = ScriptedTransport([FAILING, GOOD], clock)
        client = Client([spy, Retry(initial_delay=1.0)], transport=transport, clock=clock, dialect=Talk())
        stream = client.stream("POST", URL)
        with pytest.MonkeyPatch.context() as patch:
            interrupt(at, patch)
            try:
                with stream:
                    got = list(stream)
            except KeyboardInterrupt:
                assert stream.outcome.status == "cancelled"
            else:
                assert (len(got), stream.outcome.status) == (EVENTS, "success")
                break
            finally:
                assert transport.open_exchanges == 0
                assert spy.statuses("on_finish") == [stream.outcome.status]
                assert spy.hooks.count("after_request") == spy.hooks.count("before_request")
                assert spy.hooks.count("on_error") == spy.statuses("after_request").count("failure")
    assert at > 8


@pytest.mark.parametrize(
    ("leave_early", "error", "status"),
    [
        pytest.param(True, KeyboardInterrupt, "cancelled", id="leaving-interrupted"),
        pytest.param(False, KeyboardInterrupt, "success", id="complete-interrupted"),
        pytest.param(True, OSError, "cancelled", id="leaving-failed"),
        pytest.param(False, OSError, "success", id="complete-failed"),
    ],
)
def test_closing_cannot_fail_a_call_but_can_be_interrupted(backend, fake_clock, make_spy, leave_early, error, status):
    """An interrupt during the close is not lost; any other failure of it is nobody's business."""
    from unbroken.testing import play

    def fail(self, **_):
        self._playback.close(reusable=False)
        raise error

    async def afail(self):
        fail(self)

    spy = make_spy()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ScriptedExchange, "close", fail)
        patch.setattr(AsyncScriptedExchange, "abort", fail)
        patch.setattr(AsyncScriptedExchange, "aclose", afail)
        played = play(
            [Answer(body=sse(START, DELTA, STOP))],
            [spy],
            backend=backend,
            clock=fake_clock,
            dialect=Talk(),
            consume=lambda _: not leave_early,
        )
    assert type(played.error) is (KeyboardInterrupt if error is KeyboardInterrupt else type(None))
    assert played.outcome.status == status
    assert spy.statuses("after_request") == spy.statuses("on_finish") == [status]


def test_an_interrupt_while_a_failed_attempt_lets_go_is_a_cancellation(make_spy, fake_clock):
    """No policy is asked about a failure that nobody waits for any more."""

    def fail(self, **_):
        self._playback.close(reusable=False)
        raise KeyboardInterrupt

    spy = make_spy()
    transport = ScriptedTransport([Answer(status=500)], fake_clock)
    stream = Client([spy, Retry()], transport=transport, clock=fake_clock).stream("POST", URL)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ScriptedExchange, "close", fail)
        with pytest.raises(KeyboardInterrupt), stream:
            pass
    assert spy.statuses("after_request") == spy.statuses("on_finish") == ["cancelled"]
    assert not {"on_error", "should_retry"} & set(spy.hooks)


def test_an_interrupt_in_a_hook_leaves_nothing_behind(make_spy, fake_clock):
    """Ctrl-C while a plugin thinks: whichever hook it was, the clean-up hooks run."""

    def interrupted(call, payload):
        raise KeyboardInterrupt

    for hook in ("before_request", "on_response", "on_commit", "on_event", "on_error", "should_retry"):
        transport = ScriptedTransport([FAILING if hook in {"on_error", "should_retry"} else GOOD], fake_clock)
        spy = make_spy(**{hook: interrupted})
        client = Client([spy, Retry()], transport=transport, clock=fake_clock, dialect=Talk())
        stream = client.stream("POST", URL)
        with pytest.raises(KeyboardInterrupt), stream:
            list(stream)
        assert spy.statuses("after_request") == ["failure" if hook == "should_retry" else "cancelled"], hook
        assert spy.statuses("on_finish") == ["cancelled"], hook
        assert transport.open_exchanges == 0, hook


def test_an_interrupt_between_two_steps_lets_go(make_spy, fake_clock):
    """Ctrl-C can come anywhere: here when the head is there and nobody has looked at it."""
    from unbroken._engine import drivers

    class Interrupted(drivers.Driver):
        def _perform(self, step):
            if isinstance(step, drivers.Read):
                raise KeyboardInterrupt
            return super()._perform(step)

    spy = make_spy()
    transport = ScriptedTransport([Answer(body=sse("a"))], fake_clock)
    client = Client([spy], transport=transport, clock=fake_clock)
    stream = client.stream("POST", URL)
    stream._make = lambda: Interrupted(stream._engine.run(), transport, fake_clock, client._setup.closing)
    with pytest.raises(KeyboardInterrupt), stream:
        pass
    assert spy.statuses("after_request") == spy.statuses("on_finish") == ["cancelled"]
    assert transport.open_exchanges == 0


def test_E66_a_stream_that_is_dropped_is_let_go_with_a_warning(backend, make_spy):
    """The interpreter finds it; the warning says what the mistake was. The hooks run all the same."""
    spy = make_spy()
    clock = FakeClock()
    replies = [Answer(body=[sse(START, DELTA), sse(STOP)])]

    def drop():
        transport = ScriptedTransport(replies, clock)
        stream = Client([spy], transport=transport, clock=clock, dialect=Talk()).stream("POST", URL)
        stream.__enter__()
        assert next(stream).type == START[0]
        return transport

    async def adrop():
        transport = AsyncScriptedTransport(replies, clock)
        stream = AsyncClient([spy], transport=transport, clock=clock, dialect=Talk()).stream("POST", URL)
        await stream.__aenter__()
        assert (await stream.__anext__()).type == START[0]
        return transport

    def dropped():
        transport = drop() if backend == "sync" else run(adrop, clock=clock, backend=backend)
        gc.collect()
        return transport

    with pytest.warns(ResourceWarning, match="dropped without leaving its `with` block"):
        transport = dropped()
    assert [exchange.released for exchange in transport.exchanges] == [False]
    assert spy.statuses("after_request") == spy.statuses("on_finish") == ["cancelled"]


def test_E66_it_is_let_go_even_where_warnings_are_errors(backend):
    """Closing comes first."""
    clock = FakeClock()
    unraisable = []

    async def adrop():
        transport = AsyncScriptedTransport([Answer(body=sse(DELTA))], clock)
        await AsyncClient([], transport=transport, clock=clock).stream("POST", URL).__aenter__()
        return transport

    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
        patch.setattr("sys.unraisablehook", unraisable.append)
        warnings.simplefilter("error")
        if backend == "sync":
            transport = ScriptedTransport([Answer(body=sse(DELTA))], clock)
            Client([], transport=transport, clock=clock).stream("POST", URL).__enter__()
        else:
            transport = run(adrop, clock=clock, backend=backend)
        gc.collect()
    assert [report.exc_type for report in unraisable] == [ResourceWarning]
    assert transport.open_exchanges == 0


def test_E66_a_stream_that_was_left_or_read_to_its_end_is_dropped_in_silence(talk):
    """`filterwarnings = error` is on: a warning would fail this test."""
    for consume in (None, lambda _: False):
        talk([Answer(body=sse(START, DELTA, STOP))], consume=consume)
    gc.collect()


def test_E72_breaking_out_through_an_exit_stack_or_a_finally(fake_clock, make_spy):
    """The block is left like any other."""
    spy = make_spy()
    transport = ScriptedTransport(lambda _: Answer(body=sse(START, DELTA, STOP)), fake_clock)
    client = Client([spy], transport=transport, clock=fake_clock, dialect=Talk())

    def in_a_finally():
        try:
            return
        finally:
            with client.stream("POST", URL) as stream:
                next(stream)

    with ExitStack() as stack:
        stream = stack.enter_context(client.stream("POST", URL))
        next(stream)
    in_a_finally()
    assert spy.statuses("on_finish") == ["cancelled", "cancelled"]
    assert transport.open_exchanges == 0


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_E72_a_task_group_that_is_cancelled_and_a_finally_within_it(make_spy, backend):
    """A stream opened in a `finally` of a cancelled task fails at its first await and is let go."""
    clock = FakeClock()
    spy = make_spy()
    transport = AsyncScriptedTransport(lambda _: Answer(body=[sse(START, DELTA), 60.0, sse(STOP)]), clock)
    client = AsyncClient([spy], transport=transport, clock=clock, dialect=Talk())

    async def consume():
        try:
            async with client.stream("POST", URL) as stream:
                async for _ in stream:
                    pass
        finally:
            async with client.stream("POST", URL) as stream:
                pass

    async def main():
        async with anyio.create_task_group() as tasks:
            for _ in range(5):
                tasks.start_soon(consume)
            await anyio.sleep(1.0)
            tasks.cancel_scope.cancel()

    run(main, clock=clock, backend=backend)
    assert spy.statuses("on_finish") == ["cancelled"] * 10
    assert spy.hooks.count("after_request") == 10
    assert transport.open_exchanges == 0


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
@pytest.mark.parametrize("watched", [True, False])
def test_after_the_last_of_256_events_no_other_task_has_a_turn(make_spy, backend, watched):
    """The consumer has the whole stream, so a cancellation that waits for a checkpoint comes too late."""
    transport = AsyncScriptedTransport([Answer(body=sse(*[DELTA] * 255, STOP))], FakeClock())
    client = AsyncClient([make_spy()] if watched else [], transport=transport, clock=FakeClock(), dialect=Talk())
    stream = client.stream("POST", URL)

    async def consume():
        got = 0
        with anyio.CancelScope() as scope:
            async with stream:
                async for _ in stream:
                    got += 1
                    if got == 256:
                        scope.cancel()
        return got

    assert run(consume, backend=backend) == 256
    assert stream.outcome.status == "success"
