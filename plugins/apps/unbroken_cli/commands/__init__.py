"""The commands and their options. Each imports its implementation when it runs, so that ``--help`` is quick.

The entry point group `unbroken.commands` in pyproject.toml names these functions, and the one of `new_plugin`. Typer
prints the docstrings; it keeps the line breaks after the first paragraph, so those lines are short enough for 80
columns.
"""

from ._asking import chat, stream
from ._failing import demo, doctor, faults
from ._showing import config, explain, plugins, top

__all__ = ("chat", "config", "demo", "doctor", "explain", "faults", "plugins", "stream", "top")
