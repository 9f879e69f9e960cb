"""Streams that survive their connections: how they are asked for, read again, ended and refused."""

import asyncio
import re
from typing import Any
from urllib.parse import quote

import jwt
import pytest
from attrs import evolve
from tests.plugins.gateway.test_relay import PROOFS, data_of
from tests.plugins.gateway.world import EVENTS, SETTINGS, World, paused, play, streamed

from unbroken.testing import STALL, Answer
from unbroken_gateway.config.settings import Issuer, Resume
from unbroken_gateway.streams import LogUnavailable

FORMS = ["messages", "chat", "responses"]
RESUME = [("unbroken-resume", "1")]
JSON = {"content-type": "application/json"}
PAGE = "https://app.example"
UNKNOWN = "x" * 24


def ids_of(body: bytes) -> list[str]:
    return re.findall(r"^id: (.+)$", body.decode(), re.MULTILINE)


def numbers(body: bytes) -> list[int]:
    return [int(each.partition(".")[2]) for each in ids_of(body)]


async def started(world: World, form: str = "messages", **options: Any) -> tuple[Any, str]:
    """Start a stream and return what arrives and its id."""
    got = world.post(form, headers=[*RESUME, *options.pop("headers", [])], **options)
    await got.until(lambda its: bool(its.parts) or its.ended)
    return got, got.headers["unbroken-stream"]


def read(world: World, id: str, after: int | str | None = None, **options: Any) -> Any:
    cursor = [] if after is None else [("last-event-id", f"{id}.{after}" if isinstance(after, int) else after)]
    return world.ask("GET", f"/v1/streams/{id}", headers=[*cursor, *options.pop("headers", [])], **options)


@pytest.mark.parametrize("form", FORMS)
def test_a_resumable_stream_is_that_of_the_upstream_with_ids(form: str) -> None:
    async def story(world: World) -> None:
        got = await world.post(form, headers=RESUME).whole()
        assert (got.status, got.ended, got.headers["unbroken-stream-ttl"]) == (200, True, "600")
        id = got.headers["unbroken-stream"]
        assert re.fullmatch("[A-Za-z0-9_-]{24}", id)
        sent = data_of(b"".join(EVENTS[form]()))
        assert data_of(got.body) == [each for each in sent if '"choices": []' not in each]
        assert ids_of(got.body) == [f"{id}.{n}" for n in range(1, len(data_of(got.body)) + 1)]
        await world.nothing_is_left()
        (start,), (end,) = world.ledger.starts, world.ledger.ends
        assert (start.stream_id, end.ending, end.output_tokens) == (id, "success", 5)

    play(story, [streamed(form)])


def test_without_being_asked_for_a_stream_has_no_ids() -> None:
    async def story(world: World) -> None:
        for headers in ([], [("unbroken-resume", "0")], [*RESUME, *RESUME]):
            got = await world.post(headers=headers).whole()
            assert (ids_of(got.body), got.headers.get("unbroken-stream")) == ([], None)

    play(story, lambda _: streamed())


def test_the_operator_can_have_all_streams_resumable_or_none() -> None:
    async def always(world: World) -> None:
        assert ids_of((await world.post().whole()).body)

    async def never(world: World) -> None:
        assert not ids_of((await world.post(headers=RESUME).whole()).body)

    play(always, [streamed()], resume=Resume(always=True))
    play(never, [streamed()], resume=Resume(enabled=False))


@pytest.mark.parametrize("form", FORMS)
def test_a_reader_gets_what_is_behind_its_cursor_then_what_comes(form: str) -> None:
    async def story(world: World) -> None:
        got, id = await started(world, form)
        got.leave()
        await got.whole()
        cursor = numbers(got.body)[-1]
        again = await read(world, id, cursor).whole()
        assert (again.status, again.ended, again.headers["unbroken-stream"]) == (200, True, id)
        total = numbers(got.body) + numbers(again.body)
        assert total == list(range(1, len(total) + 1))
        assert PROOFS[form] in again.body.decode()
        whole = await read(world, id).whole()
        assert data_of(whole.body) == data_of(got.body) + data_of(again.body)
        by_query = await world.ask("GET", f"/v1/streams/{id}", query=f"after={cursor}").whole()
        assert by_query.body == again.body
        named = await world.ask("GET", f"/v1/streams/{id}", query=f"after={quote(f'{id}.{cursor}')}").whole()
        assert named.body == again.body
        assert len(world.upstream.requests) == 1
        await world.nothing_is_left()
        assert [end.ending for end in world.ledger.ends] == ["success"]

    play(story, [paused(form, 5.0)])


