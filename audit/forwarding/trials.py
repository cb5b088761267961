"""The entry of a test. It is not in the log."""

from audit import actions
from audit.archive.entries import ArchivedEntry
from audit.forwarding.batches import message_of
from audit.forwarding.messages import Message
from audit.log.canonical import format_timestamp
from audit.log.entries import ENTRY_FIELDS, entry_bytes
from audit.log.events import ActorType, Outcome, Source
from audit.models import LogTarget
from kernel.clock import database_now

_NO_ID = "00000000-0000-0000-0000-000000000000"


def trial_of(target: LogTarget) -> Message:
    """An entry with the id 0, which no entry of the log has, in the format of the target."""
    columns = dict.fromkeys(ENTRY_FIELDS, "") | {
        "id": 0,
        "event_id": _NO_ID,
        "timestamp": format_timestamp(database_now()),
        "user_id": None,
        "actor_type": ActorType.SYSTEM.value,
        "actor_name": "log targets",
        "source": Source.SCHEDULER.value,
        "action": actions.LOG_TARGET_TESTED,
        "object_type": "log_target",
        "object_id": str(target.id),
        "object_version": None,
        "outcome": Outcome.OK.value,
        "count": 1,
        "size": None,
        "meta": "{}",
        "writer": _NO_ID,
        "wseq": 0,
        "actor_id": None,
    }
    message = message_of(target, ArchivedEntry(columns, entry_bytes(columns)))
    return Message(message.octets, "test", message.timestamp)
