"""What the process opens, reads again and closes; and the failures of parts that have no route of their own."""

import asyncio
from typing import Any

import pytest
from attrs import evolve
from tests.plugins.gateway.test_resuming import PAGE, RESUME, read, started, ticket_of
from tests.plugins.gateway.world import SETTINGS, Ledger, World, paused, play, streamed

from unbroken import ConfigurationError, Problem
from unbroken.testing import STALL, Answer, AsyncScriptedTransport, FakeClock, run
from unbroken_gateway.app import Gateway
from unbroken_gateway.services import Services
from unbroken_gateway.state import StateUnavailable
from unbroken_gateway.streams import Fenced


def lived(services: Services) -> tuple[list[str], list[Exception]]:
    """Run the lifespan of a gateway; returns what it says and raises."""
    said: list[str] = []
    raised: list[Exception] = []

    async def story() -> None:
        inbox = iter([{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}])

        async def receive() -> Any:
            return next(inbox)

        async def send(message: Any) -> None:
            said.append(message["type"])

        try:
            await Gateway(services)({"type": "lifespan"}, receive, send)
        except Exception as error:
            raised.append(error)

    run(story, clock=services.clock)
    return said, raised


def made(**changes: Any) -> Services:
    clock = FakeClock()
    services = Services(evolve(SETTINGS, **changes), clock=clock, transport=AsyncScriptedTransport((), clock))
    services.open_audit = lambda _: Ledger()  # type: ignore[assignment, return-value]
    return services


def test_the_lifespan_opens_and_closes() -> None:
    assert lived(made()) == (["lifespan.startup.complete", "lifespan.shutdown.complete"], [])


def test_a_start_that_fails_is_told_to_the_server() -> None:
    said, raised = lived(made(state="nonsense:"))
    assert said == ["lifespan.startup.failed"]
    assert isinstance(raised[0], ConfigurationError)


def test_a_new_configuration_is_used_or_its_problems_are_logged(caplog: Any) -> None:
    found = [
        evolve(SETTINGS, max_body=10, workers=3),
        ConfigurationError.of(Problem("gateway.listen", "is no address")),
    ]

    def load() -> Any:
        if isinstance(found[0], Exception):
            raise found[0]
        return found[0]

    async def story(world: World) -> None:
        caplog.set_level("INFO", "unbroken.gateway")
        await world.services.reload_quietly()
        assert world.services.live.settings.max_body == 10
        assert "workers changes only after a restart" in caplog.text
        assert "in force" in caplog.text
        del found[0]
        await world.services.reload_quietly()
        assert world.services.live.settings.max_body == 10
        assert "is no address" in caplog.text

    play(story, load=load)


@pytest.mark.parametrize("stream", [True, False], ids=["resumable", "plain"])
def test_a_bug_while_a_call_is_counted_is_told_and_noted(stream: bool, caplog: Any, monkeypatch: Any) -> None:
    def broken(*_: Any) -> Any:
        raise RuntimeError("secret words")

    async def story(world: World) -> None:
        got = await world.post(stream=stream, headers=RESUME).whole()
        assert got.status == 500
        assert b"secret" not in got.body
        await world.nothing_is_left()
        assert [(end.ending, end.status, end.error) for end in world.ledger.ends] == [("failed", 500, "internal")]
        assert world.services.traffic.alerted["internal"] >= 1

    monkeypatch.setattr(
        "unbroken_gateway.calls.meter.Meter.take" if stream else "unbroken_gateway.calls.meter.Meter.whole", broken
    )
    monkeypatch.setattr("unbroken_gateway.calls.outlets.Logged.open", broken)
    good = streamed() if stream else Answer(headers={"content-type": "application/json"}, body=b'{"type":"message"}')
    play(story, [good])
    assert "failed by a bug" in caplog.text


def test_without_a_state_a_ticket_is_not_believed() -> None:
    class Down:
        def __init__(self, inner: Any) -> None:
            self.inner = inner

        def __getattr__(self, name: str) -> Any:
            return getattr(self.inner, name)

        async def revoked(self, *_: Any) -> Any:
            raise StateUnavailable

    async def story(world: World) -> None:
        got = await world.post(headers=RESUME).whole()
        told = (await ticket_of(world, got.headers["unbroken-stream"])).json()
        path, _, query = told["path"].partition("?")
        world.services.state = Down(world.services.state)  # type: ignore[assignment]
        again = await world.ask("GET", path, query=query, token=None, headers=[("origin", PAGE)]).whole()
        assert again.status == 503

    play(story, [streamed()])


@pytest.mark.parametrize("items", [(5.0,), (STALL,)], ids=["writes", "fails"])
def test_a_producer_that_is_fenced_closes_its_upstream(items: Any) -> None:
    async def story(world: World) -> None:
        got, id = await started(world)
        log = world.services.streams._worker.log

        async def fenced(*_: Any) -> Any:
            raise Fenced

        class Another:
            def __getattr__(self, name: str) -> Any:
                return fenced if name == "append" else getattr(log, name)

        world.services.streams._worker.live[id].writer._log = Another()  # type: ignore[assignment]
        await asyncio.sleep(70)
        assert world.upstream.open_exchanges == 0
        await world.services.streams._worker.log.delete(id)
        await got.whole()
        await world.nothing_is_left()
        assert len(world.ledger.ends) == 1
        assert (await read(world, id).whole()).status == 404

    play(story, [paused("messages", *items)])
