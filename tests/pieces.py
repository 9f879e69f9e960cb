"""A body cut into the pieces in which it arrives."""

from random import Random


def cut(body: bytes, seed: str) -> list[bytes]:
    """Cut `body` at random places, also within characters and lines; the same seed gives the same pieces."""
    chance = Random(seed)
    places = sorted(chance.sample(range(1, len(body)), min(len(body) - 1, chance.choice([1, 3, 40, 400]))))
    return [body[a:b] for a, b in zip([0, *places], [*places, len(body)], strict=True)]
