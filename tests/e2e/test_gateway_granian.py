"""A second server for the application, of another design: nothing of the gateway depends on uvicorn but `serve`."""

import asyncio
import importlib.util
import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from unbroken_faults import Fault, FaultServer

from ..gateway_client import PATHS, PROOFS, admitted, ask, run
from ..gateway_process import BASE, Gateway
from ..programs import free_port, listens, need

TOKEN = "Qx8Zb2Lm5Vt1Ke9Rw4Yp6Jd3Hs7Nf0Ga"
HERE = Path(__file__).parent
STALL = Fault(text="word " * 40, after=6, then="stall")


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    need("granian", importlib.util.find_spec("granian"), "pip install granian")
    place = tmp_path_factory.mktemp("granian")
    with FaultServer() as upstream:
        file = place / "gateway.toml"
        limits = 'max_body = "1 MiB"'
        text = BASE.format(upstream=upstream.url, origins="[]", place=place, gateway="", plan="", limits=limits)
        file.write_text(text, "utf-8")
        process, url = started(file, place)
        try:
            yield Gateway(url=url, admin=str(place), key=TOKEN, upstream=upstream, process=process)
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def started(file: Path, place: Path) -> "tuple[subprocess.Popen[str], str]":
    variables = {**os.environ, "GATEWAY_FILE": str(file), "GATEWAY_TOKEN": TOKEN}
    for _ in range(5):  # a port that was free may be taken when the server is there
        port = free_port()
        command = [sys.executable, "-m", "granian", "gateway_app:app", "--interface", "asgi", "--port", str(port)]
        with (place / "granian.log").open("w") as log:
            process = subprocess.Popen(command, cwd=HERE, env=variables, stdout=log, stderr=log, start_new_session=True)
        if listens(process, port):
            return process, f"http://127.0.0.1:{port}"
    pytest.fail((place / "granian.log").read_text("utf-8"))


def endings(gateway: Gateway, number: int) -> list[str]:
    """Wait until `number` calls have ended, and return how."""
    give_up = time.monotonic() + 60
    while time.monotonic() < give_up:
        with sqlite3.connect(f"file:{gateway.admin}/audit.db?mode=ro", uri=True) as connection:
            found = [ending for (ending,) in connection.execute("SELECT ending FROM calls ORDER BY id") if ending]
        if len(found) >= number:
            return found
        time.sleep(0.05)
    pytest.fail("the calls do not end")


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("resume", [{}, {"unbroken-resume": "1"}], ids=["direct", "resumable"])
def test_a_stream(gateway: Gateway, path: str, resume: dict[str, str]) -> None:
    reply = run(whole(gateway, path, resume))
    assert (reply.status, reply.complete) == (200, True)
    assert PROOFS[path] in reply.body.decode()
    assert set(endings(gateway, 1)) <= {"success", "cancelled", "failed"}
    assert endings(gateway, 1)[-1] == "success"


async def whole(gateway: Gateway, path: str, headers: dict[str, str]):  # type: ignore[no-untyped-def]
    return await (await admitted(gateway.url, gateway.key, path, headers=headers)).whole()


@pytest.mark.parametrize("path", PATHS)
def test_errors(gateway: Gateway, path: str) -> None:
    async def story() -> None:
        gateway.push(Fault(status=500))
        failed = await (await ask(gateway.url, gateway.key, path)).whole()
        assert (failed.status, failed.headers["x-should-retry"]) == (502, "false")
        gateway.push(Fault(text="word " * 40, after=6, then="close"))
        cut = await (await ask(gateway.url, gateway.key, path)).whole()
        assert (cut.status, cut.complete, '"error":{' in cut.body.decode()) == (200, True, True)
        wrong = await (await ask(gateway.url, "wrong", path)).whole()
        assert wrong.status == 401
        plain = await (await ask(gateway.url, gateway.key, path, body={"stream": False})).whole()
        assert (plain.status, plain.complete) == (200, True)
        assert json.loads(plain.body)

    run(story())


@pytest.mark.parametrize("path", PATHS)
def test_a_client_that_leaves(gateway: Gateway, path: str) -> None:
    async def story() -> None:
        gateway.push(STALL)
        reply = await (await ask(gateway.url, gateway.key, path)).head()
        await reply.until(b"\n\n")
        reply.leave()
        gateway.push(Fault(latency=60))
        asked = gateway.asked()
        silent = await ask(gateway.url, gateway.key, path)
        while gateway.asked() == asked and not silent.reader.at_eof():  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        silent.leave()

    before = len(endings(gateway, 0))
    run(story())
    assert endings(gateway, before + 2)[-2:] == ["cancelled", "cancelled"]
