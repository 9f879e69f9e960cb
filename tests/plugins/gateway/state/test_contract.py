"""What every state does: limits, corrections, leases, budgets."""

import asyncio
import math
from collections import Counter

import pytest

from unbroken_gateway.state.ledger import KEEP
from unbroken_gateway.values import Allowance, Balance, Denied, Grant, Rate, Standing

from .worlds import DAY, MIDNIGHT, START, USER, allowance, cost

TTL = 30.0


def test_a_full_limit_gives_its_amount_and_then_its_rate(world):
    """Twenty at once, then one each three seconds."""

    async def scenario(state):
        limits = allowance(requests=20)
        for _ in range(20):
            assert isinstance(await state.reserve(USER, limits, cost(), TTL), Grant)
        assert await state.reserve(USER, limits, cost(), TTL) == Denied("requests", pytest.approx(3.0))
        world.clock.now += 3
        assert isinstance(await state.reserve(USER, limits, cost(), TTL), Grant)
        assert await state.reserve(USER, limits, cost(), TTL) == Denied("requests", pytest.approx(3.0))

    world.run(scenario)


@pytest.mark.parametrize(
    ("limits", "price", "name"),
    [
        (allowance(requests=7), cost(), "requests"),
        (allowance(tokens=40_001), cost(tokens=977), "tokens"),
        (allowance(streams=3), cost(), "streams"),
        (allowance(budget=1_000), cost(money=300), "budget"),
        (Allowance(tokens=Rate(1_000_000_000, 1)), cost(tokens=999_999_999), "tokens"),
    ],
    ids=["requests", "tokens", "streams", "budget", "fast"],
)
def test_a_denial_says_exactly_when_the_same_reservation_succeeds(world, limits, price, name):
    async def scenario(state):
        while not isinstance(denied := await state.reserve(USER, limits, price, TTL), Denied):
            world.clock.now += 0.1
        assert denied.limit == name
        if denied.retry_after > 0.01:
            world.clock.now += denied.retry_after - 0.01
            assert isinstance(await state.reserve(USER, limits, price, TTL), Denied)
            world.clock.now += 0.01
        else:
            world.clock.now += denied.retry_after
        assert isinstance(await state.reserve(USER, limits, price, TTL), Grant)

    world.run(scenario)


@pytest.mark.parametrize(
    ("limits", "name"),
    [
        (allowance(requests=0), "requests"),
        (allowance(tokens=99), "tokens"),
        (allowance(streams=0), "streams"),
        (allowance(budget=9), "budget"),
    ],
    ids=["requests", "tokens", "streams", "budget"],
)
def test_what_can_never_succeed_has_no_end_of_waiting(world, limits, name):
    async def scenario(state):
        assert await state.reserve(USER, limits, cost(tokens=100, money=10), TTL) == Denied(name, math.inf)

    world.run(scenario)


def test_of_several_limits_the_one_that_lasts_longest_is_named(world):
    async def scenario(state):
        limits = allowance(requests=1, tokens=100, streams=1, budget=5)
        assert isinstance(await state.reserve(USER, limits, cost(tokens=50), TTL), Grant)
        assert await state.reserve(USER, limits, cost(tokens=50), TTL) == Denied("requests", pytest.approx(60.0))
        assert await state.reserve(USER, limits, cost(tokens=50, money=6), TTL) == Denied("budget", math.inf)

    world.run(scenario)


def test_a_denied_reservation_takes_nothing(world):
    async def scenario(state):
        limits = allowance(requests=10, tokens=100, streams=5, budget=100)
        assert await state.reserve(USER, limits, cost(tokens=101, money=7), TTL) == Denied("tokens", math.inf)
        assert await state.standing(USER, limits) == Standing(user=USER)

    world.run(scenario)


