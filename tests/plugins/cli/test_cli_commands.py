"""Commands are found in the entry points of the installed distributions. The foreign ones here are fakes on disk."""

import subprocess
import sys
from collections.abc import Callable
from importlib.metadata import Distribution, distribution
from pathlib import Path

import pytest
import typer

from unbroken_cli import _installed

NAMES = [
    "demo",
    "doctor",
    "plugins",
    "explain",
    "config",
    "stream",
    "chat",
    "faults",
    "top",
    "new-plugin",
    "serve",
    "keys",
    "audit",
]
NURSE = '''
import typer


def nurse(name: str = "you") -> None:
    """Examine an endpoint."""
    typer.echo(f"how is {name}?")
'''


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Install a distribution of one module, with commands that lead into it."""

    def call(name: str, source: str, **commands: str) -> None:
        site = tmp_path / name
        info = site / f"{name}-1.2.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.2\n")
        lines = [f"{command} = {value}" for command, value in commands.items()]
        (info / "entry_points.txt").write_text("\n".join(["[unbroken.commands]", *lines]))
        (site / f"{name.replace('-', '_')}.py").write_text(source)
        monkeypatch.syspath_prepend(site)

    yield call
    for module in [name for name in sys.modules if name.startswith("acme_")]:
        del sys.modules[module]


def listed(help: str) -> list[str]:
    """The commands in the root's help, in order."""
    table = help.partition("Commands")[2]
    first = [line.strip("│ ").split("  ")[0] for line in table.splitlines() if line.startswith("│ ") and line[2] != " "]
    return [name.strip() for name in first]


def one_line(text: str) -> str:
    """Text without the frame and the line ends of a table."""
    return " ".join(text.replace("│", " ").split())


def test_every_command_of_ours_is_an_entry_point():
    """And each leads to the function, or the group of commands, of its name."""
    offered = [each for each in distribution("unbroken").entry_points if each.group == _installed.GROUP]
    assert sorted(each.name for each in offered) == sorted(NAMES)
    loaded = {each.name: each.load() for each in offered}
    names = {name: each.info.name if isinstance(each, typer.Typer) else each.__name__ for name, each in loaded.items()}
    assert all(name == each.replace("_", "-") for name, each in names.items())


def test_the_help_has_our_commands_in_their_order(invoke):
    """Whatever the order of the entry points is."""
    assert listed(invoke("--help").stdout)[: len(NAMES)] == NAMES


def test_another_distribution_can_add_a_command(invoke, install):
    """A function with options; it stands behind ours."""
    install("acme-nurse", NURSE, nurse="acme_nurse:nurse")
    assert listed(invoke("--help").stdout)[-1] == "nurse"
    assert invoke("nurse", "--name", "she").stdout == "how is she?\n"
    assert "Examine an endpoint." in invoke("nurse", "-h").stdout


@pytest.mark.parametrize("commands", [1, 2], ids=["one", "several"])
def test_a_command_can_be_a_typer_app(invoke, install, commands):
    """With one command it is that command, with several it is a group."""
    app = "\napp = typer.Typer(add_completion=False)\n" + "".join(
        f"app.command({name!r})(nurse)\n" for name in ("first", "second")[:commands]
    )
    install("acme-nurse", NURSE + app, nurse="acme_nurse:app")
    arguments = ["nurse"] if commands == 1 else ["nurse", "second"]
    assert invoke(*arguments).stdout == "how is you?\n"


def test_a_command_is_imported_when_it_is_run_or_described(invoke, install):
    """Running another one, or asking for the version, does not import it."""
    install("acme-nurse", NURSE, nurse="acme_nurse:nurse")
    for arguments in (["--version"], ["demo", "--help"], ["nurze"]):
        invoke(*arguments)
        assert "acme_nurse" not in sys.modules
    invoke("nurse")
    assert "acme_nurse" in sys.modules


