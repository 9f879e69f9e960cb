"""From plugin objects to the tuples of functions that a client calls: order, options, and what is refused."""

import functools
import inspect
import re
import types
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import pluggy
import pytest
from attrs import field, frozen

from unbroken import Clock, ConfigurationError, Event, Plugin, Request, SystemClock, Wait, hookimpl
from unbroken._engine.hooks import HOOKS, Hooks, compile_hooks
from unbroken.hookspecs import HookSpecs, hookspec
from unbroken.plugin import plugin_name
from unbroken.validators import number

EVERY_HOOK = pytest.mark.parametrize("hook", HOOKS)
ARGUMENTS = {hook: list(inspect.signature(getattr(HookSpecs, hook)).parameters)[1:] for hook in HOOKS}


def implementing(hook: str, name: str = "probe", body: str = "return None", prefix: str = "", mark: Any = None) -> Any:
    """A plugin class with one hook, written as its author would."""
    source = f"{prefix}def {hook}(self, {', '.join(ARGUMENTS[hook])}):\n    {body}\n"
    space: dict[str, Any] = {}
    exec(source, space)
    function = space[hook]
    return type(Plugin)("Probe", (Plugin,), {"name": name, hook: mark(function) if mark else function})


def callers(hooks: Hooks, hook: str) -> list[str]:
    return [name for _, name in getattr(hooks, hook)]


def refused(*plugins: object) -> list[tuple[str, str]]:
    with pytest.raises(ConfigurationError) as caught:
        compile_hooks(plugins)
    return [(problem.path, problem.message) for problem in caught.value.problems]


# The specifications


@EVERY_HOOK
def test_the_base_class_has_every_hook_as_specified(hook: str) -> None:
    """Name by name and type by type, so that a type checker sees what the engine calls."""
    assert inspect.signature(getattr(Plugin, hook)) == inspect.signature(getattr(HookSpecs, hook))
    assert inspect.getdoc(getattr(HookSpecs, hook))


def test_every_hook_is_part_of_the_name_of_a_test() -> None:
    """Of a test of what it does, in the file about the contract."""
    source = Path(__file__).with_name("test_plugin_contract.py").read_text()
    tests = re.findall(r"^def (test_\w+)", source, re.MULTILINE)
    assert [hook for hook in HOOKS if not any(hook in name for name in tests)] == []


# Order


@EVERY_HOOK
def test_a_plugin_without_hooks_costs_nothing(hook: str) -> None:
    """The no-ops of the base class are not called."""
    hooks = compile_hooks([Plugin()])
    assert getattr(hooks, hook) == ()
    assert (hooks.on_event_by_type, hooks.retry_wrappers) == ({}, ())


@EVERY_HOOK
def test_the_order_of_plugins_is_the_order_of_calls(hook: str) -> None:
    """Outermost first; what cleans up goes the other way."""
    hooks = compile_hooks([implementing(hook, name)() for name in "abc"])
    wanted = ["c", "b", "a"] if hook in {"after_request", "on_finish"} else ["a", "b", "c"]
    assert callers(hooks, hook) == wanted
    assert hooks.names == ("a", "b", "c")
    assert all(function(*ARGUMENTS[hook]) is None for function, _ in getattr(hooks, hook))


@EVERY_HOOK
def test_tryfirst_and_trylast_move_a_plugin(hook: str) -> None:
    """Among those that implement the hook; cleaning up goes the other way here, too."""
    plugins = [
        implementing(hook, "last", mark=hookimpl(trylast=True))(),
        implementing(hook, "a")(),
        implementing(hook, "b", mark=hookimpl)(),
        implementing(hook, "first", mark=hookimpl(tryfirst=True))(),
    ]
    wanted = ["first", "a", "b", "last"]
    assert callers(compile_hooks(plugins), hook) == (wanted[::-1] if hook in {"after_request", "on_finish"} else wanted)


# Plugins of every make


class Marked:
    """Not a `Plugin`: its hooks are marked."""

    @hookimpl
    def before_request(self, call: Any, request: Any) -> Any:
        return self

    @hookimpl(specname="on_finish")
    def finished(self, outcome: Any) -> Any:
        return outcome

    @property
    def on_event(self) -> Any:
        raise AssertionError("no property may be run")

    def on_error(self, call: Any, error: Any) -> Any:
        raise AssertionError("it is not marked")


