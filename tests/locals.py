"""What an error tracker collects of a failure: the local variables of every frame of every traceback."""

import sys
from collections.abc import Iterator, Mapping, Sequence, Set
from types import TracebackType
from typing import Any

DEPTH = 6


def shown(value: Any, depth: int = DEPTH) -> str:
    """Return `value` as trackers do: containers with what is in them, everything else by its repr."""
    if depth and isinstance(value, Mapping):
        return str([(str(name), shown(each, depth - 1)) for name, each in value.items()])
    if depth and isinstance(value, Sequence | Set) and not isinstance(value, str | bytes | bytearray | memoryview):
        return str([shown(each, depth - 1) for each in value])
    if isinstance(value, memoryview):
        return repr(bytes(value))
    return repr(value)


def chain(error: BaseException | None, seen: set[int] | None = None) -> Iterator[BaseException]:
    """Yield `error`, its causes and contexts, and the members of groups."""
    seen = set() if seen is None else seen
    if error is None or id(error) in seen:
        return
    seen.add(id(error))
    yield error
    for other in (error.__cause__, error.__context__, *getattr(error, "exceptions", ())):
        yield from chain(other, seen)


def local_variables(error: BaseException, *, without: str) -> Iterator[tuple[str, str]]:
    """Yield where and what each local variable is, but not those of the files that begin with `without`."""
    for each in chain(error):
        traceback: TracebackType | None = each.__traceback__
        while traceback is not None:
            frame = traceback.tb_frame
            code = frame.f_code
            if not code.co_filename.startswith(without):
                for name, value in frame.f_locals.items():
                    yield f"{code.co_filename}:{traceback.tb_lineno} {code.co_name} {name}", shown(value)
            traceback = traceback.tb_next


def own_context(error: BaseException) -> BaseException | None:
    """Return what `error` was raised in the handling of, unless all that is raised now would have it.

    CPython 3.11 may leave an exception as the one that is handled, for good, when an interrupt meets a generator that
    is being thrown into; the tests of interrupts provoke that.
    """
    return None if error.__context__ is sys.exc_info()[1] else error.__context__
