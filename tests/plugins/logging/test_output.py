"""Where records go, and what a line looks like there."""

import asyncio
import contextlib
import io
import json
import logging
import subprocess
import sys
import threading
from datetime import UTC, datetime
from pathlib import Path

import pytest
from loguru import logger

from unbroken.call import Outcome
from unbroken.decisions import TryAgain
from unbroken.errors import ConfigurationError
from unbroken_logging import Logging, LoggingConfig
from unbroken_logging._output import Output
from unbroken_logging.records import Record

SUCCESS = Outcome(status="success", attempts=1, duration=1.5)
TEXT = (
    "call ended request_id=call-1 attempt=1 phase=before origin=https://api.example.org:443 status=success "
    "duration=1.5 bytes=0 events=0"
)


def write_one(plugin, call):
    plugin.on_finish(call, SUCCESS)
    assert plugin.flush(10)


def handlers():
    return repr(logger)


def test_the_application_gets_the_records_by_default(make_plugin, call, entries):
    """In its own handlers, with the time at which it happened."""
    before = handlers()
    write_one(make_plugin(), call)
    (entry,) = entries
    assert str(entry) == TEXT + "\n"
    assert entry.record["time"].timestamp() == 1_700_000_000.25
    assert (entry.record["name"], entry.record["function"]) == ("unbroken", "call-ended")
    assert handlers() == before


def test_a_newcomer_sees_one_line_on_stderr():
    """No set-up: the handler that loguru has from the start prints it, once, and the exit waits for it."""
    program = (
        "from unbroken.call import Call, Outcome; from unbroken.dialect import Dialect\n"
        "from unbroken.messages import Request; from unbroken.clock import SystemClock\n"
        "from unbroken_logging import Logging\n"
        "request = Request.build('GET', 'http://localhost/')\n"
        "call = Call(id='call-1', request=request, dialect=Dialect(), clock=SystemClock(), started_at=0.0)\n"
        "Logging().on_finish(call, Outcome(status='success', attempts=1, duration=1.5))\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1
    assert "call ended request_id=call-1" in done.stderr


def test_importing_leaves_loguru_alone():
    """The library is silent, and does nothing, until the plugin is used."""
    program = "from loguru import logger; a = repr(logger); import unbroken_logging; assert a == repr(logger)"
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)


@pytest.mark.parametrize("place", ["stdout", "stderr"])
def test_a_stream_of_its_own_gets_each_record_once(make_plugin, call, entries, capsys, place):
    """And neither the application's handlers nor the one that loguru has from the start get it."""
    before = handlers()
    write_one(make_plugin(sink=place), call)
    printed = capsys.readouterr()
    (line,) = (printed.out or printed.err).splitlines()
    assert line.endswith("INFO    " + TEXT)
    assert bool(printed.out) is (place == "stdout")
    assert entries == []
    assert handlers() == before


def test_two_plugins_with_one_place_print_each_record_once(make_plugin, call, capsys):
    """Each writes what its own client does."""
    first, second = make_plugin(sink="stdout"), make_plugin(sink="stdout")
    write_one(first, call)
    write_one(second, call)
    assert len(capsys.readouterr().out.splitlines()) == 2


def test_json_is_one_object_per_line(make_plugin, call, capsys):
    """Under the documented names."""
    plugin = make_plugin(sink="stdout", json=True)
    plugin.on_decision(call, TryAgain(0.5, reason='say "hi" \\ bye'), "retry")
    write_one(plugin, call)
    first, second = map(json.loads, capsys.readouterr().out.splitlines())
    assert first == {
        "time": "2023-11-14T22:13:20.250Z",
        "level": "WARNING",
        "message": "retrying",
        "unbroken": "retry",
        "request_id": "call-1",
        "attempt": 1,
        "phase": "before",
        "origin": "https://api.example.org:443",
        "plugin": "retry",
        "delay": 0.5,
        "reason": 'say "hi" \\ bye',
    }
    assert second["message"] == "call ended"


def test_a_file_is_appended_to(make_plugin, call, tmp_path):
    """In UTF-8, whatever the locale; closing releases it."""
    path = tmp_path / "logs" / "unbroken.log"
    for _ in range(2):
        plugin = make_plugin(sink=str(path))
        plugin.on_decision(call, TryAgain(reason="naïve"), "retry")
        plugin.close()
    assert path.read_text("utf-8").count('reason="naïve"') == 2


def test_the_path_of_a_file_is_taken_literally(make_plugin, call, tmp_path):
    """Braces have no meaning in it; a line begins with the local time of the hook and the level."""
    path = tmp_path / "{time}.log"
    write_one(make_plugin(sink=str(path)), call)
    local = f"{datetime.fromtimestamp(1_700_000_000, UTC).astimezone():%Y-%m-%d %H:%M:%S}.250"
    assert path.read_text() == f"{local} INFO    {TEXT}\n"


@pytest.mark.parametrize(
    "change", [Path.unlink, lambda path: path.rename(path.with_suffix(".1"))], ids=["gone", "moved"]
)
def test_a_file_that_is_elsewhere_is_made_again(make_plugin, call, tmp_path, change):
    """As `logrotate` moves it; an opened file would go on growing under its new name."""
    path = tmp_path / "log"
    plugin = make_plugin(sink=str(path))
    write_one(plugin, call)
    change(path)
    write_one(plugin, call)
    write_one(plugin, call)
    assert len(path.read_text().splitlines()) == 2
    assert plugin.failed == 0


