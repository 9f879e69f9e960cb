import json
import subprocess
import sys
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from typing import Any
from urllib.request import ProxyHandler, Request, build_opener

import pytest
from attrs import evolve

import unbroken
from unbroken_cli.demo import Expect, Scenario, compare
from unbroken_cli.demo.compare import APIS, ROWS, Cell, Consumer, Run, _consumers, _run, participants, run_compare
from unbroken_cli.demo.compare._command import Report

TEXT = "one two three four five"
MESSAGES = APIS[0]


def _row(**changes: Any) -> Scenario:
    return Scenario(**{"name": "row", "title": "a row", "script": "ok", "text": TEXT, **changes})


def _consumer(listen: Callable[..., None], *, ours: bool = False) -> Consumer:
    return Consumer(name="some-sdk", version="9.9", ours=ours, listen=listen)


def _cell(**changes: Any) -> Cell:
    return Cell(_row(), **{"text": TEXT, "meant": TEXT, "seconds": 0.1, "requests": 1, **changes})


def _installed(monkeypatch: pytest.MonkeyPatch, *packages: str) -> None:
    """Of the SDKs only these."""

    def find(name: str) -> str:
        if name in {api.package for api in APIS} and name not in packages:
            raise PackageNotFoundError(name)
        return version(name)

    monkeypatch.setattr(_consumers, "version", find)


@pytest.fixture
def no_sdk(monkeypatch):
    _installed(monkeypatch)


def test_the_rows_have_names_of_their_own_and_short_titles():
    """A name is a name, and the tables fit into 100 columns."""
    assert len({row.name for row in ROWS}) == len({row.title for row in ROWS}) == len(ROWS) >= 16
    assert max(len(row.title) for row in ROWS) <= 25


@pytest.mark.parametrize(
    ("changes", "sort", "outcome", "words"),
    [
        pytest.param({}, "whole", "success", "5/5", id="whole"),
        pytest.param({"text": "one two"}, "partial", "success", "2/5", id="partial"),
        pytest.param({"text": "", "meant": ""}, "partial", "success", "-", id="nothing-meant"),
        pytest.param({"error": ValueError("x"), "text": "one"}, "error", "ValueError", "1/5", id="error"),
        pytest.param(
            {"error": unbroken.ServerError("x", status_code=500)}, "error", "ServerError (500)", "5/5", id="status"
        ),
        pytest.param({"given_up": 3.0, "text": ""}, "hang", "hangs (given up after 3 s)", "0/5", id="hang"),
    ],
)
def test_a_cell_says_how_the_call_ended(changes, sort, outcome, words):
    """A success with words missing is something else than a whole answer."""
    cell = _cell(**changes)
    assert (cell.sort, cell.outcome, cell.words) == (sort, outcome, words)


def test_a_consumer_that_never_ends_is_given_up():
    """It learns of it by its server, which is gone, and what it does then no longer counts."""
    ended = []

    def listen(url: str, heard: Any) -> None:
        heard.text = "one"
        try:
            build_opener(ProxyHandler({})).open(Request(f"{url}{MESSAGES.path}", b"{}")).read()
        finally:
            ended.append(True)
            heard.text = "too late"

    cell = Run(give_up=0.1).one(_row(script="silence"), MESSAGES, _consumer(listen))
    assert ended == [True]
    assert (cell.given_up, cell.seconds, cell.text, cell.error, cell.status) == (0.1, 0.1, "one", None, "running")
    assert cell.requests == 1


def test_a_hang_of_our_own_is_not_as_required():
    """Whatever else is right about it."""
    cell = Run(give_up=0.5).one(_row(script="stall:after=5"), MESSAGES, MESSAGES.ours())
    assert any(problem.startswith("status: 'running'") for problem in cell.problems)


def test_nothing_is_required_of_an_sdk():
    """What it raises is what its cell shows."""

    def listen(url: str, heard: Any) -> None:
        raise LookupError("its own affair")

    cell = Run().one(_row(), MESSAGES, _consumer(listen))
    assert (cell.outcome, cell.problems, cell.requests) == ("LookupError", (), 0)


@pytest.mark.parametrize("api", APIS, ids=lambda api: api.package)
def test_our_own_cell_is_judged(api):
    """As the rows of the demonstration are: attempts, text, time, connections."""
    good = _row(script="529, ok", expect=Expect(attempts=2))
    assert Run().one(good, api, api.ours()).problems == ()
    bad = Run().one(evolve(good, expect=Expect(error="ServerError")), api, api.ours())
    assert any(problem.startswith("error: None") for problem in bad.problems)


def test_a_run_can_be_interrupted():
    """The calls that have not begun never do."""
    begun = []

    def interrupt() -> None:
        raise KeyboardInterrupt

    rows = [_row(name=str(number)) for number in range(100)]
    with pytest.raises(KeyboardInterrupt):
        Run().all(rows, [(MESSAGES, _consumer(lambda url, heard: begun.append(url)))], interrupt)
    assert len(begun) < len(rows)


def test_without_the_sdks_their_columns_are_left_out(invoke, no_sdk):
    """It says how to get them, and that is no failure."""
    result = invoke("demo", "--compare", "--only", "cut")
    assert result.exit_code == 0
    assert "pip install anthropic openai" in result.stdout
    assert result.stdout.count("TruncatedStreamError") == 2
    assert "anthropic 2" not in result.stdout
    assert ".messages.stream" not in result.stdout
    assert "unbroken: every row as required" in result.stdout


