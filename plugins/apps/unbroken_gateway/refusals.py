"""The refusals of the rules and routes, until the table of errors has them."""

from .errors import Problem, Refused


def not_found() -> Refused:
    """Return the refusal for an unknown or forbidden model, stream or route: all look the same."""
    return Refused(
        Problem(
            name="not_found",
            status=404,
            anthropic="not_found_error",
            openai="model_not_found",
            message="Not found.",
            should_retry=False,
        )
    )


def invalid_request(message: str) -> Refused:
    """Return the refusal for a request that cannot be right. `message` is one of ours and quotes nothing."""
    return Refused(
        Problem(
            name="invalid_request",
            status=400,
            anthropic="invalid_request_error",
            openai="invalid_request",
            message=message,
            should_retry=False,
        )
    )


def wrong_method(allowed: tuple[str, ...]) -> Refused:
    """Return the refusal for a method that a path does not have."""
    return Refused(
        Problem(
            name="wrong_method",
            status=405,
            anthropic="invalid_request_error",
            openai="invalid_request",
            message="The method is not allowed here.",
            headers=(("allow", ", ".join(allowed)),),
        )
    )
