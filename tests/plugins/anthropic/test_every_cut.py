"""Streams of Messages that end anywhere. With UNBROKEN_LONG=1 a hundred thousand cuts, otherwise a thousand."""

from unbroken.testing import sse
from unbroken_anthropic import Anthropic

from ...cutting import cut_anywhere
from .vendors_streams import composed, messages


def test_no_cut_is_taken_for_the_end_and_no_text_is_lost_or_doubled() -> None:
    streams = [*messages().values(), *(composed(number) for number in range(100))]
    cut_anywhere(Anthropic(), [sse(*stream) for stream in streams], seed=1)
