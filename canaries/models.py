"""The tables of canaries. Every installation has their rows from its first start on, all of them sealed."""

from typing import ClassVar, Final

from django.db import models

from kernel.trust.row_mac import MacField, MacProtectedRow

PAGE_BYTES: Final = 4096


class SealedDocument(models.Model):
    """A sealed document (``canaries.sealed.sealing``): the set of canaries, or the incidents."""

    name = models.CharField(primary_key=True, max_length=20)
    sealed = models.BinaryField()

    class Meta:
        db_table = "sealed_documents"

    def __str__(self) -> str:
        return self.name


class JournalPage(models.Model):
    """A sealed page of the journal, of ``PAGE_BYTES`` bytes. Pages are numbered from 1, and never change."""

    number = models.PositiveBigIntegerField(primary_key=True)
    sealed = models.BinaryField()

    class Meta:
        db_table = "journal_pages"
        ordering = ["number"]
        constraints = [
            models.CheckConstraint(condition=models.Q(number__gte=1), name="journal_pages_begin_at_1")
        ]

    def __str__(self) -> str:
        return str(self.number)


class LogPosition(MacProtectedRow):
    """The entry up to which the log was watched: a single row."""

    MAC_LABEL: ClassVar[str] = "log-position"
    STATE: ClassVar[tuple[str, ...]] = ()  # each entry moves it, and an older one only reads entries again

    singleton = models.BooleanField(primary_key=True, default=True, editable=False)
    last_id = models.BigIntegerField()

    class Meta:
        db_table = "log_position"
        constraints = [
            models.CheckConstraint(condition=models.Q(singleton=True), name="log_position_is_single")
        ]

    def __str__(self) -> str:
        return str(self.last_id)

    def mac_fields(self) -> tuple[MacField, ...]:
        return (self.last_id,)
