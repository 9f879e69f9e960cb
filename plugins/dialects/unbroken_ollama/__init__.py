"""The dialect of Ollama's API: the meaning of its lines and errors."""

from ._dialect import Ollama

__all__ = ["Ollama"]
