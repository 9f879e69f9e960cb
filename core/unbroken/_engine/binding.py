"""What ties plugins to a client: the callers of the hooks that they add, and the state that they take over."""

import logging
from collections.abc import Sequence
from typing import Any, Final, final

import pluggy
from attrs import define, field

from ..clock import Clock
from ..errors import ConfigurationError, Problem
from ..plugin import Plugin, plugin_name

_log = logging.getLogger("unbroken")


@final
class Callers:
    """The callers of all hooks, which a plugin gets as `relay`.

    A plugin that stays in a client whose other plugins change has the callers of the present plugins at any time.
    """

    __slots__ = ("_hooks",)

    def __init__(self, hooks: Any) -> None:
        self._hooks = hooks

    def __getattr__(self, name: str) -> Any:
        return getattr(object.__getattribute__(self, "_hooks"), name)  # a copy that has no hooks yet finds none

    def show(self, hooks: Any) -> None:
        """Have the callers of other plugins from now on."""
        self._hooks = hooks


@final
@define(eq=False, repr=False)
class Binding:
    """The plugins of a client with the callers that each of them was given."""

    manager: pluggy.PluginManager
    plugins: Sequence[object]
    _callers: dict[int, Callers] = field(factory=dict[int, Callers], init=False)
    """By the identity of the plugin, for those that are a `Plugin`."""

    def bind(self, clock: Clock, kept: "Binding") -> None:
        """Bind the plugins, but for those of `kept`. Raises ConfigurationError, and then binds none."""
        try:
            for plugin in self.plugins:
                if isinstance(plugin, Plugin):
                    self._callers[id(plugin)] = kept._callers.get(id(plugin)) or self._bound(plugin, clock)
        except BaseException:
            self.release()
            raise

    def _bound(self, plugin: Plugin, clock: Clock) -> Callers:
        callers = Callers(self.manager.hook)
        try:
            plugin.bind(callers, clock)
        except ConfigurationError:
            raise
        except Exception as error:
            message = f"raised {type(error).__name__}: {error}"
            raise ConfigurationError.of(Problem(f"{plugin_name(plugin)}.bind", message)) from error
        return callers

    def release(self) -> None:
        """Empty the callers, as these plugins never come into use: some may have been bound, and serve others too."""
        for name, _ in self.manager.list_name_plugin():
            self.manager.unregister(name=name)

    def take_over(self, old: "Binding") -> None:
        """Give the plugins that stay the new callers, and the state of those that are replaced to their successors.

        A successor has the same name and the same class.
        """
        before = {plugin_name(plugin): plugin for plugin in old.plugins if isinstance(plugin, Plugin)}
        for plugin in self.plugins:
            if (callers := old._callers.get(id(plugin))) is not None:
                callers.show(self.manager.hook)
        for plugin in self.plugins:
            replaced = before.get(plugin_name(plugin))
            if isinstance(plugin, Plugin) and type(replaced) is type(plugin) and id(plugin) not in old._callers:
                old._callers[id(replaced)].show(self.manager.hook)
                _adopt(plugin, replaced)


def _adopt(plugin: Plugin, replaced: Any) -> None:
    try:
        plugin.adopt(replaced)
    except Exception as error:  # noqa: BLE001  # the other plugins may have taken over theirs already
        _log.error("plugin %r failed in adopt; it has no state of before", plugin_name(plugin), exc_info=error)


UNBOUND: Final = Binding(pluggy.PluginManager("unbroken"), ())
"""That of no client."""
