"""A PostgreSQL connection that never blocks the event loop. It supports only libpq's pipeline mode.

psycopg's own asynchronous connection costs several times as much per statement, and the writer of an event loop
sends the same few statements all the time.
"""

import asyncio
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import psycopg
from django.conf import settings
from psycopg.pq import DiagnosticField, ExecStatus
from psycopg.pq.abc import PGresult

from kernel.databases import commit_waits
from kernel.databases.lock_waits import milliseconds

_LOCK_NOT_AVAILABLE = b"55P03"

type Statement = tuple[bytes, Sequence[bytes | None]]
"""A statement and its parameters as text. It is prepared on first use, so there must be few different ones."""


class StatementFailed(Exception):
    """The server reported an error: nothing of the transaction is stored."""


class WaitEnded(StatementFailed):
    """A lock was held for longer than the session waits."""


class ConnectionLost(Exception):
    """The outcome of the last statements is unknown."""


type Outcome = list[PGresult] | StatementFailed | ConnectionLost
"""The results of the statements of one message, or why there are none."""


class LoopConnection:
    """One session. Messages must not overlap: the caller waits for the outcome of one before the next."""

    def __init__(self, session: psycopg.Connection[Any], loop: asyncio.AbstractEventLoop) -> None:
        self._session = session
        self._names: dict[bytes, bytes] = {}
        self._pgconn = session.pgconn
        self._pgconn.nonblocking = 1
        self._pgconn.enter_pipeline_mode()
        self._loop = loop
        self._is_broken = self._is_flushing = False
        self._done: Callable[[Outcome], object] | None = None
        self._is_new: list[bool] = []
        self._ends_with_commit = False
        self._sent = 0.0
        self._results: list[PGresult] = []
        self._socket = self._pgconn.socket
        loop.add_reader(self._socket, self._read)

    @classmethod
    async def connect(cls, parameters: Mapping[str, Any]) -> "LoopConnection":
        """Open a session with libpq parameters. Raises psycopg.Error."""
        loop = asyncio.get_running_loop()
        return cls(await loop.run_in_executor(None, _connect, parameters), loop)

    @property
    def is_broken(self) -> bool:
        return self._is_broken

    async def run(self, *statements: Statement) -> list[PGresult]:
        """``send``, and wait for the outcome. Raises StatementFailed, ConnectionLost."""
        outcome: asyncio.Future[Outcome] = self._loop.create_future()
        self.send(statements, partial(_set_result, outcome))
        received = await outcome
        if isinstance(received, Exception):
            raise received
        return received

    def send(self, statements: Sequence[Statement], done: Callable[[Outcome], object]) -> None:
        """Send the statements in one message. Each has a snapshot of its own; the first failure aborts all of them.

        ``done`` is called once, with the outcome, after this method returns. Raises ConnectionLost if nothing was sent.
        """
        if self._is_broken:
            raise ConnectionLost
        try:
            self._is_new = [self._send(text, parameters) for text, parameters in statements]
            self._ends_with_commit = statements[-1][0] == b"COMMIT"
            self._pgconn.pipeline_sync()
            if self._pgconn.flush():
                self._is_flushing = True
                self._loop.add_writer(self._socket, self._flush)
        except psycopg.Error as error:
            self._break()
            raise ConnectionLost from error
        self._results, self._done, self._sent = [], done, time.monotonic()

    def poll(self, seconds: float) -> None:
        """Wait this long for the outcome, without returning to the event loop. It is passed on as usual."""
        until = time.monotonic() + seconds
        while self._done is not None and not self._is_broken and time.monotonic() < until:
            self._read()

    def give_up(self) -> None:
        """Wait no longer for the message that was sent last, which commits. Then call ``close``."""
        if not self._is_broken:
            commit_waits.give_up(self._socket, self._sent)

    def close(self) -> None:
        """End the session. The outcome of a message that is under way is not passed on."""
        self._done = None
        self._break()
        self._session.close()

    def _send(self, text: bytes, parameters: Sequence[bytes | None]) -> bool:
        """Send a statement. Returns whether it had to be prepared; that result then comes before its own."""
        name = self._names.get(text)
        if is_new := name is None:
            name = self._names[text] = b"s%d" % len(self._names)
            self._pgconn.send_prepare(name, text)
        self._pgconn.send_query_prepared(name, parameters)
        return is_new

    def _flush(self) -> None:
        try:
            if self._pgconn.flush():
                return
        except psycopg.Error:
            self._break()
        self._stop_flushing()

    def _stop_flushing(self) -> None:
        if self._is_flushing:
            self._is_flushing = False
            self._loop.remove_writer(self._socket)

    def _read(self) -> None:
        """Take in available input, and pass on the outcome once it is complete.

        Input that nothing waits for most likely means that the server ends the session. A new one costs little.
        """
        try:
            self._pgconn.consume_input()
        except psycopg.Error:
            self._break()
            return
        if self._done is None:
            self._break()
        elif self._receive():
            self._pass_on(self._outcome())

    def _receive(self) -> bool:
        """Collect results. Whether the end of the message has arrived."""
        was_end = False
        while not self._pgconn.is_busy():
            result = self._pgconn.get_result()
            if result is None:  # end of one statement's results; twice in a row if nothing more was received
                if was_end:
                    return False
                was_end = True
                continue
            was_end = False
            if result.status == ExecStatus.PIPELINE_SYNC:
                return True
            self._results.append(result)
        return False

    def _outcome(self) -> Outcome:
        if failure := _failure_of(self._results):
            return failure
        responses = iter(self._results)
        return [_second(responses) if new else next(responses) for new in self._is_new]

    def _outcome_of_loss(self) -> Outcome:
        # Results arrive in order. If a statement failed, nothing was committed. Only a failed COMMIT may have been.
        certain = self._results[: sum(self._is_new) + len(self._is_new) - self._ends_with_commit]
        return _failure_of(filter(_is_of_server, certain)) or ConnectionLost()

    def _pass_on(self, outcome: Outcome) -> None:
        done, self._done = self._done, None
        if done is not None:
            done(outcome)

    def _break(self) -> None:
        if self._is_broken:
            return
        self._is_broken = True
        self._loop.remove_reader(self._socket)
        self._stop_flushing()
        if self._done is not None:
            has_arrived = self._receive()
            self._loop.call_soon(self._pass_on, self._outcome() if has_arrived else self._outcome_of_loss())


