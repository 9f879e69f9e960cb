"""The parts of a message and their content blocks (https://platform.claude.com/docs/en/api/messages)."""

import base64
import binascii
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from os import PathLike
from pathlib import Path
from typing import Any, Final, Self

from attrs import field, frozen

from unbroken.validators import instance_of, must_be, refused, text

Block = dict[str, Any]
"""A content block in the format of the API."""


class Part(ABC):
    """A part of a message. A subclass needs only `to_block`."""

    __slots__ = ()

    @abstractmethod
    def to_block(self) -> Block:
        """Return the content block for the API."""


_text = instance_of(str, "text")

Extra = Mapping[str, Mapping[str, Any]]
"""What an API said about a part besides the fields of its class, by the name of the `Api`; no other is sent it."""


def _extra(instance: Any, attribute: Any, value: Any) -> None:
    must_be(attribute.name, value, Mapping, "a table for each API")
    for fields in value.values():
        must_be(attribute.name, fields, Mapping, "a table for each API")


def _with_extra(block: Block, extra: Extra) -> Block:
    return block | {"extra": {name: dict(fields) for name, fields in extra.items()}} if extra else block


@frozen
class TextPart(Part):
    """Text, with the citations that the API returned for it."""

    text: str = field(validator=_text)
    citations: tuple[Mapping[str, Any], ...] = field(default=(), kw_only=True, converter=tuple[Mapping[str, Any], ...])
    extra: Extra = field(factory=dict[str, Mapping[str, Any]], kw_only=True, hash=False, validator=_extra)

    def to_block(self) -> Block:
        """Return the content block for the API."""
        block: Block = {"type": "text", "text": self.text}
        return _with_extra(block | {"citations": list(self.citations)} if self.citations else block, self.extra)

    @classmethod
    def of(cls, block: Mapping[str, Any]) -> Self:
        """Make the part from a content block of the API."""
        return cls(block["text"], citations=block.get("citations") or (), extra=block.get("extra") or {})


_IMAGES: Final = (
    (re.compile(rb"\x89PNG\r\n\x1a\n"), "image/png"),
    (re.compile(rb"\xff\xd8\xff"), "image/jpeg"),
    (re.compile(rb"GIF8[79]a"), "image/gif"),
    (re.compile(rb"RIFF....WEBP", re.DOTALL), "image/webp"),
)
"""How the files of each type that the API takes begin."""


@frozen(kw_only=True)
class ImagePart(Part):
    """An image: either `data` with its `media_type`, or a `url`.

    Raises ConfigurationError for neither or both.
    """

    data: bytes | None = field(default=None, repr=False)
    media_type: str | None = None
    url: str | None = None

    def __attrs_post_init__(self) -> None:
        if (self.data is None) == (self.url is None):
            raise refused("data", "an image has either data or a url")
        if (self.data is None) != (self.media_type is None):
            raise refused("media_type", "belongs to data: image/png, image/jpeg, image/gif or image/webp")
        if self.data is not None:
            must_be("data", self.data, bytes, "bytes")

    def to_block(self) -> Block:
        """Return the content block for the API."""
        if self.data is None:
            return {"type": "image", "source": {"type": "url", "url": self.url}}
        data = base64.b64encode(self.data).decode()
        return {"type": "image", "source": {"type": "base64", "media_type": self.media_type, "data": data}}

    @classmethod
    def from_file(cls, path: str | PathLike[str], media_type: str | None = None) -> Self:
        """Read an image from a file. Its first bytes tell the type, unless `media_type` is given.

        Raises OSError for a file that cannot be read, and ConfigurationError for one of another type.
        """
        data = Path(path).read_bytes()
        found = media_type or next((kind for begins, kind in _IMAGES if begins.match(data)), None)
        if found is None:
            raise refused("media_type", f"{Path(path).name!r} is no PNG, JPEG, GIF or WebP image")
        return cls(data=data, media_type=found)

    @classmethod
    def of(cls, block: Mapping[str, Any]) -> Self:
        """Make the part from a content block of the API."""
        source = block["source"]
        if source["type"] == "url":
            return cls(url=source["url"])
        return cls(data=base64.b64decode(source["data"], validate=True), media_type=source["media_type"])


_mapping = instance_of(Mapping, "a mapping")


def _arguments(given: Any) -> Any:
    return {} if given is None else given