def test_one_sdk_can_be_missing(monkeypatch):
    """The other one is compared all the same."""
    _installed(monkeypatch, "openai")
    places, missing = participants()
    assert [consumer.name for _, consumer in places] == ["unbroken", "openai", "unbroken"]
    assert missing == ["Not installed, so left out: anthropic. They join in after: pip install anthropic"]


def test_an_sdk_that_fails_without_a_fault_is_left_out(monkeypatch, no_sdk):
    """One too old for this, or broken: a column of its troubles would say nothing about faults."""

    def listen(url: str, heard: Any) -> None:
        raise AttributeError("no such thing in this version")

    _installed(monkeypatch, "anthropic")
    monkeypatch.setattr(_run, "APIS", (evolve(MESSAGES, sdk=listen),))
    places, missing = participants()
    assert [consumer.name for _, consumer in places] == ["unbroken"]
    (line,) = missing
    assert line.startswith("anthropic ")
    assert line.endswith("cannot be used here, its columns are left out: AttributeError: no such thing in this version")


def test_json_has_everything_that_the_table_has(invoke, no_sdk):
    """One document: the limits, then each row with its cells."""
    result = invoke("demo", "--compare", "--only", "redirect", "--seed", "7", "--json")
    assert result.exit_code == 0
    document = json.loads(result.stdout)
    assert (document["ok"], document["seed"], document["limits"]["max_retries"]) == (True, 7, 3)
    (row,) = document["rows"]
    assert [(cell["api"], cell["consumer"], cell["error"]) for cell in row["cells"]] == [
        (api.title, "unbroken", "StreamError") for api in APIS
    ]
    assert row["cells"][0]["elsewhere"] == {"requests": 0, "prompt": False, "key": False}


def test_a_cell_that_is_not_as_required_is_exit_code_1(invoke, monkeypatch, no_sdk):
    """It says which, and in what."""
    monkeypatch.setattr(compare, "ROWS", (_row(name="wrong", expect=Expect(attempts=2)),))
    result = invoke("demo", "--compare")
    assert result.exit_code == 1
    assert "✗ wrong, Messages API: attempts: 1, not 2" in result.stdout
    assert "unbroken: not as required" in result.stdout


@pytest.mark.parametrize(
    ("arguments", "words"),
    [(["--async"], "without --async"), (["--only", "no-such-row"], "no-such-row")],
    ids=["async", "unknown-row"],
)
def test_bad_usage_is_exit_code_2(invoke, arguments, words):
    """It says what is wrong, and nothing is run."""
    result = invoke("demo", "--compare", *arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert words in result.stderr


def _report(**cells: Cell) -> str:
    """Return the notes under a table with a row for each of `cells`, all of one SDK."""
    consumer = _consumer(lambda url, heard: None)
    places = [(MESSAGES, consumer)]
    by_place = {(name.replace("_", "-"), consumer): cell for name, cell in cells.items()}
    rows = [_row(name=name) for name, _ in by_place]
    report = Report(rows=rows, places=places, cells=by_place, missing=(), seconds=1.0, seed=0)
    assert report.ok
    return "\n".join(report._notes())


def test_the_ends_are_counted():
    """So that readers need not."""
    notes = _report(a=_cell(), b=_cell(), c=_cell(text="one"), d=_cell(given_up=1.0), e=_cell(error=OSError()))
    assert "whole answer 2, error 1, success without the whole answer 1, hang 1." in notes


@pytest.mark.parametrize(("reason", "told"), [(None, True), ("end_turn", False)], ids=["none", "given"])
def test_a_missing_stop_reason_is_told(reason, told):
    """It is the one sign that the SDK gives, so it would be unfair to hide it."""
    assert ("stop reason is None" in _report(a=_cell(text="one", stop_reason=reason))) is told


def test_what_went_to_another_origin_is_told(server):
    """The prompt, and whether the key did too."""
    for headers in ({"x-api-key": _consumers.KEY}, {}):
        server.reset()
        build_opener(ProxyHandler({})).open(Request(f"{server.url}{MESSAGES.path}", b"{}", headers)).close()
        cell = _cell(elsewhere=server.requests)
        with_or_without = "with" if headers else "without"
        words = f"sent a request to another origin, with the prompt, {with_or_without} the key."
        assert words in _report(redirect=cell)


def test_who_asked_for_gzip_is_told():
    """To refuse what one has asked for would be another matter."""
    assert "asked for by some-sdk 9.9;" in _report(gzip=_cell(asked_for_gzip=True))
    assert "asked for by no consumer;" in _report(gzip=_cell())


def test_no_sdk_is_imported_unless_asked():
    """Neither by the demonstration nor by looking at what there is to compare."""
    code = (
        "import sys\nfrom unbroken_cli.demo.compare import APIS\nfrom unbroken_cli.demo import SCENARIOS, run_demo\n"
        "run_demo(SCENARIOS[:1], as_json=True)\nassert [api.theirs() for api in APIS]\n"
        "print({'anthropic', 'openai'} & sys.modules.keys())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.endswith("set()\n")


def test_run_compare_returns_the_verdict(capsys, no_sdk):
    """For those who call it from Python."""
    assert run_compare([_row()], as_json=True)
    assert json.loads(capsys.readouterr().out)["ok"] is True
