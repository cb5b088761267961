"""Take bundles that wait, oldest first, and set aside those that the application did not write."""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

from django.db import connection
from django.db.models import QuerySet

from audit.log.bundles import Body, Bundle, open_body
from audit.log.raw_rows import Values, any_text, presentable, spelled, spelled_columns
from audit.models import AuditBundle
from audit.sequencing.alarms import Alarm, AlarmKind
from audit.sequencing.bundles.expanding import columns_of
from kernel.clock import database_now
from kernel.crypto.errors import MacMismatch

MOST: Final = 4096  # bundles in one step
NAMES: Final = ("at", "writer", "first", "entries", "body", "mac")
_COLUMNS = spelled(AuditBundle, ["id", *NAMES], "audit_bundles")
# A range instead of a self-join. PostgreSQL's statistics may show an empty table, because it often is. The planner then
# joins every row with every row: 20,000 of 100,000 took minutes, not 30 ms. A bundle of any size is taken whole.
_TAKE = (
    "DELETE FROM audit_bundles WHERE rejected_at IS NULL AND id <= (SELECT max(id) FROM ("  # noqa: S608 - constants
    "SELECT id, sum(entries) OVER (ORDER BY id) - entries AS before FROM (SELECT id, entries FROM audit_bundles "
    "WHERE rejected_at IS NULL ORDER BY id LIMIT %s) AS oldest) AS counted WHERE before < %s) "
    f"RETURNING {_COLUMNS}"
)


@dataclass(frozen=True, slots=True)
class Taken:
    """A bundle with its id and its columns as stored."""

    id: int
    stored: Values

    @property
    def bundle(self) -> Bundle:
        """The columns in the types of a bundle. Raises ValueError for others, which only SQLite accepts."""
        at, writer, first, entries, body, mac = self.stored
        if not (isinstance(at, str) and isinstance(writer, str) and isinstance(mac, str)):
            raise ValueError("a column holds no text")  # noqa: TRY004 - one error for every fault
        if type(first) is not int or type(entries) is not int or not isinstance(body, bytes | memoryview):
            raise ValueError("a column holds another type")
        return Bundle(at, writer, first, entries, bytes(body), mac)

    def open(self) -> tuple[Bundle, Body]:
        """The bundle and its body. Raises MacMismatch and ValueError unless the application wrote it."""
        bundle = self.bundle
        return bundle, open_body(bundle)

    def alarm(self, reason: str) -> Alarm:
        """The alarm that names this bundle."""
        return Alarm(
            kind=AlarmKind.BUNDLE_REJECTED,
            writer=str(presentable(self.stored[1])),
            expected="a bundle as the application wrote it",
            found=self.describe(reason),
        )

    def describe(self, reason: str) -> str:
        """Name the bundle, for an alarm and a finding."""
        _, writer, first, entries, *_ = map(presentable, self.stored)
        return f"bundle {self.id} of writer {writer}, {entries} entries from number {first}: {reason}"


def is_waiting() -> bool:
    """Whether any bundle waits."""
    return AuditBundle.objects.filter(rejected_at__isnull=True).exists()


def take(entries: int) -> list[Taken]:
    """Remove the oldest bundles, with at least this many entries together, or all. In the order of their ids."""
    with any_text(), connection.cursor() as cursor:
        cursor.execute(_TAKE, [MOST, entries])
        return sorted(
            (Taken(row[0], tuple(row[1:])) for row in cursor.fetchall()), key=lambda taken: taken.id
        )


def waiting_columns(bundles: QuerySet[AuditBundle]) -> Iterator[dict[str, Any]]:
    """The columns of each entry in those of the bundles that wait and that the application wrote."""
    for bundle, body in waiting_bundles(bundles):
        yield from columns_of(bundle, body)


def waiting_bundles(bundles: QuerySet[AuditBundle]) -> Iterator[tuple[Bundle, Body]]:
    """Those of the bundles that wait and that the application wrote."""
    rows = bundles.filter(rejected_at__isnull=True).order_by("id")
    with any_text():
        found = list(rows.values_list("id", *spelled_columns(AuditBundle, NAMES)))
    for bundle_id, *stored in found:
        with suppress(MacMismatch, ValueError):
            yield Taken(bundle_id, tuple(stored)).open()


def set_aside(rejected: Sequence[Taken]) -> None:
    """Insert rejected bundles again as they were, marked. They stay as evidence."""
    if not rejected:
        return
    names = ("id", *NAMES, "rejected_at")
    statement = f"INSERT INTO audit_bundles ({', '.join(names)}) VALUES ({', '.join(['%s'] * len(names))})"  # noqa: S608 - constants
    now = AuditBundle._meta.get_field("rejected_at").get_db_prep_save(database_now(), connection)
    with connection.cursor() as cursor:
        cursor.executemany(
            statement, [[taken.id, *map(_insertable, taken.stored), now] for taken in rejected]
        )


def _insertable(value: Any) -> Any:
    """Text that is not UTF-8 goes back as the bytes that it was."""
    if not isinstance(value, str):
        return value
    try:
        value.encode()
    except UnicodeEncodeError:
        return value.encode(errors="surrogateescape")
    return value
