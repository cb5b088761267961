"""Counts and times each operation, by mode and outcome: the specification's two metrics."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from ciphercanary.crypto.algorithms import Mode
from ciphercanary.errors import DomainError
from ciphercanary.metrics import encryption_duration_seconds, encryption_operations_total


@contextmanager
def measured(mode: Mode) -> Iterator[None]:
    """Count the body as ``success``, ``refused`` (a domain error) or ``error`` (anything else)."""
    started = time.perf_counter()
    status = "error"
    try:
        yield
        status = "success"
    except DomainError:
        status = "refused"
        raise
    finally:
        encryption_operations_total.labels(algorithm=mode.name, status=status).inc()
        encryption_duration_seconds.labels(algorithm=mode.name).observe(time.perf_counter() - started)
