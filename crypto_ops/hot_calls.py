"""Requests of the fast path from their decision to their answer, and the work that is done once for many answers."""

import asyncio
import logging
import time
from collections import defaultdict
from collections.abc import Callable
from typing import Any, Final

from msgspec import Struct, field
from msgspec.structs import replace

from audit.commit.decisions import Decision
from audit.log.events import Outcome
from audit.services import record_alone
from crypto_ops.measurement import observe_all
from kernel import throttle
from kernel.crypto.algorithms import Mode
from kernel.databases import lock_waits
from kernel.databases.transactions import call_in_pool
from kernel.errors import DomainError
from kernel.http import fast_path
from kernel.http.fast_path import Exchange
from kernel.runtime import ProcessState

logger = logging.getLogger(__name__)

NOT_COMPLETED: Final = (
    "not_completed"  # the code of an entry that corrects an earlier one of the same request
)


class HotCall(Struct, kw_only=True):
    """One request. ``answer``: the body, and the number of refused messages, by the result. ``count``: of messages."""

    decision: Decision[Any]
    answer: Callable[[Any], tuple[bytes, int]]
    exchange: Exchange
    budget: str
    cost: int
    mode: Mode
    count: int
    began: float = field(default_factory=time.monotonic)
    until: float = field(default_factory=lock_waits.deadline)
    refusal: Exception | None = None
    finished: tuple[bytes, int] | None = None
    has_failed: bool = False
    is_released: bool = False

    def begin(self) -> bool:
        if self.exchange.is_open:
            return True
        self.exchange.retry(None)  # releases what it holds
        return False

    def finish(self) -> None:
        try:
            self.finished = self.answer(self.decision.finish())
        except Exception:
            logger.exception("an operation failed after its decision")
            self.has_failed = True

    def release(self) -> None:
        if self.is_released:  # a second answer would go to the next request
            return
        self.is_released = True
        if self.refusal is not None:
            throttle.refund_principal(self.budget, self.cost)  # the next attempt is charged again
            self.exchange.retry(self.refusal if isinstance(self.refusal, DomainError) else None)
            return
        if self.finished is None and not self.has_failed:
            self.finish()
        if self.finished is None:
            # The record is durable, and says that the operation succeeded.
            asyncio.get_running_loop().run_in_executor(None, call_in_pool, self._correct).add_done_callback(
                lambda _: self.exchange.retry(None)
            )
            return
        body, refused = self.finished
        turn = _turn.current
        turn.add(self.mode, self.count, refused, self.began)
        self.exchange.answer(
            fast_path.head_of(len(body), self.decision.request_id, turn.limits(self.budget)), body
        )

    def _correct(self) -> None:
        """Record that an operation whose entry says otherwise was not completed."""
        decision = self.decision
        event, actor = decision.grounds.event, decision.grounds.actor
        failed = replace(event, size=decision.size, outcome=Outcome.ERROR, code=NOT_COMPLETED)
        try:
            record_alone(failed, actor.of_request(decision.request_id))
        except DomainError:
            logger.exception("an entry could not be corrected")


class _Turn:
    """The answers of one turn of the event loop: their metrics, and the rate limits of their callers."""

    def __init__(self) -> None:
        self._is_scheduled = False
        self._limits: dict[str, bytes] = {}
        self._modes: dict[str, _Usage] = defaultdict(_Usage)

    def add(self, mode: Mode, count: int, refused: int, began: float) -> None:
        """Count an answer to a request of ``count`` messages that arrived at ``began`` (time.monotonic)."""
        if not self._is_scheduled:
            self._is_scheduled = True
            asyncio.get_running_loop().call_soon(self._end)
        usage = self._modes[mode.name]
        usage.messages += count
        usage.refused += refused
        usage.began.append(began)

    def limits(self, budget: str) -> bytes:
        """The header lines of the caller's rate limit."""
        lines = self._limits.get(budget)
        if lines is None:
            headers = throttle.headers(budget)
            lines = "".join([f"{name.lower()}: {value}\r\n" for name, value in headers]).encode()
            self._limits[budget] = lines
        return lines

    def _end(self) -> None:
        now = time.monotonic()
        for mode, usage in self._modes.items():
            fast_path.count("parser", 200, len(usage.began))
            observe_all(mode, [now - began for began in usage.began], usage.messages, usage.refused)
        self._is_scheduled = False
        self._limits.clear()
        self._modes.clear()


class _Usage:
    __slots__ = ("began", "messages", "refused")

    def __init__(self) -> None:
        self.messages = self.refused = 0
        self.began: list[float] = []


_turn = ProcessState(_Turn)
