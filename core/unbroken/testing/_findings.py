"""What a contract check has found: the rules that are broken, each with the first place."""

from attrs import define, field


@define(eq=False)
class Findings:
    """The breaches of a contract, in the order in which they were found."""

    _places: dict[tuple[str, str], list[str]] = field(factory=dict[tuple[str, str], list[str]])

    def note(self, rule: str, what: str, place: str = "") -> None:
        """Note that `rule` is broken: how, and where in the stream."""
        self._places.setdefault((rule, what), []).append(place)

    def __str__(self) -> str:
        """Return a line for each kind of breach: its rule, what is wrong, the first place and the number of others."""
        return "\n".join(f"- {rule}: {what}{_where(places)}" for (rule, what), places in self._places.items())


def _where(places: list[str]) -> str:
    first = f" ({places[0]})" if places[0] else ""
    return f"{first}, and at {len(places) - 1} other places" if len(places) > 1 else first
