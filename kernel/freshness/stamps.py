"""What a cached key or caller was read under, so that whoever decides by it can be asked to prove it is current."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass


@dataclass(slots=True, eq=False)
class EpochStamp:
    """The epoch of each entity that something in memory rests on, read *before* the rows it was made of.

    ``epochs``: entity to the global epoch of its last change, 0 where it never changed. ``as_of``: the global
    epoch at which that was last seen to hold; while the global epoch is still this one, nothing has changed at
    all, and no entity needs to be looked at. Epochs are compared for equality, never by size: a database put
    back from a backup has gone to lower ones.
    """

    epochs: Mapping[str, int]
    as_of: int


def behind(stamps: Iterable[EpochStamp], epoch: int) -> list[EpochStamp]:
    """Those last seen to hold at another global epoch: their entities have to be looked at."""
    return [stamp for stamp in stamps if stamp.as_of != epoch]


def entities_of(stamps: Iterable[EpochStamp]) -> set[str]:
    return {entity for stamp in stamps for entity in stamp.epochs}


def renew(stamps: Iterable[EpochStamp], present: Mapping[str, int], epoch: int) -> frozenset[str]:
    """Bring up to date what still holds; the entities that changed since.

    ``present``: the epochs of all that the stamps rest on, where one has no row that of never (0) is meant.
    """
    stale: set[str] = set()
    for stamp in stamps:
        changed = {entity for entity, known in stamp.epochs.items() if present.get(entity, 0) != known}
        if not changed:
            stamp.as_of = epoch
        stale |= changed
    return frozenset(stale)
