"""The programs of an installation: their command lines and their environment.

``serve`` supervises them; each of the other roles becomes one of them. They run in the folder of the code, and assume
that the installation is prepared.
"""

import os
import socket
import sys
from collections.abc import Mapping

from django.conf import settings

from ciphercanary.server.starting import ROLE, SETTING, CannotStart, becomes_true_within
from kernel.observability import metrics_folder

_PORT_TIMEOUT = 1.0  # seconds


def web() -> list[str]:
    """The web server. Raises CannotStart if it could not listen."""
    _require_free_port()
    bind = f"[{settings.CC_BIND}]" if ":" in settings.CC_BIND else settings.CC_BIND
    return [
        *_module("gunicorn"),
        "ciphercanary.asgi:application",
        "--config",
        "python:ciphercanary.server.gunicorn",
        "--bind",
        f"{bind}:{settings.CC_PORT}",
        "--workers",
        str(settings.CC_WORKERS),
    ]


def sequencer() -> list[str]:
    return _command("run_sequencer")


def worker() -> list[str]:
    """Celery's worker if there is a broker, otherwise the one that polls."""
    return _celery("worker") if settings.CELERY_BROKER_URL else _command("run_worker")


def beat() -> list[str]:
    """Celery's schedule. Raises CannotStart without a broker."""
    if not settings.CELERY_BROKER_URL:
        raise CannotStart(
            "beat is the schedule of Celery, and there is no broker. Set CELERY_BROKER_URL, or do not run this role: "
            "the worker has its own schedule.",
            ROLE,
        )
    return _celery("beat")


def metrics_environment() -> Mapping[str, str]:
    """The environment of the processes whose metrics are counted together: it names a new folder for them."""
    return {**os.environ, metrics_folder.VARIABLE: metrics_folder.create()}  # noqa: TID251 - the programs inherit the environment


def _require_free_port() -> None:
    bind, port = settings.CC_BIND, settings.CC_PORT
    # A program that exits releases the folder's lock a moment before its listener.
    if not becomes_true_within(_PORT_TIMEOUT, lambda: not _bind_error(bind, port)):
        raise CannotStart(
            f"cannot listen on {bind} port {port} ({_bind_error(bind, port)}). Set PORT or CC_BIND.", SETTING
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


def _module(name: str) -> list[str]:
    return [sys.executable, "-m", name]


def _command(name: str) -> list[str]:
    # The start of the role has already run the checks and printed their warnings.
    return [*_module("ciphercanary.manage"), name, "--skip-checks"]


def _celery(name: str) -> list[str]:
    # Its banner is text. The log has the start, too.
    return [*_module("celery"), "--quiet", "-A", "ciphercanary", name]
