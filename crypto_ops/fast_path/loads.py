"""Loading of data that the fast path misses, in threads, because an event loop must not wait."""

import asyncio
from collections.abc import Callable, Hashable
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from kernel.databases.transactions import call_in_pool
from kernel.errors import Unavailable
from kernel.observability.tracing import bound
from kernel.runtime import ProcessState

_LOADERS: Final = 4  # threads
_MAX_LOADING: Final = 256  # different things at a time


async def load(missing: Hashable, read: Callable[[], object]) -> None:
    """Call ``read`` in a thread, once for all waiting requests. Raises its errors."""
    loads = _loads.current
    loading = loads.running.get(missing)
    if loading is None:
        if len(loads.running) >= _MAX_LOADING:
            raise Unavailable("Too many requests are waiting for the database. Try again.")
        loading = asyncio.get_running_loop().run_in_executor(loads.threads, bound(call_in_pool), read)
        loads.running[missing] = loading
        loading.add_done_callback(lambda _: loads.running.pop(missing, None))
    await asyncio.shield(loading)


class _Loads:
    """The loads that are running, and their threads."""

    def __init__(self) -> None:
        self.running: dict[Hashable, asyncio.Future[object]] = {}
        self.threads = ThreadPoolExecutor(_LOADERS, thread_name_prefix="fast-path-loader")

    def close(self) -> None:
        self.threads.shutdown()


_loads = ProcessState(_Loads)


def threads() -> ThreadPoolExecutor:
    """The threads of the fast path, which may wait for the database."""
    return _loads.current.threads
