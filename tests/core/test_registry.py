"""From names to plugin objects: only what is named is imported, all that goes wrong is said by name."""

import sys
import tomllib
import types
import warnings
from collections.abc import Callable
from importlib.metadata import EntryPoint, PackageNotFoundError
from pathlib import Path
from typing import Any, ClassVar

import pytest
from attrs import field, frozen

import unbroken
from unbroken import Client, ConfigurationError, Dialect, Order, Plugin, Problem, hookimpl, registry
from unbroken._settings import discovery
from unbroken.config import load_settings
from unbroken.registry import (
    DIALECTS,
    PLUGINS,
    TRANSPORTS,
    PluginOrderWarning,
    check,
    discover,
    order_problems,
    resolve_dialect,
    resolve_plugins,
)
from unbroken.testing import FakeClock, ScriptedTransport
from unbroken.validators import number, refused

from ..conftest import dist_info

INSTALLED = "installed distributions"


@frozen(kw_only=True)
class RetryConfig:
    max_retries: int = field(default=3, validator=number(at_least=0, whole=True))
    jitter: float = field(default=0.1, validator=number(at_least=0, at_most=1))


class Retry(Plugin):
    name = "retry"
    Config = RetryConfig


class Timeout(Plugin):
    name = "timeout"
    order = (Order(("retry",), "the deadline is not known yet"),)


class Breaker(Plugin):
    name = "circuit-breaker"


class Limiter(Plugin):
    name = "rate-limit"


class Alias(Plugin):
    name = "retry"


class Plain:
    name: ClassVar[str] = "plain"

    @hookimpl
    def on_finish(self) -> None: ...


class Exploding(Plugin):
    name = "exploding"

    @classmethod
    def from_config(cls, config: Any) -> "Exploding":
        raise RuntimeError("boom")


class Refusing(Plugin):
    name = "refusing"

    @classmethod
    def from_config(cls, config: Any) -> "Refusing":
        raise refused("host", "is not reachable")


class Grumbling(Plugin):
    name = "grumbling"

    @classmethod
    def from_config(cls, config: Any) -> "Grumbling":
        raise ConfigurationError("no")


class Prefixing(Plugin):
    name = "prefixing"

    @classmethod
    def from_config(cls, config: Any) -> "Prefixing":
        raise refused("prefixing.host", "is not reachable")


class Loud:
    def sync_transport(self) -> None: ...

    def async_transport(self) -> None: ...


READY = Timeout()
NUMBER = 5
RETRY_NONE = Retry(max_retries=0)


class Shout(Dialect):
    name = "shout"


class Mute(Dialect):
    def __init__(self) -> None:
        raise RuntimeError("no voice")


SHOUT = Shout()
HOOKS = types.ModuleType("fake_hooks_module")
HOOKS.on_finish = hookimpl(lambda call, outcome: None)  # type: ignore[attr-defined]


class FakeDistribution:
    def __init__(self, name: str) -> None:
        self.name = name
        self.version = "1.0"


Install = Callable[..., None]


@pytest.fixture
def install(monkeypatch: pytest.MonkeyPatch) -> Install:
    """Fake what is installed: (name, value) or (name, value, distribution) each, the group by keyword."""
    groups: dict[str, list[EntryPoint]] = {}

    def install(*entries: tuple[str, ...], group: str = PLUGINS) -> None:
        for name, value, *distribution in entries:
            entry_point = EntryPoint(name, value, group)
            vars(entry_point)["dist"] = FakeDistribution(distribution[0]) if distribution else None
            groups.setdefault(group, []).append(entry_point)

    module = types.ModuleType("fake_plugins")
    vars(module).update({name: value for name, value in globals().items() if not name.startswith("__")})
    monkeypatch.setitem(sys.modules, "fake_plugins", module)
    monkeypatch.setitem(sys.modules, "fake_hooks_module", HOOKS)
    monkeypatch.setattr(registry, "_entry_points", lambda group: groups.get(group, []))
    return install


