"""A primary and its streaming standby, as docs/high-availability.md sets them up."""

import os
import signal
import subprocess
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from pathlib import Path

import psycopg

from tests.services.postgresql import DATABASE, PostgreSQL
from tests.services.processes import Unavailable, ownership
from tests.waiting import wait_until

SLOT = "standby"
# In the file, because pg_rewind starts the server without the options of its command.
CONFIGURATION = f"""
wal_log_hints = on
wal_keep_size = 512MB
max_wal_size = 256MB
primary_slot_name = '{SLOT}'
"""


class Member(PostgreSQL):
    """A server of the pair. With a ``source``, it begins as its standby."""

    def __init__(self, folder: Path, source: "Member | None" = None) -> None:
        self._source = source
        super().__init__(folder, durable=True)

    def initialise(self) -> None:
        if self._source is None:
            super().initialise()
            with (self.data / "postgresql.conf").open("a") as file:
                file.write(CONFIGURATION)
            return
        self.run(
            "pg_basebackup", "-D", self.data, "-d", self._source.address, "-R", "-C", "-S", SLOT, "-c", "fast"
        )

    @property
    def address(self) -> str:
        """For libpq, as another member uses it."""
        return f"host=127.0.0.1 port={self.port} user=postgres dbname=postgres application_name={SLOT}"

    def run(self, program: str, *arguments: str | Path) -> None:
        """Run a program of PostgreSQL as its account. Raises Unavailable."""
        command = [(self.programs / "postgres").resolve().with_name(program), *arguments]
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, cwd=self.folder, **ownership(self.account)
        )
        if done.returncode != 0:
            raise Unavailable(f"{program} fails:\n{done.stderr}")

    def execute(self, statement: str) -> list[tuple[object, ...]]:
        with psycopg.connect(self.url_of("postgres"), autocommit=True) as session:
            cursor = session.execute(statement)
            return cursor.fetchall() if cursor.description else []

    def configure(self, name: str, value: str) -> None:
        self.execute(f"ALTER SYSTEM SET {name} = '{value}'")
        self.execute("SELECT pg_reload_conf()")

    def stop_sending(self) -> None:
        """The standby gets nothing more, but stays connected."""
        for (pid,) in self.execute("SELECT pid FROM pg_stat_replication"):
            os.kill(int(str(pid)), signal.SIGSTOP)

    def kill(self) -> None:
        """``kill -9`` of all its processes, as if its machine failed."""
        assert self.process
        main = self.process.pid
        os.kill(main, signal.SIGSTOP)  # so that it starts no more of them
        children = Path(f"/proc/{main}/task/{main}/children").read_text().split()
        for pid in (main, *map(int, children)):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.process.wait()


class Pair:
    """Two members, one of which is the primary."""

    def __init__(self, stack: ExitStack, folder: Path, *, is_synchronous: bool) -> None:
        for name in ("first", "second"):
            (folder / name).mkdir(mode=0o711)
        self.primary = stack.enter_context(Member(folder / "first" / "postgresql"))
        self.standby = stack.enter_context(Member(folder / "second" / "postgresql", self.primary))
        self._is_synchronous = is_synchronous
        ports: Sequence[int] = (self.primary.port, self.standby.port)
        hosts = ",".join(f"127.0.0.1:{port}" for port in ports)
        self.url = f"postgresql://postgres@{hosts}/{DATABASE}?target_session_attrs=read-write"
        self._attach()

    def promote(self) -> None:
        """Make the standby the primary, and return when it accepts writes."""
        self.standby.configure("synchronous_standby_names", "")  # left from its time as the primary
        self.standby.execute("SELECT pg_promote()")
        self.primary, self.standby = self.standby, self.primary

    def rejoin(self) -> None:
        """Make the old primary a standby of the new one."""
        self.standby.stop()
        self.primary.execute("CHECKPOINT")  # pg_rewind reads the new timeline from the control file
        self.primary.execute(f"SELECT pg_create_physical_replication_slot('{SLOT}')")
        self.standby.run(
            "pg_rewind", "-D", self.standby.data, f"--source-server={self.primary.address}", "-R"
        )
        self.standby.start()
        self.standby.execute("SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots")
        self._attach()

    def _attach(self) -> None:
        if self._is_synchronous:
            self.primary.configure("synchronous_standby_names", SLOT)
        wanted = ("streaming", "sync" if self._is_synchronous else "async")
        wait_until(
            lambda: wanted in self.primary.execute("SELECT state, sync_state FROM pg_stat_replication")
        )