def test_without_limits_everything_is_granted_and_no_balance_known(world):
    async def scenario(state):
        grants = [await state.reserve(USER, Allowance(), cost(10**9, 10**9), TTL) for _ in range(5)]
        assert len({grant.id for grant in grants}) == 5
        assert await state.settle(grants[0], cost(5, 5)) == Balance(None)
        assert await state.standing(USER, Allowance()) == Standing(user=USER, streams=5)

    world.run(scenario)


@pytest.mark.parametrize("workers", [1, 2])
def test_r6_fifty_at_once_against_a_budget_for_ten_admit_ten(world, workers):
    """The user is unknown before."""

    async def scenario(*states):
        limits = allowance(budget=1_000)
        turns = (states[turn % workers].reserve(USER, limits, cost(money=100), TTL) for turn in range(50))
        results = Counter(type(result) for result in await asyncio.gather(*turns))
        assert results == {Grant: 10, Denied: 40}
        assert (await states[0].standing(USER, limits)).micro_usd == 1_000

    world.run(scenario, workers)


@pytest.mark.parametrize(
    "limits",
    [allowance(requests=10), allowance(tokens=1_000), allowance(streams=10)],
    ids=["requests", "tokens", "streams"],
)
def test_r9_two_workers_together_keep_the_limit(world, limits):
    async def scenario(*states):
        turns = (states[turn % 2].reserve(USER, limits, cost(tokens=100), TTL) for turn in range(40))
        assert Counter(type(result) for result in await asyncio.gather(*turns))[Grant] == 10

    world.run(scenario, 2)


def test_r7_what_is_shown_is_what_decides(world):
    """Another worker shows it, and it falls with time as the decision does."""

    async def scenario(first, second):
        limits = allowance(requests=6, tokens=600, streams=3, budget=1_000)
        grant = await first.reserve(USER, limits, cost(tokens=200, money=300), TTL)
        await first.reserve(USER, limits, cost(tokens=100, money=50), TTL)
        shown = Standing(user=USER, streams=2, requests=2, tokens=300, micro_usd=350)
        assert await second.standing(USER, limits) == shown
        world.clock.now += 10
        await first.release(grant)
        shown = Standing(user=USER, streams=1, requests=1, tokens=200, micro_usd=350)
        assert await second.standing(USER, limits) == shown
        world.clock.now += 5
        assert (await second.standing(USER, limits)).requests == 1  # a half, rounded up
        assert await second.standing("another", limits) == Standing(user="another")
        assert isinstance(await second.reserve(USER, limits, cost(tokens=450), TTL), Grant)

    world.run(scenario, 2)


def test_r8_a_place_is_free_when_it_is_released_however_often(world):
    async def scenario(state):
        limits = allowance(streams=2)
        first = await state.reserve(USER, limits, cost(), TTL)
        await state.reserve(USER, limits, cost(), TTL)
        assert await state.reserve(USER, limits, cost(), TTL) == Denied("streams", pytest.approx(TTL))
        for _ in range(3):
            await state.release(first)
        assert isinstance(await state.reserve(USER, limits, cost(), TTL), Grant)
        await state.release(first)
        assert isinstance(await state.reserve(USER, limits, cost(), TTL), Denied)

    world.run(scenario)


def test_r8_the_place_of_a_dead_worker_is_free_when_its_lease_ends(world):
    async def scenario(state):
        limits = allowance(streams=1)
        dead = await state.reserve(USER, limits, cost(), TTL)
        world.clock.now += TTL - 1
        assert await state.reserve(USER, limits, cost(), TTL) == Denied("streams", pytest.approx(1.0))
        world.clock.now += 1
        assert await state.beat(dead, TTL) is False
        following = await state.reserve(USER, limits, cost(), TTL)
        assert isinstance(following, Grant)
        assert await state.beat(dead, TTL) is False
        await state.release(dead)
        assert isinstance(await state.reserve(USER, limits, cost(), TTL), Denied)

    world.run(scenario)


