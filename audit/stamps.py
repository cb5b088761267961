"""What a cached key or caller was read under, so that whoever decides by it can be asked to prove it is current."""

from collections.abc import Mapping
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
