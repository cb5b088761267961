"""The PostgreSQL statements of the event-loop writer, and the parsers of their results."""

import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import batched

from psycopg.pq.abc import PGresult

from audit.commit.loop_connection import Statement, StatementFailed
from audit.log.entry_rows import Parameters, insert_statement
from kernel.freshness.epoch import LOCK

ROWS_AT_ONCE = 32  # per INSERT: each number of rows is a statement of its own
# Maximum age of a timestamp at its commit, if it was not read from the database for this very batch.
TOLERANCE = timedelta(milliseconds=100)
DRIFT = timedelta(
    milliseconds=1
)  # by which this process's clock may be ahead of the database's within a second
EPOCH_START = datetime(1970, 1, 1, tzinfo=UTC)

# Each statement of a message has a snapshot of its own: see kernel.freshness.epoch.lock_epoch. One statement stores in the
# transaction whether it may write, and every INSERT reads that. So all rows are written, or none.
_IS_CURRENT = "'ciphercanary.is_current'"
_READ_EPOCH = (
    "SELECT epoch, (extract(epoch FROM clock_timestamp()) * 1000000)::bigint, "  # noqa: S608 - constants
    f"set_config({_IS_CURRENT}, 'true', true) FROM security_epoch WHERE id = 1"
).encode()
_COMPARE = (
    f"SELECT set_config({_IS_CURRENT}, (epoch = $1::bigint AND clock_timestamp() >= $2::timestamptz "  # noqa: S608 - constants
    "AND clock_timestamp() < $3::timestamptz)::text, true) FROM security_epoch WHERE id = 1"
).encode()
# The query of audit.sequencing.timestamps.unsequenced.
_LAG = (
    b"SELECT extract(epoch FROM clock_timestamp() - coalesce(timestamp, 'epoch')) FROM audit_pending "
    b"LEFT JOIN audit_logs ON audit_logs.id = log_id ORDER BY log_id LIMIT 1"
)
ENTITIES = b"SELECT entity, epoch FROM entity_epochs WHERE entity = ANY($1)"
INSERTS = [
    insert_statement(rows, f"current_setting({_IS_CURRENT}, true) = 'true'")
    for rows in range(1, ROWS_AT_ONCE + 1)
]
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


@dataclass(frozen=True, slots=True)
class EpochReading:
    """The epoch and the database time, and when this process received them (monotonic seconds)."""

    epoch: int
    clock: datetime
    received: float

    def now(self) -> datetime:
        """A time of the database clock that has already passed. ``DRIFT`` allows for different speeds of the clocks."""
        elapsed = timedelta(seconds=time.monotonic() - self.received) - DRIFT
        return self.clock + max(elapsed, timedelta())


def epoch_reading_of(result: PGresult) -> EpochReading:
    """Parse a result of ``READ_EPOCH`` that has just arrived. Raises StatementFailed."""
    epoch, timestamp = result.get_value(0, 0), result.get_value(0, 1)
    if epoch is None or timestamp is None:
        raise StatementFailed("the security epoch has lost its row")
    return EpochReading(int(epoch), EPOCH_START + timedelta(microseconds=int(timestamp)), time.monotonic())


def compare(epoch: int, at: str, end: str) -> Statement:
    """Whether the epoch is this one, and the clock is from ``at`` to before ``end``: see ``is_confirmed``."""
    return _COMPARE, (b"%d" % epoch, at.encode(), end.encode())


def is_confirmed(result: PGresult) -> bool:
    """Whether ``compare`` has confirmed its message, so that the rows were inserted."""
    return result.get_value(0, 0) == b"true"


def inserts_of(rows: Sequence[Parameters]) -> list[Statement]:
    return [
        (INSERTS[len(some) - 1], [value for row in some for value in row])
        for some in batched(rows, ROWS_AT_ONCE)
    ]


def array_of(entities: Iterable[str]) -> bytes:
    """PostgreSQL's text format of an array. The texts must not contain quotes or backslashes."""
    return ("{" + ",".join(f'"{entity}"' for entity in entities) + "}").encode()


def pairs_of(result: PGresult) -> Iterator[tuple[str, int]]:
    for row in range(result.ntuples):
        yield (result.get_value(row, 0) or b"").decode(), int(result.get_value(row, 1) or 0)
