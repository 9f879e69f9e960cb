"""The arithmetic of the limits, on the books of one user. `lua` holds the same for Redis, line by line.

Requests and tokens are levels that fall steadily at their rate (the generic cell rate algorithm, ITU-T I.371). Money is
counted in aligned periods. A correction below what was charged gives back only what cannot have drained since, so that
the level is never lower than if the true cost had been charged from the start.
"""

import math
from collections.abc import Iterator
from typing import Final, Literal

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

    def add(self, rate: Rate, units: float, now: float) -> None:
        """Charge `units`, or give them back if negative."""
        self.units = max(0.0, self.now(rate, now) + units)
        self.at = max(self.at, now)


class Period(Struct):
    """The money of one period of a budget."""

    start: float = 0.0
    spent: int = 0


class Account(Struct):
    """The books of one user. One who changes between two plans begins neither again."""

    levels: dict[str, Level] = field(default_factory=dict[str, Level])
    """By name and rate."""
    periods: dict[float, Period] = field(default_factory=dict[float, Period])
    """By their length."""
    leases: dict[str, float] = field(default_factory=dict[str, float])
    """When the places end, by the ids of their grants."""
    until: float = 0.0
    """When nothing of this counts any longer."""

    def level(self, name: LimitName, rate: Rate) -> Level:
        """Return the level of a limit."""
        return self.levels.setdefault(f"{name}:{rate.amount}:{float(rate.seconds)!r}", Level())

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
        for name, rate in _rates(allowance):
            units = self.level(name, rate).units
            ends.append(now + (units / (rate.amount / rate.seconds) if rate.amount else rate.seconds))
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
    for name, rate in _rates(allowance):
        account.level(name, rate).add(rate, _of(cost, name), now)
    if allowance.budget is not None:
        present = account.period(allowance.budget, now)
        present.spent += cost.micro_usd
        period = present.start
    end = account.leases[id] = now + slot_ttl
    account.keep(allowance, now, end)
    return Record(now, cost.requests, cost.tokens, cost.micro_usd, period, end + KEEP)


def _denials(account: Account, allowance: Allowance, cost: Cost, now: float) -> Iterator[Denied]:
    for name, rate in _rates(allowance):
        speed, units = rate.amount / rate.seconds, _of(cost, name)
        over = account.level(name, rate).now(rate, now) + units - rate.amount
        if over > SLACK * speed:
            yield Denied(name, math.inf if units > rate.amount or not speed else over / speed)
    places = allowance.streams
    if places is not None and len(account.leases) >= places:
        ends = sorted(account.leases.values())
        yield Denied("streams", ends[len(ends) - places] - now if places > 0 else math.inf)
    if (budget := allowance.budget) is not None:
        period = account.period(budget, now)
        if period.spent + cost.micro_usd > budget.amount:
            never = cost.micro_usd > budget.amount
            yield Denied("budget", math.inf if never else period.start + budget.seconds - now)


def _rates(allowance: Allowance) -> Iterator[tuple[Literal["requests", "tokens"], Rate]]:
    if allowance.requests is not None:
        yield "requests", allowance.requests
    if allowance.tokens is not None:
        yield "tokens", allowance.tokens


def _of(cost: Cost | Record, name: Literal["requests", "tokens"]) -> int:
    return cost.requests if name == "requests" else cost.tokens


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
        for name, rate in _rates(allowance):
            counted = _of(record, name)
            drained = max(0.0, now - record.at) * (rate.amount / rate.seconds)
            change = max(float(_of(used, name) - counted), min(0.0, drained - counted))
            account.level(name, rate).add(rate, change, now)
        record.requests, record.tokens = used.requests, used.tokens
        record.until = max(record.until, now + KEEP)
        if allowance.budget is not None:
            _pay(account.period(allowance.budget, now), record, used.micro_usd)
        account.keep(allowance, now)
    if (budget := allowance.budget) is None:
        return Balance(None)
    return Balance(budget.amount - account.period(budget, now).spent)


def _pay(period: Period, record: Record, used: int) -> None:
    """Count in `period` what has not been counted in periods that have ended."""
    if record.period != period.start:
        record.earlier, record.micro_usd, record.period = record.earlier + record.micro_usd, 0, period.start
    due = max(0, used - record.earlier)
    period.spent += due - record.micro_usd
    record.micro_usd = due


def standing(user: str, account: Account, allowance: Allowance, now: float) -> Standing:
    """Return what `user` has used."""
    used = {name: shown(account.level(name, rate).now(rate, now), rate) for name, rate in _rates(allowance)}
    return Standing(
        user=user,
        streams=sum(end > now for end in account.leases.values()),
        requests=used.get("requests", 0),
        tokens=used.get("tokens", 0),
        micro_usd=account.period(allowance.budget, now).spent if allowance.budget is not None else 0,
    )


def shown(units: float, rate: Rate) -> int:
    """Return a level as a whole number, rounded up but for the noise of floats."""
    return max(0, math.ceil(units - SLACK * (rate.amount / rate.seconds)))
