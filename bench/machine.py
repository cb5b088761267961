"""On what it was measured: figures without this say nothing."""

import os
import platform
import re
import subprocess
import sys
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import psycopg
import redis

from bench import k6_script, openbao

PACKAGES = ("django", "djangorestframework", "gunicorn", "gunicorn-h1c", "uvloop", "psycopg", "cryptography")
MUST_BE_ON = ("fsync", "full_page_writes", "synchronous_commit")


class NotDurable(Exception):
    """The database may lose what it has acknowledged: a measurement on it would be a lie."""


def require_durable(database: str) -> None:
    """Raise NotDurable unless the PostgreSQL server keeps what it acknowledges."""
    with psycopg.connect(database) as connection:
        off = [name for name in MUST_BE_ON if connection.execute(f"SHOW {name}").fetchone() == ("off",)]
    if off:
        raise NotDurable(f"PostgreSQL runs with {', '.join(off)} off: unset DATABASE_URL, or turn it on")


def describe(database: str, cache: str) -> list[tuple[str, str]]:
    """Rows of name and value."""
    packages = [f"{name} {found}" for name in PACKAGES if (found := installed(name))]
    return [
        ("date", f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC"),
        ("version", said("git", "describe", "--always", "--dirty")),
        ("processor", f"{processor()}, {os.cpu_count()} logical"),
        ("system", f"{platform.system()} {platform.release()}, load {os.getloadavg()[0]:.1f} at the start"),
        ("Python", f"{platform.python_version()}: {', '.join(packages)}"),
        ("PostgreSQL", postgresql_version(database)),
        ("Redis", str(redis.Redis.from_url(cache).info("server")["redis_version"])),
        ("OpenBao", said(str(openbao.PROGRAM), "version").partition(" (")[0]),
        ("tools", ", ".join(tools())),
    ]


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
    """The first line that a command prints, wherever; "" where it cannot be run."""
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


def postgresql_version(database: str) -> str:
    with psycopg.connect(database) as connection:
        row = connection.execute("SHOW server_version").fetchone()
    return str(row[0]) if row else ""
