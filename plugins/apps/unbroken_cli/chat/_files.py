"""Conversations in files: a JSON list of messages as the Messages API writes them, the system text first."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

from unbroken import ConfigurationError
from unbroken_chat import ChatMessage


class FileProblem(Exception):
    """What is wrong with a file, in words."""


def write(path: Path, messages: Sequence[ChatMessage]) -> None:
    """Write `messages` to `path`, which may hold another conversation, but nothing else. Raises FileProblem.

    What was in the file is there until all is written.
    """
    text = json.dumps([message.to_dict() for message in messages], ensure_ascii=False, indent=2)
    try:
        content = f"{text}\n".encode()
        if path.exists():
            read(path)
        part = path.with_name(f"{path.name}.part")
        part.write_bytes(content)
        part.replace(path)
    except FileProblem as problem:
        raise FileProblem(f"{path} is there already, and is no conversation") from problem
    except (OSError, ValueError) as error:
        raise FileProblem(f"{path} cannot be written: {_reason(error)}") from None


def read(path: Path) -> list[ChatMessage]:
    """Return the messages in `path`. Raises FileProblem that names the first message that is none."""
    try:
        content = path.read_bytes()
    except (OSError, ValueError) as error:
        raise FileProblem(f"{path} cannot be read: {_reason(error)}") from None
    try:
        document = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise FileProblem(f"{path} is not JSON: {error}") from None
    if not isinstance(document, list):
        raise FileProblem(f"{path} holds no list of messages")
    return [_message(path, number, each) for number, each in enumerate(cast("Sequence[Any]", document), 1)]


def _message(path: Path, number: int, value: Any) -> ChatMessage:
    if not isinstance(value, dict):
        raise FileProblem(f"{path}: message {number} is no object")
    try:
        return ChatMessage.from_dict(cast("dict[str, Any]", value))
    except ConfigurationError as error:
        problems = "; ".join(f"{problem.path} {problem.message}" for problem in error.problems)
        raise FileProblem(f"{path}: message {number}: {problems}") from None


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error)
