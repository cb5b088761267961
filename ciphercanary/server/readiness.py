"""The web server reports that it responds: a worker writes a byte into a pipe that it inherits from ``serve``."""

import os
from collections.abc import Mapping
from contextlib import suppress

VARIABLE = "READY_DESCRIPTOR"


class Readiness:
    """The two ends of the pipe. Neither blocks, so workers that are started later write without a reader."""

    def __init__(self) -> None:
        self._reading, self.writing = os.pipe()
        os.set_blocking(self._reading, False)
        os.set_blocking(self.writing, False)

    @property
    def environment(self) -> Mapping[str, str]:
        return {VARIABLE: str(self.writing)}

    def is_reported(self) -> bool:
        try:
            return bool(os.read(self._reading, 1))
        except BlockingIOError:
            return False


def report() -> None:
    """Call it in a worker that responds. Without ``serve``, it does nothing."""
    if descriptor := os.environ.get(VARIABLE):  # noqa: TID251 - the pipe to the supervising process
        with suppress(OSError):
            os.write(int(descriptor), b"1")
