"""Sizes, rates, money, secrets and addresses of the file."""

from contextlib import suppress
from decimal import ROUND_CEILING, Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unbroken_gateway.config import units
from unbroken_gateway.values import Rate

ANYTHING = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(), st.lists(st.integers()), st.just({"a": 1})
)
NUMERIC = st.text("0123456789._/ kKMGiBmindayhours-", max_size=20)


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("32 MiB", 32 * 2**20),
        ("1KiB", 1024),
        ("1.5 kB", 1500),
        ("4 MB", 4_000_000),
        ("2 GiB", 2 * 2**30),
        ("1 GB", 10**9),
        ("7 B", 7),
        (4_000_000, 4_000_000),
    ],
)
def test_a_size_is_a_number_of_bytes_or_has_a_unit(text, size) -> None:
    """Units of 1000 and of 1024."""
    assert units.size(text) == size


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ("32 mib", "KiB, MiB, GiB, not 'mib'"),
        ("32", "whole number of bytes"),
        ("-1 MB", "whole number of bytes"),
        ("٣ MB", "whole number of bytes"),
        (True, "whole number of bytes"),
        (1.5, "whole number of bytes"),
    ],
)
def test_another_size_is_refused(wrong, words) -> None:
    """And the message says what is right."""
    with pytest.raises(ValueError, match=words):
        units.size(wrong)


@pytest.mark.parametrize(
    ("text", "rate"),
    [
        ("20/min", Rate(20, 60.0)),
        ("40_000 / min", Rate(40000, 60.0)),
        ("5/s", Rate(5, 1.0)),
        ("100/hour", Rate(100, 3600.0)),
        ("9/day", Rate(9, 86400.0)),
        ("500/10min", Rate(500, 600.0)),
        ("3.0/30 day", Rate(3, 30 * 86400.0)),
    ],
)
def test_a_rate_is_an_amount_per_period(text, rate) -> None:
    """A period may be several units long."""
    assert units.rate(text) == rate


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ("20/minute", "did you mean 'min'?"),
        ("20", "amount per period"),
        (20, "amount per period"),
        ("0/min", "above 0"),
        ("0.5/min", "whole number per period"),
        ("9007199254740993/min", "at most 9007199254740992"),
        ("1/0min", "at least 1 s"),
        ("1/367day", "at most 366 days"),
    ],
)
def test_another_rate_is_refused(wrong, words) -> None:
    """A rate of 0 would be a plan that allows nothing."""
    with pytest.raises(ValueError, match=words):
        units.rate(wrong)


def test_a_budget_is_in_dollars() -> None:
    """And kept in micro-dollars."""
    assert units.budget("1.00/day") == Rate(1_000_000, 86400.0)
    assert units.budget("0.000001/s") == Rate(1, 1.0)
    with pytest.raises(ValueError, match="six decimals"):
        units.budget("0.0000001/day")
    with pytest.raises(ValueError, match=r'"1\.00/day"'):
        units.budget(1.0)


def test_a_price_is_in_dollars() -> None:
    """0.3 is 300 000 micro-dollars, though no float is 0.3."""
    assert [units.dollars(value) for value in (3, 0.3, 3.75, 0.0000001, 0)] == [3_000_000, 300_000, 3_750_000, 1, 0]
    for wrong in (-1, True, "3.0", float("inf"), float("nan"), 10**400):
        with pytest.raises(ValueError, match="USD of at least 0"):
            units.dollars(wrong)
    with pytest.raises(ValueError, match="less than"):
        units.dollars(1e300)


@given(st.integers(1, 2**53), st.sampled_from(["s", "min", "hour", "day"]), st.integers(1, 366))
def test_every_rate_is_read_back_exactly(amount, unit, count) -> None:
    """No amount passes through a float."""
    seconds = {"s": 1, "min": 60, "hour": 3600, "day": 86400}[unit] * count
    assert units.rate(f"{amount}/{count}{unit}") == Rate(amount, float(seconds))
    if amount < 10**15:
        assert units.budget(f"{amount // 10**6}.{amount % 10**6:06}/{count}{unit}") == Rate(amount, float(seconds))


@given(st.floats(0, 1e6))
def test_a_price_is_never_rounded_down(value) -> None:
    """The gateway does not charge less than it pays."""
    assert units.dollars(value) == int((Decimal(str(value)) * 10**6).to_integral_value(ROUND_CEILING))


@given(st.one_of(ANYTHING, NUMERIC))
def test_whatever_stands_in_the_file_is_read_or_refused(value) -> None:
    """ValueError is the only way out."""
    for read in (units.size, units.rate, units.budget, units.dollars, lambda each: units.secret(each, {})):
        with suppress(ValueError):
            read(value)


def test_a_secret_comes_from_the_environment_or_the_file() -> None:
    """A missing variable is named."""
    assert units.secret({"env": "KEY"}, {"KEY": "word"}) == "word"
    assert units.secret("word", {}) == "word"
    with pytest.raises(ValueError, match="variable KEY, which is not set"):
        units.secret({"env": "KEY"}, {})
    with pytest.raises(ValueError, match="variable KEY, which is empty"):
        units.secret({"env": "KEY"}, {"KEY": ""})


@pytest.mark.parametrize(
    "wrong", [{}, {"env": 5}, {"env": ""}, {"env": "A", "or": "canary"}, {"file": "canary"}, 5, []]
)
def test_a_secret_in_another_form_is_refused_and_not_shown(wrong) -> None:
    """It may be a secret in spite of its form."""
    with pytest.raises(ValueError, match="the value is not shown") as caught:
        units.secret(wrong, {})
    assert "canary" not in str(caught.value)


def test_an_address_is_a_host_and_a_port() -> None:
    """IPv6 in brackets, as in a URL."""
    assert units.address("127.0.0.1:8080") == ("127.0.0.1", 8080)
    assert units.address("[::1]:0") == ("::1", 0)
    for wrong in ("8080", "127.0.0.1", "host:65536", "::1:80", ":80", "a b:80"):
        with pytest.raises(ValueError, match="an address and a port"):
            units.address(wrong)
