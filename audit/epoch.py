"""The security epoch: one number that every security-relevant change raises, and when each entity last did.

An answer computed from cached keys and rights remembers the epochs it was computed under. The transaction that
writes its audit row holds the epoch still and compares: a revocation that was acknowledged before can then
never be followed by an answer from the old state, whatever process computed it. While the global number is the
same nothing has changed. Where it moved, the entities concerned decide, so that a busy administrator does not
make everybody's answers be computed anew.

The lock is an advisory one. A plain re-read is not enough (tried: at every isolation level a stale answer left
after the revocation was acknowledged), and ``FOR SHARE`` on the row starves the administrator under load. On
SQLite ``BEGIN IMMEDIATE`` already admits one writer at a time.
"""

from collections.abc import Iterable
from datetime import datetime

from django.db import connection, transaction

from audit.errors import StaleDecision
from audit.models import EntityEpoch
from audit.stamps import EpochStamp, behind, entities_of, renew
from ciphercanary.clock import process_now
from ciphercanary.lock_waits import milliseconds, seconds_left
from ciphercanary.row_mac import IntegrityFailed

LOCK = int.from_bytes(b"cc-epoch")  # a bigint of our own among PostgreSQL's advisory locks
_GLOBAL = "SELECT '', epoch FROM security_epoch WHERE id = 1"
_ENTITIES = "SELECT entity, epoch FROM entity_epochs WHERE entity IN"


def read_epoch() -> int:
    """The present global epoch. Whoever caches rows reads it *before* them, never after."""
    return _run("SELECT epoch FROM security_epoch WHERE id = 1")


def read_stamp(*entities: str) -> EpochStamp:
    """The present epochs of what is about to be read. Called *before* the rows, never after."""
    places = ", ".join(["%s"] * len(entities))
    with connection.cursor() as cursor:
        cursor.execute(f"{_GLOBAL} UNION ALL {_ENTITIES} ({places})", entities)
        found: dict[str, int] = dict(cursor.fetchall())
    if "" not in found:
        raise _lost()
    return EpochStamp({entity: found.get(entity, 0) for entity in entities}, found[""])


def raise_epoch(entity: str, *more: str) -> int:
    """The next global epoch, which is also that of the changed entities, once the transaction commits.

    The last step of a change: it waits for the answers in flight, and from here to the commit they wait.
    """
    _require_transaction()
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [LOCK])
    epoch = _run("UPDATE security_epoch SET epoch = epoch + 1 WHERE id = 1 RETURNING epoch")
    EntityEpoch.objects.bulk_create(
        [EntityEpoch(entity=changed, epoch=epoch) for changed in (entity, *more)],
        update_conflicts=True,
        unique_fields=["entity"],
        update_fields=["epoch"],
    )
    return epoch


def hold_epoch() -> tuple[int, datetime]:
    """The global epoch, which no change can raise until the transaction ends, and the database's clock."""
    _require_transaction()
    if connection.vendor != "postgresql":
        return read_epoch(), process_now()
    # Two statements in one message: the snapshot of the second is younger than the lock. In one statement, it
    # could be of the time before the change that made us wait.
    # It sets lock_timeout itself, since the connections of commands have none.
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
    return row[0], row[1]


def require_current(stamp: EpochStamp | None) -> None:
    """Raises StaleDecision unless what was read under the stamp still holds, and goes on to until the commit.

    The last look of an act that changes nothing others have cached: it waits for changes, and they for it.
    """
    epoch, _ = hold_epoch()
    if stamp is not None and (changed := renew_stamps([stamp], epoch)):
        raise StaleDecision(changed)


def renew_stamps(stamps: Iterable[EpochStamp], epoch: int) -> frozenset[str]:
    """Bring up to date what still holds; the entities that changed since. ``epoch`` is the present global one.

    Exact while the caller holds the epoch, and a lower bound otherwise: what is current then was so at ``epoch``.
    """
    old = behind(stamps, epoch)
    if not old:
        return frozenset()
    wanted = entities_of(old)
    present = EntityEpoch.objects.filter(entity__in=wanted).values_list("entity", "epoch")
    return renew(old, dict(present), epoch)


def _require_transaction() -> None:
    if not connection.in_atomic_block:
        raise transaction.TransactionManagementError("the epoch is held and raised inside a transaction only")


def _run(statement: str) -> int:
    with connection.cursor() as cursor:
        cursor.execute(statement)
        row = cursor.fetchone()
    if row is None:
        raise _lost()
    epoch: int = row[0]
    return epoch


def _lost() -> IntegrityFailed:
    return IntegrityFailed(
        "The security epoch row is missing. The database was changed outside the application."
    )
