"""The stream that has everything, and short ways to say what events there are."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from unbroken import Event
from unbroken.sse import SSEDecoder
from unbroken_anthropic import Anthropic

STREAMS = Path(__file__).parent / "streams"


@pytest.fixture(scope="session")
def rich() -> bytes:
    """Thinking, citations, tools of both kinds, unknown things: the bytes as the API sends them."""
    return (STREAMS / "rich.sse").read_bytes()


@pytest.fixture
def rich_events(rich: bytes) -> list[Event]:
    return SSEDecoder(request_id="call-1", dialect=Anthropic()).feed(rich)


@pytest.fixture(scope="session")
def ev() -> Callable[..., Event]:
    """Make an event of its type and fields, as it comes from a call."""

    def make(type: str, **fields: Any) -> Event:
        return Event.make(type, {"type": type, **fields}, request_id="call-1", dialect=Anthropic())

    return make
