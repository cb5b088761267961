"""A notice from memory, for the case that someone altered, removed or locked the sealed rows.

No channel can then be read from them, and no notice be queued. So each worker remembers the channels. A worker that has
just started remembers none.
"""

import math
import time
from collections.abc import Sequence
from threading import Thread
from typing import Final
from uuid import uuid4

from canaries.delivery.claims import pause_after
from canaries.delivery.sending import send
from canaries.documents import Channel, Notice
from canaries.errors import DocumentsAltered
from canaries.notices import WATCHER_STOPPED
from kernel.clock import process_now
from kernel.runtime import ProcessState

PATIENCE: Final = 60.0  # seconds: such as a restart of the database
_MOST_ATTEMPTS: Final = 10  # about 17 minutes
_TITLE: Final = "The watcher of canaries has stopped"
_FAILED: Final = "The worker cannot read or write its rows of the database. Next step: check the database and the log of the worker."


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
    remembered = _remembered.current
    is_altered = isinstance(error, DocumentsAltered)
    if remembered.is_sent or not (is_altered or time.monotonic() - remembered.worked_at > PATIENCE):
        return
    remembered.is_sent = True
    text = f"{_TITLE}. {_altered_text(error) if isinstance(error, DocumentsAltered) else _FAILED}"
    notice = Notice(id=uuid4(), at=process_now(), topic=WATCHER_STOPPED, title=_TITLE, text=text)
    for channel in remembered.channels:
        Thread(target=_deliver, args=[channel, notice], name="last notice", daemon=True).start()


def _altered_text(error: DocumentsAltered) -> str:
    return (
        f"Someone altered the database: {error.found}. Touches are no longer found, and perhaps this is the last "
        "notice. Next step: restore the database, and find out who altered it."
    )


def _deliver(channel: Channel, notice: Notice) -> None:
    for attempt in range(1, _MOST_ATTEMPTS + 1):
        if not send(channel, notice):
            return
        time.sleep(pause_after(attempt).total_seconds())
