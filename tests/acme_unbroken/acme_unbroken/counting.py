"""A plugin that is a module: it counts the events of all calls."""

from unbroken import Event, hookimpl

name = "acme-counting"
seen: list[str] = []


@hookimpl
def on_event(event: Event) -> None:
    seen.append(event.type)