def test_a_plain_object_has_its_marked_functions_as_hooks() -> None:
    """Those alone; by another name where they say so."""
    plugin = Marked()
    hooks = compile_hooks([plugin])
    assert callers(hooks, "before_request") == callers(hooks, "on_finish") == ["Marked"]
    assert hooks.before_request[0][0](1, 2) is plugin
    assert hooks.on_finish[0][0](1, 2) == 2
    assert hooks.on_event == hooks.on_error == ()


def test_a_module_is_a_plugin() -> None:
    """With its marked functions, under its own name."""
    module = types.ModuleType("acme.hooks")

    @hookimpl
    def should_retry(call: Any, error: Any) -> Any:
        return error

    vars(module).update(should_retry=should_retry, helper=lambda: None, Request=Request, functools=functools)
    hooks = compile_hooks([module])
    assert hooks.should_retry == ((should_retry, "acme.hooks"),)


def test_a_mark_of_pluggy_itself_counts() -> None:
    """For those who know pluggy and not our `hookimpl`; a hook that is nobody's may be optional."""
    mark = pluggy.HookimplMarker("unbroken")

    class Pluggy:
        @mark(trylast=True)
        def on_commit(self, event: Any) -> Any:
            return event

        @mark(optionalhook=True)
        def on_circuit_state_change(self, circuit: str) -> None: ...

    hooks = compile_hooks([Pluggy()])
    assert hooks.on_commit[0][0](1, 2) == 2


def test_a_hook_that_only_one_plugin_may_miss_is_still_a_misspelling_in_another() -> None:
    """The one that may miss it does not make it a hook."""

    class Optional:
        @pluggy.HookimplMarker("unbroken")(optionalhook=True)
        def on_weather(self) -> None: ...

    class Misspelt:
        @hookimpl
        def on_weather(self) -> None: ...

    assert compile_hooks([Optional()])
    for plugins in ([Optional(), Misspelt()], [Misspelt(), Optional()]):
        ((place, problem),) = refused(*plugins)
        assert (place.rpartition(".")[2], problem) == ("on_weather", "is not a hook")


class Binding(Plugin):
    """Every way of writing a method."""

    name = "binding"

    @staticmethod
    def before_request(call: Any, request: Any) -> Any:  # type: ignore[override]
        return call, request

    @classmethod
    def on_response(cls, call: Any, response: Any) -> Any:
        return cls, response

    @hookimpl
    @staticmethod
    def on_commit(call: Any, event: Any) -> Any:  # type: ignore[override]
        return event

    @classmethod
    @hookimpl(tryfirst=True)
    def on_error(cls, call: Any, error: Any) -> Any:
        return error

    on_event = None  # type: ignore[assignment]


def test_static_and_class_methods_are_hooks_too() -> None:
    """Bound as Python binds them; a hook that is None is not there."""
    hooks = compile_hooks([Binding()])
    assert hooks.before_request[0][0](1, 2) == (1, 2)
    assert hooks.on_response[0][0](1, 2) == (Binding, 2)
    assert (hooks.on_commit[0][0](1, 2), hooks.on_error[0][0](1, 2)) == (2, 2)
    assert hooks.on_event == ()


def test_an_inherited_hook_is_a_hook() -> None:
    """Whoever overrides it or puts it between."""

    class Child(implementing("on_error", body="return error")):  # type: ignore[misc]
        pass

    assert compile_hooks([Child()]).on_error[0][0](1, 2) == 2


def test_attributes_that_are_no_functions_are_left_alone() -> None:
    """Whatever they answer when they are asked for a mark."""

    class Agreeable:
        def __getattr__(self, name: str) -> Any:
            return {"specname": "nonsense"}

    class Holder(Plugin):
        name = "holder"
        helper = Agreeable()
        on_events = 5

    plugin = Holder()
    plugin.__dict__["client"] = Agreeable()
    assert compile_hooks([plugin]).names == ("holder",)


