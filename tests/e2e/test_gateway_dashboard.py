"""The dashboard of the gateway in a real browser."""

import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anyio.from_thread
import pytest

from unbroken_gateway.audit import Audit
from unbroken_gateway.traffic import Traffic
from unbroken_metrics import Metrics

from ..chromium import Chromium, Failed, Page, chromium
from ..plugins.gateway.operator import CANARY, CREDENTIAL, TROUBLE, Operator, ended, populate, started

uvicorn = pytest.importorskip("uvicorn")


class Running:
    """The admin port behind a real server."""

    def __init__(self, portal: anyio.from_thread.BlockingPortal) -> None:
        self._portal = portal
        self.operator: Operator = portal.call(self._make)
        listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        config = uvicorn.Config(self.operator.app, log_level="warning", lifespan="off")
        self._server = uvicorn.Server(config)
        self._served = portal.start_task_soon(self._server.serve, [listener])

    async def _make(self) -> Operator:
        metrics = Metrics()
        operator = Operator(traffic=Traffic(metrics=metrics), audit=Audit(), interval=0.05)
        metrics.on_circuit_state_change("claude", "https://api.example.com", "closed", "open", 5)
        await populate(operator)
        return operator

    def do(self, function: Any, *arguments: Any) -> Any:
        """Run a function in the event loop of the server."""
        return self._portal.call(function, *arguments)

    def stop(self) -> None:
        self.do(self.operator.app.close)
        self._server.should_exit = True
        self._served.result(60)
        self.do(self.operator.audit.aclose)


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chromium]:
    with chromium(tmp_path_factory.mktemp("chromium") / "profile") as running:
        yield running


@pytest.fixture
def gateway(browser: Chromium) -> Iterator[Running]:
    with anyio.from_thread.start_blocking_portal() as portal:
        running = Running(portal)
        yield running
        running.stop()


@pytest.fixture
def page(browser: Chromium, gateway: Running) -> Page:
    """The page, before the login."""
    browser.call("Storage.clearCookies")
    page = browser.page()
    page.look(width=1400)
    page.navigate(f"{gateway.url}/admin")
    page.wait("!document.querySelector('#login').hidden")
    return page


@pytest.fixture
def board(page: Page) -> Page:
    """The page, after it."""
    log_in(page, CREDENTIAL)
    page.wait("document.querySelector('#status').textContent === 'Live'")
    return page


def log_in(page: Page, credential: str) -> None:
    """As with a keyboard: the field has the focus already."""
    page.wait("document.activeElement.id === 'credential'")
    page.evaluate("document.activeElement.value = ''")
    page.type(credential)
    page.press("Enter")


def text(page: Page, where: str) -> str:
    return page.evaluate(f"document.querySelector({where!r}).textContent")


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """Where screenshots are kept: `UNBROKEN_ARTEFACTS`, or a temporary folder."""
    place = Path(os.environ.get("UNBROKEN_ARTEFACTS", tmp_path))
    place.mkdir(parents=True, exist_ok=True)
    return place


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [1400, 1000, 800, 400])
def test_nothing_overflows(board, pictures, width, dark):
    """Neither on a desk nor on a telephone, with the longest names."""
    board.look(width=width, dark=dark)
    board.screenshot(pictures / f"dashboard-{width}-{'dark' if dark else 'light'}.png")
    wide = "it => !it.closest('thead') && it.getBoundingClientRect().right > innerWidth"
    found = f"[...document.querySelectorAll('#board *, header *')].filter({wide}).map(it => it.outerHTML)"
    assert board.evaluate(found) == []
    assert board.evaluate("document.documentElement.scrollWidth") == width


def test_s30_the_page_shows_nothing_before_the_login(page, pictures):
    """And a wrong credential is refused, in words that a screen reader says."""
    log_in(page, "wrong")
    page.wait("document.querySelector('#refused').textContent === 'that is not the admin credential'")
    page.screenshot(pictures / "login-1400-light.png")
    assert page.evaluate("document.querySelector('#board').hidden")
    assert page.evaluate("document.querySelectorAll('#board td').length") == 0


def test_live_values_appear(board, gateway):
    """Counts and rows follow what happens, without a reload."""
    board.wait("document.querySelector('#under-way').textContent === '6'")
    entry = gateway.do(lambda: gateway.operator.traffic.begin("live-4711", "keys|bob", "/v1/responses", "gpt", "m"))
    row = "[...document.querySelectorAll('#calls tbody tr')].find(row => row.dataset.key === 'live-4711')"
    board.wait(f"{row}.cells[0].textContent === 'body'")
    gateway.do(setattr, entry, "phase", "streaming")
    board.wait(f"{row}.cells[0].textContent === 'streaming'")
    board.wait("document.querySelector('#phases').textContent.includes('2streaming')")
    gateway.do(entry.end, ended("live-4711", error="QuotaExceededError", ending="failed"))
    board.wait(f"!{row}")
    board.wait("document.querySelector('#errors').textContent.includes('QuotaExceededError')")
    gateway.do(gateway.operator.audit.start, started("live-row", user="keys|bob"))
    board.wait("document.querySelector('#audit tbody tr').textContent.includes('live-row')")
    assert "open" in text(board, "#circuits")
    assert "20 of 20 per min" in text(board, "#users")
    assert "operator_fault at claude-b" in text(board, "#alert-list")


