"""What the server means to say, and what it takes to say that as one API or another does."""

import json
import re
from abc import ABC, abstractmethod
from random import Random
from typing import Any, ClassVar, Final, cast

from attrs import frozen

from ._fault import Fault
from ._requests import ReceivedRequest

_NOUNS: Final = ("water", "gate", "river", "turbine", "valve", "spring", "rain", "mill", "wheel", "lake")
_VERBS: Final = ("runs", "falls", "turns", "rises", "waits", "opens", "closes", "sings")


@frozen(kw_only=True)
class Speech:
    """What the server means to say to one request, whatever becomes of it on the way."""

    id: str
    request_id: str
    model: str
    text: str
    input_tokens: int
    output_tokens: int
    stop_reason: str = "end_turn"


class Voice(ABC):
    """How one API says things: the same reply, the same errors and the same limits in its own form."""

    path: ClassVar[str]
    """The end of the path at which it is spoken."""
    model: ClassVar[str]
    """The model where the request names none."""
    id_prefix: ClassVar[str]
    request_id_prefix: ClassVar[str]
    stop_reason: ClassVar[str]

    @abstractmethod
    def stream(self, request: ReceivedRequest, reply: Speech, now: float) -> tuple[bytes, ...]:
        """Return the pieces of a streamed reply, in the documented order: three of preamble, then text."""

    @abstractmethod
    def message(self, reply: Speech, now: float) -> bytes:
        """Return the JSON of a reply that was not asked for as a stream."""

    @abstractmethod
    def error_body(self, reply: Speech, fault: Fault, status: int) -> bytes:
        """Return the body of an HTTP error: the fault's words, else the usual ones of the status."""

    @abstractmethod
    def error_event(self, reply: Speech, fault: Fault) -> bytes:
        """Return the event of the fault's error, with the words of its HTTP twin; nothing if it has no error."""

    @abstractmethod
    def headers(self, reply: Speech, number: int, now: float) -> list[tuple[str, str]]:
        """Return what every answer carries; `now` in Unix seconds is the ``Date``, the resets lie after it."""

    def insertion(self, fault: Fault) -> bytes:
        """Return what `fault` writes at its turning point, where the catalogue's own words need a translation."""
        return fault.insert


def reply_to(request: ReceivedRequest, fault: Fault, voice: Voice, seed: int) -> Speech:
    """Return the reply; seed, number of the request and request decide everything about it."""
    random = Random(f"{seed}:{request.number}")  # noqa: S311 - a script, not a secret
    identity = f"{random.getrandbits(96):024x}"
    spoken = _speech(random)
    text = spoken if fault.text is None else fault.text
    estimate = (max(1, len(request.body) // 4), max(1, len(pieces_of(text))))
    input_tokens, output_tokens = fault.usage or estimate
    return Speech(
        id=voice.id_prefix + identity,
        request_id=voice.request_id_prefix + identity,
        model=str(body_of(request).get("model", voice.model)),
        text=text,
        input_tokens=input_tokens,
        output_tokens=output_tokens,
        stop_reason=voice.stop_reason,
    )


def wants_stream(request: ReceivedRequest) -> bool:
    """Tell whether the body says ``"stream": true``."""
    return body_of(request).get("stream") is True


def body_of(request: ReceivedRequest) -> dict[str, Any]:
    """Return the JSON object in the body, an empty one when there is none."""
    try:
        body: Any = request.json()
    except (ValueError, RecursionError):
        return {}
    return cast("dict[str, Any]", body) if isinstance(body, dict) else {}


def pieces_of(text: str) -> list[str]:
    """Split `text` into what a model might send at once; joined, it is the text again."""
    return re.findall(r"\s*\S+|\s+$", text)


def as_json(value: Any) -> bytes:
    """Write JSON as the APIs do, without spaces."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def _speech(random: Random) -> str:
    phrases = [f"the {random.choice(_NOUNS)} {random.choice(_VERBS)}" for _ in range(random.randint(3, 6))]
    return ", ".join(phrases).capitalize() + "."
