"""The mutants that behave like the original, each with the reason, from `equivalents.toml`."""

import tomllib
from pathlib import Path

EQUIVALENTS = Path(__file__).with_name("equivalents.toml")


def reasons() -> dict[tuple[str, str], str]:
    """Return the reason for each pair of a file and the key of a mutant in it."""
    groups = tomllib.loads(EQUIVALENTS.read_text("utf-8"))["group"]
    return {(group["file"], key): group["why"] for group in groups for key in group["mutants"]}
