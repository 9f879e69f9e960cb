"""What the dashboard shows: the traffic of the process, the standing of the users, the newest rows of the audit."""

from typing import Any, Final

from attrs import asdict

from unbroken import __version__

from ..audit import Audit, AuditUnavailable
from ..config.settings import Settings
from ..state import State, StateUnavailable
from ..traffic import Traffic
from ..values import Allowance, Rate

SHOWN_USERS: Final = 50
SHOWN_ROWS: Final = 50
MOST_PLANS: Final = 1000
"""Users of other processes whose plan is remembered."""


class View:
    """Collects the values of one moment."""

    def __init__(self, settings: Settings, traffic: Traffic, state: State, audit: Audit) -> None:
        self.settings = settings
        self._traffic, self._state, self._audit = traffic, state, audit
        self._plans: dict[str, str] = {}
        """Plans of users that only other processes have seen, from the audit."""

    async def values(self) -> dict[str, Any]:
        """Return everything that is shown. A part that does not answer is None."""
        return {
            "version": __version__,
            **self._traffic.snapshot(),
            "users": await self._users(),
            "audit": await self._rows(),
            "audit_status": asdict(self._audit.status),
        }

    async def _rows(self) -> list[dict[str, Any]] | None:
        try:
            return [row.to_dict() for row in await self._audit.tail(SHOWN_ROWS)]
        except AuditUnavailable:
            return None

    async def _users(self) -> list[dict[str, Any]] | None:
        try:
            users = sorted(await self._state.users())[:SHOWN_USERS]
            return [await self._user(user) for user in users]
        except StateUnavailable:
            return None

    async def _user(self, user: str) -> dict[str, Any]:
        plan = self._traffic.plan_of(user) or await self._plan(user)
        found = self.settings.plans.get(plan)
        allowance = Allowance() if found is None else found.allowance
        standing = await self._state.standing(user, allowance)
        return {
            "user": user,
            "plan": plan,
            "streams": {"used": standing.streams, "limit": allowance.streams},
            "requests": _limit(standing.requests, allowance.requests),
            "tokens": _limit(standing.tokens, allowance.tokens),
            "budget": _limit(standing.micro_usd, allowance.budget),
        }

    async def _plan(self, user: str) -> str:
        if user not in self._plans:
            if len(self._plans) >= MOST_PLANS:
                self._plans.clear()
            try:
                rows = await self._audit.by_user(user, 1)
            except AuditUnavailable:
                return ""
            self._plans[user] = rows[0].start.plan if rows else ""
        return self._plans[user]


def _limit(used: int, rate: Rate | None) -> dict[str, Any]:
    return {"used": used, "limit": rate and rate.amount, "seconds": rate and rate.seconds}
