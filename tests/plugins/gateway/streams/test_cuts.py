"""R27 and the goal of the resume: no event lost or repeated, no hang, whatever is cut where."""

from .conftest import Store
from .cuts import CUTS, survive_cuts


def test_r27_no_cut_loses_or_repeats_an_event(store: Store) -> None:
    async def test() -> None:
        assert await survive_cuts([store.open(), store.open()], CUTS) >= CUTS

    store.run(test)
