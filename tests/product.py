"""The running product: a real ``bin/serve`` with a data folder and a database of its own.

On the half of bin/test that has DATABASE_URL and REDIS_URL it serves on a new PostgreSQL database and that
Redis, else on SQLite without one.
"""

import atexit
import base64
import contextlib
import fcntl
import json
import os
import re
import shutil
import signal
import sqlite3
import ssl
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from http.client import HTTPConnection, HTTPSConnection
from pathlib import Path
from typing import IO, Any, Self
from urllib.parse import urlencode, urlsplit

import psycopg

from tests.services.processes import dies_with_parent, free_port
from tests.waiting import wait_until

ROOT = Path(__file__).resolve().parent.parent
ADMIN, PASSWORD = "admin", "correct horse battery staple"
RESPONSE_SECONDS = 60  # for one response
START_SECONDS = 240  # of a server, on a busy machine
LAST_LINES = 30  # of a server that does not start
STOP_SECONDS = 90
COMMAND_SECONDS = 300
POSTGRESQL_URL = os.environ.get("DATABASE_URL", "")
# The Redis database of this pytest worker, as tests/conftest.py counts them.
WORKER = os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")
REDIS_URL = os.environ.get("REDIS_URL", "") and f"{os.environ['REDIS_URL'].rsplit('/', 1)[0]}/{WORKER}"
# Variables of the tests' own environment that must not reach the product.
OURS = ("CC_", "DJANGO_", "PG", "PYTEST_", "LOG_", "OTEL_")
GREETING = "CipherCanary is running at "
OUR_NAMES = {
    "DATABASE_URL",
    "REDIS_URL",
    "CELERY_BROKER_URL",
    "PORT",
    "DEBUG",
    "SECRET_KEY",
    "ALLOWED_HOSTS",
    "WEB_CONCURRENCY",
}


RUN = os.environ.get("PYTEST_XDIST_TESTRUNUID") or uuid.uuid4().hex
# Settings that the first start of an installation reads.
UNPREPARED = {"CC_ADMIN_PASSWORD", "CC_HOME"}


class Failed(Exception):
    """The product did not start; the text is what it said."""


@dataclass(frozen=True)
class Reply:
    """A response as it came over the network."""

    status: int
    headers: Any
    content: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.content)

    @property
    def code(self) -> str:
        """The problem's code; an assertion where the response is no problem document."""
        assert self.headers.get_content_type() == "application/problem+json", self.content
        return str(self.json["code"])


