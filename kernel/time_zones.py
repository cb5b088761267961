"""The time zone whose local times pages show beside UTC. A user chooses it; a cookie has its name."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import datetime
from functools import cache
from typing import Final
from zoneinfo import ZoneInfo, available_timezones

from kernel.runtime import process_cache

ZONE_COOKIE: Final = "time_zone"

_zone: ContextVar[ZoneInfo | None] = ContextVar("zone", default=None)


@process_cache
@cache
def zone_names() -> tuple[str, ...]:
    """Such as ``Europe/Berlin``, sorted. Empty if the system has no time zones."""
    return tuple(
        sorted(name for name in available_timezones() if "/" in name and not name.startswith("Etc/"))
    )


@contextmanager
def local_times(name: str) -> Iterator[None]:
    """Show the local times of the zone. Any other name is ignored."""
    token = _zone.set(ZoneInfo(name) if name and name in zone_names() else None)
    try:
        yield
    finally:
        _zone.reset(token)


def local_time(at: datetime) -> str:
    """``19:52 CET``, with the date if it differs from that in UTC; "" if the user has not chosen a zone."""
    zone = _zone.get()
    if zone is None or at.tzinfo is None:
        return ""
    try:
        local = at.astimezone(zone)
    except OverflowError:  # the time of an altered row
        return ""
    return f"{local:%H:%M %Z}" if local.date() == at.date() else f"{local:%Y-%m-%d %H:%M %Z}"