@frozen
class ToolCallPart(Part):
    """A tool call of the model (``tool_use``). Answer it with a `ToolResultPart` that has the same id."""

    id: str = field(validator=text)
    name: str = field(validator=text)
    arguments: Mapping[str, Any] = field(factory=dict[str, Any], converter=_arguments, validator=_mapping)
    extra: Extra = field(factory=dict[str, Mapping[str, Any]], kw_only=True, hash=False, validator=_extra)

    def to_block(self) -> Block:
        """Return the content block for the API."""
        block = {"type": "tool_use", "id": self.id, "name": self.name, "input": dict(self.arguments)}
        return _with_extra(block, self.extra)

    @classmethod
    def of(cls, block: Mapping[str, Any]) -> Self:
        """Make the part from a content block of the API."""
        return cls(block["id"], block["name"], block.get("input"), extra=block.get("extra") or {})


def _result(content: "str | Iterable[str | Part]") -> "str | tuple[Part, ...]":
    return content if isinstance(content, str) else parts(content)


@frozen
class ToolResultPart(Part):
    """The result of a tool call (``tool_result``): text, or text and image parts."""

    tool_call_id: str = field(validator=text)
    content: "str | tuple[Part, ...]" = field(default="", converter=_result)
    is_error: bool = field(default=False, kw_only=True)

    def to_block(self) -> Block:
        """Return the content block for the API."""
        content = self.content if isinstance(self.content, str) else [part.to_block() for part in self.content]
        block: Block = {"type": "tool_result", "tool_use_id": self.tool_call_id, "content": content}
        return block | {"is_error": True} if self.is_error else block

    @classmethod
    def of(cls, block: Mapping[str, Any]) -> Self:
        """Make the part from a content block of the API."""
        content = block["content"]
        inner = content if isinstance(content, str) else [part_of(each) for each in content]
        return cls(block["tool_use_id"], inner, is_error=block.get("is_error", False))


@frozen
class ThinkingPart(Part):
    """The thinking of the model. APIs verify its signature, or what they put into `extra`: send it back unchanged."""

    thinking: str = field(validator=_text)
    signature: str = field(default="", validator=_text)
    extra: Extra = field(factory=dict[str, Mapping[str, Any]], kw_only=True, hash=False, validator=_extra)

    def to_block(self) -> Block:
        """Return the content block for the API."""
        block = {"type": "thinking", "thinking": self.thinking, "signature": self.signature}
        return _with_extra(block, self.extra)

    @classmethod
    def of(cls, block: Mapping[str, Any]) -> Self:
        """Make the part from a content block of the API."""
        return cls(block["thinking"], block["signature"], extra=block.get("extra") or {})


@frozen
class OtherPart(Part):
    """A content block that no other class represents without loss, such as a document or a result of a server tool."""

    block: Mapping[str, Any]

    def to_block(self) -> Block:
        """Return the content block for the API."""
        return dict(self.block)


_READERS: Final[dict[str, Callable[[Mapping[str, Any]], Part]]] = {
    "text": TextPart.of,
    "image": ImagePart.of,
    "tool_use": ToolCallPart.of,
    "tool_result": ToolResultPart.of,
    "thinking": ThinkingPart.of,
}
_IMPLIED: Final[dict[Any, Block]] = {"tool_use": {"input": {}}}
"""What a content block of the type has that does not have it."""
_UNREADABLE: Final = (KeyError, TypeError, AttributeError, ValueError, binascii.Error)


def part_of(block: Mapping[str, Any]) -> Part:
    """Return the part for a content block: an `OtherPart` if any other class would lose a field of the block.

    A field that is null counts as missing, and a tool call without input as one with an empty input.
    """
    kind = block.get("type")
    reader = _READERS.get(kind) if isinstance(kind, str) else None
    if reader is not None:
        try:
            part = reader(block)
            given = {name: value for name, value in block.items() if value is not None}
            if part.to_block() == _IMPLIED.get(kind, {}) | given:
                return part
        except _UNREADABLE:
            pass
    return OtherPart(block)


def parts(content: "str | Part | Iterable[str | Part]") -> tuple[Part, ...]:
    """Return `content` as parts. A string becomes a `TextPart`. Raises ConfigurationError for any other type."""
    listed = [content] if isinstance(content, (str, Part)) else content
    made = tuple(TextPart(each) if isinstance(each, str) else each for each in listed)
    for each in made:
        must_be("content", each, Part, "text or parts")
    return made
