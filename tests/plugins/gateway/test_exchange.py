"""How a request arrives and how its answer leaves: deadlines, limits, and clients that do not read or go."""

import asyncio
from typing import Any

import pytest
from tests.plugins.gateway.world import BODIES, ROUTES, TOKEN, World, paused, play, streamed

from unbroken.testing import STALL, Answer
from unbroken_gateway.config.settings import Resume

FORMS = ["messages", "chat", "responses"]
JSON = {"content-type": "application/json"}


@pytest.mark.parametrize("form", FORMS)
def test_s15_a_body_that_does_not_arrive_in_time_is_408(form: str) -> None:
    async def story(world: World) -> None:
        began = world.clock.monotonic()
        got = await world.ask("POST", ROUTES[form], chunks=[b'{"model":']).whole()
        assert (got.status, world.clock.monotonic() - began) == (408, 60)
        assert got.headers["connection"] == "close"
        assert "error" in got.json()
        assert not world.ledger.starts
        await world.nothing_is_left()

    play(story)


def test_s15_the_deadline_is_of_the_whole_body_not_of_each_part() -> None:
    async def story(world: World) -> None:
        began = world.clock.monotonic()
        got = world.ask("POST", "/v1/messages", chunks=[b"{"])
        for _ in range(5):
            await asyncio.sleep(11.9)
            got.send(b" ")
        await got.whole()
        assert (got.status, world.clock.monotonic() - began) == (408, 60)

    play(story)


@pytest.mark.parametrize("size", [1000, 1001])
def test_s15_a_chunked_body_is_counted_as_it_comes(size: int) -> None:
    async def story(world: World) -> None:
        body = b'{"model":"claude","max_tokens":1,"messages":[]}'.ljust(size)
        got = world.ask("POST", "/v1/messages", chunks=[body[:500], body[500:]])
        await asyncio.sleep(1)
        assert got.status == (0 if size == 1000 else 413)
        got.send(b"", more=False)
        await got.whole()
        assert got.status == (200 if size == 1000 else 413)
        assert got.headers.get("connection") == (None if size == 1000 else "close")
        await world.nothing_is_left()

    play(story, [Answer(headers=JSON, body=b'{"type":"message"}')], max_body=1000)


def test_s15_of_a_body_that_is_too_large_nothing_is_kept() -> None:
    async def story(world: World) -> None:
        got = world.ask("POST", "/v1/messages", chunks=[b" " * 600] * 3)
        await asyncio.sleep(0)
        (exchange,) = world.gateway._under_way
        await got.whole()
        assert (got.status, exchange._chunks) == (413, [])

    play(story, max_body=1000)


@pytest.mark.parametrize("form", FORMS)
def test_r1_a_client_that_leaves_during_its_body_leaves_nothing(form: str) -> None:
    async def story(world: World) -> None:
        got = world.ask("POST", ROUTES[form], chunks=[b'{"model":'])
        await asyncio.sleep(1)
        left_at = world.clock.monotonic()
        got.leave()
        await got.whole()
        assert (got.status, world.clock.monotonic()) == (0, left_at)
        assert not world.ledger.starts
        await world.nothing_is_left()

    play(story)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("resume", [(), [("unbroken-resume", "1")]], ids=["direct", "resumable"])
def test_s26_a_client_that_does_not_read_is_cut(form: str, resume: Any) -> None:
    async def story(world: World) -> None:
        got = world.post(form, headers=resume)
        await got.until(lambda its: bool(its.parts))
        began = world.clock.monotonic()
        await asyncio.sleep(0.5)
        world.reading.clear()
        await got.whole()
        assert world.clock.monotonic() - began == pytest.approx(31)  # the next event comes a second later
        assert (got.aborted, got.ended) == (True, False)
        await asyncio.sleep(40)  # a resumable stream goes on for the time of grace
        await world.nothing_is_left()
        assert [end.ending for end in world.ledger.ends] == ["cancelled"]

    play(story, [Answer(body=[*paused(form, 1.0).body[:-2], STALL])], resume=Resume(grace=10))


