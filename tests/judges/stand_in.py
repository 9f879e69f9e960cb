"""A stand-in for the gateway: the fault server, with what the gateway adds to the wire and a model has not."""

import json
import queue
from types import TracebackType
from typing import Self

from attrs import evolve

from unbroken_faults import Fault, FaultServer, ReceivedRequest

EXPOSED = "request-id, x-request-id, retry-after, retry-after-ms, x-should-retry, unbroken-stream, unbroken-stream-ttl"
MODELS = {
    "anthropic": {
        "data": [{"type": "model", "id": "default", "display_name": "default", "created_at": "1970-01-01T00:00:00Z"}],
        "has_more": False,
        "first_id": "default",
        "last_id": "default",
    },
    "openai": {"object": "list", "data": [{"id": "default", "object": "model", "created": 0, "owned_by": "gateway"}]},
}


class StandIn:
    """Answers as the gateway promises to: `push` what it shall answer next."""

    key = "test"

    def __init__(self) -> None:
        self._next: queue.SimpleQueue[Fault] = queue.SimpleQueue()
        self.upstream = FaultServer(self._answer)

    def __enter__(self) -> Self:
        self.upstream.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.upstream.__exit__(kind, error, trace)

    @property
    def url(self) -> str:
        return self.upstream.url

    def push(self, *answers: Fault) -> None:
        for each in answers:
            self._next.put(each)

    def asked(self) -> int:
        """Return the number of requests, without those that a browser makes on its own."""
        return sum(request.method != "OPTIONS" for request in self.upstream.requests)

    def _answer(self, request: ReceivedRequest) -> Fault:
        fault = self._fault(request)
        origin = request.headers.get("origin")
        if origin is None:
            return fault
        allowed = [("access-control-allow-origin", origin), ("access-control-expose-headers", EXPOSED)]
        return evolve(fault, headers=[*fault.headers, *allowed])

    def _fault(self, request: ReceivedRequest) -> Fault:
        if request.method == "OPTIONS":
            wanted = request.headers.get("access-control-request-headers", "")
            return Fault(
                status=204,
                headers=(
                    ("access-control-allow-methods", "GET, POST, DELETE"),
                    ("access-control-allow-headers", wanted),
                    ("access-control-max-age", "600"),
                ),
            )
        if request.path == "/v1/models":
            return Fault(body=json.dumps(MODELS["anthropic" if "anthropic-version" in request.headers else "openai"]))
        return Fault() if self._next.empty() else self._next.get()
