"""What an answer says about itself: its id, its model, why it ended."""

from typing import Any

from attrs import define, field

from unbroken.messages import Summary

from ._documents import block_reason, candidates, index_of, reason


@define(eq=False)
class Told:
    """What the chunks of an attempt have told about the answer as a whole."""

    _id: str | None = field(default=None, init=False)
    _model: str | None = field(default=None, init=False)
    _blocked: str | None = field(default=None, init=False)
    _reasons: dict[int, str] = field(factory=dict[int, str], init=False)

    def head(self, id: str, model: str) -> None:
        """Take note of the id and the model in a chunk, empty without any. The first of each counts."""
        self._id = self._id or id or None
        self._model = self._model or model or None

    def chunk(self, document: dict[str, Any]) -> None:
        """Take note of a chunk. The last reason of a candidate counts."""
        self._id = self._id or _text(document.get("responseId"))
        self._model = self._model or _text(document.get("modelVersion"))
        self._blocked = self._blocked or block_reason(document)
        for candidate in candidates(document):
            said, index = reason(candidate.get("finishReason")), index_of(candidate)
            if said is not None and (index in self._reasons or len(self._reasons) < 128):
                self._reasons[index] = said

    def summary(self) -> Summary:
        """Return what the chunks say."""
        reasons = tuple(self._reasons[index] for index in sorted(self._reasons))
        blocked = () if self._blocked is None else (self._blocked,)
        return Summary(id=self._id, model=self._model, finish_reasons=(*blocked, *reasons))


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None
