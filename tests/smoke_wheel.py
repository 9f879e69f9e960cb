"""Run by CI with the installed wheel, not by pytest: does what was built work without its sources?"""

import json
import pathlib
import re
import signal
import subprocess
import sys
from importlib import metadata, resources

import unbroken
from unbroken.registry import DIALECTS, PLUGINS, discover
from unbroken_faults import FaultServer, faults

BODY = {"model": "m", "max_tokens": 16, "stream": True, "messages": [{"role": "user", "content": "Hello"}]}

assert "site-packages" in unbroken.__file__, f"not the wheel: {unbroken.__file__}"
assert (pathlib.Path(unbroken.__file__).parent / "py.typed").is_file()
# S34-wheel: the packages, their metadata and the command; nothing that Python runs by itself.
installed = metadata.files("unbroken") or []
tops = {file.parts[0] for file in installed}
assert {"unbroken", "unbroken_gateway"} <= tops, tops
assert all(top == ".." or re.fullmatch(r"unbroken(_\w+|-[\w.]+\.dist-info)?", top) for top in tops), tops
assert [file.name for file in installed if file.parts[0] == ".."] == ["unbroken"]
assert not [file for file in installed if file.suffix == ".pth"]

plugins = {found.name for found in discover(PLUGINS)}
dialects = {found.name for found in discover(DIALECTS)}
assert {"logging", "retry", "timeout", "acme-stamp"} <= plugins, plugins
assert {"acme-feed", "acme-lines", "anthropic", "sse"} <= dialects, dialects

with (
    FaultServer([faults.overloaded()]) as server,
    unbroken.Client(
        ["timeout", "retry", "acme-stamp"],
        config={"retry": {"use": "unbroken:retry", "initial_delay": 0.01}},
        dialect="anthropic",
    ) as client,
    client.stream("POST", f"{server.url}/v1/messages", json=BODY) as stream,
):
    events = list(stream)
assert events[-1].type == "message_stop"
assert stream.attempts == 2

for name in ("page.html", "page.css", "page.js"):
    assert resources.files("unbroken_gateway.admin").joinpath(name).read_text("utf-8"), name
COMMAND = pathlib.Path(sys.executable).with_name("unbroken")
shown = subprocess.run([COMMAND, "serve", "--help"], check=True, capture_output=True, text=True).stdout
assert "--config" in shown, shown
ports = ("--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0")
with subprocess.Popen([COMMAND, "serve", *ports, "--json"], stdout=subprocess.PIPE) as gateway:
    ready = json.loads(gateway.stdout.readline())
    key = {"x-api-key": ready["token"]}
    with (
        unbroken.Client(["timeout"], dialect="anthropic") as client,
        client.stream("POST", f"{ready['url']}/v1/messages", json=BODY, headers=key) as served,
    ):
        assert list(served)[-1].type == "message_stop"
    gateway.send_signal(signal.SIGTERM)
assert gateway.returncode == 0, gateway.returncode

print(f"the wheel works on Python {sys.version.split()[0]}: {len(events)} events, {stream.attempts} attempts")
