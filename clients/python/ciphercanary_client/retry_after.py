"""The header ``Retry-After`` (RFC 9110, section 10.2.3)."""

import time
from email.utils import parsedate_to_datetime


def retry_after_seconds(value: str | None, now: float | None = None) -> float | None:
    """The wait that the header names: a number of seconds, or a date. None if it is missing or malformed.

    ``now`` is in seconds since 1970.
    """
    if value is None:
        return None
    if value.isascii() and value.isdigit():
        return float(value)
    try:
        date = parsedate_to_datetime(value)
    except ValueError:
        return None
    return max(0.0, date.timestamp() - (time.time() if now is None else now))
