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
    remedy, command = (
        "Back up the database every day, into a folder on another disk:",
        f"{installation.MANAGE} backup DIR",
    )
    if last is None:
        return Check("Backup", WARNING, "none yet", remedy, command)
    measured = f"last one {last:%Y-%m-%d %H:%MZ}"
    if now - last > _BACKUP_AGE:
        return Check("Backup", WARNING, f"{measured}, more than a day ago", remedy, command)
    return Check("Backup", OK, measured)


def check_drill(last: datetime | None, now: datetime) -> Check:
    """``last``: when the last restore drill passed, None if there is none."""
    remedy, command = (
        "Run a restore drill every month. It proves that a backup can be restored:",
        f"{installation.MANAGE} restore_drill",
    )
    if last is None:
        return Check("Restore drill", WARNING, "none yet", remedy, command)
    measured = f"last one {last:%Y-%m-%d %H:%MZ}"
    if now - last > _DRILL_AGE:
        return Check("Restore drill", WARNING, f"{measured}, {(now - last).days} days ago", remedy, command)
    return Check("Restore drill", OK, measured)
