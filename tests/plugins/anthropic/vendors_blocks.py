"""Blocks of messages as the vendor documents them, each as it starts, with its deltas."""

from typing import Any

Block = tuple[dict[str, Any], list[dict[str, Any]]]


def text(*pieces: str, citations: tuple[dict[str, Any], ...] = (), **start: Any) -> Block:
    cited = [{"type": "citations_delta", "citation": it} for it in citations]
    said = [{"type": "text_delta", "text": piece} for piece in pieces]
    return {"type": "text", "text": "", **({"citations": []} if citations else {}), **start}, [*cited, *said]


def thinking(*pieces: str, signature: str = "EqQBCgIYAhIM1gbc") -> Block:
    said = [{"type": "thinking_delta", "thinking": piece} for piece in pieces]
    signed = {"type": "signature_delta", "signature": signature}
    return {"type": "thinking", "thinking": "", "signature": ""}, [*said, signed]


def tool(*pieces: str, type: str = "tool_use", id: str = "toolu_01", name: str = "get_weather", **start: Any) -> Block:
    deltas = [{"type": "input_json_delta", "partial_json": piece} for piece in pieces]
    return {"type": type, "id": id, "name": name, "input": {}, **start}, deltas


def server(name: str, *pieces: str, type: str = "server_tool_use", **start: Any) -> Block:
    return tool("", *pieces, type=type, id="srvtoolu_01", name=name, **start)


def whole(type: str, **fields: Any) -> Block:
    """Return a block that comes at once."""
    return {"type": type, **fields}, []


def result(of: str, content: Any, **fields: Any) -> Block:
    return whole(f"{of}_tool_result", tool_use_id="srvtoolu_01", content=content, **fields)


def error(of: str, code: str) -> Block:
    return result(of, {"type": f"{of}_tool_result_error", "error_code": code})


def fallback(origin: str, to: str) -> Block:
    trigger = {"type": "refusal", "category": "cyber"}
    return whole("fallback", **{"from": {"model": origin}, "to": {"model": to}, "trigger": trigger})


_CITED = {"cited_text": "Water runs downhill.", "document_index": 0, "document_title": "Wäter", "file_id": None}
CITATIONS: dict[str, dict[str, Any]] = {
    "char": {"type": "char_location", **_CITED, "start_char_index": 0, "end_char_index": 20},
    "page": {"type": "page_location", **_CITED, "start_page_number": 1, "end_page_number": 2},
    "block": {"type": "content_block_location", **_CITED, "start_block_index": 0, "end_block_index": 1},
    "search-result": {
        "type": "search_result_location",
        "cited_text": "x",
        "source": "https://example.org/",
        "title": None,
        "search_result_index": 0,
        "start_block_index": 0,
        "end_block_index": 1,
    },
    "web-search-result": {
        "type": "web_search_result_location",
        "cited_text": "x",
        "url": "https://example.org/",
        "title": "A page",
        "encrypted_index": "Eo8BCioIAhgB",
    },
}
_FOUND = {"type": "web_search_result", "title": "Sluice", "url": "https://example.org/", "encrypted_content": "Eqgf"}
_DOCUMENT = {"type": "document", "title": None, "source": {"type": "text", "media_type": "text/plain", "data": "Hi"}}
_FETCHED = {"type": "web_fetch_result", "url": "https://example.org/", "retrieved_at": None, "content": _DOCUMENT}
_RAN = {"stdout": "4\n", "stderr": "", "return_code": 0, "content": []}
_VIEWED = {"type": "text_editor_code_execution_view_result", "file_type": "text", "content": "a\nb", "num_lines": 2}

SERVER_TOOLS: dict[str, tuple[Block, ...]] = {
    "web-search": (
        server("web_search", '{"query": "sluice"}'),
        result("web_search", [_FOUND, {**_FOUND, "page_age": "1 d"}]),
    ),
    "web-search-error": (server("web_search", "{}"), error("web_search", "max_uses_exceeded")),
    "web-fetch": (server("web_fetch", '{"url": ', '"https://example.org/"}'), result("web_fetch", _FETCHED)),
    "web-fetch-error": (server("web_fetch"), error("web_fetch", "url_not_accessible")),
    "code-execution": (
        server("code_execution", '{"code": "print(2 + 2)"}'),
        result("code_execution", {"type": "code_execution_result", **_RAN}),
    ),
    "code-execution-file": (
        server("code_execution", '{"code": "plot()"}'),
        result(
            "code_execution",
            {"type": "code_execution_result", **_RAN, "content": [{"type": "code_execution_output", "file_id": "f_1"}]},
        ),
    ),
    "code-execution-error": (server("code_execution", "{}"), error("code_execution", "unavailable")),
    "bash": (
        server("bash_code_execution", '{"command": "ls"}'),
        result("bash_code_execution", {"type": "bash_code_execution_result", **_RAN}),
    ),
    "bash-error": (server("bash_code_execution", "{}"), error("bash_code_execution", "output_file_too_large")),
    "text-editor-view": (
        server("text_editor_code_execution", '{"command": "view", "path": "a.txt"}'),
        result("text_editor_code_execution", _VIEWED),
    ),
    "text-editor-create": (
        server("text_editor_code_execution", '{"command": "create"}'),
        result(
            "text_editor_code_execution", {"type": "text_editor_code_execution_create_result", "is_file_update": False}
        ),
    ),
    "tool-search": (
        server("tool_search_tool_regex", '{"query": "weather"}'),
        result(
            "tool_search",
            {
                "type": "tool_search_tool_search_result",
                "tool_references": [{"type": "tool_reference", "tool_name": "get_weather"}],
            },
        ),
    ),
    "mcp": (
        tool('{"x":', " 1}", type="mcp_tool_use", id="mcptoolu_01", name="echo", server_name="s"),
        whole("mcp_tool_result", tool_use_id="mcptoolu_01", is_error=False, content=[{"type": "text", "text": "1"}]),
    ),
    "mcp-error": (
        tool(type="mcp_tool_use", id="mcptoolu_01", name="echo", server_name="s"),
        whole("mcp_tool_result", tool_use_id="mcptoolu_01", is_error=True, content="no such tool"),
    ),
    "mcp-listing": (
        whole(
            "mcp_tool_listing",
            mcp_server_name="s",
            tools=[{"name": "echo", "description": "d", "input_schema": {"type": "object"}}],
        ),
    ),
    "advisor": (
        server("advisor"),
        result("advisor", {"type": "advisor_result", "text": "Look again.", "stop_reason": None}),
    ),
    "container-upload": (whole("container_upload", file_id="file_01"),),
}
