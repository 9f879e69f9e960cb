"""The lines of the keys of a TOML file."""

import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unbroken_cli._lines import Lines

DOCUMENT = '''# [no.table]
a = 1
b-C.d = """
[x]
e = 2
\\"""x = 1""""
"quoted \\" [k]" = [ # ]
  { x = "]" }, [
  '=' ],
]
'single.one' = \'\'\'
y = 1\'\'\'\'
[t]
f = {g = 1, h = [2]}  # i = 3

[ t . "u.v" ]
j = 1
[[many]]
k = 1
[[many]]
k = 2
[many.sub]
l = 3
[[many.more]]
m = 4
'''


@pytest.mark.parametrize(
    ("keys", "line"),
    [
        (("a",), 2),
        (("b_c", "d"), 3),
        (("B-C",), 3),
        (('quoted " [k]',), 7),
        (("single.one",), 11),
        (("t",), 13),
        (("t", "f"), 14),
        (("t", "f", "g"), 14),
        (("t", "u.v", "j"), 17),
        (("many",), 18),
        (("many", "0", "k"), 19),
        (("many", "1"), 20),
        (("many", "1", "k"), 21),
        (("many", "1", "sub", "l"), 23),
        (("many", "1", "more", "0", "m"), 25),
        (("x",), None),
        (("e",), None),
        (("no",), None),
        ((), None),
    ],
    ids=str,
)
def test_each_key_has_its_line(tmp_path, keys, line):
    """In strings, comments and values there are no keys; what has no line of its own has that around it."""
    path = tmp_path / "some.toml"
    path.write_text(DOCUMENT)
    assert Lines.of(str(path)).of_keys(keys) == line


@pytest.mark.parametrize(
    ("path", "line"),
    [("many[1].k", 21), ("many[0]", 18), ("t.'u.v'.j", 17), ("t.f.z[3]", 14), ("", None)],
)
def test_the_path_of_a_problem_has_a_line(tmp_path, path, line):
    """Indexes and quoted keys included."""
    file = tmp_path / "some.toml"
    file.write_text(DOCUMENT)
    assert Lines.of(str(file)).of_path(path) == line


def test_a_byte_order_mark_and_line_ends_of_windows_change_no_line(tmp_path):
    """Editors of Windows write both."""
    path = tmp_path / "some.toml"
    path.write_bytes(b"\xef\xbb\xbf[retry]\r\nmax_delay = 1\r\n")
    assert Lines.of(str(path)).of_keys(("retry", "max_delay")) == 2


@pytest.mark.parametrize("data", [None, b"a = [", b"\xff", b"a = " + b"[" * 99999], ids=["none", "bad", "utf8", "deep"])
def test_what_is_no_toml_has_no_lines(tmp_path, data):
    """Whoever reads it says what is wrong."""
    path = tmp_path / "some.toml"
    if data is not None:
        path.write_bytes(data)
    assert Lines.of(str(path)).known == {}


@given(
    st.lists(
        st.sampled_from(["a = 1", "[b]", "[[c]]", 'd = "#"', "e = [", "]", "'f' = '''", "'''", "g.h = {", "}", "#"])
    )
)
def test_the_top_level_keys_are_those_of_the_parser(lines):
    """Whatever is valid is read alike."""
    import tempfile
    from pathlib import Path

    text = "\n".join(lines)
    try:
        expected = set(tomllib.loads(text))
    except tomllib.TOMLDecodeError:
        expected = set()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "some.toml")
        path.write_text(text)
        assert {keys[0] for keys in Lines.of(str(path)).known} == expected
