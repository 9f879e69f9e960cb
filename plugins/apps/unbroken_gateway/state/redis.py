"""The state of several machines, in Redis. Time is that of the server, so that their clocks may differ.

A user's keys, ``unbroken:{user}:…``, share one hash tag. They hold names and numbers, no credential and no prompt.
"""

import asyncio
import contextlib
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Any, Final

from attrs import define, field
from redis.exceptions import NoScriptError, RedisError

from unbroken.errors import ConfigurationError

from ..values import Allowance, Balance, Cost, Denied, Grant, Principal, Rate, Standing
from . import DEADLINE, Revocation, StateUnavailable, lua
from .ledger import shown
from .pipe import Command, Pipe, connect
from .revocations import Answers, Revoked, kinds, revocation

NOTED: Final = 10.0
"""Seconds between two entries of a user in the list of users."""
MOST: Final = 10_000
"""The most users of whom is remembered when they were entered."""
USERS: Final = "unbroken:users"
NOTHING: Final = Cost(requests=0)


def _limits(allowance: Allowance) -> list[str]:
    def rate(value: Rate | None) -> list[str]:
        return ["", ""] if value is None else [str(value.amount), repr(float(value.seconds))]

    streams = "" if allowance.streams is None else str(allowance.streams)
    return [*rate(allowance.requests), *rate(allowance.tokens), streams, *rate(allowance.budget)]


