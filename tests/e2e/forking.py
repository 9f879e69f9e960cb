"""Run by test_processes.py in a process of its own: ``python forking.py <backend> <url> <ca file or empty>``.

A client with an idle connection and an open stream forks; each child makes calls, leaves the parent's stream and closes
the client. Then the parent reads its stream to the end. Exits with 0 when every answer was for whom it was meant.
"""

import asyncio
import os
import ssl
import sys
from typing import Any

import unbroken
from unbroken.messages import Timeouts

BACKEND, URL, CA = sys.argv[1:4]
CHILDREN, CALLS = 4, int(os.environ.get("UNBROKEN_FORKED", "5"))
SETTINGS: dict[str, Any] = {
    "dialect": "anthropic",
    "verify": ssl.create_default_context(cafile=CA) if CA else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT),
}
PATIENT = Timeouts(connect=20, first_event=20, idle=20)


def ask(client: Any, path: str, name: str) -> Any:
    return client.stream("POST", URL + path, json={"stream": True}, headers={"x-name": name}, timeouts=PATIENT)


def fork(child: Any) -> int:
    pid = os.fork()
    if pid:
        return pid
    code = 1
    try:
        child()
        code = 0
    finally:
        os._exit(code)


def waited(pids: list[int]) -> None:
    codes = [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in pids]
    assert codes == [0] * len(pids), codes


def call(client: unbroken.Client, name: str) -> None:
    with ask(client, "/echo", name) as stream:
        names = [event["name"] for event in stream]
    assert names == [name, "-"], names


def sync_child(client: unbroken.Client, stream: Any, number: int) -> None:
    for count in range(CALLS):
        call(client, f"{number}.{count}")
    stream.__exit__(None, None, None)
    client.close()


def sync_main() -> None:
    with unbroken.Client([], **SETTINGS) as client:
        call(client, "before")
        with ask(client, "/slow", "parent") as stream:
            assert next(stream)["name"] == "parent"
            call(client, "beside")
            waited([fork(lambda number=number: sync_child(client, stream, number)) for number in range(CHILDREN)])
            call(client, "after")
            call(client, "go")
            assert [event.type for event in stream][-1] == "message_stop"
        call(client, "last")


async def acall(client: unbroken.AsyncClient, name: str) -> None:
    async with ask(client, "/echo", name) as stream:
        names = [event["name"] async for event in stream]
    assert names == [name, "-"], names


def async_child(client: unbroken.AsyncClient, stream: Any, number: int) -> None:
    async def child() -> None:
        for count in range(CALLS):
            await acall(client, f"{number}.{count}")
        await stream.__aexit__(None, None, None)
        await client.aclose()

    asyncio.run(child())


async def async_main() -> None:
    async with unbroken.AsyncClient([], **SETTINGS) as client:
        await acall(client, "before")
        async with ask(client, "/slow", "parent") as stream:
            assert (await anext(stream))["name"] == "parent"
            await acall(client, "beside")
            pids = [fork(lambda number=number: async_child(client, stream, number)) for number in range(CHILDREN)]
            await asyncio.to_thread(waited, pids)
            await acall(client, "after")
            await acall(client, "go")
            assert [event.type async for event in stream][-1] == "message_stop"
        await acall(client, "last")


if __name__ == "__main__":
    sync_main() if BACKEND == "sync" else asyncio.run(async_main())
