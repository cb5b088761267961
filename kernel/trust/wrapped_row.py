"""A wrapped key, and the rows that hold one."""

from dataclasses import dataclass

from django.db import models


@dataclass(frozen=True, slots=True)
class Wrapped:
    """A wrapped key and the name of the key-encryption key that opens it."""

    kek_id: str
    wrapped: bytes


class WrappedRow(models.Model):
    """A row that holds a wrapped key. Which label and parts it is bound to, its app says."""

    kek_id = models.CharField(max_length=16)
    wrapped = models.BinaryField()

    class Meta:
        abstract = True

    @property
    def wrapped_key(self) -> Wrapped:
        return Wrapped(self.kek_id, bytes(self.wrapped))
