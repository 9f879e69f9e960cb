"""Models that say nothing for a while: what is waited for, for how long, and how often. In virtual time."""

from collections.abc import Callable
from typing import Any

import attrs
import pytest

from unbroken import Error, Plugin, Request, TimeoutError, TryAgain
from unbroken.messages import Timeouts
from unbroken.testing import STALL, Answer, Played, sse
from unbroken_anthropic import Anthropic
from unbroken_chat import AnthropicConfig, CircuitBreaker, ProxyConfig, RetryConfig
from unbroken_chat.policies import policies
from unbroken_openai import OpenAI
from unbroken_retry import Retry
from unbroken_timeout import Timeout

from ..chatting import chat

__all__ = ["chat"]

Play = Callable[..., Played]
DIVIDED = {"first_event": 6.0, "idle": 0.6, "quiet": 6.0}

HEAD = {"id": "msg_1", "type": "message", "role": "assistant", "model": "m", "content": [], "stop_reason": None}
START = ("message_start", {"type": "message_start", "message": {**HEAD, "usage": {"input_tokens": 1}}})
PING = sse(("ping", {"type": "ping"}))


def event(type: str, **fields: Any) -> tuple[str, Any]:
    return type, {"type": type, **fields}


OPENED = event("content_block_start", index=0, content_block={"type": "thinking", "thinking": "", "signature": ""})
SIGNED = event("content_block_delta", index=0, delta={"type": "signature_delta", "signature": "s"})
CLOSED = event("content_block_stop", index=0)
ANSWER = sse(
    event("content_block_start", index=1, content_block={"type": "text", "text": ""}),
    event("content_block_delta", index=1, delta={"type": "text_delta", "text": "Whole"}),
    event("content_block_stop", index=1),
    event("message_delta", delta={"stop_reason": "end_turn"}, usage={"output_tokens": 7}),
    event("message_stop"),
)
THOUGHT = event("content_block_delta", index=0, delta={"type": "thinking_delta", "thinking": "hm"})


def pings(seconds: float, every: float) -> list[Any]:
    return [part for _ in range(round(seconds / every)) for part in (every, PING)]


def silences(seconds: float) -> dict[str, list[Any]]:
    """Return bodies with a silence of so many seconds, each at another place where it is normal."""
    beats, end = pings(seconds, seconds / 20), [sse(SIGNED, CLOSED), ANSWER]
    return {
        "opened, pings only": [sse(START, OPENED), *beats, *end],
        "opened, nothing": [sse(START, OPENED), seconds, *end],
        "begun, pings only": [sse(START, OPENED, THOUGHT), *beats, *end],
        "begun, nothing": [sse(START, OPENED, THOUGHT), seconds, *end],
        "before the block": [sse(START), *beats, sse(OPENED), *end],
        "before the stream": [seconds, sse(START, OPENED), *end],
    }


@pytest.mark.parametrize("body", silences(3.0).values(), ids=silences(3.0))
def test_a_model_that_thinks_answers_with_one_request(play: Play, body: list[Any]) -> None:
    """Thinking for five times as long as `idle` is no reason to ask again."""
    played = play([Answer(body=body)], [Timeout(**DIVIDED), Retry()], dialect=Anthropic())
    assert (played.error, len(played.requests), played.elapsed) == (None, 1, pytest.approx(3.0))
    assert played.types[-1] == "message_stop"


def test_so_does_one_whose_head_comes_late(play: Play) -> None:
    """Before the first content nothing tells what it does."""
    played = play([Answer(latency=3.0, body=[sse(START), ANSWER])], [Timeout(**DIVIDED), Retry()], dialect=Anthropic())
    assert (played.error, len(played.requests)) == (None, 1)


