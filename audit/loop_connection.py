"""A connection to PostgreSQL that never blocks the event loop: libpq's asynchronous interface, and no more of it.

psycopg's own asynchronous connection costs several times as much for each statement, and the writer of an event
loop sends the same few all day.
"""

import asyncio
from collections.abc import Mapping
from typing import Any

import psycopg
from django.db import connection as django_connection
from psycopg.pq import ExecStatus
from psycopg.pq.abc import PGresult

LOCK_WAIT = "5s"  # as audit.epoch: somebody holds a table, or forgot a transaction
_GOOD = frozenset({ExecStatus.COMMAND_OK, ExecStatus.TUPLES_OK, ExecStatus.COPY_IN})


class StatementFailed(Exception):
    """The server said so: nothing of the transaction will be stored."""


class ConnectionLost(Exception):
    """Nothing is known of what was sent last."""


class LoopConnection:
    """One session. Its caller sends one statement at a time."""

    def __init__(self, session: psycopg.Connection[Any], loop: asyncio.AbstractEventLoop) -> None:
        self._session = session
        self._pgconn = session.pgconn
        self._pgconn.nonblocking = 1
        self._loop = loop
        self._waiter: asyncio.Future[None] | None = None
        self._is_broken = False
        self._socket = self._pgconn.socket
        loop.add_reader(self._socket, self._read)

    @classmethod
    async def connect(cls) -> "LoopConnection":
        """A session as Django's settings describe it. Raises psycopg.Error."""
        loop = asyncio.get_running_loop()
        session = await loop.run_in_executor(None, _connect, django_connection.get_connection_params())
        return cls(session, loop)

    @property
    def is_broken(self) -> bool:
        return self._is_broken

    async def run(self, statements: bytes) -> list[PGresult]:
        """Send them in one message; the result of each. Raises StatementFailed, ConnectionLost."""
        self._send(self._pgconn.send_query, statements)
        return await self._results()

    async def query(self, statement: bytes, parameter: bytes) -> list[tuple[str, ...]]:
        """The rows of a statement with one parameter. Raises StatementFailed, ConnectionLost."""
        self._send(self._pgconn.send_query_params, statement, [parameter])
        [result] = await self._results()
        columns = range(result.nfields)
        return [
            tuple((result.get_value(row, column) or b"").decode() for column in columns)
            for row in range(result.ntuples)
        ]

    async def copy(self, statements: bytes, rows: bytes) -> list[PGresult]:
        """Send ``rows`` to the COPY that the statements begin with, and the results of what follows it.

        Raises StatementFailed, ConnectionLost.
        """
        await self.run(statements)
        self._send(self._pgconn.put_copy_data, rows)
        self._send(self._pgconn.put_copy_end)
        return await self._results()

    def close(self) -> None:
        self._break()
        self._session.close()

    def _send(self, send: Any, *arguments: object) -> None:
        if self._is_broken:
            raise ConnectionLost
        try:
            send(*arguments)
        except psycopg.Error as error:
            self._break()
            raise ConnectionLost from error

    async def _results(self) -> list[PGresult]:
        """Of all that was sent, or up to the moment when the server waits for the rows of a COPY."""
        results: list[PGresult] = []
        failed = ""
        while (result := await self._next_result()) is not None:
            if result.status not in _GOOD:
                failed = failed or result.get_error_message()
            results.append(result)
            if result.status == ExecStatus.COPY_IN:
                break
        if failed:
            raise StatementFailed(failed)
        return results

    async def _next_result(self) -> PGresult | None:
        try:
            while self._pgconn.flush():
                await self._writable()
            while self._pgconn.is_busy():
                await self._readable()
            return self._pgconn.get_result()
        except psycopg.Error as error:
            self._break()
            raise ConnectionLost from error

    async def _readable(self) -> None:
        self._waiter = self._loop.create_future()
        await self._waiter
        if self._is_broken:
            raise ConnectionLost

    async def _writable(self) -> None:
        done = self._loop.create_future()
        self._loop.add_writer(self._socket, _finish, done)
        try:
            await done
        finally:
            self._loop.remove_writer(self._socket)

    def _read(self) -> None:
        """Whatever arrives is taken in at once; whoever waits goes on when it is a whole result."""
        try:
            self._pgconn.consume_input()
        except psycopg.Error:
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


def _connect(parameters: Mapping[str, Any]) -> psycopg.Connection[Any]:
    session = psycopg.connect(**parameters, autocommit=True)
    session.execute(f"SET lock_timeout = '{LOCK_WAIT}'")
    return session
