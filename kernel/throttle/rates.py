"""Parsing of rates in settings."""

import re
from dataclasses import dataclass
from functools import cache

_PERIOD_SECONDS = {"second": 1, "minute": 60, "hour": 3600, "day": 86_400}
RATE = re.compile(r"(\d+)/(second|minute|hour|day)")


@dataclass(frozen=True, slots=True)
class Rate:
    """``count`` requests in ``seconds``."""

    count: int
    seconds: int


@cache
def parse_rate(text: str) -> Rate:
    """``100/minute`` as a rate. Raises ValueError for any other form."""
    match = RATE.fullmatch(text)
    if not match or not int(match[1]):
        raise ValueError(f"{text!r} is not a rate like 100/minute")
    return Rate(int(match[1]), _PERIOD_SECONDS[match[2]])
