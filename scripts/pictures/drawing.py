"""A picture as SVG, in the colours of light or of dark pages."""

from collections.abc import Iterator, Mapping
from html import escape
from typing import Final

from .elements import Picture, Text, spans

LIGHT: Final = {
    "page": "#ffffff",
    "text": "#1f2328",
    "quiet text": "#59636e",
    "line": "#59636e",
    "edge": "#d1d9e0",
    "plain": "#f6f8fa",
    "quiet": "#ffffff",
    "good": "#dafbe1",
    "bad": "#ffebe9",
    "wait": "#fff8c5",
    "key": "#ddf4ff",
}
DARK: Final = {
    "page": "#0d1117",
    "text": "#e6edf3",
    "quiet text": "#9198a1",
    "line": "#9198a1",
    "edge": "#3d444d",
    "plain": "#1c2128",
    "quiet": "#0d1117",
    "good": "#12361f",
    "bad": "#4a1a1d",
    "wait": "#3d2e00",
    "key": "#0c2d4d",
}
THEMES: Final[Mapping[str, Mapping[str, str]]] = {"light": LIGHT, "dark": DARK}

_TIP: Final = """\
<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="11" markerHeight="11" \
markerUnits="userSpaceOnUse" orient="auto"><path d="M0 0 8 4 0 8z" fill="{}"/></marker></defs>"""


def draw(picture: Picture, colours: Mapping[str, str]) -> str:
    """Return the SVG document. Raises ValueError if something cannot be read: see `Picture.problems`."""
    if problems := list(picture.problems()):
        raise ValueError(f"{picture.title}: {'; '.join(problems)}")
    return "\n".join(
        [
            _head(picture),
            f'<title id="title">{escape(picture.title)}</title>',
            f'<desc id="desc">{escape(picture.description.strip())}</desc>',
            _TIP.format(colours["line"]),
            f'<rect width="100%" height="100%" rx="6" fill="{colours["page"]}"/>',
            *_paths(picture, colours),
            *_boxes(picture, colours),
            *(line for text, _ in picture.texts() for line in _text(text, colours)),
            "</svg>",
            "",
        ]
    )


def _head(picture: Picture) -> str:
    wide, high = picture.size
    size = f'viewBox="0 0 {wide:g} {high:g}" width="{wide:g}" height="{high:g}"'
    font = f'font-family="system-ui, sans-serif" font-size="{picture.font:g}"'
    return f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img" aria-labelledby="title desc" {font}>'


def _paths(picture: Picture, colours: Mapping[str, str]) -> Iterator[str]:
    for path in picture.path:
        points = " ".join(f"{x:g},{y:g}" for x, y in path.points)
        marks = ' marker-end="url(#tip)"' * path.arrow + ' stroke-dasharray="5 4"' * path.dashed
        thick = 2.5 if path.strong else 1.5
        yield f'<polyline points="{points}" fill="none" stroke="{colours["line"]}" stroke-width="{thick}"{marks}/>'


def _boxes(picture: Picture, colours: Mapping[str, str]) -> Iterator[str]:
    for box in picture.box:
        (x, y), (wide, high) = box.at, box.size
        place = f'x="{x:g}" y="{y:g}" width="{wide:g}" height="{high:g}"'
        yield f'<rect {place} rx="4" fill="{colours[box.tone]}" stroke="{colours["edge"]}"/>'


def _text(text: Text, colours: Mapping[str, str]) -> Iterator[str]:
    x, y = text.at
    colour = colours["quiet text" if text.tone == "quiet" else "text"]
    for number, line in enumerate(text.lines):
        bold = ' font-weight="600"' if text.head and not number else ""
        words = "".join(
            f'<tspan font-family="ui-monospace, monospace">{escape(part)}</tspan>' if code else escape(part)
            for part, code in spans(line)
        )
        place = f'x="{x:g}" y="{y + number * text.leading:g}" text-anchor="{text.anchor}"'
        yield f'<text {place} fill="{colour}"{bold}>{words}</text>'
