"""What a call reserves, uses and gives back, and the one row of the audit that it leaves on every path."""

import asyncio
import json
from typing import Any

import pytest
from attrs import define, evolve, field
from tests.plugins.gateway.world import SETTINGS, Ledger, World, messages_events, paused, play, streamed

from unbroken import NetworkError
from unbroken.testing import STALL, Answer
from unbroken_gateway.audit import AuditUnavailable
from unbroken_gateway.calls.admission import BEAT, SLOT_TTL
from unbroken_gateway.config.settings import AuditSettings
from unbroken_gateway.replies import frames
from unbroken_gateway.state import StateUnavailable
from unbroken_gateway.values import Allowance, AuditEnd, AuditStart, Rate

FORMS = ["messages", "chat", "responses"]
JSON = {"content-type": "application/json"}
RESUME = [("unbroken-resume", "1")]
USER = "development|development"
LONG = " ".join(["word"] * 300)
DAY = 86_400.0
PLAIN = {
    "messages": b'{"type":"message","usage":{"input_tokens":7,"output_tokens":3}}',
    "chat": b'{"object":"chat.completion","choices":[],"usage":{"prompt_tokens":7,"completion_tokens":3}}',
    "responses": b'{"object":"response","status":"completed","usage":{"input_tokens":7,"output_tokens":3}}',
}


def failure(status: int) -> Answer:
    return Answer(status=status, headers=JSON, body=b'{"error":{"type":"x","message":"secret words"}}')


def money(usd: str) -> Allowance:
    return Allowance(budget=Rate(round(float(usd) * 1_000_000), DAY))


def user(world: World) -> str:
    return world.ledger.starts[0].user


async def standing(world: World) -> Any:
    return await world.services.state.standing(user(world), world.allowance)


# R3: one row on every path


async def leaves(world: World, got: Any) -> None:
    await got.until(lambda its: bool(its.parts))
    got.leave()


async def stays(world: World, got: Any) -> None:
    pass


async def cut(world: World, got: Any) -> None:
    await got.until(lambda its: bool(its.parts))
    world.gateway.cut()


PATHS: dict[str, Any] = {
    "whole": (lambda form: streamed(form), stays, ("success", 200, "")),
    "500": (lambda form: failure(500), stays, ("failed", 502, "ServerError")),
    "401": (lambda form: failure(401), stays, ("failed", 502, "AuthenticationError")),
    "400": (lambda form: failure(400), stays, ("failed", 400, "ValidationError")),
    "429": (lambda form: failure(429), stays, ("failed", 429, "RateLimitError")),
    "network": (lambda form: Answer(failure=NetworkError("secret words")), stays, ("failed", 502, "NetworkError")),
    "truncated": (lambda form: Answer(body=paused(form).body[:-3]), stays, ("failed", 200, "TruncatedStreamError")),
    "silent": (lambda form: paused(form, STALL), stays, ("failed", 200, "TimeoutError")),
    "html": (
        lambda form: Answer(headers={"content-type": "text/html"}, body=b"<p>"),
        stays,
        ("failed", 502, "ContentTypeError"),
    ),
    "left": (lambda form: paused(form, STALL), leaves, ("cancelled", 200, "")),
    "cut": (lambda form: paused(form, STALL), cut, ("cut", 200, "")),
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("path", PATHS)
def test_r3_every_path_of_a_stream_leaves_one_row(path: str, form: str) -> None:
    answer, then, expected = PATHS[path]

    async def story(world: World) -> None:
        got = world.post(form)
        await then(world, got)
        await got.whole()
        await world.nothing_is_left()
        (end,) = world.ledger.ends
        assert (end.ending, end.status, end.error) == expected
        assert end.attempts == 1
        assert got.status == expected[1]
        if got.status == 200:
            assert end.micro_usd > 0

    play(story, [answer(form)])


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    ("status", "expected"),
    [(500, ("failed", 502, "ServerError")), (200, ("success", 200, "")), (0, ("cancelled", 0, ""))],
)
def test_r3_every_path_of_a_plain_call_leaves_one_row(form: str, status: int, expected: Any) -> None:
    async def story(world: World) -> None:
        got = world.post(form, stream=False)
        if not status:
            await asyncio.sleep(1)
            got.leave()
        await got.whole()
        await world.nothing_is_left()
        (end,) = world.ledger.ends
        assert (end.ending, end.status, end.error) == expected
        if status == 200:
            assert (end.input_tokens, end.output_tokens, end.estimated_tokens) == (7, 3, 0)

    good = Answer(headers=JSON, body=PLAIN[form])
    play(story, [{500: failure(500), 200: good, 0: Answer(latency=STALL)}[status]])