BUILT_IN = (("retry", "fake_plugins:Retry", "unbroken"), ("timeout", "fake_plugins:Timeout", "unbroken"))
DEFAULTS = (
    *BUILT_IN,
    ("circuit-breaker", "fake_plugins:Breaker", "unbroken"),
    ("rate-limit", "fake_plugins:Limiter", "unbroken"),
)


def resolved(plugins: Any = None, config: Any = None, **environ: str) -> list[Any]:
    return resolve_plugins(plugins, config, environ=environ, cwd="/")


def problems(plugins: Any = None, config: Any = None, **environ: str) -> list[tuple[str, str, str]]:
    with pytest.raises(ConfigurationError) as caught:
        resolved(plugins, config, **environ)
    return [(found.path, found.message, found.source) for found in caught.value.problems]


# -- what is used ------------------------------------------------------------------------------------


def test_the_default_list_is_used_when_nobody_says_otherwise(install: Install) -> None:
    """``Client()`` has clocks, retries, a breaker and a limiter."""
    install(*DEFAULTS)
    timeout, retry, breaker, limiter = resolved()
    assert (type(breaker), type(limiter)) == (Breaker, Limiter)
    assert isinstance(timeout, Timeout)
    assert isinstance(retry, Retry)
    assert retry.config == RetryConfig()


def test_names_are_configured_from_all_sources(install: Install, tmp_path: Path) -> None:
    """Arguments beat the environment, the environment beats the file."""
    install(*BUILT_IN)
    (tmp_path / "unbroken.toml").write_text("plugins = ['retry']\n[retry]\nmax_retries = 7\njitter = 0.7")
    [retry] = resolve_plugins(
        None, {"retry": {"max_retries": 9}}, environ={"UNBROKEN_RETRY__JITTER": "0.5"}, cwd=tmp_path
    )
    assert isinstance(retry, Retry)
    assert retry.config == RetryConfig(max_retries=9, jitter=0.5)


def test_a_list_of_removals_amends_the_list_below(install: Install) -> None:
    """``plugins=["-retry"]`` is the default list without it."""
    install(*DEFAULTS)
    assert [plugin.name for plugin in resolved(["-retry"])] == ["timeout", "circuit-breaker", "rate-limit"]
    assert [plugin.name for plugin in resolved(UNBROKEN_PLUGINS="-timeout,-rate-limit")] == ["retry", "circuit-breaker"]