class Site:
    """The API of a running product, at an address. ``tls``: of https. ``headers`` are sent with every request."""

    def __init__(
        self,
        port: int,
        host: str = "127.0.0.1",
        *,
        tls: ssl.SSLContext | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self.host, self.port, self.tls, self.headers = host, port, tls, dict(headers or {})

    def send(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        token: str = "",
        headers: Mapping[str, str] | None = None,
    ) -> Reply:
        """One request on a connection of its own. ``body`` bytes go as they are, anything else as JSON."""
        with self.connect() as client:
            return client.send(method, path, body, token=token, headers=headers)

    @contextlib.contextmanager
    def connect(self) -> Iterator["KeepAlive"]:
        """A connection that lasts over several requests."""
        address = {"host": self.host, "port": self.port, "timeout": RESPONSE_SECONDS}
        connection = HTTPSConnection(**address, context=self.tls) if self.tls else HTTPConnection(**address)
        try:
            yield KeepAlive(connection, self.headers)
        finally:
            connection.close()

    def sign_in_to_api(self, username: str = ADMIN, password: str = PASSWORD) -> Any:
        response = self.send("POST", "/auth/login", {"username": username, "password": password})
        assert response.status == 200, response.content
        return response.json

    def token(self, username: str = ADMIN, password: str = PASSWORD) -> str:
        return str(self.sign_in_to_api(username, password)["access_token"])

    def send_form(self, path: str, username: str = ADMIN, password: str = PASSWORD) -> Reply:
        """Open a page with a form for user name and password (sign-in or set-up link), and send the form."""
        page = self.send("GET", path)
        assert page.status == 200, page.content
        token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', page.content.decode())
        assert token
        form = {"csrfmiddlewaretoken": token[1], "username": username, "password": password}
        headers = {
            "Cookie": page.headers["Set-Cookie"].partition(";")[0],
            "Content-Type": "application/x-www-form-urlencoded",
            **({"Origin": f"https://{self.host}:{self.port}"} if self.tls else {}),
        }
        return self.send("POST", path, urlencode(form).encode(), headers=headers)

    def sign_in(self, username: str = ADMIN) -> dict[str, str]:
        """The header with the cookie of a browser session."""
        done = self.send_form("/login/", username)
        assert done.status == 303, done.content
        cookies = [header.partition(";")[0] for header in done.headers.get_all("Set-Cookie")]
        return {"Cookie": next(cookie for cookie in cookies if "session=" in cookie)}


class Product(Site):
    """Runs from entering the block to leaving it, unless it was stopped or killed in between."""

    greets = True  # only the role serve does
    start_seconds: float = START_SECONDS

    def __init__(
        self,
        folder: Path,
        *,
        database: str | None = None,
        redis: bool = True,
        is_new: bool = False,
        has_demo: bool = False,
        **environment: str,
    ):
        """``database`` is a PostgreSQL URL to use as it is; ``redis`` False leaves REDIS_URL out.

        It continues with a copy of a prepared installation, unless ``is_new``: then it begins with nothing.
        ``has_demo``: the copy has the data of ``load_demo``.
        """
        super().__init__(free_port())
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.home = folder / "home"
        self.temporary = folder / "tmp"
        self.temporary.mkdir(exist_ok=True)
        self.process: subprocess.Popen[bytes] | None = None
        is_new = is_new or bool(database) or bool(UNPREPARED & environment.keys())
        is_on_sqlite = not (POSTGRESQL_URL if database is None else database)
        source = None if is_new else prepared(is_on_sqlite=is_on_sqlite, has_demo=has_demo)
        self.database = new_database(source) if database is None else database
        if source:
            continue_from(source.home, self.home)
        self.redis_prefix = f"cc-{uuid.uuid4().hex[:8]}"
        self.environment = clean_environment() | {
            "CC_VENV": str(installed_in(folder / "venv")),
            "CC_HOME": str(self.home),
            "TMPDIR": str(self.temporary),
            "PORT": str(self.port),
            "CC_ADMIN_PASSWORD": PASSWORD,
            "CC_THROTTLE_AUTH": "100000/minute",
            "CC_THROTTLE_ANONYMOUS": "100000/minute",
            "CC_THROTTLE_PRINCIPAL": "1000000/minute",
            "CC_REDIS_PREFIX": self.redis_prefix,
        }
        if self.database:
            self.environment["DATABASE_URL"] = self.database
        if redis and REDIS_URL:
            self.environment["REDIS_URL"] = REDIS_URL
        self.environment |= environment

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()
        drop_database(self.database)

    # --- the process

    @property
    def command(self) -> list[str]:
        return [str(ROOT / "bin" / "serve")]

    def launch(self) -> subprocess.Popen[bytes]:
        """Start it without waiting. Its output goes to ``stdout`` and ``stderr`` in the folder."""
        with (self.folder / "stdout").open("ab") as out, (self.folder / "stderr").open("ab") as err:
            self.process = subprocess.Popen(
                self.command,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                start_new_session=True,  # its child processes stay in its session, so all can be killed together
                preexec_fn=dies_with_parent(signal.SIGTERM),  # noqa: PLW1509 - nothing runs in threads yet
            )
        return self.process

    def start(self) -> None:
        """Start it and wait until it greets and responds. Raises Failed with the end of its output."""
        process = self.launch()
        earlier = self.stdout.count(GREETING)
        deadline = time.monotonic() + self.start_seconds
        while (self.greets and self.stdout.count(GREETING) == earlier) or not self.responds():
            if process.poll() is not None or time.monotonic() > deadline:
                code = process.poll()
                self.kill()
                raise Failed(self._why_not_started(code))
            time.sleep(0.02)

    def _why_not_started(self, code: int | None) -> str:
        reason = f"did not respond within {self.start_seconds:g} s" if code is None else f"ended with {code}"
        lines = [*self.stdout.splitlines(), *self.stderr.splitlines()][-LAST_LINES:]
        return "\n".join([f"the server {reason}. The end of its output:", *(lines or ["(no output)"])])

    def responds(self) -> bool:
        with contextlib.suppress(OSError):
            return self.send("GET", "/livez").status == 200
        return False

    def stop(self, number: int = signal.SIGTERM, *, whole_group: bool = False) -> int:
        """Send the signal, wait for the end, return the exit code."""
        assert self.process is not None
        (os.killpg if whole_group else os.kill)(self.process.pid, number)
        return self.process.wait(STOP_SECONDS)

    def kill(self) -> None:
        """``kill -9`` of every process it has started, at once."""
        if self.process is None:
            return
        for number in (
            signal.SIGSTOP,
            signal.SIGKILL,
        ):  # stopped, none of them does anything about another's end
            for pid in self.processes():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, number)
        self.process.wait(STOP_SECONDS)
        while self.processes():
            time.sleep(0.01)

    def run(self) -> subprocess.CompletedProcess[str]:
        """Run it in a case that it must refuse. The result contains its output."""
        return self._run("serve")

    def manage(
        self, *arguments: str, typed: str = "", seconds: float = COMMAND_SECONDS
    ) -> subprocess.CompletedProcess[str]:
        """``bin/manage`` in the same environment."""
        return self._run("manage", *arguments, typed=typed, seconds=seconds)

    def _run(
        self, command: str, *arguments: str, typed: str = "", seconds: float = COMMAND_SECONDS
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [ROOT / "bin" / command, *arguments],
            env=self.environment,
            input=typed,
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
        )

    @property
    def stdout(self) -> str:
        return (self.folder / "stdout").read_text()

    @property
    def stderr(self) -> str:
        return (self.folder / "stderr").read_text()

    def processes(self) -> set[int]:
        """The ids of every process of its session that has not ended."""
        assert self.process is not None
        return {pid for pid in all_processes() if session_of(pid) == self.process.pid}

    def processes_of(self, command: str) -> set[int]:
        """Those of them whose command line has these words; the web server's workers for ``gunicorn: worker``."""
        if command != "gunicorn: worker":
            return {pid for pid in self.processes() if command in command_line(pid)}
        servers = self.processes_of("ciphercanary.asgi")
        return {pid for pid in servers if parent_of(pid) in servers}

    # --- its commands

    def create_user(self, username: str, role: str) -> str:
        """Create the account with the common password and return an access token of it."""
        done = self.manage("create_user", username, "--role", role, typed=f"{PASSWORD}\n")
        assert done.returncode == 0, done.stderr
        return self.token(username)

    def load_demo(self, days: int = 2) -> str:
        """Load its users, keys and a history of ``days``. All users have the common password. Returns the output."""
        command = ("load_demo", f"--days={days}", "--password-from-stdin")
        done = self.manage(*command, typed=f"{PASSWORD}\n", seconds=COMMAND_SECONDS + 10 * days)
        assert done.returncode == 0, done.stderr
        return done.stdout

    # --- its database

    @property
    def sqlite_file(self) -> Path:
        return self.home / "db.sqlite3"

    def query_log(self, statement: str) -> list[tuple[Any, ...]]:
        """``query``, once the sequencer has made all that was recorded rows of the log."""
        wait_until(lambda: not self.query("SELECT 1 FROM audit_bundles WHERE rejected_at IS NULL LIMIT 1"))
        return self.query(statement)

    def query(self, statement: str) -> list[tuple[Any, ...]]:
        """Run a statement (or a schema change) directly in the database, bypassing the product. Returns the rows."""
        if self.database:
            with psycopg.connect(self.database, autocommit=True) as connection:
                cursor = connection.execute(statement)
                return cursor.fetchall() if cursor.description else []
        with contextlib.closing(sqlite3.connect(self.sqlite_file, timeout=20, autocommit=True)) as file:
            return file.execute(statement).fetchall()

    @contextlib.contextmanager
    def without_inserts(self, table: str) -> Iterator[None]:
        """The database refuses new rows of a table."""
        if self.database:
            begin = f"ALTER TABLE {table} ADD CONSTRAINT no_more CHECK (false) NOT VALID"
            end = f"ALTER TABLE {table} DROP CONSTRAINT no_more"
        else:
            begin = (
                f"CREATE TRIGGER no_more BEFORE INSERT ON {table} BEGIN SELECT RAISE(ABORT, 'no more'); END"
            )
            end = "DROP TRIGGER no_more"
        self._change_schema(begin)
        try:
            yield
        finally:
            self._change_schema(end)

    @contextlib.contextmanager
    def without_table(self, table: str) -> Iterator[None]:
        """The database without one of its tables. Its triggers stay as they are, although SQLite's RENAME rewrites them."""
        away, back = (
            f"ALTER TABLE {table} RENAME TO {table}_away",
            f"ALTER TABLE {table}_away RENAME TO {table}",
        )
        triggers = (
            []
            if self.database
            else self.query(
                f"SELECT name, sql FROM sqlite_master WHERE type = 'trigger' AND tbl_name = '{table}'"  # noqa: S608 - a constant
            )
        )
        self._change_schema(*(f"DROP TRIGGER {name}" for name, _ in triggers), away)
        try:
            yield
        finally:
            self._change_schema(back, *(definition for _, definition in triggers))

    def _change_schema(self, *statements: str) -> None:
        """In one transaction: the product goes on writing meanwhile."""
        if self.database:
            self.query("; ".join(statements))
            return
        with contextlib.closing(sqlite3.connect(self.sqlite_file, timeout=20, autocommit=False)) as file:
            for statement in statements:
                file.execute(statement)
            file.commit()


