"""The elements of a picture, as its TOML file describes them. Lengths are in pixels from the upper left corner."""

import itertools
import tomllib
from collections.abc import Iterator
from pathlib import Path as File
from typing import Literal, NamedTuple

import cattrs
from attrs import frozen

SIZE = 13
"""The font size of a picture that gives none."""
PADDING = 5
"""The least space between a text and the edge of its box."""

# Advances in 1/100 em of DejaVu Sans, the widest of the usual sans-serif fonts; what is not here takes a whole em.
_WIDTHS = {
    30: "ijlIJ'",
    34: "., ·/:;\\|",
    42: "frt()[]-!",
    50: '*_`"',
    56: "szcL?",
    62: "kFvxyPaeoTY",
    66: "0123456789bdghnpquES${}K",
    79: "ABVXZCRUNHDGOQ&",
    87: "w#+<=>^~→←M",
}
_WIDTH = {character: width / 100 for width, characters in _WIDTHS.items() for character in characters}
_CODE = 0.62
_BOLD = 1.15

Point = tuple[float, float]
Tone = Literal["plain", "quiet", "good", "bad", "wait", "key"]


class Area(NamedTuple):
    """A rectangle."""

    left: float
    top: float
    right: float
    bottom: float

    def meets(self, other: "Area") -> bool:
        """Return whether the two have more in common than an edge."""
        across = self.left < other.right and other.left < self.right
        return across and self.top < other.bottom and other.top < self.bottom

    def holds(self, other: "Area", padding: float = 0) -> bool:
        """Return whether `other` is inside, with `padding` to the left and to the right."""
        across = self.left + padding <= other.left and other.right <= self.right - padding
        return across and self.top <= other.top and other.bottom <= self.bottom


def spans(line: str) -> Iterator[tuple[str, bool]]:
    """Yield the parts of a line, and whether each is code, which stands between backticks."""
    for number, part in enumerate(line.split("`")):
        if part:
            yield part, bool(number % 2)


def width(line: str, size: float, *, bold: bool = False) -> float:
    """Return how wide a line is at most, whichever font a reader has."""
    ems = sum(len(part) * _CODE if code else sum(_WIDTH.get(it, 1.0) for it in part) for part, code in spans(line))
    return ems * size * (_BOLD if bold else 1)


@frozen
class Box:
    """A rectangle with text in its middle."""

    at: Point
    size: Point
    lines: tuple[str, ...] = ()
    tone: Tone = "plain"
    head: bool = False
    """Whether the first line is bold."""
    id: str = ""
    """What the tests call it."""

    @property
    def area(self) -> Area:
        """Where it is."""
        return Area(*self.at, self.at[0] + self.size[0], self.at[1] + self.size[1])


@frozen
class Label:
    """Text without a box. `at` is the beginning, middle or end of its first base line."""

    at: Point
    lines: tuple[str, ...]
    anchor: Literal["start", "middle", "end"] = "start"
    tone: Literal["plain", "quiet"] = "plain"
    head: bool = False


@frozen
class Path:
    """A line of horizontal and vertical parts."""

    points: tuple[Point, ...]
    arrow: bool = False
    dashed: bool = False
    strong: bool = False

    @property
    def areas(self) -> Iterator[Area]:
        """Where its parts are."""
        for (one, above), (other, below) in itertools.pairwise(self.points):
            yield Area(min(one, other) - 1, min(above, below) - 1, max(one, other) + 1, max(above, below) + 1)


@frozen
class Text:
    """The lines of one element, placed."""

    lines: tuple[str, ...]
    at: Point
    anchor: str
    tone: str
    head: bool
    size: float

    @property
    def widths(self) -> list[float]:
        """How wide each line is at most."""
        return [width(line, self.size, bold=self.head and not number) for number, line in enumerate(self.lines)]

    @property
    def area(self) -> Area:
        """Where it is at most."""
        wide = max(self.widths)
        left = self.at[0] - {"start": 0.0, "middle": 0.5, "end": 1.0}[self.anchor] * wide
        top = self.at[1] - self.size
        return Area(left, top, left + wide, top + len(self.lines) * self.leading)

    @property
    def leading(self) -> float:
        """From one base line to the next."""
        return self.size + 4


@frozen(kw_only=True)
class Picture:
    """What is drawn, in the order of the fields."""

    title: str
    description: str
    size: Point
    font: float = SIZE
    path: tuple[Path, ...] = ()
    box: tuple[Box, ...] = ()
    label: tuple[Label, ...] = ()

    def texts(self) -> Iterator[tuple[Text, Box | None]]:
        """Yield each text, with the box that it belongs to."""
        for box in self.box:
            if box.lines:
                middle, leading = box.at[1] + box.size[1] / 2, self.font + 4
                base = middle - len(box.lines) * leading / 2 + self.font
                at = (box.at[0] + box.size[0] / 2, base)
                yield Text(box.lines, at, "middle", box.tone, box.head, self.font), box
        for label in self.label:
            yield Text(label.lines, label.at, label.anchor, label.tone, label.head, self.font), None

    def problems(self) -> Iterator[str]:
        """Yield what a reader could not read: texts that leave their boxes, or run into something else."""
        page, texts = Area(0, 0, *self.size), list(self.texts())
        for path in self.path:
            if any(min(part.right - part.left, part.bottom - part.top) > 2 for part in path.areas):
                yield f"a line is oblique: {path.points}"
        for number, (text, owner) in enumerate(texts):
            name, area = " / ".join(text.lines), text.area
            if not (page if owner is None else owner.area).holds(area, PADDING):
                yield f"no room for {name!r}: it takes {area.right - area.left:.0f} by {area.bottom - area.top:.0f}"
            if any(area.meets(other.area) for other, _ in texts[:number]):
                yield f"{name!r} is on another text"
            if any(area.meets(box.area) for box in self.box if box is not owner and not box.area.holds(area)):
                yield f"{name!r} is on the edge of a box"
            if owner is None and any(area.meets(part) for path in self.path for part in path.areas):
                yield f"{name!r} is on a line"


_CONVERTER = cattrs.Converter(forbid_extra_keys=True)


def load(file: File) -> Picture:
    """Return the picture of a TOML file."""
    return _CONVERTER.structure(tomllib.loads(file.read_text("utf-8")), Picture)
