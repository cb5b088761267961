"""A PostgreSQL connection that never blocks the event loop. It supports only libpq's pipeline mode.

psycopg's own asynchronous connection costs several times as much per statement, and the writer of an event loop
sends the same few statements all the time.
"""

import asyncio
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import psycopg
from django.conf import settings
from psycopg.pq import DiagnosticField, ExecStatus
from psycopg.pq.abc import PGresult

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


class LoopConnection:
    """One session. Calls must not overlap: the caller waits for the results of one before the next."""

    def __init__(self, session: psycopg.Connection[Any], loop: asyncio.AbstractEventLoop) -> None:
        self._session = session
        self._names: dict[bytes, bytes] = {}
        self._pgconn = session.pgconn
        self._pgconn.nonblocking = 1
        self._pgconn.enter_pipeline_mode()
        self._loop = loop
        self._waiter: asyncio.Future[None] | None = None
        self._is_broken = self._is_running = False
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
        """Send the statements in one message, and return their results. Each has a snapshot of its own.

        The first failure aborts all of them. Raises StatementFailed, ConnectionLost.
        """
        if self._is_broken:
            raise ConnectionLost
        results: list[PGresult] = []
        self._is_running = True
        try:
            is_new = [self._send(text, parameters) for text, parameters in statements]
            self._pgconn.pipeline_sync()
            await self._receive(results)
        except psycopg.Error as error:
            self._break()
            raise ConnectionLost from error
        except ConnectionLost:
            # Results arrive in order. If a statement failed, nothing was committed. Only a failed COMMIT may have been.
            certain = sum(is_new) + len(is_new) - (statements[-1][0] == b"COMMIT")
            _require_success(filter(_is_of_server, results[:certain]))
            raise
        finally:
            self._is_running = False
        _require_success(results)
        answers = iter(results)
        return [_second(answers) if new else next(answers) for new in is_new]

    def close(self) -> None:
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

    async def _receive(self, results: list[PGresult]) -> None:
        """Collect the results up to the end of the message."""
        while self._pgconn.flush():
            await self._writable()
        was_end = False
        while True:
            while self._pgconn.is_busy():
                if self._is_broken:
                    raise ConnectionLost
                await self._readable()
            result = self._pgconn.get_result()
            if result is None:  # end of one statement's results; twice in a row if nothing more was received
                if was_end and self._is_broken:
                    raise ConnectionLost
                was_end = True
                continue
            was_end = False
            if result.status == ExecStatus.PIPELINE_SYNC:
                return
            results.append(result)

    async def _readable(self) -> None:
        self._waiter = self._loop.create_future()
        await self._waiter

    async def _writable(self) -> None:
        done = self._loop.create_future()
        self._loop.add_writer(self._socket, _finish, done)
        try:
            await done
        finally:
            self._loop.remove_writer(self._socket)

    def _read(self) -> None:
        """Take in available input, and wake the waiting caller once a result is complete.

        Input that ``run`` does not wait for most likely means that the server ends the session. A new one costs little.
        """
        try:
            self._pgconn.consume_input()
        except psycopg.Error:
            self._break()
        if not self._is_running:
            self._break()
        if self._waiter is not None and (self._is_broken or not self._pgconn.is_busy()):
            _finish(self._waiter)
            self._waiter = None

    def _break(self) -> None:
        if not self._is_broken:
            self._is_broken = True
            self._loop.remove_reader(self._socket)
        if self._waiter is not None:
            _finish(self._waiter)
            self._waiter = None


def _finish(waiter: asyncio.Future[None]) -> None:
    if not waiter.done():
        waiter.set_result(None)


def _require_success(results: Iterable[PGresult]) -> None:
    for result in results:
        if result.status not in {ExecStatus.COMMAND_OK, ExecStatus.TUPLES_OK}:
            is_wait = result.error_field(DiagnosticField.SQLSTATE) == _LOCK_NOT_AVAILABLE
            raise (WaitEnded if is_wait else StatementFailed)(result.get_error_message())


def _is_of_server(result: PGresult) -> bool:
    """False for errors that libpq or a pooler generates for unanswered statements if a connection is lost."""
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
