"""Changes to shared state, one at a time, by hooks that may be entered again while they run."""

import logging
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unbroken import Inbox


def test_a_change_runs_at_once():
    """Nothing else is going on, so there is nothing to wait for."""
    inbox, seen = Inbox(), []
    inbox.put(seen.append, 1)
    assert (seen, len(inbox)) == ([1], 0)


def test_what_needs_an_answer_gets_one():
    """And sees everything that came before it."""
    inbox, seen = Inbox(), []
    inbox.add(seen.append, 1)
    assert inbox.do(lambda extra: [*seen, extra], 2) == [1, 2]


def test_an_added_change_waits_for_the_next_occasion():
    """As when it is made under another lock."""
    inbox, seen = Inbox(), []
    inbox.add(seen.append, 1)
    assert (seen, bool(inbox)) == ([], True)
    inbox.drain()
    assert (seen, bool(inbox)) == ([1], False)


def test_F78_a_change_within_a_change_runs_after_it():
    """As when the garbage collector ends another call there: nothing waits, nothing is lost, nothing interleaves."""
    inbox, seen = Inbox(), []

    def outer() -> str:
        inbox.put(seen.append, "inner")
        seen.append("outer")
        return "done"

    assert inbox.do(outer) == "done"
    inbox.put(outer)
    assert seen == ["outer", "inner", "outer", "inner"]


def test_an_answer_within_a_change_is_refused():
    """It would wait for itself, for ever."""
    inbox = Inbox()
    with pytest.raises(RuntimeError, match="already changing"):
        inbox.do(inbox.do, print)
    assert inbox.do(lambda: 1) == 1


def test_only_the_thread_that_is_inside_knows_itself_inside():
    """For what must not be done there."""
    inbox, seen = Inbox(), []

    def look() -> None:
        thread = threading.Thread(target=lambda: seen.append(inbox.held_here))
        thread.start()
        thread.join()
        seen.append(inbox.held_here)

    inbox.do(look)
    assert (seen, inbox.held_here) == ([False, True], False)


def test_what_comes_while_another_thread_is_inside_is_left_to_it():
    """The one who comes goes on at once; the one who is inside makes the change before it leaves."""
    inbox, entered, left = Inbox(), threading.Event(), threading.Event()
    seen: list[str] = []

    def stay() -> None:
        entered.set()
        left.wait()
        seen.append(threading.current_thread().name)

    def note() -> None:
        seen.append(threading.current_thread().name)

    thread = threading.Thread(target=inbox.do, args=(stay,), name="inside")
    thread.start()
    entered.wait()
    inbox.put(note)
    assert seen == []
    left.set()
    thread.join()
    assert seen == ["inside", "inside"]


def test_a_change_that_fails_harms_no_other(caplog):
    """It belongs to another call than the one that runs it, so it is logged."""
    inbox, seen = Inbox(), []
    inbox.add(lambda: 1 / 0)
    inbox.add(seen.append, 1)
    with caplog.at_level(logging.ERROR, "unbroken"):
        assert inbox.do(lambda: "fine") == "fine"
    assert seen == [1]
    assert "failed" in caplog.text
    assert "ZeroDivisionError" in caplog.text


def test_what_needs_an_answer_raises_to_the_one_who_asked():
    """The inbox goes on."""
    inbox = Inbox()
    with pytest.raises(ZeroDivisionError):
        inbox.do(lambda: 1 / 0)
    assert inbox.do(lambda: 1) == 1


def test_many_threads_lose_and_interleave_nothing():
    """A counter that is read, and written later, counts every change."""
    inbox, state = Inbox(), {"count": 0}

    def change() -> None:
        before = state["count"]
        threading.Event().is_set()  # a place to switch threads at
        state["count"] = before + 1

    def work() -> None:
        for number in range(300):
            (inbox.put if number % 2 else inbox.do)(change)

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert inbox.do(lambda: state["count"]) == 1800


@given(st.lists(st.recursive(st.just(()), lambda inner: st.lists(inner, max_size=3), max_leaves=8), max_size=8))
def test_changes_run_whole_and_in_the_order_in_which_they_came(trees):
    """Each tree is a change that puts its branches; a branch never runs within its trunk."""
    inbox, order, running = Inbox(), [], []
    came: list[int] = []

    def change(number: int, branches) -> None:
        assert not running
        running.append(number)
        for branch in branches:
            put(branch)
        order.append(running.pop())

    def put(branches) -> None:
        came.append(len(came))
        inbox.put(change, came[-1], branches)

    for tree in trees:
        put(tree)
    assert order == came
    assert not inbox


@pytest.mark.parametrize("way", ["put", "do", "drain"])
def test_an_interrupted_change_leaves_the_inbox_free(way: str) -> None:
    """What was stored is run again by the next user; what was not is its caller's."""
    inbox, made = Inbox(), list[str]()

    def interrupted() -> None:
        made.append("once more")
        if len(made) == 1:
            raise KeyboardInterrupt

    if way == "drain":
        inbox.add(interrupted)
    with pytest.raises(KeyboardInterrupt):
        getattr(inbox, way)(*([] if way == "drain" else [interrupted]))
    assert not inbox.held_here
    inbox.do(made.append, "next")
    assert made == ["once more", *(["once more"] if way == "drain" else []), "next"]
