"""The start of a role of the server: why it refuses, and how it waits.

A refusal is one line with an id of docs/operations.md, the problem and its remedy.
"""

import time
from collections.abc import Callable

_TICK = 0.1  # seconds between two checks of a condition

SETTING = "ciphercanary.E010"
DATABASE = "ciphercanary.E011"
TRUST = "ciphercanary.E012"
UNPREPARED = "ciphercanary.E013"
ROLE = "ciphercanary.E014"
FOLDER = "ciphercanary.E015"
NEWER = "ciphercanary.E019"


class CannotStart(Exception):
    """The text is the line."""

    def __init__(self, text: str, check_id: str = "") -> None:
        """``check_id`` is "" if the text is made of the messages of system checks, which have their own ids."""
        super().__init__(f"{check_id}: {text}" if check_id else text)


def becomes_true_within(timeout: float, condition: Callable[[], bool]) -> bool:
    """Check the condition until it is true, for at most ``timeout`` seconds."""
    deadline = time.monotonic() + timeout
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(_TICK)
    return True
