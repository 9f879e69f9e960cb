"""From plugin objects to tuples of bound functions.

pluggy declares, validates and orders the hooks. Calling them through it would cost one or two microseconds per hook and
event, so each client compiles its hooks once and then calls plain functions.
"""

import difflib
import inspect
from collections.abc import Callable, Iterable, Sequence
from typing import Any, cast

import pluggy
from attrs import field, frozen

from ..clock import Clock, SystemClock
from ..errors import ConfigurationError, Problem
from ..hookspecs import HookSpecs
from ..plugin import MARK, Plugin, plugin_name
from .binding import UNBOUND, Binding

Function = Callable[..., Any]
Bound = tuple[Function, str]
"""A hook's function and the name of its plugin."""

HOOKS: tuple[str, ...] = tuple(name for name in vars(HookSpecs) if not name.startswith("_"))


@frozen
class Hooks:
    """The hooks of one client, each with its functions in the order in which they are called."""

    before_request: tuple[Bound, ...]
    on_response: tuple[Bound, ...]
    on_usage: tuple[Bound, ...]
    on_commit: tuple[Bound, ...]
    on_event: tuple[Bound, ...]
    """For the event types that are not in `on_event_by_type`."""
    on_event_by_type: dict[str, tuple[Bound, ...]]
    on_error: tuple[Bound, ...]
    should_retry: tuple[Bound, ...]
    retry_wrappers: tuple[Bound, ...]
    """Outermost first."""
    after_request: tuple[Bound, ...]
    on_finish: tuple[Bound, ...]
    on_decision: tuple[Bound, ...]
    wrap_transport: tuple[Bound, ...]
    wrap_async_transport: tuple[Bound, ...]
    names: tuple[str, ...]
    """The names of the plugins, outermost first."""
    left_out: tuple[str, ...] = ()
    """Plugins of the default list that are not installed."""
    binding: Binding = field(default=UNBOUND, eq=False, repr=False)

    def describe(self) -> str:
        """Return a text that shows the plugins in order and the plugins at each hook."""
        lines = ["plugins: " + (", ".join(self.names) or "none")]
        for hook in HOOKS:
            bounds: tuple[Bound, ...] = getattr(self, hook)
            if hook == "should_retry":
                bounds = (*self.retry_wrappers, *bounds)
            names = [name for _, name in bounds]
            if hook == "on_event":
                for event_type, limited in self.on_event_by_type.items():
                    names += [f"{name} ({event_type})" for function, name in limited if (function, name) not in bounds]
            if names:
                lines.append(f"  {hook:<21}{', '.join(names)}")
        if self.left_out:
            lines.append(f"not installed, left out: {', '.join(self.left_out)}")
        return "\n".join(lines)


class _Manager(pluggy.PluginManager):
    """A plugin manager for which every overridden hook of a `Plugin` is an implementation, even without a mark."""

    def parse_hookimpl_opts(self, plugin: object, name: str) -> Any:
        function, mark = _found(plugin, name)
        if function is None:
            return None
        if mark is None:
            overrides = isinstance(plugin, Plugin) and function is not vars(Plugin).get(name)
            if not overrides or not self.is_hook(name):
                return None
        return {"optionalhook": False, "hookwrapper": False, **_DEFAULTS, **(mark or {})}

    def is_hook(self, name: str) -> bool:
        """Return whether the engine or a plugin specifies a hook of this name."""
        caller = getattr(self.hook, name, None)
        return isinstance(caller, pluggy.HookCaller) and caller.has_spec()


_DEFAULTS = {"wrapper": False, "tryfirst": False, "trylast": False, "specname": None, "events": None}


def _found(plugin: object, name: str) -> tuple[Any, dict[str, Any] | None]:
    """Return the function `name` of `plugin` and the options of its mark, without evaluating properties."""
    static = inspect.getattr_static(type(plugin) if isinstance(plugin, Plugin) else plugin, name, None)
    function = static if inspect.isfunction(static) else getattr(static, "__func__", None)
    if not inspect.isfunction(function):
        return None, None
    mark: Any = getattr(static, MARK, getattr(function, MARK, None))
    return function, cast("dict[str, Any]", mark) if isinstance(mark, dict) else None


def compile_hooks(plugins: Sequence[object], clock: Clock | None = None, kept: Binding = UNBOUND) -> Hooks:
    """Check `plugins`, the outermost first, and return their compiled hooks.

    `clock` is the client's; None means the system's. `kept` are its present plugins, which are not bound again. Raises
    ConfigurationError with all problems.
    """
    manager = _Manager("unbroken")
    manager.add_hookspecs(HookSpecs)
    names = [plugin_name(plugin) for plugin in plugins]
    problems = [Problem(name, "is listed twice") for name in dict.fromkeys(names) if names.count(name) > 1]
    if not problems:
        problems += _add_hookspecs(manager, plugins)
        # pluggy calls the last registered plugin first, but the list has the outermost plugin first.
        for name, plugin in zip(names[::-1], plugins[::-1], strict=True):
            problems[:0] = list(_refusals(manager, name, plugin)) or _register(manager, name, plugin)
    if problems:
        raise ConfigurationError.of(*problems)
    binding = Binding(manager, tuple(plugins))
    hooks = _compiled(binding, tuple(names))
    binding.bind(SystemClock() if clock is None else clock, kept)
    return hooks


