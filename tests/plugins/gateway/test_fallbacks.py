"""R16, R17: other upstreams, with and without a stream by one table, and a bound for the attempts of one request."""

from typing import Any

import pytest
from attrs import evolve
from tests.plugins.gateway.test_admission import PLAIN
from tests.plugins.gateway.world import EVENTS, ROUTES, SETTINGS, World, play

from unbroken import NetworkError
from unbroken.testing import STALL, Answer
from unbroken_gateway.config.settings import Upstream

JSON = {"content-type": "application/json"}
SSE = {"content-type": "text/event-stream"}
DIALECTS = {"messages": "anthropic", "chat": "openai", "responses": "openai"}
SECRET = {"x-house": "house-secret"}
ERROR = b'{"error":{"type":"x","message":"m"}}'


def upstreams(*, plugins: tuple[str, ...] = ("timeout",), **policies: Any) -> dict[str, Upstream]:
    """Three upstreams of each dialect, the first with a path of its own, each with the others behind it."""
    found: dict[str, Upstream] = {}
    for name, dialect in (("claude", "anthropic"), ("gpt", "openai")):
        for place, path in (("a", "/team"), ("b", ""), ("c", "/eu/llm")):
            key = name if place == "a" else f"{name}-{place}"
            others = tuple(each for each in (name, f"{name}-b", f"{name}-c") if each != key)
            found[key] = Upstream(
                name=key,
                dialect=dialect,  # type: ignore[arg-type]
                url=f"https://{place}.example{path}",
                key=f"key-of-{place}",
                headers=SECRET if place == "a" else {},
                first_event=30.0,
                fallback=others if place == "a" else (),
                plugins=plugins,
                policies=policies,
            )
    return found


def good(form: str, stream: bool) -> Answer:
    return Answer(headers=SSE, body=EVENTS[form]()) if stream else Answer(headers=JSON, body=PLAIN[form])


def status(code: int) -> Answer:
    return Answer(status=code, headers=JSON, body=ERROR)


FAULTS: dict[str, tuple[Any, int, int]] = {
    "500": (status(500), 2, 200),
    "529": (status(529), 2, 200),
    "429": (status(429), 2, 200),
    "401": (status(401), 2, 200),
    "403": (status(403), 2, 200),
    "network": (Answer(failure=NetworkError("refused")), 2, 200),
    "silent": (Answer(latency=STALL), 2, 200),
    "html": (Answer(headers={"content-type": "text/html"}, body=b"<p>"), 2, 200),
    "400": (status(400), 1, 400),
    "404": (status(404), 1, 404),
    "413": (status(413), 1, 413),
    "422": (status(422), 1, 400),
}
"""What the first upstream does, the attempts, and the status that the client gets."""


@pytest.mark.parametrize("stream", [True, False], ids=["stream", "plain"])
@pytest.mark.parametrize("form", ROUTES)
@pytest.mark.parametrize("fault", FAULTS)
def test_r16_the_next_upstream_is_asked_in_the_same_cases_with_and_without_a_stream(
    fault: str, form: str, stream: bool
) -> None:
    bad, attempts, expected = FAULTS[fault]

    async def story(world: World) -> None:
        got = await world.post(form, stream=stream).whole()
        assert (got.status, len(world.upstream.requests)) == (expected, attempts)
        if expected == 200 and stream:
            assert (b"message_stop" in got.body) or (b"[DONE]" in got.body) or (b"response.completed" in got.body)
        await world.nothing_is_left()
        (end,) = world.ledger.ends
        assert (end.ending, end.attempts) == ("success" if expected == 200 else "failed", attempts)
        first, last = world.upstream.requests[0], world.upstream.requests[-1]
        assert first.url == f"https://a.example/team{ROUTES[form]}"
        if attempts > 1:
            assert last.url == f"https://b.example{ROUTES[form]}"
            assert "key-of-b" in str(last.headers.items_raw)
            assert "key-of-a" not in str(last.headers.items_raw)

    play(story, [bad, good(form, stream)], upstreams=upstreams(), open_after=0.0)


@pytest.mark.parametrize("stream", [True, False], ids=["stream", "plain"])
@pytest.mark.parametrize("form", ROUTES)
def test_r17_attempts_are_bounded_over_all_upstreams(form: str, stream: bool) -> None:
    async def story(world: World) -> None:
        got = await world.post(form, stream=stream).whole()
        assert (got.status, got.headers["x-should-retry"]) == (502, "false")
        hosts = [request.url.partition("//")[2].partition(".")[0] for request in world.upstream.requests]
        assert hosts == ["a"] * 3 + ["b"] * 3 + ["c"] * 3
        assert world.upstream.requests[-1].url == f"https://c.example/eu/llm{ROUTES[form]}"
        await world.nothing_is_left()
        (end,) = world.ledger.ends
        assert (end.ending, end.attempts) == ("failed", 9)

    retry = {"retry": {"max_retries": 2, "budget": None}}
    play(story, lambda _: status(500), upstreams=upstreams(plugins=("timeout", "retry"), **retry), open_after=0.0)


