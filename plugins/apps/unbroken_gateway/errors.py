"""What the gateway answers instead of a reply. The texts are fixed: what an upstream or a bug said is only logged."""

from attrs import field, frozen


@frozen(kw_only=True)
class Problem:
    """One row of the table of errors."""

    name: str
    """The name of the cause, for logs, metrics and the audit."""
    status: int
    anthropic: str
    """``error.type`` of the Anthropic body."""
    openai: str
    """``error.code`` of the OpenAI body."""
    message: str
    retry_after: float | None = None
    """Seconds."""
    should_retry: bool | None = None
    """``x-should-retry``; None leaves it out."""
    alert: bool = False
    """Whether the operator must act."""
    headers: tuple[tuple[str, str], ...] = field(default=())
    """Further headers, such as ``allow``."""


class Refused(Exception):
    """The request is answered with `problem`."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.name)
        self.problem = problem
