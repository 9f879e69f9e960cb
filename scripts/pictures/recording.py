"""Pictures of what commands print: real runs, at the width of 100 columns."""

import io
import os
import re
import shlex
import subprocess
import sys
from html import escape
from pathlib import Path
from typing import Final

from attrs import frozen
from rich.console import Console
from rich.terminal_theme import TerminalTheme
from rich.text import Text

WIDTH: Final = 100
SECONDS: Final = 300
"""A command that takes longer is stopped."""

# Each colour has a contrast of 4.5 to the background, also where the command dims it.
THEME: Final = TerminalTheme(
    (13, 17, 23),
    (230, 237, 243),
    [
        (13, 17, 23),
        (255, 123, 114),
        (63, 185, 80),
        (210, 153, 34),
        (88, 166, 255),
        (188, 140, 255),
        (57, 197, 207),
        (230, 237, 243),
    ],
)

# The animations are left out, and with them all that is not a colour: where a cursor is hidden, say.
_ENVIRONMENT: Final = {
    "COLUMNS": str(WIDTH),
    "FORCE_COLOR": "1",
    "COLORTERM": "truecolor",
    "TTY_INTERACTIVE": "0",
    "PYTHONIOENCODING": "utf-8",
}
_NO_COLOUR: Final = re.compile(r"\x1b\[[?0-9;]*[a-ln-zA-Z]")

_FORMAT: Final = """\
<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {{width}} {{height}}" role="img" aria-labelledby="title desc">
<title id="title">{title}</title>
<desc id="desc">{description}</desc>
<style>
.{{unique_id}}-matrix {{{{ font: {{char_height}}px/{{line_height}}px ui-monospace, monospace }}}}
.{{unique_id}}-title {{{{ font: bold 18px system-ui, sans-serif }}}}
{{styles}}
</style>
<defs>
<clipPath id="{{unique_id}}-clip-terminal"><rect width="{{terminal_width}}" height="{{terminal_height}}"/></clipPath>
{{lines}}
</defs>
{{chrome}}
<g transform="translate({{terminal_x}}, {{terminal_y}})" clip-path="url(#{{unique_id}}-clip-terminal)">
{{backgrounds}}
<g class="{{unique_id}}-matrix">
{{matrix}}
</g>
</g>
</svg>
"""


class CommandFailed(Exception):
    """The command did not end as it should have."""


@frozen(kw_only=True)
class Recording:
    """A command, and what its picture is called."""

    name: str
    arguments: tuple[str, ...]
    description: str

    @property
    def command(self) -> str:
        """What a user types."""
        return shlex.join(("unbroken", *self.arguments))

    def record(self) -> str:
        """Run the command and return the picture of it. Raises CommandFailed if it does not end well."""
        program = Path(sys.executable).with_name("unbroken")
        environment = {name: value for name, value in os.environ.items() if name != "NO_COLOR"} | _ENVIRONMENT
        try:
            done = subprocess.run(  # noqa: S603  # the command of this project
                [program, *self.arguments], capture_output=True, env=environment, timeout=SECONDS, check=True
            )
        except (OSError, subprocess.SubprocessError) as error:
            raise CommandFailed(f"{self.command}: {error}") from error
        return self.picture(done.stdout.decode())

    def picture(self, output: str) -> str:
        """Return the picture of `output`, which has the colours of a terminal, below the command."""
        console = Console(record=True, width=WIDTH, file=io.StringIO(), legacy_windows=False, color_system="truecolor")
        console.print(Text.assemble(("$ ", "dim"), (self.command, "bold")))
        for line in _NO_COLOUR.sub("", output).splitlines():
            console.print(Text.from_ansi(line), no_wrap=True, crop=False, overflow="ignore")
        form = _FORMAT.format(title=escape(self.command), description=escape(self.description))
        document = console.export_svg(title=self.command, theme=THEME, code_format=form, unique_id=self.name)
        return "\n".join(line.strip() for line in document.splitlines() if line.strip()) + "\n"


_FEW: Final = ("overloaded", "pings-only", "cut", "retry-after-a-day")

RECORDINGS: Final = (
    Recording(
        name="demo",
        arguments=("demo",),
        description="Conversations with a server that fails. For each fault: what went wrong, what the policies "
        "decided and what the consumer got; then a table of how each ended.",
    ),
    Recording(
        name="demo-few",
        arguments=("demo", *(word for row in _FEW for word in ("--only", row))),
        description="Four conversations with a server that fails: two failures before the first word are retried, one "
        "after it is raised, and a wait of a day is refused at once.",
    ),
    Recording(
        name="doctor",
        arguments=("doctor", "anthropic", "openai"),
        description="For each fault what a program saw with the SDKs of Anthropic and OpenAI, alone and under "
        "Unbroken, with the requests that the server got and the seconds until the program knew.",
    ),
)
