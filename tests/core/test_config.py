"""Where settings come from, which of them wins, and what is said about the ones that are wrong."""

import subprocess
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from enum import Enum, StrEnum
from pathlib import Path
from typing import Any, Literal

import attrs
import pytest
from attrs import field, frozen
from hypothesis import given
from hypothesis import strategies as st

from unbroken.config import ARGUMENTS, Given, Settings, default_plugins, load_settings, structure
from unbroken.errors import ConfigurationError, Problem
from unbroken.validators import number


class Mode(Enum):
    FAST = "fast"
    SLOW = "slow"


class Shouting(StrEnum):
    LOUD = "LOUD"


class Opaque:
    pass


@frozen(kw_only=True)
class Budget:
    ratio: float = field(default=0.2, validator=number(above=0, at_most=1))
    per_second: float = 1.0


@frozen(kw_only=True)
class Some:
    whole: int = 1
    real: float = 1.0
    flag: bool = False
    text: str = ""
    maybe: float | None = 1.0
    label: str | None = None
    statuses: frozenset[int] = frozenset()
    mode: Mode = Mode.FAST
    shouting: Shouting = Shouting.LOUD
    kind: Literal["full", "equal"] = "full"
    either: int | Literal["auto"] = "auto"
    budget: Budget = Budget()
    make: Callable[[int], str] | None = None


def problems_of(config_class: type, *layers: Given) -> list[tuple[str, str, str]]:
    with pytest.raises(ConfigurationError) as caught:
        structure(config_class, layers, "some")
    return [(problem.path, problem.message, problem.source) for problem in caught.value.problems]


# -- sources ---------------------------------------------------------------------------------------


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def loaded(config: Any = None, environ: Mapping[str, str] | None = None, cwd: Path = Path("/")) -> Settings:
    return load_settings(config, environ=environ or {}, cwd=cwd)


def config_of(settings: Settings, name: str = "some") -> Some:
    return structure(Some, settings.layers(name), name)


def test_without_any_source_there_are_the_defaults() -> None:
    """Nothing said, nothing found: the default list and no values."""
    assert loaded() == Settings(plugins=default_plugins(), plugins_source="defaults")


def test_arguments_beat_environment_beats_file_beats_defaults(tmp_path: Path) -> None:
    """The four layers, in their order."""
    write(tmp_path / "unbroken.toml", "[some]\nwhole = 1\nreal = 1\ntext = 'file'")
    environ = {"UNBROKEN_SOME__WHOLE": "2", "UNBROKEN_SOME__REAL": "2"}
    config = config_of(loaded({"some": {"whole": 3}}, environ, tmp_path))
    assert (config.whole, config.real, config.text, config.flag) == (3, 2.0, "file", False)


@pytest.mark.parametrize(
    ("files", "found"),
    [
        ({"a/b/unbroken.toml": "plugins = ['here']", "unbroken.toml": "plugins = ['far']"}, "here"),
        ({"unbroken.toml": "plugins = ['far']"}, "far"),
        ({"a/pyproject.toml": "[tool.unbroken]\nplugins = ['shared']", "unbroken.toml": ""}, "shared"),
        (
            {
                "a/b/unbroken.toml": "plugins = ['own']",
                "a/b/pyproject.toml": "[tool.unbroken]\nplugins = ['shared']",
            },
            "own",
        ),
        (
            {
                "a/b/pyproject.toml": "[project]\nname = 'uses-unbroken'",
                "a/pyproject.toml": "[tool.other]",
                "unbroken.toml": "plugins = ['far']",
            },
            "far",
        ),
        ({"a/b/pyproject.toml": "this is broken", "unbroken.toml": "plugins = ['far']"}, "far"),
        ({"a/b/pyproject.toml": "tool = 'unbroken'", "unbroken.toml": "plugins = ['far']"}, "far"),
        ({"a/b/unbroken.toml/is/a/directory": "", "unbroken.toml": "plugins = ['far']"}, "far"),
        ({"unbroken.toml": "", "a/b/c": ""}, None),
    ],
    ids=[
        "nearest",
        "above",
        "pyproject",
        "own-first",
        "no-table",
        "broken-other",
        "odd-other",
        "directory",
        "empty",
    ],
)
def test_the_nearest_file_is_read(tmp_path: Path, files: dict[str, str], found: str | None) -> None:
    """The search goes upwards, passes over what does not speak of Unbroken, stops at the first that does."""
    (tmp_path / "a/b").mkdir(parents=True)
    for name, text in files.items():
        write(tmp_path / name, text)
    settings = loaded(cwd=tmp_path / "a/b")
    assert settings.plugins == ((found,) if found else default_plugins())


