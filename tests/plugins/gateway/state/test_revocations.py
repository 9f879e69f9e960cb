"""S7: what is revoked is refused in every worker, within five seconds."""

import pytest
from attrs import evolve

from unbroken_gateway.state.revocations import MAX_AGE, MOST, Answers
from unbroken_gateway.values import Principal

from .worlds import START

ALICE = Principal(
    id="alice",
    issuer="https://id.example.com",
    plan="free",
    issued_at=START - 100,
    credential_id="token-1",
    key_id="key-1",
)
BOB = Principal(id="bob", issuer="https://id.example.com", plan="free")
FOREVER = START + 1e6
KINDS = [
    ("token", "token-1", None),
    ("user", ALICE.user, None),
    ("key", "key-1", None),
    ("issued-before", ALICE.user, START - 50),
]


@pytest.mark.parametrize(("kind", "value", "before"), KINDS, ids=[kind for kind, _, _ in KINDS])
def test_s7_a_revocation_acts_in_this_worker_at_once_and_in_others_within_five_seconds(world, kind, value, before):
    async def scenario(first, second):
        for state in (first, second):
            assert await state.revoked(ALICE) is False
            assert await state.revoked(ALICE) is False
        await first.revoke(kind, value, FOREVER, before)
        assert await first.revoked(ALICE) is True
        world.clock.now += 5
        assert await second.revoked(ALICE) is True
        assert await second.revoked(BOB) is False

    assert MAX_AGE < 5
    world.run(scenario, 2)


@pytest.mark.parametrize(
    ("issued_at", "revoked"), [(START - 51, True), (START - 50, False), (None, True)], ids=["before", "at", "unknown"]
)
def test_s7_issued_before_covers_what_a_user_got_before(world, issued_at, revoked):
    async def scenario(state):
        await state.revoke("issued-before", ALICE.user, FOREVER, START - 50)
        assert await state.revoked(evolve(ALICE, issued_at=issued_at)) is revoked

    world.run(scenario)


def test_a_revocation_ends(world):
    """With the last token that it concerns, so that the list of them does not grow for ever."""

    async def scenario(state):
        await state.revoke("token", "token-1", START + 60)
        world.clock.now = START + 59
        assert await state.revoked(ALICE) is True
        world.clock.now = START + 60
        assert await state.revoked(ALICE) is False

    world.run(scenario)


def test_a_later_revocation_replaces_an_earlier_one(world):
    """Which takes a mistake back."""

    async def scenario(state):
        await state.revoke("user", ALICE.user, FOREVER)
        await state.revoke("user", ALICE.user, START - 1)
        assert await state.revoked(ALICE) is False

    world.run(scenario)


@pytest.mark.parametrize(("kind", "before"), [("issued-before", None), ("token", START)])
def test_before_belongs_to_issued_before_alone(world, kind, before):
    async def scenario(state):
        with pytest.raises(ValueError, match="`before` belongs"):
            await state.revoke(kind, "x", FOREVER, before)

    world.run(scenario)


def test_answers_are_few_and_young():
    answers = Answers()
    for number in range(MOST + 5):
        answers.put(evolve(ALICE, credential_id=str(number)), START, True)
    assert answers.get(evolve(ALICE, credential_id="4"), START) is None
    newest = evolve(ALICE, credential_id=str(MOST))
    assert answers.get(newest, START + MAX_AGE / 2) is True
    assert answers.get(newest, START + MAX_AGE) is None
    assert answers.get(newest, START - 1) is None, "the clock went back"
