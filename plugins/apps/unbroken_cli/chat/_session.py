"""The state of a conversation. No I/O and no terminal."""

from collections.abc import Sequence

from attrs import define, field, frozen

from unbroken import Usage
from unbroken_chat import ChatMessage, TextPart


@frozen
class Turn:
    """A question and the history before it."""

    history: tuple[ChatMessage, ...]
    question: ChatMessage


@define
class Tokens:
    """The tokens of all answers together."""

    answers: int = 0
    uncounted: int = 0
    """Complete answers for which the server sent no counts."""
    unfinished: int = 0
    """Answers that failed or were cancelled after the server had sent counts."""
    read: int = 0
    cached: int = 0
    written: int = 0

    def add(self, usage: Usage | None, *, finished: bool) -> None:
        """Count one answer. An answer that is neither finished nor counted is ignored."""
        self.answers += finished or usage is not None
        self.unfinished += not finished and usage is not None
        self.uncounted += finished and usage is None
        if usage is None:
            return
        self.read += usage.input_tokens or 0
        self.cached += (usage.cache_read_tokens or 0) + (usage.cache_write_tokens or 0)
        self.written += usage.output_tokens or 0


@define(eq=False)
class Session:
    """A conversation: the whole state, changed by questions and by commands.

    A question enters the history together with its answer. So a question that fails leaves the history unchanged, and
    `/retry` replaces the old answer only when a new one is complete.
    """

    model: str | None = None
    system: str | None = None
    history: list[ChatMessage] = field(factory=list[ChatMessage])
    tokens: Tokens = field(factory=Tokens)
    last: Turn | None = None
    """The last question, answered or not."""

    def begin(self, question: str) -> Turn:
        """Return the turn for a new question."""
        self.last = Turn(tuple(self.history), ChatMessage.user(question))
        return self.last

    def context(self, turn: Turn) -> list[ChatMessage]:
        """Return the messages that are sent before the question: the system text, then the history."""
        return [*self.instructions(), *turn.history]

    def instructions(self) -> list[ChatMessage]:
        """Return the system text as messages: one or none."""
        return [] if self.system is None else [ChatMessage.system(self.system)]

    def answered(self, turn: Turn, answer: ChatMessage) -> bool:
        """Add a complete answer to the history unless it is empty. Returns whether it was added.

        APIs refuse a history that contains an empty message.
        """
        if all(isinstance(part, TextPart) and not part.text.strip() for part in answer.parts):
            return False
        self.history = [*turn.history, turn.question, answer]
        return True

    def replace(self, messages: Sequence[ChatMessage]) -> None:
        """Continue with another conversation. System messages among `messages` replace the present system text."""
        instructions = [message.text for message in messages if message.role == "system"]
        self.system = "\n\n".join(instructions) if instructions else self.system
        self.history = [message for message in messages if message.role != "system"]
        asked = [place for place, message in enumerate(self.history) if _is_question(message)]
        self.last = Turn(tuple(self.history[: asked[-1]]), self.history[asked[-1]]) if asked else None

    def clear(self) -> int:
        """Clear the history and return how many messages it had. System text, model and counts stay."""
        count = len(self.history)
        self.history, self.last = [], None
        return count


def _is_question(message: ChatMessage) -> bool:
    return message.role == "user" and not message.has_tool_results
