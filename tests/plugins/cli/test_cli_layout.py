"""Text and tables that fit a terminal of any width."""

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from unbroken_cli._layout import Column, Grid, hang, show, wrap

_WORDS = st.text(st.characters(exclude_categories=["C", "Z"]) | st.sampled_from("._:/"), min_size=1, max_size=30)


def printed(renderable, width, **settings):
    console = Console(file=io.StringIO(), width=width, **settings)
    console.print(renderable)
    return [line.rstrip() for line in console.file.getvalue().splitlines()]


@given(st.lists(_WORDS, max_size=12), st.integers(2, 40))
def test_wrapping_loses_nothing_and_breaks_no_word_that_has_room(words, width):
    """No line is wider than asked for."""
    lines = [line.plain for line in wrap(Text(" ".join(words)), width)]
    assert "".join(lines).replace(" ", "") == "".join(words)
    assert all(cell_len(line) <= width for line in lines)
    whole = " ".join(lines).split()
    assert all(word in whole for word in words if cell_len(word) <= width)


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("", [""]),
        ("a\n\nb", ["a", "", "b"]),
        ("one two three", ["one two", "three"]),
        ("  two spaces in front", ["  two", "spaces in", "front"]),
        ("module.names:Class", ["module.", "names:", "Class"]),
        ("see module_of_names", ["see", "module_of_", "names"]),
        ("abcdefghijklmnopqrstuvwxyz", ["abcdefghij", "klmnopqrst", "uvwxyz"]),
        ("界界界界界界", ["界界界界界", "界"]),
        ("a\tb", ["a   b"]),
    ],
)
def test_where_a_line_of_ten_cells_ends(text, lines):
    """At spaces; in a word that is longer than a line behind punctuation, else anywhere."""
    assert [line.plain for line in wrap(Text(text), 10)] == lines


def test_a_hanging_text_keeps_its_margin():
    """The first line has a mark, the others are below its text."""
    assert hang(Text("one two three four"), 14, "* ", "  ").plain == "* one two\n  three four"


def test_text_for_a_pipe_is_one_line():
    """What reads a pipe wraps by itself."""
    console = Console(file=io.StringIO(), width=20)
    show(console, Text("word " * 20), "- ", "  ")
    assert console.file.getvalue() == "- " + "word " * 20 + "\n"


def test_text_for_a_terminal_is_wrapped():
    """Between words, with the margin."""
    console = Console(file=io.StringIO(), width=20, force_terminal=True, color_system=None)
    show(console, Text("word " * 5), Text("- ", "red"), "  ")
    assert console.file.getvalue() == "- word word word\n  word word\n"


def grid():
    made = Grid((Column("name", whole=True), Column("what it does"), Column("count", right=True)))
    made.add("a long name", "explains a difficulty", "12")
    made.rows.append(None)
    made.add("short", Text("two\nlines", "red"), "")
    return made


def test_a_table_with_room_has_one_line_per_row():
    """And no more cells than the terminal."""
    lines = printed(grid().fitted(60), 60)
    assert lines[0].split() == ["name", "what", "it", "does", "count"]
    assert "a long name  explains a difficulty     12" in lines


def test_a_table_without_room_for_its_rows_wraps_the_widest_column():
    """Between words; a cell that is whole stays so."""
    lines = printed(grid().fitted(36), 36)
    assert "a long name  explains a          12" in lines
    assert any(line.strip() == "difficulty" for line in lines)
    assert max(map(cell_len, lines)) <= 36


def test_a_table_without_room_for_its_words_is_stacked():
    """Each cell has its heading; an empty one is left out."""
    assert printed(grid().fitted(22), 22) == [
        "a long name",
        "  what it does:",
        "    explains a",
        "    difficulty",
        "  count: 12",
        "",
        "short",
        "  what it does: two",
        "    lines",
    ]


def test_short_cells_of_a_stacked_row_share_a_line():
    """As many as there is room for."""
    made = Grid(tuple(map(Column, ("name", "first", "second", "third"))))
    made.add("x" * 31, "1", "2", "3" * 10)
    made.add("alone", "", "", "")
    assert printed(made.fitted(30), 30)[-1] == "alone"
    made.rows.pop()
    assert printed(made.fitted(30), 30) == ["x" * 28, "  xxx", "  first: 1   second: 2", "  third: 3333333333"]


def test_a_table_for_a_pipe_has_one_line_per_row():
    """What reads it looks for lines."""
    made = Grid(tuple(map(Column, ("name", "value"))))
    made.add("a name", "word " * 30)
    console = Console(file=io.StringIO(), width=20)
    made.show(console)
    assert console.file.getvalue().splitlines()[2].rstrip() == f"a name  {'word ' * 30}".rstrip()
    assert console.width == 20


def test_a_table_in_a_terminal_has_its_width():
    """Here it is stacked."""
    console = Console(file=io.StringIO(), width=20, force_terminal=True, color_system=None)
    grid().show(console)
    assert console.file.getvalue().startswith("a long name\n  what it does:\n")
