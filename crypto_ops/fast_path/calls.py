"""Requests of the fast path from their decision to their response, and the work that is done once for many responses."""

import asyncio
import logging
import time
from collections import defaultdict
from collections.abc import Sequence
from typing import Any, Final, Protocol

from msgspec import Struct
from msgspec.structs import replace

from audit.commit.decisions import Decision
from audit.log.events import Outcome
from audit.services.recording import record_alone
from crypto_ops.measurement import observe_all
from kernel import throttle
from kernel.databases.transactions import call_in_pool
from kernel.errors import DomainError
from kernel.http import fast_path
from kernel.http.fast_path import Exchange
from kernel.observability.deferred import Deferred
from kernel.runtime import ProcessState

logger = logging.getLogger(__name__)

# The code of an entry that corrects an earlier one of the same request.
_NOT_COMPLETED: Final = "not_completed"


class _ResponseWriter[R, M](Protocol):
    """Writes the responses of one operation."""

    def write(self, result: R, message: M, request_id: str, /) -> bytes:
        """The body of the response to a message."""
        ...

    def refused(self, result: R, /) -> int:
        """The number of refused messages."""
        ...


class FastCall(Struct):
    """One request. ``count``: its number of messages. ``began``, ``until``: time.monotonic. ``body``: of the response."""

    decision: Decision[Any]
    route: _ResponseWriter[Any, Any]
    message: object
    exchange: Exchange
    budget: str
    cost: int
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
            self.refused = self.route.refused(result)
            self.body = self.route.write(result, self.message, self.decision.request_id)
        except Exception:
            logger.exception("an operation failed after its decision")
            self.has_failed = True

    def release(self) -> None:
        if self.is_released:  # a second response would go to the next request
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
        lines = turn.lines(self.budget)
        algorithm = str(self.decision.grounds.event.meta["algorithm"])
        _responses.current.add((algorithm, turn.began - self.began, self.count, self.refused))
        self.exchange.respond(fast_path.head_of(len(body), self.decision.request_id, lines), body)

    def _correct(self) -> None:
        """Record that an operation whose entry says otherwise was not completed."""
        decision = self.decision
        event, actor = decision.grounds.event, decision.grounds.actor
        failed = replace(event, size=decision.size, outcome=Outcome.ERROR, code=_NOT_COMPLETED)
        try:
            record_alone(failed, actor.of_request(decision.request_id))
        except DomainError:
            logger.exception("an entry could not be corrected")


class _Turn:
    """The common parts of the responses of one turn of the event loop. ``began``: time.monotonic."""

    def __init__(self) -> None:
        self.began = 0.0
        self._lines: dict[str, bytes] = {}

    def lines(self, budget: str) -> bytes:
        """The header lines that the caller's responses have in common."""
        lines = self._lines.get(budget)
        if lines is None:
            if not self._lines:
                self.began = time.monotonic()
                asyncio.get_running_loop().call_soon(self._lines.clear)
            lines = self._lines[budget] = fast_path.shared_lines(throttle.headers(budget))
        return lines


def _count(responses: Sequence[tuple[str, float, int, int]]) -> None:
    """Count responses. Each has its mode, its seconds, and its numbers of all and of refused messages."""
    fast_path.count("parser", 200, len(responses))
    by_mode = defaultdict(list)
    for mode, *figures in responses:
        by_mode[mode].append(figures)
    for mode, found in by_mode.items():
        seconds, messages, refused = zip(*found, strict=True)
        observe_all(mode, seconds, sum(messages), sum(refused))


_turn = ProcessState(_Turn)
_responses = ProcessState(lambda: Deferred(_count))
