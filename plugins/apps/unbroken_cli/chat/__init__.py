"""`unbroken chat`: one question, or a conversation in a terminal."""

from ._command import chat
from ._request import ChatRequest

__all__ = ("ChatRequest", "chat")
