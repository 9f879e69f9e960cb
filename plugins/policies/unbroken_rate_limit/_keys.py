"""The queues of all keys, bounded in number."""

from collections import OrderedDict
from collections.abc import Hashable

from attrs import define, field

from ._config import RateLimitConfig
from ._costs import Costs
from ._gate import Gate
from ._queue import Queue


@define(eq=False)
class Keys:
    """Queues by key, the least recently used first. Used only inside the plugin's `Inbox`, one change at a time."""

    config: RateLimitConfig
    costs: Costs = field(init=False)
    """What an attempt costs under the limits."""
    _queues: OrderedDict[Hashable, Queue] = field(factory=OrderedDict[Hashable, Queue], init=False)

    def __attrs_post_init__(self) -> None:
        self.costs = Costs(self.config.buckets())

    def adjust(self, config: RateLimitConfig, now: float) -> None:
        """Go on with other limits."""
        self.config, self.costs = config, Costs(config.buckets())
        for queue in self._queues.values():
            queue.adjust(config.buckets(), self.costs, config.ramp, now)

    def get(self, key: Hashable, now: float) -> Queue:
        """Return the queue of `key`, created if there is none."""
        queue = self._queues.get(key)
        if queue is None:
            self._make_room(now)
            buckets = self.config.buckets()
            queue = self._queues[key] = Queue(tuple(buckets), tuple(buckets.values()), Gate(self.config.ramp))
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
        if len(queues) >= self.config.max_keys:
            free = [key for key, queue in queues.items() if not queue.in_use(now)]
            for key in free[: len(queues) - self.config.max_keys + 1]:
                del queues[key]
