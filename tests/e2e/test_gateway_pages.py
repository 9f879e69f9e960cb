"""What the pages of the gateway show works with a gateway: the clients of the protocol, and what `serve` prints."""

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from unbroken_faults import Fault, faults

from .. import gateway_process
from ..docs.gateway_pages import PAGES, blocks
from ..programs import binary, need

QUESTION = {"model": "claude", "max_tokens": 100, "messages": [{"role": "user", "content": "Hello"}]}
TEXT = " ".join(f"wörd-{number}" for number in range(40))
JAVASCRIPT = """
const question = JSON.parse(process.env.QUESTION);
const told = [];
try {
  for await (const each of stream(process.env.URL, "/v1/messages", process.env.KEY, question)) told.push(each);
  console.log(JSON.stringify(told.map((each) => [each.event, each.data])));
} catch (error) {
  console.log(JSON.stringify({ failed: String(error.status ?? error.message) }));
}
"""


class Cutter:
    """Relays connections to a server, and cuts each of the first ones after as many bytes of its answers as `ends`."""

    def __init__(self, target: str, ends: list[int]) -> None:
        host, _, port = target.removeprefix("http://").rpartition(":")
        self._target, self._ends = (host, int(port)), ends
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            end = self._ends.pop(0) if self._ends else None
            self._threads.append(threading.Thread(target=self._relay, args=(client, end)))
            self._threads[-1].start()

    def _relay(self, client: socket.socket, end: int | None) -> None:
        with client, socket.create_connection(self._target) as server:
            asking = threading.Thread(target=_pump, args=(client, server, None))
            asking.start()
            _pump(server, client, end)
            for each in (client, server):
                _shut(each)
            asking.join()

    def close(self) -> None:
        """Accept no more, and wait until all has been relayed."""
        _shut(self._listener)
        self._listener.close()
        for each in list(self._threads):
            each.join(60)


def _shut(one: socket.socket) -> None:
    with contextlib.suppress(OSError):
        one.shutdown(socket.SHUT_RDWR)


def _pump(source: socket.socket, sink: socket.socket, end: int | None) -> None:
    with contextlib.suppress(OSError):
        while (end is None or end > 0) and (data := source.recv(65536)):
            sink.sendall(data if end is None else data[:end])
            end = None if end is None else end - len(data)


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[gateway_process.Gateway]:
    with gateway_process.running(tmp_path_factory.mktemp("gateway")) as running:
        yield running


@pytest.fixture(params=["python", "js"])
def ask(request: pytest.FixtureRequest, gateway: gateway_process.Gateway, tmp_path: Path) -> Iterator[Any]:
    """Ask through a cutter with the client of the page; returns its events, or what it failed with."""
    cutters: list[Cutter] = []

    def asking(ends: list[int], key: str = gateway.key) -> Any:
        cutters.append(Cutter(gateway.url, ends))
        return (_python if request.param == "python" else _javascript)(cutters[-1].url, key, tmp_path)

    gateway.upstream.reset()
    yield asking
    for each in cutters:
        each.close()


def _python(url: str, key: str, place: Path) -> Any:
    names: dict[str, Any] = {}
    (block,) = blocks(PAGES["protocol"], "python")
    exec(compile(block, "protocol.md", "exec"), names)
    names["time"] = type("Time", (), {"sleep": staticmethod(lambda seconds: None)})  # the tests wait for nothing
    try:
        return [list(each) for each in names["stream"](url, "/v1/messages", key, QUESTION)]
    except OSError as error:
        return {"failed": str(getattr(error, "code", error))}


