"""The lines of a TOML file on which its keys stand. Python's parser does not tell them."""

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from attrs import define, field

Keys = tuple[str, ...]

# Each alternative can match in one way only, so a file is cut into tokens in linear time.
_TOKEN: Final = re.compile(
    r'"""(?:\\.|[^\\])*?"{3,5}'
    r"|'''.*?'{3,5}"
    r'|"(?:\\.|[^"\\\n])*"'
    r"|'[^'\n]*'"
    r"|\#[^\n]*"
    r"|[^\S\n]+"
    r"|[\n\[\]{}=.,]"
    r"""|[^\s\[\]{}=.,"'#]+"""
    r"|.",
    re.DOTALL,
)
_STEP: Final = re.compile(r"\[(\d+)\]|('(?:\\.|[^'\\])*'|\"(?:\\.|[^\"\\])*\"|[^.\[\]]+)")
_QUOTES: Final = ("'", '"')


@define
class Lines:
    """Where each key of a file stands."""

    known: dict[Keys, int] = field(factory=dict[Keys, int])

    @classmethod
    def of(cls, path: str) -> "Lines":
        """Return the lines of the file at `path`, below ``[tool.unbroken]`` if it is a pyproject.toml.

        A file that cannot be read, or is not valid TOML, has none.
        """
        try:
            text = Path(path).read_bytes().decode("utf-8-sig")
            tomllib.loads(text)
        except (OSError, ValueError, RecursionError):
            return cls()
        root = ("tool", "unbroken") if Path(path).name == "pyproject.toml" else ()
        found = _scanned(text)
        return cls({keys[len(root) :]: line for keys, line in found.items() if keys[: len(root)] == root})

    def of_keys(self, keys: Keys) -> int | None:
        """Return the line of a key, counted from 1; that of the innermost known table around it if it has none."""
        wanted = tuple(map(_spelled, keys))
        return next(
            (self.known[part] for end in range(len(wanted), 0, -1) if (part := wanted[:end]) in self.known), None
        )

    def of_path(self, path: str) -> int | None:
        """Return the line for the path of a `Problem`, such as ``fallback.targets[0].url``."""
        return self.of_keys(tuple(index or word.strip("'\"") for index, word in _STEP.findall(path)))


def _scanned(text: str) -> dict[Keys, int]:
    """Return the first line of each key and table of a valid document. An item of an array of tables has a number."""
    found: dict[Keys, int] = {}
    counts: dict[Keys, int] = {}
    table: Keys = ()
    for kind, keys, line in _statements(text):
        if kind == "[[":
            outer = _numbered(keys[:-1], counts) + keys[-1:]
            counts[outer] = counts.get(outer, -1) + 1
            found.setdefault(outer, line)
        whole = _numbered(keys, counts) if kind else table + keys
        table = whole if kind else table
        for end in range(len(whole), 0, -1):
            if found.setdefault(whole[:end], line) != line:
                break
    return found


def _numbered(keys: Keys, counts: dict[Keys, int]) -> Keys:
    whole: Keys = ()
    for key in keys:
        whole += (key,)
        if whole in counts:
            whole += (str(counts[whole]),)
    return whole


def _statements(text: str) -> Iterator[tuple[str, Keys, int]]:
    """Yield the kind (``[``, ``[[``, or nothing for a value), the keys and the line of each statement."""
    line, depth, kind = 1, 0, ""
    keys: list[str] = []
    in_key = True
    for part in _TOKEN.findall(text):
        if in_key and part == "[" and not keys:
            kind += "["
        elif in_key and (part == "=" or (part == "]" and keys)):
            yield kind, tuple(keys), line
            in_key = False
        elif in_key and part.strip() and part != "." and not part.startswith("#"):
            keys.append(_spelled(_unquoted(part)))
        elif not in_key and part in ("[", "{"):
            depth += 1
        elif not in_key and part in ("]", "}") and not kind:
            depth -= 1
        if part == "\n" and (kind or depth == 0):
            keys, kind, in_key, depth = [], "", True, 0
        line += part.count("\n")


def _unquoted(token: str) -> str:
    return next(iter(tomllib.loads(f"{token} = 0"))) if token.startswith(_QUOTES) else token


def _spelled(key: str) -> str:
    """Return a key in the spelling in which keys are compared."""
    return key.replace("-", "_").lower()
