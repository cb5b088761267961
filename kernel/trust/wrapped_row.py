"""A wrapped key, and the rows that hold one."""

from dataclasses import dataclass

from django.db import models


@dataclass(frozen=True, slots=True)
class Wrapped:
    """A wrapped key and the name of the key-encryption key that opens it."""

    kek_id: str
    wrapped: bytes


class WrappedRow(models.Model):
    """A row with a wrapped key. Its app defines the label and the parts that the key is bound to."""

    kek_id = models.CharField(max_length=16)
    wrapped = models.BinaryField()

    class Meta:
        abstract = True

    @property
    def wrapped_key(self) -> Wrapped:
        return Wrapped(self.kek_id, bytes(self.wrapped))
