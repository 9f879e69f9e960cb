"""Admits calls: the audit row, the reservation, and what is settled, released and written when the call ends."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Final

from attrs import define, field

from unbroken import Clock

from .audit import Audit, AuditUnavailable
from .errors import Refused, denied, unavailable
from .meter import Meter
from .state import State, StateUnavailable
from .traffic import Entry, Phase
from .values import AuditEnd, AuditStart, Denied, Ending, Grant

SLOT_TTL: Final = 60.0
"""Seconds until the place of a worker that died is free again."""
BEAT: Final = 15.0
"""Seconds between two renewals of the places of all calls under way."""


class BudgetSpent(Exception):
    """The user's budget is used up while the call runs."""


@define(eq=False, kw_only=True)
class Place:
    """One admitted call, from its audit row to its settlement."""

    admission: "Admission"
    grant: Grant
    meter: Meter
    entry: Entry
    started_at: float
    """Monotonic seconds."""
    request_id: str
    first_byte: float | None = None
    _settled: int = 0

    def reached(self, phase: Phase) -> None:
        """Note in which phase the call is."""
        self.entry.phase = phase
        if phase == "streaming" and self.first_byte is None:
            self.first_byte = self.admission.clock.monotonic() - self.started_at

    async def grow(self) -> None:
        """Settle what was used beyond the reservation. Raises BudgetSpent if the budget does not cover it."""
        used = self.meter.used
        if used.micro_usd <= self._settled:
            return
        self._settled = used.micro_usd
        try:
            balance = await self.admission.state.settle(self.grant, used)
        except StateUnavailable:
            return  # counted again at the end
        if balance.spent:
            raise BudgetSpent

    async def leave(self, ending: Ending, status: int, **facts: Any) -> None:
        """Settle, release and write the second phase of the audit row, whatever happens to the caller meanwhile."""
        await self.admission.shielded(self._leave(ending, status, facts))

    async def _leave(self, ending: Ending, status: int, facts: dict[str, Any]) -> None:
        admission, meter, used = self.admission, self.meter, self.meter.used
        said = meter.usage
        duration = self.admission.clock.monotonic() - self.started_at
        admission.held.pop(self.grant.id, None)
        try:
            await admission.state.settle(self.grant, used)
            await admission.state.release(self.grant)
        except StateUnavailable:
            admission.on_lost("settle")
        end = AuditEnd(
            request_id=self.request_id,
            at=admission.clock.time(),
            ending=ending,
            status=status,
            input_tokens=None if said is None else said.input_tokens,
            output_tokens=None if said is None else said.output_tokens,
            cache_read_tokens=None if said is None else said.cache_read_tokens,
            cache_write_tokens=None if said is None else said.cache_write_tokens,
            estimated_tokens=0 if said is not None and said.final else used.tokens,
            micro_usd=used.micro_usd,
            first_byte=self.first_byte,
            duration=duration,
            **facts,
        )
        self.entry.end(end)
        await admission.written(end)


@define(eq=False, kw_only=True)
class Admission:
    """Admits the calls of one worker."""

    state: State
    audit: Audit
    refuse_without_audit: bool
    on_lost: Callable[[str], None]
    """Called with the name of what could not be stored."""
    clock: Clock
    held: dict[str, Grant] = field(factory=dict[str, Grant], init=False)
    _tasks: "set[asyncio.Task[None]]" = field(factory=set["asyncio.Task[None]"], init=False)

    async def enter(self, row: AuditStart, allowance: Any, meter: Meter, entry: Entry) -> Place:
        """Write the row, then reserve. Raises Refused, with the row ended."""
        started_at = self.clock.monotonic()
        try:
            await self.audit.start(row)
        except AuditUnavailable:
            if self.refuse_without_audit:
                raise Refused(unavailable(None)) from None
            self.on_lost("audit")
        problem = None
        try:
            answer = await self.state.reserve(row.user, allowance, meter.estimate, SLOT_TTL)
        except StateUnavailable:
            problem, answer = unavailable(1.0), None
        except BaseException:
            await self.shielded(self.written(_refused(row, self.clock.time(), "cancelled", 0, "")))
            raise
        if isinstance(answer, Denied):
            problem = denied(answer)
        if problem is not None or not isinstance(answer, Grant):
            problem = problem or unavailable(1.0)
            end = _refused(row, self.clock.time(), "failed", problem.status, problem.name)
            entry.end(end)
            await self.shielded(self.written(end))
            raise Refused(problem)
        self.held[answer.id] = answer
        return Place(
            admission=self,
            grant=answer,
            meter=meter,
            entry=entry,
            started_at=started_at,
            request_id=row.request_id,
        )

    async def written(self, end: AuditEnd) -> None:
        """Write the second phase of a row."""
        try:
            await self.audit.end(end)
        except AuditUnavailable:
            self.on_lost("audit")

    async def shielded(self, work: Coroutine[Any, Any, None]) -> None:
        """Do `work` to its end, also when the caller is cancelled."""
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        await asyncio.shield(task)

    async def beat_forever(self) -> None:
        """Renew the leases of all places until cancelled."""
        while True:
            await asyncio.sleep(BEAT)
            for grant in list(self.held.values()):
                try:
                    await self.state.beat(grant, SLOT_TTL)
                except StateUnavailable:
                    self.on_lost("beat")
                    break

    async def finished(self) -> None:
        """Wait until everything is settled and written."""
        while self._tasks:
            await asyncio.wait(list(self._tasks))


def _refused(row: AuditStart, at: float, ending: Ending, status: int, error: str) -> AuditEnd:
    return AuditEnd(request_id=row.request_id, at=at, ending=ending, status=status, error=error)
