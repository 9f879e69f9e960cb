import subprocess
import sys
from importlib.metadata import version

import pytest

import unbroken_cli
from unbroken_cli._console import console, printable, tolerate_encodings


def test_version_is_that_of_the_distribution(invoke):
    """`--version` says what is installed."""
    assert invoke("--version").stdout == f"unbroken {version('unbroken')}\n"


def test_help_names_every_command(invoke):
    """A newcomer finds all commands with `--help`, and with nothing."""
    for arguments in (["--help"], []):
        result = invoke(*arguments)
        output = result.stdout + result.stderr
        assert all(name in output for name in ("demo", "plugins", "explain", "stream", "chat", "faults", "top"))


def test_help_imports_neither_a_client_nor_a_server():
    """`--help` is quick because it imports nothing that it does not need."""
    code = (
        "import sys; from typer.testing import CliRunner; from unbroken_cli.app import app;"
        "assert CliRunner().invoke(app, ['--help']).exit_code == 0;"
        "print(sorted({'unbroken', 'unbroken_faults', 'httpx', 'rich.live'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("missing", ["typer", "rich"])
def test_without_typer_or_rich_it_says_what_to_install(missing, monkeypatch, capsys):
    """A missing extra is one clear line and exit code 2, not a traceback."""
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(SystemExit) as left:
        unbroken_cli.main()
    assert left.value.code == 2
    assert capsys.readouterr().err == "The unbroken command needs typer and rich: pip install 'unbroken[cli]'\n"


def test_main_runs_the_command_line(monkeypatch, capsys):
    """The entry point is the app."""
    monkeypatch.setattr(sys, "argv", ["unbroken", "--version"])
    with pytest.raises(SystemExit) as left:
        unbroken_cli.main()
    assert left.value.code == 0
    assert capsys.readouterr().out.startswith("unbroken ")


def test_a_terminal_without_unicode_gets_question_marks():
    """What an encoding cannot say is replaced, it does not crash the command."""
    code = "from unbroken_cli._console import tolerate_encodings; tolerate_encodings(); print('\\u2713')"
    done = subprocess.run(
        [sys.executable, "-X", "utf8=0", "-c", code], capture_output=True, env={"PYTHONIOENCODING": "ascii"}, check=True
    )
    assert done.stdout == b"?\n"


def test_streams_that_are_no_files_are_left_alone(monkeypatch):
    """Notebooks and test runners put streams of their own in place."""
    monkeypatch.setattr(sys, "stdout", object())
    tolerate_encodings()


def test_a_pipe_gets_wide_plain_text():
    """Tables in a file are not cut to the width of an imagined terminal."""
    assert not console().is_terminal
    assert console().width == 100


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain ✓", "plain ✓"),
        ("a\n\tb", "a\n\tb"),
        ("\x1b[2Jgone\r", "�[2Jgone�"),
        ("\x9b31m", "�31m"),
        ("user\u202egnp.exe", "user�gnp.exe"),
        ("10\u00a0€\u202f!\u3000\u200c", "10\u00a0€\u202f!\u3000\u200c"),
        ("👩\u200d🚀", "👩\u200d🚀"),
    ],
    ids=["plain", "lines", "escape", "c1", "bidi", "spaces", "joined"],
)
def test_nothing_reaches_a_terminal_that_it_would_obey(text, shown):
    """Escape sequences from a server are shown as what they are."""
    assert printable(text) == shown
