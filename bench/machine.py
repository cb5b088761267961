"""Describes and checks the machine. Figures are meaningless without this description."""

import contextlib
import os
import platform
import re
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from statistics import median

import psycopg
import redis

import kernel
from bench import k6_script, openbao
from tests.product import ROOT
from tests.services.rights import folder_for_servers

PACKAGES = ("django", "djangorestframework", "gunicorn", "gunicorn-h1c", "uvloop", "psycopg", "cryptography")
MUST_BE_ON = ("fsync", "full_page_writes", "synchronous_commit")
IN_MEMORY = {"tmpfs", "ramfs"}
COMMITS = 200
FILES = 16_384  # descriptors of each process


class Unfit(Exception):
    """The machine cannot produce the figures that the page promises. The text gives the reason and a remedy."""


def allow_many_files() -> None:
    """Allow this process and its children to open enough sockets. Raises Unfit if the system forbids it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < FILES:
        raise Unfit(f"a process may open {hard} files (ulimit -Hn), {FILES} are needed")
    if soft != resource.RLIM_INFINITY:
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, FILES), hard))


def require_programs(*names: str) -> None:
    """Raise Unfit for the first program that is not in PATH."""
    for name in names:
        if shutil.which(name) is None:
            raise Unfit(f"needs {name} (Debian, Ubuntu: apt-get install {name}; macOS: brew install {name})")


def require_durable(database: str) -> None:
    """Raise Unfit unless the PostgreSQL server keeps the commits that it acknowledges."""
    with psycopg.connect(database) as connection:
        off = [name for name in MUST_BE_ON if shown(connection, name) == "off"]
        kind = file_system(shown(connection, "data_directory"))
    if off:
        raise Unfit(f"PostgreSQL runs with {', '.join(off)} off: unset DATABASE_URL, or turn it on")
    if kind in IN_MEMORY:
        raise Unfit(f"PostgreSQL's data is on {kind}, in memory: set TMPDIR to a folder on a disk")


def describe(database: str, cache: str) -> list[tuple[str, str]]:
    """Rows of name and value."""
    packages = [f"{name} {found}" for name in PACKAGES if (found := installed(name))]
    return [
        *describe_host(),
        ("Python", f"{platform.python_version()}: {', '.join(packages)}"),
        ("PostgreSQL", postgresql(database)),
        ("Redis", str(redis.Redis.from_url(cache).info("server")["redis_version"])),
        ("OpenBao", said(str(openbao.PROGRAM), "version").partition(" (")[0]),
        ("tools", ", ".join(tools())),
    ]


def describe_host() -> list[tuple[str, str]]:
    return [
        ("date", f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC"),
        ("version", f"{kernel.__version__} {commit()}"),
        ("processor", f"{processor()}, {os.cpu_count()} logical"),
        ("system", f"{platform.system()} {platform.release()}, load {os.getloadavg()[0]:.1f} at the start"),
    ]


def commit() -> str:
    """The commit that is checked out, with ``-dirty`` if files differ from it; "" without a repository."""
    return said("git", "describe", "--always", "--dirty") if (ROOT / ".git").exists() else ""


def tools() -> list[str]:
    wrk = said("wrk", "-v").partition(" [")[0]
    return [
        wrk,
        said(str(k6_script.PROGRAM), "version").partition(" (")[0],
        said("openssl", "version").partition(" (")[0],
    ]


def installed(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""


def said(*command: str) -> str:
    """The first line of a command's output or error output; "" if it cannot be run."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=30)
    except OSError:
        return ""
    return next(iter((done.stdout or done.stderr).splitlines()), "")


def processor() -> str:
    if sys.platform == "linux":
        found = re.search(r"^model name\s*: (.*)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
        if found:
            return found[1]
    return platform.processor() or platform.machine()


def postgresql(database: str) -> str:
    with psycopg.connect(database, autocommit=True) as connection:
        where = file_system(shown(connection, "data_directory")) or "another machine"
        parts = [shown(connection, "server_version"), f"on {where}"]
        with contextlib.suppress(psycopg.errors.InsufficientPrivilege):
            parts.append(f"one commit {commit_milliseconds(connection):.2f} ms")
    return ", ".join(parts)


def shown(connection: psycopg.Connection, name: str) -> str:
    row = connection.execute("SELECT current_setting(%s)", [name]).fetchone()
    return str(row[0]) if row else ""


def commit_milliseconds(connection: psycopg.Connection) -> float:
    """The median time of a commit that waits for the disk: the lower bound for a single caller."""
    took = []
    for _ in range(COMMITS):
        began = time.perf_counter()
        connection.execute("SELECT pg_logical_emit_message(true, 'bench', 'one record')")
        took.append(1000 * (time.perf_counter() - began))
    return median(took)


def file_system(path: str) -> str:
    """The type of the file system that holds a local path; "" if it is unknown."""
    with contextlib.suppress(OSError):
        mounts = [line.split()[1:3] for line in Path("/proc/mounts").read_text().splitlines()]
        holding = [(len(place), kind) for place, kind in mounts if Path(path).is_relative_to(place)]
        return max(holding, default=(0, ""))[1] if Path(path).is_absolute() else ""
    return ""


@contextlib.contextmanager
def private_folder() -> Iterator[Path]:
    """A temporary folder for servers and their data. It is private, because it holds tokens."""
    with tempfile.TemporaryDirectory(prefix="bench-", dir=folder_for_servers()) as name:
        folder = Path(name)
        folder.chmod(0o700)
        yield folder
