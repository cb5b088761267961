"""A wrapped key, and the rows that hold one."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

from django.db import models

SYSTEM_LABEL = "cc/sys/v1"  # of the keys of the installation itself


@dataclass(frozen=True, slots=True)
class Wrapped:
    """A wrapped key and the name of the key-encryption key that opens it."""

    kek_id: str
    wrapped: bytes


class Binding(NamedTuple):
    """The context of a wrapped key: a constant of its table, and the identity of its row."""

    label: str
    parts: Sequence[bytes]


class WrappedRow(models.Model):
    """A row with a wrapped key; ``wrapped`` is empty once the key is erased.

    Every change of the row locks the rows of the foreign keys in ``LOCKED_BY`` first, and then reads it: its MAC covers
    the wrapped key, which another process may wrap again at any time (``kernel.trust.rewrapping``).
    """

    LOCKED_BY: ClassVar[tuple[str, ...]] = ()

    kek_id = models.CharField(max_length=16)
    wrapped = models.BinaryField()

    class Meta:
        abstract = True

    @property
    def binding(self) -> Binding:
        raise TypeError(f"{type(self).__name__} binds its wrapped key to nothing")

    @property
    def wrapped_key(self) -> Wrapped:
        return Wrapped(self.kek_id, bytes(self.wrapped))
