"""A log with archived segments. They are short here."""

from datetime import timedelta

from audit.archive.archiving import archive_log
from audit.models import AuditLog
from audit.sequencing.head import HEAD_FILE
from kernel.clock import database_now
from tests.audit.sequencing.log import recreate_checkpoint_keys
from tests.tampering.writing import SYSTEM, Log, rotate_keys, sequence, sign

ENTRIES = 64


def write_log(settings, *, alike=1):
    """About 400 entries, all signed, of several writers."""
    (settings.CC_HOME / HEAD_FILE).unlink(missing_ok=True)  # of a test with a longer log
    recreate_checkpoint_keys()
    log = Log(seed=11)
    for number in range(3):
        log.change(rows=2)
        log.elsewhere(2)
        log.operate(120, alike=alike)
        log.beat()
        sequence()
        sign()
        if number == 1:
            rotate_keys()
    return log


def archive(**options):
    """Archive every whole segment; return them."""
    return archive_log(before=database_now() + timedelta(hours=1), actor=SYSTEM, **options)


def all_rows():
    """The stored columns of each row, by id."""
    return {row["id"]: row for row in AuditLog.objects.values()}


class Everyone:
    """Reads the whole log."""

    identity = None

    def scope(self, _word):
        return "all"
