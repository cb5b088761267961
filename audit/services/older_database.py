"""Accept a database that is older than the head of the log that this host remembers."""

from audit import actions
from audit.errors import OlderDatabase
from audit.forwarding.stopping import stop_all
from audit.log.events import Actor, Event
from audit.sequencing.head import Head, read_head, require_not_older, reset_head
from audit.sequencing.leadership import leading
from audit.sequencing.tree import database_reader, read_tree
from audit.services.recording import record
from kernel.crypto.encoding import encode_base64
from kernel.errors import Conflict, Invalid


def accept_older_database(*, reason: str, actor: Actor) -> int:
    """Record that the database is older than the head that this host remembers, and remember the database's head.

    Log targets stop. Returns the size of its tree. Raises Invalid without a reason, and Conflict if there is nothing to accept.
    """
    if not reason.strip():
        raise Invalid("Enter a reason. It is recorded in the audit log for auditors.")
    with leading(waits=True):
        tree = read_tree()
        remembered = _refused_head(tree.size)
        meta = {**remembered, "database_size": tree.size, "reason": reason}
        record(Event(action=actions.LOG_ROLLBACK_ACCEPTED, object_type="audit_log", meta=meta), actor)
        stop_all()
    # After the commit: if the process is killed in between, the operator repeats the command.
    reset_head(Head(tree.size, bytes(tree.root)))
    return tree.size


def _refused_head(size: int) -> dict[str, object]:
    """The remembered head, if it contradicts the database. Raises Conflict otherwise."""
    head = None
    try:
        head = read_head()
        if head is not None:
            require_not_older(head, size, database_reader())
    except OlderDatabase:
        if head is None:
            return {"head_size": None, "head_root": None}
        return {"head_size": head.size, "head_root": encode_base64(head.root)}
    raise Conflict(
        "The database is not older than the log that this host has seen. There is nothing to accept."
    )
