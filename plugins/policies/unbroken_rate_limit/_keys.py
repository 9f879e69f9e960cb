"""The queues of all keys, bounded in number."""

from collections import OrderedDict
from collections.abc import Callable, Hashable

from attrs import define, field

from ._queue import Queue


@define(eq=False)
class Keys:
    """Queues by key, the least recently used first. Used only inside the plugin's `Inbox`, one change at a time."""

    _make: Callable[[], Queue]
    _most: int
    _queues: OrderedDict[Hashable, Queue] = field(factory=OrderedDict[Hashable, Queue], init=False)

    def get(self, key: Hashable, now: float) -> Queue:
        """Return the queue of `key`, created if there is none."""
        queue = self._queues.get(key)
        if queue is None:
            self._make_room(now)
            queue = self._queues[key] = self._make()
        else:
            self._queues.move_to_end(key)
        return queue

    def __len__(self) -> int:
        return len(self._queues)

    def all(self) -> list[tuple[Hashable, Queue]]:
        """Return every key with its queue."""
        return list(self._queues.items())

    def _make_room(self, now: float) -> None:
        """Forget the oldest queues at rest, which loses nothing; if that is not enough, the oldest that is not in use.

        A queue that is in use or behind a closed gate stays, however many there are.
        """
        queues = self._queues
        while queues and next(iter(queues.values())).at_rest(now):
            queues.popitem(last=False)
        if len(queues) >= self._most:
            free = [key for key, queue in queues.items() if not queue.in_use(now)]
            for key in free[: len(queues) - self._most + 1]:
                del queues[key]
