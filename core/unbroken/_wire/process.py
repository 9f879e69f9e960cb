"""Which process this is: sockets, pools and threads of a parent are not used after a fork."""

import os

current: object = object()
"""Another object in every process. What belongs to a process keeps it and compares by identity."""


def _forked() -> None:
    global current  # noqa: PLW0603  # one process, one identity
    current = object()


if hasattr(os, "register_at_fork"):  # pragma: no branch  # everywhere but on Windows
    os.register_at_fork(after_in_child=_forked)