def test_204_at_the_end_of_a_closed_stream() -> None:
    async def story(world: World) -> None:
        got = await world.post(headers=RESUME).whole()
        id, last = got.headers["unbroken-stream"], numbers(got.body)[-1]
        again = await read(world, id, last).whole()
        assert (again.status, again.body) == (204, b"")

    play(story, [streamed()])


def test_r26_refusals_of_a_cursor() -> None:
    async def story(world: World) -> None:
        got = await world.post(headers=RESUME).whole()
        id, last = got.headers["unbroken-stream"], numbers(got.body)[-1]
        statuses: dict[Any, int] = {
            "nonsense": 400,
            f"{id}.-1": 400,
            f"{id}.01": 400,
            f"{id}.{last + 1}": 404,
            f"{UNKNOWN}.1": 404,
        }
        for cursor, status in statuses.items():
            assert (await read(world, id, cursor).whole()).status == status, cursor
        unknown = await read(world, UNKNOWN).whole()
        future = await read(world, id, last + 1).whole()

        def shape(got: Any) -> Any:
            fields = {k: v for k, v in got.headers.items() if k != "x-request-id"}
            return got.status, fields, got.body

        assert shape(unknown) == shape(future)

    play(story, [streamed()])


def test_410_when_the_log_has_been_trimmed() -> None:
    async def story(world: World) -> None:
        got = await world.post(headers=RESUME).whole()
        id, last = got.headers["unbroken-stream"], numbers(got.body)[-1]
        assert (await read(world, id, 0).whole()).status == 410
        assert (await read(world, id, last - 1).whole()).status == 200

    play(story, [streamed(text=" ".join(["word"] * 200))], resume=Resume(max_bytes=2000))


def test_429_for_a_reader_too_many_and_a_reader_that_leaves_gives_its_place_back() -> None:
    async def story(world: World) -> None:
        got, id = await started(world)
        second = read(world, id)
        await second.until(lambda its: bool(its.parts))
        third = await read(world, id).whole()
        assert (third.status, third.headers["retry-after"]) == (429, "1")
        second.leave()
        await second.whole()
        await world.settled()
        third = read(world, id)
        await third.until(lambda its: bool(its.parts))
        assert third.status == 200
        for each in (got, third):
            each.leave()
            await each.whole()

    play(story, [paused("messages", STALL)], resume=Resume(readers=2))


def test_a_reader_whose_head_cannot_be_sent_gives_its_place_back() -> None:
    async def story(world: World) -> None:
        got, id = await started(world)
        world.reading.clear()
        second = await read(world, id).whole()
        assert second.aborted
        world.reading.set()
        await world.settled()
        third = read(world, id)
        await third.until(lambda its: bool(its.parts))
        assert third.status == 200
        for each in (got, third):
            each.leave()
            await each.whole()

    play(story, [paused("messages", STALL)], resume=Resume(readers=2), send_deadline=5.0)


@pytest.mark.parametrize("form", FORMS)
def test_delete_ends_the_call_and_removes_the_content(form: str) -> None:
    async def story(world: World) -> None:
        got, id = await started(world, form)
        began = world.clock.monotonic()
        deleted = await world.ask("DELETE", f"/v1/streams/{id}").whole()
        assert (deleted.status, deleted.body) == (204, b"")
        await got.whole()
        assert world.clock.monotonic() == began
        assert "error" in got.body.decode()
        assert PROOFS[form] not in got.body.decode()
        assert (await read(world, id).whole()).status == 404
        assert (await world.ask("DELETE", f"/v1/streams/{id}").whole()).status == 404
        await world.nothing_is_left()
        (end,) = world.ledger.ends
        assert (end.ending, end.status) == ("cancelled", 200)

    play(story, [paused(form, STALL)])


