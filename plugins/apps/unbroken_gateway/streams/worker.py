"""What the producers and the readers of one worker share."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, cast

from attrs import define, field

from unbroken.clock import Clock

from ..config.settings import Resume
from ..replies.frames import Form
from . import Page, StreamLog
from .cursors import Kind
from .writing import Writer

FrameOf = Callable[[Form, Kind], bytes]
"""Makes the terminal frame of a stream that ends by `Kind`."""


@define(eq=False, kw_only=True)
class Live:
    """A stream whose producer is in this worker."""

    writer: Writer
    form: Form
    unread_since: float
    look_at: float
    """When to look next whether another worker has a reader."""
    readers: int = 0
    """Those in this worker."""


@define(eq=False, kw_only=True)
class Worker:
    """The log, the settings and the streams of a worker."""

    log: StreamLog
    settings: Resume
    frame_of: FrameOf
    clock: Clock
    live: dict[str, Live] = field(factory=dict[str, Live])
    errands: set[asyncio.Task[None]] = field(factory=set[asyncio.Task[None]])
    """Tasks that nothing waits for but the end of the worker."""

    @property
    def presence(self) -> float:
        """Seconds after which a reader that does not attend again loses its place."""
        return 2 * self.settings.lease

    def writes(self, id: str) -> bool:
        """Whether the stream `id` has its producer in this worker."""
        return id in self.live and self.live[id].writer.reason is None


def run_task(work: Coroutine[Any, Any, None], tasks: set[asyncio.Task[None]]) -> asyncio.Task[None]:
    """Start a task that is in `tasks` until it ends."""
    task = asyncio.get_running_loop().create_task(work)
    tasks.add(task)
    task.add_done_callback(tasks.discard)
    return task


def owner_with_form(owner: str, form: Form) -> str:
    """Return what the log keeps as the owner: any worker must be able to end the stream in its form."""
    return f"{form} {owner}"


def owner_of(page: Page) -> str:
    """Return the owner of a log."""
    return page.owner.partition(" ")[2]


def form_of(page: Page) -> Form:
    """Return the form of the frames of a log."""
    return cast("Form", page.owner.partition(" ")[0])
