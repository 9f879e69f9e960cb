"""Under which names a call is counted: few, and none that is a person's or a secret."""

import re
from typing import Final, Self

import msgspec
from attrs import frozen

NO_MODEL: Final = "none"
OTHER: Final = "other"

Names = tuple[str, bytes | str, str]
"""Dialect, model and origin, as a call has them: the model may be anything still."""

# What looks like a key or a token has come into the field by mistake.
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
    """What tells series apart."""

    dialect: str
    model: str
    """As the request body asks for it; ``none`` without one, ``other`` for what cannot be a name."""
    origin: str
    """``scheme://host:port``."""

    @classmethod
    def of(cls, names: Names) -> Self:
        """Return the labels of a call: those that may be shown."""
        dialect, model, origin = names
        text = text_of(model)
        return cls(shown(dialect), text if _MODEL.fullmatch(text) else OTHER, shown(origin))


def shown(text: str) -> str:
    """Return `text` as a label can be: it can always be encoded, and is not endless."""
    return text[:_LONGEST_LABEL].encode("utf-8", "replace").decode()


def text_of(model: bytes | str) -> str:
    """Return the name of a model as text."""
    return model if isinstance(model, str) else model.decode("utf-8", "replace")


def model_of(content: bytes) -> bytes | str:
    """Return the model that a body names, ``none`` when it names none.

    Mostly it stands at the beginning, and nothing behind it, of whatever size, has to be read. It is returned as it
    stands there.
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