class KeepAlive:
    def __init__(self, connection: HTTPConnection, headers: Mapping[str, str]) -> None:
        self.connection, self.headers = connection, headers

    def send(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        token: str = "",
        headers: Mapping[str, str] | None = None,
    ) -> Reply:
        data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        sent = dict(self.headers)
        if data is not None:
            sent["Content-Type"] = "application/json"
        if token:
            sent["Authorization"] = f"Bearer {token}"
        self.connection.request(method, path, data, sent | dict(headers or {}))
        response = self.connection.getresponse()
        return Reply(response.status, response.headers, response.read())


def installed_in(folder: Path) -> Path:
    """A folder that the commands in bin accept as a complete environment. It runs the tests' own interpreter."""
    (folder / "bin").mkdir(parents=True, exist_ok=True)
    for lock in ROOT.glob("requirements*.lock"):
        shutil.copy(lock, folder)
    python = folder / "bin" / "python"
    python.write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    python.chmod(0o755)
    return folder


def b64(content: bytes) -> str:
    return base64.b64encode(content).decode()


def clean_environment() -> dict[str, str]:
    return {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(OURS) and name not in OUR_NAMES
    }


@dataclass(frozen=True)
class Prepared:
    """An installation that has run once and was stopped: others copy its data folder and its database."""

    folder: Path

    @property
    def home(self) -> Path:
        return self.folder / "home"

    @property
    def database(self) -> str:
        return (self.folder / "database").read_text()

    @property
    def stdout(self) -> str:
        return (self.folder / "stdout").read_text()

    def remove(self) -> None:
        drop_database(self.database)
        shutil.rmtree(self.folder)


