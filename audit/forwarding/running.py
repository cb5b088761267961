"""The periodic delivery to all log targets, a thread for each: a slow receiver delays no other one."""

import logging
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Final
from uuid import UUID, uuid4

import django.db

from audit.forwarding import leases
from audit.forwarding.delivering import deliver

logger = logging.getLogger(__name__)

_RUN_SECONDS: Final = 5.0  # that a target is busy in one run


class _Run:
    """While one target is busy, the others look for new entries."""

    def __init__(self, target_ids: list[UUID]) -> None:
        self._until = time.monotonic() + _RUN_SECONDS
        self._busy = set(target_ids)

    def may_end(self, target_id: UUID, is_idle: bool) -> bool:  # noqa: FBT001 - the form of MayEnd
        if is_idle or time.monotonic() >= self._until:
            self.rest(target_id)
        return not self._busy

    def rest(self, target_id: UUID) -> None:
        self._busy.discard(target_id)


def forward_due() -> None:
    """One run. Several workers may run it at the same time."""
    target_ids = leases.due_ids()
    if not target_ids:
        return
    run, holder = _Run(target_ids), uuid4()
    with ThreadPoolExecutor(len(target_ids), thread_name_prefix="forwarding") as pool:
        for target_id in target_ids:
            pool.submit(_forward, run, target_id, holder)


def _forward(run: _Run, target_id: UUID, holder: UUID) -> None:
    try:
        deliver(target_id, holder, partial(run.may_end, target_id))
    except Exception:
        logger.exception("the delivery to a log target failed")
    finally:
        run.rest(target_id)
        django.db.connections.close_all()