def test_a_beat_renews_a_lease(world):
    async def scenario(state):
        limits = allowance(streams=1)
        grant = await state.reserve(USER, limits, cost(), TTL)
        for _ in range(20):
            world.clock.now += TTL - 1
            assert await state.beat(grant, TTL) is True
        assert await state.reserve(USER, limits, cost(), TTL) == Denied("streams", pytest.approx(TTL))
        await state.release(grant)
        assert await state.beat(grant, TTL) is False

    world.run(scenario)


def test_a_lowered_limit_counts_the_places_that_are_taken(world):
    """Three of one: the last of them must end first."""

    async def scenario(state):
        for seconds in (10, 20, 30):
            await state.reserve(USER, allowance(streams=3), cost(), seconds)
        assert await state.reserve(USER, allowance(streams=1), cost(), TTL) == Denied("streams", pytest.approx(30.0))

    world.run(scenario)


@pytest.mark.parametrize("used", [0, 30, 100, 170], ids=lambda used: f"used-{used}")
def test_a_settlement_corrects_all_counters_however_often_it_comes(world, used):
    async def scenario(state):
        limits = allowance(requests=10, tokens=1_000, budget=1_000)
        grant = await state.reserve(USER, limits, cost(tokens=100, money=100), TTL)
        for each in (used // 2, used, used, used):
            balance = await state.settle(grant, cost(tokens=each, money=each))
        assert balance == Balance(1_000 - used)
        await state.release(grant)
        assert await state.standing(USER, limits) == Standing(user=USER, requests=1, tokens=used, micro_usd=used)
        await state.settle(grant, cost(requests=0))
        assert await state.standing(USER, limits) == Standing(user=USER)

    world.run(scenario)


def test_a_level_that_is_overdrawn_denies_until_it_has_drained(world):
    async def scenario(state):
        limits = allowance(tokens=600)
        grant = await state.reserve(USER, limits, cost(tokens=100), TTL)
        await state.settle(grant, cost(tokens=1_600))
        assert await state.reserve(USER, limits, cost(tokens=100), TTL) == Denied("tokens", pytest.approx(110.0))

    world.run(scenario)


def test_a_correction_gives_back_only_what_has_not_drained(world):
    """Else a user whose estimates are high would get more than the limit."""

    async def scenario(state):
        limits = allowance(tokens=600)
        early = await state.reserve(USER, limits, cost(tokens=600), 600)
        world.clock.now += 60
        await state.reserve(USER, limits, cost(tokens=600), 600)
        await state.settle(early, cost())
        assert (await state.standing(USER, limits)).tokens == 600

    world.run(scenario)


def test_s28_a_settlement_over_the_budget_says_so(world):
    async def scenario(state):
        grant = await state.reserve(USER, allowance(budget=100), cost(money=90), TTL)
        assert not (await state.settle(grant, cost(money=100))).spent
        balance = await state.settle(grant, cost(money=130))
        assert balance == Balance(-30)
        assert balance.spent

    world.run(scenario)


def test_a_budget_begins_again_at_midnight_utc(world):
    async def scenario(state):
        limits = allowance(budget=100)
        await state.reserve(USER, limits, cost(money=80), TTL)
        assert await state.reserve(USER, limits, cost(money=30), TTL) == Denied("budget", MIDNIGHT - START)
        world.clock.now = MIDNIGHT
        assert (await state.standing(USER, limits)).micro_usd == 0
        assert isinstance(await state.reserve(USER, limits, cost(money=30), TTL), Grant)

    world.run(scenario)


def test_money_settled_after_midnight_counts_in_the_new_day_over_what_counted_before(world):
    async def scenario(state):
        limits = allowance(budget=100)
        world.clock.now = MIDNIGHT - 1
        grant = await state.reserve(USER, limits, cost(money=40), TTL)
        world.clock.now = MIDNIGHT + 1
        assert await state.settle(grant, cost(money=30)) == Balance(100)
        assert await state.settle(grant, cost(money=70)) == Balance(70)
        assert await state.settle(grant, cost(money=50)) == Balance(90)
        world.clock.now += 2
        assert await state.settle(grant, cost(money=50)) == Balance(90)

    world.run(scenario)


def test_a_late_correction_counts_after_the_release_and_after_the_lease(world):
    async def scenario(state):
        limits = allowance(budget=1_000)
        released = await state.reserve(USER, limits, cost(money=100), TTL)
        await state.release(released)
        world.clock.now += TTL + KEEP - 1
        assert await state.settle(released, cost(money=150)) == Balance(850)
        world.clock.now += KEEP - 1
        assert await state.settle(released, cost(money=160)) == Balance(840)
        world.clock.now += KEEP
        assert await state.settle(released, cost(money=999)) == Balance(840)
        assert await state.beat(released, TTL) is False

    world.run(scenario)


def test_money_of_a_dead_worker_stays_as_it_was_settled_last(world):
    async def scenario(state):
        limits = allowance(budget=1_000)
        grant = await state.reserve(USER, limits, cost(money=400), TTL)
        await state.settle(grant, cost(money=70))
        await state.reserve(USER, limits, cost(money=300), TTL)
        world.clock.now += 10 * KEEP
        assert (await state.standing(USER, limits)).micro_usd == 370

    world.run(scenario)


def test_changing_between_two_plans_begins_no_new_budget(world):
    async def scenario(state):
        daily, hourly = allowance(budget=100), Allowance(budget=Rate(100, 3_600))
        await state.reserve(USER, daily, cost(money=90), TTL)
        await state.reserve(USER, hourly, cost(money=90), TTL)
        world.clock.now += 3_600
        assert isinstance(await state.reserve(USER, hourly, cost(money=90), TTL), Grant)
        assert isinstance(await state.reserve(USER, daily, cost(money=90), TTL), Denied)

    world.run(scenario)


def test_a_clock_that_goes_back_gives_nothing_away(world):
    async def scenario(state):
        limits = allowance(requests=2, budget=100)
        world.clock.now = MIDNIGHT + 5
        await state.reserve(USER, limits, cost(money=60), TTL)
        await state.reserve(USER, limits, cost(), TTL)
        world.clock.now = MIDNIGHT - 5
        assert isinstance(await state.reserve(USER, limits, cost(), TTL), Denied)
        denied = await state.reserve(USER, allowance(budget=100), cost(money=60), TTL)
        assert denied == Denied("budget", DAY + 5)

    world.run(scenario)


def test_the_users_are_those_of_whom_something_counts(world):
    async def scenario(first, second):
        limits = allowance(requests=60)
        assert await second.users() == []
        for name in ("a", "b"):
            await first.reserve(name, limits, cost(), TTL)
        assert sorted(await second.users()) == ["a", "b"]
        world.clock.now += 120
        await first.reserve("b", limits, cost(), TTL)
        assert await second.users() == ["b"]

    world.run(scenario, 2)


def test_users_do_not_share_a_counter(world):
    """Nor do names that differ in what separates the parts of a key."""

    async def scenario(state):
        for name in ("a", "a}", "{a}", "a:account", "a ", "ä\n", "A"):
            assert isinstance(await state.reserve(name, allowance(requests=1), cost(), TTL), Grant)

    world.run(scenario)


@pytest.mark.parametrize("turns", range(8))
def test_r8_a_caller_that_leaves_during_the_reservation_leaves_nothing(world, turns):
    """After any number of turns of the event loop."""

    async def leave(state):
        task = asyncio.ensure_future(state.reserve(USER, limits, cost(10, 10), TTL))
        for _ in range(turns):
            await asyncio.sleep(0)
        task.cancel()
        (result,) = await asyncio.gather(task, return_exceptions=True)
        if isinstance(result, Grant):
            await state.settle(result, cost(requests=0))
            await state.release(result)

    limits = allowance(requests=100, tokens=1_000, streams=10, budget=1_000)
    for _ in range(5):
        world.run(leave)

    async def look(state):
        assert await state.standing(USER, limits) == Standing(user=USER)

    world.run(look)
