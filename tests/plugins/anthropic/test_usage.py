"""Token counts of the Messages API."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unbroken.messages import Event, Usage
from unbroken_anthropic import Anthropic

DIALECT = Anthropic()


def start(usage: Any) -> Event:
    return Event.make("message_start", {"type": "message_start", "message": {"id": "msg_1", "usage": usage}})


def delta(usage: Any, name: str = "message_delta") -> Event:
    return Event.make(name, {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": usage})


ALL = {
    "input_tokens": 25,
    "output_tokens": 1,
    "cache_creation_input_tokens": 7,
    "cache_read_input_tokens": 9,
    "service_tier": "standard",
}


@pytest.mark.parametrize(
    ("event", "usage"),
    [
        pytest.param(
            start(ALL),
            Usage(input_tokens=25, output_tokens=1, cache_write_tokens=7, cache_read_tokens=9),
            id="start-is-a-placeholder",
        ),
        pytest.param(delta({"output_tokens": 15}), Usage(output_tokens=15, final=True), id="delta-is-final"),
        pytest.param(delta({"output_tokens": 0}), Usage(output_tokens=0, final=True), id="zero"),
        pytest.param(
            delta({"input_tokens": 10_682, "output_tokens": 510}),
            Usage(input_tokens=10_682, output_tokens=510, final=True),
            id="D53-input-grows",
        ),
        pytest.param(delta({"input_tokens": 3}), Usage(input_tokens=3), id="D53-delta-without-output"),
        pytest.param(delta({"output_tokens": 15}, "message"), Usage(output_tokens=15, final=True), id="unnamed"),
        pytest.param(delta({}), None, id="D53-empty"),
        pytest.param(delta(None), None, id="D53-null"),
        pytest.param(delta([1]), None, id="D53-list"),
        pytest.param(
            start({"input_tokens": "25", "output_tokens": True, "cache_read_input_tokens": 1.0}),
            None,
            id="types",
        ),
        pytest.param(start({"input_tokens": -1, "output_tokens": 10**16}), None, id="D53-nonsense"),
        pytest.param(start({"input_tokens": None, "output_tokens": 2}), Usage(output_tokens=2), id="one-null"),
        pytest.param(Event.make("message_start", {"message": "x"}), None, id="D49-message-is-text"),
        pytest.param(Event.make("message_delta", [1]), None, id="D49-no-object"),
        pytest.param(Event("message_start", b"{"), None, id="D49-cut-start"),
        pytest.param(Event("message_delta", b"[" * 100_000), None, id="D49-deep"),
        pytest.param(Event("message", b"[DONE]"), None, id="D49-unnamed-no-json"),
        pytest.param(Event.make("message", {"type": ["x"]}), None, id="D49-unnamed-odd-type"),
        pytest.param(Event.make("content_block_delta", {"usage": ALL}), None, id="other-event"),
    ],
)
def test_counts_are_read_where_they_make_sense(event: Event, usage: Usage | None):
    """A count of the wrong type is left out, and the rest is kept."""
    assert DIALECT.usage(event) == usage


def test_usage_is_cumulative_and_overwrites_per_field():
    """Larger counts replace what was known; smaller ones and zeros do not (D53)."""
    events = [
        start(ALL),
        delta({"output_tokens": 90}),
        delta({"output_tokens": 80, "input_tokens": 0}),
        delta({"output_tokens": 80, "cache_read_input_tokens": 8}),
    ]
    kept = Usage()
    for event in events:
        kept = kept.advanced(DIALECT.usage(event) or Usage())
    assert kept == Usage(input_tokens=25, output_tokens=90, cache_write_tokens=7, cache_read_tokens=9, final=True)


@given(
    raw=st.binary(max_size=80) | st.sampled_from([b'{"usage":', b'{"message":{"usage":{}}}']),
    name=st.sampled_from(["message", "message_start", "message_delta"]),
)
def test_no_bytes_break_the_counting(raw: bytes, name: str):
    """Usage is a by-product: it never fails a stream."""
    assert DIALECT.usage(Event(name, raw)) is None
