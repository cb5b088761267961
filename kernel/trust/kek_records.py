"""The records of the key-encryption keys, and the stored keys that are wrapped under each.

A lock ties both together. A transaction that wraps a key shares it, and a transaction that replaces the primary
key-encryption key or retires one excludes all others. So no row becomes wrapped under a key that is being retired.
"""

from collections.abc import Mapping
from typing import Any

from django.apps import apps
from django.db import connection, transaction
from django.db.models import Count, Q, QuerySet

from kernel import installation
from kernel.clock import database_now
from kernel.databases.transactions import wait_for_lock
from kernel.errors import Conflict, NotFound, Unavailable
from kernel.trust.models import KeyEncryptionKey
from kernel.trust.wrapped_row import WrappedRow

LOCK = int.from_bytes(b"cc-kekey")  # our key among PostgreSQL's advisory locks, a bigint
_PRIMARY = "SELECT id FROM key_encryption_keys WHERE is_primary"
HOLDS_KEY = ~Q(wrapped=b"")


class KekUnavailable(Unavailable):
    """The ring lacks, or contradicts, a key-encryption key that the database relies on."""

    code = "integrity_failed"
    title = "Stored data failed its integrity check"


def wrapped_models() -> list[type[WrappedRow]]:
    """The tables with wrapped keys, in a fixed order."""
    return [model for model in apps.get_models() if issubclass(model, WrappedRow)]


def lock_primary() -> str:
    """The id of the primary key-encryption key, which stays primary until the transaction ends.

    Raises TransactionManagementError outside a transaction, and KekUnavailable if there is none.
    """
    _require_transaction()
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            # Two statements in one message: the snapshot of the second is newer than the lock.
            cursor.execute(f"SELECT pg_advisory_xact_lock_shared({LOCK}); {_PRIMARY}")
            cursor.nextset()
        else:
            cursor.execute(_PRIMARY)
        row = cursor.fetchone()
    if row is None:
        raise KekUnavailable(
            "The database has no primary key-encryption key. Restore a backup of the database."
        )
    return str(row[0])


def lock_all() -> None:
    """Wait until no transaction wraps a key. Until this transaction ends, none begins to.

    Raises TransactionManagementError outside a transaction.
    """
    _require_transaction()
    wait_for_lock(LOCK)


def primary_id() -> str:
    """The id of the primary key-encryption key, as of now."""
    return KeyEncryptionKey.objects.get(is_primary=True).id


def replace_primary(kek_id: str, sentinel: bytes) -> None:
    """Record a new key as the primary one. The caller holds the lock, unless the database is new."""
    KeyEncryptionKey.objects.filter(is_primary=True).update(is_primary=False)  # noqa: CC3 - the sentinel authenticates the row
    KeyEncryptionKey.objects.create(id=kek_id, is_primary=True, sentinel=sentinel)  # noqa: CC3 - the sentinel authenticates the row


def retire(kek_id: str) -> KeyEncryptionKey:
    """Retire a key-encryption key under which nothing is wrapped.

    Raises NotFound, Conflict if it is primary, retired or still needed, and TransactionManagementError outside a
    transaction.
    """
    lock_all()
    record = KeyEncryptionKey.objects.filter(pk=kek_id).first()
    if record is None:
        raise NotFound(f"The database has no record of a key-encryption key {kek_id}.")
    if record.is_primary:
        raise Conflict(
            f"Key-encryption key {kek_id} is the primary one. Run {installation.MANAGE} rotate_kek first."
        )
    if record.retired_at is not None:
        raise Conflict(f"Key-encryption key {kek_id} is already retired.")
    if needed := count_rows().get(kek_id, 0):
        raise Conflict(
            f"{needed} stored keys are wrapped under key-encryption key {kek_id}. "
            f"Run {installation.MANAGE} rewrap_keys first."
        )
    record.retired_at = database_now()
    record.save(update_fields=["retired_at"])  # noqa: CC3 - the date of retirement
    return record


def count_rows() -> Mapping[str, int]:
    """The number of stored keys by key-encryption key. Scans all of them, in one statement."""
    counts = [_counts_of(model) for model in wrapped_models()]
    found: dict[str, int] = {}
    for kek_id, count in counts[0].union(*counts[1:], all=True):
        found[kek_id] = found.get(kek_id, 0) + count
    return found


def count_outdated() -> int:
    """The number of stored keys that are not wrapped under the primary key-encryption key."""
    counts, primary = count_rows(), primary_id()
    return sum(counts.values()) - counts.get(primary, 0)


def _counts_of(model: type[WrappedRow]) -> QuerySet[Any, Any]:
    return model._default_manager.filter(HOLDS_KEY).order_by().values_list("kek_id").annotate(Count("pk"))


def _require_transaction() -> None:
    if not connection.in_atomic_block:
        raise transaction.TransactionManagementError(
            "a key is wrapped, and a key-encryption key replaced, inside a transaction only"
        )