def test_a_relative_directory_is_searched_like_any_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without `cwd` the search begins in the working directory."""
    write(tmp_path / "unbroken.toml", "plugins = []")
    monkeypatch.chdir(tmp_path)
    assert load_settings(environ={}).plugins_source == str(tmp_path / "unbroken.toml")


def test_a_deleted_working_directory_is_no_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    """A service whose directory is gone has no file."""

    def gone() -> Path:
        raise FileNotFoundError

    monkeypatch.setattr(Path, "cwd", gone)
    assert load_settings(environ={}).plugins == default_plugins()


@pytest.mark.parametrize("name", ["other.toml", "pyproject.toml"])
@pytest.mark.parametrize("way", ["argument", "environment"])
def test_a_named_file_takes_the_place_of_the_search(tmp_path: Path, way: str, name: str) -> None:
    """`config=` and UNBROKEN_CONFIG name a file; in a pyproject.toml it is the table that counts."""
    write(tmp_path / "unbroken.toml", "plugins = ['found']")
    table = "[tool.unbroken]\n" if name == "pyproject.toml" else ""
    path = str(write(tmp_path / "sub" / name, f"{table}plugins = ['named']"))
    settings = (
        loaded(path, {"UNBROKEN_CONFIG": "missing"}, tmp_path)
        if way == "argument"
        else loaded({}, {"UNBROKEN_CONFIG": path}, tmp_path)
    )
    assert (settings.plugins, settings.plugins_source) == (("named",), path)


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("missing.toml", None, "cannot be read: No such file or directory"),
        pytest.param("\0.toml", None, "cannot be read: embedded null", id="nul"),
        ("a.toml", b"plugins = [", "is not valid TOML: "),
        ("a.toml", b"[a]\nb = nope", "is not valid TOML: Invalid value (at line 2, column 5)"),
        ("a.toml", b"\xff\xfd", "is not valid TOML: 'utf-8' codec"),
        ("a.toml", "a = 1".encode("utf-16"), "is UTF-16 text, and TOML must be UTF-8"),
        ("a.toml", b"path = 'C:\\a'\npath2 = \"C:\\a\"", "is not valid TOML: Unescaped '\\' in a string (at line 2"),
        pytest.param("a.toml", b"a = " + b"9" * 9999, "is not valid TOML: Exceeds the limit", id="number"),
        pytest.param("a.toml", b"a = " + b"[" * 99999, "is not valid TOML: ", id="nested"),
        ("pyproject.toml", b"", "has no table [tool.unbroken]"),
        ("pyproject.toml", b"[tool]\nunbroken = 5", "must be a table, not 5"),
    ],
)
def test_a_file_that_cannot_be_used_is_named(tmp_path: Path, name: str, data: bytes | None, message: str) -> None:
    """The error has the path and, where there is one, the position."""
    path = tmp_path / name
    if data is not None:
        path.write_bytes(data)
    with pytest.raises(ConfigurationError) as caught:
        loaded(path)
    [found] = caught.value.problems
    assert found.source == str(path)
    assert found.message.startswith(message)


@pytest.mark.parametrize("line_end", ["\n", "\r\n"], ids=["unix", "windows"])
def test_a_file_of_an_editor_of_windows_is_read(tmp_path: Path, line_end: str) -> None:
    """With a byte order mark, CR LF, names beyond ASCII, and a path in single quotes."""
    text = line_end.join(["[some]", "text = 'C:\\naïve\\path'", "whole = 4", ""])
    (tmp_path / "unbroken.toml").write_bytes(b"\xef\xbb\xbf" + text.encode())
    table = load_settings(environ={}, cwd=tmp_path).layers("some")[0]
    assert {key: given.value for key, given in table.items()} == {"text": "C:\\naïve\\path", "whole": 4}


def test_a_file_that_may_not_be_read_is_not_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A wrong mode must not look like no configuration."""

    def denied(path: Path) -> bytes:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "read_bytes", denied)
    with pytest.raises(ConfigurationError, match="cannot be read: Permission denied"):
        loaded(cwd=tmp_path)


