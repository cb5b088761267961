"""The key-encryption keys for the system page and the metrics: state, age, and the number of stored keys under each."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import reduce
from operator import add
from typing import Any, Final

from django.db.models import Exists, OuterRef, Q, QuerySet, Subquery, Value
from django.db.models.expressions import Combinable

from audit.log.events import Outcome
from audit.sequencing.timestamps import CountOf, last_about
from console import actions
from console.checks import BAD, OK, WARNING, Check
from kernel import installation
from kernel.templatetags.pages import grouped
from kernel.trust import kek, kek_records
from kernel.trust.models import KeyEncryptionKey
from kernel.trust.wrapped_row import WrappedRow

_CRYPTOPERIOD: Final = timedelta(
    days=365
)  # NIST SP 800-57 part 1, section 5.3.6: of a symmetric key-wrapping key
_NAME: Final = "Key-encryption keys"
_COPY_NAME: Final = "Backup of key-encryption keys"


@dataclass(frozen=True, slots=True)
class _Kek:
    """A key-encryption key by name. ``is_open``: whether this process has it. ``rows`` stored keys are under it.

    ``copy_checked_at``: when a copy of it was last checked; ``has_good_copy``: whether it was good then.
    """

    id: str
    is_primary: bool
    is_open: bool
    created_at: datetime
    retired_at: datetime | None
    rows: int
    copy_checked_at: datetime | None
    has_good_copy: bool

    def age(self, now: datetime) -> timedelta:
        return now - self.created_at


@dataclass(frozen=True, slots=True)
class Keks:
    """All of them, the primary one first."""

    all: Sequence[_Kek]

    @property
    def in_use(self) -> list[_Kek]:
        return [each for each in self.all if each.retired_at is None]

    @property
    def primary(self) -> _Kek | None:
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
    found = KeyEncryptionKey.objects.annotate(rows=rows, **_copy_columns())
    return Keks([_kek(row) for row in found.order_by("-is_primary", "-created_at")])


def _copy_columns() -> dict[str, Subquery]:
    at, outcome = last_about(actions.KEK_COPY_CHECKED, OuterRef("pk"))
    return {"copy_checked_at": at, "copy_outcome": outcome}


def _kek(row: Any) -> _Kek:
    return _Kek(
        id=row.id,
        is_primary=row.is_primary,
        is_open=_opens(row),
        created_at=row.created_at,
        retired_at=row.retired_at,
        rows=row.rows,
        copy_checked_at=row.copy_checked_at,
        has_good_copy=row.copy_outcome == Outcome.OK.value,
    )


def has_good_copies() -> Exists:
    """Whether the last checked copy of each key in use was good."""
    _, outcome = last_about(actions.KEK_COPY_CHECKED, OuterRef("pk"))
    in_use = KeyEncryptionKey.objects.filter(retired_at=None).annotate(copy_outcome=outcome)
    unproved = Exists(in_use.filter(~Q(copy_outcome=Outcome.OK.value) | Q(copy_outcome=None)))
    return Exists(KeyEncryptionKey.objects.filter(~unproved, is_primary=True))


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
        return Check(_NAME, BAD, f"unavailable: {', '.join(missing)}", remedy)
    measured = f"{len(keks.in_use)} available"
    if keks.primary is not None and keks.primary.age(now) > _CRYPTOPERIOD:
        measured += f"; the primary one is {keks.primary.age(now).days} days old"
        remedy = "Rotate the key-encryption key every year."
        return Check(_NAME, WARNING, measured, remedy, f"{installation.MANAGE} rotate_kek")
    if keks.outdated:
        measured += f"; {grouped(keks.outdated)} stored keys are under older ones"
        remedy = "Rewrap all keys under the primary one."
        return Check(_NAME, WARNING, measured, remedy, f"{installation.MANAGE} rewrap_keys")
    return Check(_NAME, OK, measured)


def check_kek_copy(keks: Keks) -> Check:
    command = f"{installation.MANAGE} check_kek_backup FILE"
    checked = [each for each in keks.in_use if each.copy_checked_at]
    if not checked:
        return Check(
            _COPY_NAME, WARNING, "never checked", "Check the copy that you keep in another place:", command
        )
    bad = [each.id for each in checked if not each.has_good_copy]
    if bad:
        remedy = "Make a new copy with backup_kek, then check it:"
        return Check(_COPY_NAME, WARNING, f"damaged or wrong: {', '.join(bad)}", remedy, command)
    unchecked = [each.id for each in keks.in_use if not each.copy_checked_at]
    if unchecked:
        remedy = "Copy these keys too, and check the copy:"
        return Check(_COPY_NAME, WARNING, f"never checked: {', '.join(unchecked)}", remedy, command)
    oldest = min(each.copy_checked_at for each in checked if each.copy_checked_at)
    return Check(_COPY_NAME, OK, f"last found good on {oldest:%Y-%m-%d %H:%MZ}")


def _rows(model: type[WrappedRow]) -> QuerySet[WrappedRow]:
    return model._default_manager.filter(kek_records.HOLDS_KEY).order_by()


def _opens(row: KeyEncryptionKey) -> bool:
    try:
        kek.check_sentinel(row)
    except kek_records.KekUnavailable:
        return False
    return True
