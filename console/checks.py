"""A check of the system page: its state, a measured value, and a remedy."""

from dataclasses import dataclass

OK, WARNING, BAD, OFF = "ok", "warning", "bad", "off"


@dataclass(frozen=True, slots=True)
class Check:
    """``measured`` is a value.

    If there is a problem, ``remedy`` is a sentence and ``command`` a line for a terminal.
    """

    name: str
    state: str
    measured: str
    remedy: str = ""
    command: str = ""