@pytest.mark.parametrize(
    ("source", "value", "reason"),
    [
        ("import acme_is_missing", "acme_nurse:nurse", "ModuleNotFoundError: No module named 'acme_is_missing'"),
        ("raise SystemExit(3)", "acme_nurse:nurse", "SystemExit: 3"),
        ("", "acme_nurse:nurse", "AttributeError: module 'acme_nurse' has no attribute 'nurse'"),
        ("raise ValueError('[bold]\\x1b[2J')", "acme_nurse:nurse", "ValueError: [bold]\ufffd[2J"),
        ("nurse = 3", "acme_nurse:nurse", "is neither a function nor a typer.Typer"),
    ],
    ids=["missing", "exits", "gone", "raises", "number"],
)
def test_a_command_that_cannot_be_imported_is_exit_code_2(invoke, install, source, value, reason):
    """One line that names the distribution, whatever the arguments; the help lists the command with the reason."""
    install("acme-nurse", source, nurse=value)
    for arguments in ([], ["--help"], ["--name", "x", "more"]):
        result = invoke("nurse", *arguments)
        assert (result.exit_code, result.stdout, result.stderr.count("\n")) == (2, "", 1)
        assert result.stderr.startswith("acme_nurse:nurse of distribution acme-nurse 1.2 ")
        assert reason in result.stderr
    help = invoke("--help")
    assert help.exit_code == 0
    assert listed(help.stdout)[-1] == "nurse"
    assert f"distribution acme-nurse 1.2 {'' if 'neither' in reason else 'cannot'}" in one_line(help.stdout)


@pytest.mark.parametrize("name", ["faults", "nurse"], ids=["ours", "foreign"])
def test_an_implementation_that_cannot_be_imported_is_exit_code_2(invoke, install, monkeypatch, name):
    """Commands import their packages when they run, and these may be missing."""
    monkeypatch.setitem(sys.modules, "unbroken_faults", None)
    install("acme-nurse", "def nurse() -> None:\n    import unbroken_faults", nurse="acme_nurse:nurse")
    result = invoke(name)
    assert (result.exit_code, result.stdout) == (2, "")
    home = "unbroken " if name == "faults" else "acme-nurse 1.2 "
    assert f" of distribution {home}" in result.stderr
    assert "cannot be imported: ModuleNotFoundError" in result.stderr


def test_a_name_of_ours_means_our_command(invoke, install):
    """Installing a package replaces nothing. The help says so, and by which name the other one is run."""
    install("acme-nurse", NURSE, faults="acme_nurse:nurse")
    assert "Refuse with 429." in invoke("faults", "--list").stdout
    assert invoke("acme-nurse:faults").stdout == "how is you?\n"
    help = invoke("--help").stdout
    assert listed(help)[:-1] == NAMES
    assert "acme-nurse:faults Not run by 'faults', which is a command of unbroken itself. Examine" in one_line(help)


def test_two_strangers_with_one_name_are_told_apart(invoke, install):
    """Neither is preferred: the error says what to run."""
    for name in ("acme-one", "acme-two"):
        install(name, NURSE.replace("how is", name), nurse=f"{name.replace('-', '_')}:nurse")
    result = invoke("nurse")
    assert result.exit_code == 2
    assert "run unbroken acme-one:nurse or unbroken acme-two:nurse" in result.stderr
    assert invoke("acme-two:nurse").stdout == "acme-two you?\n"
    assert listed(invoke("--help").stdout)[-2:] == ["acme-one:nurse", "acme-two:nurse"]


@pytest.mark.parametrize(("typed", "meant"), [("dmeo", "demo"), ("nurze", "nurse")], ids=["ours", "foreign"])
def test_an_unknown_command_is_exit_code_2_with_a_proposal(invoke, install, typed, meant):
    """As for every other name."""
    install("acme-nurse", NURSE, nurse="acme_nurse:nurse")
    result = invoke(typed)
    assert result.exit_code == 2
    assert f"No such command '{typed}'. Did you mean '{meant}'?" in one_line(result.stderr)
    assert "Did you mean" not in invoke("xyzzy").stderr


def test_a_distribution_with_broken_metadata_is_ignored(invoke, install, tmp_path):
    """It breaks neither the help nor the commands of others."""
    install("acme-nurse", NURSE, nurse="acme_nurse:nurse")
    install("acme-broken", "", nurse="acme_broken:nurse")
    (tmp_path / "acme-broken" / "acme-broken-1.2.dist-info" / "entry_points.txt").write_bytes(
        b"\xff[unbroken.commands]"
    )
    assert listed(invoke("--help").stdout)[-1] == "nurse"


