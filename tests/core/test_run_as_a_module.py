"""`python -m unbroken` runs the command, or says what to install."""

import runpy
import sys
from importlib import metadata
from importlib.metadata import EntryPoint, EntryPoints

import pytest

from unbroken import __main__ as module


class _Distribution:
    def __init__(self, *scripts: str) -> None:
        self.entry_points = EntryPoints(EntryPoint("unbroken", value, "console_scripts") for value in scripts)


def ran() -> None:
    """Stand in for the command."""
    sys.stdout.write("ran\n")


def install(monkeypatch: pytest.MonkeyPatch, *scripts: str) -> None:
    monkeypatch.setattr(metadata, "distribution", lambda name: _Distribution(*scripts))


def test_the_console_script_is_run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """The one of the distribution, as the shell would run it."""
    install(monkeypatch, f"{__name__}:ran")
    monkeypatch.setitem(sys.modules, __name__, sys.modules[ran.__module__])
    monkeypatch.delitem(sys.modules, "unbroken.__main__")
    runpy.run_module("unbroken", run_name="__main__")
    assert capsys.readouterr().out == "ran\n"


@pytest.mark.parametrize(
    "scripts", [(), ("no_such_module_of_ours:main",), ("sys:no_such_function",)], ids=["none", "module", "function"]
)
def test_without_the_command_it_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], scripts: tuple[str, ...]
) -> None:
    """One line and exit code 2, no traceback."""
    install(monkeypatch, *scripts)
    with pytest.raises(SystemExit) as left:
        module.main()
    assert left.value.code == 2
    assert capsys.readouterr().err.endswith("pip install 'unbroken[cli]'\n")


def test_without_metadata_it_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A frozen application has no entry points."""

    def missing(name: str) -> None:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "distribution", missing)
    with pytest.raises(SystemExit):
        module.main()
    assert "is not installed in this Python" in capsys.readouterr().err
