"""The engines that run JavaScript: Node, and Chromium with a page of another origin. Both take tasks one at a time."""

import contextlib
import http.server
import json
import os
import queue
import shutil
import signal
import subprocess
import threading
from pathlib import Path
from typing import Any, Final

HERE: Final = Path(__file__).parent
MODULES: Final = "UNBROKEN_JS"
"""This variable of the environment names the folder where ``npm ci`` was run for `package.json`."""
SECONDS: Final = 60
"""An engine that has not answered after this time hangs."""

_TYPES: Final = {".html": "text/html", ".mjs": "text/javascript", ".js": "text/javascript"}
_CHROMIUM: Final = ("chromium", "chromium-browser", "google-chrome", "chrome")
_OPTIONS: Final = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--no-proxy-server",
    "--disable-background-networking",
    "--disable-component-update",
)


def modules() -> Path | None:
    """Return the folder of the installed modules, None without one."""
    folder = Path(os.environ.get(MODULES) or HERE) / "node_modules"
    return folder if (folder / "openai").is_dir() and (folder / "@anthropic-ai" / "sdk").is_dir() else None


def chromium() -> str | None:
    """Return the path of the browser, None without one."""
    return next(filter(None, map(shutil.which, _CHROMIUM)), None)


def site(place: Path, installed: Path) -> Path:
    """Lay the scripts and the modules beside each other in `place`, as both engines need it."""
    place.mkdir(exist_ok=True)
    for path in [*HERE.glob("*.mjs"), *HERE.glob("*.html")]:
        shutil.copy(path, place)
    (place / "node_modules").symlink_to(installed, target_is_directory=True)
    return place


def bundle(place: Path) -> None:
    """Make of the scenarios and the SDKs one module for the page in `place`, as those who build pages do."""
    command = [
        place / "node_modules" / ".bin" / "esbuild",
        place / "scenarios.mjs",
        "--bundle",
        "--format=esm",
        "--keep-names",
    ]
    subprocess.run([*command, f"--outfile={place / 'bundle.mjs'}", "--log-level=error"], check=True)


class Node:
    """One process of Node."""

    def __init__(self, folder: Path) -> None:
        self._process = subprocess.Popen(
            ["node", str(folder / "node.mjs")], stdin=subprocess.PIPE, stdout=subprocess.PIPE, encoding="utf-8"
        )

    def judge(self, task: dict[str, Any]) -> dict[str, Any]:
        """Carry out a task."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        watch = threading.Timer(SECONDS, self._process.kill)
        watch.start()
        try:
            self._process.stdin.write(json.dumps(task) + "\n")
            self._process.stdin.flush()
            line = self._process.stdout.readline()
        finally:
            watch.cancel()
        assert line, f"Node ended with {self._process.wait()} over {task}"
        told: dict[str, Any] = json.loads(line)
        return told

    def close(self) -> None:
        """End the process."""
        with contextlib.suppress(BrokenPipeError):
            self._process.communicate(timeout=SECONDS)


class Browser:
    """Chromium with one page, which comes from a server of its own and so is of another origin than the gateway."""

    def __init__(self, folder: Path, profile: Path) -> None:
        self._tasks: queue.SimpleQueue[dict[str, Any] | None] = queue.SimpleQueue()
        self._told: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
        self._folder, self._profile = folder, profile
        self._broken = ""
        self._process: subprocess.Popen[bytes] | None = None
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), self._handler(folder))
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()
        self.origin = f"http://127.0.0.1:{self._server.server_port}"

    def _start(self) -> "subprocess.Popen[bytes]":
        binary = chromium()
        assert binary is not None
        bundle(self._folder)
        with self._profile.with_suffix(".log").open("wb") as log:
            return subprocess.Popen(
                [binary, *_OPTIONS, f"--user-data-dir={self._profile}", f"{self.origin}/page.html"],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def _handler(self, folder: Path) -> type[http.server.BaseHTTPRequestHandler]:
        tasks, told = self._tasks, self._told

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                if self.path == "/task":
                    task = tasks.get()
                    if task is not None:
                        self._send(json.dumps(task).encode(), "application/json")
                    return
                path = folder / self.path.lstrip("/")
                if ".." in self.path or not path.is_file():
                    self.send_error(404)
                    return
                self._send(path.read_bytes(), _TYPES.get(path.suffix, "application/octet-stream"))

            def do_POST(self) -> None:
                told.put(json.loads(self.rfile.read(int(self.headers["content-length"]))))
                self._send(b"", "text/plain")

            def _send(self, body: bytes, content_type: str) -> None:
                self.send_response(200)
                self.send_header("content-type", content_type)
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *arguments: Any) -> None:
                pass

        return Handler

    def judge(self, task: dict[str, Any]) -> dict[str, Any]:
        """Carry out a task. The first one starts the browser."""
        self._process = self._process or self._start()
        assert not self._broken, self._broken
        self._broken = f"the page does not answer to {task}"
        self._tasks.put(task)
        told = self._told.get(timeout=SECONDS)
        self._broken = str(told.get("broken", ""))
        assert not self._broken, self._broken
        return told

    def close(self) -> None:
        """End the browser, its children with it, and the server of the page."""
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
        self._tasks.put(None)
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
