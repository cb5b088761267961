"""Stop in order: a signal only sets a value, which loops read.

The value is not a ``threading.Event``: a signal that arrives while the same thread sets or waits for the event would wait
forever for the event's lock.
"""

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_TICK = 0.05  # seconds between two reads of the value


def catch_stop_signals() -> Callable[[], bool]:
    """From now on, Ctrl-C and SIGTERM only set the value of the returned function."""
    received: list[int] = []
    for each in _SIGNALS:
        signal.signal(each, lambda number, _frame: received.append(number))
    return lambda: bool(received)


@contextmanager
def interruptible() -> Iterator[Callable[[], bool]]:
    """``catch_stop_signals`` inside the block, so that a command ends in order."""
    before = {each: signal.getsignal(each) for each in _SIGNALS}
    try:
        yield catch_stop_signals()
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)


def pause(seconds: float, is_stopping: Callable[[], bool]) -> None:
    """Sleep until the seconds have passed or the program has to stop."""
    until = time.monotonic() + seconds
    while not is_stopping() and (left := until - time.monotonic()) > 0:
        time.sleep(min(_TICK, left))
