"""The slash commands of a conversation, as a table, and the files that `/save` and `/load` use.

A file is a JSON list of messages as the Messages API writes them, the system text first.
"""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final, cast

from attrs import frozen

from unbroken import ConfigurationError
from unbroken_chat import ChatMessage

from ._session import Session, Turn


class FileProblem(Exception):
    """A file cannot be read or written; the message says why."""


@frozen(kw_only=True)
class Done:
    """The result of a typed line: a message to show, a question to ask, or leaving."""

    said: str = ""
    ask: Turn | None = None
    leave: bool = False


@frozen
class Command:
    """A command: its usage, its description, the function that runs it."""

    usage: str
    doc: str
    run: Callable[[Session, str], Done]

    @property
    def name(self) -> str:
        """The name with its slash."""
        return self.usage.partition(" ")[0]


def interpret(session: Session, line: str) -> Done:
    """Run a typed line: a command, a question, or nothing. A line that begins with a space is never a command."""
    if not line.strip():
        return Done()
    if not line.startswith("/"):
        return Done(ask=session.begin(line.strip()))
    name, _, argument = line.strip().partition(" ")
    command = next((each for each in COMMANDS if each.name == name), None)
    if command is None:
        names = ", ".join(each.name for each in COMMANDS)
        return Done(said=f"There is no {name}; there are {names}. Put a space before a question that begins with /.")
    return command.run(session, argument.strip())


def _help(session: Session, argument: str) -> Done:
    width = max(len(each.usage) for each in COMMANDS)
    lines = [f"{each.usage:{width}}  {each.doc}" for each in COMMANDS]
    return Done(said="\n".join([*lines, "Ctrl-C stops an answer; at the empty prompt it leaves, as Ctrl-D does."]))


def _clear(session: Session, argument: str) -> Done:
    return Done(said=f"Forgotten: {_count(session.clear(), 'message')}.")


def _system(session: Session, argument: str) -> Done:
    session.system = argument or None
    return Done(said="The model has new instructions." if argument else "The model has no instructions any more.")


def _model(session: Session, argument: str) -> Done:
    session.model = argument or session.model
    return Done(said=f"The model is {session.model or 'left to the server'}.")


def _usage(session: Session, argument: str) -> Done:
    tokens = session.tokens
    cached = f" and {tokens.cached} from and to the cache" if tokens.cached else ""
    said = [f"{_count(tokens.answers, 'answer')}: {tokens.read} tokens read{cached}, {tokens.written} written."]
    if tokens.unfinished:
        said.append(f"Of {tokens.unfinished} not finished, what the server had counted by then.")
    if tokens.uncounted:
        said.append(f"Of {tokens.uncounted} the server gave no counts.")
    return Done(said=" ".join(said))


def _retry(session: Session, argument: str) -> Done:
    return Done(said="" if session.last else "There is no question to ask again.", ask=session.last)


def _save(session: Session, argument: str) -> Done:
    messages = [*session.instructions(), *session.history]

    def save(path: Path) -> str:
        write(path, messages)
        return f"{_count(len(messages), 'message')} written to {path}."

    return _with_file("/save", argument, save)


def _load(session: Session, argument: str) -> Done:
    def load(path: Path) -> str:
        messages = read(path)
        session.replace(messages)
        return f"{_count(len(messages), 'message')} read from {path}."

    return _with_file("/load", argument, load)


def _with_file(name: str, argument: str, act: Callable[[Path], str]) -> Done:
    if not argument:
        return Done(said=f"Name a file: {name} FILE.")
    try:
        return Done(said=act(Path(argument).expanduser()))
    except FileProblem as problem:
        return Done(said=f"{problem}.")
    except RuntimeError:  # from expanduser: no such user
        return Done(said=f"{argument}: there is no such home directory.")


def _quit(session: Session, argument: str) -> Done:
    return Done(leave=True)


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def write(path: Path, messages: Sequence[ChatMessage]) -> None:
    """Write `messages` to `path`. Raises FileProblem, also when `path` is a file that is not a conversation.

    The old content stays until the new file is complete.
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
    """Return the messages in `path`. Raises FileProblem that names the first invalid message."""
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


COMMANDS: Final = (
    Command("/help", "show the commands", _help),
    Command("/clear", "forget what was said", _clear),
    Command("/system TEXT", "instruct the model; without TEXT, no more", _system),
    Command("/model NAME", "ask for another model; without NAME, show which", _model),
    Command("/usage", "show the tokens so far", _usage),
    Command("/retry", "ask the last question again; a new answer replaces the last one", _retry),
    Command("/save FILE", "write the conversation to a file", _save),
    Command("/load FILE", "go on with the conversation in a file", _load),
    Command("/quit", "leave", _quit),
)
