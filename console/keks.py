"""The key-encryption keys for the system page and the metrics: state, age, and the number of stored keys under each."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import reduce
from operator import add
from typing import Any, Final

from django.db.models import Exists, OuterRef, QuerySet, Subquery, Value
from django.db.models.expressions import Combinable

from audit.log.events import Outcome
from audit.sequencing.timestamps import CountOf, last_outcome_at
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
    """A key-encryption key by name. ``is_open``: whether this process has it. ``rows`` stored keys are under it.

    ``proved_at``, ``failed_at``: when a copy of it was last found good, and not good.
    """

    id: str
    is_primary: bool
    is_open: bool
    created_at: datetime
    retired_at: datetime | None
    rows: int
    proved_at: datetime | None
    failed_at: datetime | None

    def age(self, now: datetime) -> timedelta:
        return now - self.created_at


@dataclass(frozen=True, slots=True)
class Keks:
    """All of them, the primary one first."""

    all: Sequence[Kek]

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
    found = KeyEncryptionKey.objects.annotate(
        rows=rows, proved_at=_copy_checked_at(Outcome.OK), failed_at=_copy_checked_at(Outcome.ERROR)
    )
    return Keks([_kek(row) for row in found.order_by("-is_primary", "-created_at")])


def _copy_checked_at(outcome: Outcome) -> Subquery:
    return last_outcome_at(actions.KEK_COPY_CHECKED, outcome, object_id=OuterRef("pk"))


def _kek(row: Any) -> Kek:
    return Kek(
        id=row.id,
        is_primary=row.is_primary,
        is_open=_opens(row),
        created_at=row.created_at,
        retired_at=row.retired_at,
        rows=row.rows,
        proved_at=row.proved_at,
        failed_at=row.failed_at,
    )


def has_proved_copy() -> Exists:
    """Whether a copy of the primary key was found good."""
    primary = KeyEncryptionKey.objects.filter(is_primary=True)
    return Exists(primary.annotate(proved_at=_copy_checked_at(Outcome.OK)).exclude(proved_at=None))


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
        remedy = (
            "Restore its file to the data folder, or its entry to CC_KEK, and restart the server. "
            "Without it, the keys that it wraps cannot be used."
        )
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
    command = f"{installation.MANAGE} check_kek_backup FILE"
    primary = keks.primary
    proved_at, failed_at = (primary.proved_at, primary.failed_at) if primary else (None, None)
    if failed_at is not None and (proved_at is None or failed_at > proved_at):
        measured = f"last found not good {failed_at:%Y-%m-%d %H:%MZ}"
        remedy = "Make a new copy with backup_kek, and check it:"
        return Check(COPY_NAME, WARNING, measured, remedy, command)
    if proved_at is not None:
        return Check(COPY_NAME, OK, f"last found good {proved_at:%Y-%m-%d %H:%MZ}")
    if any(each.proved_at for each in keks.all):
        remedy = "Copy the new primary key, and check the copy:"
        return Check(COPY_NAME, WARNING, "not checked since the rotation", remedy, command)
    return Check(COPY_NAME, OFF, "never checked", "Check the copy that you keep apart:", command)


def _rows(model: type[WrappedRow]) -> QuerySet[WrappedRow]:
    return model._default_manager.filter(kek_records.HOLDS_KEY).order_by()


def _opens(row: KeyEncryptionKey) -> bool:
    try:
        kek.check_sentinel(row)
    except kek_records.KekUnavailable:
        return False
    return True
