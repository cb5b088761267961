"""The loops of a process without a web server: they must keep turning for the process to be alive."""

import time
from typing import Final

from kernel.clock import clock_skew
from kernel.observability.metrics import clock_skew_seconds, loop_last_turn_timestamp_seconds
from kernel.runtime import ProcessState

# A turn waits for the database and other services, and each of these waits is shorter.
STUCK_SECONDS: Final = 120.0


class _Turns:
    """The time of the last turn of each loop, on the clock of ``time.monotonic``."""

    def __init__(self) -> None:
        self.times: dict[str, float] = {}


_turns = ProcessState(_Turns)


def record_turn(loop: str) -> None:
    """Record that the loop turns. Its first call registers the loop."""
    _turns.current.times[loop] = time.monotonic()
    loop_last_turn_timestamp_seconds.labels(loop).set_to_current_time()
    clock_skew_seconds.set(clock_skew())


def stuck_loops() -> list[str]:
    """The loops that have not turned for ``STUCK_SECONDS``."""
    now = time.monotonic()
    return sorted(loop for loop, turn in list(_turns.current.times.items()) if now - turn > STUCK_SECONDS)