@cache
def prepared(*, is_on_sqlite: bool, has_demo: bool) -> Prepared:
    """The installation of this test run: the first process that needs it prepares it, which takes seconds."""
    kind = ("demo-" if has_demo else "") + ("sqlite" if is_on_sqlite else "postgresql")
    installation = Prepared(Path(tempfile.gettempdir()) / f"prepared-{RUN}-{kind}")
    with installation.folder.with_suffix(".lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (installation.folder / "database").exists():
            shutil.rmtree(installation.folder, ignore_errors=True)  # of one that did not start
            prepare(installation.folder, is_on_sqlite=is_on_sqlite, has_demo=has_demo)
        users = installation.folder.with_suffix(".users").open("a")
        fcntl.flock(users, fcntl.LOCK_SH)
    atexit.register(remove_unless_in_use, installation, users)
    return installation


def prepare(folder: Path, *, is_on_sqlite: bool, has_demo: bool) -> None:
    database = "" if is_on_sqlite else None
    product = Product(folder, database=database, redis=False, is_new=True)
    if has_demo:
        product.load_demo()  # it prepares the installation
    else:
        product.start()
        product.stop()
    (folder / "database").write_text(product.database)


def remove_unless_in_use(installation: Prepared, users: IO[str]) -> None:
    """Each process that uses it shares the lock, so only the last one can lock it alone."""
    with users, contextlib.suppress(BlockingIOError):
        fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
        installation.remove()
        for name in (".lock", ".users"):
            installation.folder.with_suffix(name).unlink()


def continue_from(home: Path, copy: Path) -> None:
    """Copy a data folder, but share the static files: they are a thousand, and a start leaves current ones alone."""
    shutil.copytree(home, copy, ignore=shutil.ignore_patterns("static"))
    (copy / "static").symlink_to(home / "static")


def new_database(source: Prepared | None = None) -> str:
    """The URL of a new database on the tests' PostgreSQL, a copy of the source's; "" where the tests run on SQLite."""
    if not POSTGRESQL_URL:
        return ""
    name = f"product_{uuid.uuid4().hex[:12]}"
    template = name_of(source.database) if source else "template1"
    with psycopg.connect(POSTGRESQL_URL, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
    return urlsplit(POSTGRESQL_URL)._replace(path=f"/{name}").geturl()


def name_of(url: str) -> str:
    return urlsplit(url).path.removeprefix("/")


def drop_database(url: str) -> None:
    name = name_of(url)
    if name.startswith("product_") and urlsplit(url).netloc == urlsplit(POSTGRESQL_URL).netloc:
        # A server that was started for single tests ends before this process, and its databases with it.
        is_gone = contextlib.suppress(psycopg.OperationalError)
        with is_gone, psycopg.connect(POSTGRESQL_URL, autocommit=True) as connection:
            connection.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")


def command_line(pid: int) -> str:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ")
    return ""


def parent_of(pid: int) -> int:
    with contextlib.suppress(OSError):
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    return 0


def all_processes() -> list[int]:
    return [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]


def session_of(pid: int) -> int | None:
    """None where it has ended: a zombie does nothing more, and only waits for its parent to hear of it."""
    with contextlib.suppress(OSError):
        state, *numbers = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return None if state == "Z" else int(numbers[2])  # proc_pid_stat(5): state, ppid, pgrp, session
    return None


def programs(product: "Product") -> dict[str, int]:
    """``{what: process id}`` of the programs that bin/serve itself has started."""
    assert product.process is not None
    children = Path(f"/proc/{product.process.pid}/task/{product.process.pid}/children").read_text().split()
    return {program_of(pid): pid for pid in map(int, children) if session_of(pid)}


def program_of(pid: int) -> str:
    """``gunicorn``, or the name of the management command; "" where it has just ended."""
    words = Path(f"/proc/{pid}/cmdline").read_text().split("\0")
    return "gunicorn" if "gunicorn" in words else "".join(words[3:4])  # python -m ciphercanary.manage NAME


def copy_of(product: Product, folder: Path) -> Product:
    """A stopped product's data under another roof: SQLite only, where the data folder is everything."""
    assert not product.database
    copy = Product(folder, database="", is_new=True)
    shutil.copytree(product.home, copy.home)
    return copy