@pytest.mark.parametrize(
    ("plugin", "name"),
    [
        pytest.param(implementing("on_error", "a-name")(), "a-name", id="name"),
        pytest.param(Plugin(), "Plugin", id="class"),
        pytest.param(types.ModuleType("a.module"), "a.module", id="module"),
        pytest.param(Marked(), "Marked", id="plain-object"),
        pytest.param(types.SimpleNamespace(name=5), "SimpleNamespace", id="name-is-no-text"),
    ],
)
def test_a_plugin_has_a_name(plugin: object, name: str) -> None:
    """Its own, or that of its class or module."""
    assert plugin_name(plugin) == name


# Arguments


@pytest.mark.parametrize(
    ("signature", "result"),
    [
        ("call, event", (1, 2)),
        ("event, call", (1, 2)),
        ("event", (None, 2)),
        ("call", (1, None)),
        ("", (None, None)),
        ("call, event, more=3", (1, 2)),
        ("call, event=None", (1, 2)),
        ("call=None, event=None", (1, 2)),
        ("*, call, event", (1, 2)),
        ("call, *, event", (1, 2)),
        ("call, event, /", (1, 2)),
    ],
)
def test_a_hook_gets_the_arguments_that_it_names(signature: str, result: tuple[Any, Any]) -> None:
    """In its own order, fewer if it likes, with a default or without."""
    space: dict[str, Any] = {}
    exec(
        f"def on_event(self{', ' if signature else ''}{signature}):\n"
        f"    return locals().get('call'), locals().get('event')",
        space,
    )
    plugin = type("Probe", (Plugin,), {"on_event": space["on_event"]})()
    ((function, _),) = compile_hooks([plugin]).on_event
    assert function(1, 2) == result


def test_a_full_signature_is_called_without_a_detour() -> None:
    """The bound method itself, for it is called for each event."""
    plugin = implementing("on_event")()
    ((function, _),) = compile_hooks([plugin]).on_event
    assert function == plugin.on_event


def test_an_argument_that_the_hook_does_not_have_is_refused() -> None:
    """By the names of plugin and argument."""

    class Wrong(Plugin):
        name = "wrong"

        def on_event(self, call: Any, evnt: Any) -> None: ...  # type: ignore[override]

    ((path, message),) = refused(Wrong())
    assert path == "wrong"
    assert "'on_event'" in message
    assert "{'evnt'}" in message


# Event types


class Deltas(Plugin):
    name = "deltas"

    @hookimpl(events=["delta", "stop"])
    def on_event(self, call: Any, event: Event) -> None: ...


class Stops(Plugin):
    name = "stops"

    @hookimpl(events={"stop"})
    def on_event(self, call: Any, event: Event) -> None: ...


def test_a_limited_on_event_costs_nothing_for_other_events() -> None:
    """The tuple for all other types is empty; among its own types the order holds."""
    hooks = compile_hooks([Deltas(), Stops()])
    assert hooks.on_event == ()
    assert {kind: [name for _, name in bounds] for kind, bounds in hooks.on_event_by_type.items()} == {
        "delta": ["deltas"],
        "stop": ["deltas", "stops"],
    }


def test_limited_and_unlimited_plugins_keep_their_order() -> None:
    """Whoever looks at everything is in each of the tuples, at its place."""
    hooks = compile_hooks([Stops(), implementing("on_event", "all")(), Deltas()])
    assert callers(hooks, "on_event") == ["all"]
    assert {kind: [name for _, name in bounds] for kind, bounds in hooks.on_event_by_type.items()} == {
        "delta": ["all", "deltas"],
        "stop": ["stops", "all", "deltas"],
    }


def test_no_event_type_is_no_event() -> None:
    """An empty limit is never called."""
    hooks = compile_hooks([implementing("on_event", mark=hookimpl(events=()))()])
    assert (hooks.on_event, hooks.on_event_by_type) == ((), {})


def test_a_lone_string_is_no_collection_of_event_types() -> None:
    """It would be one of single letters."""
    with pytest.raises(TypeError, match=r"events must be a collection of event types: \{'delta'\}"):
        hookimpl(events="delta")


# What is refused


def _mark_wrapper(function: Any) -> Any:
    return hookimpl(wrapper=True)(function)


