"""The documentation as a reader sees it, in a real browser.

The tests of the pages need them built: `nox -s pages` builds them and names their folder in `UNBROKEN_DOCS`.
"""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from ..chromium import Chromium, Page, chromium

ROOT = Path(__file__).parents[2]
sys.path.append(str(ROOT))  # for `scripts`, which is not installed

from scripts.pictures.elements import load  # noqa: E402

BUILT = os.environ.get("UNBROKEN_DOCS", "")
PAGES = sorted(Path(BUILT).resolve().rglob("*.html")) if BUILT else []
WIDTHS = (1400, 400)
DIAGRAMS = sorted((ROOT / "docs" / "pictures").glob("*-light.svg"))

# Of what is wider than the window: what stands in no room that scrolls, and is no drawer that is shut.
WIDER = """[...document.querySelectorAll('article, article *')].filter(each => {
  if (each.getBoundingClientRect().right <= innerWidth + 1) return false;
  for (let room = each.parentElement; room; room = room.parentElement)
    if (room.matches('article *') && getComputedStyle(room).overflowX !== 'visible') return false;
  return true;
}).map(each => each.tagName + ': ' + each.textContent.trim().slice(0, 60))"""
# The texts of a page without the examples and the code.
TEXT = """(() => { const article = document.querySelector('article').cloneNode(true);
  article.querySelectorAll('pre, code').forEach(each => each.remove()); return article.textContent })()"""
SHOWN = """[...document.querySelectorAll('figure.picture img')].filter(each => each.getBoundingClientRect().width)
  .map(each => each.getAttribute('src').split('/').pop())"""

of_the_pages = pytest.mark.skipif(not PAGES, reason="UNBROKEN_DOCS names no built documentation: nox -s pages")


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chromium]:
    with chromium(tmp_path_factory.mktemp("chromium") / "profile") as running:
        yield running


@pytest.fixture(scope="module")
def page(browser: Chromium) -> Page:
    return browser.page()


@of_the_pages
@pytest.mark.parametrize("file", PAGES, ids=[file.relative_to(Path(BUILT).resolve()).as_posix() for file in PAGES])
def test_a_page_fits_its_window_and_shows_no_markup(page: Page, file: Path) -> None:
    """Wide tables, examples and pictures scroll in their own room."""
    for width in WIDTHS:
        page.look(width=width)
        page.navigate(file.as_uri())
        assert page.evaluate("document.documentElement.scrollWidth") == width
        assert page.evaluate(WIDER) == []
    text = page.evaluate(TEXT)
    assert [mark for mark in ("`", "~typing.", "<factory>", "(*args, **kwargs)") if mark in text] == []


@of_the_pages
@pytest.mark.parametrize(("dark", "theme"), [(False, "light"), (True, "dark")], ids=["light", "dark"])
def test_a_page_shows_the_picture_of_its_theme(page: Page, *, dark: bool, theme: str) -> None:
    """One of the two, of which both are in the page."""
    page.look(width=WIDTHS[0], dark=dark)
    page.navigate((Path(BUILT).resolve() / "concepts.html").as_uri())
    assert page.evaluate(SHOWN) == [f"call-{theme}.svg"]


@pytest.mark.parametrize("file", DIAGRAMS, ids=[file.stem for file in DIAGRAMS])
def test_no_text_is_wider_than_its_estimate(page: Page, file: Path) -> None:
    """In the fonts of this machine; the estimate is what the boxes were made for."""
    page.navigate(file.as_uri())
    real = page.evaluate("[...document.querySelectorAll('text')].map(each => each.getComputedTextLength())")
    picture = load(file.with_name(file.name.replace("-light.svg", ".toml")))
    estimates = [width for text, _ in picture.texts() for width in text.widths]
    assert len(real) == len(estimates)
    assert all(wide <= estimate for wide, estimate in zip(real, estimates, strict=True))
