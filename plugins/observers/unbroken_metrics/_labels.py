"""The labels of a call: few different ones, and none that is personal or secret."""

import re
from typing import Final, Self

import msgspec
from attrs import frozen

NO_MODEL: Final = "none"
OTHER: Final = "other"

Names = tuple[str, bytes | str, str]
"""Dialect, model and origin of a call, unchecked: the model may be any text."""

# A model that looks like a key or a token is one, put into the field by mistake.
_MODEL: Final = re.compile(r"(?!(?:[srp]k-|eyJ))[A-Za-z0-9][\w.:/@+-]{0,99}", re.ASCII)
_LONGEST: Final = 100
_LONGEST_LABEL: Final = 300
_BEGIN: Final = b'{"model":"'
_BEGINS: Final = len(_BEGIN)
_WITHIN: Final = _BEGINS + _LONGEST + 1


class _Body(msgspec.Struct):
    model: str = ""


_decode = msgspec.json.Decoder(_Body).decode


@frozen
class Labels:
    """What distinguishes one series from another."""

    dialect: str
    model: str
    """The model in the request body; ``none`` without one, ``other`` for text that cannot be a model name."""
    origin: str
    """``scheme://host:port``."""

    @classmethod
    def of(cls, names: Names) -> Self:
        """Return the labels for the unchecked `names` of a call."""
        dialect, model, origin = names
        text = text_of(model)
        return cls(shown(dialect), text if _MODEL.fullmatch(text) else OTHER, shown(origin))


def shown(text: str) -> str:
    """Return `text` fit for a label: encodable as UTF-8 and of bounded length."""
    return text[:_LONGEST_LABEL].encode("utf-8", "replace").decode()


def text_of(model: bytes | str) -> str:
    """Return the name of a model as text."""
    return model if isinstance(model, str) else model.decode("utf-8", "replace")


def model_of(content: bytes) -> bytes | str:
    """Return the model that a JSON body names, ``none`` if it names none.

    Usually it is the first field. Then the rest of the body, however large, is not read, and the name is returned as
    the bytes that are in the body.
    """
    if content.startswith(_BEGIN):
        end = content.find(b'"', _BEGINS, _WITHIN)
        if end > _BEGINS:
            return content[_BEGINS:end]
    if not content:
        return NO_MODEL
    try:
        return _decode(content).model[: _LONGEST + 1] or NO_MODEL
    except (ValueError, RecursionError):
        return NO_MODEL