@EVERY_HOOK
@pytest.mark.parametrize(
    ("prefix", "body"), [("async ", "return None"), ("async ", "yield"), ("@static\nasync ", "return None")],
    ids=["coroutine", "async-generator", "static"],
)  # fmt: skip
@pytest.mark.parametrize("marked", [False, True], ids=["unmarked", "marked"])
def test_E64_a_coroutine_function_is_refused_by_name(hook: str, prefix: str, body: str, marked: bool) -> None:
    """It would be called and never run."""
    plugin = implementing(
        hook, body=body, prefix=prefix.partition("\n")[2] or prefix, mark=hookimpl if marked else None
    )
    if prefix.startswith("@"):
        setattr(plugin, hook, staticmethod(vars(plugin)[hook]))
    assert refused(plugin()) == [(f"probe.{hook}", "is a coroutine function; hooks are synchronous")]


@EVERY_HOOK
def test_E64_a_generator_function_is_refused_by_name(hook: str) -> None:
    """It would be called and never run, too."""
    plugin = implementing(hook, body="yield")()
    assert refused(plugin) == [(f"probe.{hook}", "is a generator function; only a wrapper yields")]


@EVERY_HOOK
def test_wrappers_are_taken_around_should_retry_alone(hook: str) -> None:
    """Elsewhere they are refused by name."""
    plugin = implementing(hook, body="return (yield)", mark=_mark_wrapper)()
    if hook == "should_retry":
        hooks = compile_hooks([plugin])
        assert ([name for _, name in hooks.retry_wrappers], hooks.should_retry) == (["probe"], ())
    else:
        assert refused(plugin) == [(f"probe.{hook}", "is a wrapper; only should_retry takes wrappers")]


def test_a_wrapper_that_does_not_yield_is_refused() -> None:
    """pluggy says so."""
    ((path, message),) = refused(implementing("should_retry", mark=_mark_wrapper)())
    assert path == "probe"
    assert "not a generator function" in message


def test_wrappers_are_ordered_outermost_first() -> None:
    """As everything else."""
    plugins = [implementing("should_retry", name, "return (yield)", mark=_mark_wrapper)() for name in "ab"]
    assert callers(compile_hooks(plugins), "retry_wrappers") == ["a", "b"]


@pytest.mark.parametrize(
    ("misspelt", "meant"),
    [
        ("before_reqest", "before_request"),
        ("on_events", "on_event"),
        ("onevent", "on_event"),
        ("shouldretry", "should_retry"),
        ("should_retrie", "should_retry"),
        ("on_finished", "on_finish"),
        ("after_requests", "after_request"),
    ],
)
@pytest.mark.parametrize("make", ["plugin", "plain"])
def test_a_misspelt_hook_is_refused_with_the_right_name(misspelt: str, meant: str, make: str) -> None:
    """A method that is nearly a hook, and a marked function that is none, would never be called."""
    if make == "plugin":
        plugin = type("Probe", (Plugin,), {misspelt: lambda self: None})()
    else:
        plugin = type("Probe", (), {misspelt: hookimpl(lambda self: None)})()
    assert refused(plugin) == [(f"Probe.{misspelt}", f"is not a hook; did you mean {meant}?")]


def test_a_marked_function_that_resembles_no_hook_is_refused() -> None:
    """Nobody specifies it."""
    plugin = type("Probe", (Plugin,), {"frobnicate": hookimpl(lambda self: None)})()
    assert refused(plugin) == [("Probe.frobnicate", "is not a hook")]


@pytest.mark.parametrize(
    "name", ["_on_event", "_should_retry", "label", "reset", "state", "snapshot", "__before_request"]
)
def test_a_helper_is_no_misspelt_hook(name: str) -> None:
    """Private names, names of the base class, and names that are nothing like a hook."""
    plugin = type("Probe", (Plugin,), {"name": "probe", name: lambda self: "probe"})()
    assert compile_hooks([plugin]).names == ("probe",)


@EVERY_HOOK
def test_a_hook_that_is_no_function_is_refused(hook: str) -> None:
    """pluggy would pass it over in silence."""
    plugin = type("Probe", (Plugin,), {hook: functools.partial(print)})()
    assert refused(plugin) == [(f"Probe.{hook}", "is not a function")]