def test_what_is_selected_stays_selected_while_the_numbers_change(board, gateway):
    """Rows are kept, so an operator can copy a request id."""
    board.evaluate("getSelection().selectAllChildren(document.querySelector('#audit tbody tr td:last-child'))")
    gateway.do(gateway.operator.audit.start, started("another"))
    board.wait("document.querySelector('#audit tbody tr').textContent.includes('another')")
    assert board.evaluate("getSelection().toString()") == "canary"


def test_everything_can_be_done_with_the_keyboard(board, gateway):
    """Tab goes through every control in the order of the page, and Enter presses it."""
    board.evaluate("document.activeElement.blur()")
    board.evaluate("getSelection().removeAllRanges(); document.body.tabIndex = -1; document.body.focus()")
    visited = []
    for _ in range(7):
        board.press("Tab")
        visited.append(board.evaluate("document.activeElement.id || document.activeElement.className"))
    assert visited == ["skip", "reload", "logout", "kind", "value", "seconds", ""]
    for _ in range(2):
        board.press("Tab", shift=True)
    board.type("keys|alice")
    board.press("Enter")
    board.wait("document.querySelector('#notice').textContent === 'Revoked: keys|alice'")
    assert [each[:2] for each in gateway.operator.state.revoked] == [("user", "keys|alice")]
    board.evaluate("document.querySelector('#reload').focus()")
    board.press("Enter")
    board.wait("document.querySelector('#notice').textContent === 'The configuration is reloaded'")
    assert gateway.operator.reloads == 1
    board.press("Tab")
    board.press("Enter")
    board.wait("document.activeElement.id === 'credential'")
    board.navigate(f"{gateway.url}/admin")
    board.wait("document.activeElement.id === 'credential'")


def test_a_configuration_that_is_not_valid_is_explained(board, gateway):
    """Nothing was swapped in."""
    gateway.operator.broken = ["must be a port"]
    board.evaluate("document.querySelector('#reload').click()")
    board.wait("document.querySelector('#notice').textContent.includes('must be a port')")
    assert gateway.operator.reloads == 0


def test_s22_s30_the_text_of_others_stays_text(board, gateway):
    """HTML in the name of a user or a model is shown as it is, and nothing of it runs."""
    assert CANARY in text(board, "#audit")
    assert CANARY in text(board, "#calls")
    assert CANARY in text(board, "#users")
    gateway.do(lambda: gateway.operator.traffic.alert(TROUBLE, upstream=CANARY, request_id=CANARY))
    board.wait("document.querySelector('#alert-list').textContent.includes('<script>')")
    assert board.evaluate("document.querySelectorAll('main img, main script').length") == 0
    assert board.evaluate("document.title") == "Unbroken gateway"


def test_s30_the_policy_of_the_page_blocks_what_is_injected(board):
    """Inline scripts and handlers, styles, images, HTML as text, other places: all refused by the browser."""
    board.evaluate("""
        window.blocked = [];
        document.addEventListener("securitypolicyviolation", (event) => blocked.push(event.effectiveDirective));
        const add = (name, set) => { const it = document.createElement(name); set(it); document.body.append(it) };
        add("img", (it) => { it.src = "/admin" });
        add("iframe", (it) => { it.src = "/admin" });
        add("p", (it) => it.setAttribute("style", "color: red"));
        fetch("https://elsewhere.example/").catch(() => {});
        0
    """)
    wanted = ["img-src", "frame-src", "style-src-attr", "connect-src"]
    board.wait(f"{wanted}.every((each) => blocked.includes(each))")
    for sink in ("document.body.innerHTML = '<b>x</b>'", "document.body.setAttribute('onclick', 'window.owned = 1')"):
        with pytest.raises(Failed, match=r"TrustedHTML|TrustedScript"):
            board.evaluate(sink)
    script = (
        "const it = document.createElement('script'); it.textContent = 'window.owned = 1'; document.body.append(it)"
    )
    with pytest.raises(Failed, match="TrustedScript"):
        board.evaluate(script)
    assert board.evaluate("window.owned === undefined")


def test_s30_a_page_of_another_port_cannot_use_the_session(browser, board, gateway):
    """It is of the same site, so the browser sends it our cookie: the origin is what is checked."""
    answers = gateway.operator.state.revoked
    with anyio.from_thread.start_blocking_portal() as portal:
        other = Running(portal)
        foreign = browser.page()
        foreign.navigate(f"{other.url}/metrics")  # a page of the same machine without a policy
        request = (
            "{method: 'POST', mode: 'no-cors', credentials: 'include', body: '{\"kind\":\"user\",\"value\":\"x\"}'}"
        )
        foreign.evaluate(f"fetch('{gateway.url}/admin/revoke', {request}).then(() => 0)")
        read = f"fetch('{gateway.url}/admin/events', {{credentials: 'include'}}).then(() => 'read', () => 'refused')"
        assert foreign.evaluate(read) == "refused"
        other.stop()
    assert answers == []


def test_the_console_is_silent(board):
    """But for the 401 of the first look, nothing is logged: no error and no violation of the policy."""
    assert [line for line in board.said() if "401" not in line] == []


def test_a_lost_connection_is_told_and_mended(board, gateway):
    """The page says so, and shows live values again without a new login."""
    gateway.do(gateway.operator.app.close)
    board.wait("document.querySelector('#status').dataset.state === 'lost'")
    board.wait("document.querySelector('#status').textContent === 'Live'")
