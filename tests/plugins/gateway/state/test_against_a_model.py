"""Any history of operations: the three stores say what a slow and simple model of them says."""

import asyncio
import math
import tempfile
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from unbroken_gateway.state import ledger
from unbroken_gateway.state.ledger import KEEP, Account, Level
from unbroken_gateway.values import Allowance, Cost, Denied, Grant, Rate

from ....redis_server import running_redis
from .worlds import MIDNIGHT, START, Clock, World

PLANS = [  # with different rates, and budgets of different lengths
    Allowance(requests=Rate(5, 60), tokens=Rate(1_000, 60), streams=3, budget=Rate(500, 86_400)),
    Allowance(tokens=Rate(700, 40), budget=Rate(900, 3_600)),
    Allowance(requests=Rate(3, 8), streams=2),
]
COSTS = st.builds(Cost, requests=st.integers(0, 3), tokens=st.integers(0, 1_100), micro_usd=st.integers(0, 520))
USERS = st.sampled_from(["a", "b"])
PAUSES = st.sampled_from([0, 1, 5, 20, 60, 400, 3_600, 40_000]).map(float) | st.integers(0, 800).map(lambda n: n / 8)


class Model:
    """Every charge is kept, and each question is answered from all of them."""

    def __init__(self) -> None:
        self.charges: dict[tuple[str, str, Rate], list[tuple[Fraction, Fraction]]] = {}
        self.spent: dict[tuple[str, float, float], int] = {}
        self.leases: dict[str, tuple[str, float]] = {}
        self.grants: dict[str, dict] = {}

    def level(self, user: str, name: str, rate: Rate, now: float) -> Fraction:
        level = at = Fraction(0)
        for time, units in [*self.charges.get((user, name, rate), []), (Fraction(now), Fraction(0))]:
            level = max(Fraction(0), level - (time - at) * Fraction(rate.amount) / Fraction(rate.seconds))
            level, at = max(Fraction(0), level + units), time
        return level

    def charge(self, user: str, name: str, rate: Rate | None, units: float, now: float) -> None:
        if rate is not None:
            self.charges.setdefault((user, name, rate), []).append((Fraction(now), Fraction(units)))

    def places(self, user: str, now: float) -> list[float]:
        return sorted(end for owner, end in self.leases.values() if owner == user and end > now)

    def period(self, user: str, budget: Rate, now: float) -> tuple[str, float, float]:
        return user, budget.seconds, now // budget.seconds * budget.seconds

    def denial(self, user: str, plan: Allowance, cost: Cost, now: float) -> tuple[str, float] | None:
        found: list[tuple[float, str]] = []
        for name in ("requests", "tokens"):
            rate, units = getattr(plan, name), getattr(cost, name)
            if rate is not None:
                over = self.level(user, name, rate, now) + units - rate.amount
                if over > 0:
                    never = units > rate.amount
                    found.append((math.inf if never else float(over * Fraction(rate.seconds) / rate.amount), name))
        ends = self.places(user, now)
        if plan.streams is not None and len(ends) >= plan.streams:
            found.append((ends[len(ends) - plan.streams] - now, "streams"))
        if plan.budget is not None:
            period = self.period(user, plan.budget, now)
            if self.spent.get(period, 0) + cost.micro_usd > plan.budget.amount:
                never = cost.micro_usd > plan.budget.amount
                found.append((math.inf if never else period[2] + plan.budget.seconds - now, "budget"))
        longest = max((seconds for seconds, _ in found), default=0.0)
        return next(((name, seconds) for seconds, name in found if seconds == longest), None)

    def reserve(self, id: str, user: str, plan: Allowance, cost: Cost, ttl: float, now: float) -> None:
        self.charge(user, "requests", plan.requests, cost.requests, now)
        self.charge(user, "tokens", plan.tokens, cost.tokens, now)
        counted = {}
        if plan.budget is not None:
            period = self.period(user, plan.budget, now)
            self.spent[period] = self.spent.get(period, 0) + cost.micro_usd
            counted[period] = cost.micro_usd
        self.leases[id] = (user, now + ttl)
        self.grants[id] = {"at": now, "counted": counted, "cost": cost, "until": now + ttl + KEEP}

    def beat(self, grant: Grant, id: str, ttl: float, now: float) -> bool:
        if id not in self.leases or self.leases[id][1] <= now:
            return False
        self.leases[id] = (grant.user, now + ttl)
        self.grants[id]["until"] = max(self.grants[id]["until"], now + ttl + KEEP)
        return True

    def settle(self, grant: Grant, id: str, used: Cost, now: float) -> int | None:
        known, plan = self.grants[id], grant.allowance
        if known["until"] > now:
            known["until"] = max(known["until"], now + KEEP)
            for name in ("requests", "tokens"):
                rate, counted = getattr(plan, name), getattr(known["cost"], name)
                if rate is not None:
                    drained = (Fraction(now) - Fraction(known["at"])) * rate.amount / Fraction(rate.seconds)
                    change = max(getattr(used, name) - counted, min(Fraction(0), drained - counted))
                    self.charge(grant.user, name, rate, change, now)
            known["cost"] = used
            if plan.budget is not None:
                period = self.period(grant.user, plan.budget, now)
                earlier = sum(money for each, money in known["counted"].items() if each != period)
                due = max(0, used.micro_usd - earlier)
                self.spent[period] = self.spent.get(period, 0) + due - known["counted"].get(period, 0)
                known["counted"][period] = due
        if plan.budget is None:
            return None
        return plan.budget.amount - self.spent.get(self.period(grant.user, plan.budget, now), 0)