def test_a_distribution_that_is_twice_on_the_path_counts_once(invoke, install, tmp_path, monkeypatch):
    """The first one is the one that is imported."""
    install("acme-nurse", NURSE, nurse="acme_nurse:nurse")
    older = tmp_path / "older" / "Acme_Nurse-1.0.dist-info"
    older.mkdir(parents=True)
    (older / "METADATA").write_text("Metadata-Version: 2.1\nName: Acme_Nurse\nVersion: 1.0\n")
    (older / "entry_points.txt").write_text("[unbroken.commands]\nnurse = acme_nurse:gone\n")
    monkeypatch.setattr(sys, "path", [*sys.path, str(older.parent)])
    assert invoke("nurse").stdout == "how is you?\n"


def test_what_the_path_does_not_show_is_found_by_importlib(invoke, install, monkeypatch):
    """In a zip file or a frozen application there are no directories to look into."""
    install("acme-nurse", NURSE, nurse="acme_nurse:nurse")
    install("acme-broken", "", nurse="acme_broken:nurse")
    kind = type(distribution("unbroken"))  # that of importlib-metadata, where a program has imported it
    real = kind.entry_points

    def entry_points(self: Distribution):
        if self.name == "acme-broken":
            raise ValueError("broken")
        return real.fget(self)

    monkeypatch.setattr(kind, "entry_points", property(entry_points))
    found = _installed.installed()
    monkeypatch.setattr(_installed, "_on_path", lambda: iter(()))
    by_importlib = _installed.installed()
    assert by_importlib == {name: offers for name, offers in found.items() if name != "acme-broken"}
    assert listed(invoke("--help").stdout) == [*NAMES, "nurse"]


@pytest.mark.parametrize(
    "text",
    [
        "[unbroken.commands]\nnurse = acme_nurse:nurse\n",
        "[a]\nx = y:z\n\n[unbroken.commands]\n# one = a:b\n\nnurse=acme_nurse:nurse [cli]\n\n[z]\nq = r:s\n",
        "[unbroken.commands]\r\nnurse = acme_nurse:nurse\r\n[z]\r\nq = r:s",
    ],
    ids=["plain", "sections", "windows"],
)
@pytest.mark.parametrize(("ending", "metadata"), [("dist-info", "METADATA"), ("egg-info", "PKG-INFO")])
def test_entry_points_are_read_as_importlib_reads_them(invoke, tmp_path, monkeypatch, text, ending, metadata):
    """Sections, comments, extras, both layouts of the metadata."""
    info = tmp_path / "site" / f"acme_nurse-1.2.{ending}"
    info.mkdir(parents=True)
    (info / metadata).write_text("Metadata-Version: 2.1\nName: acme-nurse\nVersion: 1.2\n\nVersion: of the text\n")
    (info / "entry_points.txt").write_bytes(text.encode())
    (tmp_path / "site" / "acme_nurse.py").write_text(NURSE)
    monkeypatch.syspath_prepend(tmp_path / "site")
    (offer,) = _installed.installed()["acme-nurse"]
    assert offer[2:] == ("acme-nurse", "1.2")
    with monkeypatch.context() as patched:
        patched.setattr(_installed, "_on_path", lambda: iter(()))
        assert _installed.installed()["acme-nurse"] == [offer]
    assert invoke("nurse").stdout == "how is you?\n"
    sys.modules.pop("acme_nurse")


def test_commands_run_with_the_garbage_collector(install, tmp_path):
    """It is off only while the command line is imported."""
    source = "import gc\n\ndef nurse() -> None:\n    print(gc.isenabled())\n"
    install("acme-nurse", source, nurse="acme_nurse:nurse")
    code = "import sys; sys.path.insert(0, sys.argv.pop(1)); from unbroken_cli import main; main()"
    arguments = [sys.executable, "-c", code, str(tmp_path / "acme-nurse"), "nurse"]
    assert subprocess.run(arguments, capture_output=True, text=True, check=True).stdout == "True\n"
