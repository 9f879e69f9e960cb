"""What tokens cost."""

from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from unbroken import Usage
from unbroken_gateway.calls.prices import cost
from unbroken_gateway.values import Price

PRICE = Price(input=3_000_000, output=15_000_000, cache_read=300_000, cache_write=3_750_000)
COUNTS = st.one_of(st.none(), st.integers(0, 10**9))
PRICES = st.integers(0, 10**10)


def test_every_kind_of_token_has_its_price() -> None:
    """A million of each: 3 + 15 + 0.3 + 3.75 USD."""
    million = 10**6
    usage = Usage(
        input_tokens=million, output_tokens=million, cache_read_tokens=million, cache_write_tokens=million, final=True
    )
    assert cost(PRICE, usage) == 22_050_000


def test_a_call_is_rounded_up_once() -> None:
    """One token at 0.3 USD per million is a micro-dollar, and so are three."""
    assert [cost(Price(input=300_000), Usage(input_tokens=count)) for count in (0, 1, 3, 4)] == [0, 1, 1, 2]


def test_r4_a_usage_of_zero_is_not_an_unknown_usage() -> None:
    """The estimate stays where the server has said nothing, and goes where it has said 0."""
    estimate = Usage(input_tokens=1000, output_tokens=100)
    assert cost(PRICE, estimate.updated(Usage())) == 4500
    assert cost(PRICE, estimate.updated(Usage(output_tokens=0))) == 3000
    assert cost(PRICE, estimate.updated(Usage(input_tokens=0, output_tokens=0))) == 0


@given(
    st.builds(Price, input=PRICES, output=PRICES, cache_read=PRICES, cache_write=PRICES),
    st.lists(COUNTS, min_size=4, max_size=4),
)
def test_a_cost_is_the_exact_one_rounded_up(price, counts) -> None:
    """In integers, so that no sum drifts."""
    usage = Usage(
        input_tokens=counts[0], output_tokens=counts[1], cache_read_tokens=counts[2], cache_write_tokens=counts[3]
    )
    prices = (price.input, price.output, price.cache_read, price.cache_write)
    exact = sum(Fraction((count or 0) * each, 10**6) for count, each in zip(counts, prices, strict=True))
    assert exact <= cost(price, usage) < exact + 1
