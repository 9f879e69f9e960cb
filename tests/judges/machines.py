"""The engines that run JavaScript: Node, and Chromium with a page of another origin. Both take tasks one at a time."""

import contextlib
import functools
import http.server
import json
import os
import shutil
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar, Final

from .. import chromium

HERE: Final = Path(__file__).parent
MODULES: Final = "UNBROKEN_JS"
"""This variable of the environment names the folder where ``npm ci`` was run for `package.json`."""
SECONDS: Final = 60
"""An engine that has not answered after this time hangs."""


def modules() -> Path | None:
    """Return the folder of the installed modules, None without one."""
    folder = Path(os.environ.get(MODULES) or HERE) / "node_modules"
    return folder if (folder / "openai").is_dir() and (folder / "@anthropic-ai" / "sdk").is_dir() else None


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
        self._folder, self._profile = folder, profile
        self._stack = contextlib.ExitStack()
        self.origin = self._stack.enter_context(serving(folder))
        self._page: chromium.Page | None = None

    @property
    def page(self) -> chromium.Page:
        """The page. The first use starts the browser."""
        if self._page is None:
            if (self._folder / "node_modules").exists():
                bundle(self._folder)
            browser = self._stack.enter_context(chromium.chromium(self._profile, "--no-proxy-server"))
            self._page = browser.page()
            self._page.navigate(f"{self.origin}/page.html")
        return self._page

    def judge(self, task: dict[str, Any]) -> dict[str, Any]:
        """Carry out a task."""
        module = "bundle" if "sdk" in task else "sources"
        script = f"import('/{module}.mjs').then((module) => module.judge({json.dumps(task)}))"
        told: dict[str, Any] = self.page.evaluate(script)
        return told

    def close(self) -> None:
        """End the browser and the server of the page."""
        self._stack.close()


@contextlib.contextmanager
def serving(folder: Path) -> Iterator[str]:
    """Serve the files in `folder` and yield the origin."""

    class Handler(http.server.SimpleHTTPRequestHandler):
        extensions_map: ClassVar[dict[str, str]] = {
            ".html": "text/html",
            ".mjs": "text/javascript",
            ".js": "text/javascript",
        }

        def log_message(self, format: str, *arguments: Any) -> None:
            """Say nothing."""

    handler = functools.partial(Handler, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()
