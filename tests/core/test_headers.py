"""Header fields: what may be sent, how they are looked up, what they show of themselves."""

import copy
import pickle
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unbroken import ConfigurationError, Headers
from unbroken.headers import SAFE_NAMES

CANARY = "sk-canary-1234567890"

names = st.text("abcXYZ-_", min_size=1, max_size=4)
pairs = st.lists(st.tuples(names, st.text("vw", max_size=2)), max_size=6)


@pytest.mark.parametrize("name", ["X-Api-Key", "x-api-key", "X-API-KEY"])
def test_looking_up_ignores_case(name: str) -> None:
    """RFC 9110 §5.1."""
    headers = Headers({"X-Api-Key": "a"})
    assert headers[name] == headers.get(name) == "a"
    assert name in headers


def test_what_is_not_there_is_not_found() -> None:
    """As in any mapping, whatever is asked for."""
    headers = Headers({"a": "b"})
    assert "c" not in headers
    assert 1 not in headers
    assert headers.get("c") is None
    with pytest.raises(KeyError):
        headers["c"]


def test_repeated_fields_are_joined_and_kept_apart() -> None:
    """RFC 9110 §5.3; the raw fields stay as they came."""
    fields = (("A", "1"), ("b", "2"), ("a", "3"))
    headers = Headers(fields)
    assert headers["a"] == "1, 3"
    assert headers.items_raw == fields
    assert (len(headers), list(headers), dict(headers)) == (2, ["a", "b"], {"a": "1, 3", "b": "2"})


def test_merging_replaces_fields_of_the_same_name() -> None:
    """All of them, whatever their case; the others keep their place."""
    merged = Headers([("A", "1"), ("B", "2"), ("a", "3")]).merged({"a": "9", "C": "4"})
    assert merged.items_raw == (("B", "2"), ("a", "9"), ("C", "4"))


def test_headers_compare_by_what_they_say() -> None:
    """Order and case of names do not matter; equal headers have one hash."""
    one, other = Headers({"A": "1", "b": "2"}), Headers({"B": "2", "a": "1"})
    assert one == other
    assert hash(one) == hash(other)
    assert one != Headers({"A": "1"})
    assert one != {"a": "1", "b": "2"}


@pytest.mark.parametrize("twin", [copy.copy, copy.deepcopy, lambda it: pickle.loads(pickle.dumps(it))])
def test_headers_can_be_copied(twin: Any) -> None:
    """And are the same afterwards."""
    headers = Headers([("A", "1"), ("a", "2")])
    assert twin(headers) == headers
    assert twin(headers).items_raw == headers.items_raw


@pytest.mark.parametrize("value", ["", "a", "a b", "a\tb", "!~", "Bearer x.y-z"], ids=repr)
def test_printable_ascii_may_be_sent(value: str) -> None:
    """RFC 9110 §5.5, the part that nobody disagrees about."""
    assert Headers.validated({"x": value})["x"] == value


@pytest.mark.parametrize(
    "value",
    [
        pytest.param(f"{CANARY}\r", id="CR"),
        pytest.param(f"{CANARY}\n", id="LF"),
        pytest.param(f"{CANARY}\r\nX-Evil: 1", id="injection"),
        pytest.param(f"a\0{CANARY}", id="NUL"),
        pytest.param(f"{CANARY}é", id="latin-1"),
        pytest.param(f"{CANARY}\u2028", id="line-separator"),
        pytest.param(f"{CANARY}\x7f", id="DEL"),
        pytest.param(f" {CANARY}", id="space-in-front"),
        pytest.param(f"{CANARY} ", id="space-behind"),
        pytest.param(f"{CANARY}\t", id="tab-behind"),
        pytest.param(CANARY.encode(), id="bytes"),
        pytest.param(None, id="None"),
        pytest.param(1, id="number"),
    ],
)
def test_E68_a_bad_value_is_refused_by_name_and_never_shown(value: Any) -> None:
    """Before anything is sent, and before an HTTP library can quote it."""
    with pytest.raises(ConfigurationError) as caught:
        Headers.validated({"fine": "a", "X-Api-Key": value}, "client headers")
    assert [problem.path for problem in caught.value.problems] == ["client headers.X-Api-Key"]
    assert CANARY not in f"{caught.value}{caught.value!r}{pickle.dumps(caught.value)!r}"


@pytest.mark.parametrize(
    "name",
    ["", "a b", "a:", "a\n", "ä", "a\0", "a(b)", b"x-api-key", None, 1, f"Authorization: {CANARY}"],
    ids=repr,
)
def test_E68_a_bad_name_is_refused(name: Any) -> None:
    """A name is a token; of a whole line that was given as one, only the name is shown."""
    with pytest.raises(ConfigurationError) as caught:
        Headers.validated([(name, CANARY)])
    assert [problem.path for problem in caught.value.problems] == ["headers"]
    assert CANARY not in str(caught.value)


@pytest.mark.parametrize("fields", [None, 5, "abc", ["abc"], [("a",)], [("a", "b", "c")], [None]], ids=repr)
def test_what_is_no_mapping_and_no_pairs_is_refused(fields: Any) -> None:
    """By the error that everything else about headers raises, too."""
    with pytest.raises(ConfigurationError, match="must be a mapping or pairs"):
        Headers.validated(fields)


def test_every_bad_field_is_reported() -> None:
    """In one error."""
    with pytest.raises(ConfigurationError) as caught:
        Headers.validated([("a", "\n"), ("b", "fine"), ("c d", ""), ("e", "\0")])
    assert [problem.path for problem in caught.value.problems] == ["headers.a", "headers", "headers.e"]


@pytest.mark.parametrize("name", sorted(SAFE_NAMES | {"anthropic-ratelimit-x", "x-ratelimit-y"}))
def test_harmless_fields_are_shown(name: str) -> None:
    """Those that one looks for when something is wrong."""
    assert f"{name}: value" in repr(Headers({name.title(): "value"}))


@given(names)
def test_E68_other_fields_are_hidden(name: str) -> None:
    """Nobody can list all names that carry secrets, so all others count as such."""
    shown = repr(Headers({f"secret-{name}": CANARY}))
    assert CANARY not in shown
    assert "***" in shown


@given(pairs, pairs)
def test_merging_is_setting(one: list[tuple[str, str]], other: list[tuple[str, str]]) -> None:
    """Each name has the values of the later fields if these have it, else those of the earlier."""
    first, second = Headers(one), Headers(other)
    merged = first.merged(other)
    assert dict(merged) == {**first, **second}
    assert merged.merged(other) == merged
    assert Headers().merged(one) == first == first.merged(())


@given(st.lists(st.tuples(st.text(max_size=3), st.text(max_size=5)), max_size=3))
def test_what_is_taken_is_safe_on_the_wire(fields: list[tuple[str, str]]) -> None:
    """Whatever is accepted can be written as a line each and read back unchanged."""
    try:
        headers = Headers.validated(fields)
    except ConfigurationError:
        return
    wire = "".join(f"{name}: {value}\r\n" for name, value in headers.items_raw).encode("ascii")
    lines = wire.decode().split("\r\n")[:-1]
    assert [(line.split(": ", 1)[0], line.split(":", 1)[1].strip(" \t")) for line in lines] == fields
