"""Scopes of ASGI, and the rows of the table of errors."""

from typing import Any

from unbroken_gateway.replies import errors
from unbroken_gateway.replies.errors import Problem

Fields = list[tuple[bytes, bytes]]

HOST = (b"host", b"api.example.com")
JSON = (b"content-type", b"application/json")


def scope(*headers: tuple[bytes, bytes], method: str = "POST", path: str = "/v1/messages", **more: Any) -> Any:
    """An ASGI scope as uvicorn makes it."""
    names = {"raw_path": path.encode(), "query_string": b"", **more}
    return {"type": "http", "method": method, "path": path, "headers": list(headers), **names}


def table() -> dict[str, Problem]:
    """Each row, by the name of its function."""
    made = {
        "too_many_bad_credentials": errors.too_many_bad_credentials(7),
        "user_limit": errors.user_limit(7),
        "wrong_method": errors.wrong_method("GET, DELETE"),
    }
    names = [
        name
        for name, value in vars(errors).items()
        if getattr(value, "__module__", None) == errors.__name__ and callable(value) and not name.startswith("_")
    ]
    rows = [name for name in names if name not in ("Problem", "Refused", "denied", *made)]
    return made | {name: getattr(errors, name)() for name in rows}


def value(headers: Fields, name: str) -> str | None:
    """The value of a header that is there at most once."""
    found = [text.decode() for key, text in headers if key == name.encode()]
    assert len(found) <= 1
    return found[0] if found else None