def _add_hookspecs(manager: _Manager, plugins: Sequence[object]) -> list[Problem]:
    added: list[object] = []
    problems: list[Problem] = []
    for plugin in plugins:
        specs = plugin.hookspecs if isinstance(plugin, Plugin) else None
        if specs is None or any(specs is one for one in added):
            continue
        added.append(specs)
        try:
            manager.add_hookspecs(specs)
        except ValueError as error:
            problems.append(Problem(f"{plugin_name(plugin)}.hookspecs", str(error)))
    return problems


def _register(manager: _Manager, name: str, plugin: object) -> list[Problem]:
    try:
        manager.register(plugin, name)
    except pluggy.PluginValidationError as error:
        return [Problem(name, str(error).replace("\n", " "))]
    except ValueError:
        return [Problem(name, "is equal to another plugin of the list; plugins compare by identity")]
    return []


def _refusals(manager: _Manager, name: str, plugin: object) -> Iterable[Problem]:
    """Yield the problems that pluggy does not find: objects that are not plugins, functions that cannot be hooks."""
    if inspect.isclass(plugin):
        yield Problem(name, "is a class; give an instance of it")
        return
    marked = False
    for attribute in dir(plugin):
        if attribute.startswith("__"):
            continue
        function, mark = _found(plugin, attribute)
        marked = marked or mark is not None
        if mark is not None or isinstance(plugin, Plugin):
            refusal = _refusal(manager, plugin, attribute, function, mark or {})
            if refusal:
                yield Problem(f"{name}.{attribute}", refusal)
    if not marked and not isinstance(plugin, Plugin):
        yield Problem(name, "has no hooks; mark its functions with @hookimpl")


def _refusal(manager: _Manager, plugin: object, attribute: str, function: Any, mark: dict[str, Any]) -> str:
    hook = mark.get("specname") or attribute
    if not manager.is_hook(hook) and not mark.get("optionalhook"):
        return "" if function is None else _misspelt(hook, marked=bool(mark))
    if isinstance(plugin, Plugin) and attribute in vars(plugin):
        return "is set on the object; a hook is a method of its class"
    if function is None:
        return "" if inspect.getattr_static(plugin, attribute) is None else "is not a function"
    if inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function):
        return "is a coroutine function; hooks are synchronous"
    if mark.get("wrapper") and hook != "should_retry":
        return "is a wrapper; only should_retry takes wrappers"
    if inspect.isgeneratorfunction(function) and not mark.get("wrapper"):
        return "is a generator function; only a wrapper yields"
    return ""


def _misspelt(name: str, *, marked: bool) -> str:
    """Return the message for a misspelt hook, empty if `name` is not suspect.

    Without a mark, only a public name that is very similar to a hook's is suspect.
    """
    if not marked and (name.startswith("_") or hasattr(Plugin, name)):
        return ""
    near = difflib.get_close_matches(name, HOOKS, 1, 0.6 if marked else 0.85)
    return f"is not a hook; did you mean {near[0]}?" if near else "is not a hook" if marked else ""


def _compiled(binding: Binding, names: tuple[str, ...]) -> Hooks:
    calls = {hook: _implementations(binding.manager, hook) for hook in HOOKS}
    bound = {hook: tuple(_bound(hook, impl) for impl in impls if not impl.wrapper) for hook, impls in calls.items()}
    wrappers = tuple(_bound("should_retry", impl) for impl in calls["should_retry"] if impl.wrapper)
    limits = [_limit(impl) for impl in calls["on_event"]]
    event_types = sorted({event_type for limit in limits if limit is not None for event_type in limit})
    every = list(zip(bound["on_event"], limits, strict=True))
    by_type = {
        event_type: tuple(one for one, limit in every if limit is None or event_type in limit)
        for event_type in event_types
    }
    bound["on_event"] = tuple(one for one, limit in every if limit is None)
    for hook in ("after_request", "on_finish"):
        bound[hook] = bound[hook][::-1]
    return Hooks(**bound, on_event_by_type=by_type, retry_wrappers=wrappers, names=names, left_out=(), binding=binding)


def _limit(impl: pluggy.HookImpl) -> frozenset[str] | None:
    options: dict[str, Any] = {**impl.opts}  # pluggy keeps our options with its own
    limit: frozenset[str] | None = options["events"]
    return limit


def _implementations(manager: pluggy.PluginManager, hook: str) -> list[pluggy.HookImpl]:
    caller: pluggy.HookCaller = getattr(manager.hook, hook)
    return caller.get_hookimpls()[::-1]


def _bound(hook: str, impl: pluggy.HookImpl) -> Bound:
    wanted = tuple(inspect.signature(getattr(HookSpecs, hook)).parameters)[1:]
    parameters = inspect.signature(impl.function).parameters
    # Includes parameters that pluggy never passes: those with a default, and keyword-only ones.
    names = tuple(name for name in parameters if name in wanted)
    if names == wanted and not any(parameters[name].kind is inspect.Parameter.KEYWORD_ONLY for name in names):
        return impl.function, impl.plugin_name
    places = [(name, wanted.index(name)) for name in names]

    def call(*payload: Any) -> Any:
        return impl.function(**{name: payload[place] for name, place in places})

    return call, impl.plugin_name
