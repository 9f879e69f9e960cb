"""A row of the audit as it is read, and the rows as they are written."""

from collections.abc import Mapping, Sequence
from typing import Any, cast

import attrs
import msgspec
from attrs import field, frozen

from ..values import AuditEnd, AuditStart


@frozen(kw_only=True)
class AuditRow:
    """One call. `end` is None while it is under way."""

    id: int
    """The number of the row: our own, as the ids of others can repeat."""
    worker: str
    """The id of the process that served it."""
    start: AuditStart
    end: AuditEnd | None = field(default=None)

    @property
    def state(self) -> str:
        """The ending, or ``started``."""
        return "started" if self.end is None else self.end.ending

    def to_dict(self, *, prompt: bool = False) -> dict[str, Any]:
        """Return the row as plain values that can be encoded as JSON; the prompt only where it is asked for."""
        start = attrs.asdict(self.start, recurse=False)
        content = cast("bytes | None", start.pop("prompt"))
        started_at = start.pop("at")
        row = {"id": self.id, "worker": self.worker, "state": self.state, "started_at": started_at, **start}
        if self.end is not None:
            end = attrs.asdict(self.end, recurse=False)
            del end["request_id"], end["ending"]
            row |= {"ended_at": end.pop("at"), **end}
        if prompt:
            row["prompt"] = None if content is None else content.decode("utf-8", "replace")
        return row


_START = tuple(each.name for each in attrs.fields(AuditStart) if each.name not in {"at", "streamed", "prompt"})
_END = tuple(each.name for each in attrs.fields(AuditEnd) if each.name not in {"at", "request_id"})


def of_start(row: AuditStart) -> dict[str, Any]:
    """Return a start as the statement wants it."""
    prompt = None if row.prompt is None else row.prompt.decode("utf-8", "replace")
    subject = row.user.removeprefix(f"{row.issuer}|")
    return {**attrs.asdict(row, recurse=False), "prompt": prompt, "subject": subject}


def of_end(row: AuditEnd, *, orphan: bool = True) -> dict[str, Any]:
    """Return an ending as the statement wants it. With `orphan` it gets a row even if it has no start."""
    return {**attrs.asdict(row, recurse=False), "orphan": orphan}


def read(columns: Mapping[str, Any]) -> AuditRow:
    """Return the row of these columns."""
    prompt = columns["prompt"]
    start = AuditStart(
        at=columns["started_at"],
        streamed=bool(columns["streamed"]),
        prompt=None if prompt is None else prompt.encode(),
        **{name: columns[name] for name in _START},
    )
    end = None
    if columns["ending"] is not None:
        known = {name: columns[name] for name in _END if columns[name] is not None}
        end = AuditEnd(request_id=start.request_id, at=columns["ended_at"], **known)
    return AuditRow(id=columns["id"], worker=columns["worker"], start=start, end=end)


def subjects(name: str) -> list[str]:
    """Return what the id of a user at its issuer may be: `name`, and each end of it behind a bar."""
    return [name, *(name[place + 1 :] for place, letter in enumerate(name) if letter == "|")]


def encode(rows: Sequence[dict[str, Any]]) -> str:
    """Return rows as the JSON parameter of a statement.

    SQLite ends a text at U+0000, so that a name could pass for another; this and lone surrogates become U+FFFD.
    """
    try:
        text = msgspec.json.encode(rows)
    except UnicodeEncodeError:
        text = b"\\u0000"
    if b"\\u0000" in text:
        text = msgspec.json.encode([{name: _clean(value) for name, value in row.items()} for row in rows])
    return text.decode()


def _clean(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    return value.replace("\0", "\ufffd").encode("utf-16", "surrogatepass").decode("utf-16", "replace")