def test_threads_that_write_in_their_hooks_mix_no_lines(make_plugin, make_call, tmp_path):
    """Not even while the file is moved away under them."""
    path = tmp_path / "log"
    plugin = make_plugin(sink=str(path), queue_size=0)

    def work(name):
        for number in range(50):
            plugin.on_finish(make_call(f"{name}-{number}"), SUCCESS)
            if number == 25:
                with contextlib.suppress(FileNotFoundError):  # another thread was first
                    path.rename(tmp_path / f"log.{name}")

    threads = [threading.Thread(target=work, args=(name,)) for name in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    lines = [line for file in tmp_path.iterdir() for line in file.read_text().splitlines()]
    wanted = {f"request_id={name}-{number}" for name in "abcd" for number in range(50)}
    assert {line.split()[5] for line in lines} == wanted
    assert (len(lines), plugin.failed) == (200, 0)


def test_standard_logging_gets_the_records_when_asked(make_plugin, call, entries, caplog):
    """Through the logger ``unbroken``, whose level counts."""
    plugin = make_plugin(sink="stdlib")
    with caplog.at_level(logging.INFO, "unbroken"):
        write_one(plugin, call)
    with caplog.at_level(logging.ERROR, "unbroken"):
        write_one(plugin, call)
    (record,) = caplog.records
    assert (record.name, record.levelname, record.getMessage()) == ("unbroken", "INFO", TEXT)
    assert (record.created, record.msecs, record.funcName) == (1_700_000_000.25, 250, "call-ended")
    assert record.extra["request_id"] == "call-1"
    assert entries == []


def test_text_that_looks_like_percent_formatting_is_literal_in_standard_logging(make_plugin, call, caplog):
    """Standard logging formats with ``%``; there is nothing for it to format."""
    plugin = make_plugin(sink="stdlib")
    plugin.on_decision(call, TryAgain(reason="100 %s %(name)s"), "retry")
    assert plugin.flush(10)
    assert 'reason="100 %s %(name)s"' in caplog.text


def test_a_stream_that_cannot_say_it_gets_an_escape(make_plugin, call, monkeypatch):
    """A character outside of the stream's encoding is no reason to lose the line."""
    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, encoding="ascii"))
    plugin = make_plugin(sink="stdout")
    plugin.on_decision(call, TryAgain(reason="naïve"), "retry")
    assert plugin.flush(10)
    assert rb'reason="na\xefve"' in raw.getvalue()


def test_a_process_without_streams_is_silent(make_plugin, call, monkeypatch):
    """As under pythonw: nothing to write to, nothing fails."""
    monkeypatch.setattr(sys, "stdout", None)
    plugin = make_plugin(sink="stdout")
    write_one(plugin, call)
    assert plugin.failed == 0


def test_the_context_of_the_application_belongs_to_the_record(make_plugin, call, entries):
    """What `contextualize` added where it happened is there, redacted like everything else."""
    plugin = make_plugin()
    with logger.contextualize(user="me", session_token="CANARY", nested={"note": ["Bearer CANARY"]}):
        plugin.on_finish(call, SUCCESS)
    assert plugin.flush(10)
    extra = entries[0].record["extra"]
    assert extra["user"] == "me"
    assert extra["session_token"] == "***"
    assert extra["nested"] == {"note": ["Bearer ***"]}


def test_a_coroutine_sink_works_without_the_queue(make_plugin, call):
    """It needs the thread of its event loop."""
    seen = []

    async def sink(message):
        seen.append(str(message))

    async def main():
        handler = logger.add(sink, format="{message}")
        write_one(make_plugin(queue_size=0), call)
        await logger.complete()
        logger.remove(handler)

    asyncio.run(main())
    assert seen == [TEXT + "\n"]


def test_a_plugin_that_nobody_uses_any_more_is_closed(call, tmp_path):
    """By its thread, after what it had still to say."""
    path = tmp_path / "log"
    plugin = Logging(sink=str(path))
    plugin.on_finish(call, SUCCESS)
    queue, output = plugin._queue, plugin._queue._on_closed.__self__
    thread = queue._thread
    del plugin
    assert queue._closed
    if thread is not None:
        thread.join(30)
    assert TEXT in path.read_text()
    assert output._sink is None


@pytest.mark.parametrize("size", [0, 10])
def test_a_closed_plugin_is_silent(make_plugin, call, entries, size):
    """Closing twice is closing once."""
    plugin = make_plugin(queue_size=size)
    plugin.close()
    plugin.close()
    plugin.on_finish(call, SUCCESS)
    assert plugin.flush(10)
    assert entries == []


def test_without_loguru_the_default_sink_says_what_to_install(make_plugin, monkeypatch):
    """And which sinks do without it."""
    monkeypatch.delitem(sys.modules, "unbroken_logging._loguru", raising=False)
    monkeypatch.setitem(sys.modules, "loguru", None)
    with pytest.raises(ConfigurationError, match=r"logging\.sink: .*`pip install loguru`, or choose stderr"):
        make_plugin()
    assert make_plugin(sink="stdlib").failed == 0


def test_a_record_that_comes_while_the_sink_is_closed_is_dropped(tmp_path):
    """Another thread may be about to write it."""
    output = Output(LoggingConfig(sink=str(tmp_path / "log")))
    output.close()
    output.write(Record("INFO", 0.0, {"unbroken": "call-ended"}))
    assert (tmp_path / "log").read_text() == ""
