"""How far the log had come, remembered beside the key-encryption key, where a restore of the database does not reach.

``CC_HOME/audit-head`` is one line, ``<size> <root in base64>``, replaced after each checkpoint. A database with fewer
entries, or with others, is refused until an operator says on record that he knows. That record does not mend what
was signed: the checkpoints of the lost part, wherever they were anchored, contradict those that follow it for ever,
and an auditor who holds one will ask.
"""

import base64
import fcntl
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from django.conf import settings

from audit import actions, merkle
from audit.checkpoint import decode_base64, decode_decimal
from audit.errors import OlderDatabase
from audit.events import Actor, Event
from audit.merkle import HashReader
from audit.sequencing.leadership import leading
from audit.services import record
from audit.tree import database_reader, read_tree
from ciphercanary import home
from ciphercanary.errors import Conflict, Invalid

logger = logging.getLogger(__name__)

HEAD_FILE = "audit-head"
REMEDY = (
    "Start with a newer copy of the database. If there is none, record the loss with "
    "bin/manage accept_older_database --reason TEXT."
)


@dataclass(frozen=True, slots=True)
class Head:
    """Size and root of a tree that was signed."""

    size: int
    root: bytes

    def encode(self) -> bytes:
        return f"{self.size} {base64.b64encode(self.root).decode()}\n".encode()

    @classmethod
    def decode(cls, octets: bytes) -> "Head":
        """What ``encode`` gave; ValueError."""
        size, _, root = octets.decode().removesuffix("\n").partition(" ")
        return cls(decode_decimal(size), decode_base64(root))


def read_head() -> Head | None:
    """What this host remembers; None where it remembers nothing. Raises OlderDatabase for an unreadable file."""
    try:
        return Head.decode(_path().read_bytes())
    except FileNotFoundError:
        return None
    except ValueError:
        raise OlderDatabase(
            f"{HEAD_FILE} in the data folder is unreadable because it was changed outside the application. {REMEDY}"
        ) from None


def write_head(head: Head) -> None:
    """Remember it durably, unless more is remembered already. Raises OSError."""
    with _alone():
        try:
            known = read_head()
        except OlderDatabase:
            known = None  # it says nothing any more
        if known is None or known.size <= head.size:
            home.replace_private_file(_path(), head.encode())


def reset_head(head: Head) -> None:
    """Remember this one instead, although it is smaller. Raises OSError."""
    with _alone():
        home.replace_private_file(_path(), head.encode())


@contextmanager
def _alone() -> Iterator[None]:
    """Two processes of this host sign one after the other, and might write in the other order."""
    folder = os.open(settings.CC_HOME, os.O_RDONLY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        yield
    finally:
        os.close(folder)


def check_head() -> None:
    """Compare the database with what this host remembers. Raises OlderDatabase.

    Where it remembers nothing it begins to: with a warning, since that is right after an upgrade and on a new host,
    and after a theft of the file, too.
    """
    head, tree = read_head(), read_tree()
    if head is not None:
        require_not_older(head, tree.size, database_reader())
    elif tree.size:
        logger.warning(
            "%s is missing: an audit log of %d entries is taken as it is. It is right where this host or version is "
            "new, otherwise compare the log with an earlier checkpoint",
            HEAD_FILE,
            tree.size,
        )
        write_head(Head(tree.size, bytes(tree.root)))


def require_not_older(head: Head, size: int, read: HashReader) -> None:
    """Raises OlderDatabase unless the tree of ``size`` begins with the one that is remembered."""
    if size < head.size:
        raise OlderDatabase(
            f"The database has {size} audit log entries, but this host has already seen {head.size}. The database is "
            f"older than the data folder. {REMEDY}"
        )
    try:
        root = merkle.root(head.size, read)
    except ValueError:
        root = b""
    if root != head.root:
        raise OlderDatabase(
            f"The first {head.size} audit log entries are not those that this host has seen. The database is "
            f"a different one or was altered. {REMEDY}"
        )


def accept_older_database(*, reason: str, actor: Actor) -> int:
    """Put on record that the database is older than what this host remembers, and remember the database.

    The size of its tree. Raises Invalid without a reason, and Conflict where there is nothing to accept.
    """
    if not reason.strip():
        raise Invalid("Enter a reason. It is recorded in the audit log for auditors.")
    with leading(waits=True):
        tree = read_tree()
        remembered = _refused_head(tree.size)
        meta = {**remembered, "database_size": tree.size, "reason": reason}
        record(Event(action=actions.LOG_ROLLBACK_ACCEPTED, object_type="audit_log", meta=meta), actor)
    # After the commit: killed in between, the operator says it again.
    reset_head(Head(tree.size, bytes(tree.root)))
    return tree.size


def _refused_head(size: int) -> dict[str, object]:
    """What is remembered and contradicts the database. Raises Conflict where nothing does."""
    head = None
    try:
        head = read_head()
        if head is not None:
            require_not_older(head, size, database_reader())
    except OlderDatabase:
        if head is None:
            return {"head_size": None, "head_root": None}
        return {"head_size": head.size, "head_root": base64.b64encode(head.root).decode()}
    raise Conflict(
        "The database is not older than the log that this host has seen. There is nothing to accept."
    )


def _path() -> Path:
    return Path(settings.CC_HOME) / HEAD_FILE
