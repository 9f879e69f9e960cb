"""The course of `unbroken chat`: one question, or a conversation until the user leaves."""

import os
import sys

import typer

from unbroken import ConfigurationError, Error
from unbroken_chat import ReplyStream, user_message

from .._console import FAILED, INTERRUPTED
from ._request import ANTHROPIC_KEY, OPENAI_KEY, ChatRequest
from ._screen import DEMO_PROMPT, Screen, Waiting
from ._server import Server, connected
from ._session import Session, Turn
from ._slash import interpret

_USUAL_ENDS = frozenset({None, "end_turn", "stop_sequence", "stop", "STOP"})


def chat(request: ChatRequest) -> int:
    """Answer one question, or hold a conversation when there is none and this is a terminal.

    Returns the exit code. Raises BadParameter and ConfigurationError before anything is sent.
    """
    try:
        question = _question(request)
        screen = Screen()
        observers = [Waiting(screen.note)] if sys.stderr.isatty() else []
        with connected(request, os.environ, observers, conversation=question is None) as server:
            screen.secrets = server.secrets
            session = Session(model=server.model, system=request.system)
            if server.is_embedded:
                why = "" if request.demo else f"No {ANTHROPIC_KEY}, {OPENAI_KEY}, --endpoint or --base-url: "
                screen.note(f"{why}{server.where} makes the answers up.")
                screen.prompt = DEMO_PROMPT
            if question is None:
                return converse(server, session, screen)
            return once(server, session, screen, question)
    except KeyboardInterrupt:
        return INTERRUPTED


def once(server: Server, session: Session, screen: Screen, question: str) -> int:
    """Answer one question. Returns the exit code; raises ConfigurationError for what cannot be sent."""
    turn = session.begin(question)
    asked = server.ask(session.context(turn), turn.question, session.model)
    try:
        _show(asked, session, turn, screen)
        return 0
    except ConfigurationError:
        raise
    except Error as error:
        screen.failure(error)
        return FAILED
    except KeyboardInterrupt:
        screen.note("cancelled")
        return INTERRUPTED


def converse(server: Server, session: Session, screen: Screen) -> int:
    """Answer questions and run commands until the user leaves. Returns the exit code."""
    screen.note(f"{_introduction(server, session)}/help shows the commands, Ctrl-D leaves.")
    while (line := screen.ask()) is not None:
        done = interpret(session, line)
        if done.said:
            screen.note(done.said)
        if done.ask is not None:
            _answer(server, session, done.ask, screen)
        if done.leave:
            break
    return 0


def _introduction(server: Server, session: Session) -> str:
    if server.is_embedded:  # `chat` has named it already
        return ""
    return f"{server.where}. " if session.model is None else f"{session.model} at {server.where}. "


def _answer(server: Server, session: Session, turn: Turn, screen: Screen) -> None:
    """Answer a question of a conversation. A failure is shown, and the conversation continues."""
    try:
        asked = server.ask(session.context(turn), turn.question, session.model)
        _show(asked, session, turn, screen)
    except Error as error:
        if not isinstance(error, ConfigurationError):  # it says itself what to do, and trying again does not help
            screen.warn(user_message(error))
        screen.failure(error)
    except KeyboardInterrupt:
        screen.note("cancelled")


def _show(asked: ReplyStream, session: Session, turn: Turn, screen: Screen) -> None:
    """Write an answer as it arrives and add it to the session. Raises the Error of a call that failed."""
    finished = False
    try:
        with asked:
            for piece in asked.text():
                screen.write(piece)
            answer = asked.reply()
        finished = True
        screen.end_line()
    finally:
        session.tokens.add(asked.usage, finished=finished)
    if answer.message.refusal:
        screen.warn(f"The model refuses: {answer.message.refusal}")
    if not session.answered(turn, answer.message):
        screen.warn("The answer is empty.")
    if answer.stop_reason not in _USUAL_ENDS:
        screen.warn(f"The answer ended with {answer.stop_reason}.")


def _question(request: ChatRequest) -> str | None:
    """Return the question from the command line or standard input; None for a conversation."""
    given = request.question
    if given is None and sys.stdin.isatty() and sys.stdout.isatty():
        return None
    try:
        question = (sys.stdin.read() if given is None else given).strip()
    except UnicodeDecodeError:
        raise typer.BadParameter("standard input is not UTF-8", param_hint="QUESTION") from None
    if not question:
        raise typer.BadParameter("is empty", param_hint="QUESTION")
    return question
