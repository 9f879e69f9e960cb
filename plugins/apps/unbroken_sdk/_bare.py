"""For clients that read nothing of a stream but the JSON of its events, and fail by all else that a framing allows."""

import sys
from typing import Any, Final

from attrs import define, field

from unbroken import Event, StreamError
from unbroken.framing import Decoder, Framing

# google-genai takes any line that does not begin with ``data: `` for JSON, ollama any line; both may split lines where
# only Unicode ends one. They are known by what stands in their User-Agent, as a program may set up one by itself.
_AGENTS: Final = ("google-genai-sdk/", "ollama-python/")
# Within JSON these stand in strings only.
_LINE_ENDS: Final = ((b"\xe2\x80\xa8", b"\\u2028"), (b"\xe2\x80\xa9", b"\\u2029"), (b"\xc2\x85", b"\\u0085"))


def reads_bare_events(request: Any) -> bool:
    """Return whether the client that sends `request` is one of those."""
    agent: str = request.headers.get("user-agent", "")
    return any(name in agent for name in _AGENTS)


def ignores_errors(request: Any) -> bool:
    """Return whether the client passes over an error event, so that only an exception can tell it a failure."""
    agent: str = request.headers.get("user-agent", "")
    return "google-genai-sdk/1." in agent


@define(eq=False, repr=False)
class BareEvents:
    """Leaves nothing of a stream but its events, each as plain as the framing allows, and drops what is not JSON."""

    framing: Framing
    _decoder: Decoder = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._decoder = self.framing.decoder(sys.maxsize)

    def of(self, piece: bytes) -> bytes:
        """Return the events of `piece`, which has whole ones."""
        return b"".join(self.framing.encode(_plain(event)) for event in self._decoder.feed(piece) if _is_json(event))


def _plain(event: Event) -> Event:
    raw = event.raw.replace(b"\r", b" ").replace(b"\n", b" ")
    for end, escaped in _LINE_ENDS:
        raw = raw.replace(end, escaped)
    return Event(raw=raw)


def _is_json(event: Event) -> bool:
    try:
        return isinstance(event.json(), dict | list)
    except StreamError:
        return False
