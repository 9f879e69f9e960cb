"""The names of the GenAI semantic conventions, in one table per version, because they still change.

The conventions: https://github.com/open-telemetry/semantic-conventions-genai (status Development); up to 1.36 they are
in https://github.com/open-telemetry/semantic-conventions. Names of Unbroken's own begin with ``unbroken.``.
"""

import os
from collections.abc import Mapping
from typing import Final, Literal, get_args

from attrs import evolve, frozen

Version = Literal["1.36", "stable", "latest"]
VERSIONS: Final[tuple[Version, ...]] = get_args(Version)

OPT_IN_VARIABLE: Final = "OTEL_SEMCONV_STABILITY_OPT_IN"
OPT_IN_VALUE: Final = "gen_ai_latest_experimental"

# The same in all versions.
OPERATION: Final = "gen_ai.operation.name"
REQUEST_MODEL: Final = "gen_ai.request.model"
INPUT_TOKENS: Final = "gen_ai.usage.input_tokens"
OUTPUT_TOKENS: Final = "gen_ai.usage.output_tokens"
RESPONSE_ID: Final = "gen_ai.response.id"
RESPONSE_MODEL: Final = "gen_ai.response.model"
FINISH_REASONS: Final = "gen_ai.response.finish_reasons"
TOKEN_TYPE: Final = "gen_ai.token.type"  # noqa: S105
ERROR_TYPE: Final = "error.type"
SERVER_ADDRESS: Final = "server.address"
SERVER_PORT: Final = "server.port"
HTTP_METHOD: Final = "http.request.method"
HTTP_STATUS: Final = "http.response.status_code"
HTTP_RESEND_COUNT: Final = "http.request.resend_count"
HTTP_RESPONSE_HEADER: Final = "http.response.header."

NUMBERS: Final[Mapping[str, str]] = {
    "max_tokens": "gen_ai.request.max_tokens",
    "temperature": "gen_ai.request.temperature",
    "top_p": "gen_ai.request.top_p",
    "top_k": "gen_ai.request.top_k",
    "seed": "gen_ai.request.seed",
    "frequency_penalty": "gen_ai.request.frequency_penalty",
    "presence_penalty": "gen_ai.request.presence_penalty",
}
"""The attribute for each numeric setting of a request."""
STOP_SEQUENCES: Final = "gen_ai.request.stop_sequences"
CHOICE_COUNT: Final = "gen_ai.request.choice.count"

# Unbroken's own names, where the conventions have none.
CALL_ID: Final = "unbroken.call.id"
OUTCOME: Final = "unbroken.outcome"
ATTEMPTS: Final = "unbroken.attempts"
ATTEMPT: Final = "unbroken.attempt"
EVENTS: Final = "unbroken.events"
BYTES: Final = "unbroken.bytes"
PHASE: Final = "unbroken.error.phase"
TIMEOUT: Final = "unbroken.error.timeout"
KIND: Final = "unbroken.error.kind"
PLUGIN: Final = "unbroken.plugin"
DELAY: Final = "unbroken.delay"
REASON: Final = "unbroken.reason"
RESUME: Final = "unbroken.resume"
SHADOW: Final = "unbroken.shadow"
CIRCUIT: Final = "unbroken.circuit"
OLD_STATE: Final = "unbroken.circuit.old_state"
NEW_STATE: Final = "unbroken.circuit.new_state"
FIRST_EVENT: Final = "unbroken.first_event"
RETRIES: Final = "unbroken.retries"
CANCELLATIONS: Final = "unbroken.cancellations"
TRANSITIONS: Final = "unbroken.circuit.transitions"

SECONDS: Final = (0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92)
LONG_SECONDS: Final = (*SECONDS, 163.84, 327.68, 655.36)
"""The buckets of the conventions and three more, because long streams take more than 82 s."""
TOKENS: Final = (1, 4, 16, 64, 256, 1024, 4096, 16384, 65536, 262144, 1048576, 4194304, 16777216, 67108864)


@frozen(kw_only=True)
class TokenMetrics:
    """The token instruments of the ``latest`` conventions: counters of all usage, histograms per operation."""

    input: str
    output: str
    cache_read: str
    cache_write: str
    operation_input: str
    operation_output: str
    modality: str


@frozen(kw_only=True)
class Names:
    """The names of one version of the conventions. None: the version has no name, so it is not recorded."""

    provider: str
    stream: str | None
    time_to_first_chunk: str | None
    cache_read: str | None
    cache_write: str | None
    input_messages: str | None
    system_instructions: str | None
    duration_metric: str
    first_chunk_metric: str | None
    output_chunk_metric: str | None
    token_histogram: str | None
    """Input and output in one histogram, distinguished by `TOKEN_TYPE`."""
    token_metrics: TokenMetrics | None


_STABLE = Names(
    provider="gen_ai.provider.name",
    stream="gen_ai.request.stream",
    time_to_first_chunk="gen_ai.response.time_to_first_chunk",
    cache_read="gen_ai.usage.cache_read.input_tokens",
    cache_write="gen_ai.usage.cache_creation.input_tokens",
    input_messages="gen_ai.input.messages",
    system_instructions="gen_ai.system_instructions",
    duration_metric="gen_ai.client.operation.duration",
    first_chunk_metric="gen_ai.client.operation.time_to_first_chunk",
    output_chunk_metric="gen_ai.client.operation.time_per_output_chunk",
    token_histogram="gen_ai.client.token.usage",  # noqa: S106
    token_metrics=None,
)

TABLE: Final[Mapping[Version, Names]] = {
    "1.36": evolve(
        _STABLE,
        provider="gen_ai.system",
        stream=None,
        time_to_first_chunk=None,
        cache_read=None,
        cache_write=None,
        input_messages=None,
        system_instructions=None,
        first_chunk_metric=None,
        output_chunk_metric=None,
    ),
    "stable": _STABLE,
    "latest": evolve(
        _STABLE,
        cache_write="gen_ai.usage.cache_write.input_tokens",
        duration_metric="gen_ai.client.inference.duration",
        first_chunk_metric="gen_ai.client.inference.time_to_first_chunk",
        output_chunk_metric="gen_ai.client.inference.time_per_output_chunk",
        token_histogram=None,
        token_metrics=TokenMetrics(
            input="gen_ai.client.inference.usage.input_tokens",
            output="gen_ai.client.inference.usage.output_tokens",
            cache_read="gen_ai.client.inference.usage.cache_read.input_tokens",
            cache_write="gen_ai.client.inference.usage.cache_write.input_tokens",
            operation_input="gen_ai.client.inference.operation.input_tokens",
            operation_output="gen_ai.client.inference.operation.output_tokens",
            modality="gen_ai.token.modality",
        ),
    ),
}


def names(version: Version | None, environ: Mapping[str, str] = os.environ) -> Names:
    """Return the names of `version`. None: ``latest`` if the environment opts in to it, else ``stable``."""
    if version is not None:
        return TABLE[version]
    opted_in = [value.strip() for value in environ.get(OPT_IN_VARIABLE, "").split(",")]
    return TABLE["latest" if OPT_IN_VALUE in opted_in else "stable"]
