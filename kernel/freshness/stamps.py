"""Epoch stamps of cached keys and callers, which show whether a decision is based on current data."""

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from kernel.errors import Unavailable

MAX_AGE: Final = 300.0  # seconds


@dataclass(slots=True, eq=False)
class EpochStamp:
    """The epochs of the entities that cached data depends on, read *before* the rows of that data.

    ``epochs``: entity to the global epoch of its last change, 0 if it never changed. ``as_of``: the global epoch at
    which they were last verified. While the global epoch has this value, nothing has changed, and no entity needs to
    be checked. Epochs are compared for equality, never by size, because restoring a backup lowers them.
    ``is_stale``: a comparison has found that an entity has changed.

    An attacker can put back the rows of the epochs. So at the age ``MAX_AGE``, or up to a minute before, a stamp is old: the data is
    read again, and compared with its heads (``kernel.trust.row_heads``).
    """

    epochs: Mapping[str, int]
    as_of: int
    is_stale: bool = False
    not_after: float = field(init=False)  # monotonic clock

    def __post_init__(self) -> None:
        # Data that was read together is not all read again at the same time.
        self.not_after = time.monotonic() + MAX_AGE - hash(frozenset(self.epochs)) % 60

    @property
    def is_old(self) -> bool:
        return time.monotonic() >= self.not_after

    @property
    def is_usable(self) -> bool:
        """Whether the data may be the basis of a decision, which is compared with the epochs before its response."""
        return not (self.is_stale or self.is_old)


def outdated(stamps: Iterable[EpochStamp], epoch: int) -> list[EpochStamp]:
    """Stamps that are old, or were last verified at another global epoch. Their entities must be checked."""
    return [stamp for stamp in stamps if stamp.as_of != epoch or stamp.is_old]


def entities_of(stamps: Iterable[EpochStamp]) -> set[str]:
    return {entity for stamp in stamps for entity in stamp.epochs}


def renew(stamps: Iterable[EpochStamp], present: Mapping[str, int], epoch: int) -> frozenset[str]:
    """Renew the stamps that are still valid. Returns the entities that changed since, and those of old stamps.

    ``present``: the current epochs of all entities of the stamps. A missing row means epoch 0.
    """
    stale: set[str] = set()
    for stamp in stamps:
        changed = {
            entity
            for entity, known in stamp.epochs.items()
            if stamp.is_old or present.get(entity, 0) != known
        }
        if changed:
            stamp.is_stale = True
        else:
            stamp.as_of = epoch
        stale |= changed
    return frozenset(stale)


class StaleDecision(Unavailable):
    """A key, a permission or a user changed while the response was computed, or its data is old: decide again, on fresh rows.

    ``entities`` are those of the stale stamps.
    """

    def __init__(self, entities: frozenset[str]) -> None:
        super().__init__("Keys or permissions changed while the request was processed. Try again.")
        self.entities = entities
