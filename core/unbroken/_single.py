"""Objects that exist once, because they own connections or a place in a stream."""

from typing import ClassVar, NoReturn, SupportsIndex


class Single:
    """The base class of what can be neither copied nor pickled."""

    _instead: ClassVar[str]
    """Why, and what to do instead: the second half of the sentence."""

    def __reduce_ex__(self, protocol: SupportsIndex) -> NoReturn:
        """Raise TypeError. `copy.copy`, `copy.deepcopy` and `pickle` all ask here."""
        raise TypeError(f"{type(self).__name__} cannot be copied or pickled: {self._instead}")
