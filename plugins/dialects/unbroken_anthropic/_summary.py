"""What a message says about itself: its id, its model, why it stopped."""

from collections import deque
from collections.abc import Iterable
from typing import Any, Final

from attrs import define, field

from unbroken.error_bodies import as_object, load_json_object
from unbroken.messages import Event, Summary

# Of the events with counts, the first has the id and one of the last the stop reason.
_KEPT: Final = 8


@define(eq=False)
class Told:
    """The few events of an attempt that tell about the message as a whole. They are decoded when they are asked for."""

    _first: Event | None = field(default=None, init=False)
    _latest: deque[Event] = field(factory=lambda: deque[Event](maxlen=_KEPT), init=False)

    def keep(self, event: Event) -> None:
        """Keep an event that has token counts."""
        if self._first is None:
            self._first = event
        else:
            self._latest.append(event)

    def summary(self) -> Summary:
        """Return what the events say."""
        events = [] if self._first is None else [self._first, *self._latest]
        objects = [document for event in events if (document := load_json_object(event.raw)) is not None]
        messages = [as_object(document.get("message")) for document in objects]
        deltas = [as_object(document.get("delta")) for document in objects]
        reason = _last(part.get("stop_reason") for part in (*messages, *deltas))
        return Summary(
            id=_last(message.get("id") for message in messages),
            model=_last(message.get("model") for message in messages),
            finish_reasons=() if reason is None else (reason,),
        )


def _last(values: Iterable[Any]) -> str | None:
    texts = [value for value in values if isinstance(value, str) and value]
    return texts[-1] if texts else None