def test_a_stream_that_is_taken_away_before_its_content_is_an_answer() -> None:
    """Its lease is lost while the upstream is silent."""

    async def story(world: World) -> None:
        got = world.post(headers=RESUME)
        await asyncio.sleep(5)
        (live,) = world.services.streams._worker.live.values()
        live.writer.take("unavailable")
        await got.whole()
        assert (got.status, got.headers["x-should-retry"]) == (503, "true")
        await world.nothing_is_left()

    play(story, [Answer(latency=STALL)], open_after=0.0)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("status", [500, 529, 401, 400])
def test_a_failure_before_content_is_an_http_error_and_leaves_no_log(form: str, status: int) -> None:
    async def story(world: World) -> None:
        plain = await world.post(form).whole()
        got = await world.post(form, headers=RESUME).whole()
        assert (got.status, got.headers.get("unbroken-stream")) == (plain.status, None)
        assert got.json().keys() == plain.json().keys()
        await world.nothing_is_left()
        assert world.ledger.ends[1].status == world.ledger.ends[0].status == got.status
        assert (await read(world, world.ledger.starts[1].stream_id).whole()).status == 404

    body = b'{"error":{"type":"overloaded_error","message":"x"}}'
    play(story, lambda _: Answer(status=status, headers=JSON, body=body))


def test_a_stream_that_opens_before_its_content_tells_failures_in_it() -> None:
    async def story(world: World) -> None:
        got = await world.post(headers=RESUME).whole()
        assert (got.status, got.ended) == (200, True)
        assert got.body.decode().count("event: error") == 1
        assert numbers(got.body) == [1]
        await world.nothing_is_left()
        (end,) = world.ledger.ends
        assert (end.ending, end.status) == ("failed", 200)
        again = await read(world, got.headers["unbroken-stream"]).whole()
        assert again.body == got.body

    play(story, [Answer(latency=20.0, status=500, headers=JSON, body=b"{}")])


def test_a_stream_without_a_head_is_not_left_behind_by_a_client_that_goes() -> None:
    async def story(world: World) -> None:
        got = world.post(headers=RESUME)
        await asyncio.sleep(5)
        got.leave()
        await got.whole()
        await world.nothing_is_left()
        (end,) = world.ledger.ends
        assert (end.ending, end.status) == ("cancelled", 0)

    play(story, [Answer(latency=STALL)])


SECRET = "0f8e2c1b7a6d5948372615a4b3c2d1e0"
ISSUER = Issuer(issuer="https://id.example", audience="gateway", algorithms=("HS256",), secret=SECRET)


def another(world: World) -> str:
    """Return the token of another issuer's user of the same name."""
    now = int(world.clock.time())
    claims = {"iss": ISSUER.issuer, "aud": "gateway", "sub": "development", "iat": now, "exp": now + 60}
    return jwt.encode({**claims, "plan": "development"}, SECRET)


@pytest.mark.parametrize(("method", "path"), [("GET", ""), ("DELETE", ""), ("POST", "/ticket")])
def test_r26_a_stream_is_only_its_owners(method: str, path: str) -> None:
    async def story(world: World) -> None:
        got, id = await started(world)
        options: Any = {"headers": [("origin", PAGE)], "body": b""}
        theirs = await world.ask(method, f"/v1/streams/{id}{path}", token=another(world), **options).whole()
        nobodys = await world.ask(method, f"/v1/streams/{UNKNOWN}{path}", token=another(world), **options).whole()
        assert (theirs.status, theirs.body) == (nobodys.status, nobodys.body)
        assert theirs.status == 404
        assert (await world.ask(method, f"/v1/streams/{id}{path}", token=None, **options).whole()).status == 401
        assert world.upstream.open_exchanges == 1
        got.leave()
        await got.whole()

    play(story, [paused("messages", STALL)], issuers=(ISSUER,))


async def ticket_of(world: World, id: str, **headers: str) -> Any:
    given = [("origin", PAGE)] if not headers else list(headers.items())
    return await world.ask("POST", f"/v1/streams/{id}/ticket", b"", headers=given).whole()


