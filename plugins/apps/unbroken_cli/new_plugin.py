"""`unbroken new-plugin`: write a distribution with a plugin or a dialect, its tests and a README."""

import builtins
import keyword
import re
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Final

import typer
from attrs import frozen

from ._console import UNUSABLE, printable, say

_NAME: Final = re.compile(r"[A-Z0-9](?:[A-Z0-9._-]*[A-Z0-9])?", re.ASCII | re.IGNORECASE)
"""https://packaging.python.org/en/latest/specifications/name-normalization/"""
_LONGEST: Final = 64
_SETTINGS: Final = ("plugins", "transport", "insecure")
"""What stands beside the tables of the plugins in a configuration."""


class NameRefusedError(ValueError):
    """The name cannot be used; the message says why."""


@frozen
class Names:
    """What a new distribution and its parts are called."""

    name: str
    """The normalized name of the distribution, which is also that of its entry point."""
    module: str
    cls: str


def new_plugin(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The distribution, such as acme-limit.")],
    dialect: Annotated[bool, typer.Option("--dialect", help="Write a dialect instead of a policy.")] = False,
    directory: Annotated[
        Path,
        typer.Option(
            "--directory",
            metavar="DIR",
            file_okay=False,
            show_default=False,
            help="Where the folder NAME is made; here unless given.",
        ),
    ] = Path(),
) -> None:
    """Write a distribution with a plugin that works: its source, tests, README.

    Overwrites nothing. Exits with 0, with 2 when the name cannot be used, or when
    the folder is there already or cannot be written.
    """
    from ._skeleton import files

    try:
        names = names_for(name)
    except NameRefusedError as error:
        raise typer.BadParameter(printable(str(error)), param_hint="NAME") from None
    folder = directory / names.name
    try:
        write(folder, files(names.name, names.module, names.cls, dialect=dialect))
    except FileExistsError:
        say(f"{printable(str(folder))} is there already, and nothing in it was changed\n")
        raise typer.Exit(UNUSABLE) from None
    except OSError as error:
        say(f"{printable(str(folder))} cannot be written: {error.strerror or error}\n")
        raise typer.Exit(UNUSABLE) from None
    kind = "dialect" if dialect else "plugin"
    typer.echo(f"{printable(str(folder))} has the {kind} {names.name!r}. Next:\n")
    typer.echo(f"  cd {printable(str(folder))}\n  pip install -e . --group test\n  pytest")


def names_for(name: str) -> Names:
    """Return the names of a distribution `name` and of its parts. Raises NameRefusedError.

    Refused are names that no distribution may have (PEP 508), that lead to no module, and that are taken here: by a
    module, which would hide the new one or be hidden, or by a plugin, dialect or transport.
    """
    if len(name) > _LONGEST or _NAME.fullmatch(name) is None:
        shown = name if len(name) <= _LONGEST else f"{name[:_LONGEST]}…"
        rule = f"at most {_LONGEST} letters, digits, '-', '_' and '.', with a letter or a digit at both ends"
        raise NameRefusedError(f"{shown!r} cannot be the name of a distribution: it needs {rule}")
    normalized = re.sub(r"[-_.]+", "-", name).lower()
    module = normalized.replace("-", "_")
    if not module.isidentifier() or keyword.iskeyword(module):
        raise NameRefusedError(f"{name!r} would have the module {module!r}, which Python cannot import")
    if normalized in _SETTINGS:
        raise NameRefusedError(f"{name!r} is a setting in a configuration, where it would be the plugin's table")
    _check_free(name, normalized, module)
    return Names(normalized, module, _class_name(normalized))


def _class_name(normalized: str) -> str:
    """Return the name of the class: none that the new modules import, and none of Python's own."""
    import unbroken
    from unbroken import testing

    name = "".join(part.capitalize() for part in normalized.split("-"))
    return f"Own{name}" if name in {"Any", *unbroken.__all__, *testing.__all__, *dir(builtins)} else name


def _check_free(name: str, normalized: str, module: str) -> None:
    """Raise NameRefusedError if the name is taken by anything that is installed here."""
    from unbroken.registry import DIALECTS, PLUGINS, TRANSPORTS, discover

    for kind, group in {"plugin": PLUGINS, "dialect": DIALECTS, "transport": TRANSPORTS}.items():
        for each in discover(group):
            if each.name == normalized:
                raise NameRefusedError(f"{name!r} is already a {kind} of {each.distribution} {each.version}")
    try:
        taken = find_spec(module) is not None
    except ValueError:  # a module that is imported and has no spec, such as __main__
        taken = True
    if taken:
        raise NameRefusedError(f"{name!r} would have the module {module!r}, and there is one of that name already")


def write(folder: Path, content: dict[str, str]) -> None:
    """Write the files of `content` into a new `folder`. Raises FileExistsError if it is there, otherwise OSError."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    folder.mkdir()  # of two that write at the same time one fails
    for name, text in content.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("x", encoding="utf-8", newline="\n") as file:
            file.write(text)
