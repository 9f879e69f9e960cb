"""A real Chromium without a window, driven over the pipe of its DevTools protocol.

https://chromedevtools.github.io/devtools-protocol/ says what the methods are. Nothing here waits by sleeping: `wait`
lets the page itself look for what is awaited.
"""

import base64
import contextlib
import json
import os
import select
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

REQUIRED = "UNBROKEN_REQUIRE_SERVERS"
SECONDS = 120
"""An answer that takes longer never comes. It takes milliseconds on an idle machine."""
OPTIONS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--hide-scrollbars",
    "--no-first-run",
    "--remote-debugging-pipe",
)
PIPED = """
import fcntl, os, sys
there, back = (fcntl.fcntl(int(each), fcntl.F_DUPFD, 10) for each in sys.argv[1:3])
os.dup2(there, 3)
os.dup2(back, 4)
os.execv(sys.argv[3], sys.argv[3:])
"""
"""The browser reads from descriptor 3 and writes to 4."""
KEYS = {"Tab": 9, "Enter": 13, "Escape": 27, "ArrowDown": 40, "ArrowUp": 38}


def find() -> str:
    """Return the program; skip the test without it, or fail it if `UNBROKEN_REQUIRE_SERVERS` names it."""
    for name in ("chromium", "chromium-browser", "google-chrome"):
        if found := shutil.which(name):
            return found
    reason = "chromium is not installed: apt-get install chromium"
    return pytest.fail(reason) if "chromium" in os.environ.get(REQUIRED, "").split() else pytest.skip(reason)


class Failed(Exception):
    """The browser refused a method, or a script threw."""


class Chromium:
    """A running browser. Pages are made with `page`, and share cookies."""

    def __init__(self, profile: Path, *options: str) -> None:
        program = find()
        there, self._write = os.pipe()
        self._read, back = os.pipe()
        pipe = [sys.executable, "-c", PIPED, str(there), str(back)]
        command = [*pipe, program, *OPTIONS, f"--user-data-dir={profile}", *options, "about:blank"]
        with (profile.parent / f"{profile.name}.log").open("wb") as log:
            self._process = subprocess.Popen(
                command, stdout=log, stderr=log, pass_fds=(there, back), start_new_session=True
            )
        os.close(there)
        os.close(back)
        self._number = 0
        self._buffer = b""
        self._pages: dict[str, Page] = {}

    def page(self) -> "Page":
        """Open a page, with a record of what its console says."""
        target = self.call("Target.createTarget", {"url": "about:blank"})["targetId"]
        session = self.call("Target.attachToTarget", {"targetId": target, "flatten": True})["sessionId"]
        page = self._pages[session] = Page(self, session)
        for domain in ("Page", "Runtime", "Log", "Network"):
            page.call(f"{domain}.enable")
        return page

    def call(self, method: str, parameters: dict[str, Any] | None = None, session: str | None = None) -> Any:
        """Call a method of the protocol and return its result. Events that come meanwhile go to their pages."""
        self._number += 1
        message: dict[str, Any] = {"id": self._number, "method": method, "params": parameters or {}}
        if session is not None:
            message["sessionId"] = session
        data = json.dumps(message).encode() + b"\0"
        while data:
            data = data[os.write(self._write, data) :]
        while True:
            answer = self._receive()
            if answer.get("id") == self._number:
                if "error" in answer:
                    raise Failed(f"{method}: {answer['error']['message']}")
                return answer["result"]
            page = self._pages.get(answer.get("sessionId", ""))
            if page is not None and "method" in answer:  # else it is the late answer to a call that was given up
                page.events.append((answer["method"], answer["params"]))

    def _receive(self) -> dict[str, Any]:
        deadline = time.monotonic() + SECONDS
        while b"\0" not in self._buffer:
            ready, _, _ = select.select([self._read], [], [], max(0.0, deadline - time.monotonic()))
            data = os.read(self._read, 1 << 20) if ready else b""
            if not data:
                raise Failed(f"chromium {'ended' if ready else 'does not answer'}")
            self._buffer += data
        line, _, self._buffer = self._buffer.partition(b"\0")
        return json.loads(line)

    def close(self) -> None:
        """End the browser and all its processes."""
        if self._process.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        os.close(self._write)
        os.close(self._read)


class Page:
    """One tab."""

    def __init__(self, browser: Chromium, session: str) -> None:
        self._browser, self._session = browser, session
        self.events: list[tuple[str, dict[str, Any]]] = []
        """What has happened: pairs of an event of the protocol and its parameters."""

    def call(self, method: str, **parameters: Any) -> Any:
        """Call a method of the protocol on this page."""
        return self._browser.call(method, parameters, self._session)

    def navigate(self, url: str) -> None:
        """Open `url` and wait until the document is parsed."""
        error = self.call("Page.navigate", url=url).get("errorText")
        if error:
            raise Failed(f"{url}: {error}")
        self.wait("document.readyState !== 'loading' && location.href !== 'about:blank'")

    def evaluate(self, script: str) -> Any:
        """Return the value of an expression, which may be a promise, as JSON. Raises Failed for what it throws."""
        answer = self.call("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        if thrown := answer.get("exceptionDetails"):
            raise Failed(thrown.get("exception", {}).get("description") or thrown["text"])
        return answer["result"].get("value")

    def wait(self, condition: str) -> Any:
        """Wait until an expression is true in the page, and return its value. A new document is waited for as well."""
        look = f"new Promise(is => {{ const look = () => {{ let it; try {{ it = ({condition}) }} catch {{}} "
        look += "it ? is(it) : setTimeout(look, 10) }; look() })"
        while True:
            try:
                return self.evaluate(look)
            except Failed as error:
                if "navigated" not in str(error) and "context" not in str(error):
                    raise

    def press(self, key: str, *, shift: bool = False) -> None:
        """Press and release a key, such as ``Tab``."""
        pressed = {"key": key, "code": key, "windowsVirtualKeyCode": KEYS[key], "modifiers": 8 if shift else 0}
        written = {"text": "\r"} if key == "Enter" else {}
        self.call("Input.dispatchKeyEvent", type="keyDown", **pressed, **written)
        self.call("Input.dispatchKeyEvent", type="keyUp", **pressed)

    def type(self, text: str) -> None:
        """Type into what has the focus."""
        self.call("Input.insertText", text=text)

    def look(self, *, width: int, height: int = 900, dark: bool = False) -> None:
        """Set the size of the window in CSS pixels, and the colours that the user prefers."""
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", features=[scheme])

    def screenshot(self, path: Path) -> None:
        """Write the whole page as a PNG."""
        picture = self.call("Page.captureScreenshot", format="png", captureBeyondViewport=True)
        path.write_bytes(base64.b64decode(picture["data"]))

    def said(self) -> list[str]:
        """Return what the console and the log of the browser have said."""
        self.evaluate("0")  # what was said before this answer has arrived with it
        logged = [it["entry"]["text"] for method, it in self.events if method == "Log.entryAdded"]
        thrown = [str(it["exceptionDetails"]) for method, it in self.events if method == "Runtime.exceptionThrown"]
        written = [
            " ".join(str(each.get("value")) for each in it["args"])
            for method, it in self.events
            if method == "Runtime.consoleAPICalled"
        ]
        return [*logged, *thrown, *written]


@contextlib.contextmanager
def chromium(profile: Path, *options: str) -> Iterator[Chromium]:
    """Run a browser with an empty profile in the folder `profile`."""
    browser = Chromium(profile, *options)
    try:
        yield browser
    finally:
        browser.close()