@EVERY_HOOK
def test_a_hook_that_is_set_on_the_object_is_refused(hook: str) -> None:
    """The class decides what a plugin implements."""
    plugin: Any = Plugin()
    setattr(plugin, hook, lambda call, payload: None)
    assert refused(plugin) == [(f"Plugin.{hook}", "is set on the object; a hook is a method of its class")]


@pytest.mark.parametrize("plugin", [Plugin, Marked], ids=lambda it: it.__name__)
def test_a_class_is_refused(plugin: type) -> None:
    """Its functions would be called without an object."""
    assert refused(plugin) == [(plugin.__name__, "is a class; give an instance of it")]


@pytest.mark.parametrize(
    "thing", [object(), 5, types.ModuleType("empty"), lambda: None], ids=lambda thing: type(thing).__name__
)
def test_what_has_no_hooks_is_refused(thing: object) -> None:
    """A configuration instead of its plugin, a forgotten mark: nothing would ever be called."""
    assert refused(thing)[0][1] == "has no hooks; mark its functions with @hookimpl"


def test_nothing_is_no_plugin() -> None:
    """pluggy would pass over it in silence."""
    assert refused(None) == [("NoneType", "has no hooks; mark its functions with @hookimpl")]


def test_two_plugins_of_one_name_are_refused() -> None:
    """A name stands for one plugin."""
    plugins = [implementing("on_error", name)() for name in "abab"]
    assert refused(*plugins) == [("a", "is listed twice"), ("b", "is listed twice")]


def test_equal_plugins_are_refused() -> None:
    """An attrs class compares by value unless it is told not to; pluggy cannot tell the two apart."""

    class Equal(implementing("on_error")):  # type: ignore[misc]
        __hash__ = None

        def __init__(self, name: str) -> None:
            self.name = name

        def __eq__(self, other: object) -> bool:
            return isinstance(other, Equal)

    assert refused(Equal("a"), Equal("b")) == [
        ("a", "is equal to another plugin of the list; plugins compare by identity")
    ]


def test_every_problem_is_reported_at_once() -> None:
    """Of all plugins and of all kinds, in the order of the list."""
    plugins = [
        implementing("on_error", "a", prefix="async ")(),
        Marked,
        type("Wrong", (Plugin,), {"name": "c", "on_event": lambda self, evnt: None, "hookspecs": object})(),
        type("Near", (Plugin,), {"name": "d", "on_events": lambda self: None, "on_error": 5})(),
        implementing("on_error", "e")(),
    ]
    found = refused(*plugins)
    assert [path for path, _ in found] == [
        "a.on_error",
        "Marked",
        "c",
        "d.on_error",
        "d.on_events",
        "c.hookspecs",
    ]


# Hooks of plugins


class BreakerSpecs:
    """What a circuit breaker adds."""

    @hookspec
    def on_circuit_state_change(self, circuit: str, state: str) -> None:
        """Called when a circuit opens or closes."""


class Breaker(Plugin):
    name = "breaker"
    hookspecs = BreakerSpecs
    relay: Any = None

    def bind(self, relay: Any, clock: Clock) -> None:
        self.relay = relay


class Listener(Plugin):
    def __init__(self, name: str, heard: list[Any]) -> None:
        super().__init__()
        self.name = name  # type: ignore[misc]
        self.heard = heard

    def on_circuit_state_change(self, circuit: str, state: str) -> None:
        self.heard.append((self.name, circuit, state))


def test_a_plugin_can_add_hooks_that_others_implement() -> None:
    """It is given the callers when it is bound; the order is that of the list, wherever it stands itself."""
    heard: list[Any] = []
    breaker = Breaker()
    compile_hooks([Listener("a", heard), breaker, Listener("b", heard)])
    breaker.relay.on_circuit_state_change(circuit="x", state="open")
    assert heard == [("a", "x", "open"), ("b", "x", "open")]


def test_a_plain_object_implements_added_hooks_too() -> None:
    """Marked, as always."""
    heard: list[Any] = []

    class Plain:
        @hookimpl
        def on_circuit_state_change(self, state: str) -> None:
            heard.append(state)

    breaker = Breaker()
    compile_hooks([breaker, Plain()])
    breaker.relay.on_circuit_state_change(circuit="x", state="open")
    assert heard == ["open"]


