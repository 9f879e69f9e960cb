"""The official SDKs, unchanged but for the URL and the key, in Python, Node and a page of Chromium.

Each test asks a stand-in too, which sends what the gateway promises to: so it is known that the promise is right, also
for what a client cannot bring about.
"""

import json
import re
from typing import Any

import pytest
from attrs import evolve

from unbroken_faults import Fault, faults

from ..judges import python
from ..judges.fixtures import Judge, Targets, engines, judge, sdk, stand_in, target, targets
from ..judges.rows import ROWS, Row
from ..judges.stand_in import StandIn

__all__ = ("engines", "judge", "sdk", "stand_in", "target", "targets")

TEXT = "Wörter\u2028 und\nZeilen, 各々"
MODELS = {"anthropic": "claude", "openai": "gpt"}
ENDS = {"anthropic": "end_turn", "openai": "stop"}
KEEPALIVE = b": keepalive\n"
BOTH = ("raw", "plain")
"""The scenarios with and without a stream."""


def task(target: Any, sdk: str, do: str, **more: Any) -> dict[str, Any]:
    """What a judge is asked."""
    return {"url": target.url, "key": target.key, "sdk": sdk, "do": do, "model": MODELS[sdk], **more}


def test_a_stream_arrives_whole(judge: Judge, sdk: str, target: Any) -> None:
    """Text, stop reason, usage and a request id, by the helpers of the SDKs."""
    target.push(Fault(text=TEXT, usage=(3, 5)))
    told = judge(task(target, sdk, "stream"))
    assert "error" not in told, told
    assert (told["text"], told["pieces"], told["stop"], told["usage"]) == (TEXT, TEXT, ENDS[sdk], [3, 5])


def test_the_raw_events_are_those_of_the_vendor(judge: Judge, sdk: str, target: Any) -> None:
    """Nothing is added to them: no chunk with the usage for a client that did not ask for it."""
    target.push(Fault(text=TEXT))
    told = judge(task(target, sdk, "raw"))
    assert "error" not in told, told
    if sdk == "openai":
        assert told == {"text": TEXT, "stop": "stop", "chunks_without_choices": 0, "counted": 0}
    else:
        kinds = [kind for kind in told["kinds"] if kind not in ("ping", "content_block_delta")]
        assert kinds == ["message_start", "content_block_start", "content_block_stop", "message_delta", "message_stop"]


def test_a_plain_answer(judge: Judge, sdk: str, target: Any) -> None:
    target.push(Fault(text=TEXT, usage=(3, 5)))
    told = judge(task(target, sdk, "plain"))
    assert "error" not in told, told
    assert (told["text"], told["stop"], told["usage"]) == (TEXT, ENDS[sdk], [3, 5])
    assert told["request_id"]


def test_a_long_prompt_is_no_long_head(judge: Judge, sdk: str, target: Any) -> None:
    """Head and body arrive in one read, which is larger than any head may be."""
    target.push(Fault(text=TEXT))
    told = judge(task(target, sdk, "plain", prompt="x" * 200_000))
    assert told.get("text") == TEXT, told


def test_the_call_of_a_tool(judge: Judge, sdk: str, target: Any) -> None:
    target.push(faults.tool_use(input={"zone": "Asia/Tōkyō"}))
    told = judge(task(target, sdk, "tools"))
    assert "error" not in told, told
    ((name, given),) = told["tools"]
    assert (name, json.loads(given) if sdk == "openai" else given) == ("get_time", {"zone": "Asia/Tōkyō"})


@pytest.mark.parametrize("do", ["response", "response_stream"])
def test_a_response_arrives_whole(judge: Judge, target: Any, do: str) -> None:
    """The text, the calls of tools, the status and the usage of OpenAI's Responses API, streamed or not."""
    target.push(Fault(text=TEXT, thinking="Hm.", tools=[("get_time", {"zone": "Asia/Tōkyō"})], usage=(3, 5)))
    told = judge(task(target, "openai", do))
    assert "error" not in told, told
    assert (told["text"], told.get("pieces", TEXT), told["stop"], told["usage"]) == (TEXT, TEXT, "completed", [3, 5])
    ((name, given),) = told["tools"]
    assert (name, json.loads(given)) == ("get_time", {"zone": "Asia/Tōkyō"})


def test_the_raw_events_of_a_response_are_those_of_the_vendor(judge: Judge, target: Any) -> None:
    """Each with its number."""
    target.push(Fault(text=TEXT))
    told = judge(task(target, "openai", "response_raw"))
    assert "error" not in told, told
    kinds = [kind.removeprefix("response.") for kind in told["kinds"] if not kind.endswith(".delta")]
    assert kinds == [
        "created",
        "in_progress",
        "output_item.added",
        "content_part.added",
        "output_text.done",
        "content_part.done",
        "output_item.done",
        "completed",
    ]
    assert told["numbers"] == list(range(len(told["kinds"])))


def test_tokens_are_counted(judge: Judge, target: Any) -> None:
    target.push(Fault(usage=(12, 1)))
    assert judge(task(target, "anthropic", "count_tokens")) == {"tokens": 12}


def test_the_models_are_listed(judge: Judge, sdk: str, target: Any) -> None:
    """In the form of the vendor, which the helpers of the SDKs page through."""
    told = judge(task(target, sdk, "models"))
    assert "error" not in told, told
    assert told["models"]


