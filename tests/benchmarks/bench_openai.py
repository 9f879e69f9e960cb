"""What it costs to classify a chunk of Chat Completions: ``python tests/benchmarks/bench_openai.py``.

Every figure stands beside the ways that were not taken: decoding the whole chunk, and searching its bytes.
"""

import timeit

from unbroken.messages import Event
from unbroken_anthropic import Anthropic
from unbroken_openai._reader import OpenAIReader

ROUNDS = 50_000
HEAD = (
    b'{"id":"chatcmpl-9lMgfRSWPHcw51s6wxKT1YEO2CKpd","object":"chat.completion.chunk","created":1721075653,'
    b'"model":"gpt-4o-mini-2024-07-18","service_tier":"default","system_fingerprint":"fp_8b761cb050",'
    b'"choices":[{"index":0,"delta":'
)
TAIL = b',"logprobs":null,"finish_reason":null}],"usage":null,"obfuscation":"aB3dE6g"}'
TEXT = HEAD + b'{"content":" Hello"}' + TAIL
ROLE = HEAD + b'{"role":"assistant","content":"","refusal":null}' + TAIL
DELTA = (
    b'{"type":"response.output_text.delta","sequence_number":7,"item_id":"msg_68a1b2c3d4e5f60718293a4b5c6d7e8f",'
    b'"output_index":0,"content_index":0,"delta":" Hello","logprobs":[],"obfuscation":"aB3dE6g"}'
)
NEEDLE = b'"delta":{"content":"'


def searched(raw: bytes) -> bool:
    """Look for an error, for counts and for text in the bytes, with all three needles that it takes."""
    if b'"error"' in raw or (b'"usage"' in raw and b'"usage":null' not in raw):
        return False
    at = raw.find(NEEDLE)
    return at >= 0 and raw[at + len(NEEDLE)] != ord('"')


def show(title: str, statement: object, less: float = 0.0) -> float:
    """Print and return the best time of one call in microseconds, `less` what it needs to be asked."""
    best = min(timeit.repeat(statement, number=ROUNDS, repeat=9)) / ROUNDS * 1e6 - less
    print(f"{title:60} {best:7.3f} µs")
    return best


def main() -> None:
    openai, anthropic = OpenAIReader("finish_reason"), Anthropic()
    openai.classify(Event("message", TEXT))
    print(f"a chunk of {len(TEXT)} bytes")
    made = show("make the event (taken off below)", lambda: Event("message", TEXT))
    show("search the bytes", lambda: (Event("message", TEXT), searched(TEXT)), made)
    show("decode all of it", lambda: Event("message", TEXT).json(), made)
    show("classify by the whole document", lambda: openai._kind_by_data(Event("message", TEXT)), made)
    show("OpenAI.classify, text", lambda: openai.classify(Event("message", TEXT)), made)
    show("OpenAI.classify, role", lambda: openai.classify(Event("message", ROLE)), made)
    show("OpenAI.classify, [DONE]", lambda: openai.classify(Event("message", b"[DONE]")), made)
    show("OpenAI.classify, named", lambda: openai.classify(Event("response.output_text.delta", DELTA)), made)
    show("OpenAI.text, named", lambda: openai.text(Event("response.output_text.delta", DELTA)), made)
    show("Anthropic.classify, named", lambda: anthropic.classify(Event("content_block_delta", TEXT)), made)

    def read() -> None:
        event = Event("message", TEXT)
        openai.classify(event)
        openai.text(event)

    def read_decoded() -> None:
        event = Event("message", TEXT)
        openai._kind_by_data(event)
        openai.text(event)

    show("OpenAI.classify and text", read, made)
    show("classify by the whole document and text", read_decoded, made)
    assert searched(TEXT)
    assert not searched(ROLE)


if __name__ == "__main__":
    main()