class Stores(RuleBasedStateMachine):
    """Two workers on each shared store take turns."""

    url: str

    @initialize()
    def begin(self) -> None:
        self.runner, self.place = asyncio.Runner(), tempfile.TemporaryDirectory()
        self.clock, self.model = Clock(), Model()
        self.clock.now = MIDNIGHT - 600
        self.states, self.turn, self.grants = [], 0, []
        for kind in ("memory", "sqlite", "redis"):
            world = World(kind, Path(self.place.name), self.url)
            world.clock.now = self.clock.now
            states = [world.open(), world.open()]
            self.states.append((world, states))
        self.run(self.states[2][1][0]._pipe.client.flushall())

    def run(self, awaitable):
        async def whole():
            return await awaitable

        return self.runner.run(whole())

    def each(self, operation):
        """Return what the operation returns on each store."""
        self.turn += 1
        return [self.run(operation(states[self.turn % 2], index)) for index, (_, states) in enumerate(self.states)]

    @rule(seconds=PAUSES)
    def wait(self, seconds: float) -> None:
        self.clock.now += seconds
        for world, _ in self.states:
            world.clock.now = self.clock.now

    @rule(user=USERS, plan=st.sampled_from(PLANS), cost=COSTS, ttl=st.sampled_from([1.0, 30.0, 600.0]))
    def reserve(self, user: str, plan: Allowance, cost: Cost, ttl: float) -> None:
        denial = self.model.denial(user, plan, cost, self.clock.now)
        results = self.each(lambda state, _: state.reserve(user, plan, cost, ttl))
        if denial is None:
            assert all(isinstance(result, Grant) for result in results), results
            self.model.reserve(results[0].id, user, plan, cost, ttl, self.clock.now)
            self.grants.append(results)
        else:
            assert results == [Denied(denial[0], pytest.approx(denial[1], abs=1e-4))] * 3

    @rule(which=st.integers(0, 20), ttl=st.sampled_from([1.0, 30.0]))
    def beat(self, which: int, ttl: float) -> None:
        if self.grants:
            grants = self.grants[which % len(self.grants)]
            expected = self.model.beat(grants[0], grants[0].id, ttl, self.clock.now)
            assert self.each(lambda state, index: state.beat(grants[index], ttl)) == [expected] * 3

    @rule(which=st.integers(0, 20), used=COSTS)
    def settle(self, which: int, used: Cost) -> None:
        if self.grants:
            grants = self.grants[which % len(self.grants)]
            expected = self.model.settle(grants[0], grants[0].id, used, self.clock.now)
            balances = self.each(lambda state, index: state.settle(grants[index], used))
            assert [balance.left for balance in balances] == [expected] * 3

    @rule(which=st.integers(0, 20))
    def release(self, which: int) -> None:
        if self.grants:
            grants = self.grants[which % len(self.grants)]
            self.model.leases.pop(grants[0].id, None)
            self.each(lambda state, index: state.release(grants[index]))

    @invariant()
    def what_is_shown_is_true(self) -> None:
        for user in ("a", "b"):
            for plan in PLANS:
                shown = self.each(lambda state, _, user=user, plan=plan: state.standing(user, plan))
                assert shown[0] == shown[1] == shown[2]
                assert shown[0].streams == len(self.model.places(user, self.clock.now))
                for name in ("requests", "tokens"):
                    if (rate := getattr(plan, name)) is not None:
                        level = self.model.level(user, name, rate, self.clock.now)
                        assert getattr(shown[0], name) == math.ceil(level - Fraction(1, 1000))

    def teardown(self) -> None:
        for _, states in self.states:
            for state in states:
                self.run(state.aclose())
        self.runner.close()
        self.place.cleanup()


def test_any_history_is_the_same_in_all_stores_and_in_the_model():
    with running_redis() as server:
        stores = type("StoresWithRedis", (Stores,), {"url": server.url})
        run_state_machine_as_test(stores, settings=settings(max_examples=25, stateful_step_count=25))


STEPS = st.lists(
    st.tuples(st.integers(0, 400), st.integers(0, 80), st.none() | st.integers(0, 600), st.integers(0, 9)), max_size=30
)


@given(STEPS)
def test_a_level_is_never_lower_than_had_the_true_costs_been_charged(steps):
    """Of each charge: the pause before it, an estimate, and what it is settled as at once or after further steps."""
    plan, now = Allowance(tokens=Rate(600, 60)), START
    account, true, open_records = Account(), Level(), []
    for pause, _, used, delay in steps:
        now += pause / 8
        estimate = 300
        record = ledger.reserve(account, str(now), plan, Cost(tokens=estimate), 30, now)
        if not isinstance(record, Denied):
            final = estimate if used is None else min(used, estimate)
            true.add(plan.tokens, final, now)
            open_records.append((record, final, delay))
        for each in list(open_records):
            if each[2] <= len(open_records):
                ledger.settle(account, each[0], plan, Cost(tokens=each[1]), now)
                open_records.remove(each)
        counted = account.level("tokens", plan.tokens).now(plan.tokens, now)
        assert counted >= true.now(plan.tokens, now) - 1e-3