def test_r3_an_aborted_stream_has_the_usage_so_far() -> None:
    async def story(world: World) -> None:
        got = world.post()
        await got.until(lambda its: b"word" in its.body)
        got.leave()
        await got.whole()
        await world.nothing_is_left()
        (end,) = world.ledger.ends
        assert (end.ending, end.input_tokens, end.output_tokens) == ("cancelled", 10, 1)
        assert end.estimated_tokens == 10 + round(LONG.count("word") * 5 / 4)
        assert (await standing(world)).micro_usd == end.micro_usd == 10 * 3 + 375 * 15

    body = messages_events(LONG)[:-3]
    play(story, [Answer(body=[b"".join(body), STALL])], allowance=money("1"))


def test_r3_a_bug_in_the_middle_of_a_stream_is_a_row_and_told_the_client(caplog: Any, monkeypatch: Any) -> None:
    good, calls = frames.frames, []

    def broken(*arguments: Any) -> list[bytes]:
        calls.append(arguments)
        if len(calls) > 1:
            raise RuntimeError("secret words")
        return good(*arguments)

    async def story(world: World) -> None:
        got = await world.post().whole()
        assert (got.ended, got.aborted) == (True, False)
        assert (b"api_error" in got.body, b"secret words" in got.body) == (True, False)
        await world.nothing_is_left()
        (end,) = world.ledger.ends
        assert (end.ending, end.status, end.error) == ("failed", 200, "internal")

    monkeypatch.setattr(frames, "frames", broken)
    play(story, [paused("messages", 1.0)])
    assert "failed by a bug" in caplog.text


# Cancelled while it is admitted


@define(eq=False)
class Slow:
    """A state or an audit whose operation takes a second."""

    inner: Any
    slow: str
    asked: list[str] = field(factory=list[str])

    def __getattr__(self, name: str) -> Any:
        method = getattr(self.inner, name)
        if name != self.slow:
            return method

        async def late(*arguments: Any) -> Any:
            result = await method(*arguments)
            self.asked.append(name)
            await asyncio.sleep(1)
            return result

        return late


@pytest.mark.parametrize("where", ["audit", "state"])
@pytest.mark.parametrize("how", ["left", "cut"])
def test_r8_a_client_that_leaves_while_it_is_admitted_gives_everything_back(where: str, how: str) -> None:
    async def story(world: World) -> None:
        admission = world.services.admission
        if where == "audit":
            admission.audit = Slow(admission.audit, "start")  # type: ignore[assignment]
        else:
            admission.state = Slow(admission.state, "reserve")  # type: ignore[assignment]
        got = world.post()
        await asyncio.sleep(0.5)
        if how == "left":
            got.leave()
        else:
            world.gateway.cut()
        await got.whole()
        await world.nothing_is_left()
        (end,) = world.ledger.ends
        assert end.ending == ("cancelled" if how == "left" else "cut")
        assert got.status == (0 if how == "left" else 503)
        assert not world.upstream.requests
        now = await standing(world)
        assert (now.tokens, now.micro_usd, now.streams) == (0, 0, 0)

    play(story, allowance=Allowance(tokens=Rate(10_000, DAY), streams=1, budget=Rate(1_000_000, DAY)))


