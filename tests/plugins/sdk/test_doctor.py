"""What the doctor makes of a call, and how it runs the calls of a client."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.request import ProxyHandler, Request, build_opener

import pytest
from attrs import evolve

import unbroken_sdk.doctor as doctor
from unbroken_faults import parse_script
from unbroken_sdk._seams import SEAMS
from unbroken_sdk.doctor import (
    BEGIN,
    CLIENTS,
    CONTROL,
    END,
    FAULTS,
    ROWS,
    Cell,
    Client,
    Limits,
    PageError,
    Report,
    Row,
    _process,
    _run,
    diagnose,
)

TEXT = "one two three four"
QUICK = Limits(silence=0.2, give_up=0.3)


def a_cell(**changes: Any) -> Cell:
    whole = {"text": TEXT, "meant": TEXT, "error": None, "typed": False, "hangs": False, "message": None}
    counts = {"requests": 1, "elsewhere": 0, "leaks_prompt": False, "leaks_key": False, "seconds": 0.1}
    return Cell(**{"client": "some", "row": "cut", "protected": False, **whole, **counts, **changes})


def a_client(ask: Callable[[str, Callable[[str], None]], None], **changes: Any) -> Client:
    """A client that is nothing but the URL of its server."""
    functions = {"make": lambda url, seconds: url, "stream": ask, "plain": ask}
    return Client(**{"name": "some", "own": ("builtins",), **functions, **changes})


def post(url: str) -> bytes:
    body = json.dumps({"stream": True}).encode()
    headers = {"x-api-key": "sk-unbroken-doctor"}
    request = Request(f"{url}/v1/chat/completions", body, headers)
    with build_opener(ProxyHandler({})).open(request) as answer:
        read: bytes = answer.read()
    return read


@pytest.mark.parametrize(
    ("changes", "kind", "saw"),
    [
        pytest.param({}, "whole", "whole", id="whole"),
        pytest.param({"text": "one two"}, "silent", "SILENT 2/4", id="silent"),
        pytest.param({"text": "", "meant": ""}, "silent", "SILENT", id="nothing-meant"),
        pytest.param({"text": "one twoone two three four"}, "twice", "TWICE 5/4", id="twice"),
        pytest.param({"text": "one one", "error": "E", "typed": True}, "twice", "TWICE 2/4", id="twice-then-error"),
        pytest.param({"text": "one", "hangs": True}, "hang", "hang 1/4", id="hang"),
        pytest.param({"error": "E (500)", "typed": True}, "error", "E (500) 4/4", id="error"),
        pytest.param({"error": "E", "text": ""}, "raw", "raw E 0/4", id="raw"),
    ],
)
def test_a_cell_says_what_the_program_saw(changes: dict[str, Any], kind: str, saw: str) -> None:
    """Only the whole text and an exception of the client's own are good ends."""
    cell = a_cell(**changes)
    assert (cell.kind, cell.saw, cell.good) == (kind, saw, kind in {"whole", "error"})


def test_a_request_to_another_origin_is_not_good() -> None:
    """Whatever came back from there."""
    cell = a_cell(elsewhere=1)
    assert (cell.kind, cell.good, cell.counted, a_cell().counted) == ("whole", False, "1+1", "1")


def test_there_are_twenty_faults_with_names_of_their_own() -> None:
    """Every script can be parsed, and the tables fit into 100 columns."""
    assert len({row.name for row in ROWS}) == len({row.title for row in ROWS}) == 1 + len(FAULTS) == 21
    assert max(len(row.title) for row in ROWS) <= 25
    assert all(parse_script(row.script) for row in ROWS)


def test_protect_knows_every_client() -> None:
    """By the module of what is made of it, which is the first of its own."""
    assert {client.own[0] for client in CLIENTS} <= set(SEAMS)


def test_a_call_that_never_ends_is_given_up() -> None:
    """Neither its text nor its error count after that."""
    done = []

    def ask(url: str, say: Callable[[str], None]) -> None:
        say("one")
        try:
            post(url)
        finally:
            done.append(True)

    row = Row(name="silence", title="silence", script="silence", text=TEXT, waits=True)
    cell = _run.cell(a_client(ask), row, QUICK, protected=False)
    assert (cell.kind, cell.text, cell.error, cell.requests, cell.seconds) == ("hang", "one", None, 1, 0.3)


