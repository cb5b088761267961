"""The session of the event-loop writer, and what it last read about the epoch."""

import asyncio
import time
from typing import Final

from django.db import connection

from audit.commit.guard import LagGuard
from audit.commit.loop_connection import ConnectionLost, LoopConnection
from audit.commit.loop_statements import BEGIN, LAG, LOCK_EPOCH, READ_EPOCH, EpochReading, epoch_reading_of
from audit.log.entry_mac import open_entry_key
from kernel.databases.transactions import call_in_pool

_RECONNECT_AFTER: Final = 1.0  # seconds: meanwhile the thread writes, and reports the problem


class LoopSession:
    """A connection that is opened at the first use, and again after ``drop``. ``reading`` is None until one is read."""

    def __init__(self) -> None:
        self.connection: LoopConnection | None = None
        self.reading: EpochReading | None = None
        self._refused_at = -_RECONNECT_AFTER

    async def open(self) -> LoopConnection:
        """Raises ConnectionLost soon after a failure, and what failed."""
        if self.connection is not None and not self.connection.is_broken:
            return self.connection
        self.drop()
        if time.monotonic() - self._refused_at < _RECONNECT_AFTER:
            raise ConnectionLost
        try:
            # Also load the key of the MACs here, in a thread that may block.
            await asyncio.get_running_loop().run_in_executor(None, call_in_pool, open_entry_key)
            self.connection = await LoopConnection.connect(connection.get_connection_params())
        except Exception:
            self._refused_at = time.monotonic()
            raise
        return self.connection

    def drop(self) -> None:
        """Close the connection, and forget its reading."""
        if self.connection is not None:
            self.connection.close()
            self.connection = self.reading = None

    def give_up(self) -> None:
        """``drop`` in the middle of a COMMIT, whose outcome is unknown."""
        if self.connection is not None:
            self.connection.give_up()
        self.drop()

    def poll(self, seconds: float) -> None:
        """``LoopConnection.poll``."""
        if self.connection is not None:
            self.connection.poll(seconds)

    async def lock_epoch(self, guard: LagGuard) -> EpochReading:
        """``kernel.freshness.epoch.lock_epoch``. Once a second, it also reads the lag of the log."""
        session, is_due = await self.open(), guard.is_due
        _, _, locked, *lag = await session.run(BEGIN, LOCK_EPOCH, READ_EPOCH, *([LAG] if is_due else []))
        self.reading = epoch_reading_of(locked)
        if is_due:
            guard.update(float(lag[0].get_value(0, 0) or 0) if lag[0].ntuples else 0.0)
        return self.reading