def test_s26_a_client_that_does_not_read_its_whole_answer_is_cut() -> None:
    async def story(world: World) -> None:
        world.reading.clear()
        began = world.clock.monotonic()
        got = await world.post(stream=False).whole()
        assert (got.aborted, got.status, world.clock.monotonic() - began) == (True, 0, 30)
        await world.nothing_is_left()

    play(story, [Answer(headers=JSON, body=b'{"type":"message"}')])


def test_s26_a_client_that_does_not_read_keepalives_is_cut() -> None:
    async def story(world: World) -> None:
        got = world.post()
        await got.until(lambda its: bool(its.parts))
        began = world.clock.monotonic()
        await asyncio.sleep(0.5)
        world.reading.clear()
        await got.whole()
        assert (got.aborted, world.clock.monotonic() - began) == (True, 45)
        assert world.upstream.open_exchanges == 0
        await world.nothing_is_left()

    play(story, [streamed("messages", None, None, None, STALL)])


@pytest.mark.parametrize("form", FORMS)
def test_r3_what_a_server_says_behind_a_complete_answer_is_no_cancellation(form: str) -> None:
    """ASGI servers tell of a disconnect as soon as the answer is complete; there is still the upstream to be read."""

    async def story(world: World) -> None:
        got = await world.post(form).whole()
        assert got.ended
        await world.nothing_is_left()
        assert [end.ending for end in world.ledger.ends] == ["success"]

    answer = streamed(form)
    play(story, [Answer(body=[*answer.body, 3.0])])


def test_a_server_whose_receive_fails_is_a_client_that_left() -> None:
    async def story(world: World) -> None:
        async def receive() -> Any:
            raise ConnectionResetError

        async def send(message: Any) -> None:
            raise AssertionError

        scope = {
            "type": "http",
            "method": "POST",
            "path": "/v1/messages",
            "query_string": b"",
            "client": ("127.0.0.1", 1),
            "headers": [
                (b"host", b"localhost"),
                (b"content-length", b"10"),
                (b"content-type", b"application/json"),
                (b"authorization", f"Bearer {TOKEN}".encode()),
            ],
        }
        await world.gateway(scope, receive, send)
        await world.nothing_is_left()

    play(story)


def test_a_send_that_fails_is_a_client_that_left() -> None:
    async def story(world: World) -> None:
        got = world.post()
        await got.until(lambda its: bool(its.parts))

        async def broken() -> Any:
            raise BrokenPipeError

        world.reading.wait = broken  # type: ignore[method-assign]
        await got.whole()
        await world.nothing_is_left()
        assert [end.ending for end in world.ledger.ends] == ["cancelled"]

    play(story, [streamed("messages", None, None, None, 1.0)])


def test_a_server_that_ends_the_application_ends_the_call() -> None:
    async def story(world: World) -> None:
        got = world.post()
        await got.until(lambda its: bool(its.parts))
        got.task.cancel()
        await asyncio.wait((got.task,))
        assert got.task.cancelled()
        assert b"event: error" in got.body
        await world.nothing_is_left()
        assert [end.ending for end in world.ledger.ends] == ["cut"]

    play(story, [streamed("messages", None, None, None, STALL)])


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'{"model":"claude","model":"gpt"}', b"[" * 100])
def test_s17_a_body_that_cannot_be_read_is_400_and_no_call(body: bytes) -> None:
    async def story(world: World) -> None:
        got = await world.ask("POST", "/v1/messages", body).whole()
        assert (got.status, got.json()["error"]["type"]) == (400, "invalid_request_error")
        assert not world.ledger.starts
        await world.nothing_is_left()

    play(story)


def test_a_body_in_many_parts_is_the_body() -> None:
    async def story(world: World) -> None:
        import json

        raw = json.dumps({**BODIES["messages"], "stream": True}).encode()
        got = world.ask("POST", "/v1/messages", chunks=[raw[i : i + 1] for i in range(len(raw) - 1)])
        got.send(raw[-1:], more=False)
        await got.whole()
        assert got.status == 200
        await world.nothing_is_left()

    play(story, [streamed()])