@pytest.mark.parametrize("proxy", [False, True], ids=["direct", "proxy"])
@pytest.mark.parametrize("divided", [1, 100])
@pytest.mark.parametrize("place", silences(1.0))
def test_the_generator_waits_as_long_by_its_own_defaults(chat: Any, place: str, divided: int, proxy: bool) -> None:
    """The real ones for 300 s, and a hundredth of each for 3 s."""
    own = policies(ProxyConfig() if proxy else AnthropicConfig(), None, None, None, None)
    timeout: Any = own[0]
    values = attrs.asdict(timeout.config, filter=lambda _, value: type(value) is float)
    assert values == {"connect": 5.0, "first_event": 600.0, "idle": 60.0, "quiet": 600.0}
    arguments: dict[str, Any] = {}
    if divided > 1:
        parts = {name: seconds / divided for name, seconds in values.items()}
        arguments["plugins"] = [Timeout(**parts), *own[1:]]
    generator = chat.generator([Answer(body=silences(300.0 / divided)[place])], proxy=proxy, **arguments)
    reply = chat.send(generator, "Hello")
    assert (reply.text, reply.attempts, len(chat.requests)) == ("Whole", 1, 1)


@pytest.mark.parametrize(
    ("arguments", "name", "seconds"),
    [
        pytest.param({}, "quiet", 600.0, id="default"),
        pytest.param({"stream_inactivity_timeout": 60}, "idle", 60.0, id="given-as-the-default"),
        pytest.param({"stream_inactivity_timeout": 20}, "idle", 20.0, id="given"),
        pytest.param({"stream_inactivity_timeout": 900.0}, "idle", 900.0, id="longer-than-quiet"),
    ],
)
@pytest.mark.parametrize("proxy", [False, True], ids=["direct", "proxy"])
def test_an_inactivity_timeout_that_is_given_is_for_every_silence(
    chat: Any, arguments: Any, name: str, seconds: float, proxy: bool
) -> None:
    """Also while the model thinks; `idle` and `quiet` are the same then."""
    body = [sse(START, OPENED, THOUGHT), *pings(1000.0, 10.0), STALL]
    began = chat.clock.monotonic()
    generator = chat.generator([Answer(body=body)], proxy=proxy, **arguments)
    with pytest.raises(TimeoutError) as caught:
        chat.read(generator.stream_request("Hello"), lambda stream: stream.events())
    assert (caught.value.timeout, caught.value.seconds) == (name, seconds)
    assert f"{name} timeout" in caught.value.message
    assert chat.clock.monotonic() - began == pytest.approx(seconds)


def test_beside_plugins_it_would_have_no_effect(chat: Any) -> None:
    """So it is refused, as the other arguments are that configure plugins."""
    with pytest.raises(Error, match="stream_inactivity_timeout"):
        chat.generator([], plugins=[], stream_inactivity_timeout=5)


SILENT = Answer(latency=STALL)


@pytest.mark.parametrize("retry", ["defaults", "aggressive", "no_retry"])
def test_silence_before_the_first_content_costs_two_requests_at_most(chat: Any, retry: str) -> None:
    """Whichever preset: each one takes ten minutes."""
    generator = chat.generator([SILENT] * 9, retry_config=getattr(RetryConfig, retry), circuit_breaker=CircuitBreaker())
    with pytest.raises(TimeoutError) as caught:
        chat.send(generator, "Hello")
    requests = 1 if retry == "no_retry" else 2
    assert (caught.value.timeout, caught.value.seconds) == ("first_event", 600.0)
    assert len(chat.requests) == len(caught.value.history) == requests
    assert caught.value.history[-1].decided_by == "retry"


def test_another_failure_in_between_changes_nothing(play: Play) -> None:
    """It is not a new target."""
    script = [SILENT, Answer(status=503), SILENT, Answer(body=[sse(START), ANSWER])]
    played = play(script, [Timeout(), Retry(max_retries=9)], dialect=Anthropic())
    assert (len(played.requests), played.failure.history[-1].reason) == (3, "no content within first_event, twice")


