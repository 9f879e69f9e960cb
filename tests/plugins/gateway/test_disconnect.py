"""R1, R2, R14: a client that leaves ends its call at the same instant, in each phase, on every route; R5: or not."""

import asyncio
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from attrs import evolve
from tests.plugins.gateway.world import BODIES, ROUTES, SETTINGS, World, paused, play, streamed

from unbroken.testing import STALL, Answer
from unbroken_gateway.config.settings import Resume

JSON = {"content-type": "application/json"}
RETRY = {"plugins": ("timeout", "retry"), "policies": {"retry": {"initial_delay": 20.0, "max_delay": 20.0}}}
LIMIT = {
    "plugins": ("timeout", "rate-limit"),
    "policies": {"rate-limit": {"requests": 1, "burst": 1, "max_wait": None}},
}


def ask(world: World, route: str, *, whole: bool = True) -> Any:
    """Send a request to a route: one that streams, one that does not, or one whose body stays open."""
    name, _, kind = route.partition(" ")
    form = name if name in ROUTES else "messages"
    path = {"count": "/v1/messages/count_tokens", "alias": "/api/claude"}.get(name) or ROUTES[form]
    body = {**BODIES[form], **({} if name == "count" else {"stream": kind != "plain"})}
    headers = [("unbroken-resume", "1")] if kind == "resumable" else []
    if not whole:
        return world.ask("POST", path, chunks=[json.dumps(body)[:-1].encode()], headers=headers)
    return world.ask("POST", path, body, headers=headers)


STREAMS = ["messages", "chat", "responses", "alias"]
PLAIN = ["messages plain", "chat plain", "responses plain", "alias plain", "count plain"]
RESUMABLE = ["messages resumable", "chat resumable", "responses resumable"]


def first_event(request: Any) -> Answer:
    return Answer(body=[b"", STALL])


def middle(request: Any) -> Answer:
    form = next(form for form, path in ROUTES.items() if request.url.endswith(path))
    return paused(form, STALL)


def half(request: Any) -> Answer:
    return Answer(headers={**JSON, "content-length": "100"}, body=[b'{"type":', STALL])


def silent(request: Any) -> Answer:
    return Answer(latency=STALL)


def refused(request: Any) -> Answer:
    return Answer(status=500, headers=JSON, body=b"{}")


Script = Callable[[Any], Answer]
PHASES: dict[str, tuple[Script, dict[str, Any], int]] = {
    "limiter": (silent, {"upstream": LIMIT}, 0),
    "retry": (refused, {"upstream": RETRY}, 1),
    "headers": (silent, {}, 1),
    "first-event": (first_event, {}, 1),
    "mid-stream": (middle, {}, 1),
    "mid-answer": (half, {}, 1),
}
"""What the upstream does, the settings, and the requests that it gets."""


def cases() -> Iterator[Any]:
    for phase in PHASES:
        routes = {"mid-stream": STREAMS, "mid-answer": PLAIN, "first-event": STREAMS + RESUMABLE}
        for route in routes.get(phase, [*STREAMS, *PLAIN, *RESUMABLE]):
            yield pytest.param(phase, route, id=f"{phase}-{route.replace(' ', '-')}")


@pytest.mark.parametrize(("phase", "route"), list(cases()))
def test_r1_r2_r14_the_upstream_is_closed_when_the_client_leaves(phase: str, route: str) -> None:
    script, settings, asked = PHASES[phase]

    async def story(world: World) -> None:
        if phase == "limiter":
            holder = world.post("messages" if route[:4] in ("mess", "alia", "coun") else "chat")
            await asyncio.sleep(1)
        got = ask(world, route)
        await asyncio.sleep(2)
        before, left_at = len(world.upstream.requests), world.clock.monotonic()
        got.leave()
        await got.whole()
        await world.settled()
        assert world.clock.monotonic() == left_at
        if phase == "limiter":
            assert before == 1
            holder.leave()
            await holder.whole()
        else:
            assert before == asked
        await world.nothing_is_left()
        assert world.clock.monotonic() == left_at
        assert [end.ending for end in world.ledger.ends] == ["cancelled"] * len(world.ledger.starts)
        assert all(not exchange.released for exchange in world.upstream.exchanges if phase != "retry")
        await asyncio.sleep(100)
        assert len(world.upstream.requests) == before  # nothing is asked again

    play(story, script, **settings)


@pytest.mark.parametrize("route", [*STREAMS, *PLAIN, *RESUMABLE])
def test_r1_r2_a_client_that_leaves_in_its_body_asks_nothing(route: str) -> None:
    async def story(world: World) -> None:
        got = ask(world, route, whole=False)
        await asyncio.sleep(2)
        left_at = world.clock.monotonic()
        got.leave()
        await got.whole()
        await world.nothing_is_left()
        assert world.clock.monotonic() == left_at
        assert (world.upstream.requests, world.ledger.starts) == ([], [])

    play(story)