def test_objects_alone_read_no_file_no_environment_and_no_entry_point(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What is built by hand depends on nothing around it."""

    def explode(*arguments: Any, **named: Any) -> Any:
        raise AssertionError

    monkeypatch.setattr(registry, "_entry_points", explode)
    monkeypatch.setattr(registry, "load_settings", explode)
    monkeypatch.setattr(Path, "read_bytes", explode)
    plugins = [Timeout(), Retry()]
    assert resolve_plugins(plugins) == plugins
    assert resolve_plugins(plugins, {}) == plugins
    assert resolve_plugins([]) == []


def test_names_and_objects_may_be_mixed(install: Install) -> None:
    """Names are configured, objects stay as they are; a file that speaks of an object is not for it."""
    install(*BUILT_IN)
    mine = Retry(max_retries=1)
    timeout, retry = resolved(["timeout", mine], UNBROKEN_RETRY__MAX_RETRIES="9")
    assert isinstance(timeout, Timeout)
    assert retry is mine
    assert retry.config.max_retries == 1


def test_only_what_is_named_is_imported(install: Install) -> None:
    """A broken plugin that nobody asked for harms nobody, and is listed all the same."""
    install(*BUILT_IN, ("broken", "module_that_is_not_there:Plugin", "acme"))
    assert len(resolved(["retry"])) == 1
    assert [found.name for found in discover()] == ["broken", "retry", "timeout"]


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        ("fake_plugins:Plain", Plain),
        ("fake_plugins:Retry", Retry),
        ("fake_plugins:READY", Timeout),
        ("fake_hooks_module", types.ModuleType),
    ],
)
def test_classes_are_built_and_modules_and_objects_taken(install: Install, value: str, kind: type) -> None:
    """Whatever has hooks can be a plugin."""
    install(("thing", value, "acme"))
    [plugin] = resolved(["thing"], {"thing": {}})
    assert isinstance(plugin, kind)


# -- what is refused ---------------------------------------------------------------------------------


def test_everything_wrong_with_all_plugins_is_one_error(install: Install) -> None:
    """Names, tables and values of all plugins come together, each with path and source."""
    install(*BUILT_IN, ("plain", "fake_plugins:Plain", "acme"))
    config = {"retry": {"max_retries": -1, "jiter": 1}, "plain": {"a": 1}, "tiemout": {}, "timeout": 5}
    assert problems(["retry", "plain", "time-out"], config, UNBROKEN_RETRY__JITTER="2") == [
        ("timeout", "must be a table, not 5", "arguments"),
        (
            "tiemout",
            "'tiemout' is not installed (did you mean 'timeout'?); there is plain, retry, timeout",
            "arguments",
        ),
        ("retry.jiter", "is not one of its settings (did you mean 'jitter'?)", "arguments"),
        ("retry.jitter", "must be a finite number of at least 0 up to 1, not 2.0", "UNBROKEN_RETRY__JITTER"),
        ("retry.max_retries", "must be a whole number of at least 0, not -1", "arguments"),
        ("plain", "has no settings", "arguments"),
        (
            "plugins",
            "'time-out' is not installed (did you mean 'timeout'?); there is plain, retry, timeout",
            "arguments",
        ),
    ]


@pytest.mark.parametrize(
    ("plugins", "config", "path", "message"),
    [
        ("retry", None, "plugins", "must be a list of plugins, not 'retry'; give a list: ['retry']"),
        (["rety"], None, "plugins", "'rety' is not installed (did you mean 'retry'?); there is "),
        (
            ["rate_limit"],
            None,
            "plugins",
            "'rate_limit' is not installed (did you mean 'rate-limit'?); there is",
        ),
        (["-rety"], None, "plugins", "'rety' is not installed (did you mean 'retry'?); there is "),
        ([Timeout(), "-retry"], None, "plugins", "'-retry' removes nothing"),
        (["retry", "retry"], None, "plugins", "'retry' is there twice; a name stands for one plugin"),
        (["retry", Retry()], None, "plugins", "'retry' is there twice; a name stands for one plugin"),
        ([Retry(), Retry()], None, "plugins", "'retry' is there twice; a name stands for one plugin"),
        (["retry", "alias"], None, "plugins", "'retry' is there twice; a name stands for one plugin"),
        (
            ["timeout", Retry()],
            {"retry": {}},
            "retry",
            "is given as an object, built already, and as a table",
        ),
        (
            [Retry()],
            {"retry": {}},
            "config",
            "has nothing to configure: every plugin is an object, built already",
        ),
        (["hooks"], {"hooks": {"a": 1}}, "hooks", "has no settings"),
        (["ready"], {"ready": RetryConfig()}, "ready", "has no settings"),
        (["number"], None, "number", "acme:number is neither a plugin class nor anything with hooks, but 5"),
        (["timeout"], {"timeout": {"idle": 1}}, "timeout.idle", "is not one of its settings"),
        (["refusing"], None, "refusing.host", "is not reachable"),
        (["prefixing"], None, "prefixing.host", "is not reachable"),
        (["grumbling"], None, "grumbling", "no"),
    ],
)
def test_what_makes_no_sense_is_refused(install: Install, plugins: Any, config: Any, path: str, message: str) -> None:
    """Each mistake has a message that says what to do instead."""
    install(
        *DEFAULTS,
        ("alias", "fake_plugins:Alias", "acme"),
        ("hooks", "fake_hooks_module", "acme"),
        ("ready", "fake_plugins:READY", "acme"),
        ("number", "fake_plugins:NUMBER", "acme"),
        ("refusing", "fake_plugins:Refusing", "acme"),
        ("prefixing", "fake_plugins:Prefixing", "acme"),
        ("grumbling", "fake_plugins:Grumbling", "acme"),
    )
    [(found, said, _)] = problems(plugins, config)
    assert found == path
    assert said.startswith(message)


@pytest.mark.parametrize(
    ("value", "what", "cause"),
    [
        ("module_that_is_not_there:Plugin", "cannot be imported", ModuleNotFoundError),
        ("fake_plugins:Missing", "cannot be imported", AttributeError),
        ("fake_plugins:Exploding", "cannot be built", RuntimeError),
    ],
)
def test_a_named_plugin_that_cannot_load_is_fatal(
    install: Install, value: str, what: str, cause: type[Exception]
) -> None:
    """The error names the distribution and has the cause."""
    install(("stamp", value, "acme-unbroken"))
    with pytest.raises(ConfigurationError) as caught:
        resolved(["stamp"])
    [found] = caught.value.problems
    assert found.path == "stamp"
    assert found.source == INSTALLED
    assert found.message.startswith(f"{what} ({value} of distribution acme-unbroken 1.0): {cause.__name__}: ")
    assert isinstance(caught.value.__cause__, cause)


def test_without_anything_installed_the_message_says_so(install: Install) -> None:
    """A broken installation looks like one; a distribution without a name is no obstacle."""
    assert problems(["retry"]) == [("plugins", "'retry' is not installed; there is nothing", "arguments")]
    assert problems(["retry"], {"retry": {"use": "a:retry"}}) == [
        ("retry.use", "'a:retry' is not installed; there is nothing", "arguments")
    ]
    install(("plain", "fake_plugins:Plain"))
    assert [(found.distribution, found.version) for found in discover()] == [("unknown", "unknown")]


# -- two distributions with one name -----------------------------------------------------------------


CLASH = (*BUILT_IN, ("retry", "fake_plugins:RETRY_NONE", "acme-unbroken"))


def test_a_strangers_plugin_of_a_name_of_ours_changes_nothing(install: Install) -> None:
    """A plain name stands for the plugin of this distribution."""
    install(*CLASH)
    assert resolved(["retry"])[0].config == RetryConfig()


def test_two_strangers_with_one_name_are_an_error_that_names_both(install: Install) -> None:
    """Nothing is taken by chance, and the message says how to choose."""
    install(("pause", "fake_plugins:Retry", "acme-unbroken"), ("pause", "fake_plugins:Retry", "zenith"))
    assert problems(["pause"]) == [
        (
            "plugins",
            (
                "'pause' is offered by acme-unbroken 1.0 and zenith 1.0; "
                'choose with [pause] use = "acme-unbroken:pause"'
            ),
            "arguments",
        )
    ]


def test_a_list_may_name_the_distribution(install: Install) -> None:
    """The table of the name is for the one that is listed, which goes before ``use``; removing goes by the name."""
    install(*CLASH)
    assert resolved(["acme-unbroken:retry"]) == [RETRY_NONE]
    assert resolved(["Acme_Unbroken:retry"], {"retry": {"use": "unbroken:retry"}}) == [RETRY_NONE]
    [retry] = resolved(["unbroken:retry"], {"retry": {"max_retries": 9}})
    assert retry.config.max_retries == 9
    assert resolved(["-retry"], {"plugins": ["acme-unbroken:retry"]}) == []
    assert problems(["acme-unbroken:retry", "retry"]) == [
        ("plugins", "'retry' is there twice; a name stands for one plugin", "arguments")
    ]


def test_a_listed_distribution_that_is_not_installed_is_refused(install: Install) -> None:
    """And what is installed is named."""
    install(*BUILT_IN)
    assert problems(["acme:retry"]) == [
        ("plugins", "'acme:retry' is not installed; there is unbroken:retry, unbroken:timeout", "arguments")
    ]


@pytest.mark.parametrize(
    ("config", "environ", "chosen"),
    [
        ({"retry": {"use": "acme-unbroken:retry"}}, {}, RETRY_NONE),
        ({"retry": {"use": "Acme_Unbroken:retry"}}, {}, RETRY_NONE),
        ({}, {"UNBROKEN_RETRY__USE": "acme-unbroken:retry"}, RETRY_NONE),
        ({"retry": {"use": "unbroken:retry"}}, {"UNBROKEN_RETRY__USE": "acme-unbroken:retry"}, None),
        ({"retry": {"use": "unbroken:retry", "max_retries": 3}}, {}, None),
    ],
)
def test_the_configuration_chooses_between_distributions(
    install: Install, config: Any, environ: dict[str, str], chosen: object
) -> None:
    """``use`` names distribution and entry point, in a table or in the environment."""
    install(*CLASH)
    [retry] = resolved(["retry"], config, **environ)
    assert retry is chosen or (chosen is None and retry.config == RetryConfig())


def test_a_choice_that_is_not_installed_is_refused(install: Install) -> None:
    """A misspelt choice does not fall back to anything."""
    install(*BUILT_IN)
    assert problems(["retry"], UNBROKEN_RETRY__USE="acme:retry") == [
        (
            "retry.use",
            "'acme:retry' is not installed; there is unbroken:retry, unbroken:timeout",
            "UNBROKEN_RETRY__USE",
        )
    ]


# -- order -------------------------------------------------------------------------------------------


class Outer(Plugin):
    name = "outer"
    order = (Order(("inner", "core"), "what is inside decides too early"), Order(("log",), "the log sees nothing"))


class Inner(Plugin):
    name = "inner"
    order = (Order(("core",), "the core would not be asked at all"),)


def named(name: str) -> Plugin:
    return type(name, (Plugin,), {"name": name})()


@pytest.mark.parametrize(
    ("plugins", "wrong"),
    [
        ([], []),
        ([Outer(), Inner(), named("core"), named("log")], []),
        ([named("inner"), named("other")], []),
        ([Inner(), Outer()], ["inner in front of outer: what is inside decides too early"]),
        (
            [named("core"), Inner(), Outer()],
            [
                "core in front of inner: the core would not be asked at all",
                "core and inner in front of outer: what is inside decides too early",
            ],
        ),
        ([named("log"), Outer()], ["log in front of outer: the log sees nothing"]),
    ],
    ids=["none", "good", "without-rules", "one", "several", "second-rule"],
)
def test_an_order_that_makes_no_sense_is_explained(plugins: list[object], wrong: list[str]) -> None:
    """Each plugin says itself who belongs behind it, and why."""
    assert order_problems(plugins) == wrong


def test_an_order_that_makes_no_sense_is_warned_about_where_the_client_is_built() -> None:
    """The warning points at the user's line, however many of ours are between."""
    inside = str(Path(registry.__file__))
    ours = {"resolve_plugins": resolve_plugins}
    exec(compile("def client(plugins): return resolve_plugins(plugins)", inside, "exec"), ours)
    with pytest.warns(PluginOrderWarning, match="retry in front of timeout: the deadline") as caught:
        ours["client"]([Retry(), Timeout()])
    assert caught[0].filename == __file__
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert resolve_plugins([Timeout(), Retry()])


# -- dialects ----------------------------------------------------------------------------------------


def test_a_dialect_is_an_object_or_a_name(install: Install) -> None:
    """An object looks nothing up; a class is built, an object behind a name is taken."""
    assert resolve_dialect(SHOUT) is SHOUT
    install(("shout", "fake_plugins:Shout", "acme"), ("ready", "fake_plugins:SHOUT", "acme"), group=DIALECTS)
    assert type(resolve_dialect("shout")) is Shout
    assert type(resolve_dialect("acme:shout")) is Shout
    assert resolve_dialect("ready") is SHOUT


@pytest.mark.parametrize(
    ("dialect", "message"),
    [
        ("shuot", "'shuot' is not installed (did you mean 'shout'?); there is mute, number, shout, twice"),
        ("twice", "'twice' is offered by acme 1.0 and other 1.0; choose with dialect='acme:twice'"),
        ("nobody:shout", "'nobody:shout' is not installed; there is acme:mute, acme:number, acme:shout,"),
        ("mute", "cannot be built (fake_plugins:Mute of distribution acme 1.0): RuntimeError: no voice"),
        ("number", "acme:number is not a Dialect but 5"),
        (Shout, "must be a name or a Dialect object, not the class Shout"),
        (5, "must be a name or a Dialect object, not 5"),
    ],
)
def test_a_dialect_that_cannot_be_used_is_refused(install: Install, dialect: Any, message: str) -> None:
    """The same care as for plugins."""
    install(
        ("shout", "fake_plugins:Shout", "acme"),
        ("mute", "fake_plugins:Mute", "acme"),
        ("number", "fake_plugins:NUMBER", "acme"),
        ("twice", "fake_plugins:Shout", "acme"),
        ("twice", "fake_plugins:Shout", "other"),
        group=DIALECTS,
    )
    with pytest.raises(ConfigurationError) as caught:
        resolve_dialect(dialect)
    [found] = caught.value.problems
    assert found.path == "dialect"
    assert found.message.startswith(message)


# -- really installed --------------------------------------------------------------------------------


def test_an_installed_distribution_is_found_and_broken_ones_are_passed_over(acme: None) -> None:
    """Listing imports nothing, never fails, and of two copies sees the one that would be imported."""
    mine = [(found.id, found.version) for found in discover() if found.distribution == "acme-unbroken"]
    project = Path(__file__).parents[1] / "acme_unbroken" / "pyproject.toml"
    offered = tomllib.loads(project.read_text("utf-8"))["project"]["entry-points"]["unbroken.plugins"]
    assert {"acme-stamp", "acme-broken", "retry"} <= offered.keys()
    assert mine == [(f"acme-unbroken:{name}", "1.0.0") for name in sorted(offered)]
    assert "acme_unbroken" not in sys.modules


def test_a_third_party_plugin_is_used_by_name(acme: None) -> None:
    """It is configured like a built-in one."""
    [stamp] = resolved(["acme-stamp"], {"acme-stamp": {"text": "hello"}}, UNBROKEN_ACME_STAMP__HEADER="X-Who")
    assert (stamp.config.header, stamp.config.text) == ("X-Who", "hello")


def test_the_metadata_of_a_distribution_without_plugins_is_not_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Parsing the metadata of all that is installed would take longer than everything else."""

    class Bare:
        entry_points: ClassVar[list[EntryPoint]] = [EntryPoint("a", "b", "console_scripts")]

    monkeypatch.setattr("importlib.metadata.distributions", lambda: [Bare()])
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    assert discovery.installed_entry_points(PLUGINS) == []


def test_what_is_installed_while_the_program_runs_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is read again where no folder of the import path has changed."""
    folder = tmp_path / "site-packages"
    monkeypatch.syspath_prepend(folder)
    assert "late" not in {found.name for found in discover()}
    dist_info(folder, "late-plugin", "1.2", f"[{PLUGINS}]\nlate = late_plugin:Late\n")
    [late] = [found for found in discover() if found.name == "late"]
    assert (late.id, late.version) == ("late-plugin:late", "1.2")
    with monkeypatch.context() as context:
        context.setattr("importlib.metadata.distributions", lambda: pytest.fail("it was read again"))
        assert late in discover()
    monkeypatch.setattr(sys, "path", [str(tmp_path / "nowhere"), ""])
    assert discover() == []


def test_a_problem_says_where_it_comes_from() -> None:
    """The text of the error is readable as it is."""
    with pytest.raises(ConfigurationError, match=r"^plugins: must be a list .* \(from arguments\)$") as caught:
        resolve_plugins("retry")
    assert caught.value.problems == (
        Problem("plugins", "must be a list of plugins, not 'retry'; give a list: ['retry']"),
    )
    assert isinstance(caught.value, unbroken.Error)


# -- the default list --------------------------------------------------------------------------------


def offer_defaults(monkeypatch: pytest.MonkeyPatch, modules: dict[str, str]) -> None:
    """Fake the distribution `unbroken`: its plugins with their modules, in the order of the default list."""
    entries = [EntryPoint(name, f"{module}:Plugin", PLUGINS) for name, module in modules.items()]
    entries += [EntryPoint(name, str(place), "unbroken.defaults") for place, name in enumerate(modules)]
    distribution = types.SimpleNamespace(entry_points=entries[::-1])
    monkeypatch.setattr("importlib.metadata.distribution", lambda name: distribution)


def test_defaults_that_are_not_installed_are_left_out_and_named(install: Install, monkeypatch: Any) -> None:
    """In the order of their positions; the client says what is missing."""
    install(("timeout", "fake_plugins:Timeout", "unbroken"), ("retry", "fake_plugins:Retry", "unbroken"))
    offer_defaults(monkeypatch, {"timeout": "fake_plugins", "gone": "no_such_module_of_ours", "retry": "fake_plugins"})
    sys.modules["fake_plugins"].__spec__ = types.SimpleNamespace()  # type: ignore[assignment]
    settings = load_settings({}, environ={}, cwd="/")
    assert (settings.plugins, settings.left_out) == (("timeout", "retry"), ("gone",))
    client = Client(transport=ScriptedTransport([], FakeClock()), config={})
    assert client.describe().splitlines()[2] == "plugins: timeout, retry"
    assert client.describe().splitlines()[-1] == "not installed, left out: gone"
    assert load_settings({"plugins": ["-gone"]}, environ={}, cwd="/").left_out == ()
    assert load_settings({"plugins": ["retry"]}, environ={}, cwd="/").left_out == ()


def test_without_the_distribution_there_is_no_default_list(monkeypatch: Any) -> None:
    """As when the sources are on the path and nothing is installed."""

    def missing(name: str) -> Any:
        raise PackageNotFoundError(name)

    monkeypatch.setattr("importlib.metadata.distribution", missing)
    assert load_settings({}, environ={}, cwd="/").plugins == ()


# -- checked, not built ---------------------------------------------------------------------------------


def checked(config: Any, **environ: str) -> list[tuple[str, str]]:
    return [(found.path, found.message) for found in check(load_settings(config, environ=environ, cwd="/"))]


def test_a_check_of_good_settings_finds_nothing_and_builds_nothing(install: Install) -> None:
    """A plugin whose building fails has good settings all the same."""
    install(*BUILT_IN, ("hooks", "fake_hooks_module"), ("broken", "fake_plugins:Exploding"))
    install(("loud", "fake_plugins:Loud", "unbroken"), group=TRANSPORTS)
    tables = {"plugins": ["retry", "hooks", "broken"], "transport": "loud", "timeout": {}, "retry": {"jitter": 0.5}}
    assert checked(tables) == []


def test_a_check_finds_the_problems_of_every_table_once(install: Install) -> None:
    """Also in the tables of plugins that are not in the list, and in the name of the transport."""
    install(*DEFAULTS, ("hooks", "fake_hooks_module"), ("number", "fake_plugins:NUMBER", "acme"))
    tables: dict[str, Any] = {
        "plugins": ["retry", "hooks", "number"],
        "retry": {"jitter": 2, "max_retires": 3},
        "circuit_breaker": {"threshold": "many"},
        "hooks": {"a": 1},
        "klingon": {},
        "transport": "smoke",
        "insecure": 1,
    }
    found = checked(tables)
    assert [path for path, _ in found] == [
        "insecure",
        "klingon",
        "retry.max_retires",
        "retry.jitter",
        "hooks",
        "number",
        "circuit-breaker.threshold",
        "transport",
    ]
    assert ("hooks", "has no settings") in found


def test_a_check_imports_only_what_is_named(install: Install) -> None:
    """The table of a plugin names it."""
    install(*BUILT_IN, ("missing", "no_such_module:Plugin", "acme"))
    assert checked({"plugins": ["retry"]}) == []
    [(path, message)] = checked({"plugins": ["retry"], "missing": {}})
    assert path == "missing"
    assert message.startswith("cannot be imported")
