"""What a third party can do with the plugins of Unbroken by name: replace, extend, wrap, remove, block."""

from typing import Any

import pytest

import unbroken
from unbroken.registry import PLUGINS, choose, discover, resolve_plugins
from unbroken.testing import BACKENDS, Answer, Played, check_plugin, play, sse

BUSY = Answer(status=503)
GOOD = Answer(body=sse("hello"))
on_each_backend = pytest.mark.parametrize("backend", BACKENDS)


@pytest.fixture(autouse=True)
def _no_settings(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def called(script: list[Answer], plugins: list[Any], backend: Any = "sync", **config: Any) -> Played:
    return play(script, plugins, backend=backend, client={"config": config} if config else None)


@pytest.mark.parametrize(
    "name", ["acme-stamp", "acme-unbroken:retry", "acme-retry", "acme-budget", "acme-gate", "acme-quiet"]
)
def test_each_plugin_keeps_the_contract(name: str) -> None:
    """The same check as for those of Unbroken."""
    check_plugin(lambda: resolve_plugins([name])[0])  # type: ignore[arg-type, return-value]


@on_each_backend
@pytest.mark.parametrize("how", ["use", "listed"])
def test_a_policy_of_unbroken_is_replaced(backend: Any, how: str) -> None:
    """By the configuration of the name, or by the list; the table of the name is for the new one."""
    chosen, table = ("retry", {"use": "acme-unbroken:retry"}) if how == "use" else ("acme-unbroken:retry", {})
    played = called([BUSY, GOOD], ["timeout", chosen], backend, retry={**table, "pause": 7})
    assert played.data == ["hello"]
    assert (played.history[0].reason, played.elapsed) == ("patience", 7.0)


def test_nothing_is_replaced_by_being_installed() -> None:
    """The name of a policy of Unbroken stands for that policy until another is chosen."""
    assert {each.id for each in discover() if each.name == "retry"} == {"unbroken:retry", "acme-unbroken:retry"}
    settings = unbroken.config.load_settings({}, environ={}, cwd="/")
    assert choose("retry", settings, discover(PLUGINS)).id == "unbroken:retry"
    assert [type(each).__module__.split(".")[0] for each in resolve_plugins()][1] == "unbroken_retry"


@on_each_backend
def test_a_policy_of_unbroken_is_extended_by_a_subclass(backend: Any) -> None:
    """It has the settings and decisions of the other, and its own."""
    played = called(
        [BUSY, GOOD], ["acme-retry"], backend, **{"acme-retry": {"note": "x", "initial_delay": 2, "jitter": 0}}
    )
    assert played.data == ["hello"]
    assert (played.history[0].decided_by, played.history[0].delay) == ("acme-retry", 2.0)
    assert played.history[0].reason.startswith("x: ")


@on_each_backend
def test_a_policy_of_unbroken_is_extended_by_a_wrapper(backend: Any) -> None:
    """Which sees the answer of whichever retries, and changes it."""
    played = called([BUSY] * 3, ["acme-budget", "retry"], backend, **{"acme-budget": {"retries": 2}})
    assert played.attempts == 3
    assert played.failure.history[-1].decided_by == "acme-budget"


@on_each_backend
def test_a_policy_of_unbroken_is_removed(backend: Any) -> None:
    """From the default list; the others stay."""
    played = called([BUSY], ["-retry"], backend)
    assert (played.attempts, type(played.failure)) == (1, unbroken.ServerError)
    with unbroken.Client(["-retry"]) as client:
        assert "plugins: timeout, circuit-breaker, rate-limit\n" in client.describe()


@on_each_backend
def test_a_plugin_blocks_those_behind_it(backend: Any) -> None:
    """A refusal ends the attempt: neither the plugins behind nor the server hear of it."""
    behind = unbroken.Plugin.__new__(type("Behind", (unbroken.Plugin,), {"before_request": lambda *_: 1 / 0}))
    played = called([], ["acme-gate", "acme-stamp", behind], backend, **{"acme-gate": {"closed": True}})
    assert played.failure.message == "the gate is closed"
    assert played.failure.is_local
    assert played.outcome is not None
    assert played.outcome.status == "rejected"
    assert isinstance(called([GOOD], ["acme-gate", behind]).failure, unbroken.PluginError)


@on_each_backend
def test_a_hook_of_its_own_is_called_by_the_one_and_heard_by_the_other(backend: Any) -> None:
    """In a list without the first, the mark `optional` lets the second be."""
    quiet, alarm = resolve_plugins(["acme-quiet", "acme-alarm"])
    for plugins in ([quiet, alarm], [alarm, quiet]):
        assert called([Answer(latency=12.0, body=sse("hello"))], plugins, backend).data == ["hello"]
    assert alarm.heard == [12.0, 12.0]  # type: ignore[attr-defined]
    assert called([GOOD], ["acme-alarm"], backend).data == ["hello"]


@on_each_backend
def test_a_module_is_a_plugin(backend: Any) -> None:
    """With functions for hooks, which leave out what they do not need."""
    played = called([Answer(body=sse(("a", "1"), ("b", "2")))], ["acme-counting"], backend)
    from acme_unbroken import counting

    assert played.types == ["a", "b"]
    assert counting.seen[-2:] == ["a", "b"]


@pytest.mark.parametrize("client", [unbroken.Client, unbroken.AsyncClient])
def test_a_transport_goes_by_its_name(client: Any) -> None:
    made = client([], transport="acme-echo")
    assert "transport: acme-echo" in made.describe()
    if client is unbroken.Client:
        with made, made.stream("POST", "https://example.org/", json={"n": 1}) as stream:
            assert [event.json() for event in stream] == [{"n": 1}]
        return

    async def call() -> list[Any]:
        async with made, made.stream("POST", "https://example.org/", json={"n": 1}) as stream:
            return [event.json() async for event in stream]

    assert unbroken.testing.run(call) == [{"n": 1}]
