"""The state of this process: caches, counters, queues, threads and timers. Everything else is in the database.

A module declares an object of state with ``ProcessState``, a cache of database rows or files with
``process_cache``, and a cache of settings with ``settings_cache``. A new or forked process starts without state. ``fresh`` gives a test the same start.
"""

import os
from collections.abc import Callable
from functools import cache
from threading import Lock
from typing import Any, Final, Protocol


class Cache(Protocol):
    def cache_clear(self) -> None: ...


class ProcessState[T]:
    """One object for the whole process. ``make`` creates it at the first use of ``current``, in one thread only."""

    current: T

    def __init__(self, make: Callable[[], T]) -> None:
        self._make = make
        self._making = Lock()
        _states.append(self)

    def __getattr__(self, name: str) -> T:
        # Python calls this only while the attribute is missing. Later reads of ``current`` cost no call.
        if name != "current":
            raise AttributeError(name)
        with self._making:
            if name not in vars(self):
                self.current = self._make()
            made: T = vars(self)[name]
            return made

    def drop(self) -> T | None:
        """Remove the object, and call its ``close`` if it has one. The next use creates another."""
        with self._making:
            dropped: T | None = vars(self).pop("current", None)
        if close := getattr(dropped, "close", None):
            close()
        return dropped

    def leave_to_parent(self) -> None:
        """In a forked child: use another object. Never close the parent's, because it may hold open connections."""
        self._making = Lock()
        _of_parents.append(vars(self).pop("current", None))


def process_cache[C: Cache](cached: C) -> C:
    """Decorate a ``functools`` cache of rows or files, so that ``fresh`` clears it. A cache of constants needs none."""
    _caches.append(cached)
    return cached


def settings_cache[T](read: Callable[[], T]) -> Callable[[], T]:
    """Decorate a function that only reads settings, for code that runs in each request. Django's lookup is slow."""
    cached = cache(read)
    _of_settings.append(cached)
    return cached


def forget_settings() -> None:
    """Read the settings again, after a test has changed one."""
    for cached in _of_settings:
        cached.cache_clear()


def fresh() -> None:
    """Drop all state, as in a new process. Packages that import others come first."""
    for state in reversed(_states):
        state.drop()
    _clear_caches()


def _clear_caches() -> None:
    for cached in _caches:
        cached.cache_clear()


def _begin_child() -> None:
    for state in _states:
        state.leave_to_parent()
    _clear_caches()


_states: Final[list[ProcessState[Any]]] = []  # noqa: CC6 - every declared ProcessState
_of_parents: Final[list[object]] = []  # noqa: CC6 - a fork leaves these to its parent; a finalizer would close what it still uses
_caches: Final[list[Cache]] = []  # noqa: CC6 - every declared process_cache
_of_settings: Final[list[Cache]] = []  # noqa: CC6 - every declared settings_cache
os.register_at_fork(after_in_child=_begin_child)
