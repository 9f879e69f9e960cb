"""Which timeout runs, how much of it is left, and what its error says."""

import pytest

from unbroken import Timeouts
from unbroken._engine.timing import ReadTimeout, expired, timed_out

TIMEOUTS = Timeouts(connect=1, first_event=10, idle=5, quiet=30, total=60)


def test_a_timeout_runs_only_while_the_client_waits():
    """What the consumer takes between two reads costs nothing."""
    timeout = ReadTimeout(TIMEOUTS, left=10.0, total=None)
    assert timeout.begin(100.0) == 110.0
    timeout.end(104.0)
    assert timeout.begin(200.0) == 206.0


def test_progress_begins_the_idle_timeout_again():
    """Once there is content it is the idle timeout that runs."""
    timeout = ReadTimeout(TIMEOUTS, left=10.0, total=None)
    timeout.begin(0.0)
    timeout.end(9.0)
    timeout.progressed(quiet=False, progress=False)
    assert (timeout.name, timeout.begin(9.0)) == ("idle", 14.0)
    timeout.end(12.0)
    timeout.progressed(quiet=False, progress=False)
    assert timeout.begin(12.0) == 14.0
    timeout.progressed(quiet=False, progress=True)
    assert timeout.begin(12.0) == 17.0


def test_where_silence_is_normal_the_quiet_timeout_runs():
    """From the event that says so, with or without progress, to the one that ends it."""
    timeout = ReadTimeout(TIMEOUTS, left=10.0, total=None)
    timeout.progressed(quiet=True, progress=True)
    assert (timeout.name, timeout.begin(0.0)) == ("quiet", 30.0)
    timeout.end(20.0)
    timeout.progressed(quiet=True, progress=False)
    assert (timeout.name, timeout.begin(20.0)) == ("quiet", 30.0)
    assert (timeout.error().timeout, timeout.error().seconds) == ("quiet", 30)
    timeout.progressed(quiet=False, progress=False)
    assert (timeout.name, timeout.begin(20.0)) == ("idle", 25.0)
    timeout.progressed(quiet=True, progress=False)
    assert (timeout.name, timeout.begin(20.0)) == ("quiet", 50.0)


@pytest.mark.parametrize(
    ("idle", "quiet", "name", "left"),
    [
        pytest.param(60, 30, "idle", 60, id="never-shorter-than-idle"),
        pytest.param(60, 60, "idle", 60, id="the-same"),
        pytest.param(None, 30, "idle", None, id="no-idle"),
        pytest.param(60, None, "quiet", None, id="no-limit"),
    ],
)
def test_quiet_is_never_shorter_than_idle(idle, quiet, name, left):
    """The timeout that is in force is the one that the error names."""
    timeout = ReadTimeout(Timeouts(idle=idle, quiet=quiet), left=10.0, total=None)
    timeout.progressed(quiet=True, progress=True)
    assert (timeout.name, timeout.left) == (name, left)


def test_the_total_timeout_comes_first_when_it_is_nearer():
    """And is the one that the error names."""
    timeout = ReadTimeout(TIMEOUTS, left=10.0, total=3.0)
    assert timeout.begin(0.0) == 3.0
    assert (timeout.error().timeout, timeout.error().seconds) == ("total", 60)


def test_without_a_timeout_there_is_no_deadline():
    """None is no limit."""
    timeout = ReadTimeout(Timeouts(first_event=None, idle=None), left=None, total=None)
    assert timeout.begin(0.0) is None
    timeout.end(1e9)
    timeout.progressed(quiet=False, progress=True)
    assert timeout.begin(1e9) is None


@pytest.mark.parametrize(
    ("name", "reached", "words"),
    [
        ("connect", 1.0, "no connection within 1 s (connect timeout)"),
        ("first_event", 10.0, "no content event within 10 s (first_event timeout)"),
        ("idle", 5.0, "no progress in the stream within 5 s (idle timeout)"),
        ("quiet", 30.0, "no progress in the stream while silence is normal within 30 s (quiet timeout)"),
        ("idle", 60.0, "the call was not complete within 60 s (total timeout)"),
    ],
)
def test_the_error_names_the_timeout_and_its_setting(name, reached, words):
    """So that one knows what to set."""
    assert expired(name, reached, 60.0, TIMEOUTS).message == words


def test_a_timeout_without_a_setting_still_says_what_did_not_come():
    """A transport may give up on its own."""
    assert timed_out("connect", None).message == "no connection"