@pytest.mark.parametrize("stream", [True, False], ids=["stream", "plain"])
@pytest.mark.parametrize("form", ROUTES)
def test_r17_a_request_that_the_upstream_finds_wrong_is_one_attempt(form: str, stream: bool) -> None:
    async def story(world: World) -> None:
        got = await world.post(form, stream=stream).whole()
        assert (got.status, len(world.upstream.requests)) == (400, 1)

    play(story, lambda _: status(400), upstreams=upstreams(plugins=("timeout", "retry")))


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b'{"model":7}',
        b'{"model":"claude","stream":"yes"}',
        b'{"model":"claude","max_tokens":-1}',
        b'{"model":"claude","max_tokens":1e308}',
        b'{"model":"claude","tools":[{"model":"no-such-model"}]}',
    ],
)
def test_r17_a_malformed_request_is_no_attempt_at_all(body: bytes) -> None:
    async def story(world: World) -> None:
        got = await world.ask("POST", "/v1/messages", body).whole()
        assert got.status in (400, 404)
        assert (world.upstream.requests, world.ledger.starts) == ([], [])
        await world.nothing_is_left()

    play(story, upstreams=upstreams(plugins=("timeout", "retry")))


def test_r15_no_total_time_cuts_a_stream_that_goes_on() -> None:
    """The idle timeout counts from one event to the next, and only once there is one."""

    async def story(world: World) -> None:
        began = world.clock.monotonic()
        got = await world.post().whole()
        assert b"message_stop" in got.body
        assert world.clock.monotonic() - began > 3600

    events = EVENTS["messages"](" ".join(["word"] * 90))
    body: list[Any] = [each for event in events for each in (event, 45.0)]
    play(story, [Answer(latency=100.0, body=body)])


def test_r28_the_wait_that_an_upstream_asks_for_is_forwarded_up_to_the_longest() -> None:
    async def story(world: World) -> None:
        for expected in ("7", "3600"):
            got = await world.post().whole()
            assert (got.status, got.headers["retry-after"], got.headers["x-should-retry"]) == (429, expected, "false")

    waits = [evolve(status(429), headers={**JSON, "retry-after": seconds}) for seconds in ("7", "86400")]
    play(story, waits)


def test_an_open_circuit_is_503_with_the_time_of_its_end() -> None:
    async def story(world: World) -> None:
        statuses = [(await world.post().whole()).status for _ in range(30)]
        assert statuses[0] == 502
        got = await world.post().whole()
        assert (got.status, got.headers["x-should-retry"]) == (503, "true")
        assert 0 < int(got.headers["retry-after"]) <= 60
        assert len(world.upstream.requests) < 30

    breaker = {name: evolve(each, plugins=("timeout", "circuit-breaker")) for name, each in SETTINGS.upstreams.items()}
    play(story, lambda _: status(500), upstreams=breaker)


@pytest.mark.parametrize(
    "nonsense",
    [
        Answer(headers={"content-type": "text/html"}, body=b"<p>"),
        Answer(headers={"content-type": "text/plain"}, body=b"Bad Gateway"),
        Answer(headers=JSON, body=b""),
        Answer(headers=JSON, body=b"[]"),
        Answer(headers=JSON, body=b'{"a":'),
        Answer(status=302, headers={"location": "https://up.example/v1/other"}),
        Answer(status=302, headers={"location": "https://evil.example/"}),
        Answer(status=204, headers={}),
    ],
)
@pytest.mark.parametrize("form", ROUTES)
def test_nonsense_of_an_upstream_is_no_answer(form: str, nonsense: Answer) -> None:
    async def story(world: World) -> None:
        for stream in (True, False):
            got = await world.post(form, stream=stream).whole()
            assert (got.status, got.headers["content-type"]) == (502, "application/json")
            assert b"Bad Gateway" not in got.body
        await world.nothing_is_left()
        assert [end.ending for end in world.ledger.ends] == ["failed", "failed"]
        assert {request.url for request in world.upstream.requests} == {f"https://up.example{ROUTES[form]}"}

    play(story, lambda _: nonsense)
