"""An event of a stream: its bytes, and their meaning when it is asked for."""

from enum import Enum
from typing import TYPE_CHECKING, Any, Final, Generic, Protocol, cast, final

import msgspec

from .errors import StreamError
from .json_text import mended

if TYPE_CHECKING:
    from typing_extensions import TypeVar

    E_co = TypeVar("E_co", default=Any, covariant=True)
else:  # the standard library has no default (PEP 696) before Python 3.13, and only checkers read it
    from typing import TypeVar

    E_co = TypeVar("E_co", covariant=True)


class Typing(Protocol[E_co]):
    """The part of `unbroken.Dialect` that an event needs."""

    def typed(self, event: "Event") -> E_co:
        """Return `event` as an instance of its dialect's own class."""
        ...


class _Json(Enum):
    """The marker of JSON not yet decoded. Members of an enum keep their identity when copied and pickled."""

    UNREAD = "unread"


_UNREAD: Final[Any] = _Json.UNREAD
_decode_json = msgspec.json.decode


@final
class Event(msgspec.Struct, Generic[E_co], gc=False, eq=False):  # noqa: PLW1641  # its data can change: no hash
    """One dispatched SSE event (WHATWG HTML §9.2.6). The bytes are kept; text and JSON are made when asked for.

    Two events are equal when type, data and id are. Change one with `replace`.
    """

    type: str = "message"
    raw: bytes = b""
    """The data as bytes, its lines joined by LF."""
    id: str = ""
    """The last event id at the time of the event."""
    request_id: str = ""
    _dialect: Typing[E_co] | None = None
    _json: Any = _UNREAD

    @classmethod
    def make(
        cls, type: str, data: Any = b"", *, id: str = "", request_id: str = "", dialect: Typing[E_co] | None = None
    ) -> "Event[E_co]":
        """Return an event with `data`: text, bytes, or anything that can be encoded as JSON."""
        raw = data if isinstance(data, bytes) else data.encode() if isinstance(data, str) else msgspec.json.encode(data)
        return cls(type, raw, id, request_id, dialect)

    def replace(self, *, type: str | None = None, raw: bytes | None = None, id: str | None = None) -> "Event[E_co]":
        """Return a copy with another type, other data or another id."""
        return Event(
            self.type if type is None else type,
            self.raw if raw is None else raw,
            self.id if id is None else id,
            self.request_id,
            self._dialect,
        )

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Event):
            return NotImplemented
        return self.type == other.type and self.raw == other.raw and self.id == other.id

    def __ne__(self, other: object) -> bool:
        return not self == other  # the one of a Struct would compare all fields

    @property
    def data(self) -> str:
        """The data as text; invalid UTF-8 becomes U+FFFD (WHATWG Encoding, "UTF-8 decode")."""
        return self.raw.decode("utf-8", "replace")

    def json(self) -> Any:
        """Return the data decoded as JSON, the same object each time; invalid UTF-8 becomes U+FFFD.

        Raises StreamError, with the position, for invalid JSON and for empty data.
        """
        if self._json is _UNREAD:
            try:
                self._json = _decode_json(self.raw)
            except (ValueError, RecursionError):
                self._json = self._mended_json()
        return self._json

    def _mended_json(self) -> Any:
        try:
            return _decode_json(mended(self.raw))
        except (ValueError, RecursionError) as error:
            raise StreamError(
                f"the data of event {self.type[:60]!r} is not JSON: {error}", request_id=self.request_id or None
            ) from None

    def typed(self) -> E_co:
        """Return the event as a new instance of its dialect's own class.

        Its static type is the one that the dialect gives its events: that of `E` in ``Dialect[E]``, ``Client[E]``,
        ``Stream[E]`` and ``Event[E]``.

        Returns the event itself if the dialect has no such classes or does not know the type, or if the event was made
        without a dialect. Raises StreamError, with the place, if the data does not fit the class.
        """
        return cast("E_co", self) if self._dialect is None else self._dialect.typed(self)

    def __getitem__(self, name: str) -> Any:
        """Return the value of `name` in the JSON object. Raises KeyError if there is no such name or no object."""
        value = self._object()
        if value is None:
            raise KeyError(name)
        return value[name]

    def get(self, name: str, default: Any = None) -> Any:
        """Return the value of `name` in the JSON object, `default` if it is missing or the data is not an object."""
        value = self._object()
        return default if value is None else value.get(name, default)

    def __contains__(self, name: object) -> bool:
        """Return whether the data is a JSON object that has `name`."""
        value = self._object()
        return value is not None and name in value

    def _object(self) -> dict[str, Any] | None:
        value = self.json()
        return cast("dict[str, Any]", value) if isinstance(value, dict) else None

    def __repr__(self) -> str:
        return f"<Event {self.type} {len(self.raw)} bytes>"
