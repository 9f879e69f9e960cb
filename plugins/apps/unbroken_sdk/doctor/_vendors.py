"""The SDKs of the vendors, and how each is called: once for a stream, once for plain JSON."""

from importlib import import_module
from typing import Any, Final

from ._client import ASKED, KEY, MESSAGES, MODEL, Client, Say, say_chunks, say_pieces


def _anthropic(url: str, seconds: float) -> Any:
    return import_module("anthropic").Anthropic(base_url=url, api_key=KEY, timeout=seconds)


def _anthropic_stream(client: Any, say: Say) -> None:
    with client.messages.stream(model=MODEL, max_tokens=64, messages=MESSAGES) as stream:
        say_pieces(stream.text_stream, say)
        stream.get_final_message()


def _anthropic_plain(client: Any, say: Say) -> None:
    say(client.messages.create(model=MODEL, max_tokens=64, messages=MESSAGES).content[0].text)


def _openai(url: str, seconds: float) -> Any:
    return import_module("openai").OpenAI(base_url=f"{url}/v1", api_key=KEY, timeout=seconds)


def _openai_stream(client: Any, say: Say) -> None:
    with client.chat.completions.stream(model=MODEL, messages=MESSAGES) as stream:
        say_pieces((event.delta for event in stream if event.type == "content.delta"), say)
        stream.get_final_completion()


def _groq(url: str, seconds: float) -> Any:
    return import_module("groq").Groq(base_url=url, api_key=KEY, timeout=seconds)


def _groq_stream(client: Any, say: Say) -> None:
    say_chunks(client.chat.completions.create(model=MODEL, messages=MESSAGES, stream=True), say)


def _chat_plain(client: Any, say: Say) -> None:
    say(client.chat.completions.create(model=MODEL, messages=MESSAGES).choices[0].message.content)


def _genai(url: str, seconds: float) -> Any:
    options = {"base_url": url, "timeout": int(seconds * 1000)}
    return import_module("google.genai").Client(api_key=KEY, http_options=options)


def _genai_stream(client: Any, say: Say) -> None:
    say_pieces((chunk.text for chunk in client.models.generate_content_stream(model=MODEL, contents=ASKED)), say)


def _genai_plain(client: Any, say: Say) -> None:
    say(client.models.generate_content(model=MODEL, contents=ASKED).text)


def _ollama(url: str, seconds: float) -> Any:
    return import_module("ollama").Client(host=url, headers={"Authorization": f"Bearer {KEY}"}, timeout=seconds)


def _ollama_stream(client: Any, say: Say) -> None:
    say_pieces((part.message.content for part in client.chat(model=MODEL, messages=MESSAGES, stream=True)), say)


def _ollama_plain(client: Any, say: Say) -> None:
    say(client.chat(model=MODEL, messages=MESSAGES).message.content)


def _mistralai(url: str, seconds: float) -> Any:
    return import_module("mistralai.client").Mistral(server_url=url, api_key=KEY, timeout_ms=int(seconds * 1000))


def _mistralai_stream(client: Any, say: Say) -> None:
    say_chunks((event.data for event in client.chat.stream(model=MODEL, messages=MESSAGES)), say)


def _mistralai_plain(client: Any, say: Say) -> None:
    say(client.chat.complete(model=MODEL, messages=MESSAGES).choices[0].message.content)


_NO_OWN: Final = ("httpx", "httpx2")
"""For a client without an exception for network errors: those of its HTTP library are what its users must catch."""

VENDORS: Final = (
    Client(
        name="anthropic",
        own=("anthropic",),
        make=_anthropic,
        stream=_anthropic_stream,
        plain=_anthropic_plain,
        path="/v1/messages",
    ),
    Client(
        name="openai",
        own=("openai",),
        make=_openai,
        stream=_openai_stream,
        plain=_chat_plain,
    ),
    Client(
        name="groq",
        own=("groq",),
        make=_groq,
        stream=_groq_stream,
        plain=_chat_plain,
    ),
    Client(
        name="google-genai",
        own=("google.genai", *_NO_OWN),
        make=_genai,
        stream=_genai_stream,
        plain=_genai_plain,
        path=f"/v1beta/models/{MODEL}:streamGenerateContent?alt=sse",
        without=frozenset({"socket-kept-open"}),  # the end of the body is part of the proof
    ),
    Client(
        name="ollama",
        own=("ollama", *_NO_OWN),
        make=_ollama,
        stream=_ollama_stream,
        plain=_ollama_plain,
        path="/api/chat",
        without=frozenset({"spend-limit", "pings-only", "pings-midway"}),  # its errors are text, and it has no pings
    ),
    Client(
        name="mistralai",
        own=("mistralai", "httpx2"),  # it documents the network errors of that library as its own
        make=_mistralai,
        stream=_mistralai_stream,
        plain=_mistralai_plain,
    ),
)
