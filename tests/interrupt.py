"""A KeyboardInterrupt at any line, for tests that try them all."""

import contextlib
import sys
from collections.abc import Iterator
from types import FrameType
from typing import Any


class Interrupt:
    """Raises KeyboardInterrupt at the nth line of the files `house` that the present thread runs."""

    def __init__(self, at: int, house: tuple[str, ...]) -> None:
        self.left = at
        self.where = ""
        self._house = house

    def __call__(self, frame: FrameType, event: str, argument: Any) -> Any:
        if not frame.f_code.co_filename.startswith(self._house) or self.left < 0:
            return None
        if event == "line":
            self.left -= 1
            if self.left < 0:
                self.where = f"{frame.f_code.co_filename}:{frame.f_lineno} {frame.f_code.co_name}"
                raise KeyboardInterrupt
        return self

    @contextlib.contextmanager
    def armed(self) -> Iterator[None]:
        before = sys.gettrace()
        sys.settrace(self)
        try:
            yield
        finally:
            sys.settrace(before)