@pytest.mark.parametrize("after", [0, 1, 3, 5, -1])
def test_r11_a_keepalive_between_any_two_events_is_not_noticed(
    judge: Judge, sdk: str, stand_in: StandIn, after: int
) -> None:
    """A comment of one line and no empty line, before the first event and after each kind."""
    for do in ("stream", "raw"):
        stand_in.push(Fault(text=TEXT, after=after, insert=KEEPALIVE, times=3))
        told = judge(task(stand_in, sdk, do))
        assert "error" not in told, told
        assert told.get("text", TEXT) == TEXT


def test_r11_a_silent_upstream_is_bridged_by_keepalives(judge: Judge, sdk: str, targets: Targets) -> None:
    """The gateway opens the stream before anything has come; the SDK waits on and reads it whole."""
    gateway = targets.gateway("quick")
    gateway.push(Fault(text=TEXT, latency=1.5))
    told = judge(task(gateway, sdk, "stream"))
    assert "error" not in told, told
    assert told["text"] == TEXT


def expect(row: Row, sdk: str, told: dict[str, Any]) -> None:
    """What `told` says must be what `row` promises."""
    error = told.get("error")
    assert error is not None, told
    assert error["status"] == row.status_for(sdk), error
    assert re.fullmatch(row.class_for(sdk), error["class"]), error
    assert error["request_id"], error
    assert error["should_retry"] == row.should_retry, error
    if row.retry_after is None:
        assert error["retry_after"] is None, error
    else:
        assert re.fullmatch(row.retry_after, error["retry_after"] or ""), error
    if sdk == "anthropic":
        assert error["type"] == row.type, error
    else:
        assert error["code"] == row.code, error


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.id)
def test_the_promised_form_of_an_error_is_read(judge: Judge, sdk: str, stand_in: StandIn, row: Row) -> None:
    """Class, status, type or code, request id; one request where it says not to retry, streamed or not."""
    retries = 2 if row.should_retry == "false" else 0
    for number, do in enumerate(BOTH, 1):
        stand_in.push(row.form(sdk))
        expect(row, sdk, judge(task(stand_in, sdk, do, retries=retries)))
        assert stand_in.asked() == number


@pytest.mark.parametrize("row", [row for row in ROWS if row.reachable], ids=lambda row: row.id)
def test_an_error_of_the_gateway(judge: Judge, sdk: str, targets: Targets, row: Row) -> None:
    """The same from the gateway; neither it nor the SDK asks the upstream twice."""
    gateway = targets.gateway(row.settings)
    for _ in range(row.before):
        python.judge(task(gateway, sdk, "plain"))
    gateway.upstream.reset()
    more = dict(row.task)
    if more.get("model") == "impatient":
        more["model"] = f"impatient-{MODELS[sdk]}"
    retries = 2 if row.should_retry == "false" else 0
    for number, do in enumerate(BOTH, 1):
        if row.upstream is not None:
            gateway.push(row.upstream)
        expect(row, sdk, judge(task(gateway, sdk, do, retries=retries, **more)))
        assert gateway.asked() == (0 if row.upstream is None else number)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.id)
def test_the_promised_form_of_an_error_in_the_stream_is_read(
    judge: Judge, sdk: str, stand_in: StandIn, row: Row
) -> None:
    """Behind the 200 the SDKs raise too, and know the type or code; it comes once though retries are allowed."""
    stand_in.push(Fault(after=5, insert=row.frame(sdk), then="end"))
    told = judge(task(stand_in, sdk, "raw", retries=2))
    in_band(row, sdk, told)
    assert stand_in.asked() == 1


def in_band(row: Row, sdk: str, told: dict[str, Any]) -> None:
    """What `told` says must be the error of `row` that came in the stream."""
    error = told.get("error")
    assert error is not None, told
    said, promised = (error["type"], row.type) if sdk == "anthropic" else (error["code"], row.code)
    assert said == promised, error
    assert error["request_id"] or sdk == "openai", error


BROKEN = {
    "truncated": (faults.cut(after=5), "api_error", "upstream_error"),
    "error-event": (faults.error_after(type="overloaded_error"), "overloaded_error", "overloaded"),
    "reset": (faults.reset(after=5), "api_error", "upstream_error"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_r13_a_stream_that_breaks_upstream_raises_here(judge: Judge, sdk: str, targets: Targets, name: str) -> None:
    """No SDK takes what came for the whole."""
    gateway = targets.gateway()
    fault, type, code = BROKEN[name]
    gateway.push(fault)
    told = judge(task(gateway, sdk, "raw", retries=2))
    row = evolve(ROWS[0], type=type, code=code)
    in_band(row, sdk, told)
    assert gateway.asked() == 1


@pytest.mark.parametrize("name", BROKEN)
def test_r13_a_response_that_breaks_upstream_raises_here(judge: Judge, targets: Targets, name: str) -> None:
    """As a stream of chunks does."""
    gateway = targets.gateway()
    fault, _, code = BROKEN[name]
    gateway.push(fault)
    told = judge(task(gateway, "openai", "response_raw", retries=2))
    in_band(evolve(ROWS[0], code=code), "openai", told)
    assert gateway.asked() == 1
