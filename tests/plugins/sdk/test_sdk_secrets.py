"""A request that cannot be sent shows nothing of itself in the traceback of its error."""

from typing import Any

import pytest

from unbroken.testing import AsyncScriptedTransport, FakeClock, ScriptedTransport, run
from unbroken_sdk import httpx, httpx2

from ...locals import local_variables


@pytest.mark.parametrize("module", [httpx, httpx2], ids=["httpx", "httpx2"])
@pytest.mark.parametrize("backend", ["sync", "asyncio", "trio"])
def test_a_header_that_cannot_be_sent_is_in_no_local_variable(module: Any, backend: Any) -> None:
    """Neither is the body; the exception is the library's own."""
    clock = FakeClock()
    fields = [(b"x-api-key", b"canary-key\x00")]
    request = module.library.Request("POST", "https://api.example.org/", headers=fields, content=b"canary-body")

    async def sent() -> None:
        transport = module.AsyncTransport([], transport=AsyncScriptedTransport([], clock), clock=clock)
        await transport.handle_async_request(request)

    def send() -> None:
        if backend == "sync":
            module.Transport([], transport=ScriptedTransport([], clock), clock=clock).handle_request(request)
        else:
            run(sent, clock=clock, backend=backend)

    with pytest.raises(module.library.LocalProtocolError) as caught:
        send()
    shown = [where for where, value in local_variables(caught.value, without=__file__) if "canary" in value]
    assert shown == []
