"""The script, the requests so far and their replies. Thread-safe, no I/O."""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from itertools import count
from random import Random
from threading import RLock
from typing import Final, TypeAlias

from attrs import evolve

from ._answer import answer_to, fitting, voice_for
from ._conversation import Exchange, Speech, reply_to
from ._fault import Fault
from ._plan import Step, plan
from ._requests import ReceivedRequest
from ._script import ScriptError, parse_fault

EPOCH: Final = 1_767_225_600
"""2026-01-01T00:00:00Z. Without a clock, the ``Date`` of the answer to request N is N seconds later."""

Script: TypeAlias = Sequence[Fault] | Callable[[ReceivedRequest], Fault]


class Ledger:
    """Numbers the requests and chooses the answer to each."""

    def __init__(self, script: Script, default: Fault, seed: int, clock: Callable[[], float] | None) -> None:
        self._rule = script if callable(script) else None
        self._queue = deque(() if callable(script) else script)
        self._default = default
        self._seed = seed
        self._clock = clock
        self._lock = RLock()
        self._numbers = count(1)
        self._entries: list[tuple[ReceivedRequest, Speech]] = []
        self._faults: list[Fault] = []

    def entries(self) -> list[tuple[ReceivedRequest, Speech]]:
        """Return the requests so far, each with its complete reply."""
        with self._lock:
            return list(self._entries)

    def faults(self) -> list[Fault]:
        """Return the fault that each of the requests so far got."""
        with self._lock:
            return list(self._faults)

    def push(self, faults: Sequence[Fault]) -> None:
        """Append `faults` to the script."""
        with self._lock:
            self._queue.extend(faults)

    def reset(self) -> None:
        """Discard the rest of the script and all requests. The next request is number 1 again."""
        with self._lock:
            self._queue.clear()
            self._entries.clear()
            self._faults.clear()
            self._numbers = count(1)

    def answer(self, request: ReceivedRequest, refusal: Fault | None = None) -> Iterator[Step]:
        """Record `request` and return the steps of its answer. A `refusal` is answered without using the script."""
        with self._lock:
            request = evolve(request, number=next(self._numbers))
            queued = self._queue.popleft() if self._takes(request, refusal) else None
        chosen = refusal or queued or self._choice(request)
        voice = voice_for(request)
        with self._lock:  # what a tool of MCP has counted until now must not change before this request counts too
            fault = fitting(request, voice, chosen, self.entries)
            reply = reply_to(request, fault, voice, self._seed, self.entries)
            self._entries.append((request, reply))
            self._faults.append(chosen)
        now = EPOCH + request.number if self._clock is None else self._clock()
        exchange = Exchange(request=request, fault=fault, reply=reply, now=now, earlier=self.entries)
        slices = Random(f"{self._seed}:{request.number}:slices")  # noqa: S311 - a script, not a secret
        return plan(fault, answer_to(exchange, voice), slices)

    def _takes(self, request: ReceivedRequest, refusal: Fault | None) -> bool:
        return (
            bool(self._queue)
            and refusal is None
            and request.asked_fault() is None
            and voice_for(request).takes(request)
        )

    def _choice(self, request: ReceivedRequest) -> Fault:
        asked = request.asked_fault()
        try:
            if asked is not None:
                return parse_fault(asked)
            return self._default if self._rule is None else self._rule(request)
        except ScriptError as error:
            return Fault(status=400, message=f"x-unbroken-fault: {error}")
        except Exception as error:  # noqa: BLE001 - the user's rule; the client gets its error
            return Fault(status=500, message=f"the script raised {type(error).__name__}: {error}")
