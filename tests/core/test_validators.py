"""Numbers are finite, in range, and really numbers."""

from fractions import Fraction
from typing import Any

import pytest
from attrs import field, frozen
from hypothesis import given
from hypothesis import strategies as st

from unbroken import ConfigurationError
from unbroken.validators import (
    Validator,
    callable_,
    finite,
    flag,
    instance_of,
    number,
    one_of,
    optional,
    optional_seconds,
    seconds,
    text,
)


def complaint(validator: Validator, value: Any) -> str | None:
    """What the validator says of `value` as the field `size`."""

    @frozen
    class Config:
        size: Any = field(validator=validator)

    try:
        Config(value)
    except ConfigurationError as error:
        (problem,) = error.problems
        assert problem.path == "size"
        return problem.message
    return None


NO_NUMBERS: list[Any] = [
    None,
    True,
    False,
    "1",
    "nan",
    b"1",
    [1],
    1j,
    Fraction(1, 2),
    float("nan"),
    float("inf"),
    -float("inf"),
]


@pytest.mark.parametrize(
    "value",
    [*NO_NUMBERS, 10**400, -(10**400), 10**5000],
    ids=lambda value: (
        f"E63-{type(value).__name__}-{str(value)[:8] if not isinstance(value, int) or value < 10**9 else 'huge'}"
    ),
)
@pytest.mark.parametrize(
    "validator",
    [number(), number(at_least=0), number(whole=True), seconds],
    ids=["any", "range", "whole", "seconds"],
)
def test_E63_what_is_no_finite_number_is_refused(validator: Validator, value: Any) -> None:
    """NaN, infinity, booleans, text, and integers that no float can hold."""
    assert (complaint(validator, value) or "").startswith("must be a ")


@pytest.mark.parametrize(
    ("validator", "value", "message"),
    [
        pytest.param(number(), -1e308, None, id="any"),
        pytest.param(number(above=0), 0, "must be a finite number above 0, not 0", id="above-edge"),
        pytest.param(number(above=0), 5e-324, None, id="above"),
        pytest.param(number(at_least=1), 1, None, id="at-least-edge"),
        pytest.param(number(at_least=1), 0.99, "must be a finite number of at least 1, not 0.99", id="at-least"),
        pytest.param(number(at_most=1), 1.0, None, id="at-most-edge"),
        pytest.param(
            number(at_least=0, at_most=1),
            2,
            "must be a finite number of at least 0 up to 1, not 2",
            id="both",
        ),
        pytest.param(number(whole=True), 2.0, "must be a whole number, not 2.0", id="whole-float"),
        pytest.param(number(whole=True, above=1), 2, None, id="whole"),
        pytest.param(number(), "x" * 100, f"must be a finite number, not '{'x' * 59}…", id="long-text-is-cut"),
        pytest.param(number(), {"key": "secret"}, "must be a finite number, not a table", id="table-not-shown"),
        pytest.param(number(), 10**5000, "must be a finite number, not a very large number", id="E63-huge"),
        pytest.param(seconds, 0, None, id="seconds-zero"),
        pytest.param(seconds, -0.1, "must be a finite number of at least 0, not -0.1", id="seconds-negative"),
        pytest.param(optional_seconds, None, None, id="optional-none"),
        pytest.param(optional_seconds, 0, "must be a finite number above 0, not 0", id="optional-zero"),
        pytest.param(optional(flag), None, None, id="optional-flag"),
        pytest.param(flag, True, None, id="flag"),
        pytest.param(flag, 1, "must be True or False, not 1", id="flag-number"),
        pytest.param(flag, "false", "must be True or False, not 'false'", id="flag-text"),
        pytest.param(one_of("a", "b"), "b", None, id="one-of"),
        pytest.param(one_of("a", "b"), "c", "must be one of a, b, not 'c'", id="one-of-other"),
        pytest.param(one_of("a", "b"), ["a"], "must be one of a, b, not a list", id="one-of-list"),
    ],
)
def test_E63_the_error_says_what_is_wanted(validator: Validator, value: Any, message: str | None) -> None:
    """And what was given, if that can be shown."""
    assert complaint(validator, value) == message


@given(st.floats() | st.integers() | st.booleans(), st.floats(-10, 10), st.floats(-10, 10))
def test_a_range_is_what_it_says(value: Any, low: float, high: float) -> None:
    """Accepted exactly when it is a finite number within."""
    inside = not isinstance(value, bool) and finite(value) and low <= value <= high
    assert (complaint(number(at_least=low, at_most=high), value) is None) == inside


@pytest.mark.parametrize(
    ("validator", "value", "said"),
    [
        (text, "a", None),
        (text, "", "must be text that is not empty, not ''"),
        (text, 5, "must be text that is not empty, not 5"),
        (callable_, print, None),
        (callable_, "print", "must be a function, not 'print'"),
        (instance_of(list, "a list"), [], None),
        (instance_of(list, "a list"), {"secret": 1}, "must be a list, not dict"),
        (instance_of((int, float), "a number"), None, "must be a number, not NoneType"),
    ],
)
def test_text_functions_and_instances_are_told_from_the_rest(
    validator: Validator, value: Any, said: str | None
) -> None:
    """A value that may hold secrets is not shown, only what it is."""
    assert complaint(validator, value) == said