def test_r8_a_denial_that_comes_after_the_client_has_left_is_a_row() -> None:
    async def story(world: World) -> None:
        world.services.admission.state = Slow(world.services.state, "reserve")  # type: ignore[assignment]
        got = world.post()
        await asyncio.sleep(0.5)
        got.leave()
        await got.whole()
        await world.nothing_is_left()
        assert [end.status for end in world.ledger.ends] == [402]

    play(story, allowance=money("0"))


# R4: what the upstream says, and what it does not say


@pytest.mark.parametrize("form", FORMS)
def test_r4_a_usage_of_0_is_not_an_unknown_usage(form: str) -> None:
    async def story(world: World) -> None:
        await world.post(form).whole()
        await world.nothing_is_left()
        (end,) = world.ledger.ends
        assert (end.input_tokens, end.output_tokens, end.estimated_tokens, end.micro_usd) == (0, 0, 0, 0)
        assert (await standing(world)).tokens == 0

    play(story, [streamed(form, usage=(0, 0))], allowance=Allowance(tokens=Rate(10_000, DAY)))


def test_r4_an_unknown_usage_is_none_and_estimated() -> None:
    async def story(world: World) -> None:
        await world.post("chat").whole()
        await world.nothing_is_left()
        (end,) = world.ledger.ends
        assert (end.input_tokens, end.output_tokens) == (None, None)
        estimated = round(len("Hello there ") / 4)
        assert end.estimated_tokens > estimated
        assert (await standing(world)).tokens == end.estimated_tokens

    play(story, [streamed("chat", usage=None)], allowance=Allowance(tokens=Rate(10_000, DAY)))


def test_r4_a_plain_answer_that_counts_nothing_is_estimated_by_its_length() -> None:
    async def story(world: World) -> None:
        await world.post("chat", stream=False).whole()
        await world.nothing_is_left()
        (end,) = world.ledger.ends
        assert (end.input_tokens, end.output_tokens) == (None, None)
        assert end.estimated_tokens >= 1000

    play(story, [Answer(headers=JSON, body=json.dumps({"choices": [], "x": "x" * 4000}).encode())])


def test_r4_counting_tokens_costs_nothing() -> None:
    async def story(world: World) -> None:
        body = {"model": "claude", "messages": [{"role": "user", "content": "x" * 4000}]}
        got = await world.ask("POST", "/v1/messages/count_tokens", body).whole()
        assert got.json() == {"input_tokens": 1000}
        await world.nothing_is_left()
        (end,) = world.ledger.ends
        assert (end.estimated_tokens, end.micro_usd) == (0, 0)

    play(story, [Answer(headers=JSON, body=b'{"input_tokens":1000}')])


def test_estimates_are_corrected_by_the_usage() -> None:
    async def story(world: World) -> None:
        got = world.post()
        await got.until(lambda its: bool(its.parts))
        reserved = (await standing(world)).tokens
        assert reserved > 100  # the input, and the cap of the output
        await got.whole()
        await world.nothing_is_left()
        assert (await standing(world)).tokens == 15

    play(story, [paused("messages", 1.0)], allowance=Allowance(tokens=Rate(10_000, DAY)))


# R6, R8, S25: limits


