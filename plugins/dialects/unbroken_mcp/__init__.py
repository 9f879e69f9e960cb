"""The dialect of the Model Context Protocol over Streamable HTTP: the meaning of its messages and errors."""

from ._dialect import MCP

__all__ = ["MCP"]