@define(eq=False)
class RedisState:
    """Implements `State` for several machines."""

    url: str = field(repr=False)
    _clock: Callable[[], float] | None = None
    """Unix seconds in place of the server's, for tests."""
    deadline: float = DEADLINE
    """Seconds that an operation may take."""
    _pipe: Pipe = field(init=False, repr=False)
    _ahead: float | None = field(default=None, init=False)
    """The server's time less our monotonic time."""
    _noted: OrderedDict[str, float] = field(factory=OrderedDict[str, float], init=False, repr=False)
    _answers: Answers = field(factory=Answers, init=False, repr=False)
    _undoing: set["asyncio.Task[None]"] = field(factory=set["asyncio.Task[None]"], init=False, repr=False)

    def __attrs_post_init__(self) -> None:
        try:
            self._pipe = Pipe(connect(self.url, self.deadline), self.deadline)
        except (ValueError, TypeError) as error:
            raise ConfigurationError(f"state: the Redis URL cannot be used: {error}") from None

    async def reserve(self, user: str, allowance: Allowance, cost: Cost, slot_ttl: float) -> Grant | Denied:
        """Reserve a place, requests, tokens and money, or return the denial that lasts longest."""
        grant = Grant(id=secrets.token_urlsafe(16), user=user, allowance=allowance, reserved=cost)
        task = asyncio.ensure_future(self._reserve(grant, slot_ttl))
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            self._later(self._undo(task))
            raise

    async def beat(self, grant: Grant, slot_ttl: float) -> bool:
        """Renew the lease. Returns False when it has ended."""
        (answer,) = await self._script(lua.BEAT, grant, NOTHING, slot_ttl)
        return bool(answer)

    async def settle(self, grant: Grant, used: Cost) -> Balance:
        """Count `used` in place of what the grant has counted so far, up to `KEEP` seconds after its end."""
        (left,) = await self._script(lua.SETTLE, grant, used)
        return Balance(int(float(left)) if left else None)

    async def release(self, grant: Grant) -> None:
        """Give the place back."""
        await self._script(lua.RELEASE, grant)

    async def standing(self, user: str, allowance: Allowance) -> Standing:
        """Return what `user` has used."""
        asking = Grant(id="", user=user, allowance=allowance, reserved=NOTHING)
        streams, requests, tokens, spent = await self._script(lua.STANDING, asking)
        return Standing(
            user=user,
            streams=int(streams),
            requests=0 if allowance.requests is None else shown(float(requests), allowance.requests),
            tokens=0 if allowance.tokens is None else shown(float(tokens), allowance.tokens),
            micro_usd=int(float(spent)),
        )

    async def users(self) -> list[str]:
        """Return at most 1 000 users of whom something counts, or counted some seconds ago."""
        (names,) = await self._run(("ZRANGEBYSCORE", USERS, self._now(), "+inf", "LIMIT", 0, 1000))
        return [name.decode() for name in names]

    async def revoke(self, kind: Revocation, value: str, until: float, before: float | None = None) -> None:
        """Revoke until `until`; a later call with the same `kind` and `value` replaces this one."""
        text = f"{until!r} {'' if revocation(kind, until, before).before is None else repr(before)}"
        lasts = max(1, int((until - self._now()) * 1000) + 1)
        await self._run(("SET", f"unbroken:revoked:{kind}:{value}", text, "PX", lasts))
        self._answers.clear()

    async def revoked(self, principal: Principal) -> bool:
        """Return whether the credential of `principal` is revoked, as of one second ago."""
        asked = self._clock() if self._clock is not None else time.monotonic()
        answer = self._answers.get(principal, asked)
        if answer is None:
            answer = await self._ask(principal)
            self._answers.put(principal, asked, answer)
        return answer

    async def aclose(self) -> None:
        """Close the connections."""
        for task in list(self._undoing):
            await asyncio.wait([task])
        with contextlib.suppress(RedisError):  # a server that is frozen does not hold up the end
            await self._pipe.aclose()
            await self._pipe.client.aclose()
            await self._pipe.client.connection_pool.disconnect()

    async def _reserve(self, grant: Grant, slot_ttl: float) -> Grant | Denied:
        await self._note(grant, slot_ttl)
        limit, *wait = await self._script(lua.RESERVE, grant, grant.reserved, slot_ttl)
        return Denied(limit.decode(), float(wait[0])) if wait else grant

    async def _undo(self, task: "asyncio.Future[Grant | Denied]") -> None:
        """Take back a reservation whose caller has left."""
        try:
            granted = await task
            if isinstance(granted, Grant):
                await self.settle(granted, NOTHING)
                await self.release(granted)
        except StateUnavailable:
            pass  # its lease ends by itself

    def _later(self, work: Any) -> None:
        task = asyncio.ensure_future(work)
        self._undoing.add(task)
        task.add_done_callback(self._undoing.discard)

    async def _note(self, grant: Grant, slot_ttl: float) -> None:
        """Enter the user in the list of users, which has a hash tag of its own."""
        now, rates = self._now(), (grant.allowance.requests, grant.allowance.tokens, grant.allowance.budget)
        if now - self._noted.get(grant.user, 0.0) < NOTED:
            return
        until = now + max(slot_ttl, *(rate.seconds if rate is not None else 0.0 for rate in rates)) + NOTED
        sent = time.monotonic()
        (seconds, micros), *_ = await self._run(
            ("TIME",), ("ZADD", USERS, "GT", until, grant.user), ("ZREMRANGEBYSCORE", USERS, "-inf", now)
        )
        self._ahead = seconds + micros / 1e6 - sent
        self._noted[grant.user] = now
        self._noted.move_to_end(grant.user)
        if len(self._noted) > MOST:
            self._noted.popitem(last=False)

    async def _ask(self, principal: Principal) -> bool:
        asked = (("GET", f"unbroken:revoked:{kind}:{value}") for kind, value in kinds(principal))
        (seconds, micros), *found = await self._run(("TIME",), *asked)
        now = self._clock() if self._clock is not None else seconds + micros / 1e6
        for text in found:
            if text is not None:
                until, before = text.decode().split(" ")
                if Revoked(float(until), float(before) if before else None).covers(principal, now):
                    return True
        return False

    def _now(self) -> float:
        """Return the time of the server, as far as it is known here."""
        if self._clock is not None:
            return self._clock()
        return time.time() if self._ahead is None else time.monotonic() + self._ahead

    async def _script(self, script: lua.Script, grant: Grant, cost: Cost = NOTHING, slot_ttl: float = 0.0) -> Any:
        """Run a script and return its answer. Raises StateUnavailable after `deadline` seconds."""
        sent = time.monotonic()
        tag = f"unbroken:{{{grant.user}}}"
        arguments = [
            *(f"{tag}:account", f"{tag}:leases", f"{tag}:grant:{grant.id}"),
            "" if self._clock is None else repr(self._clock()),
            "" if self._ahead is None else repr(sent + self._ahead + self.deadline),
            *(grant.id, repr(slot_ttl), str(cost.requests), str(cost.tokens), str(cost.micro_usd)),
            *_limits(grant.allowance),
        ]
        stamp, *answer = await self._evaluate(script, arguments)
        self._ahead = float(stamp) - sent
        if answer[0] == b"late":
            raise StateUnavailable("Redis: no answer in time")
        return answer

    async def _evaluate(self, script: lua.Script, arguments: list[str]) -> Any:
        try:
            (answer,) = await self._run(("EVALSHA", script.sha, 3, *arguments))
        except NoScriptError:
            (answer,) = await self._run(("EVAL", script.source, 3, *arguments))
        return answer

    async def _run(self, *commands: Command) -> list[Any]:
        try:
            return await self._pipe.run(*commands)
        except NoScriptError:
            raise
        except RedisError as error:  # such as a server that is out of memory
            raise StateUnavailable(f"Redis: {type(error).__name__}") from error
