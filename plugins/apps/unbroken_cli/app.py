"""The root of the command line. It finds its commands in the entry point group `unbroken.commands`.

An entry point leads to a function, whose arguments and docstring typer reads, or to a `typer.Typer`. A name of this
distribution always means its own command. A command of another distribution with such a name, or with a name that two
distributions offer, is called ``distribution:name``.
"""

import gc
from difflib import get_close_matches
from functools import cached_property
from inspect import isfunction
from typing import TYPE_CHECKING, Annotated, Any, Final, NamedTuple, cast

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command

from ._console import UNUSABLE, printable, say, tolerate_encodings

if TYPE_CHECKING:
    from importlib.metadata import Distribution, EntryPoint

GROUP: Final = "unbroken.commands"
HOME: Final = "unbroken"
"""The distribution whose commands keep their names."""
ORDER: Final = ("demo", "plugins", "explain", "stream", "chat", "faults", "top")
"""The order of the help. Entry points have none."""

Command = TyperCommand | TyperGroup


class Offer(NamedTuple):
    """A command and the distribution that offers it."""

    entry_point: "EntryPoint"
    distribution: str
    version: str

    @property
    def name(self) -> str:
        """The name that the distribution gives to its command."""
        return self.entry_point.name

    @property
    def id(self) -> str:
        """``distribution:name``."""
        return f"{self.distribution}:{self.name}"

    def command(self, name: str) -> Command:
        """Import the command. When that fails, return one that explains why and exits with 2."""
        try:
            loaded = self.entry_point.load()
            if not isinstance(loaded, typer.Typer) and not isfunction(loaded):
                return _unusable(name, f"{self} is neither a function nor a typer.Typer")
            command = cast(Command, get_command(_application(loaded)))
        except (Exception, SystemExit) as error:  # noqa: BLE001  # importing a module may even exit
            return _unusable(name, self.failure(error))
        command.name = name
        return command

    def failure(self, error: BaseException) -> str:
        """Return a sentence that says which distribution is broken, and how."""
        return f"{self} cannot be imported: {type(error).__name__}: {error}"

    def __str__(self) -> str:
        return f"{self.entry_point.value} of distribution {self.distribution} {self.version}"


class Commands(TyperGroup):
    """The commands of all installed distributions. Each is imported when it is run or when its help is shown."""

    @cached_property
    def own(self) -> dict[str, Offer]:
        """The commands of this distribution by name, in the order of the help; empty when it is not installed."""
        from importlib import metadata

        try:
            found = {offer.name: offer for offer in _offers(metadata.distribution(HOME))}
        except metadata.PackageNotFoundError:
            return {}
        return {name: found[name] for name in (*ORDER, *found) if name in found}

    @cached_property
    def others(self) -> list[Offer]:
        """The commands of all other distributions. A distribution with broken metadata has none."""
        from importlib import metadata

        found: dict[str, list[Offer]] = {HOME: []}
        for distribution in metadata.distributions():
            try:
                offers = _offers(distribution)
            except Exception:  # noqa: BLE001, S112  # one broken distribution must not break the command line
                continue
            if offers:  # the first on sys.path is the one that is imported
                found.setdefault(_normalized(offers[0].distribution), offers)
        return sorted((offer for offers in found.values() for offer in offers), key=lambda offer: offer.id)

    def list_commands(self, ctx: Any) -> list[str]:
        """Return the names under which the commands can be run: our own, then those of others."""
        names = [offer.name for offer in self.others]
        unique = [name if names.count(name) == 1 and name not in self.own else "" for name in names]
        return [*self.own, *sorted(name or offer.id for name, offer in zip(unique, self.others, strict=True))]

    def get_command(self, ctx: Any, cmd_name: str) -> Command | None:
        """Return the command to run for `cmd_name`. Ends with a usage error when there is none."""
        if cmd_name in self.own:
            return self.own[cmd_name].command(cmd_name)
        for offer in (each for each in self.others if each.id == cmd_name):
            command = offer.command(cmd_name)
            if offer.name in self.own:
                note = f"Not run by {offer.name!r}, which is a command of {HOME} itself."
                command.short_help = f"{note} {command.short_help or command.help or ''}"
            return command
        named = [each for each in self.others if each.name == cmd_name]
        if len(named) > 1:
            choices = " or ".join(f"unbroken {each.id}" for each in named)
            return _unusable(cmd_name, f"{cmd_name!r} is offered by several distributions; run {choices}")
        if not named:
            close = get_close_matches(cmd_name, self.list_commands(ctx))
            proposal = f" Did you mean {', '.join(map(repr, close))}?" if close else ""
            ctx.fail(f"No such command {cmd_name!r}.{proposal}")
        return named[0].command(cmd_name)

    def invoke(self, ctx: Any) -> Any:
        """Run the command. It may import more packages while it runs, and these may be missing."""
        try:
            return super().invoke(ctx)
        except ImportError as error:
            name = ctx.invoked_subcommand
            offer = self.own.get(name) or next(each for each in self.others if name in (each.name, each.id))
            say(f"{printable(offer.failure(error))}\n")
            raise typer.Exit(UNUSABLE) from error


app = typer.Typer(
    cls=Commands,
    name="unbroken",
    help="Consume event streams over HTTP without losing, duplicating or waiting forever for anything.",
    add_completion=False,
    no_args_is_help=True,
    # A traceback with local variables would print keys and prompts.
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def run() -> None:
    """Run the command line."""
    tolerate_encodings()
    app()


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"unbroken {version(HOME)}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    gc.enable()  # `main` has disabled it


def _offers(distribution: "Distribution") -> list[Offer]:
    if f"[{GROUP}]" not in (distribution.read_text("entry_points.txt") or ""):  # parsing all of them is slow
        return []
    entry_points = [each for each in distribution.entry_points if each.group == GROUP]
    return [Offer(each, distribution.name, distribution.version) for each in entry_points]


def _normalized(distribution: str) -> str:
    import re

    return re.sub(r"[-_.]+", "-", distribution).lower()


def _application(loaded: Any) -> typer.Typer:
    if isinstance(loaded, typer.Typer):
        return loaded
    made = typer.Typer(add_completion=False)
    made.command()(loaded)
    return made


def _unusable(name: str, problem: str) -> Command:
    """Return a command that prints `problem` and exits with 2, whatever its arguments are."""
    from rich.markup import escape

    def explain() -> None:
        say(f"{printable(problem)}\n")
        raise typer.Exit(UNUSABLE)

    made = typer.Typer(add_completion=False)
    anything = {"ignore_unknown_options": True, "allow_extra_args": True}
    made.command(name, help=escape(printable(problem)), add_help_option=False, context_settings=anything)(explain)
    return cast(Command, get_command(made))
