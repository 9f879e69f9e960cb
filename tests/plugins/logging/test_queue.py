"""E67: a sink that fails or blocks leaves the stream alone. Events and joins, never a sleep."""

import gc
import threading

import pytest
from loguru import logger

from unbroken.call import Outcome
from unbroken.errors import ServerError
from unbroken_logging import Logging, _queue
from unbroken_logging._queue import BoundedQueue

FAILURE = Outcome(status="failure", error=ServerError("down"), attempts=1, duration=1.5)


class Blocked:
    """A sink that stays in its first write until it is released."""

    def __init__(self):
        self.entered, self.released, self.written = threading.Event(), threading.Event(), []

    def __call__(self, item):
        self.entered.set()
        assert self.released.wait(30)
        self.written.append(item)


@pytest.fixture
def blocked():
    sink = Blocked()
    yield sink
    sink.released.set()


def make(write, size=10, **options):
    options.setdefault("on_closed", lambda: None)
    return BoundedQueue(write, size, **options)


def test_e67_a_blocked_sink_does_not_block_the_hooks(make_plugin, make_call, blocked):
    """Every hook returns while the sink is stuck; the oldest waiting records make room for the newest."""
    handler = logger.add(blocked, format="{extra[request_id]}")
    plugin = make_plugin(queue_size=3)
    plugin.on_finish(make_call("stuck"), FAILURE)
    assert blocked.entered.wait(30)
    for number in range(10):
        plugin.on_finish(make_call(f"call-{number}"), FAILURE)
    assert blocked.written == []
    assert plugin.flush(0) is False
    blocked.released.set()
    assert plugin.flush(30)
    logger.remove(handler)
    assert [line.strip() for line in blocked.written] == ["stuck", "call-7", "call-8", "call-9"]
    assert plugin.dropped == 7


@pytest.mark.parametrize("size", [0, 10])
@pytest.mark.parametrize("catch", [False, True])
def test_e67_a_failing_sink_does_not_fail_the_hooks(make_plugin, call, capsys, size, catch):
    """Whether loguru catches what the sink raises, or the application told it not to."""

    def sink(message):
        raise OSError("disk full")

    handler = logger.add(sink, catch=catch)
    plugin = make_plugin(queue_size=size)
    plugin.on_finish(call, FAILURE)
    plugin.on_finish(call, FAILURE)
    assert plugin.flush(30)
    logger.remove(handler)
    assert plugin.failed == (0 if catch else 2)
    assert ("disk full" in capsys.readouterr().err) is catch


def test_e67_a_failing_sink_is_counted_and_reported_once(make_plugin, call, capsys, caplog, monkeypatch):
    """By its name and the class of the error, without what the error says and what the frames hold."""

    class Broken:
        def write(self, line):
            raise OSError("CANARY")

    monkeypatch.setattr("sys.stdout", Broken())
    plugin = make_plugin(sink="stdout")
    plugin.on_finish(call, FAILURE)
    plugin.on_finish(call, FAILURE)
    assert plugin.flush(30)
    assert plugin.failed == 2
    assert caplog.messages == ["log records cannot be written to stdout: OSError"]
    assert capsys.readouterr().err == ""


def test_items_are_written_in_order_by_another_thread():
    """One at a time."""
    seen = []
    queue = make(lambda item: seen.append((item, threading.current_thread().name)))
    for number in range(5):
        queue.put(number)
    queue.close(30)
    assert seen == [(number, "unbroken-logging") for number in range(5)]


def test_closing_writes_what_there_is_and_releases_the_sink_once(blocked):
    """In the background, when the sink is stuck for longer than the caller wants to wait."""
    closed = []
    queue = make(blocked, on_closed=lambda: closed.append(True))
    queue.put(1)
    assert blocked.entered.wait(30)
    queue.put(2)
    thread = queue._thread
    queue.close(0)
    queue.put(3)
    assert (blocked.written, closed) == ([], [])
    blocked.released.set()
    thread.join(30)
    assert (blocked.written, closed) == ([1, 2], [True])


def test_closing_an_unused_queue_releases_the_sink():
    """No thread was ever needed."""
    closed = []
    make(print, on_closed=lambda: closed.append(True)).close()
    assert closed == [True]


def test_a_dropped_plugin_waits_for_nobody_and_loses_nothing(make_call, blocked, monkeypatch):
    """G78: the collector may run in the thread that its writer waits for, with loguru's lock in its hand."""
    handler = logger.add(blocked, format="{extra[request_id]}")
    plugin = Logging(queue_size=3)
    plugin.on_finish(make_call("first"), FAILURE)
    assert blocked.entered.wait(30)
    plugin.on_finish(make_call("second"), FAILURE)
    queue = plugin._queue
    thread = queue._thread
    over = threading.Event()
    with queue._changed:  # a lock that another thread has
        # What `weakref.finalize` calls; a thread of its own, as a Condition lets the present one in again.
        threading.Thread(target=lambda: (queue.abandon(), over.set())).start()
        assert over.wait(30)
    monkeypatch.setattr(threading.Thread, "join", lambda *_: pytest.fail("the collector waits"))
    del plugin
    gc.collect()
    assert queue._closed
    monkeypatch.undo()
    blocked.released.set()
    thread.join(30)
    logger.remove(handler)
    assert [line.strip() for line in blocked.written] == ["first", "second"]


def test_a_dropped_queue_without_a_thread_releases_the_sink():
    """At once; there is nothing to write."""
    closed = []
    make(print, on_closed=lambda: closed.append(True)).abandon()
    assert closed == [True]


def test_the_end_of_the_process_writes_what_waits(blocked):
    """Also of plugins that were dropped."""
    queue = make(blocked)
    queue.put(1)
    assert blocked.entered.wait(30)
    queue.put(2)
    queue.abandon()
    threading.Thread(target=blocked.released.set).start()
    _queue.close_all()
    if (thread := queue._thread) is not None:
        thread.join(30)
    assert blocked.written == [1, 2]


def test_the_thread_ends_when_there_is_nothing_to_do_and_comes_back():
    """No thread stays behind for a client that is idle."""
    seen = []
    queue = make(seen.append, linger=0.0)
    for number in range(3):
        queue.put(number)
        thread = queue._thread
        if thread is not None:
            thread.join(30)
    assert queue._thread is None
    assert seen == [0, 1, 2]
    queue.close()


def test_the_writer_never_waits_for_itself():
    """A sink that flushes or closes the plugin that it writes for."""
    answers = []
    queue = make(lambda item: (answers.append(queue.flush(30)), queue.close(30)))
    queue.put(1)
    thread = queue._thread
    if thread is not None:
        thread.join(30)
    assert answers == [False]


def test_no_thread_to_be_had_is_no_error(monkeypatch):
    """The item waits for better times."""
    seen = []
    queue = make(seen.append)

    def refuse(thread):
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refuse)
        queue.put(1)
    queue.put(2)
    assert queue.flush(30)
    assert seen == [1, 2]
    queue.close()


def test_a_child_process_starts_with_an_empty_queue(blocked):
    """It has neither the thread of its parent nor its items, and its locks are new."""
    queue = make(blocked, linger=0.0)
    queue.put(1)
    assert blocked.entered.wait(30)
    queue.put(2)
    thread, lock = queue._thread, queue._changed
    _queue.after_fork()
    assert queue._changed is not lock
    assert queue.flush(0)
    blocked.released.set()
    thread.join(30)
    queue.put(3)
    queue.close(30)
    assert blocked.written == [1, 3]
