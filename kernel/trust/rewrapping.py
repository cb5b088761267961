"""Wrap every stored key under the primary key-encryption key again, a batch of rows in each transaction.

The keys themselves do not change, so ciphertexts and cached keys stay valid. Several processes may do this at the same
time: each row is read, verified and written under its lock. A batch skips rows that other transactions have locked,
because a wait could deadlock with a transaction that waits to wrap a key. Later passes find them again.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from django.db import connection, transaction

from kernel.crypto.errors import UnwrapFailed
from kernel.trust import kek, kek_records
from kernel.trust.row_mac import IntegrityFailed, MacProtectedRow
from kernel.trust.wrapped_row import WrappedRow

BATCH = 100  # rows: a transaction that changes one of these keys waits some tenths of a second at most
_PAUSE = 0.1  # seconds between two passes, if other transactions hold all remaining rows

type Report = Callable[[int, int], None]
"""Called with the rows that are done, and all rows. It may raise to end the work between two batches."""


@dataclass(slots=True)
class _Batch:
    """The rows of one transaction. ``last``: the primary key of the last one, None if there was no row."""

    last: object = None
    rewrapped: int = 0
    altered: int = 0


def rewrap_all(report: Report, *, done: int = 0) -> int:
    """Rewrap all rows that are not under the primary key. Returns the number of altered rows, which stay as they are.

    ``done``: the rows of an earlier run that ended early. Raises KekUnavailable if the ring lacks a key, django.db.Error,
    and what ``report`` raises.
    """
    kek.check_sentinels()  # otherwise a wrong key would look like altered rows
    left = kek_records.count_outdated()
    report(done, done + left)
    while True:
        before, altered = done, 0
        for batch in _one_pass():
            done += batch.rewrapped
            altered += batch.altered
            left = max(left - batch.rewrapped, 0)
            report(done, done + left)
        left = kek_records.count_outdated()
        if left <= altered:
            return altered
        report(done, done + left)
        if done == before:
            time.sleep(_PAUSE)


def _one_pass() -> Iterator[_Batch]:
    for model in kek_records.wrapped_models():
        batch = _rewrap_batch(model, None)
        while batch.last is not None:
            yield batch
            batch = _rewrap_batch(model, batch.last)


def _rewrap_batch(model: type[WrappedRow], after: object) -> _Batch:
    began, batch = time.monotonic(), _Batch()
    with transaction.atomic():
        primary = kek_records.lock_primary()
        for row in _rows(model, primary, after):
            batch.last = row.pk
            try:
                _rewrap(row, primary)
                batch.rewrapped += 1
            except (IntegrityFailed, UnwrapFailed):
                batch.altered += 1
    if connection.vendor == "sqlite" and batch.rewrapped:
        time.sleep(time.monotonic() - began)  # SQLite has no queue of writers: without a pause, others starve
    return batch


def _rows(model: type[WrappedRow], primary: str, after: object) -> list[WrappedRow]:
    """The next rows in the order of the primary key, with the locks that every change of them takes."""
    rows = model._default_manager.filter(kek_records.HOLDS_KEY).exclude(kek_id=primary).order_by("pk")
    if after is not None:
        rows = rows.filter(pk__gt=after)
    locked = rows.select_for_update(of=("self", *model.LOCKED_BY), skip_locked=True, no_key=True)
    return list(locked.select_related(*model.LOCKED_BY)[:BATCH] if model.LOCKED_BY else locked[:BATCH])


def _rewrap(row: WrappedRow, primary: str) -> None:
    """Raises IntegrityFailed and UnwrapFailed for an altered row, and KekUnavailable."""
    if isinstance(row, MacProtectedRow):
        row.check_mac()
    kek.rewrap_row(row, primary)
    if isinstance(row, MacProtectedRow):
        row.save_with_mac(update_fields=["kek_id", "wrapped"])
    else:
        row.save(update_fields=["kek_id", "wrapped"])  # noqa: CC3 - the wrapping authenticates a system key
