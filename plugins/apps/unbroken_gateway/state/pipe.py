"""Commands to Redis, many in one round trip when many are waiting.

A thousand calls that end at once would otherwise wait for each other longer than an operation may take.
"""

import asyncio
from collections import deque
from typing import Any, Final

from attrs import define, field
from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from . import StateUnavailable

BATCH: Final = 128
"""The most operations of one round trip."""
CONNECTIONS: Final = 2
"""The connections of one worker: while the answers of one are read, the other is sent to."""

Command = tuple[Any, ...]


def connect(url: str, deadline: float) -> Any:
    """Return a client, which connects when it is used. Raises ValueError or TypeError for a bad URL."""
    pool: Any = BlockingConnectionPool
    return Redis.from_pool(
        pool.from_url(
            url,
            max_connections=CONNECTIONS,
            timeout=deadline,
            socket_timeout=deadline,
            socket_connect_timeout=deadline,
            retry=Retry(NoBackoff(), 1),  # an idle connection may have been dropped; every operation is idempotent
            protocol=2,  # with this and no name a new connection costs no round trip
            driver_info=None,
        )
    )


@define(eq=False)
class _Waiting:
    commands: tuple[Command, ...]
    future: "asyncio.Future[list[Any]]"


@define(eq=False)
class Pipe:
    """Sends what is waiting. A caller that leaves never disturbs a connection."""

    client: Any
    deadline: float
    """Seconds for an operation, from when it is asked for."""
    _waiting: deque[_Waiting] = field(factory=deque[_Waiting], init=False)
    _senders: set["asyncio.Task[None]"] = field(factory=set["asyncio.Task[None]"], init=False)

    async def run(self, *commands: Command) -> list[Any]:
        """Return the answers to `commands`, or raise an error that Redis answers. Raises StateUnavailable."""
        future: asyncio.Future[list[Any]] = asyncio.get_running_loop().create_future()
        self._waiting.append(_Waiting(commands, future))
        if len(self._senders) < CONNECTIONS:
            sender = asyncio.ensure_future(self._send())
            self._senders.add(sender)
            sender.add_done_callback(self._senders.discard)
        try:
            async with asyncio.timeout(self.deadline):
                answers = await future
        except TimeoutError:
            if future.cancelled():
                raise StateUnavailable("Redis: no answer in time") from None
            answers = future.result()  # it came in the same turn of the loop
        for answer in answers:
            if isinstance(answer, RedisError):
                raise answer
        return answers

    async def aclose(self) -> None:
        """Finish what is waiting, which ends within the deadline."""
        if self._senders:
            await asyncio.wait(self._senders)

    async def _send(self) -> None:
        while self._waiting:
            batch: list[_Waiting] = []
            while self._waiting and len(batch) < BATCH:
                waiting = self._waiting.popleft()
                if not waiting.future.done():  # its caller has not given up
                    batch.append(waiting)
            try:
                async with asyncio.timeout(self.deadline):
                    answers = await self._exchange(batch)
            except (RedisError, OSError) as error:  # the TimeoutError of asyncio is an OSError
                for waiting in batch:
                    if not waiting.future.done():
                        waiting.future.set_exception(StateUnavailable(f"Redis: {type(error).__name__}"))
            else:
                for waiting in batch:
                    own, answers = answers[: len(waiting.commands)], answers[len(waiting.commands) :]
                    if not waiting.future.done():
                        waiting.future.set_result(own)

    async def _exchange(self, batch: list[_Waiting]) -> list[Any]:
        pipeline = self.client.pipeline(transaction=False)
        for waiting in batch:
            for command in waiting.commands:
                pipeline.execute_command(*command)
        answers: list[Any] = await pipeline.execute(raise_on_error=False)
        return answers
