"""The sequencer of the first era, for the entries that still wait when a database is migrated.

It reads rows of ``audit_logs``, and appends their leaves to ``audit_leaves`` and the tiles. It checks no MAC, because a
migration has no key: ``verify_audit_log`` does, and finds what is missing.
"""

import sys

from django.db import connection, transaction

from audit.log import canonical
from audit.log.entries import ACTOR_ID, ENTRY_ORDERS
from audit.log.raw_rows import any_text, spelled
from audit.models import AuditLog
from audit.sequencing.rollups import add_usage
from audit.sequencing.token_uses import note_token_uses
from audit.tlog import merkle, tiles
from audit.tlog.merkle import Frontier

BATCH = 20_000
LOCK = int.from_bytes(b"cc-seqnc")  # of the sequencer
_ORDER = ENTRY_ORDERS[2]
_COLUMNS = ", ".join("2" if name == "version" else spelled(AuditLog, [name], "g") for name in _ORDER)
_TAKE = (
    "DELETE FROM audit_pending WHERE log_id <= (SELECT max(log_id) FROM "
    "(SELECT log_id FROM audit_pending ORDER BY log_id LIMIT %s) AS oldest) RETURNING log_id"
)
_NUMBERS = ("wseq", "count", "size", "object_version")


def drain():
    """Append all waiting entries, each batch in a transaction of its own, so that an interruption loses nothing."""
    total, done = _scalar("SELECT count(*) FROM audit_pending"), 0
    while taken := drain_batch():
        done += taken
        if total > BATCH:
            sys.stdout.write(f"  {done:,} of {total:,} waiting entries of the log are in the tree\n")
            sys.stdout.flush()


def drain_batch():
    """Append the oldest waiting entries. Returns how many were taken from the list."""
    with any_text(), transaction.atomic(), connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [LOCK])
        cursor.execute(_TAKE, [BATCH])
        taken = sorted(log_id for (log_id,) in cursor.fetchall())
        rows = _rows([log_id for log_id in taken if log_id not in _with_leaf(taken)])
        if rows:
            _append(rows)
            add_usage([row for row, _ in rows])
            note_token_uses([row for row, _ in rows])
        return len(taken)


def _with_leaf(log_ids):
    """Entries that have a leaf already: a row may have been inserted into the list again."""
    if not log_ids:
        return set()
    with connection.cursor() as cursor:
        cursor.execute("SELECT log_id FROM audit_leaves WHERE log_id >= %s AND log_id <= %s", [log_ids[0], log_ids[-1]])
        return {log_id for (log_id,) in cursor.fetchall()}


def _rows(log_ids):
    """The stored rows with their leaf hashes. A row without a canonical form gets no leaf."""
    if not log_ids:
        return []
    with connection.cursor() as cursor:
        ids = ", ".join(map(str, log_ids))
        cursor.execute(f"SELECT {_COLUMNS} FROM audit_logs g WHERE g.id IN ({ids}) ORDER BY g.id")
        stored = [dict(zip(_ORDER, values, strict=True)) for values in cursor.fetchall()]
    rows = []
    for row in stored:
        if row[ACTOR_ID] is None:
            del row[ACTOR_ID]
            row["version"] = 1
        try:
            if not all(row[name] is None or type(row[name]) is int for name in _NUMBERS):
                raise TypeError("a number is none")
            rows.append((row, merkle.leaf_hash(canonical.encode_members(row))))
        except (TypeError, ValueError):
            continue
    return rows


def _append(rows):
    with connection.cursor() as cursor:
        cursor.execute("SELECT size, root, edge FROM audit_tree WHERE id = 1")
        size, root, edge = cursor.fetchone()
        frontier = Frontier.decode(size, bytes(edge))
        if frontier.root() != bytes(root):
            raise ValueError("The tree of the audit log was altered. Run verify_audit_log with the earlier version.")
        leaves = [leaf for _, leaf in rows]
        changed = tiles.append(size, _edge_tiles(size), leaves)
        frontier = frontier.extended(leaves)
        cursor.executemany(
            "INSERT INTO audit_leaves (idx, log_id, leaf_hash) VALUES (%s, %s, %s)",
            [(size + at, row["id"], leaf) for at, (row, leaf) in enumerate(rows)],
        )
        cursor.executemany(
            "INSERT INTO audit_tiles (level, number, hashes) VALUES (%s, %s, %s) "
            "ON CONFLICT (level, number) DO UPDATE SET hashes = EXCLUDED.hashes",
            [(level, number, hashes) for (level, number), hashes in changed.items()],
        )
        cursor.execute(
            "UPDATE audit_tree SET size = %s, edge = %s, root = %s WHERE id = 1",
            [frontier.size, frontier.encode(), frontier.root()],
        )


def _edge_tiles(size):
    found = {}
    with connection.cursor() as cursor:
        for level, number in tiles.edge_tiles(size):
            cursor.execute("SELECT hashes FROM audit_tiles WHERE level = %s AND number = %s", [level, number])
            if row := cursor.fetchone():
                found[level, number] = bytes(row[0])
    return found


def _scalar(statement):
    with connection.cursor() as cursor:
        cursor.execute(statement)
        return cursor.fetchone()[0]