def test_a_client_that_cannot_be_made_is_an_error() -> None:
    """Of its own or not."""

    def make(url: str, seconds: float) -> Any:
        raise LookupError("no such thing")

    client = a_client(lambda url, say: None, make=make)
    cell = _run.cell(client, CONTROL, QUICK, protected=False)
    assert (cell.saw, cell.message, cell.typed) == ("LookupError 0/9", "no such thing", True)
    assert _run.cell(evolve(client, own=("some",)), CONTROL, QUICK, protected=False).kind == "raw"


def test_what_another_origin_receives_is_noted() -> None:
    """The prompt and the key."""

    def ask(url: str, say: Callable[[str], None]) -> None:
        row = next(row for row in FAULTS if row.name == "redirect")
        assert "{elsewhere}" in row.script
        try:
            post(url)
        except OSError as error:
            post(error.headers["Location"].removesuffix("/v1/chat/completions"))  # type: ignore[attr-defined]

    row = next(row for row in FAULTS if row.name == "redirect")
    cell = _run.cell(a_client(ask), row, QUICK, protected=False)
    assert (cell.elsewhere, cell.leaks_prompt, cell.leaks_key) == (1, True, True)


def test_every_row_is_run_on_both_sides() -> None:
    """Here protect() refuses the client, which is an error like any other."""
    seen: list[Cell] = []
    client = a_client(lambda url, say: say(CONTROL.text), one_at_a_time=True)
    _run.run(client, [CONTROL, FAULTS[3]], QUICK, seen.append)
    assert sorted((cell.row, cell.protected) for cell in seen) == [
        ("no-fault", False),
        ("no-fault", True),
        ("spend-limit", False),
        ("spend-limit", True),
    ]
    assert {cell.error for cell in seen if cell.protected} == {"ConfigurationError"}


def test_a_client_that_fails_without_a_fault_is_not_examined() -> None:
    """A table of its own troubles would say nothing about faults."""
    seen: list[Cell] = []
    _run.run(a_client(lambda url, say: None), ROWS, QUICK, seen.append)
    assert [(cell.row, cell.kind) for cell in seen] == [("no-fault", "silent")]


def test_a_client_that_fails_without_a_fault_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """With what it said; one whose process ends early, too."""

    def examine(client: Client, rows: Any, limits: Any, done: Callable[[Cell], None]) -> str | None:
        if client.name == "dies":
            return "killed"
        for row in rows if client.name == "good" else [CONTROL]:
            for protected in (False, True) if client.name == "good" else (False,):
                error = None if client.name == "good" else "ImportError"
                done(a_cell(client=client.name, row=row.name, protected=protected, error=error, message="why"))
        return None

    monkeypatch.setattr(doctor, "examine", examine)
    clients = [a_client(lambda url, say: None, name=name) for name in ("good", "bad", "dies")]
    ticks: list[None] = []
    report = diagnose(clients, FAULTS[:2], progress=lambda: ticks.append(None))
    assert [client.name for client in report.clients] == ["good"]
    assert report.missing == [
        "bad None cannot be examined here: it fails without a fault: raw ImportError 4/4: why",
        "dies None cannot be examined here: killed",
    ]
    assert (len(report.cells), len(ticks), report.ok) == (6, 7, True)


def test_a_process_that_ends_early_says_why() -> None:
    """With the last line of its traceback."""
    client = a_client(lambda url, say: None, name="no-such-client")
    assert _process.examine(client, ROWS, QUICK, lambda cell: None) == "StopIteration"


def test_the_environment_of_a_process_has_nothing_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """No endpoint, key, proxy or trace, in any case."""
    unwanted = ("OPENAI_BASE_URL", "ANTHROPIC_API_KEY", "https_proxy", "LANGSMITH_TRACING", "UNBROKEN_PLUGINS")
    for name in (*unwanted, "SOMETHING_ELSE"):
        monkeypatch.setenv(name, "x")
    found = _process._environment()
    assert not found.keys() & set(unwanted)
    assert (found["SOMETHING_ELSE"], found["NO_PROXY"]) == ("x", "*")


