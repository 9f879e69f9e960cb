"""Signals and workers on a system without what Unix has for them."""

import asyncio
import signal
from pathlib import Path

import pytest

from unbroken import ConfigurationError
from unbroken_gateway.serve import run, signals
from unbroken_gateway.serve.listening import bind

from .world import SETTINGS


@pytest.fixture
def handlers(monkeypatch: pytest.MonkeyPatch) -> dict[int, object]:
    """An event loop that has no signal handlers, and the handlers of the process."""
    found: dict[int, object] = {}

    def refuse(*_: object) -> None:
        raise NotImplementedError

    monkeypatch.setattr(asyncio.SelectorEventLoop, "add_signal_handler", refuse)
    monkeypatch.setattr(signal, "signal", found.__setitem__)
    return found


@pytest.mark.parametrize("hang_up", [signal.SIGHUP, None], ids=["unix", "windows"])
def test_a_loop_without_signal_handlers_gets_those_of_the_process(
    handlers: dict[int, object], monkeypatch: pytest.MonkeyPatch, hang_up: int | None
) -> None:
    """What they call runs in the loop. Windows has no SIGHUP."""
    monkeypatch.setattr(signals, "HANG_UP", hang_up)
    called: list[str] = []

    async def main() -> None:
        signals.on_signals(lambda: called.append("stop"), lambda: called.append("hang up"))
        for number, handler in handlers.items():
            handler(number, None)  # type: ignore[operator]
        await asyncio.sleep(0)

    with asyncio.Runner(loop_factory=asyncio.SelectorEventLoop) as runner:
        handlers.clear()
        runner.run(main())
    assert called == ["stop", "stop", "hang up"] if hang_up else ["stop", "stop"]


def test_several_workers_are_refused_on_windows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before anything is bound."""
    monkeypatch.setattr("sys.platform", "win32")
    monkeypatch.setattr("unbroken_gateway.serve.load", lambda *_: SETTINGS)
    config = tmp_path / "gateway.toml"
    with pytest.raises(ConfigurationError, match="must be 1 on Windows") as refused:
        run(config=config, listen="127.0.0.1:0", admin_listen=None, workers=2, as_json=False)
    assert refused.value.problems[0].path == "gateway.workers"


def test_a_refusal_without_words_has_those_of_the_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """`os.strerror` does not know the numbers that sockets have on Windows."""

    def refuse(*_: object, **__: object) -> None:
        raise OSError(10013, "An attempt was made to access a socket in a forbidden way")

    monkeypatch.setattr("socket.create_server", refuse)
    with pytest.raises(ConfigurationError, match="in a forbidden way"):
        bind("127.0.0.1:80", "gateway.listen")