@pytest.mark.parametrize("form", ROUTES)
def test_a_resumable_stream_goes_on_for_its_grace(form: str) -> None:
    async def story(world: World) -> None:
        got = world.post(form, headers=[("unbroken-resume", "1")])
        await got.until(lambda its: bool(its.parts))
        got.leave()
        await got.whole()
        assert world.upstream.open_exchanges == 1
        await asyncio.sleep(9)
        assert world.upstream.open_exchanges == 1
        await asyncio.sleep(5)
        await world.nothing_is_left()
        (end,) = world.ledger.ends
        assert (end.ending, end.status, end.on_disconnect) == ("cancelled", 200, "")

    play(story, [paused(form, STALL)], resume=Resume(grace=10))


# R5


@pytest.mark.parametrize("form", ROUTES)
def test_r5_a_call_that_is_cancelled_says_so(form: str) -> None:
    async def story(world: World) -> None:
        got = world.post(form)
        await got.until(lambda its: bool(its.parts))
        got.leave()
        await got.whole()
        await world.nothing_is_left()
        (end,) = world.ledger.ends
        assert (end.ending, end.on_disconnect) == ("cancelled", "cancel")

    play(story, [paused(form, STALL)])


@pytest.mark.parametrize("form", ROUTES)
@pytest.mark.parametrize("moment", [0.5, 1.5, 3.5], ids=["before-headers", "opened", "mid-stream"])
def test_r5_a_call_that_is_drained_is_read_to_its_end_for_the_usage(form: str, moment: float) -> None:
    async def story(world: World) -> None:
        got = world.post(form)
        await asyncio.sleep(moment)
        got.leave()
        await got.whole()
        assert not world.ledger.ends
        await asyncio.sleep(60)
        await world.nothing_is_left()
        (end,) = world.ledger.ends
        assert (end.ending, end.on_disconnect) == ("success", "drain")
        assert (end.input_tokens, end.output_tokens) == (10, 5)

    answer = evolve(paused(form, 30.0), latency=3.0)
    play(story, [answer], upstream={"on_disconnect": "drain"}, open_after=1.0)


@pytest.mark.parametrize("form", ROUTES)
def test_r5_a_drained_call_whose_client_stays_says_nothing_of_it(form: str) -> None:
    async def story(world: World) -> None:
        got = await world.post(form).whole()
        assert got.ended
        await world.nothing_is_left()
        (end,) = world.ledger.ends
        assert (end.ending, end.on_disconnect) == ("success", "")

    play(story, [streamed(form)], upstream={"on_disconnect": "drain"})


def test_r5_a_drained_call_that_fails_later_is_a_failure() -> None:
    async def story(world: World) -> None:
        got = world.post()
        await asyncio.sleep(0.5)
        got.leave()
        await got.whole()
        await asyncio.sleep(60)
        await world.nothing_is_left()
        (end,) = world.ledger.ends
        assert (end.ending, end.on_disconnect, end.error) == ("failed", "drain", "ServerError")

    play(story, [Answer(latency=3.0, status=500, headers=JSON, body=b"{}")], upstream={"on_disconnect": "drain"})


def test_r5_a_plain_call_is_cancelled_all_the_same() -> None:
    async def story(world: World) -> None:
        got = world.post(stream=False)
        await asyncio.sleep(0.5)
        got.leave()
        await got.whole()
        await world.nothing_is_left()
        assert [end.ending for end in world.ledger.ends] == ["cancelled"]

    play(story, silent, upstream={"on_disconnect": "drain"})


def test_r5_a_stop_waits_for_the_calls_that_are_drained() -> None:
    async def story(world: World) -> None:
        got = world.post()
        await asyncio.sleep(0.5)
        got.leave()
        await got.whole()
        world.services.draining = True
        world.services.stop_at = world.clock.monotonic() + 100
        await world.services.aclose()
        (end,) = world.ledger.ends
        assert (end.ending, end.on_disconnect, end.output_tokens) == ("success", "drain", 5)

    play(story, [paused("messages", 30.0)], upstream={"on_disconnect": "drain"})


@pytest.mark.parametrize("by", ["time", "signal"])
def test_r5_but_not_longer_than_it_may(by: str) -> None:
    async def story(world: World) -> None:
        got = world.post()
        await asyncio.sleep(0.5)
        got.leave()
        await got.whole()
        began = world.clock.monotonic()
        world.services.stop_at = began + (10 if by == "time" else 1000)
        closing = asyncio.ensure_future(world.services.aclose())
        if by == "signal":
            await asyncio.sleep(10)
            world.gateway.cut()
        await closing
        assert world.clock.monotonic() - began == pytest.approx(10)
        (end,) = world.ledger.ends
        assert (end.ending, end.on_disconnect) == ("cut", "drain")

    play(story, [paused("messages", STALL)], upstream={"on_disconnect": "drain"})


def test_r5_a_drained_call_keeps_the_configuration_with_which_it_began() -> None:
    async def story(world: World) -> None:
        got = world.post()
        await asyncio.sleep(0.5)
        got.leave()
        await got.whole()
        await world.services.reload()
        await asyncio.sleep(60)
        await world.nothing_is_left()
        assert [end.ending for end in world.ledger.ends] == ["success"]

    settings = evolve(SETTINGS, upstreams={n: evolve(u, on_disconnect="drain") for n, u in SETTINGS.upstreams.items()})
    play(story, [paused("messages", 30.0)], upstream={"on_disconnect": "drain"}, load=lambda: settings)
