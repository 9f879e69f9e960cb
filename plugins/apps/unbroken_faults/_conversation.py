"""The reply of the server, and the base class of the APIs in whose form it is sent."""

import json
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from random import Random
from typing import Any, ClassVar, Final, TypeAlias, cast

from attrs import evolve, frozen

from ._catalogue import SAID
from ._fault import Fault
from ._fields import ToolUse
from ._formats import SSE, Format
from ._requests import ReceivedRequest

_NOUNS: Final = ("water", "gate", "river", "turbine", "valve", "spring", "rain", "mill", "wheel", "lake")
_PART: Final = 8
"""Characters of a part of the input of a tool."""
_VERBS: Final = ("runs", "falls", "turns", "rises", "waits", "opens", "closes", "sings")


@frozen(kw_only=True)
class Speech:
    """The complete reply to one request, before a fault changes what is sent of it."""

    id: str
    request_id: str
    model: str
    text: str
    input_tokens: int
    output_tokens: int
    stop_reason: str = "end_turn"
    thinking: str = ""
    tools: tuple[ToolUse, ...] = ()
    result: str = ""
    """What a tool of the server says (MCP)."""

    @property
    def says_text(self) -> bool:
        """Whether there is text; empty text is some, unless there is nothing but calls of tools."""
        return bool(self.text or not self.tools)

    def item_id(self, number: int, prefix: str) -> str:
        """Return the id of a part of the reply, such as a call of a tool."""
        return f"{prefix}{self.id[-20:]}{number:02}"


Earlier: TypeAlias = Callable[[], Sequence[tuple[ReceivedRequest, Speech]]]
"""Returns the requests before one, each with its reply."""


@frozen(kw_only=True)
class Exchange:
    """One request, and what is known about the answer to it."""

    request: ReceivedRequest
    fault: Fault
    reply: Speech
    now: float
    """Unix seconds: the ``Date``. Rate limits reset after it."""
    earlier: Earlier


class Voice(ABC):
    """One API: it sends the same reply, the same errors and the same limits in its own form."""

    path: ClassVar[str]
    """The end of the path of this API."""
    model: ClassVar[str]
    """The model if the request names none."""
    id_prefix: ClassVar[str]
    request_id_prefix: ClassVar[str]
    stop_reason: ClassVar[str]
    tools_reason: ClassVar[str]
    """The stop reason of a reply that calls tools."""

    def hears(self, request: ReceivedRequest) -> bool:
        """Return whether the path of `request` is of this API."""
        return request.path.endswith(self.path)

    def fitting(self, request: ReceivedRequest, fault: Fault, earlier: Earlier) -> Fault:
        """Return `fault`, or a refusal of a request that this API refuses whatever the fault is."""
        return fault if request.method == "POST" else evolve(fault, status=404)

    def takes(self, request: ReceivedRequest) -> bool:
        """Return whether `request` takes the next fault of the script."""
        return True

    def model_of(self, request: ReceivedRequest) -> str:
        """Return the model that `request` names."""
        return str(body_of(request).get("model", self.model))

    def result_of(self, request: ReceivedRequest, fault: Fault, text: str, earlier: Earlier) -> str:
        """Return what a tool of the server says. `text` is that of the reply."""
        return ""

    def format_of(self, request: ReceivedRequest) -> Format:
        """Return the format of the stream that `request` asks for."""
        return SSE

    @abstractmethod
    def message(self, exchange: Exchange) -> bytes:
        """Return the JSON of a reply that is not streamed."""

    @abstractmethod
    def error_body(self, exchange: Exchange, status: int) -> bytes:
        """Return the body of an HTTP error, with the fault's message or else the usual one of `status`."""

    @abstractmethod
    def headers(self, exchange: Exchange) -> list[tuple[str, str]]:
        """Return the headers of every answer, with ``Date``."""

    def stream(self, exchange: Exchange) -> tuple[bytes, ...] | None:
        """Return the pieces of a streamed reply in the documented order: three of preamble, then the text.

        A piece is what is sent at once, usually one event; an empty one stands for preamble that this API has not.
        None: the request asks for no stream, or this API has none.
        """
        return None

    def error_event(self, exchange: Exchange, sent: Sequence[bytes]) -> bytes:
        """Return what reports the fault's error in a stream, with the message of its HTTP twin.

        `sent` are the pieces before it.
        """
        return b""

    def own_body(self, exchange: Exchange, body: bytes) -> bytes:
        """Return `body`, which the fault has; instead of that of `json_error` the error object of this API."""
        if exchange.fault.message != SAID or exchange.fault.error is None:
            return body
        return self.error_body(exchange, 500)


def reply_to(request: ReceivedRequest, fault: Fault, voice: Voice, seed: int, earlier: Earlier) -> Speech:
    """Return the reply, which depends only on seed, request (with its number), fault, voice and what was before."""
    random = Random(f"{seed}:{request.number}")  # noqa: S311 - a script, not a secret
    identity = f"{random.getrandbits(96):024x}"
    spoken = _speech(random)
    text = spoken if fault.text is None else fault.text
    said = [*pieces_of(fault.thinking or ""), *pieces_of(text), *(part for it in fault.tools for part in parts_of(it))]
    estimate = (max(1, len(request.body) // 4), max(1, len(said)))
    input_tokens, output_tokens = fault.usage or estimate
    return Speech(
        id=voice.id_prefix + identity,
        request_id=voice.request_id_prefix + identity,
        model=voice.model_of(request),
        text=text,
        input_tokens=input_tokens,
        output_tokens=output_tokens,
        stop_reason=voice.tools_reason if fault.tools else voice.stop_reason,
        thinking=fault.thinking or "",
        tools=fault.tools,
        result=voice.result_of(request, fault, text, earlier),
    )


def wants_stream(request: ReceivedRequest) -> bool:
    """Return whether the body has ``"stream": true``."""
    return body_of(request).get("stream") is True


def body_of(request: ReceivedRequest) -> dict[str, Any]:
    """Return the JSON object in the body; empty if there is none."""
    try:
        body: Any = request.json()
    except (ValueError, RecursionError):
        return {}
    return cast("dict[str, Any]", body) if isinstance(body, dict) else {}


def pieces_of(text: str) -> list[str]:
    """Split `text` into pieces as a model sends them: words with the space before them. Joined they are the text."""
    return re.findall(r"\s*\S+|\s+$", text)


def object_of(tool: ToolUse) -> Any:
    """Return the input of `tool` as the object that it is; as text if it is invalid JSON."""
    try:
        return json.loads(tool.input)
    except (ValueError, RecursionError):
        return tool.input


def parts_of(tool: ToolUse) -> list[str]:
    """Split the input of `tool` into parts as a model sends them: without regard to the JSON. Joined they are it."""
    return [tool.input[start : start + _PART] for start in range(0, len(tool.input), _PART)]


def _speech(random: Random) -> str:
    phrases = [f"the {random.choice(_NOUNS)} {random.choice(_VERBS)}" for _ in range(random.randint(3, 6))]
    return ", ".join(phrases).capitalize() + "."
