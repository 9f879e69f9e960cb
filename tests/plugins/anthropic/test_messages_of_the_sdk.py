"""Every message that the vendor documents is, field by field, the one that the vendor's SDK makes of the same bytes."""

import functools
from typing import Any

import pytest

from unbroken import Event
from unbroken.testing import BACKENDS, Answer, play, sse
from unbroken_anthropic import MessageBuilder

from ...pieces import cut
from .sdk import theirs, without_nulls
from .vendors_streams import INPUT, Stream, composed, message, messages, split_inputs, text, tool

STREAMS: dict[str, Stream] = {
    **messages(),
    **split_inputs(),
    **{f"composed-{number}": composed(number) for number in range(100)},
}
BETA = ("compaction", "fallback", "mcp", "advisor", "context-management", "iterations", "composed")
"""What only the SDK's accumulation for beta features knows; the other streams are tried with both."""


def ours(chunks: list[bytes], backend: Any = "sync") -> MessageBuilder:
    builder = MessageBuilder()

    def take(event: Event) -> None:
        builder.add(event)

    played = play([Answer(body=chunks)], dialect="anthropic", backend=backend, consume=take)
    assert played.error is None, played.error
    return builder


@functools.cache
def judged(name: str) -> dict[str, Any]:
    return without_nulls(theirs(sse(*STREAMS[name]), beta=True))


def test_there_are_enough_of_them() -> None:
    """By hand, cut at every place, and composed."""
    assert len(messages()) > 70
    assert len(split_inputs()) > 70
    assert len(STREAMS) > 240


@pytest.mark.parametrize("name", STREAMS)
def test_a_message_is_the_one_of_the_sdk(name: str) -> None:
    """Whole and in pieces; and in pieces it is the same for the SDK."""
    body = sse(*STREAMS[name])
    pieces = cut(body, name)
    built = ours([body])
    assert without_nulls(built.message().to_dict()) == judged(name)
    assert without_nulls(ours(pieces).message().to_dict()) == judged(name)
    assert built.unused == ()
    if not any(word in name for word in BETA):
        assert without_nulls(theirs(*pieces)) == judged(name)


@pytest.mark.parametrize("backend", BACKENDS[1:])
@pytest.mark.parametrize("name", [name for name in STREAMS if not name.startswith("input-cut")][::4])
def test_in_async_it_is_the_same(name: str, backend: Any) -> None:
    """A fourth of them, in pieces."""
    builder = ours(cut(sse(*STREAMS[name]), name), backend)
    assert without_nulls(builder.message().to_dict()) == judged(name)


@pytest.mark.parametrize("stopped", [True, False], ids=["stopped", "open"])
@pytest.mark.parametrize("place", [0, 1, 9, 20, len(INPUT) - 1])
def test_a_call_that_max_tokens_cuts_off_differs_in_its_input_alone(place: int, stopped: bool) -> None:
    """The SDK shows the beginning of an input as if it were one; a tool must not run with that, so ours is partial.

    The vendor: "you may receive incomplete JSON strings" when the limit is reached within a tool.
    """
    stream = message(text("Hi"), tool("", INPUT[:place]), stop="max_tokens")
    if not stopped:
        del stream[-3]
    made = ours([sse(*stream)]).message()
    mine, judge = without_nulls(made.to_dict()), without_nulls(theirs(sse(*stream)))
    assert mine["content"][1].pop("partial_json") == INPUT[:place]
    assert isinstance(judge["content"][1].pop("input"), dict)
    assert (mine, made.tool_calls) == (judge, ())
