"""Epoch stamps of cached keys and callers, which show whether a decision is based on current data."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from kernel.errors import Unavailable

# Seconds after which cached rows are read again, and compared with their heads (kernel.trust.row_heads), even under the same epochs:
# an attacker can put back a row of the epochs.
MAX_AGE: Final = 300.0


@dataclass(slots=True, eq=False)
class EpochStamp:
    """The epochs of the entities that cached data depends on, read *before* the rows of that data.

    ``epochs``: entity to the global epoch of its last change, 0 if it never changed. ``as_of``: the global epoch at
    which they were last verified. While the global epoch has this value, nothing has changed, and no entity needs to
    be checked. Epochs are compared for equality, never by size, because restoring a backup lowers them.
    ``is_stale``: a comparison has found that an entity has changed.
    """

    epochs: Mapping[str, int]
    as_of: int
    is_stale: bool = False


def outdated(stamps: Iterable[EpochStamp], epoch: int) -> list[EpochStamp]:
    """Stamps that were last verified at another global epoch. Their entities must be checked."""
    return [stamp for stamp in stamps if stamp.as_of != epoch]


def entities_of(stamps: Iterable[EpochStamp]) -> set[str]:
    return {entity for stamp in stamps for entity in stamp.epochs}


def renew(stamps: Iterable[EpochStamp], present: Mapping[str, int], epoch: int) -> frozenset[str]:
    """Renew the stamps that are still valid. Returns the entities that changed since.

    ``present``: the current epochs of all entities of the stamps. A missing row means epoch 0.
    """
    stale: set[str] = set()
    for stamp in stamps:
        changed = {entity for entity, known in stamp.epochs.items() if present.get(entity, 0) != known}
        if changed:
            stamp.is_stale = True
        else:
            stamp.as_of = epoch
        stale |= changed
    return frozenset(stale)


class StaleDecision(Unavailable):
    """A key, a permission or a user changed while the response was computed: decide again, on fresh rows.

    ``entities`` are those of the stale stamps: at least one of them changed.
    """

    def __init__(self, entities: frozenset[str]) -> None:
        super().__init__("Keys or permissions changed while the request was processed. Try again.")
        self.entities = entities
