"""The commands within a conversation, as a table."""

from collections.abc import Callable
from pathlib import Path
from typing import Final

from attrs import frozen

from ._files import FileProblem, read, write
from ._session import Session, Turn


@frozen(kw_only=True)
class Done:
    """What follows from a line that was typed."""

    said: str = ""
    ask: Turn | None = None
    leave: bool = False


@frozen
class Command:
    """A command: what to type, what it does, the function for it."""

    usage: str
    doc: str
    run: Callable[[Session, str], Done]

    @property
    def name(self) -> str:
        """The word with its slash."""
        return self.usage.partition(" ")[0]


def interpret(session: Session, line: str) -> Done:
    """Obey a line: a command, a question, or nothing. What begins with a space is never a command."""
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
    except RuntimeError:  # ~nobody
        return Done(said=f"{argument}: there is no such home directory.")


def _quit(session: Session, argument: str) -> Done:
    return Done(leave=True)


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


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
