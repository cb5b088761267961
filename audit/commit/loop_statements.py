"""The PostgreSQL statements of the event-loop writer, and the parsers of their results."""

import time
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Self

from msgspec import Struct
from psycopg.pq.abc import PGresult

from audit.commit.loop_connection import Statement, StatementFailed
from audit.log.bundles import Bundle
from audit.log.canonical import format_timestamp
from kernel.clock import note_database_time
from kernel.freshness.epoch import LOCK

# Maximum age of a timestamp at its commit, if it was not read from the database for this very batch.
TOLERANCE = timedelta(milliseconds=100)
_DRIFT = timedelta(
    milliseconds=1
)  # by which this process's clock may be ahead of the database's within a second
_EPOCH_START = datetime(1970, 1, 1, tzinfo=UTC)

# Each statement of a message has a snapshot of its own: see kernel.freshness.epoch.lock_epoch.
_READ_EPOCH = b"SELECT epoch, (extract(epoch FROM clock_timestamp()) * 1000000)::bigint FROM security_epoch WHERE id = 1"
# The query of audit.sequencing.timestamps.unsequenced.
_LAG = (
    b"SELECT extract(epoch FROM clock_timestamp() - at) FROM audit_bundles "
    b"WHERE rejected_at IS NULL ORDER BY id LIMIT 1"
)
# Locks, compares and inserts in one transaction: see audit.log.triggers.create_write_bundle.
_WRITE = b"SELECT write_bundle($1, $2, $3, $4, $5, $6, $7, $8)"
_INSERT = b"INSERT INTO audit_bundles (at, writer, first, entries, body, mac) VALUES ($1, $2, $3, $4, $5, $6)"
ENTITIES = b"SELECT entity, epoch FROM entity_epochs WHERE entity = ANY($1)"
BEGIN, LOCK_EPOCH, READ_EPOCH, LAG, COMMIT, ROLLBACK = (
    (text, ())
    for text in (
        b"BEGIN ISOLATION LEVEL READ COMMITTED",
        b"SELECT pg_advisory_xact_lock_shared(%d)" % LOCK,
        _READ_EPOCH,
        _LAG,
        b"COMMIT",
        b"ROLLBACK",
    )
)


class EpochReading(Struct, frozen=True):
    """The epoch and the database time, and when this process received them (monotonic seconds)."""

    epoch: int
    clock: datetime
    received: float

    @classmethod
    def received_now(cls, epoch: int, clock: datetime) -> Self:
        note_database_time(clock.timestamp())
        return cls(epoch, clock, time.monotonic())

    def now(self) -> datetime:
        """A time of the database clock that has already passed. ``_DRIFT`` allows for different speeds of the clocks."""
        elapsed = timedelta(seconds=time.monotonic() - self.received) - _DRIFT
        return self.clock + max(elapsed, timedelta())


def epoch_reading_of(result: PGresult) -> EpochReading:
    """Parse a result of ``READ_EPOCH`` that has just arrived. Raises StatementFailed."""
    epoch, timestamp = result.get_value(0, 0), result.get_value(0, 1)
    if epoch is None or timestamp is None:
        raise StatementFailed("the security epoch has lost its row")
    return EpochReading.received_now(int(epoch), _EPOCH_START + timedelta(microseconds=int(timestamp)))


def insertion_of(bundle: Bundle) -> Statement:
    """Insert the bundle in a transaction that has locked the epoch."""
    return _INSERT, _parameters(bundle)


def write_of(bundle: Bundle, epoch: int, until: datetime) -> Statement:
    """Write the bundle in a transaction of its own, unless the epoch moved or the clock is not between its time and
    ``until``. ``clock_of`` parses the result.
    """
    at, *columns = _parameters(bundle)
    return _WRITE, [b"%d" % epoch, at, format_timestamp(until).encode(), *columns]


def clock_of(result: PGresult) -> datetime | None:
    """The database time at which the bundle was written, None if nothing was written."""
    timestamp = result.get_value(0, 0)
    return None if timestamp is None else _EPOCH_START + timedelta(microseconds=int(timestamp))


def _parameters(bundle: Bundle) -> list[bytes]:
    numbers = (b"%d" % bundle.first, b"%d" % bundle.entries)
    body = b"\\x" + bundle.body.hex().encode()
    return [bundle.at.encode(), bundle.writer.encode(), *numbers, body, bundle.mac.encode()]


def array_of(entities: Iterable[str]) -> bytes:
    """PostgreSQL's text format of an array. The texts must not contain quotes or backslashes."""
    return ("{" + ",".join(f'"{entity}"' for entity in entities) + "}").encode()


def pairs_of(result: PGresult) -> Iterator[tuple[str, int]]:
    for row in range(result.ntuples):
        yield (result.get_value(row, 0) or b"").decode(), int(result.get_value(row, 1) or 0)