def test_a_row_without_meaning_in_an_api_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is not run, and its cells in the table of a page are empty."""
    asked: list[str] = []

    def examine(client: Client, rows: Any, limits: Any, done: Callable[[Cell], None]) -> str | None:
        for row, protected in [(row, protected) for row in rows for protected in (False, True)]:
            asked.append(row.name)
            done(a_cell(row=row.name, protected=protected))
        return None

    monkeypatch.setattr(doctor, "examine", examine)
    client = a_client(lambda url, say: None, without=frozenset({FAULTS[0].name}))
    report = diagnose([client], FAULTS[:2])
    assert asked == [name for row in (CONTROL, FAULTS[1]) for name in (row.name, row.name)]
    assert f"| {FAULTS[0].title} |  |  |" in report.page(f"{BEGIN}\n{END}")
    assert [row["name"] for row in report.document()["clients"][0]["rows"]] == [CONTROL.name, FAULTS[1].name]


def test_what_a_client_leaves_out_are_rows() -> None:
    """A name that no row has would leave nothing out."""
    assert set().union(*(client.without for client in CLIENTS)) <= {row.name for row in FAULTS}


@pytest.mark.parametrize("name", ["google-genai", "ollama"])
def test_a_client_of_another_api_can_trust_each_end(name: str) -> None:
    """Without a fault, before the text and within it; alone it takes a cut for the end."""
    client = next(client for client in CLIENTS if client.name == name)
    if client.version is None:
        pytest.skip(f"{name} is not installed")
    rows = [row for row in FAULTS if row.name in {"overloaded", "cut", "json-cut"}]
    report = diagnose([client], rows)
    assert (list(report.missing), report.problems) == ([], [])
    pairs = {row.name: report.pair(client, row) for row in report.rows}
    assert {name: protected.kind for name, (_, protected) in pairs.items()} == {
        "no-fault": "whole",
        "overloaded": "whole",
        "cut": "error",
        "json-cut": "whole",
    }
    assert pairs["cut"][0].kind == "silent"


def a_report(**changes: Any) -> Report:
    client = a_client(lambda url, say: None)
    rows = (CONTROL, FAULTS[0])
    cells = {
        (client.name, row.name, protected): a_cell(row=row.name, protected=protected, **changes)
        for row in rows
        for protected in (False, True)
    }
    return Report(clients=[client], rows=rows, limits=QUICK, cells=cells, missing=[], seconds=1.0)


def test_only_what_is_under_unbroken_is_judged() -> None:
    """Of the client alone nothing is required."""
    report = a_report(text="one")
    assert report.problems == ["some, no-fault: SILENT 1/4", "some, socket-kept-open: SILENT 1/4"]
    assert a_report(elsewhere=1).problems[0] == "some, no-fault: whole, and a request to another origin"


def test_the_table_goes_between_the_markers_of_a_page() -> None:
    """And nothing else is touched; the second time is like the first."""
    page = f"before\n\n{BEGIN}\nold\n{END}\n\nafter \\1\n"
    written = a_report().page(page)
    assert written == (
        f"before\n\n{BEGIN}\n\n"
        "| fault | some None | under Unbroken |\n|---|---|---|\n"
        "| no fault | whole, 1, 0.1 s | whole, 1, 0.1 s |\n"
        "| complete, but kept open | whole, 1, 0.1 s | whole, 1, 0.1 s |\n"
        f"\n{END}\n\nafter \\1\n"
    )
    assert a_report().page(written) == written
    with pytest.raises(PageError, match="has no lines"):
        a_report().page("no markers")


@pytest.fixture
def broken_groq(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Client]:
    (tmp_path / "groq.py").write_text("print('noise')\nraise ImportError('too old')\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    return next(client for client in CLIENTS if client.name == "groq")


def test_a_client_runs_in_a_process_of_its_own(broken_groq: Client) -> None:
    """Whose cells arrive, whatever else the client prints."""
    seen: list[Cell] = []
    assert _process.examine(broken_groq, ROWS, QUICK, seen.append) is None
    assert [(cell.saw, cell.message) for cell in seen] == [("raw ImportError 0/9", "too old")]


def test_no_client_is_imported_by_the_doctor_itself() -> None:
    """Neither by its table nor by the look for versions."""
    code = (
        "import sys\nfrom unbroken_sdk.doctor import CLIENTS\nassert [client.version for client in CLIENTS]\n"
        "print({'anthropic', 'openai', 'rich'} & sys.modules.keys())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"