@pytest.mark.parametrize(
    ("text", "name", "result"),
    [
        ("5", "whole", 5),
        ("0.2", "real", 0.2),
        ("3", "real", 3.0),
        ("true", "flag", True),
        ("[429, 500]", "statuses", {429, 500}),
        ("{ratio = 0.5}", "budget", Budget(ratio=0.5)),
        ("slow", "mode", Mode.SLOW),
        ("LOUD", "shouting", Shouting.LOUD),
        ("equal", "kind", "equal"),
        ("plain words", "text", "plain words"),
        ('"quoted"', "text", "quoted"),
        ("5", "text", "5"),
        ("true", "label", "true"),
        ("none", "maybe", None),
        ("", "text", ""),
        ("5\nb = 6", "text", "5\nb = 6"),
        pytest.param("[" * 99999, "text", "[" * 99999, id="nested"),
        ("auto", "either", "auto"),
    ],
)
def test_the_environment_is_read_as_toml_and_as_text_where_text_is_wanted(text: str, name: str, result: Any) -> None:
    """Numbers, lists and tables look as in the file; text needs no quotes."""
    settings = loaded(environ={f"UNBROKEN_SOME__{name.upper()}": text})
    assert getattr(config_of(settings), name) == result


@pytest.mark.parametrize(
    ("text", "name", "message"),
    [
        ("five", "whole", "must be a whole number, not 'five'"),
        ("", "whole", "must be a whole number, not ''"),
        ("2.7", "whole", "must be a whole number, not 2.7"),
        ("yes", "flag", "must be true or false, not 'yes'"),
        ("429,500", "statuses", "must be a list, not '429,500'"),
        ("str", "make", "must be a callable (which only Python can give) or none, not 'str'"),
    ],
)
def test_a_bad_variable_is_named(text: str, name: str, message: str) -> None:
    """The problem is at the field and the source is the variable."""
    variable = f"UNBROKEN_SOME__{name.upper()}"
    found = problems_of(Some, *loaded(environ={variable: text}).layers("some"))
    assert found == [(f"some.{name}", message, variable)]


def test_names_in_the_environment_have_underscores() -> None:
    """The variable of `some-plugin` is UNBROKEN_SOME_PLUGIN__…, nested fields follow, the nearer one wins."""
    settings = loaded(
        environ={
            "UNBROKEN_SOME_PLUGIN__BUDGET": "{ratio = 0.1, per_second = 3}",
            "UNBROKEN_SOME_PLUGIN__BUDGET__RATIO": "0.7",
            "UNBROKEN_PORT": "tcp://10.0.0.1:80",
            "OTHER_SOME__WHOLE": "1",
            "UNBROKEN_CONFIG": "",
        }
    )
    assert set(settings.tables) == {"some-plugin"}
    assert config_of(settings, "some-plugin").budget == Budget(ratio=0.7, per_second=3)


def test_tables_may_be_spelled_with_underscores() -> None:
    """Python identifiers are welcome as keys of a table."""
    settings = loaded({"some_plugin": {"whole": 3}})
    assert config_of(settings, "some-plugin").whole == 3


def test_a_ready_made_configuration_is_taken_in_python_only(tmp_path: Path) -> None:
    """A preset can stand for a table."""
    assert config_of(loaded({"some": Some(whole=5)})).whole == 5
    assert loaded({"some": Opaque()}).problems == (Problem("some", "must be a table, not an instance of Opaque"),)
    assert problems_of(Some, *loaded({"some": Budget()}).layers("some")) == [
        ("some", "must be a table, not an instance of Budget", ARGUMENTS)
    ]


# -- lists -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("file", "environment", "arguments", "result"),
    [
        (None, "", None, default_plugins()),
        (["a", "b"], "", None, ("a", "b")),
        (["a", "b"], "c, d ,", None, ("c", "d")),
        (["a", "b"], "c", ["e"], ("e",)),
        ([], "", None, ()),
        (["a", "b"], "-a", None, ("b",)),
        (["-retry"], "", None, ("timeout", "circuit-breaker", "rate-limit")),
        (["-retry"], "-timeout", None, ("circuit-breaker", "rate-limit")),
        (["a", "b"], "-a", ["-b"], ()),
        (["a", "b", "-a"], "", None, ("b",)),
    ],
)
def test_the_highest_list_counts_and_a_list_of_removals_amends(
    tmp_path: Path,
    file: list[str] | None,
    environment: str,
    arguments: list[str] | None,
    result: tuple[str, ...],
) -> None:
    """Arguments, else environment, else file, else the default list."""
    write(tmp_path / "unbroken.toml", "" if file is None else f"plugins = {file}")
    config = None if arguments is None else {"plugins": arguments}
    assert loaded(config, {"UNBROKEN_PLUGINS": environment}, tmp_path).plugins == result


