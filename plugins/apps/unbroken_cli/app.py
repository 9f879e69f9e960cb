"""The root of the command line. It finds its commands in the entry point group `unbroken.commands`.

An entry point leads to a function, whose arguments and docstring typer reads, or to a `typer.Typer`. A name of this
distribution always means its own command. A command of another distribution with such a name, or with a name that two
distributions offer, is called ``distribution:name``.
"""

import gc
from difflib import get_close_matches
from functools import cached_property
from inspect import isfunction
from typing import Annotated, Any, Final, cast

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command

from ._console import UNUSABLE, printable, say, tolerate_encodings
from ._installed import HOME, Offer, installed

ORDER: Final = (
    "demo",
    "doctor",
    "plugins",
    "explain",
    "config",
    "stream",
    "chat",
    "faults",
    "top",
    "new-plugin",
    "serve",
    "keys",
    "audit",
)
"""The order of the help. Entry points have none."""

Command = TyperCommand | TyperGroup


class Commands(TyperGroup):
    """The commands of all installed distributions. Each is imported when it is run or when its help is shown."""

    @cached_property
    def own(self) -> dict[str, Offer]:
        """The commands of this distribution by name, in the order of the help."""
        found = {offer.name: offer for offer in self._installed.get(HOME, ())}
        return {name: found[name] for name in (*ORDER, *found) if name in found}

    @cached_property
    def others(self) -> list[Offer]:
        """The commands of all other distributions."""
        offers = (offer for home, found in self._installed.items() if home != HOME for offer in found)
        return sorted(offers, key=lambda offer: offer.id)

    @cached_property
    def _installed(self) -> dict[str, list[Offer]]:
        return installed()

    def list_commands(self, ctx: Any) -> list[str]:
        """Return the names under which the commands can be run: our own, then those of others."""
        taken = [*self.own, *(offer.name for offer in self.others)]
        names = (offer.name if taken.count(offer.name) == 1 else offer.id for offer in self.others)
        return [*self.own, *sorted(names)]

    def get_command(self, ctx: Any, cmd_name: str) -> Command | None:
        """Return the command to run for `cmd_name`. Ends with a usage error when there is none."""
        if cmd_name in self.own:
            return _command(self.own[cmd_name], cmd_name)
        offers = [offer for offer in self.others if cmd_name in (offer.name, offer.id)]
        if not offers:
            close = get_close_matches(cmd_name, self.list_commands(ctx))
            proposal = f" Did you mean {', '.join(map(repr, close))}?" if close else ""
            ctx.fail(f"No such command {cmd_name!r}.{proposal}")
        if len(offers) > 1:
            choices = " or ".join(f"unbroken {offer.id}" for offer in offers)
            return _unusable(cmd_name, f"{cmd_name!r} is offered by several distributions; run {choices}")
        command = _command(offers[0], cmd_name)
        if offers[0].name in self.own:
            note = f"Not run by {offers[0].name!r}, which is a command of {HOME} itself."
            command.short_help = f"{note} {command.short_help or command.help or ''}"
        return command

    def invoke(self, ctx: Any) -> Any:
        """Run the command. It may import more packages while it runs, and these may be missing."""
        try:
            return super().invoke(ctx)
        except ImportError as error:
            name = ctx.invoked_subcommand
            offer = self.own.get(name) or next(each for each in self.others if name in (each.name, each.id))
            say(f"{printable(_failure(offer, error))}\n")
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
        from unbroken import __version__

        typer.echo(f"unbroken {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    gc.enable()  # `main` has disabled it


def _command(offer: Offer, name: str) -> Command:
    """Import a command. When that fails, return one that explains why and exits with 2."""
    try:
        loaded = offer.load()
        if not isinstance(loaded, typer.Typer) and not isfunction(loaded):
            return _unusable(name, f"{offer} is neither a function nor a typer.Typer")
        command = cast(Command, get_command(_application(loaded)))
    except (Exception, SystemExit) as error:  # noqa: BLE001  # importing a module may even exit
        return _unusable(name, _failure(offer, error))
    command.name = name
    return command


def _failure(offer: Offer, error: BaseException) -> str:
    return f"{offer} cannot be imported: {type(error).__name__}: {error}"


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
