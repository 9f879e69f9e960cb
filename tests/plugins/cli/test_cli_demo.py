import io
import json
from typing import Any

import attrs
import pytest
from rich.console import Console

import unbroken
from unbroken.testing import Answer, play, sse
from unbroken_cli import demo
from unbroken_cli.demo import APIS, SCENARIOS, Expect, Scenario, Trial, api_named, run_demo
from unbroken_cli.demo._command import Report, _introduce, _suggest
from unbroken_cli.demo._run import Narrator, Runner
from unbroken_cli.demo._screen import block, screen
from unbroken_cli.demo._trial import error_label, first_words
from unbroken_metrics import Metrics

TEXT = "one two three four five"


def _scenario(**changes: Any) -> Scenario:
    return Scenario(**{"name": "row", "title": "a row", "script": "ok", "text": TEXT, **changes})


def _trial(**changes: Any) -> Trial:
    """A call that ended as `Expect()` requires, but for `changes`."""
    expect = changes.pop("expect", Expect())
    good = {"status": "success", "attempts": 1, "requests": 1, "keys": 1, "text": TEXT, "meant": TEXT, "seconds": 0.1}
    trial = Trial(_scenario(expect=expect))
    for name, value in (good | changes).items():
        setattr(trial, name, value)
    trial.finish()
    return trial


def _timeout(timeout: str) -> unbroken.TimeoutError:
    error = unbroken.TimeoutError("no progress")
    error.timeout = timeout  # type: ignore[assignment]
    return error


