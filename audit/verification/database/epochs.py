"""Watch the security epochs (``kernel.freshness.epoch``). With a lower one, processes can go on with rows that have changed."""

from django.db import connection

from audit.sequencing.alarms import Alarm, AlarmKind
from audit.services.alarms import raise_alarms
from kernel.runtime import ProcessState

_EPOCHS = "SELECT epoch, (SELECT max(epoch) FROM entity_epochs) FROM security_epoch WHERE id = 1"


class _Seen:
    epoch = 0


_seen = ProcessState(_Seen)


def watch_epochs() -> None:
    """Raise an alarm if the global epoch is lower than before, or if no entity has it. Raises django.db.Error."""
    with connection.cursor() as cursor:
        cursor.execute(_EPOCHS)
        row = cursor.fetchone()
    if row is None:
        return  # requests refuse
    epochs = [epoch for epoch in row if epoch is not None]
    expected, found = max(_seen.current.epoch, *epochs), min(epochs)
    _seen.current.epoch = row[0]
    if found != expected:
        text = f"the security epoch {expected}"
        raise_alarms([Alarm(kind=AlarmKind.HEADS_ALTERED, expected=text, found=f"the epoch {found}")])
