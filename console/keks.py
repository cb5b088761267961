"""The key-encryption keys for the system page and the metrics: state, age, and the number of stored keys under each."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import reduce
from operator import add
from typing import Final

from django.db.models import OuterRef, QuerySet, Subquery, Value
from django.db.models.expressions import Combinable

from audit.sequencing.timestamps import CountOf, last_done_at
from console import actions
from console.checks import BAD, OFF, OK, WARNING, Check
from kernel import installation
from kernel.templatetags.pages import grouped
from kernel.trust import kek, kek_records
from kernel.trust.models import KeyEncryptionKey
from kernel.trust.wrapped_row import WrappedRow

CRYPTOPERIOD: Final = timedelta(
    days=365
)  # NIST SP 800-57 part 1, section 5.3.6: of a symmetric key-wrapping key
NAME: Final = "Key-encryption keys"
COPY_NAME: Final = "Copy of these keys"


@dataclass(frozen=True, slots=True)
class Kek:
    """A key-encryption key by name. ``is_open``: whether this process has it. ``rows`` stored keys are under it."""

    id: str
    is_primary: bool
    is_open: bool
    created_at: datetime
    retired_at: datetime | None
    rows: int

    def age(self, now: datetime) -> timedelta:
        return now - self.created_at


@dataclass(frozen=True, slots=True)
class Keks:
    """All of them, the primary one first. ``proved_at``: when a copy was last found good."""

    all: Sequence[Kek]
    proved_at: datetime | None

    @property
    def in_use(self) -> list[Kek]:
        return [each for each in self.all if each.retired_at is None]

    @property
    def primary(self) -> Kek | None:
        return next((each for each in self.all if each.is_primary), None)

    @property
    def outdated(self) -> int:
        """The number of stored keys under older keys."""
        return sum(each.rows for each in self.all if not each.is_primary)


def read_keks() -> Keks:
    """One statement, which scans the tables with wrapped keys."""
    tables = map(_rows, kek_records.wrapped_models())
    counts = [CountOf(rows.filter(kek_id=OuterRef("pk")).values("pk")) for rows in tables]
    rows: Combinable = reduce(add, counts, Value(0))
    proved_at = last_done_at(actions.KEK_COPY_CHECKED)
    found = list(
        KeyEncryptionKey.objects.annotate(rows=rows, proved_at=proved_at).order_by(
            "-is_primary", "-created_at"
        )
    )
    shown = [
        Kek(row.id, row.is_primary, _opens(row), row.created_at, row.retired_at, row.rows) for row in found
    ]
    return Keks(shown, found[0].proved_at if found else None)


def kek_columns() -> dict[str, Combinable | Subquery]:
    """For the metrics: since when the primary key is primary, and the number of stored keys under older ones."""
    primary = KeyEncryptionKey.objects.filter(is_primary=True)
    outdated = [
        CountOf(rows.exclude(kek_id__in=primary.values("pk")).values("pk"))
        for rows in map(_rows, kek_records.wrapped_models())
    ]
    return {
        "rotated_at": Subquery(primary.values("created_at")[:1]),
        "keys_to_rewrap": reduce(add, outdated, Value(0)),
    }


def check_keks(keks: Keks, now: datetime) -> Check:
    missing = [each.id for each in keks.in_use if not each.is_open]
    if missing:
        remedy = "Restore the file to the data folder from a backup. Without it, the keys that it wraps cannot be used."
        return Check(NAME, BAD, f"unavailable: {', '.join(missing)}", remedy)
    measured = f"{len(keks.in_use)} available"
    if keks.primary is not None and keks.primary.age(now) > CRYPTOPERIOD:
        measured += f"; the primary one is {keks.primary.age(now).days} days old"
        remedy = "Rotate the key-encryption key every year."
        return Check(NAME, WARNING, measured, remedy, f"{installation.MANAGE} rotate_kek")
    if keks.outdated:
        measured += f"; {grouped(keks.outdated)} stored keys are under older ones"
        remedy = "Rewrap all keys under the primary one."
        return Check(NAME, WARNING, measured, remedy, f"{installation.MANAGE} rewrap_keys")
    return Check(NAME, OK, measured)


def check_kek_copy(keks: Keks) -> Check:
    command = f"{installation.MANAGE} check_kek_backup DIR"
    if keks.proved_at is None:
        return Check(COPY_NAME, OFF, "never checked", "Check the copy that you keep apart:", command)
    measured = f"last found good {keks.proved_at:%Y-%m-%d %H:%MZ}"
    if keks.primary is not None and keks.proved_at < keks.primary.created_at:
        remedy = "The copy was last checked before the rotation. Copy the new key, and check the copy:"
        return Check(COPY_NAME, WARNING, measured, remedy, command)
    return Check(COPY_NAME, OK, measured)


def _rows(model: type[WrappedRow]) -> QuerySet[WrappedRow]:
    return model._default_manager.filter(kek_records.HOLDS_KEY).order_by()


def _opens(row: KeyEncryptionKey) -> bool:
    try:
        kek.check_sentinel(row)
    except kek_records.KekUnavailable:
        return False
    return True
