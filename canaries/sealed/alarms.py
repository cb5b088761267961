"""The audit alarm about altered documents. Its texts have no name and no id of what they contain."""

from collections.abc import Iterator
from contextlib import contextmanager

from audit.sequencing.alarms import Alarm, AlarmKind
from audit.services.alarms import raise_alarms
from canaries.errors import DocumentsAltered
from canaries.sealed.consistency import state_digest
from kernel.trust.row_mac import IntegrityFailed


@contextmanager
def alarm_if_altered() -> Iterator[None]:
    """Raise an alarm if the block raises DocumentsAltered or IntegrityFailed, and let the exception pass.

    The same state of the database raises it once. Use it outside of transactions, which would roll back the alarm.
    """
    try:
        yield
    except (DocumentsAltered, IntegrityFailed) as error:
        raise_alarms([_alarm_of(alteration_in(error))])
        raise


def alteration_in(error: Exception) -> str:
    """What was altered, as a text; "" for another error."""
    if isinstance(error, DocumentsAltered):
        return error.found
    return error.detail if isinstance(error, IntegrityFailed) else ""


def _alarm_of(found: str) -> Alarm:
    return Alarm(
        kind=AlarmKind.JOURNAL_ALTERED,
        expected="what was sealed last",
        found=found,
        identity=f"{found} {state_digest()}",
    )
