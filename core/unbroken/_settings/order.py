"""Checks the order of plugins by the rules that the plugins define. The first plugin of a list is the outermost."""

from collections.abc import Sequence

from ..plugin import Order, plugin_name


def order_problems(plugins: Sequence[object]) -> list[str]:
    """Return what is wrong with the order of `plugins`, one sentence for each broken rule."""
    found: list[str] = []
    for place, plugin in enumerate(plugins):
        in_front = [plugin_name(each) for each in plugins[:place]]
        rules: Sequence[Order] = getattr(plugin, "order", ())
        for rule in rules:
            early = [name for name in in_front if name in rule.before]
            if early:
                found.append(f"{' and '.join(early)} in front of {plugin_name(plugin)}: {rule.why}")
    return found