def test_r6_a_budget_for_ten_admits_at_most_ten_of_fifty() -> None:
    async def story(world: World) -> None:
        several = [world.post("messages") for _ in range(50)]
        for got in several:
            await got.until(lambda its: its.status != 0)
        statuses = sorted(got.status for got in several)
        assert statuses == [200] * 10 + [402] * 40
        assert (await standing(world)).micro_usd <= world.allowance.budget.amount  # type: ignore[union-attr]
        for got in several:
            if got.status == 200:
                got.leave()
        await asyncio.gather(*(got.whole() for got in several))
        await world.nothing_is_left()

    def first(world_budget: int) -> Allowance:
        return Allowance(budget=Rate(world_budget, DAY))

    costs: list[int] = []

    async def measure(world: World) -> None:
        got = world.post()
        await got.until(lambda its: its.status != 0)
        costs.extend(grant.reserved.micro_usd for grant in world.services.admission.held.values())
        got.leave()
        await got.whole()

    play(measure, [paused("messages", STALL)])
    play(story, lambda _: paused("messages", STALL), allowance=first(costs[0] * 10))


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    ("allowance", "status", "code", "wait"),
    [
        (Allowance(requests=Rate(1, 60)), 429, "rate_limit_exceeded", 60),
        (Allowance(streams=1), 429, "rate_limit_exceeded", None),
        (Allowance(tokens=Rate(4200, 60)), 429, "rate_limit_exceeded", None),
    ],
    ids=["requests", "S25-streams", "tokens"],
)
def test_a_limit_denies_the_second_and_a_denial_is_a_row(
    allowance: Allowance, status: int, code: str, wait: float | None, form: str
) -> None:
    async def story(world: World) -> None:
        first = world.post(form)
        await first.until(lambda its: bool(its.parts))
        second = await world.post(form).whole()
        assert second.status == status
        if form != "messages":
            assert second.json()["error"]["code"] == code
        assert "x-should-retry" not in second.headers
        assert float(second.headers["retry-after-ms"]) > 0
        if wait is not None:
            assert second.headers["retry-after"] == str(wait)
        await world.settled()
        (end,) = world.ledger.ends
        assert (end.ending, end.status, end.error) == ("failed", status, "user_limit")
        first.leave()
        await first.whole()
        await world.nothing_is_left()
        traffic = world.services.traffic
        assert (traffic.began, traffic.errors["user_limit"], traffic.refusals) == (2, 1, {})

    if form == "messages" and allowance.tokens is not None:
        allowance = Allowance(tokens=Rate(130, 60))
    play(story, lambda _: paused(form, STALL), allowance=allowance)


def test_s25_a_place_is_free_as_soon_as_its_call_has_ended() -> None:
    async def story(world: World) -> None:
        for _ in range(5):
            got = world.post()
            await got.until(lambda its: bool(its.parts))
            assert (await world.post().whole()).status == 429
            got.leave()
            await got.whole()
        await world.nothing_is_left()

    play(story, lambda _: paused("messages", STALL), allowance=Allowance(streams=1))


def test_r8_the_lease_of_a_long_stream_is_renewed() -> None:
    async def story(world: World) -> None:
        got = world.post()
        await got.until(lambda its: bool(its.parts))
        await asyncio.sleep(SLOT_TTL * 3)
        assert (await standing(world)).streams == 1
        assert (await world.post().whole()).status == 429
        got.leave()
        await got.whole()
        assert (await standing(world)).streams == 0

    beats = [BEAT] * 20
    items: list[Any] = [each for beat in beats for each in (beat, messages_events()[2])]
    play(story, lambda _: paused("messages", *items), allowance=Allowance(streams=1))


def test_r8_the_place_of_a_worker_that_died_is_free_after_its_lease() -> None:
    async def story(world: World) -> None:
        world.services.admission.held = _Forgetful()  # its beats are those of a dead worker
        got = world.post()
        await got.until(lambda its: bool(its.parts))
        assert (await world.post().whole()).status == 429
        await asyncio.sleep(SLOT_TTL + 1)
        again = world.post()
        await again.until(lambda its: its.status != 0)
        assert again.status == 200
        for each in (got, again):
            each.leave()
            await each.whole()

    items: list[Any] = [each for _ in range(20) for each in (BEAT, messages_events()[2])]
    play(story, lambda _: paused("messages", *items), allowance=Allowance(streams=1))


class _Forgetful(dict[str, Any]):
    def __setitem__(self, key: str, value: Any) -> None:
        pass


def test_1000_cancels_leave_no_place() -> None:
    async def story(world: World) -> None:
        for number in range(1000):
            got = world.post(FORMS[number % 3], stream=number % 7 != 0, headers=RESUME if number % 5 == 0 else ())
            for _ in range(number % 40):
                await asyncio.sleep(0)
            got.leave()
            await got.whole()
        await asyncio.sleep(45)  # streams that can be resumed go on for the time of grace
        await world.nothing_is_left()
        assert {end.ending for end in world.ledger.ends} <= {"cancelled", "success"}

    def script(request: Any) -> Answer:
        form = {"/v1/messages": "messages", "/v1/chat/completions": "chat", "/v1/responses": "responses"}
        return paused(form[request.url.partition(".example")[2]], STALL)

    play(story, script, allowance=Allowance(streams=1000))