def _javascript(url: str, key: str, place: Path) -> Any:
    node = binary("node")
    need("node", node, "apt-get install nodejs")
    (block,) = blocks(PAGES["protocol"], "js")
    file = place / "client.mjs"
    file.write_text("const setTimeout = (go) => setImmediate(go);\n" + block + JAVASCRIPT, "utf-8")
    environ = {**os.environ, "URL": url, "KEY": key, "QUESTION": json.dumps(QUESTION)}
    ran = subprocess.run([str(node), str(file)], env=environ, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    return json.loads(ran.stdout)


def text_of(events: list[list[str]]) -> str:
    deltas = [json.loads(data) for kind, data in events if kind == "content_block_delta"]
    return "".join(delta["delta"].get("text", "") for delta in deltas)


@pytest.mark.parametrize("ends", [[], [600], [900, 700, 1500], [460]], ids=["whole", "cut", "cut-thrice", "cut-early"])
def test_the_client_of_the_page_gets_every_event_once(
    ask: Any, gateway: gateway_process.Gateway, ends: list[int]
) -> None:
    """However often it is cut, also within an event, and the model is asked once."""
    gateway.push(Fault(text=TEXT))
    events = ask(list(ends))
    assert text_of(events) == TEXT
    assert (events[0][0], events[-1][0]) == ("message_start", "message_stop")
    assert gateway.asked() == 1


def test_the_client_of_the_page_ends_with_an_error_of_the_stream(ask: Any, gateway: gateway_process.Gateway) -> None:
    """It is the last event, and nothing is asked again."""
    gateway.push(faults.reset(after=5))
    events = ask([])
    assert events[-1][0] == "error"
    assert gateway.asked() == 1


def test_the_client_of_the_page_does_not_repeat_a_refusal(ask: Any, gateway: gateway_process.Gateway) -> None:
    """A bad credential is told at once."""
    assert ask([], key="not-a-key") == {"failed": "401"}
    assert gateway.asked() == 0


@pytest.fixture
def printed(tmp_path: Path) -> Iterator[str]:
    """What `serve` prints without a configuration, while it serves; then Ctrl-C ends it."""
    command = [
        sys.executable,
        "-m",
        "unbroken_gateway",
        "serve",
        "--listen",
        "127.0.0.1:0",
        "--admin-listen",
        "127.0.0.1:0",
    ]
    environ = {**os.environ, "ANTHROPIC_API_KEY": "sk-ant-of-the-user"}
    process = subprocess.Popen(command, cwd=tmp_path, env=environ, stdout=subprocess.PIPE, text=True)
    watch = threading.Timer(gateway_process.SECONDS, process.kill)
    watch.start()
    try:
        assert process.stdout is not None
        lines: list[str] = []
        while line := process.stdout.readline():
            lines.append(line)
            if line.startswith("For real models"):
                break
        yield "".join(lines)
        process.send_signal(signal.SIGINT)
        assert process.wait() == 0
    finally:
        watch.cancel()
        process.kill()
        process.communicate()


def test_what_serve_prints_can_be_pasted(printed: str, tmp_path: Path) -> None:
    """All of it at once into a shell; no SDK warns, and the key of the user is not used."""
    bash = shutil.which("bash")
    need("bash", bash, "apt-get install bash")
    need("curl", shutil.which("curl"), "apt-get install curl")
    start, end = printed.index("export TOKEN"), printed.index("In the browser")
    place = tmp_path / "bin"
    place.mkdir()
    (place / "python3").write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    (place / "python3").chmod(0o755)
    environ = {"PATH": f"{place}:{os.environ['PATH']}", "HOME": str(tmp_path), "PYTHONWARNINGS": "error:The model"}
    ran = subprocess.run(
        [str(bash), "-e"],
        input=printed[start:end],
        env=environ,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    stream, _, texts = ran.stdout.partition('data: {"type":"message_stop"}\n')
    assert stream.startswith("event: message_start\n")
    assert len([line for line in texts.splitlines() if line]) == 2
    assert "ANTHROPIC_API_KEY is set but not used" in printed
    assert "sk-ant" not in printed


def test_what_serve_prints_fits_a_terminal(printed: str) -> None:
    """Of 80 columns."""
    assert max(map(len, printed.splitlines())) <= 80


def test_a_taken_port_is_told_as_such(printed: str, tmp_path: Path) -> None:
    """With what to do about it."""
    taken = printed.splitlines()[0].rpartition("http://")[2]
    command = [sys.executable, "-m", "unbroken_gateway", "serve", "--listen", taken]
    ran = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert ran.returncode == 2
    assert f"{taken} is in use by another program; port 0 takes a free one" in ran.stderr
