"""Requests of the fast path from their decision to their answer, and the work that is done once for many answers."""

import asyncio
import logging
import time
from typing import Any, Final, Protocol

from msgspec import Struct
from msgspec.structs import replace

from audit.commit.decisions import Decision
from audit.log.events import Outcome
from audit.services import record_alone
from crypto_ops.measurement import observe_all
from kernel import throttle
from kernel.crypto.algorithms import Mode
from kernel.databases.transactions import call_in_pool
from kernel.errors import DomainError
from kernel.http import fast_path
from kernel.http.fast_path import Exchange
from kernel.runtime import ProcessState

logger = logging.getLogger(__name__)

NOT_COMPLETED: Final = (
    "not_completed"  # the code of an entry that corrects an earlier one of the same request
)


class Writes[R, M](Protocol):
    """Writes the answers of one operation."""

    def write(self, result: R, message: M, /) -> bytes:
        """The body of the answer to a message."""
        ...

    def refused(self, result: R, /) -> int:
        """The number of refused messages."""
        ...


class HotCall(Struct):
    """One request. ``count``: its number of messages. ``began``, ``until``: time.monotonic."""

    decision: Decision[Any]
    route: Writes[Any, Any]
    message: object
    exchange: Exchange
    budget: str
    cost: int
    mode: Mode
    count: int
    began: float
    until: float
    refusal: Exception | None = None
    body: bytes | None = None
    refused: int = 0
    has_failed: bool = False
    is_released: bool = False

    def begin(self) -> bool:
        if self.exchange.is_open:
            return True
        self.exchange.retry(None)  # releases what it holds
        return False

    def finish(self) -> None:
        try:
            result = self.decision.finish()
            self.body = self.route.write(result, self.message)
            self.refused = self.route.refused(result)
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
        if self.body is None and not self.has_failed:
            self.finish()
        body = self.body
        if body is None:
            # The record is durable, and says that the operation succeeded.
            asyncio.get_running_loop().run_in_executor(None, call_in_pool, self._correct).add_done_callback(
                lambda _: self.exchange.retry(None)
            )
            return
        turn = _turn.current
        turn.add(self)
        self.exchange.answer(
            fast_path.head_of(len(body), self.decision.request_id, turn.lines(self.budget)), body
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
        self._lines: dict[str, bytes] = {}
        self._answers: dict[str, list[tuple[float, int, int]]] = {}

    def add(self, call: HotCall) -> None:
        """Count an answer."""
        mode = call.mode.name
        answers = self._answers.get(mode)
        if answers is None:
            if not self._answers:
                asyncio.get_running_loop().call_soon(self._end)
            answers = self._answers[mode] = []
        answers.append((call.began, call.count, call.refused))

    def lines(self, budget: str) -> bytes:
        """The header lines that the caller's answers have in common."""
        lines = self._lines.get(budget)
        if lines is None:
            lines = self._lines[budget] = fast_path.common_lines(throttle.headers(budget))
        return lines

    def _end(self) -> None:
        now = time.monotonic()
        answers, self._answers = self._answers, {}
        self._lines.clear()
        for mode, found in answers.items():
            began, counts, refused = zip(*found, strict=True)
            fast_path.count("parser", 200, len(found))
            observe_all(mode, [now - at for at in began], sum(counts), sum(refused))


_turn = ProcessState(_Turn)
