"""Admits calls: the audit row, the reservation, and what is settled, released and written when the call ends."""

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any, Final, TypeVar

from attrs import define, field

from unbroken import Clock

from ..audit import Audit, AuditUnavailable
from ..replies.errors import Refused, denied, internal, unavailable
from ..state import State, StateUnavailable
from ..traffic import Entry
from ..values import Allowance, AuditEnd, AuditStart, Denied, Ending, Grant
from .meter import Meter

T = TypeVar("T")
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

    def begun(self) -> None:
        """Note that there is content."""
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
    _tasks: "set[asyncio.Task[Any]]" = field(factory=set["asyncio.Task[Any]"], init=False)

    async def enter(
        self, row: AuditStart, allowance: Allowance, meter: Meter, entry: Entry, ending: Callable[[], Ending]
    ) -> Place:
        """Write the row, then reserve. Raises Refused, with the row ended.

        When the caller is cancelled meanwhile, nothing stays reserved, and the row gets what `ending` returns.
        """
        entering = self._run(self._enter(row, allowance, meter, entry))
        try:
            return await asyncio.shield(entering)
        except asyncio.CancelledError:
            await self.shielded(_give_back(entering, ending()))
            raise

    async def _enter(self, row: AuditStart, allowance: Allowance, meter: Meter, entry: Entry) -> Place:
        started_at = self.clock.monotonic()
        try:
            await self.audit.start(row)
        except AuditUnavailable:
            self.on_lost("audit")
            if self.refuse_without_audit:
                entry.end(_refused(row, self.clock.time(), 503, "audit"))
                raise Refused(unavailable(None), counted=True) from None
        try:
            answer = await self._reserved(row, allowance, meter)
        except BaseException as error:
            problem = error.problem if isinstance(error, Refused) else internal()
            end = _refused(row, self.clock.time(), problem.status, problem.name)
            entry.end(end)
            await self.written(end)
            raise
        self.held[answer.id] = answer
        entry.count = lambda: meter.used.tokens
        return Place(
            admission=self,
            grant=answer,
            meter=meter,
            entry=entry,
            started_at=started_at,
            request_id=row.request_id,
        )

    async def _reserved(self, row: AuditStart, allowance: Allowance, meter: Meter) -> Grant:
        try:
            answer = await self.state.reserve(row.user, allowance, meter.estimate, SLOT_TTL)
        except StateUnavailable:
            raise Refused(unavailable(1.0), counted=True) from None
        if isinstance(answer, Denied):
            raise Refused(denied(answer), counted=True)
        return answer

    async def written(self, end: AuditEnd) -> None:
        """Write the second phase of a row."""
        try:
            await self.audit.end(end)
        except AuditUnavailable:
            self.on_lost("audit")

    async def shielded(self, work: Coroutine[Any, Any, None]) -> None:
        """Do `work` to its end, also when the caller is cancelled."""
        await asyncio.shield(self._run(work))

    def _run(self, work: Coroutine[Any, Any, T]) -> "asyncio.Task[T]":
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

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


def _refused(row: AuditStart, at: float, status: int, error: str) -> AuditEnd:
    return AuditEnd(request_id=row.request_id, at=at, ending="failed", status=status, error=error)


async def _give_back(entering: "asyncio.Task[Place]", ending: Ending) -> None:
    """Give back the place that an admission gets whose caller has gone."""
    with suppress(Refused):
        place = await entering
        await place.leave(ending, 0)
