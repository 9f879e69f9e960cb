"""`protect`: the one line in a program that exists."""

from typing import TypeVar

from unbroken import Dialect
from unbroken.config import ConfigSource
from unbroken.framing import MAX_EVENT_SIZE
from unbroken.registry import resolve, resolve_dialect
from unbroken.relay import Commit, Plugins

from ._bodies import Errors
from ._clients import Under
from ._seams import seam_of

T = TypeVar("T")


def protect(
    client: T,
    plugins: Plugins = None,
    *,
    config: ConfigSource = None,
    dialect: str | Dialect = "auto",
    errors: Errors = "event",
    commit: Commit = "content",
    max_event_size: int = MAX_EVENT_SIZE,
    insecure: bool = False,
) -> T:
    """Return `client` with Unbroken under it: answers are proven whole, and failures before the content retried.

    `client` is one of anthropic, openai or groq (also for Azure, Bedrock and Vertex AI), a model of langchain-openai or
    langchain-anthropic, a provider or model of pydantic-ai, a model of openai-agents, a client of google-genai, ollama,
    mistralai or cohere, the module litellm or one of its handlers, or a client of httpx or httpx2. Those of
    google-genai, mistralai, cohere and litellm are changed themselves; of all others a copy is returned, of the same
    class, with the same settings but without retries of its own. Transports that are set up in a special way (a proxy,
    a class of your own) are kept below, and are closed with the copy.

    `plugins` and `config` are those of `unbroken.Client`; None takes the configured list or the default list. All that
    is made of one call of `protect` shares their state. `dialect` is ``auto`` or the one of all answers; `errors` tells
    a failure behind the first content as an ``event``, of which an SDK makes its own exception, or by one of the HTTP
    library (``raise``). `insecure` silences the warning about credentials over ``http://``.

    Raises ConfigurationError for anything else, with the long form that works for everything.
    """
    seam = seam_of(client)
    meaning = dialect if dialect == "auto" else resolve_dialect(dialect)
    chosen = resolve(plugins, config).plugins
    protected: T = seam(client, Under(chosen, meaning, errors, commit, max_event_size, insecure))
    return protected
