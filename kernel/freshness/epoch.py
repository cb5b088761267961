"""The security epoch: a counter that every security-relevant change increments, globally and per entity.

A response computed from cached keys and permissions keeps the epochs that it was computed under. The transaction that
writes its audit row locks the epoch and compares. So once a revocation is acknowledged, no process can return a
response from the old state. If the global epoch is unchanged, nothing has changed. Otherwise only the affected entities
are compared, so that a busy administrator does not force all responses to be recomputed.

The lock is an advisory lock. Reading the epoch again is not enough: in tests, at every isolation level, a stale
response was returned after the revocation was acknowledged. ``FOR SHARE`` on the row starves the administrator under
load. On SQLite, ``BEGIN IMMEDIATE`` already serializes writers.
"""

from collections.abc import Iterable
from contextvars import ContextVar
from datetime import datetime

from django.db import connection, transaction

from kernel.clock import note_database_time, process_now
from kernel.databases.lock_waits import milliseconds, seconds_left
from kernel.demo_clock import behind
from kernel.freshness.models import EntityEpoch
from kernel.freshness.stamps import EpochStamp, StaleDecision, entities_of, outdated, renew
from kernel.trust.row_mac import IntegrityFailed

LOCK = int.from_bytes(b"cc-epoch")  # our key among PostgreSQL's advisory locks, a bigint
_GLOBAL = "SELECT '', epoch FROM security_epoch WHERE id = 1"
_CLOCK = "SELECT '@', (extract(epoch FROM clock_timestamp()) * 1000000)::bigint"  # PostgreSQL
_ENTITIES = "SELECT entity, epoch FROM entity_epochs WHERE entity IN"
_BUNDLES = "SELECT '+', max(id) FROM audit_bundles WHERE rejected_at IS NULL"

# The newest bundle of entries that waited to be sequenced when this context last read a stamp: 0 if none did, None if it
# is unknown. Pages that show the log read it here, which saves each of them a statement.
newest_bundle: ContextVar[int | None] = ContextVar("newest_bundle", default=None)


def read_epoch() -> int:
    """The current global epoch. Code that caches rows must read it *before* the rows."""
    return _read(_GLOBAL)[""]


def read_stamp(*entities: str) -> EpochStamp:
    """The current epochs of entities that the caller is about to read. Call it *before* reading the rows."""
    places = ", ".join(["%s"] * len(entities))
    found = _read(f"{_GLOBAL} UNION ALL {_BUNDLES} UNION ALL {_ENTITIES} ({places})", *entities)
    newest_bundle.set(found["+"] or 0)
    return EpochStamp({entity: found.get(entity, 0) for entity in entities}, found[""])


def raise_epoch(entity: str, *more: str) -> int:
    """Increment the global epoch, and store it for the changed entities. Returns the new epoch.

    The last step of a change: it waits for pending responses, and later responses wait until the commit.
    """
    _require_transaction()
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [LOCK])
        cursor.execute("UPDATE security_epoch SET epoch = epoch + 1 WHERE id = 1 RETURNING epoch")
        row = cursor.fetchone()
    if row is None:
        raise _lost()
    epoch: int = row[0]
    EntityEpoch.objects.bulk_create(  # noqa: CC3 - only the holder of the epoch's lock writes it
        [EntityEpoch(entity=changed, epoch=epoch) for changed in (entity, *more)],
        update_conflicts=True,
        unique_fields=["entity"],
        update_fields=["epoch"],
    )
    return epoch


def lock_epoch() -> tuple[int, datetime]:
    """Lock the global epoch until the transaction ends. Returns it, and the database time."""
    _require_transaction()
    if connection.vendor != "postgresql":
        return read_epoch(), process_now()
    # Two statements in one message: the snapshot of the second is newer than the lock. A single statement could
    # read a snapshot from before the change that it waited for.
    # Sets lock_timeout itself, because the connections of commands have none.
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT set_config('lock_timeout', '{milliseconds(seconds_left())}', true), "  # noqa: S608 - numbers
            f"pg_advisory_xact_lock_shared({LOCK}); "
            "SELECT epoch, clock_timestamp() FROM security_epoch WHERE id = 1"
        )
        cursor.nextset()
        row = cursor.fetchone()
    if row is None:
        raise _lost()
    note_database_time(row[1].timestamp())
    return row[0], row[1] - behind()


def require_current(stamp: EpochStamp | None) -> None:
    """Raises StaleDecision unless data read under the stamp is still valid. It then stays valid until the commit.

    Final check of an operation that invalidates no caches. It and concurrent changes wait for each other.
    """
    epoch, _ = lock_epoch()
    if stamp is not None and (changed := renew_stamps([stamp], epoch)):
        raise StaleDecision(changed)


def renew_stamps(stamps: Iterable[EpochStamp], epoch: int) -> frozenset[str]:
    """Renew the stamps that are still valid. Returns the changed entities. ``epoch``: the current global epoch.

    Exact while the caller holds the epoch's lock. Otherwise it may miss later changes: renewed stamps were valid at
    ``epoch``.
    """
    old = outdated(stamps, epoch)
    if not old:
        return frozenset()
    wanted = entities_of(old)
    present = EntityEpoch.objects.filter(entity__in=wanted).values_list("entity", "epoch")
    return renew(old, dict(present), epoch)


def _require_transaction() -> None:
    if not connection.in_atomic_block:
        raise transaction.TransactionManagementError(
            "the epoch is locked and raised inside a transaction only"
        )


def _read(statement: str, *parameters: str) -> dict[str, int]:
    """The rows of a query that contains ``_GLOBAL``. On PostgreSQL, it also reads the clock."""
    is_postgresql = connection.vendor == "postgresql"
    with connection.cursor() as cursor:
        cursor.execute(f"{statement} UNION ALL {_CLOCK}" if is_postgresql else statement, parameters)
        found: dict[str, int] = dict(cursor.fetchall())
    if is_postgresql:
        note_database_time(found["@"] / 1_000_000)
    if "" not in found:
        raise _lost()
    return found


def _lost() -> IntegrityFailed:
    return IntegrityFailed(
        "The security epoch row is missing. The database was changed outside the application."
    )
