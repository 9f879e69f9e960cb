"""What a conversation remembers. No I/O and no terminal."""

from collections.abc import Sequence

from attrs import define, field, frozen

from unbroken import Usage
from unbroken_chat import ChatMessage, TextPart


@frozen
class Turn:
    """A question, and what was said before it."""

    history: tuple[ChatMessage, ...]
    question: ChatMessage


@define
class Tokens:
    """What all answers consumed together."""

    answers: int = 0
    uncounted: int = 0
    """Those of which the server said nothing."""
    unfinished: int = 0
    """Those that failed or were cancelled when the server had counted something."""
    read: int = 0
    cached: int = 0
    written: int = 0

    def add(self, usage: Usage | None, *, finished: bool) -> None:
        """Count one answer; one that is neither finished nor counted did not come about."""
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

    What was asked is part of the history once it has been answered, so a question that fails leaves no trace, and one
    that is asked again replaces its answer only when there is a new one.
    """

    model: str | None = None
    system: str | None = None
    history: list[ChatMessage] = field(factory=list[ChatMessage])
    tokens: Tokens = field(factory=Tokens)
    last: Turn | None = None
    """What was asked last, answered or not."""

    def begin(self, question: str) -> Turn:
        """Return the turn for a new question."""
        self.last = Turn(tuple(self.history), ChatMessage.user(question))
        return self.last

    def context(self, turn: Turn) -> list[ChatMessage]:
        """Return what is sent before the question: what instructs the model, then the history."""
        return [*self.instructions(), *turn.history]

    def instructions(self) -> list[ChatMessage]:
        """Return the system text as messages: one or none."""
        return [] if self.system is None else [ChatMessage.system(self.system)]

    def answered(self, turn: Turn, answer: ChatMessage) -> bool:
        """Take a whole answer into the history, unless it says nothing. Returns whether it did.

        APIs refuse a history with an empty message in it.
        """
        if all(isinstance(part, TextPart) and not part.text.strip() for part in answer.parts):
            return False
        self.history = [*turn.history, turn.question, answer]
        return True

    def replace(self, messages: Sequence[ChatMessage]) -> None:
        """Take another conversation. System messages among `messages` replace the present system text."""
        instructions = [message.text for message in messages if message.role == "system"]
        self.system = "\n\n".join(instructions) if instructions else self.system
        self.history = [message for message in messages if message.role != "system"]
        asked = [place for place, message in enumerate(self.history) if _is_question(message)]
        self.last = Turn(tuple(self.history[: asked[-1]]), self.history[asked[-1]]) if asked else None

    def clear(self) -> int:
        """Forget the history. Returns how many messages that were; system text, model and counts stay."""
        count = len(self.history)
        self.history, self.last = [], None
        return count


def _is_question(message: ChatMessage) -> bool:
    return message.role == "user" and not message.has_tool_results
