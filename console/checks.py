"""A check of the system page: its state, a measured value, and a remedy. Home uses some of them, too."""

import shutil
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings

from kernel import installation
from kernel.templatetags.pages import byte_size

OK, WARNING, BAD, OFF = "ok", "warning", "bad", "off"
LEAST_FREE_BYTES, LEAST_FREE_SHARE = 1024**3, 0.1
_BACKUP_AGE = timedelta(hours=26)  # a daily backup, and two hours for it
_DRILL_AGE = timedelta(days=35)  # a monthly drill, and a few days for it


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


@dataclass(frozen=True, slots=True)
class _FreeSpace:
    """Bytes on the disk of the data folder."""

    free: int
    total: int

    @property
    def is_critical(self) -> bool:
        return self.free < LEAST_FREE_BYTES

    @property
    def is_scarce(self) -> bool:
        return self.is_critical or self.free < self.total * LEAST_FREE_SHARE


def read_free_space() -> _FreeSpace:
    usage = shutil.disk_usage(settings.CC_HOME)
    return _FreeSpace(usage.free, usage.total)


def check_disk() -> Check:
    space = read_free_space()
    measured = f"{byte_size(space.free)} free of {byte_size(space.total)}"
    if space.is_scarce:
        state = BAD if space.is_critical else WARNING
        remedy = "Free some disk space, or move CC_HOME. If the audit log cannot be written, the server rejects operations."
        return Check("Data folder disk", state, measured, remedy)
    return Check("Data folder disk", OK, measured)


def check_backup(last: datetime | None, now: datetime) -> Check:
    """``last``: when the last backup ended, None if there is none."""
    remedy = "Back up the database every day, into a folder on another disk:"
    return _check_age("Backup", last, now, _BACKUP_AGE, remedy, "backup DIR")


def check_drill(last: datetime | None, now: datetime) -> Check:
    """``last``: when the last restore drill passed, None if there is none."""
    remedy = "Run a restore drill every month. It proves that a backup can be restored:"
    return _check_age("Restore drill", last, now, _DRILL_AGE, remedy, "restore_drill")


def _check_age(
    name: str, last: datetime | None, now: datetime, most: timedelta, remedy: str, command: str
) -> Check:
    """``most``: the age from which on the ``last`` one is late. ``command`` is one of ``manage.py``."""
    command = f"{installation.MANAGE} {command}"
    if last is None:
        return Check(name, WARNING, "none yet", remedy, command)
    measured, age = f"last one {last:%Y-%m-%d %H:%MZ}", now - last
    if age > most:
        days = f"{age.days} day{'' if age.days == 1 else 's'}"
        return Check(name, WARNING, f"{measured}, more than {days} ago", remedy, command)
    return Check(name, OK, measured)
