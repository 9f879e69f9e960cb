"""S32, S35: no key, token, prompt or word of an upstream comes out where it does not belong, whatever fails."""

import asyncio
import contextlib
import json
import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
import redis
from attrs import evolve
from tests.plugins.gateway.world import BODIES, ROUTES, SETTINGS, World

from unbroken import SystemClock
from unbroken_faults import Fault, FaultServer
from unbroken_faults.faults import CATALOGUE
from unbroken_gateway.admin.metrics import text as metrics_text
from unbroken_gateway.app import Gateway
from unbroken_gateway.config.settings import AuditSettings, Settings
from unbroken_gateway.services import Services

from ..redis_server import running_redis

KEY = "CANARYkey7f3a9c0123456789"
TOKEN = "CANARYtoken7f3a9cQx8Zb2Lm5Vt1Ke9Rw4Yp6"
PROMPT = "CANARYprompt7f3a9c"
WORDS = "CANARYwords7f3a9c"
BAD = "CANARYbad7f3a9c"
SECRETS = (KEY, TOKEN, PROMPT, WORDS, BAD)
BAD_CREDENTIALS = [("authorization", f"Bearer {BAD}"), ("x-api-key", BAD), ("authorization", BAD), ("cookie", BAD)]
ENDLESS = {"endless_comment", "endless_data", "endless_line", "gzip_bomb", "huge_error", "drip", "slow", "keep_open"}
"""They take minutes, or gigabytes, and end in the same way as the others."""


class Heard(logging.Handler):
    """Everything that any logger says, with tracebacks."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.setFormatter(logging.Formatter("%(name)s %(levelname)s %(message)s %(args)s"))
        self.text: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.text.append(self.format(record))


@contextlib.contextmanager
def all_loggers() -> Iterator[Heard]:
    """Hear all loggers at debug level, those of dependencies too."""
    root, heard = logging.getLogger(), Heard()
    before, levels = root.level, {}
    root.addHandler(heard)
    root.setLevel(logging.DEBUG)
    for name in list(logging.Logger.manager.loggerDict):
        levels[name] = logging.getLogger(name).level
        logging.getLogger(name).setLevel(logging.DEBUG)
    try:
        yield heard
    finally:
        root.removeHandler(heard)
        root.setLevel(before)
        for name, level in levels.items():
            logging.getLogger(name).setLevel(level)


def faults_of_all_kinds() -> dict[str, Fault]:
    found: dict[str, Fault] = {}
    for name, factory in CATALOGUE.items():
        if name not in ENDLESS:
            with contextlib.suppress(TypeError):
                found[name] = evolve(factory(), text=f"{WORDS} " * 12, message=f"no such key {KEY}: {WORDS} {PROMPT}")
    return found


FAULTS = faults_of_all_kinds()


def settings_of(url: str, place: Path, state: str) -> Settings:
    quick = {"timeout": {"first_event": 0.2, "idle": 0.2, "connect": 1.0}}
    upstreams = {n: evolve(u, url=url, key=KEY, policies=quick) for n, u in SETTINGS.upstreams.items()}
    return evolve(
        SETTINGS,
        upstreams=upstreams,
        state=state,
        development_token=TOKEN,
        audit=AuditSettings(path=str(place / "audit.db")),
        bad_credentials=1_000_000,
    )


async def sweep(settings: Settings, server: FaultServer) -> tuple[list[bytes], list[str]]:
    """Send requests of all kinds through all faults. Returns the bodies of the errors, and what can be shown."""
    services = Services(settings)
    world: Any = World(services, Gateway(services), None, SystemClock(), None)  # type: ignore[arg-type]
    world.reading.set()
    await services.open()
    errors: list[bytes] = []
    try:
        for fault in FAULTS.values():
            for form in ("messages", "chat"):
                for stream, headers in ((True, []), (True, [("unbroken-resume", "1")]), (False, [])):
                    server.reset()
                    server.push(fault)
                    content = [{"role": "user", "content": PROMPT}]
                    got = world.post(form, stream=stream, headers=headers, token=TOKEN, body={"messages": content})
                    await got.whole()
                    errors.append(told(got.body) if got.status == 200 else got.body)
        for raw in (PROMPT.encode(), json.dumps({"model": PROMPT}).encode(), json.dumps({PROMPT: [PROMPT]}).encode()):
            errors += [(await world.ask("POST", "/v1/messages", raw, token=TOKEN).whole()).body]
        for credential in BAD_CREDENTIALS:
            for path in (*ROUTES.values(), f"/{BAD}"):
                body, query = BODIES["messages"], f"key={BAD}"
                got = world.ask("POST", path, body, token=None, headers=[credential], query=query)
                errors += [(await got.whole()).body]
        metrics, _ = metrics_text(services.traffic, lambda: services.audit.status)
        shown = [metrics.decode(), msgspec.json.encode(services.traffic.snapshot()).decode()]
        shown += [repr(services.live.settings), repr(services), repr(await services.audit.tail(10_000))]
        return errors, shown
    finally:
        await services.aclose()


def told(body: bytes) -> bytes:
    """Return the frames of a stream that tell an error of ours."""
    return b"\n\n".join(frame for frame in body.split(b"\n\n") if b'"error":{' in frame)


def of_sqlite(place: Path) -> contextlib.AbstractContextManager[str]:
    return contextlib.nullcontext(f"sqlite:{place}/state.db")


@contextlib.contextmanager
def of_redis(place: Path) -> Iterator[str]:
    with running_redis() as server:
        yield server.url
        with redis.Redis.from_url(server.url) as client:
            dump = {key: client.dump(key) for key in client.keys("*")}
        (place / "dump").write_bytes(repr(dump).encode())


@pytest.mark.parametrize("state", [of_sqlite, of_redis], ids=["sqlite", "redis"])
def test_s32_s35_no_canary_comes_out(tmp_path: Path, state: Callable[[Path], Any]) -> None:
    with FaultServer() as server, state(tmp_path) as where, all_loggers() as heard:
        errors, shown = asyncio.run(sweep(settings_of(server.url, tmp_path, where), server))
        assert any(KEY in str(request.headers) for request in server.requests)  # the canaries do go through
    assert len(heard.text) > len(FAULTS)
    for secret in SECRETS:
        assert [line for line in heard.text if secret in line] == []
        assert [body for body in errors if secret.encode() in body] == []
        assert [text[:100] for text in shown if secret in text] == []
    for file in tmp_path.iterdir():
        content = file.read_bytes()
        # The log of a resumable stream holds what the model said (S33), in the store of the state.
        kept = SECRETS if file.name.startswith("audit") else (KEY, TOKEN, BAD)
        assert [secret for secret in kept if secret.encode() in content] == [], file.name