def test_an_added_hook_that_nobody_adds_is_just_a_method() -> None:
    """A listener can be used without the plugin that it listens to."""
    assert compile_hooks([Listener("a", [])]).names == ("a",)


class Optional(Plugin):
    """Listens to a plugin that need not be there, under a name of its own choice."""

    name = "optional"

    def __init__(self, heard: list[str]) -> None:
        super().__init__()
        self.heard = heard

    @hookimpl(specname="on_circuit_state_change", optional=True)
    def listen(self, state: str) -> None:
        self.heard.append(state)


def test_an_optional_hook_is_called_where_it_is_specified() -> None:
    """In any order of the two plugins."""
    for step in (1, -1):
        heard: list[str] = []
        breaker = Breaker()
        compile_hooks([breaker, Optional(heard)][::step])
        breaker.relay.on_circuit_state_change(circuit="x", state="open")
        assert heard == ["open"]


def test_an_optional_hook_is_just_a_function_where_nobody_specifies_it() -> None:
    """Of a `Plugin`, and of a plain object, where any other mark would be refused."""
    plain = types.SimpleNamespace(on_circuit_state_change=hookimpl(optional=True)(lambda state: None))
    hooks = compile_hooks([Optional([]), plain])
    assert hooks.names == ("optional", "SimpleNamespace")
    assert all(getattr(hooks, hook) == () for hook in HOOKS)
    plain.on_circuit_state_change = hookimpl(lambda state: None)
    assert refused(plain) == [("SimpleNamespace.on_circuit_state_change", "is not a hook")]


@pytest.mark.parametrize("there", [True, False], ids=["specified", "not-specified"])
def test_an_optional_hook_that_cannot_be_one_is_refused_in_any_case(there: bool) -> None:
    """Not only on the day when the other plugin is added."""

    class Wrong(Plugin):
        @hookimpl(optional=True)
        async def on_circuit_state_change(self, state: str) -> None: ...

    problem = ("Wrong.on_circuit_state_change", "is a coroutine function; hooks are synchronous")
    assert refused(Wrong(), *[Breaker()] * there) == [problem]


def test_an_optional_hook_takes_the_arguments_that_there_are() -> None:
    """As every other."""

    class Wrong(Plugin):
        @hookimpl(optional=True)
        def on_circuit_state_change(self, backend: str) -> None: ...

    ((path, message),) = refused(Wrong(), Breaker())
    assert path == "Wrong"
    assert "backend" in message


def test_each_client_has_its_own_callers() -> None:
    """Whoever listens in one client hears nothing of another."""
    heard: list[Any] = []
    first, second = Breaker(), Breaker()
    compile_hooks([first, Listener("a", heard)])
    compile_hooks([second, Listener("b", heard)])
    second.relay.on_circuit_state_change(circuit="x", state="open")
    assert heard == [("b", "x", "open")]


def test_two_plugins_may_add_the_same_hooks() -> None:
    """Two breakers of one client have one specification."""
    first, second = Breaker(), Breaker()
    second.name = "other"  # type: ignore[misc]
    heard: list[Any] = []
    compile_hooks([first, second, Listener("a", heard)])
    second.relay.on_circuit_state_change(circuit="x", state="open")
    assert heard == [("a", "x", "open")]


def test_a_specification_that_exists_cannot_be_added() -> None:
    """The engine's hooks are the engine's."""

    class Specs:
        @hookspec
        def on_event(self, call: Any) -> None: ...

    ((path, message),) = refused(type("Probe", (Plugin,), {"hookspecs": Specs})())
    assert path == "Probe.hookspecs"
    assert "on_event" in message


def test_a_specification_without_hooks_is_refused() -> None:
    """A forgotten mark."""
    assert refused(type("Probe", (Plugin,), {"hookspecs": object})())[0][0] == "Probe.hookspecs"


def test_a_coroutine_function_for_an_added_hook_is_refused() -> None:
    """As for any other."""

    class Wrong(Plugin):
        name = "wrong"

        async def on_circuit_state_change(self, circuit: str, state: str) -> None: ...

    assert refused(Breaker(), Wrong())[0][0] == "wrong.on_circuit_state_change"


# Describing


