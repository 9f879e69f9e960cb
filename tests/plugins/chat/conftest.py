"""A chat with a script, and the replies of its server."""

from ...chatting import answer, chat, failed

__all__ = ["answer", "chat", "failed"]
