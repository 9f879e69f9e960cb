"""What an answer says about itself: its id, its model, why it ended."""

from collections.abc import Iterable
from typing import Any

from attrs import define, field

from unbroken.error_bodies import as_object, load_json_object
from unbroken.messages import Event, Summary

from ._choices import index_of, objects_of


@define(eq=False)
class Told:
    """What the events of an attempt have told about the answer as a whole."""

    _id: str | None = field(default=None, init=False)
    _model: str | None = field(default=None, init=False)
    _reasons: dict[int, str] = field(factory=dict[int, str], init=False)
    """By the index of the choice, which `Choices` bounds in the same way."""
    _events: dict[bool, Event] = field(factory=dict[bool, Event], init=False)
    """Events of the Responses API: the first, and under True the last. They are decoded when they are asked for."""

    def chunk(self, document: dict[str, Any]) -> None:
        """Take note of a chunk that is not of the plainest form, as the first and that of a finish reason are."""
        self._id = self._id or _text(document.get("id"))
        self._model = self._model or _text(document.get("model"))
        for choice in objects_of(document.get("choices")):
            reason = _text(choice.get("finish_reason"))
            if reason is not None and len(self._reasons) < 128:
                self._reasons[index_of(choice)] = reason

    def event(self, event: Event, *, ends: bool) -> None:
        """Keep an event of the Responses API that contains the response."""
        self._events[ends] = event

    def summary(self) -> Summary:
        """Return what the events say."""
        responses = [as_object((load_json_object(event.raw) or {}).get("response")) for event in self._events.values()]
        reasons = [self._reasons[index] for index in sorted(self._reasons)]
        return Summary(
            id=self._id or _first(response.get("id") for response in responses),
            model=self._model or _first(response.get("model") for response in responses),
            finish_reasons=(*reasons, *(_ended(self._events.get(True)))),
        )


def _ended(event: Event | None) -> tuple[str, ...]:
    """Return why a response ended: its status, and for an incomplete one the reason."""
    response = as_object((load_json_object(event.raw) or {}).get("response")) if event is not None else {}
    status, details = _text(response.get("status")), as_object(response.get("incomplete_details"))
    said = _text(details.get("reason")) or status
    return () if said is None else (said,)


def _first(values: Iterable[Any]) -> str | None:
    return next(filter(None, map(_text, values)), None)


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None
