"""Draw the diagrams; ``--record`` runs the commands again for the pictures of what they print."""

import sys
from pathlib import Path

from . import drawing, elements, recording

PLACE = Path(__file__).parents[2] / "docs" / "pictures"


def drawn(place: Path = PLACE) -> dict[str, str]:
    """Return the diagrams by the name of their file, made from the descriptions in `place`."""
    return {
        f"{source.stem}-{theme}.svg": drawing.draw(elements.load(source), colours)
        for source in sorted(place.glob("*.toml"))
        for theme, colours in drawing.THEMES.items()
    }


def main(arguments: list[str]) -> None:
    """Write the diagrams and, with ``--record``, the recordings."""
    made = drawn()
    if "--record" in arguments:
        made |= {f"{each.name}.svg": each.record() for each in recording.RECORDINGS}
    for name, document in made.items():
        (PLACE / name).write_text(document, "utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