# S28: the budget


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("resume", [(), RESUME], ids=["direct", "resumable"])
def test_s28_a_stream_that_uses_up_the_budget_is_cut(form: str, resume: Any) -> None:
    """The upstream ignores the cap of the output, and counts only at the end."""

    async def story(world: World) -> None:
        field_of = {"messages": "max_tokens", "chat": "max_completion_tokens", "responses": "max_output_tokens"}
        got = await world.post(form, headers=resume, body={field_of[form]: 1}).whole()
        text = got.body.decode()
        assert (got.status, got.ended) == (200, True)
        assert text.count("word") < 300
        if form == "messages":
            assert '"type":"billing_error"' in text
            assert "message_stop" not in text
        else:
            assert '"code":"insufficient_quota"' in text
            assert "[DONE]" not in text
            assert "response.completed" not in text
        await world.nothing_is_left()
        (end,) = world.ledger.ends
        assert (end.ending, end.status, end.error) == ("cut", 200, "budget_spent")
        assert end.micro_usd > 1000
        assert (await world.post(form).whole()).status == 402

    play(story, lambda _: paused(form, text=LONG), allowance=money("0.001"))


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("stream", [True, False])
def test_s28_without_a_budget_left_nothing_begins(form: str, stream: bool) -> None:
    async def story(world: World) -> None:
        got = await world.post(form, stream=stream).whole()
        error = got.json()["error"]
        assert got.status == 402
        expected = "billing_error" if form == "messages" else "insufficient_quota"
        assert error["type" if form == "messages" else "code"] == expected
        assert got.headers["x-should-retry"] == "false"
        assert "retry-after" not in got.headers
        await world.nothing_is_left()
        assert [end.error for end in world.ledger.ends] == ["budget_spent"]

    play(story, allowance=money("0.000001"))


def test_s28_what_is_used_beyond_the_reservation_is_settled_as_it_grows() -> None:
    async def story(world: World) -> None:
        got = world.post(body={"max_tokens": 1})
        await got.until(lambda its: bool(its.parts))
        reserved = (await standing(world)).micro_usd
        await asyncio.sleep(1.5)
        grown = (await standing(world)).micro_usd
        assert grown > reserved
        await asyncio.sleep(1)
        assert (await standing(world)).micro_usd > grown
        await got.whole()
        await world.nothing_is_left()
        assert (await standing(world)).micro_usd == 105

    events = messages_events(LONG)
    body = [*events[:3], 1.0, b"".join(events[3:100]), 1.0, b"".join(events[100:200]), 1.0, b"".join(events[200:])]
    play(story, [Answer(body=body)], allowance=money("1"))


# A state and an audit that are down


class Down:
    def __init__(self, inner: Any, *names: str) -> None:
        self.inner, self.names = inner, names

    def __getattr__(self, name: str) -> Any:
        if name not in self.names:
            return getattr(self.inner, name)

        async def down(*_: Any) -> Any:
            raise StateUnavailable

        return down


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("stream", [True, False])
def test_r23_without_a_state_calls_are_refused_and_it_is_counted(form: str, stream: bool) -> None:
    async def story(world: World) -> None:
        world.services.admission.state = Down(world.services.state, "reserve")  # type: ignore[assignment]
        got = await world.post(form, stream=stream).whole()
        assert (got.status, got.headers["retry-after"], got.headers["x-should-retry"]) == (503, "1", "true")
        assert not world.upstream.requests
        await world.nothing_is_left()
        assert [(end.ending, end.status, end.error) for end in world.ledger.ends] == [("failed", 503, "unavailable")]

    play(story)