def test_removals_are_kept_for_the_check_of_their_names() -> None:
    """A misspelt removal can be found later."""
    assert loaded(environ={"UNBROKEN_PLUGINS": "-retyr"}).removed == (Given("retyr", "UNBROKEN_PLUGINS"),)


def test_a_removal_of_what_the_same_list_does_not_have_is_a_problem() -> None:
    """``["-retry", Retry()]`` does not mean the default list without retry."""
    settings = loaded({"plugins": ["a", "-b"]})
    assert settings.problems == (Problem("plugins", "'-b' removes nothing"),)


@pytest.mark.parametrize(
    ("config", "path", "message"),
    [
        ({"plugins": "retry"}, "plugins", "must be a list of names"),
        ({"plugins": [1]}, "plugins", "must be a list of names"),
        ({"plugin": ["a"]}, "plugin", "must be a table, not a list (did you mean 'plugins'?)"),
        ({"some": 5}, "some", "must be a table, not 5"),
        ({5: {}}, "5", "is not the name of a plugin"),
        ({"some": {"use": 5}}, "some.use", "must be distribution:entry-point-name"),
        (5, "config", "must be a table or a path, not 5"),
        (b"x", "config", "must be a table or a path, not an instance of bytes"),
    ],
)
def test_what_has_the_wrong_shape_is_noted(config: Any, path: str, message: str) -> None:
    """These are raised together with the problems of the plugins."""
    assert loaded(config).problems == (Problem(path, message),)


def test_the_choice_of_a_distribution_is_no_setting(tmp_path: Path) -> None:
    """`use` is taken out of the table, whoever says it; the highest source wins."""
    write(tmp_path / "unbroken.toml", "[some]\nuse = 'file:some'\nwhole = 4\n[other]\nuse = 'file:other'")
    settings = loaded({"third": {"use": "python:third"}}, {"UNBROKEN_SOME__USE": "env:some"}, tmp_path)
    choices = {name: settings.choice(name) for name in ("some", "other", "third", "fourth")}
    assert {name: choice and (choice.value, choice.source) for name, choice in choices.items()} == {
        "some": ("env:some", "UNBROKEN_SOME__USE"),
        "other": ("file:other", str(tmp_path / "unbroken.toml")),
        "third": ("python:third", ARGUMENTS),
        "fourth": None,
    }
    assert config_of(settings).whole == 4
    assert config_of(settings, "other") == Some()


# -- properties -------------------------------------------------------------------------------------

NAMES = st.sampled_from([attribute.alias for attribute in attrs.fields(Some)]) | st.text(max_size=5)
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.just(b"x")
JUNK = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES | st.integers(), inner, max_size=3),
    max_leaves=6,
)


@given(st.dictionaries(st.text(max_size=5) | st.just("plugins") | st.integers(), JUNK, max_size=4))
def test_a_junk_document_is_settings_or_a_configuration_error(document: dict[Any, Any]) -> None:
    """Loading notes problems, it does not fall over."""
    settings = loaded(document)
    for name in settings.tables:
        with suppress(ConfigurationError):
            config_of(settings, name)


@given(st.dictionaries(NAMES.map(lambda name: f"UNBROKEN_SOME__{name}".upper()), st.text(max_size=9), max_size=4))
def test_a_junk_environment_is_settings_or_a_configuration_error(environ: dict[str, str]) -> None:
    """Every text is a value or a problem with the variable's name."""
    sources: set[str] = set()
    try:
        config_of(loaded(environ=environ))
    except ConfigurationError as error:
        sources = {found.source for found in error.problems}
    assert sources <= set(environ)


# -- imports ---------------------------------------------------------------------------------------


def test_importing_unbroken_loads_neither_cattrs_nor_tomllib() -> None:
    """Who builds a client of objects does not pay for files and entry points."""
    code = "import sys, unbroken.registry; print([m for m in ('cattrs', 'tomllib') if m in sys.modules])"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"
