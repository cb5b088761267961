"""``bin/serve``: everything a fresh machine needs, then the servers, until Ctrl-C.

Each step can be interrupted and run again: it goes on from where it stands.
"""

import fcntl
import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

import django
from django.conf import settings

from ciphercanary import home

STOP_SECONDS = 20


class CannotServe(Exception):
    """One line that says what is in the way and what to do."""


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "ciphercanary.settings")
    try:
        with _locked_home(settings.CC_HOME):
            _check_port(settings.CC_BIND, settings.CC_PORT)
            django.setup()
            _prepare()
            sys.exit(_run())
    except CannotServe as reason:
        sys.exit(f"bin/serve: {reason}")


@contextmanager
def _locked_home(folder: Path) -> Iterator[None]:
    try:
        home.prepare(folder)
        lock = (folder / "serve.lock").open("w")
    except OSError as error:
        raise CannotServe(
            f"the data folder {folder} cannot be written ({error.strerror}). Set CC_HOME to one that can."
        ) from None
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise CannotServe(f"another bin/serve runs on the data folder {folder}.") from None
        yield


def _check_port(bind: str, port: int) -> None:
    family = socket.AF_INET6 if ":" in bind else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((bind, port))
        except OSError as error:
            raise CannotServe(
                f"cannot listen on {bind} port {port} ({error.strerror}). Set PORT or CC_BIND."
            ) from None


def _prepare() -> None:
    from ciphercanary import preparation  # noqa: PLC0415 - it imports models, which need django.setup()

    try:
        _copy_sqlite()
        prepared = preparation.prepare()
    except preparation.CannotPrepare as reason:
        raise CannotServe(str(reason)) from None
    print(preparation.welcome(prepared), flush=True)  # noqa: T201 - the terminal is where it is read


def _copy_sqlite() -> None:
    """Keep a copy of the database as it was before this start's migrations."""
    source = settings.CC_HOME / "db.sqlite3"
    if not settings.CC_SQLITE or not source.exists():
        return
    target = settings.CC_HOME / "db.sqlite3.before-migration"
    with sqlite3.connect(source) as live, sqlite3.connect(target) as copy:
        live.backup(copy)
    target.chmod(0o600)


def _run() -> int:
    """Start the processes, wait for the first to end, stop the others. The exit code is that process's."""
    metrics_folder = Path(tempfile.mkdtemp(prefix="ciphercanary-metrics-"))
    environment = {**os.environ, "PROMETHEUS_MULTIPROC_DIR": str(metrics_folder)}
    process = subprocess.Popen(_gunicorn(), env=environment)  # noqa: S603 - our own command line
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda received, _frame: _forward(process, received, _frame))
    try:
        code = process.wait()
    finally:
        shutil.rmtree(metrics_folder, ignore_errors=True)
    return 0 if code in {0, -signal.SIGINT, -signal.SIGTERM} else code


def _forward(process: "subprocess.Popen[bytes]", _received: int, _frame: FrameType | None) -> None:
    process.send_signal(signal.SIGTERM)


def _gunicorn() -> list[str]:
    bind = f"[{settings.CC_BIND}]" if ":" in settings.CC_BIND else settings.CC_BIND
    return [
        sys.executable,
        "-m",
        "gunicorn",
        "ciphercanary.asgi:application",
        "--config",
        "python:ciphercanary.gunicorn",
        "--bind",
        f"{bind}:{settings.CC_PORT}",
        "--workers",
        str(settings.CC_WORKERS),
    ]


if __name__ == "__main__":
    main()