def test_a_call_that_ended_as_required_has_no_problems():
    """The default is a complete answer at the first attempt."""
    assert _trial().ok


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"text": TEXT[:-1]}, "text"),
        ({"text": "one one two"}, "text"),
        ({"attempts": 2}, "attempts"),
        ({"requests": 2}, "requests at the server"),
        ({"keys": 2}, "2 idempotency keys"),
        ({"left_open": 1}, "connections left open"),
        ({"seconds": 9.0}, "took 9.00 s"),
        ({"status": "cancelled"}, "status"),
        ({"error": unbroken.NetworkError("x"), "status": "failure"}, "error: 'NetworkError', not None"),
        ({"expect": Expect(at_least=0.3)}, "took 0.10 s"),
        (
            {"expect": Expect(error="TimeoutError", timeout="idle"), "error": _timeout("total"), "status": "failure"},
            "timeout",
        ),
        (
            {
                "expect": Expect(error="RateLimitError", status_code=429, retry_after=1.0),
                "error": unbroken.RateLimitError("x", status_code=429, retry_after=2.0),
                "status": "failure",
            },
            "retry_after: 2.0, not 1.0",
        ),
        (
            {
                "expect": Expect(error="ServerError", status_code=500),
                "error": unbroken.ServerError("x", status_code=503),
                "status": "failure",
            },
            "status code: 503, not 500",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_each_thing_that_is_not_as_required_is_a_problem(changes, problem):
    """Status, error, timeout, attempts, text without gap or repetition, time, connections."""
    trial = _trial(**changes)
    assert not trial.ok
    assert any(problem in each for each in trial.problems)


def test_a_running_call_is_not_ok():
    """Nothing is as required before it has ended."""
    assert not Trial(_scenario()).ok


def test_the_prefix_is_counted_in_words():
    """A server that speaks word by word has said so much of the text."""
    assert first_words(TEXT, 2) == "one two"
    assert first_words(TEXT, 0) == ""
    assert first_words(TEXT, None) == TEXT


def test_what_the_consumer_saw_is_said_in_a_few_words():
    """The answer, the error, or how much of the answer before the error."""
    cut = unbroken.TruncatedStreamError("x")
    assert _trial().saw == "the whole answer"
    assert _trial(error=cut, text="").saw == "TruncatedStreamError"
    assert _trial(error=cut, text="one two").saw == "2 words, TruncatedStreamError"
    assert _trial(error=cut).saw == "all 5 words, TruncatedStreamError"
    assert error_label(_timeout("idle")) == "TimeoutError (idle)"


def test_the_rows_are_named_once_and_fit_into_80_columns():
    """A name is a name, and a title leaves room for the rest of its line."""
    assert len({scenario.name for scenario in SCENARIOS}) == len(SCENARIOS) >= 20
    assert max(len(scenario.title) for scenario in SCENARIOS) <= 25
    assert max(len(chapter.title) for api in APIS for chapter in api.chapters()) <= 79


@pytest.mark.parametrize("use_async", [False, True], ids=["sync", "async"])
def test_a_row_runs_against_the_server_and_is_judged(server, use_async):
    """A retry, then the whole text, with every step noted; the same with both clients."""
    trial = Trial(_scenario(script="529, ok", expect=Expect(attempts=2)))
    Runner(server, use_async).run_one(trial)
    assert trial.problems == ()
    assert trial.text == TEXT
    assert [note.kind for note in trial.notes] == ["error", "decision", "commit"]
    assert trial.notes[1].text.startswith("retry waits 0.")


@pytest.mark.parametrize("use_async", [False, True], ids=["sync", "async"])
def test_a_row_that_ends_otherwise_than_required_says_how(server, use_async):
    """A wrong expectation is found out."""
    trial = Trial(_scenario(script="cut:after=5", expect=Expect(error="ServerError", words=2, closed=True)))
    Runner(server, use_async).run_one(trial)
    assert not trial.ok
    assert any("'TruncatedStreamError', not 'ServerError'" in problem for problem in trial.problems)


def test_a_row_that_never_reaches_the_server_is_judged_all_the_same(server, monkeypatch):
    """Whatever a call raises is the error of its row, not the end of the demonstration."""
    monkeypatch.setattr(Runner, "_url", "http://127.0.0.1:9/")
    trial = Trial(_scenario(expect=Expect(error="NetworkError", attempts=4)))
    Runner(server).run_one(trial)
    assert trial.requests == 0
    assert trial.error_class == "NetworkError"


def test_a_wrong_expectation_is_exit_code_1(invoke, monkeypatch):
    """One row that is not as required fails the whole demonstration."""
    wrong = _scenario(name="wrong", expect=Expect(attempts=2))
    monkeypatch.setattr(demo, "SCENARIOS", (wrong,))
    result = invoke("demo")
    assert result.exit_code == 1
    assert "! attempts: 1, not 2" in result.stdout
    assert "✗ wrong: attempts: 1, not 2" in result.stdout
    assert "0 of 1 as required" in result.stdout


def test_rows_can_be_chosen(invoke):
    """`--only` runs what it names, in the order of the table."""
    result = invoke("demo", "--only", "bad-key", "--only", "no-fault", "--json")
    assert result.exit_code == 0
    assert [row["name"] for row in json.loads(result.stdout)["rows"]] == ["no-fault", "bad-key"]


def test_an_unknown_row_is_exit_code_2(invoke):
    """It says what there is."""
    result = invoke("demo", "--only", "no-such-row")
    assert result.exit_code == 2
    assert "no-such-row" in result.stderr


@pytest.mark.parametrize("name", [api.name for api in APIS])
def test_a_row_runs_over_each_api(invoke, name):
    """At its own path, with the same attempts and the same text."""
    document = json.loads(invoke("demo", "--dialect", name, "--only", "overloaded", "--json").stdout)
    (row,) = document["rows"]
    assert (document["ok"], document["dialect"], row["attempts"]) == (True, name, 3)
    assert row["text"] == next(each.text for each in SCENARIOS if each.name == "overloaded")


def test_another_api_is_named_at_the_start(invoke):
    """By its path and the name of its dialect; the default is not."""
    arguments = ["demo", "--only", "bad-key"]
    assert "POST /v1/responses, dialect='openai'" in invoke(*arguments, "--dialect", "responses").stdout
    assert "POST" not in invoke(*arguments).stdout


def test_an_unknown_api_is_exit_code_2(invoke):
    """With the names that there are."""
    result = invoke("demo", "--dialect", "smtp")
    assert (result.exit_code, result.stdout) == (2, "")
    assert all(api.name in result.stderr for api in APIS)


def test_rows_without_meaning_in_an_api_are_left_out(invoke):
    """The chapter says which; the end of the body is part of the proof of Gemini."""
    result = invoke("demo", "--dialect", "gemini", "--only", "socket-kept-open")
    assert (result.exit_code, "socket-kept-open" in result.stderr) == (2, True)
    titles = [chapter.title for chapter in api_named("gemini").chapters()]
    assert titles[0] == "Nothing is wrong, although it may look so (without: complete, but kept open)"
    assert titles[1] == APIS[0].chapters()[1].title


def test_what_an_api_changes_are_rows():
    """A name that no row has would change nothing."""
    known = {row.name for row in SCENARIOS}
    assert all({*api.without, *api.scripts, *api.status_codes} <= known for api in APIS)
    assert APIS[0].rows(SCENARIOS) == list(SCENARIOS)


def test_json_has_everything_that_the_table_has(invoke):
    """One document: the verdict, then each row with its notes."""
    result = invoke("demo", "--only", "rate-limited", "--async", "--seed", "7", "--json")
    document = json.loads(result.stdout)
    assert (document["ok"], document["seed"], document["client"]) == (True, 7, "AsyncClient")
    row = document["rows"][0]
    assert row["attempts"] == row["requests"] == 2
    assert row["text"] == row["meant"]
    assert row["error"] is row["message"] is row["phase"] is None
    assert [note["kind"] for note in row["notes"]] == ["error", "decision", "commit"]
    assert "as the server asked" in row["notes"][1]["text"]


def test_json_names_foreign_errors_too():
    """A row that failed by a bug says which."""
    report = Report(trials=[_trial(error=ValueError("odd"))], seconds=1.0, seed=0, use_async=False)
    assert report.document()["rows"][0]["message"] == "odd"
    assert not report.ok


def test_the_seed_decides_the_ids(invoke):
    """The same seed, the same server."""
    rows = [json.loads(invoke("demo", "--only", "bad-key", "--json").stdout)["rows"][0] for _ in range(2)]
    assert rows[0]["message"] == rows[1]["message"]


def test_a_pipe_gets_plain_text_in_the_order_of_events(invoke):
    """No escape sequences; title, failure, decision, text, table, verdict."""
    output = invoke("demo", "--only", "rate-limited").stdout
    assert "\x1b" not in output
    places = [
        output.index(words)
        for words in (
            "429, Retry-After",
            "✗ RateLimitError",
            "↻ retry waits",
            "◆ You waited",
            "what the consumer saw",
            "1 of 1 as required",
        )
    ]
    assert places == sorted(places)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def _terminal(**options: Any) -> Console:
    return Console(file=Terminal(), force_terminal=True, width=80, **options)


def test_a_terminal_sees_the_row_that_runs(server):
    """The picture is taken away, the row stays, once."""
    console = _terminal(color_system=None, legacy_windows=False)
    trial = Trial(_scenario(title="seen live", script="error_first, ok", expect=Expect(attempts=2)))
    with screen(console) as shown:
        shown.begin(trial)
        Runner(server).run_one(trial)
    output = console.file.getvalue()
    assert "\x1b[2K" in output
    assert output.count("✓ seen live") == 1
    assert "⠋" in output or any(frame in output for frame in "⠙⠹⠸⠼⠴⠦⠧⠇⠏")


def test_a_dumb_terminal_gets_lines(monkeypatch):
    """A terminal that cannot move its cursor gets what a pipe gets."""
    monkeypatch.setenv("TERM", "dumb")
    console = _terminal()
    trial = _trial()
    with screen(console) as shown:
        shown.begin(trial)
    assert "\x1b[2K" not in console.file.getvalue()
    assert "a row" in console.file.getvalue()


def test_the_frame_fits_a_terminal():
    """The first and the last lines are the same for both clients."""
    console = _terminal(color_system=None)
    _introduce(console, True)
    _suggest(console)
    assert "AsyncClient" in console.file.getvalue()


@pytest.mark.parametrize("width", [24, 40, 80, 100])
def test_a_row_shows_everything_within_the_terminal(width):
    """Long answers and messages are wrapped, not cut."""
    trial = _trial()
    trial.text = trial.meant = "Every word of a long answer arrives, " * 9
    trial.note("error", "a message with many words " * 9)
    trial.note("commit", "the first word is delivered")
    trial.finish()
    lines = block(trial, width).plain.splitlines()
    assert max(map(len, lines)) <= width
    shown = " ".join(" ".join(lines).split())
    assert trial.text.strip() in shown
    assert ("a message with many words " * 9).strip() in shown


@pytest.mark.parametrize(("status", "shown"), [("running", "◆ …"), ("failure", "◆ no word of the answer")])
def test_a_commit_without_a_word_says_so(status, shown):
    """A model may think, and its connection then break."""
    trial = Trial(_scenario(), status=status)
    trial.note("commit", "the first word is delivered")
    assert block(trial, 80).plain.splitlines()[-1].strip() == shown


def test_each_kind_of_decision_has_words():
    """What the narrator writes about every decision that a policy can take."""
    trial = Trial(_scenario())
    narrator = Narrator(trial)
    call: Any = None
    decisions = [
        unbroken.TryAgain(0.5),
        unbroken.GiveUp(reason="enough"),
        unbroken.Wait(0.25, "too fast"),
        unbroken.Reject(unbroken.CircuitOpenError("open")),
        unbroken.Replay(()),
    ]
    for decision in decisions:
        narrator.on_decision(call, decision, "policy")
    assert [note.text for note in trial.notes] == [
        "policy waits 0.50 s, then tries again",
        "policy gives up (enough)",
        "policy waits 0.25 s (too fast)",
        "policy rejects: open",
        "policy replays 0 events",
    ]
    assert [note.kind for note in trial.notes] == ["decision", "stop", "decision", "stop", "decision"]


def test_a_scenario_can_be_changed():
    """Rows are values."""
    assert attrs.evolve(SCENARIOS[0], title="other").title == "other"


def test_run_demo_returns_the_verdict(capsys):
    """For those who call it from Python."""
    assert run_demo([_scenario()], as_json=True)
    assert json.loads(capsys.readouterr().out)["ok"] is True


def test_run_demo_runs_all_rows_of_an_api_unless_told(monkeypatch, capsys):
    """As they are in it."""
    monkeypatch.setattr("unbroken_cli.demo._command.SCENARIOS", (_scenario(name="error-midway"),))
    assert not run_demo(api=api_named("gemini"), as_json=True)
    assert "status code: None, not 503" in json.loads(capsys.readouterr().out)["rows"][0]["problems"]


def test_metrics_are_shown_in_the_end(invoke):
    """What `unbroken top` would show, below the table."""
    result = invoke("demo", "--only", "rate-limited", "--only", "stall", "--metrics")
    assert result.exit_code == 0
    lines = [" ".join(line.split()) for line in result.stdout.splitlines()]
    assert "calls 2 1 success, 1 failure" in lines
    assert "errors RateLimitError 1, TimeoutError (idle) 1" in lines


def test_the_percentiles_in_the_end_are_those_of_the_calls():
    """Exact for so few, not a place between the bounds of a bucket."""
    metrics = Metrics(buckets=(100.0,))
    play([Answer(latency=2.0, body=sse("hello"))], [metrics])
    console = Console(file=io.StringIO(), width=100)
    Report(trials=[], seconds=0.0, seed=0, use_async=False, metrics=metrics).show(console)
    lines = [" ".join(line.split()) for line in console.file.getvalue().splitlines()]
    assert any("p50 2.0 s p95 2.0 s p99 2.0 s" in line for line in lines), lines


@pytest.mark.parametrize("use_async", [[], ["--async"]], ids=["sync", "async"])
def test_json_has_the_metrics_if_they_are_wanted(invoke, use_async):
    """The snapshot, all rows together; and nothing of it unless asked."""
    arguments = ["demo", "--only", "rate-limited", "--only", "no-fault", "--json", *use_async]
    counted = json.loads(invoke(*arguments, "--metrics").stdout)["metrics"]
    assert counted["total"]["calls"] == {"success": 2, "failure": 0, "rejected": 0, "cancelled": 0}
    assert counted["total"]["retries"] == {"RateLimitError": 1}
    assert counted["total"]["streams_in_flight"] == 0
    assert counted["series"][0]["labels"]["model"] == "claude-unbroken"
    assert "metrics" not in json.loads(invoke(*arguments).stdout)


def test_metrics_without_their_packages_are_exit_code_2(invoke, monkeypatch):
    """It says what to install before the first row."""
    monkeypatch.setattr("unbroken_metrics._distribution.find_spec", lambda name: None)
    result = invoke("demo", "--only", "no-fault", "--metrics")
    assert result.exit_code == 2
    assert "pip install 'unbroken[metrics]'" in result.stderr
