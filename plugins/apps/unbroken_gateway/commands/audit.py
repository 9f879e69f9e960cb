"""`unbroken audit`: the rows of the audit, read from its file while the gateway runs or afterwards."""

import os
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, NoReturn

import typer

from ._complaints import complain, printable
from ._table import print_table

if TYPE_CHECKING:
    from ..audit import AuditRow, Reader

UNUSABLE = 2
"""Exit code: the configuration or the file cannot be used."""
NOTHING = 1
"""Exit code: there is no such row."""

_HEADINGS: Final = ("when", "ending", "status", "user", "model", "tokens", "USD", "seconds", "request")
_NUMBERS: Final = frozenset({"status", "tokens", "USD", "seconds"})

ConfigOption = Annotated[
    Path | None, typer.Option("--config", metavar="FILE", help="The configuration of the gateway.", dir_okay=False)
]
JSONOption = Annotated[bool, typer.Option("--json", help="Print one line of JSON per call.")]
LimitOption = Annotated[int, typer.Option("--limit", "-n", min=1, max=100_000, help="The most calls to print.")]

audit = typer.Typer(name="audit", add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False)


@audit.callback()
def _group() -> None:
    """Show who called which model, what it cost, and how it ended."""


@audit.command()
def tail(config: ConfigOption = None, limit: LimitOption = 20, as_json: JSONOption = False) -> None:
    """Print the newest calls, the newest last."""
    _print(_read(config, lambda reader: reader.tail(limit)), as_json=as_json)


@audit.command()
def user(
    name: Annotated[str, typer.Argument(metavar="NAME", help="As at the issuer, or with it: 'keys|alice'.")],
    config: ConfigOption = None,
    limit: LimitOption = 20,
    as_json: JSONOption = False,
) -> None:
    """Print the newest calls of one user, the newest last."""
    _print(_read(config, lambda reader: reader.by_user(name, limit)), as_json=as_json)


@audit.command()
def show(
    id: Annotated[str, typer.Argument(metavar="ID", help="The id of a request: the gateway's, or another's.")],
    config: ConfigOption = None,
    as_json: JSONOption = False,
) -> None:
    """Print everything about a call.

    ID is the request id that the client was given, or the client's own, that of the
    upstream, or the id of a stream. Exits with 1 when there is no such call.
    """
    rows = _read(config, lambda reader: reader.show(id))
    if not rows:
        typer.echo(f"there is no call with the id {printable(id)}", err=True)
        raise typer.Exit(NOTHING)
    if as_json:
        _print(rows, as_json=True, prompt=True)
        return
    for row in rows:
        values = row.to_dict(prompt=True).items()
        typer.echo("".join(f"{name:20} {_shown(name, value)}\n" for name, value in values if value not in (None, "")))


def _read(config: Path | None, ask: "Callable[[Reader], list[AuditRow]]") -> "list[AuditRow]":
    """Return the rows in the file that the configuration names, or exit with 2."""
    import sqlite3

    from unbroken import ConfigurationError

    from ..audit import Reader
    from ..config.loading import load

    try:
        path = load(config, os.environ, secrets=()).audit.path
    except ConfigurationError as error:
        complain(error)
        raise typer.Exit(UNUSABLE) from None
    if path is None:
        _unusable("this gateway keeps its audit in memory; [gateway.audit] path names a file")
    try:
        with Reader(Path(path)) as reader:
            return ask(reader)
    except sqlite3.Error as error:
        _unusable(f"{path}: {error}")


def _unusable(text: str) -> NoReturn:
    typer.echo("\n".join(map(printable, text.splitlines())), err=True)
    raise typer.Exit(UNUSABLE)


def _print(rows: "Sequence[AuditRow]", *, as_json: bool, prompt: bool = False) -> None:
    if as_json:
        import msgspec

        for row in reversed(rows):
            typer.echo(msgspec.json.encode(row.to_dict(prompt=prompt)))
        return
    _table(rows)


def _table(rows: "Sequence[AuditRow]") -> None:
    print_table(_HEADINGS, [_cells(row) for row in reversed(rows)], right=_NUMBERS)


def _cells(row: "AuditRow") -> tuple[str, ...]:
    start, end = row.start, row.end
    names = (start.user, start.model)
    when = _time(start.at)
    if end is None:
        return when, row.state, "", *names, "", "", "", start.request_id
    counted = [number for number in (end.input_tokens, end.output_tokens) if number is not None]
    tokens = str(sum(counted)) if counted else f"~{end.estimated_tokens}"
    cost = f"{end.micro_usd / 1e6:.4f}"
    return when, row.state, str(end.status), *names, tokens, cost, f"{end.duration:.1f}", start.request_id


def _shown(name: str, value: object) -> str:
    if name in ("started_at", "ended_at") and isinstance(value, float):
        return _time(value)
    return printable(str(value))


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S")
