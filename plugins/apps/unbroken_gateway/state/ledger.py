"""The arithmetic of the limits, on the books of one user. `lua` holds the same for Redis, line by line.

Requests and tokens are levels that fall steadily at their rate (the generic cell rate algorithm, ITU-T I.371). Money is
counted in aligned periods. A correction below what was charged gives back only what cannot have drained since, so that
the level is never lower than if the true cost had been charged from the start.
"""

import math
from collections.abc import Iterator
from typing import Final

from msgspec import Struct, field

from ..values import Allowance, Balance, Cost, Denied, LimitName, Rate, Standing

KEEP: Final = 300.0
"""Seconds after the end of a lease in which a settlement still counts."""
SLACK: Final = 1e-6
"""Seconds by which a reservation may be early: floats of Unix seconds are no more exact."""


class Level(Struct):
    """Units that were charged and have not drained yet."""

    units: float = 0.0
    at: float = 0.0

    def now(self, rate: Rate, now: float) -> float:
        """Return the units at the time `now`."""
        return max(0.0, self.units - max(0.0, now - self.at) * (rate.amount / rate.seconds))

    def add(self, rate: Rate | None, units: float, now: float) -> None:
        """Charge `units`, or give them back if negative. Nothing is counted without a limit."""
        if rate is not None:
            self.units = max(0.0, self.now(rate, now) + units)
            self.at = max(self.at, now)


class Period(Struct):
    """The money of one period of a budget."""

    start: float = 0.0
    spent: int = 0


class Account(Struct):
    """The books of one user."""

    requests: Level = field(default_factory=Level)
    tokens: Level = field(default_factory=Level)
    periods: dict[float, Period] = field(default_factory=dict[float, Period])
    """By their length, so that a user with two plans does not begin again by changing between them."""
    leases: dict[str, float] = field(default_factory=dict[str, float])
    """When the places end, by the ids of their grants."""
    until: float = 0.0
    """When nothing of this counts any longer."""

    def period(self, budget: Rate, now: float) -> Period:
        """Return the present period, which begins again at its border. It does not go back with a clock."""
        start = math.floor(now / budget.seconds) * float(budget.seconds)
        period = self.periods.get(float(budget.seconds))
        if period is None or period.start < start:
            period = self.periods[float(budget.seconds)] = Period(start)
        return period

    def keep(self, allowance: Allowance, now: float, lease: float = 0.0) -> None:
        """Move `until` behind all that counts."""
        ends = [self.until, lease]
        for level, rate in ((self.requests, allowance.requests), (self.tokens, allowance.tokens)):
            if rate is not None:
                ends.append(now + (level.units / (rate.amount / rate.seconds) if rate.amount else rate.seconds))
        if (budget := allowance.budget) is not None:
            ends.append(self.period(budget, now).start + budget.seconds)
        self.until = max(ends)


class Record(Struct):
    """What a grant has counted."""

    at: float
    requests: int
    tokens: int
    micro_usd: int
    """In the period that began at `period`."""
    period: float
    until: float
    """When the record is forgotten."""
    earlier: int = 0
    """Micro-dollars in periods that have ended."""


def reserve(
    account: Account, id: str, allowance: Allowance, cost: Cost, slot_ttl: float, now: float
) -> Record | Denied:
    """Charge `account` and return the record of the grant, or return the denial that lasts longest."""
    account.leases = {each: end for each, end in account.leases.items() if end > now}
    denied = max(_denials(account, allowance, cost, now), key=lambda denied: denied.retry_after, default=None)
    if denied is not None:
        return denied
    period = 0.0
    account.requests.add(allowance.requests, cost.requests, now)
    account.tokens.add(allowance.tokens, cost.tokens, now)
    if allowance.budget is not None:
        present = account.period(allowance.budget, now)
        present.spent += cost.micro_usd
        period = present.start
    end = account.leases[id] = now + slot_ttl
    account.keep(allowance, now, end)
    return Record(now, cost.requests, cost.tokens, cost.micro_usd, period, end + KEEP)


def _denials(account: Account, allowance: Allowance, cost: Cost, now: float) -> Iterator[Denied]:
    yield from _over("requests", account.requests, allowance.requests, cost.requests, now)
    yield from _over("tokens", account.tokens, allowance.tokens, cost.tokens, now)
    places = allowance.streams
    if places is not None and len(account.leases) >= places:
        ends = sorted(account.leases.values())
        yield Denied("streams", ends[len(ends) - places] - now if places > 0 else math.inf)
    if (budget := allowance.budget) is not None:
        period = account.period(budget, now)
        if period.spent + cost.micro_usd > budget.amount:
            never = cost.micro_usd > budget.amount
            yield Denied("budget", math.inf if never else period.start + budget.seconds - now)


def _over(name: LimitName, level: Level, rate: Rate | None, cost: int, now: float) -> Iterator[Denied]:
    if rate is not None:
        speed = rate.amount / rate.seconds
        over = level.now(rate, now) + cost - rate.amount
        if over > SLACK * speed:
            yield Denied(name, math.inf if cost > rate.amount or not speed else over / speed)


def beat(account: Account, record: Record, id: str, allowance: Allowance, slot_ttl: float, now: float) -> bool:
    """Renew a lease that has not ended."""
    if account.leases.get(id, 0.0) <= now:
        return False
    end = account.leases[id] = now + slot_ttl
    record.until = max(record.until, end + KEEP)
    account.keep(allowance, now, end)
    return True


def settle(account: Account, record: Record | None, allowance: Allowance, used: Cost, now: float) -> Balance:
    """Count `used` in place of what the grant has counted so far; without a record only return the balance."""
    if record is not None:
        _correct(account.requests, allowance.requests, record.requests, used.requests, record.at, now)
        _correct(account.tokens, allowance.tokens, record.tokens, used.tokens, record.at, now)
        record.requests, record.tokens = used.requests, used.tokens
        record.until = max(record.until, now + KEEP)
        if allowance.budget is not None:
            _pay(account.period(allowance.budget, now), record, used.micro_usd)
        account.keep(allowance, now)
    if (budget := allowance.budget) is None:
        return Balance(None)
    return Balance(budget.amount - account.period(budget, now).spent)


def _correct(level: Level, rate: Rate | None, counted: int, used: int, since: float, now: float) -> None:
    if rate is not None:
        change = float(used - counted)
        drained = max(0.0, now - since) * (rate.amount / rate.seconds)
        level.add(rate, max(change, min(0.0, drained - counted)), now)


def _pay(period: Period, record: Record, used: int) -> None:
    """Count in `period` what has not been counted in periods that have ended."""
    if record.period != period.start:
        record.earlier, record.micro_usd, record.period = record.earlier + record.micro_usd, 0, period.start
    due = max(0, used - record.earlier)
    period.spent += due - record.micro_usd
    record.micro_usd = due


def standing(user: str, account: Account, allowance: Allowance, now: float) -> Standing:
    """Return what `user` has used."""
    return Standing(
        user=user,
        streams=sum(end > now for end in account.leases.values()),
        requests=_shown(account.requests, allowance.requests, now),
        tokens=_shown(account.tokens, allowance.tokens, now),
        micro_usd=account.period(allowance.budget, now).spent if allowance.budget is not None else 0,
    )


def _shown(level: Level, rate: Rate | None, now: float) -> int:
    return 0 if rate is None else shown(level.now(rate, now), rate)


def shown(units: float, rate: Rate) -> int:
    """Return a level as a whole number, rounded up but for the noise of floats."""
    return max(0, math.ceil(units - SLACK * (rate.amount / rate.seconds)))