def test_r23_a_state_that_goes_away_under_a_stream_ends_nothing() -> None:
    async def story(world: World) -> None:
        got = world.post(body={"max_tokens": 1})
        await got.until(lambda its: bool(its.parts))
        down = Down(world.services.state, "settle", "release", "beat")
        world.services.admission.state = down  # type: ignore[assignment]
        await got.whole()
        assert b"message_stop" in got.body
        await world.settled()
        assert [end.ending for end in world.ledger.ends] == ["success"]
        assert world.services.traffic.failures["settle"] == 1
        assert world.services.traffic.failures["beat"] >= 1
        assert world.services.admission.held == {}

    play(story, [paused("messages", 20.0, text=LONG)], allowance=money("1"))


def test_a_bug_of_the_state_is_a_row_and_500(caplog: Any) -> None:
    async def story(world: World) -> None:
        world.services.admission.state = None  # type: ignore[assignment]
        got = await world.post().whole()
        assert got.status == 500
        await world.settled()
        assert [(end.ending, end.status, end.error) for end in world.ledger.ends] == [("failed", 500, "internal")]
        assert world.services.traffic.snapshot()["under_way"] == 0

    play(story)
    assert "failed by a bug" in caplog.text


@define(eq=False)
class Broken(Ledger):
    """An audit that fails."""

    at: str = "start"

    async def start(self, row: AuditStart) -> None:
        if self.at == "start":
            raise AuditUnavailable("secret words")
        await super().start(row)

    async def end(self, row: AuditEnd) -> None:
        if self.at == "end":
            raise AuditUnavailable("secret words")
        await super().end(row)


def test_r22_without_an_audit_calls_are_refused() -> None:
    async def story(world: World) -> None:
        got = await world.post().whole()
        assert (got.status, b"secret words" in got.body) == (503, False)
        assert not world.upstream.requests
        assert world.services.traffic.failures["audit"] == 1
        assert world.services.traffic.snapshot()["under_way"] == 0

    play(story, ledger=Broken())


def test_r22_or_they_go_on_where_the_operator_says_so() -> None:
    async def story(world: World) -> None:
        got = await world.post().whole()
        assert (got.status, got.ended) == (200, True)
        assert world.services.traffic.failures["audit"] == 1

    play(story, [streamed()], ledger=Broken(), audit=AuditSettings(path=None, on_failure="go-on"))


def test_r22_an_ending_that_cannot_be_written_is_counted() -> None:
    async def story(world: World) -> None:
        got = await world.post().whole()
        assert (got.status, got.ended) == (200, True)
        await world.settled()
        assert world.services.traffic.failures["audit"] == 1
        assert world.services.admission.held == {}

    play(story, [streamed()], ledger=Broken(at="end"))


def test_the_row_says_who_asked_what_and_for_how_long() -> None:
    async def story(world: World) -> None:
        await world.post(headers=[("x-request-id", "mine-1")]).whole()
        await world.nothing_is_left()
        (start,), (end,) = world.ledger.starts, world.ledger.ends
        assert (start.client_request_id, start.issuer, start.plan) == ("mine-1", "development", "development")
        assert (start.route, start.dialect, start.model, start.upstream) == (
            "/v1/messages",
            "anthropic",
            "claude",
            "claude",
        )
        assert (start.streamed, start.stream_id, start.prompt) == (True, "", None)
        assert (end.upstream_request_id, end.upstream_model) == ("req_up", "claude-up")
        assert end.first_byte == pytest.approx(2.0)
        assert end.duration == pytest.approx(5.0)

    answer = evolve(
        paused("messages", 3.0), latency=2.0, headers={"content-type": "text/event-stream", "request-id": "req_up"}
    )
    play(story, [answer])


def test_r22_a_prompt_is_kept_only_where_the_operator_says_so() -> None:
    async def story(world: World) -> None:
        await world.post().whole()
        (start,) = world.ledger.starts
        assert json.loads(start.prompt or b"")["messages"][0]["content"] == "hi"

    play(story, [streamed()], audit=evolve(SETTINGS.audit, prompts=True))