def test_a_ticket_is_read_by_a_page_without_headers() -> None:
    async def story(world: World) -> None:
        got, id = await started(world)
        told = (await ticket_of(world, id)).json()
        path, _, query = told["path"].partition("?")
        assert (path, query) == (f"/v1/streams/{id}", f"ticket={told['ticket']}")
        page = [("origin", PAGE)]
        read_by_page = await world.ask("GET", path, query=query, token=None, headers=page).whole()
        assert read_by_page.status == 200
        assert numbers(read_by_page.body)[0] == 1
        assert "message_stop" in read_by_page.body.decode()
        elsewhere = [("origin", "https://evil.example")]
        assert (await world.ask("GET", path, query=query, token=None, headers=elsewhere).whole()).status == 404
        assert (await world.ask("GET", path, query=query, token=None).whole()).status == 404
        assert (await world.ask("GET", path, query=query + "x", token=None, headers=page).whole()).status == 404
        other = await world.ask("GET", f"/v1/streams/{UNKNOWN}", query=query, token=None, headers=page).whole()
        assert other.status == 404
        last = [*page, ("last-event-id", f"{id}.3")]
        third = await world.ask("GET", path, query=query, token=None, headers=last).whole()
        assert numbers(third.body)[0] == 4
        back = await world.ask("GET", path, query=query, token=None, headers=page).whole()
        assert numbers(back.body)[0] == 4  # the cursor of a ticket never goes back
        wrong = await world.ask("GET", path, query=query, token=None, headers=[*page, ("last-event-id", "?")]).whole()
        assert wrong.status == 400
        await got.whole()

    play(story, [paused("messages", 5.0)])


def test_a_ticket_of_the_gateways_own_page() -> None:
    async def story(world: World) -> None:
        got = await world.post(headers=RESUME).whole()
        id = got.headers["unbroken-stream"]
        told = (await ticket_of(world, id, origin="http://localhost")).json()
        own = [("sec-fetch-site", "same-origin")]
        path, _, query = told["path"].partition("?")
        assert (await world.ask("GET", path, query=query, token=None, headers=own).whole()).status == 200

    play(story, [streamed()])


def test_a_ticket_needs_an_origin_and_a_stream() -> None:
    async def story(world: World) -> None:
        got = await world.post(headers=RESUME).whole()
        assert (await ticket_of(world, got.headers["unbroken-stream"], accept="*/*")).status == 400
        assert (await ticket_of(world, UNKNOWN)).status == 404

    play(story, [streamed()])


def test_s7_a_revoked_user_cannot_use_a_ticket() -> None:
    async def story(world: World) -> None:
        got = await world.post(headers=RESUME).whole()
        told = (await ticket_of(world, got.headers["unbroken-stream"])).json()
        path, _, query = told["path"].partition("?")
        state, page = world.services.state, [("origin", PAGE)]
        await state.revoke("user", world.ledger.starts[0].user, world.clock.time() + 100)
        assert (await world.ask("GET", path, query=query, token=None, headers=page).whole()).status == 404

    play(story, [streamed()])


def test_r27_what_a_reader_has_is_in_the_log() -> None:
    """Whenever a client is cut, what it got before stands in the log under the same numbers."""

    async def story(world: World) -> None:
        got = world.post(headers=RESUME)
        seen = 0
        while not got.ended:
            await got.until(lambda its, seen=seen: len(its.parts) > seen or its.ended)
            seen = len(got.parts)
            if not got.ended:
                again = read(world, got.headers["unbroken-stream"])
                have = got.body
                await again.until(lambda its, have=have: len(its.body) >= len(have))
                assert again.body.startswith(have)
                again.leave()
                await again.whole()
        await got.whole()

    items: list[Any] = [1.0] * 9
    play(story, [streamed("messages", *items, text="a b c d e f")], resume=Resume(readers=30))


class Broken:
    """A log that fails where it is told to."""

    def __init__(self, inner: Any, *names: str) -> None:
        self.inner, self.names = inner, names

    def __getattr__(self, name: str) -> Any:
        if name not in self.names:
            return getattr(self.inner, name)

        async def fails(*_: Any, **__: Any) -> Any:
            raise LogUnavailable("secret words")

        return fails


def break_log(world: World, *names: str) -> None:
    worker = world.services.streams._worker
    worker.log = Broken(worker.log, *names)  # type: ignore[assignment]


@pytest.mark.parametrize("form", FORMS)
def test_without_a_log_a_resumable_stream_is_503_and_asks_nothing(form: str) -> None:
    async def story(world: World) -> None:
        break_log(world, "create")
        got = await world.post(form, headers=RESUME).whole()
        assert (got.status, got.headers["x-should-retry"], b"secret" in got.body) == (503, "true", False)
        assert (await world.post(form).whole()).status == 200
        await world.nothing_is_left()
        assert [(end.ending, end.status) for end in world.ledger.ends] == [("failed", 503), ("success", 200)]
        assert world.services.traffic.failures["streams"] == 1
        assert len(world.upstream.requests) == 1

    play(story, [streamed(form)])


