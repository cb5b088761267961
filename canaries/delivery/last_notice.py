"""A notice from memory, for the case that someone altered, removed or locked the sealed rows.

Perhaps no channel can then be read from them, and no notice be queued. So each worker keeps the channels in memory. After
its start, it has none until the first success.
"""

import math
import time
from collections.abc import Sequence
from threading import Thread
from typing import Final
from uuid import uuid4

from canaries.delivery.claims import MOST_FAILURES, pause_after
from canaries.delivery.sending import send
from canaries.documents import Channel, Notice
from canaries.notices import WATCHER_STOPPED
from canaries.sealed.alarms import alteration_in
from kernel.clock import process_now
from kernel.runtime import ProcessState

PATIENCE: Final = 60.0  # seconds: such as a restart of the database
_TITLE: Final = "The watcher of canaries has stopped"
_FAILED: Final = "The worker fails, or cannot read or write its rows of the database. Next step: check its log and the database."


class _Remembered:
    def __init__(self) -> None:
        self.channels: Sequence[Channel] = ()
        self.worked_at = math.inf  # never
        self.is_sent = False


_remembered: Final = ProcessState(_Remembered)


def worked(channels: Sequence[Channel]) -> None:
    """The watcher did its work. ``channels``: those that get the notice when it cannot."""
    remembered = _remembered.current
    remembered.channels, remembered.worked_at, remembered.is_sent = channels, time.monotonic(), False


def failed(error: Exception) -> None:
    """Send the notice to all remembered channels, once until the next success: at once, or if this lasts.

    Does not wait for the deliveries.
    """
    remembered, altered = _remembered.current, alteration_in(error)
    if remembered.is_sent or not (altered or time.monotonic() - remembered.worked_at > PATIENCE):
        return
    remembered.is_sent = True
    text = f"{_TITLE}. {_altered_text(altered) if altered else _FAILED}"
    notice = Notice(id=uuid4(), at=process_now(), topic=WATCHER_STOPPED, title=_TITLE, text=text)
    for channel in remembered.channels:
        Thread(target=_deliver, args=[channel, notice], name="last notice", daemon=True).start()


def _altered_text(altered: str) -> str:
    return (
        f"Someone altered the database: {altered}. Touches are no longer found, and perhaps this is the last "
        "notice. Next step: restore the database, and find out who altered it."
    )


def _deliver(channel: Channel, notice: Notice) -> None:
    for failures in range(MOST_FAILURES):
        if failures:
            time.sleep(pause_after(failures).total_seconds())
        if not send(channel, notice):
            return