class Elsewhere(Plugin):
    """Goes on at another server where `Retry` gives up."""

    name = "elsewhere"

    def __init__(self) -> None:
        super().__init__()
        self.others = ["https://b.example.org/", "https://c.example.org/"]

    def should_retry(self, call: Any, error: Any) -> Any:
        if not self.others or call.attempt < 2:
            return None
        return TryAgain(0, request=Request.build("POST", self.others.pop(0), json={}), fresh=True)


def test_each_target_may_be_silent_once(play: Play) -> None:
    """A new target is a new chance, with a retry of its own."""
    played = play([SILENT] * 9, [Elsewhere(), Timeout(), Retry(max_retries=9)], dialect=Anthropic())
    hosts = [request.url.split("/")[2].split(".")[0] for request in played.requests]
    assert hosts == ["api", "api", "b", "b", "c", "c"]


@pytest.mark.parametrize("quiet", [0.1, 0.6], ids=["shorter", "equal"])
def test_quiet_is_never_shorter_than_idle(play: Play, quiet: float) -> None:
    """Thinking is at least as long as any other silence."""
    body = [sse(START, OPENED, THOUGHT), 0.5, sse(THOUGHT), STALL]
    played = play([Answer(body=body)], [Timeout(idle=0.6, quiet=quiet)], dialect=Anthropic())
    error: Any = played.failure
    assert (error.timeout, error.seconds, played.elapsed) == ("idle", 0.6, pytest.approx(1.1))


def test_without_a_limit_for_quiet_total_is_what_ends_it(play: Play) -> None:
    """None is no limit, for this timeout alone."""
    thinking = [sse(START, OPENED, THOUGHT), STALL]
    played = play([Answer(body=thinking)], [Timeout(idle=0.6, quiet=None, total=50.0)], dialect=Anthropic())
    assert (played.error.timeout, played.elapsed) == ("total", pytest.approx(50.0))
    text = [sse(START, CLOSED), ANSWER[: ANSWER.index(b"event: message_delta")], STALL]
    played = play([Answer(body=text)], [Timeout(idle=0.6, quiet=None, total=50.0)], dialect=Anthropic())
    assert played.error.timeout == "idle"


def test_pings_are_progress_where_they_are_counted(play: Play) -> None:
    """For `quiet` as for `idle`."""
    body = [sse(START, OPENED, THOUGHT), *pings(20.0, 0.5), sse(SIGNED, CLOSED), ANSWER]
    counted = Timeouts(**DIVIDED, count_keepalives=True)
    assert play([Answer(body=body)], [], dialect=Anthropic(), timeouts=counted).error is None
    assert play([Answer(body=body)], [Timeout(**DIVIDED)], dialect=Anthropic()).error.timeout == "quiet"


def test_a_tool_of_the_responses_api_is_waited_for(play: Play) -> None:
    """The same rule in another dialect: an interpreter at work, then text."""

    def said(type: str, **fields: Any) -> Any:
        return event(f"response.{type}", **fields)

    work = {"output_index": 0, "item": {"id": "i", "type": "code_interpreter_call"}}
    body = [
        sse(said("created"), said("output_item.added", **work), said("code_interpreter_call.interpreting")),
        3.0,
        sse(said("output_item.done", **work), said("output_text.delta", delta="Whole")),
        sse(said("completed", response={"status": "completed"})),
    ]
    played = play([Answer(body=body)], [Timeout(**DIVIDED), Retry()], dialect=OpenAI())
    assert (played.error, len(played.requests)) == (None, 1)


def test_a_whole_reply_waits_for_two_silent_thoughts_and_no_more(chat: Any) -> None:
    """Nothing of them was shown, so `quiet` is retried like `first_event`: once."""
    stalled = Answer(body=[sse(START, OPENED, THOUGHT), STALL])
    began = chat.clock.monotonic()
    with pytest.raises(TimeoutError) as caught:
        chat.send(chat.generator([stalled, stalled]), "Hello")
    assert (caught.value.timeout, caught.value.history[-1].reason) == ("quiet", "no progress within quiet, twice")
    assert 1200.0 <= chat.clock.monotonic() - began < 1210.0