@pytest.mark.parametrize("method", ["GET", "DELETE"])
def test_without_a_log_reading_and_ending_are_503(method: str) -> None:
    async def story(world: World) -> None:
        break_log(world, "read")
        got = await world.ask(method, f"/v1/streams/{UNKNOWN}").whole()
        assert (got.status, got.headers["retry-after"]) == (503, "1")

    play(story)


def test_a_failure_before_content_is_told_though_its_log_cannot_be_removed() -> None:
    async def story(world: World) -> None:
        break_log(world, "cancel", "delete")
        got = await world.post(headers=RESUME).whole()
        assert got.status == 502
        await world.nothing_is_left()

    play(story, [Answer(status=500, headers=JSON, body=b"{}")])


def test_a_client_that_leaves_while_the_log_is_opened_leaves_a_row() -> None:
    async def story(world: World) -> None:
        log = world.services.streams._worker.log
        create = log.create

        async def slow(*arguments: Any) -> int:
            await asyncio.sleep(1)
            return await create(*arguments)

        class Slow(Broken):
            def __getattr__(self, name: str) -> Any:
                return slow if name == "create" else getattr(log, name)

        world.services.streams._worker.log = Slow(log)  # type: ignore[assignment]
        got = world.post(headers=RESUME)
        await asyncio.sleep(0.5)
        got.leave()
        await got.whole()
        await world.nothing_is_left()
        assert [end.ending for end in world.ledger.ends] == ["cancelled"]
        assert not world.upstream.requests

    play(story)


@pytest.mark.parametrize("form", FORMS)
def test_r20_a_cut_ends_a_stream_with_an_error_for_all_its_readers(form: str) -> None:
    async def story(world: World) -> None:
        got, id = await started(world, form)
        second = read(world, id)
        await second.until(lambda its: bool(its.parts))
        world.gateway.cut()
        await asyncio.gather(got.whole(), second.whole())
        for each in (got, second):
            assert each.ended
            assert each.body.decode().count('"error"') >= 1
            assert PROOFS[form] not in each.body.decode()
        assert numbers(got.body) == numbers(second.body)
        await world.nothing_is_left()
        (end,) = world.ledger.ends
        assert (end.ending, end.status) == ("cut", 200)

    play(story, [paused(form, STALL)])


def test_a_reader_of_a_stream_of_another_process_is_disconnected_by_a_cut() -> None:
    async def story(world: World) -> None:
        got, id = await started(world)
        live = world.services.streams._worker.live[id]
        second = read(world, id)
        world.services.streams._worker.live.clear()  # as if another worker produced it
        await second.until(lambda its: bool(its.parts))
        (exchange,) = [each for each in world.gateway._under_way if not each.follows]
        exchange.stop()
        await second.whole()
        assert (second.aborted, second.ended) == (True, False)
        assert b"error" not in second.body
        world.services.streams._worker.live[id] = live
        got.leave()
        await got.whole()

    play(story, [paused("messages", STALL)])


def test_while_it_drains_no_stream_is_started_but_those_that_run_are_read() -> None:
    async def story(world: World) -> None:
        got, id = await started(world)
        got.leave()
        await got.whole()
        world.services.draining = True
        assert (await world.post(headers=RESUME).whole()).status == 503
        world.services.draining = False
        world.services.streams._draining = True  # the body was under way when it began
        refused = await world.post(headers=RESUME).whole()
        assert (refused.status, refused.headers["x-should-retry"]) == (503, "true")
        again = await read(world, id, 1).whole()
        assert "message_stop" in again.body.decode()
        await world.nothing_is_left()

    play(story, [paused("messages", 5.0)])


def test_a_producer_keeps_the_configuration_with_which_it_began() -> None:
    async def story(world: World) -> None:
        got, id = await started(world)
        got.leave()
        await got.whole()
        await world.services.reload()
        again = await read(world, id).whole()
        assert "message_stop" in again.body.decode()
        await world.nothing_is_left()

    play(story, [paused("messages", 5.0)], load=lambda: evolve(SETTINGS))
