"""The pictures of the documentation are what their descriptions make of them, and say what the code does."""

import re
import sys
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, get_args
from xml.etree import ElementTree

import attrs
import pytest

import unbroken
from unbroken.errors import TimeoutName
from unbroken.hookspecs import HookSpecs
from unbroken_circuit_breaker import CircuitBreaker, CircuitBreakerConfig, CircuitState
from unbroken_cli.demo import SCENARIOS
from unbroken_sdk.doctor import FAULTS

ROOT = Path(__file__).parents[2]
sys.path.append(str(ROOT))  # for `scripts`, which is not installed

from scripts.pictures import recording  # noqa: E402
from scripts.pictures.__main__ import PLACE, drawn  # noqa: E402
from scripts.pictures.drawing import THEMES, draw  # noqa: E402
from scripts.pictures.elements import Box, Label, Picture, load, width  # noqa: E402
from scripts.pictures.elements import Path as Line  # noqa: E402
from scripts.pictures.recording import RECORDINGS, CommandFailed, Recording  # noqa: E402

SVG = "{http://www.w3.org/2000/svg}"
SOURCES = {file.stem: load(file) for file in sorted(PLACE.glob("*.toml"))}
DRAWN = drawn()
RECORDED = {each.name: (PLACE / f"{each.name}.svg").read_text("utf-8") for each in RECORDINGS}
COMMITTED = {file.name: file.read_text("utf-8") for file in sorted(PLACE.glob("*.svg"))}
PAGES = "\n".join(file.read_text("utf-8") for file in [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")])
COLUMNS = {
    "observers": ["metrics", "logging", "otel-tracing"],
    "timeout": ["timeout"],
    "retry": ["retry"],
    "circuit-breaker": ["circuit-breaker"],
    "rate-limit": ["rate-limit"],
}
"""The plugins that a column of the pipeline stands for."""
ONE = Label((10, 50), ("one",))


def _luminance(colour: str) -> float:
    """Return the relative luminance (WCAG 2.2)."""
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def _contrast(one: str, other: str) -> float:
    darker, lighter = sorted((_luminance(one), _luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


def _words(document: str) -> str:
    """Return the text of a recording as the terminal shows it, without the lines' ends."""
    lines: dict[str, str] = {}
    for text in ElementTree.fromstring(document).iter(f"{SVG}text"):
        at = text.get("y", "")
        lines[at] = lines.get(at, "") + (text.text or "")
    return "\n".join(lines.values()).replace("\xa0", " ")


def _picture(**elements: Any) -> Picture:
    return Picture(title="title", description="description", size=(200, 100), **elements)


def test_the_committed_diagrams_are_what_the_descriptions_make() -> None:
    """After a change of a description, `nox -s pictures` draws it again."""
    assert {name: document for name, document in COMMITTED.items() if name in DRAWN} == DRAWN


def test_no_other_picture_is_kept() -> None:
    """What nothing makes grows stale."""
    assert set(COMMITTED) == set(DRAWN) | {f"{name}.svg" for name in RECORDED}


@pytest.mark.parametrize("name", sorted(COMMITTED))
def test_a_picture_is_shown_and_has_a_text_in_place_of_it(name: str) -> None:
    """Each is in a page, with an alternative text, in the README or as a figure of its theme."""
    theme = re.search(r"-(light|dark)\.svg$", name)
    classes = f"only-{theme[1]} picture" if theme else "picture"
    assert re.search(rf"^```{{figure}} \S*{name}\n:figclass: {classes}\n:alt: \S", PAGES, re.MULTILINE)


@pytest.mark.parametrize("name", sorted(COMMITTED))
def test_a_picture_has_a_title_and_a_description_and_needs_nothing_else(name: str) -> None:
    """A screen reader can say it, and no font is fetched."""
    document = COMMITTED[name]
    root = ElementTree.fromstring(document)
    assert (root.get("role"), root.get("aria-labelledby")) == ("img", "title desc")
    assert [root.findtext(f"{SVG}{each}") for each in ("title", "desc")].count(None) == 0
    assert "@font-face" not in document
    assert re.findall(r"https?://[^\"]+", document) == ["http://www.w3.org/2000/svg"]
    assert len(document.encode()) < 150_000


@pytest.mark.parametrize("name", SOURCES)
def test_both_themes_have_the_same_content(name: str) -> None:
    """They differ in their colours alone."""
    bare = {re.sub(r"#[0-9a-f]{6}", "#", DRAWN[f"{name}-{theme}.svg"]) for theme in THEMES}
    assert len(bare) == 1


@pytest.mark.parametrize("theme", THEMES)
def test_every_text_is_readable_on_what_is_behind_it(theme: str) -> None:
    """A contrast of 4.5, as WCAG 2.2 asks for."""
    colours = THEMES[theme]
    tones = [tone for tone in colours if tone not in {"text", "quiet text", "line", "edge"}]
    assert min(_contrast(colours["text"], colours[tone]) for tone in tones) >= 4.5
    assert min(_contrast(colours["quiet text"], colours[tone]) for tone in ("quiet", "page")) >= 4.5


@pytest.mark.parametrize("name", RECORDED)
def test_every_text_of_a_recording_is_readable(name: str) -> None:
    """Also what the command prints dimmed."""
    colours = set(re.findall(r"fill: (#[0-9a-f]{6})", RECORDED[name]))
    assert colours
    assert min(_contrast(colour, recording.THEME.background_color.hex) for colour in colours) >= 4.5


@pytest.mark.parametrize(
    ("elements", "problem"),
    [
        pytest.param({"box": (Box((0, 0), (60, 40), ("much too long",)),)}, "no room for 'much too long'", id="wide"),
        pytest.param({"box": (Box((0, 0), (90, 30), ("a", "b")),)}, "no room for 'a / b'", id="high"),
        pytest.param({"label": (Label((150, 50), ("much too long",)),)}, "no room for", id="page"),
        pytest.param({"label": (ONE, Label((15, 55), ("two",)))}, "'two' is on another text", id="text"),
        pytest.param({"label": (ONE,), "box": (Box((20, 20), (90, 60)),)}, "on the edge of a box", id="edge"),
        pytest.param({"label": (ONE,), "path": (Line(((0, 46), (90, 46))),)}, "on a line", id="line"),
        pytest.param({"path": (Line(((0, 0), (90, 46))),)}, "a line is oblique", id="oblique"),
    ],
)
def test_what_cannot_be_read_is_refused(elements: dict[str, Any], problem: str) -> None:
    """Nothing is drawn then."""
    with pytest.raises(ValueError, match=re.escape(problem)):
        draw(_picture(**elements), THEMES["light"])


def test_a_text_inside_a_box_and_beside_a_line_is_drawn() -> None:
    """With what XML reserves escaped, and code in a font of its own."""
    box, line = Box((0, 0), (190, 90)), Line(((0, 95), (190, 95)), arrow=True, dashed=True)
    document = draw(_picture(label=(Label((10, 50), ("a < `b`",)),), box=(box,), path=(line,)), THEMES["dark"])
    assert '>a &lt; <tspan font-family="ui-monospace, monospace">b</tspan></text>' in document
    assert 'stroke-dasharray="5 4"' in document
    assert 'marker-end="url(#tip)"' in document


def test_a_bold_or_unknown_character_takes_more_room() -> None:
    """The estimate is never below what a font needs."""
    assert width("a", 10) < width("a", 10, bold=True) < width("語", 10) == 10.0


def test_the_pipeline_shows_the_hooks_that_the_plugins_implement() -> None:
    """A hook that a plugin gains or loses is drawn."""
    classes = {each.name: each.load() for each in entry_points(group="unbroken.plugins")}
    hooks = [name for name in vars(HookSpecs) if not name.startswith(("_", "wrap"))]
    shown = {box.id for box in SOURCES["pipeline"].box if "." in box.id}
    assert shown == {
        f"{column}.{hook}"
        for column, plugins in COLUMNS.items()
        for hook in hooks
        if any(getattr(classes[plugin], hook) is not getattr(unbroken.Plugin, hook) for plugin in plugins)
    }


def test_the_pipeline_shows_each_hook_in_its_direction() -> None:
    """As the table of the page on hooks has it."""
    table = (ROOT / "docs" / "hooks.md").read_text("utf-8")
    written = dict(re.findall(r"^\| `(\w+)` \| \w+, ([\w ]+) \|", table, re.MULTILINE))
    labels = [label.lines[0] for label in SOURCES["pipeline"].label]
    shown = dict(zip((each.strip("`") for each in labels[::2]), labels[1::2], strict=True))
    assert shown == written | {"on_error": "if it failed"}
    arrows = {path.points[0][1] - 19: path.points[0][0] > path.points[-1][0] for path in SOURCES["pipeline"].path}
    hooks = {label.lines[0].strip("`"): label.at[1] - 16 for label in SOURCES["pipeline"].label[::2]}
    assert {hook for hook, top in hooks.items() if arrows[top]} == {"after_request", "on_finish"}


def test_the_columns_of_the_pipeline_are_in_the_default_order() -> None:
    """The observers first."""
    defaults = sorted(entry_points(group="unbroken.defaults"), key=lambda each: float(each.value))
    heads = [box.id for box in SOURCES["pipeline"].box if box.id and "." not in box.id]
    assert heads == ["observers", *(each.name for each in defaults)]


def test_the_circuit_has_every_state_and_the_default_values() -> None:
    """Whatever stands beside an arrow is a setting with its default, or a method."""
    texts = " ".join(line for text, _ in SOURCES["breaker"].texts() for line in text.lines)
    heads = [box.lines[0] for box in SOURCES["breaker"].box]
    defaults = {field.name: field.default for field in attrs.fields(CircuitBreakerConfig)}
    values = re.findall(r"`(\w+)` = ([\d.]+)", texts)
    assert sorted(heads) == sorted(CircuitState)
    assert len(values) == 5
    assert all(defaults[name] == float(value) for name, value in values)
    assert all(hasattr(CircuitBreaker, name) for name in re.findall(r"`(\w+)\(\)`", texts))


def test_the_call_shows_every_timeout() -> None:
    """By its name."""
    texts = " ".join(line for text, _ in SOURCES["call"].texts() for line in text.lines)
    assert set(re.findall(r"`(\w+)`", texts)) == set(get_args(TimeoutName))


def test_the_recordings_show_every_row_of_the_commands_and_a_good_end() -> None:
    """A new row makes a new recording necessary: `nox -s pictures -- --record`."""
    demo, doctor, few = (_words(RECORDED[name]) for name in ("demo", "doctor", "demo-few"))
    assert [row.title for row in SCENARIOS if row.title not in demo] == []
    assert [row.title for row in FAULTS if row.title not in doctor] == []
    assert f"{len(SCENARIOS)} of {len(SCENARIOS)} as required" in demo
    assert "4 of 4 as required" in few
    assert "under Unbroken: nothing silent, doubled, hanging or raw" in doctor


def test_a_recording_shows_the_command_and_the_colours_but_no_movement() -> None:
    """The cursor is not hidden in a picture, no line is wrapped twice, and what XML reserves is escaped."""
    made = Recording(name="name", arguments=("faults", "a b"), description="this & that")
    picture = made.picture("\x1b[?25l\x1b[1;31mred\x1b[0m and \x1b[2K<plain>\n" + "x" * 100 + "\n")
    lines = [line for line in _words(picture).splitlines() if line]
    assert lines == ["unbroken faults 'a b'", "$ unbroken faults 'a b'", "red and <plain>", "x" * 100]
    assert f"fill: {recording.THEME.ansi_colors[1].hex};font-weight: bold" in picture
    assert ElementTree.fromstring(picture).findtext(f"{SVG}desc") == "this & that"


def test_a_command_that_fails_makes_no_picture() -> None:
    """A recording of a failure would be committed unseen."""
    with pytest.raises(CommandFailed, match=r"unbroken demo --only nothing-like-it: "):
        Recording(name="name", arguments=("demo", "--only", "nothing-like-it"), description="").record()
