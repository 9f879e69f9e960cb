"""A page of another origin: CORS, an EventSource with a ticket, and the example that resumes by hand."""

import contextlib
import http.client
import json
import random
import shutil
import socket
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from unbroken_faults import Fault, faults

from .. import chromium, gateway_process
from ..judges import machines

EXAMPLE = Path(__file__).parents[2] / "examples" / "gateway"
TEXT = " ".join(f"wörd-{number}" for number in range(200))
ASK = {"model": "claude", "max_tokens": 100, "stream": True, "messages": [{"role": "user", "content": "Hello"}]}

if not gateway_process.is_here():
    pytest.skip("there is no gateway yet", allow_module_level=True)


class Cutter:
    """Passes bytes on to a server, and cuts the connection of each stream after some bytes of its body."""

    def __init__(self, url: str, cuts: Sequence[int]) -> None:
        self._port = int(url.rpartition(":")[2])
        self._cuts = list(cuts)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._sockets: list[socket.socket] = []
        self._threads = [self._start(self._accept)]

    @property
    def left(self) -> int:
        """How many streams are still to be cut."""
        return len(self._cuts)

    def _start(self, function: Any, *arguments: Any) -> threading.Thread:
        thread = threading.Thread(target=function, args=arguments, daemon=True)
        thread.start()
        return thread

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = socket.create_connection(("127.0.0.1", self._port))
                self._sockets += [client, server]
                self._threads.append(self._start(self._up, client, server))
                self._threads.append(self._start(self._down, server, client))

    def _up(self, client: socket.socket, server: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := client.recv(65536):
                server.sendall(data)
        _end(server, client)

    def _down(self, server: socket.socket, client: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := server.recv(65536):
                head, end, _ = data.partition(b"\r\n\r\n")
                if end and b"text/event-stream" in head and self._cuts:
                    self._part(server, client, data, len(head + end) + self._cuts.pop(0))
                    break
                client.sendall(data)
        _end(server, client)

    def _part(self, server: socket.socket, client: socket.socket, data: bytes, most: int) -> None:
        while most > 0 and data:
            client.sendall(data[:most])
            most -= len(data)
            data = server.recv(65536) if most > 0 else b""

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._threads[0].join()
        _end(*self._sockets)
        for thread in self._threads:
            thread.join()
        for each in self._sockets:
            each.close()


def _end(*sockets: socket.socket) -> None:
    for each in sockets:
        with contextlib.suppress(OSError):
            each.shutdown(socket.SHUT_RDWR)


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[machines.Browser]:
    """A page of its own origin, in Chromium."""
    chromium.find()
    place = tmp_path_factory.mktemp("site")
    for path in [*machines.HERE.glob("*.mjs"), *machines.HERE.glob("*.html"), *EXAMPLE.glob("*.*")]:
        shutil.copy(path, place)
    running = machines.Browser(place, tmp_path_factory.mktemp("browser") / "profile")
    yield running
    running.close()


@pytest.fixture(scope="module")
def shared(browser: machines.Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A gateway that permits the page."""
    place = tmp_path_factory.mktemp("gateway")
    with gateway_process.running(place, "open", (browser.origin,)) as running:
        yield running


@pytest.fixture
def gateway(shared: Any) -> Any:
    """The same with nothing asked."""
    shared.upstream.reset()
    return shared


@pytest.fixture
def cut(gateway: Any) -> Iterator[Any]:
    """Make cutters in front of the gateway."""
    made: list[Cutter] = []

    def make(*cuts: int) -> Cutter:
        made.append(Cutter(gateway.url, cuts))
        return made[-1]

    yield make
    for each in made:
        each.close()


def post(gateway: Any, path: str, body: Any = None, **headers: str) -> tuple[int, dict[str, str], bytes]:
    """Make a request and return the whole answer."""
    connection = http.client.HTTPConnection(gateway.url.removeprefix("http://"), timeout=60)
    given = {"authorization": f"Bearer {gateway.key}", "content-type": "application/json"}
    given |= {name.replace("_", "-"): value for name, value in headers.items()}
    connection.request("POST", path, b"" if body is None else json.dumps(body), given)
    answer = connection.getresponse()
    whole = answer.read()
    connection.close()
    return answer.status, {name.lower(): value for name, value in answer.getheaders()}, whole


def text_of(events: list[dict[str, Any]]) -> str:
    """Return the text in events of the Messages API."""
    deltas = [json.loads(event["data"])["delta"] for event in events if event["type"] == "content_block_delta"]
    return "".join(delta.get("text", "") for delta in deltas)


def test_s29_a_page_on_the_list_reads_answers_and_their_headers(browser: machines.Browser, gateway: Any) -> None:
    """Those that are exposed, of an error as well."""
    headers = {"authorization": f"Bearer {gateway.key}", "anthropic-version": "2023-06-01"}
    told = browser.judge({"do": "fetch", "url": f"{gateway.url}/v1/models", "headers": headers})
    assert (told["status"], "x-request-id" in told["headers"]) == (200, True), told
    told = browser.judge({"do": "fetch", "url": f"{gateway.url}/v1/models", "headers": {"x-api-key": "wrong"}})
    assert (told["status"], told["headers"]["x-should-retry"]) == (401, "false"), told
    assert "set-cookie" not in told["headers"]


def test_s29_another_page_reads_nothing(browser: machines.Browser, tmp_path: Path) -> None:
    """The browser forbids what the gateway does not permit; a request that needs a preflight is never sent."""
    with gateway_process.running(tmp_path) as other:
        headers = {"authorization": f"Bearer {other.key}", "content-type": "application/json"}
        body = json.dumps(ASK)
        for task in (
            {"url": f"{other.url}/v1/models", "headers": headers},
            {"url": f"{other.url}/v1/messages", "headers": headers, "method": "POST", "body": body},
            {"url": f"{other.url}/v1/models"},
        ):
            assert "forbidden" in browser.judge({"do": "fetch", **task})
        assert other.asked() == 0


def test_s29_a_header_that_is_not_on_the_list_is_forbidden(browser: machines.Browser, gateway: Any) -> None:
    headers = {"authorization": f"Bearer {gateway.key}", "x-forwarded-for": "127.0.0.1"}
    assert "forbidden" in browser.judge({"do": "fetch", "url": f"{gateway.url}/v1/models", "headers": headers})


def ticketed(browser: machines.Browser, gateway: Any, base: str) -> str:
    """Make a stream that has ended and return the URL at which an EventSource reads it."""
    gateway.push(Fault(text=TEXT))
    status, headers, _ = post(gateway, "/v1/messages", ASK, unbroken_resume="1")
    assert status == 200
    status, _, body = post(gateway, f"/v1/streams/{headers['unbroken-stream']}/ticket", origin=browser.origin)
    assert status == 200, body
    return f"{base}{json.loads(body)['path']}"


def test_an_event_source_reads_a_stream_with_a_ticket(browser: machines.Browser, gateway: Any) -> None:
    """Each event once, numbered from 1, to the last."""
    told = browser.judge({"do": "source", "url": ticketed(browser, gateway, gateway.url), "until": "message_stop"})
    numbers = [int(event["id"].rpartition(".")[2]) for event in told["events"]]
    assert numbers == list(range(1, len(numbers) + 1))
    assert (text_of(told["events"]), told["why"], told["errors"]) == (TEXT, "until", 0)


def test_an_event_source_that_is_cut_goes_on_where_it_was(browser: machines.Browser, gateway: Any, cut: Any) -> None:
    """It comes back to the same URL by itself; at the end it is told to stay away, and does."""
    cutter = cut(0, 2_000)
    told = browser.judge({"do": "source", "url": ticketed(browser, gateway, cutter.url), "until": "nothing"})
    numbers = [int(event["id"].rpartition(".")[2]) for event in told["events"]]
    assert numbers == list(range(1, len(numbers) + 1))
    assert (text_of(told["events"]), told["why"], cutter.left) == (TEXT, "closed", 0)


def test_a_ticket_is_worthless_on_another_page(browser: machines.Browser, gateway: Any) -> None:
    gateway.push(Fault(text=TEXT))
    _, headers, _ = post(gateway, "/v1/messages", ASK, unbroken_resume="1")
    _, _, body = post(gateway, f"/v1/streams/{headers['unbroken-stream']}/ticket", origin="https://other.example")
    told = browser.judge({"do": "source", "url": f"{gateway.url}{json.loads(body)['path']}", "until": "message_stop"})
    assert (told["events"], told["why"]) == ([], "closed")


@pytest.mark.parametrize("seed", range(3))
def test_the_example_survives_any_cuts(browser: machines.Browser, gateway: Any, cut: Any, seed: int) -> None:
    """The text is there once and whole, and the model was asked once."""
    chance = random.Random(seed)
    cutter = cut(0, *(chance.randrange(1_500) for _ in range(8)))
    gateway.push(Fault(text=TEXT))
    page = browser.page
    page.navigate(f"{browser.origin}/index.html")
    given = {"url": cutter.url, "token": gateway.key, "model": "claude"}
    for name, value in given.items():
        page.evaluate(f"document.querySelector('[name={name}]').value = {json.dumps(value)}")
    page.evaluate("document.querySelector('button').click()")
    assert page.wait("/whole|failed/.exec(state.textContent) && state.textContent") == "whole, after 9 cuts"
    assert page.evaluate("document.querySelector('output').textContent") == TEXT
    assert gateway.asked() == 1


def test_the_example_tells_a_failure(browser: machines.Browser, gateway: Any, cut: Any) -> None:
    """An error in the stream is the end of it, as it is in a stream that was never cut."""
    gateway.push(faults.error_after())
    page = browser.page
    page.navigate(f"{browser.origin}/index.html")
    for name, value in {"url": cut(100).url, "token": gateway.key, "model": "claude"}.items():
        page.evaluate(f"document.querySelector('[name={name}]').value = {json.dumps(value)}")
    page.evaluate("document.querySelector('button').click()")
    assert "overloaded_error" in page.wait("/whole|failed/.exec(state.textContent) && state.textContent")
    assert gateway.asked() == 1
