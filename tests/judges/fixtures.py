"""The fixtures of the tests that ask the official SDKs: who judges, and whom."""

import contextlib
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from .. import chromium, gateway_process
from ..programs import need
from . import machines, python
from .stand_in import StandIn

JUDGES: Final = ("python", "python-async", "node", "chromium")
SDKS: Final = ("anthropic", "openai")

Judge = Callable[[dict[str, Any]], dict[str, Any]]


class Engines:
    """Node and Chromium, each started when the first test needs it."""

    def __init__(self, place: Path) -> None:
        self._place = place
        self._stack = contextlib.ExitStack()
        self._node: machines.Node | None = None
        self._browser: machines.Browser | None = None
        self._site: Path | None = None

    def site(self) -> Path:
        """Return the folder with the scripts and their modules."""
        installed = machines.modules()
        need("node", installed is not None, f"run npm ci in tests/judges or where {machines.MODULES} says")
        assert installed is not None
        self._site = self._site or machines.site(self._place / "site", installed)
        return self._site

    def node(self) -> machines.Node:
        """Return the process of Node."""
        need("node", shutil.which("node") is not None, "apt-get install nodejs")
        if self._node is None:
            self._node = machines.Node(self.site())
            self._stack.callback(self._node.close)
        return self._node

    def browser(self) -> machines.Browser:
        """Return the browser; the test is skipped without it."""
        chromium.find()
        return self.pages()

    def pages(self) -> machines.Browser:
        """Return the browser, which starts with its first task; the origin of its page is known before."""
        if self._browser is None:
            self._browser = machines.Browser(self.site(), self._place / "profile")
            self._stack.callback(self._browser.close)
        return self._browser

    def origins(self) -> tuple[str, ...]:
        """Return the origin of the page if there can be one."""
        return () if machines.modules() is None else (self.pages().origin,)

    def judge(self, name: str) -> Judge:
        """Return the judge of this name."""
        if name in ("python", "python-async"):
            return python.judge if name == "python" else python.async_judge
        return self.node().judge if name == "node" else self.browser().judge

    def close(self) -> None:
        """End both."""
        self._stack.close()


class Targets:
    """The gateways of each configuration, started when the first test needs them, and a stand-in per test."""

    def __init__(self, place: Path, origins: tuple[str, ...]) -> None:
        self._place, self._origins = place, origins
        self._stack = contextlib.ExitStack()
        self._shared: dict[str, Any] = {}

    def gateway(self, name: str = "open") -> Any:
        """Return the running gateway of this configuration with nothing asked so far."""
        if not gateway_process.is_here():
            pytest.skip("there is no gateway yet")
        if name not in self._shared:
            self._shared[name] = self._start(name)
        self._shared[name].upstream.reset()
        return self._shared[name]

    def _start(self, name: str) -> Any:
        place = self._place / name
        place.mkdir()
        return self._stack.enter_context(gateway_process.running(place, name, self._origins))

    def close(self) -> None:
        """End them all."""
        self._stack.close()


@pytest.fixture(scope="module")
def engines(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engines]:
    """What runs JavaScript."""
    made = Engines(tmp_path_factory.mktemp("engines"))
    yield made
    made.close()


@pytest.fixture(scope="module")
def targets(engines: Engines, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Targets]:
    """What is judged."""
    made = Targets(tmp_path_factory.mktemp("gateways"), engines.origins())
    yield made
    made.close()


@pytest.fixture(params=JUDGES)
def judge(request: pytest.FixtureRequest, engines: Engines) -> Judge:
    """Each judge: it carries out a task and tells what came of it."""
    return engines.judge(request.param)


@pytest.fixture(params=SDKS)
def sdk(request: pytest.FixtureRequest) -> str:
    """The vendor of the SDK."""
    return str(request.param)


@pytest.fixture
def stand_in() -> Iterator[StandIn]:
    """The fault server that answers as the gateway promises to."""
    with StandIn() as made:
        yield made


@pytest.fixture(params=["stand-in", "gateway"])
def target(request: pytest.FixtureRequest, targets: Targets, stand_in: StandIn) -> Any:
    """A stand-in and the gateway."""
    return stand_in if request.param == "stand-in" else targets.gateway()
