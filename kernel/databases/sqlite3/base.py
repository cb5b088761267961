"""SQLite backend. Only operations outside a transaction wait: ``BEGIN IMMEDIATE``, or a single statement."""

import os
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from django_prometheus.db.backends.sqlite3 import base
from django_prometheus.db.common import DatabaseWrapperMixin

from kernel.databases.changes import CarriesChanges
from kernel.databases.counting import is_counted
from kernel.databases.lock_waits import is_short, milliseconds, seconds_left


class DatabaseWrapper(CarriesChanges, base.DatabaseWrapper):  # type: ignore[misc]  # django_prometheus has no types
    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._has_less = False
        self.execute_wrappers.append(self._execute_bounded)

    def get_new_connection(self, conn_params: Any) -> Any:
        self._has_less = False
        _create_private(str(conn_params["database"]))
        parent: Any = super() if is_counted() else super(DatabaseWrapperMixin, self)
        return parent.get_new_connection(conn_params)

    def create_cursor(self, name: Any = None) -> Any:
        if is_counted():
            return super().create_cursor(name)
        return self.connection.cursor(factory=self.CURSOR_CLASS)

    def _execute_bounded(self, execute: Callable[..., Any], *call: Any) -> Any:
        if not self.in_atomic_block:
            seconds = seconds_left()
            if is_short(seconds):
                self._set_timeout(seconds)
                self._has_less = True
            elif self._has_less:
                self._set_timeout(self.settings_dict["OPTIONS"]["timeout"])
                self._has_less = False
        return execute(*call)

    def _set_timeout(self, seconds: float) -> None:
        self.connection.execute(f"PRAGMA busy_timeout = {milliseconds(seconds)}")


def _create_private(file: str) -> None:
    """Create a missing file with mode 0600. SQLite would use the umask; its -wal and -shm get the mode of the file.

    An existing file is not opened. Closing it would release the locks that other connections of this process have on it
    (POSIX), and the next process that ends would remove the -wal file with their transactions.
    """
    if file != ":memory:" and not file.startswith("file:"):
        with suppress(OSError):  # it exists, or SQLite reports it
            os.close(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
