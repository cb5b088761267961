"""``bin/serve``: prepares a fresh machine, then runs the servers until Ctrl-C.

Each step can be interrupted and run again: it continues from its current state.
"""

import fcntl
import os
import shutil
import signal
import socket
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import django
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from ciphercanary.server.supervision import Program, run_together
from kernel import home

PROGRAMS_TIMEOUT = 15.0  # seconds that a start waits for the programs of a killed one
PORT_TIMEOUT = 1.0  # seconds
TICK = 0.1  # seconds


class CannotServe(Exception):
    """One line with the problem and its remedy."""


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "ciphercanary.settings")
    try:
        with _locked_home(_read_settings()) as lock:
            _check_port(settings.CC_BIND, settings.CC_PORT)
            django.setup()
            _prepare()
            sys.exit(_run(lock))
    except CannotServe as reason:
        sys.exit(f"bin/serve: {reason}")
    except KeyboardInterrupt:
        sys.exit("bin/serve: interrupted. Run it again to continue.")


def _read_settings() -> Path:
    """The data folder, after all settings have been read successfully."""
    try:
        return Path(settings.CC_HOME)
    except (ImproperlyConfigured, OSError) as error:
        raise CannotServe(str(error)) from None


@contextmanager
def _locked_home(folder: Path, timeout: float = PROGRAMS_TIMEOUT) -> Iterator[IO[str]]:
    """Lock the data folder. The programs inherit the lock that is yielded.

    Two locks distinguish a second bin/serve from the programs of a killed one: ``supervisor.lock`` belongs to this
    process alone, ``serve.lock`` also to every program it starts. Process ids could be reused.
    """
    try:
        home.create(folder)
        supervisor, lock = (folder / "supervisor.lock").open("w"), (folder / "serve.lock").open("w")
    except OSError as error:
        raise _not_writable(folder, error) from None
    with supervisor, lock:
        if not _try_lock(supervisor):
            raise CannotServe(
                f"another bin/serve is already using the data folder {folder}. Stop it, or set CC_HOME to another folder."
            )
        if not _try_lock(lock):
            _wait_for_programs(lock, folder, timeout)
        try:
            home.prepare(folder)
        except OSError as error:
            raise _not_writable(folder, error) from None
        yield lock


def _try_lock(lock: IO[str]) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _wait_for_programs(lock: IO[str], folder: Path, timeout: float) -> None:
    """Wait for the programs of a killed bin/serve, which may still respond to their last requests."""
    sys.stderr.write(
        f"bin/serve: waiting up to {timeout:.0f} s for processes of an earlier bin/serve to end.\n"
    )
    if not _becomes_true_within(timeout, lambda: _try_lock(lock)):
        raise CannotServe(
            f"processes of an earlier bin/serve still use the data folder {folder}. Start again when they have ended."
        )


def _becomes_true_within(timeout: float, condition: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + timeout
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(TICK)
    return True


def _not_writable(folder: Path, error: OSError) -> CannotServe:
    return CannotServe(
        f"cannot write to the data folder {folder} ({error.strerror}). Set CC_HOME to a writable folder."
    )


def _check_port(bind: str, port: int) -> None:
    # A program that exits releases the folder's lock a moment before its listener.
    if not _becomes_true_within(PORT_TIMEOUT, lambda: not _bind_error(bind, port)):
        raise CannotServe(
            f"cannot listen on {bind} port {port} ({_bind_error(bind, port)}). Set PORT or CC_BIND."
        )


def _bind_error(bind: str, port: int) -> str:
    family = socket.AF_INET6 if ":" in bind else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((bind, port))
        except (OSError, OverflowError) as error:
            return getattr(error, "strerror", None) or "not a port"
    return ""


def _prepare() -> None:
    from ciphercanary.server import preparation  # noqa: PLC0415 - it imports models, which need django.setup()

    try:
        prepared = preparation.prepare()
    except preparation.CannotPrepare as reason:
        raise CannotServe(str(reason)) from None
    print(preparation.welcome(prepared), flush=True)  # noqa: T201 - output for the terminal


def _run(lock: IO[str]) -> int:
    """Run the servers until they are stopped. Returns the web server's exit code."""
    metrics_folder = Path(tempfile.mkdtemp(prefix="ciphercanary-metrics-"))
    environment = {**os.environ, "PROMETHEUS_MULTIPROC_DIR": str(metrics_folder)}
    environment.pop("CC_ADMIN_PASSWORD", None)  # no longer needed, so the servers do not get it
    try:
        # They inherit the lock: if this process is killed, the folder stays locked until the last of them exits.
        code = run_together(_programs(), environment, [lock.fileno()])
    finally:
        shutil.rmtree(metrics_folder, ignore_errors=True)
    return 0 if code in {0, -signal.SIGINT, -signal.SIGTERM} else code


def _programs() -> list[Program]:
    """The programs in start order. The sequencer stops last because it signs the entries of the others."""
    # With a broker, Celery's workers run the jobs.
    commands = ["run_sequencer"] if settings.CELERY_BROKER_URL else ["run_sequencer", "run_worker"]
    return [*map(_command, commands), _gunicorn()]


def _command(name: str) -> Program:
    # This process has already run the checks and printed their warnings.
    command = [sys.executable, str(settings.BASE_DIR / "manage.py"), name, "--skip-checks"]
    return Program(name, command, stop_timeout=10)


def _gunicorn() -> Program:
    bind = f"[{settings.CC_BIND}]" if ":" in settings.CC_BIND else settings.CC_BIND
    command = [
        sys.executable,
        "-m",
        "gunicorn",
        "ciphercanary.asgi:application",
        "--config",
        "python:ciphercanary.server.gunicorn",
        "--bind",
        f"{bind}:{settings.CC_PORT}",
        "--workers",
        str(settings.CC_WORKERS),
    ]
    return Program("gunicorn", command, stop_timeout=30)


if __name__ == "__main__":
    main()