def test_the_pipeline_is_described() -> None:
    """The plugins in order, then who acts at each hook, and for which events."""
    plugins = [
        implementing("before_request", "a")(),
        implementing("should_retry", "budget", "return (yield)", mark=_mark_wrapper)(),
        implementing("should_retry", "retry")(),
        implementing("on_event", "every")(),
        Deltas(),
        implementing("on_finish", "log")(),
    ]
    assert compile_hooks(plugins).describe() == "\n".join(
        [
            "plugins: a, budget, retry, every, deltas, log",
            "  before_request       a",
            "  on_event             every, deltas (delta), deltas (stop)",
            "  should_retry         budget, retry",
            "  on_finish            log",
        ]
    )


def test_an_empty_pipeline_is_described() -> None:
    """As empty."""
    assert compile_hooks([]).describe() == "plugins: none"


# The base class


@frozen(kw_only=True)
class KnobConfig:
    size: int = field(validator=number(at_least=1, whole=True))
    shade: str = "red"
    hidden: int = field(default=1, init=False)


class Knob(Plugin):
    name = "knob"
    Config = KnobConfig


def test_a_plugin_is_built_of_values_or_of_a_configuration() -> None:
    """Or of a configuration and what differs from it."""
    config = KnobConfig(size=2)
    assert Knob(size=2).config == Knob(config).config == Knob.from_config(config).config == config
    assert Knob(config, shade="blue").config == KnobConfig(size=2, shade="blue")
    assert repr(Knob(size=2)) == "<Knob KnobConfig(size=2, shade='red', hidden=1)>"


@pytest.mark.parametrize(
    ("make", "problems"),
    [
        pytest.param(lambda: Knob(sise=1, hidden=2, size=3), ["knob.sise", "knob.hidden"], id="unknown"),
        pytest.param(Knob, ["knob.size"], id="required"),
        pytest.param(lambda: Knob(color="red"), ["knob.color", "knob.size"], id="both"),
        pytest.param(lambda: Knob({"size": 1}), ["knob"], id="table"),
        pytest.param(lambda: Knob(KnobConfig(size=1), sise=1), ["knob.sise"], id="unknown-beside-config"),
        pytest.param(lambda: Knob(size=0), ["size"], id="E63-bad-value"),
        pytest.param(lambda: Plugin(size=0), ["Plugin.size"], id="nothing-to-configure"),
    ],
)
def test_what_a_plugin_cannot_be_built_of_is_refused(make: Callable[[], object], problems: list[str]) -> None:
    """By the name of the setting."""
    with pytest.raises(ConfigurationError) as caught:
        make()
    assert [problem.path for problem in caught.value.problems] == problems


@EVERY_HOOK
def test_the_base_class_does_nothing(hook: str) -> None:
    """Calling `super()` is harmless: None, and the transport as it is."""
    payload = [object() for _ in ARGUMENTS[hook]]
    answer = getattr(Plugin(), hook)(*payload)
    assert answer is (payload[0] if hook.startswith("wrap_") else None)
    assert Plugin().bind(None, SystemClock()) is None


def test_a_mark_leaves_the_function_as_it_is() -> None:
    """It is an attribute, nothing more: the method can be called and tested as before."""

    class Marking(Plugin):
        @hookimpl(tryfirst=True)
        def before_request(self, call: Any, request: Request) -> Wait:
            return Wait(1)

        @hookimpl(wrapper=True)
        def should_retry(self, call: Any, error: Any) -> Generator[None, Any, Any]:  # type: ignore[override]
            return (yield)

    assert Marking().before_request(None, Request.build("GET", "https://example.org")) == Wait(1)
    assert inspect.isgeneratorfunction(Marking.should_retry)


def test_a_constructor_of_ones_own_keeps_its_signature() -> None:
    """The settings stand in place of keywords that are passed on, and of nothing else."""

    class Own(Plugin):
        def __init__(self, first: int, *, second: str = "x") -> None: ...

    class Passing(Plugin):
        Config = KnobConfig

        def __init__(self, first: int, **options: Any) -> None: ...

    assert str(inspect.signature(Own)) == "(first: int, *, second: str = 'x')"
    assert list(inspect.signature(Passing).parameters) == ["first", "size", "shade"]
