"""Counts and times each operation, by mode and outcome: the specification's two metrics."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

from prometheus_client import Counter, Histogram

from ciphercanary.crypto.algorithms import Mode
from ciphercanary.errors import DomainError
from ciphercanary.metrics import encryption_duration_seconds, encryption_operations_total


def observe_success(mode: Mode, seconds: float, count: int = 1) -> None:
    """Count so many operations, which together took so long."""
    succeeded, duration = _children(mode.name)
    succeeded.inc(count)
    duration.observe(seconds)


@cache
def _children(algorithm: str) -> tuple[Counter, Histogram]:
    return (
        encryption_operations_total.labels(algorithm=algorithm, status="success"),
        encryption_duration_seconds.labels(algorithm=algorithm),
    )


@contextmanager
def measured(mode: Mode, count: int = 1) -> Iterator[None]:
    """Count the body, of so many operations, as ``success``, ``refused`` (a domain error) or ``error`` (anything else)."""
    started = time.perf_counter()
    status = "error"
    try:
        yield
        status = "success"
    except DomainError:
        status = "refused"
        raise
    finally:
        encryption_operations_total.labels(algorithm=mode.name, status=status).inc(count)
        encryption_duration_seconds.labels(algorithm=mode.name).observe(time.perf_counter() - started)