def _set_result(future: asyncio.Future[Outcome], outcome: Outcome) -> None:
    if not future.done():
        future.set_result(outcome)


def _failure_of(results: Iterable[PGresult]) -> StatementFailed | None:
    """The first failure of the results."""
    for result in results:
        if result.status not in {ExecStatus.COMMAND_OK, ExecStatus.TUPLES_OK}:
            is_wait = result.error_field(DiagnosticField.SQLSTATE) == _LOCK_NOT_AVAILABLE
            return (WaitEnded if is_wait else StatementFailed)(result.get_error_message())
    return None


def _is_of_server(result: PGresult) -> bool:
    """False for errors that libpq or a pooler generates for statements without a response if a connection is lost."""
    state = result.error_field(DiagnosticField.SQLSTATE) or b""
    return bool(state) and not state.startswith(b"08")


def _second(results: Iterator[PGresult]) -> PGresult:
    next(results)
    return next(results)


def _connect(parameters: Mapping[str, Any]) -> psycopg.Connection[Any]:
    session = psycopg.connect(**parameters, autocommit=True)
    session.execute(f"SET lock_timeout = {milliseconds(settings.CC_LOCK_WAIT_SECONDS)}")
    # No parameter changes the plan of a statement.
    session.execute("SET plan_cache_mode = force_generic_plan")
    return session
