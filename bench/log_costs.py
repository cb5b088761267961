"""The cost of an entry of the audit log: space and WAL in PostgreSQL, and CPU time."""

import contextlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import psycopg

from bench.load import Load
from bench.machine import Unfit
from bench.product import CipherCanary
from bench.table import number
from bench.watch import children_of, cpu_seconds, family_cpu_seconds, resident_bytes
from tests.product import command_line, parent_of

CPU = ("web workers", "PostgreSQL", "sequencer")
HEADINGS = (
    "load",
    "responses/s",
    "errors",
    "entries",
    "per row",
    "bytes",
    "of them indexes",
    "WAL bytes",
    *(f"{kind}, us" for kind in CPU),
)
# A row of audit_logs can hold several entries. Each entry is a leaf of the tree.
USED = "SELECT size, pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0') FROM audit_tree"
# Without the queue of the sequencer, whose pages are used again.
SPACE = """
SELECT sum(pg_total_relation_size(oid)), sum(pg_indexes_size(oid)), (SELECT count(*) FROM audit_logs)
FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace AND relname <> 'audit_bundles'
"""
LAG = """
SELECT coalesce(extract(epoch FROM clock_timestamp()
    - (SELECT at FROM audit_bundles WHERE rejected_at IS NULL ORDER BY id LIMIT 1)), 0)
"""


@dataclass(frozen=True)
class Cost:
    """A load and its totals: entries, rows, bytes, and CPU seconds by kind of process."""

    load: Load
    totals: Mapping[str, float]

    def cells(self, what: str) -> list[str]:
        entries, rows = self.totals["entries"], self.totals["rows"]
        each = {name: total / max(1, entries) for name, total in self.totals.items()}
        return [
            what,
            number(self.load.rate),
            str(self.load.errors),
            number(entries),
            number(entries / max(1, rows)),
            *(number(each[name]) for name in ("bytes", "indexes", "WAL")),
            *(number(each[kind] * 1e6) for kind in CPU),
        ]


class Meter:
    """Reads the totals of a product. Raises Unfit if its PostgreSQL server is not on this machine."""

    def __init__(self, ours: CipherCanary, connection: psycopg.Connection) -> None:
        self.ours, self.connection = ours, connection
        self.server = parent_of(connection.info.backend_pid)
        if "postgres" not in command_line(self.server):
            raise Unfit("PostgreSQL must run on this machine: unset DATABASE_URL")

    def cost_of(self, measure: Callable[[], Load]) -> Cost:
        """The cost of a load until the sequencer has caught up. The space is that after VACUUM."""
        before = self._space() | self._used()  # in this order, because VACUUM uses CPU time and WAL
        load = measure()
        self.ours.settle()
        after = self._used() | self._space()
        return Cost(load, {name: after[name] - total for name, total in before.items()})

    def entries(self) -> float:
        return self._row(USED)[0]

    def lag(self) -> float:
        """The age of the oldest entry that is not in the tree, in seconds."""
        return self._row(LAG)[0]

    def memory(self) -> dict[str, int]:
        """The resident bytes of each process of the product, and of PostgreSQL's largest one."""
        product, workers = self.ours.product, self.ours.workers()
        kinds = {
            "supervisor": product.processes_of("ciphercanary.server serve"),
            "web server": product.processes_of("ciphercanary.asgi") - workers,
            "web worker": workers,
            "sequencer": product.processes_of("run_sequencer"),
            "job worker": product.processes_of("run_worker"),
            "PostgreSQL": children_of(self.server),
        }
        return {kind: max(map(resident_bytes, pids), default=0) for kind, pids in kinds.items()}

    def _used(self) -> dict[str, float]:
        entries, wal = self._row(USED)
        sequencers = self.ours.product.processes_of("run_sequencer")
        cpu = (
            sum(map(cpu_seconds, self.ours.workers())),
            family_cpu_seconds(self.server),
            sum(map(cpu_seconds, sequencers)),
        )
        return {"entries": entries, "WAL": wal, **dict(zip(CPU, cpu, strict=True))}

    def _space(self) -> dict[str, float]:
        self.connection.execute("VACUUM")
        # Each page goes to the WAL in full after a checkpoint. So each load starts with one.
        with contextlib.suppress(psycopg.errors.InsufficientPrivilege):
            self.connection.execute("CHECKPOINT")
        size, indexes, rows = self._row(SPACE)
        return {"bytes": size, "indexes": indexes, "rows": rows}

    def _row(self, query: str) -> list[float]:
        row = self.connection.execute(query).fetchone()
        return [float(value) for value in row or ()]
