"""Carries one call: from the upstream's events, through frames, to its outlet, with the account of what it used."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, Final

from attrs import define, field

from unbroken import AsyncClient, AsyncStream, ContentTypeError, Error, Event, PlainAnswer

from ..exchange import ClientGone
from ..replies.errors import Problem, budget_spent, internal, unavailable
from ..values import Ending
from .admission import BudgetSpent, Place
from .outlets import Outlet

_TERMINAL: Final = frozenset({"message_stop", "response.completed", "response.incomplete"})
_DONE: Final = b"data: [DONE]\n\n"


@define(eq=False, kw_only=True)
class Call:
    """One call of an upstream."""

    client: AsyncClient
    url: str
    headers: dict[str, str] = field(repr=False)
    content: bytes = field(repr=False)
    place: Place
    framing: Callable[[Sequence[Event]], list[bytes]]
    """Returns the frames of the events of one read."""
    done_mark: bool
    """Whether the stream ends with ``[DONE]``."""
    problem_of: Callable[[Error], Problem]
    alert: Callable[[Error, Problem], None]
    """Called with each failure of an upstream, for the log."""
    on_disconnect: str = "cancel"

    async def stream(self, outlet: Outlet) -> None:
        """Carry a streamed call to its end, and account for it."""
        stream = self.client.stream(
            "POST", self.url, headers=self.headers, content=self.content, request_id=self.place.request_id
        )
        ending: Ending = "failed"
        status, error = 0, ""
        try:
            try:
                await self._carry(stream, outlet)
                ending, status = "success", 200
            except ClientGone:
                ending, status = "cancelled", outlet.status
            except asyncio.CancelledError:
                ending, status = "cut" if outlet.cut else "cancelled", outlet.status
                if not outlet.cut:
                    raise
                status = await _told(outlet, unavailable(None))
            except BudgetSpent:
                ending, error = "cut", "budget_spent"
                status = await _told(outlet, budget_spent())
            except Error as failure:
                problem = self.problem_of(failure)
                error = type(failure).__name__
                self.alert(failure, problem)
                status = await _told(outlet, problem)
            except Exception:
                error = "internal"
                status = await _told(outlet, internal())
                raise
        finally:
            if stream.usage is not None:
                self.place.meter.note(stream.usage)
            left = self.on_disconnect if outlet.left else ""
            await self.place.leave(ending, status, error=error, on_disconnect=left, **self._facts(stream))

    async def _carry(self, stream: AsyncStream, outlet: Outlet) -> None:
        place, meter = self.place, self.place.meter
        async with stream:
            place.begun()
            await outlet.open()
            ended = False
            async for events in stream.batches():
                if meter.take(stream, events) and meter.over:
                    await place.grow()
                ended = events[-1].type in _TERMINAL
                await outlet.write(self.framing(events), end=ended)
        if not ended:
            await outlet.write([_DONE] if self.done_mark else [], end=True)

    async def send(self, *, cut: Callable[[], bool]) -> PlainAnswer | Problem:
        """Make a call that is not streamed, and account for it. Returns the whole answer, or what to answer instead.

        `cut` tells, when the call is cancelled, whether the gateway or its client ends it.
        """
        place = self.place
        ending: Ending = "failed"
        status, facts = 0, dict[str, Any]()
        try:
            answer = await self._sent()
            place.meter.whole(answer)
            ending, status, facts = "success", answer.status_code, {"attempts": answer.attempts}
            return answer
        except asyncio.CancelledError:
            ending, status = ("cut", 503) if cut() else ("cancelled", 0)
            if not cut():
                raise
            return unavailable(None)
        except Error as failure:
            problem = self.problem_of(failure)
            self.alert(failure, problem)
            status = problem.status
            facts = {
                "error": type(failure).__name__,
                "attempts": failure.attempts,
                "upstream_request_id": failure.response_id or "",
            }
            return problem
        except Exception:
            status, facts = 500, {"error": "internal"}
            raise
        finally:
            await place.leave(ending, status, **facts)

    async def _sent(self) -> PlainAnswer:
        id = self.place.request_id
        answer = await self.client.send("POST", self.url, headers=self.headers, content=self.content, request_id=id)
        if not answer.content.lstrip().startswith(b"{"):  # such as a redirect, or a page of plain text
            raise ContentTypeError("expected JSON", request_id=id)
        return answer

    def _facts(self, stream: AsyncStream) -> dict[str, Any]:
        response, summary = stream.response, stream.call.summary
        header = stream.call.dialect.response_id_header
        return {
            "attempts": stream.attempts,
            "upstream_request_id": "" if response is None else response.headers.get(header) or "",
            "upstream_model": "" if summary is None else summary.model or "",
        }


async def _told(outlet: Outlet, problem: Problem) -> int:
    """Tell the client. Returns the status that it gets, also if it has gone meanwhile."""
    try:
        return await outlet.fail(problem)
    except ClientGone:
        return problem.status
