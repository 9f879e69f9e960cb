"""What a client gets of a streamed call, and what is noted about it."""

import asyncio

import pytest
from attrs import evolve
from tests.plugins.gateway.world import EVENTS, SETTINGS, World, play, streamed

from unbroken.sse import SSEDecoder
from unbroken.testing import STALL, Answer, sse

PIECES, PIECE = 40, 100
FORMS = ["messages", "chat", "responses"]
FAILURES = {"messages": "event: error", "chat": '"error":', "responses": "event: error"}
PROOFS = {"messages": "message_stop", "chat": "[DONE]", "responses": "response.completed"}


def data_of(body: bytes) -> list[str]:
    return [event.data for event in SSEDecoder().feed(body)]


@pytest.mark.parametrize("form", FORMS)
def test_a_whole_answer_arrives_event_for_event(form: str) -> None:
    async def story(world: World) -> None:
        got = await world.post(form).whole()
        assert (got.status, got.headers["content-type"]) == (200, "text/event-stream; charset=utf-8")
        sent = data_of(b"".join(EVENTS[form]()))
        assert data_of(got.body) == [each for each in sent if '"choices": []' not in each]
        assert got.ended
        await world.settled()
        (end,) = world.ledger.ends
        assert (end.ending, end.status, end.input_tokens, end.output_tokens, end.micro_usd) == (
            "success",
            200,
            10,
            5,
            105,
        )
        assert world.upstream.requests[0].headers.get("x-api-key" if form == "messages" else "authorization")

    play(story, [streamed(form)])


@pytest.mark.parametrize("form", FORMS)
def test_r13_an_answer_that_is_cut_ends_with_an_error_and_without_its_proof(form: str) -> None:
    async def story(world: World) -> None:
        got = await world.post(form).whole()
        assert got.status == 200
        assert FAILURES[form] in got.body.decode()
        assert PROOFS[form] not in got.body.decode()
        await world.settled()
        (end,) = world.ledger.ends
        assert (end.ending, end.status, end.error) == ("failed", 200, "TruncatedStreamError")

    cut = EVENTS[form]()[:3] if form == "chat" else EVENTS[form]()[:4]
    play(story, [Answer(body=cut)])


@pytest.mark.parametrize("form", FORMS)
def test_a_failure_before_content_has_a_status(form: str) -> None:
    async def story(world: World) -> None:
        got = await world.post(form).whole()
        assert got.status == 502
        assert got.headers["x-should-retry"] == "false"

    play(story, [Answer(status=500, headers={"content-type": "application/json"}, body=b"{}")])


@pytest.mark.parametrize("form", FORMS)
def test_r1_a_client_that_leaves_ends_the_call_at_once(form: str) -> None:
    async def story(world: World) -> None:
        got = world.post(form)
        await got.until(lambda its: bool(its.parts))
        left_at = world.clock.monotonic()
        got.leave()
        await got.task
        assert world.clock.monotonic() == left_at
        assert world.upstream.open_exchanges == 0
        await world.settled()
        (end,) = world.ledger.ends
        assert (end.ending, world.services.admission.held) == ("cancelled", {})

    play(story, [streamed(form, None, None, None, STALL)])


def test_r1_a_client_that_leaves_before_the_head_ends_the_call_at_once() -> None:
    async def story(world: World) -> None:
        got = world.post()
        while not world.upstream.requests:
            await world.settled()
        got.leave()
        await got.task
        await world.settled()
        assert [end.ending for end in world.ledger.ends] == ["cancelled"]
        assert got.status == 0

    play(story, [Answer(latency=STALL)])


def test_r11_silence_is_filled_with_comments_of_one_newline() -> None:
    async def story(world: World) -> None:
        got = await world.post().whole()
        comments = [at for at, part in got.parts if part == b": keepalive\n"]
        begun = got.parts[0][0]
        assert [round(at - begun) for at in comments] == [15, 30, 45]
        assert PROOFS["messages"] in got.body.decode()

    play(story, [streamed("messages", None, None, 50.0)])


def test_a_stream_opens_before_its_content_when_that_takes_long() -> None:
    async def story(world: World) -> None:
        began = world.clock.monotonic()
        got = world.post()
        await got.until(lambda its: its.status == 200)
        assert world.clock.monotonic() - began == 10
        await got.whole()
        assert PROOFS["messages"] in got.body.decode()

    play(story, [Answer(latency=40.0, body=EVENTS["messages"]())])


def test_a_failure_behind_an_early_head_is_told_in_the_stream() -> None:
    async def story(world: World) -> None:
        got = await world.post().whole()
        assert got.status == 200
        assert got.body.decode().count("event: error") == 1

    play(story, [Answer(latency=40.0, status=500, headers={"content-type": "application/json"}, body=b"{}")])


def test_without_open_after_the_status_waits() -> None:
    async def story(world: World) -> None:
        got = await world.post().whole()
        assert got.status == 502

    answer = Answer(latency=40.0, status=500, headers={"content-type": "application/json"}, body=b"{}")
    play(story, [answer], open_after=0.0)


def test_the_phase_of_a_call_is_known() -> None:
    """For the dashboard: waiting for the next attempt, for the head, for the first event, streaming."""

    async def story(world: World) -> None:
        seen: list[tuple[float, str]] = []
        got = world.post()

        async def watch() -> None:
            while True:
                phase = next((name for name, count in world.services.traffic.phases().items() if count), "none")
                if not seen or seen[-1][1] != phase:
                    seen.append((world.clock.monotonic() - 1000.0, phase))
                await asyncio.sleep(0.25)

        await asyncio.sleep(0.1)
        watching = asyncio.ensure_future(watch())
        await got.whole()
        await asyncio.sleep(1)
        watching.cancel()
        phases = [phase for _, phase in seen if phase not in ("body", "none")]
        assert phases == ["before headers", "waiting", "before headers", "before first event", "streaming"]

    busy = Answer(latency=1.0, status=529, headers={"content-type": "application/json"}, body=b"{}")
    events = EVENTS["messages"]()
    good = Answer(latency=1.0, body=[events[0], 2.0, *events[1:4], 2.0, *events[4:]])
    upstreams = {"claude": evolve(SETTINGS.upstreams["claude"], plugins=("timeout", "retry"))}
    play(story, [busy, good], upstreams={**SETTINGS.upstreams, **upstreams})


def test_a_call_without_text_is_counted_by_its_bytes() -> None:
    """The input of a tool is output of the model; the dashboard shows it while it arrives."""

    async def story(world: World) -> None:
        got = world.post()
        await got.until(lambda its: its.body.count(b"partial_json") >= PIECES)
        (entry,) = world.services.traffic._open.values()
        assert entry.tokens == pytest.approx(10 + PIECES * PIECE / 4, rel=0.1)
        got.leave()
        await got.whole()
        await world.settled()
        (end,) = world.ledger.ends
        assert end.estimated_tokens == pytest.approx(10 + PIECES * PIECE / 4, rel=0.1)

    start = EVENTS["messages"]()[0]
    block = {"type": "tool_use", "id": "toolu_1", "name": "search", "input": {}}
    first = {"type": "content_block_start", "index": 0, "content_block": block}

    def piece(text: str) -> bytes:
        delta = {"type": "input_json_delta", "partial_json": text}
        return sse(("content_block_delta", {"type": "content_block_delta", "index": 0, "delta": delta}))

    pieces = [piece("x" * PIECE)] * PIECES
    play(story, [Answer(body=[start, sse(("content_block_start", first)), piece(""), *pieces, STALL])])
