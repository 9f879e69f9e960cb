"""A scripted world of several hosts, each with answers of its own."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from unbroken import Request
from unbroken.testing import Answer, sse

OWN = "https://api.example.org/v1/messages"
WHOLE = Answer(body=sse("whole"))


def status(code: int, **headers: str) -> Answer:
    return Answer(status=code, headers={name.replace("_", "-"): value for name, value in headers.items()})


def world(**hosts: Answer | Iterable[Answer]) -> Callable[[Request], Answer]:
    """Return a script: each host by its first label gives its answer, or its answers in order and then the last."""
    left = {name: [answers] if isinstance(answers, Answer) else list(answers) for name, answers in hosts.items()}

    def answer(request: Request) -> Answer:
        answers = left[host(request)]
        return answers.pop(0) if len(answers) > 1 else answers[0]

    return answer


def host(request: Request) -> str:
    return request.origin.removeprefix("https://").partition(".")[0]


def hosts(played: Any) -> list[str]:
    """Return where the requests of a call went."""
    return [host(request) for request in played.requests]


def keys(played: Any, header: str = "x-api-key") -> list[str | None]:
    return [request.headers.get(header) for request in played.requests]


def reasons(played: Any) -> list[str]:
    return [attempt.reason for attempt in played.history]


def url(name: str) -> str:
    return f"https://{name}.example.net"


def with_key(*values: str) -> tuple[Mapping[str, str], ...]:
    return tuple({"x-api-key": value} for value in values)
