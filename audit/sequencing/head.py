"""The head of the log, remembered next to the key-encryption key, where a restore of the database does not reach it.

``CC_HOME/audit-head`` is one line, ``<size> <root in base64>``, replaced after each checkpoint. A database with fewer
or with other entries is refused until an operator accepts it on record. That record does not repair what was signed:
the checkpoints of the lost part, wherever they were anchored, contradict all later ones forever, and an auditor who
has one will notice.
"""

import fcntl
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from django.conf import settings

from audit.errors import OlderDatabase
from audit.sequencing.tree import database_reader, read_tree
from audit.tlog import merkle
from audit.tlog.checkpoint import decode_decimal
from audit.tlog.merkle import HashReader
from kernel import home, installation
from kernel.crypto.encoding import decode_canonical_base64, encode_base64

logger = logging.getLogger(__name__)

HEAD_FILE = "audit-head"
REMEDY = (
    "Start with a newer copy of the database. If there is none, record the loss with "
    f"{installation.MANAGE} accept_older_database --reason TEXT."
)


@dataclass(frozen=True, slots=True)
class Head:
    """Size and root of a signed tree."""

    size: int
    root: bytes

    def encode(self) -> bytes:
        return f"{self.size} {encode_base64(self.root)}\n".encode()

    @classmethod
    def decode(cls, octets: bytes) -> "Head":
        """Inverse of ``encode``. Raises ValueError."""
        size, _, root = octets.decode().removesuffix("\n").partition(" ")
        return cls(decode_decimal(size), decode_canonical_base64(root))


def read_head() -> Head | None:
    """The head that this host remembers, None if there is none. Raises OlderDatabase for an unreadable file."""
    try:
        return Head.decode(_path().read_bytes())
    except FileNotFoundError:
        return None
    except ValueError:
        raise OlderDatabase(
            f"{HEAD_FILE} in the data folder is unreadable because it was changed outside the application. {REMEDY}"
        ) from None


def write_head(head: Head) -> None:
    """Remember the head durably, unless a larger one is remembered already. Raises OSError."""
    with _alone():
        try:
            known = read_head()
        except OlderDatabase:
            known = None  # unreadable, so replace it
        if known is None or known.size <= head.size:
            home.replace_private_file(_path(), head.encode())


def reset_head(head: Head) -> None:
    """Remember this head, even if it is smaller. Raises OSError."""
    with _alone():
        home.replace_private_file(_path(), head.encode())


@contextmanager
def _alone() -> Iterator[None]:
    """Lock: two processes of this host sign one after the other, but might write in the other order."""
    folder = os.open(settings.CC_HOME, os.O_RDONLY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        yield
    finally:
        os.close(folder)


def check_head() -> None:
    """Compare the database with the head that this host remembers. Raises OlderDatabase.

    Without a remembered head, the current one is stored, with a warning. This is right after an upgrade and on a new
    host, but it also happens if an attacker has removed the file.
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


def require_not_older(head: Head, size: int, read: HashReader, remedy: str = REMEDY) -> None:
    """Raises OlderDatabase unless the tree of ``size`` begins with the remembered one."""
    if size < head.size:
        raise OlderDatabase(
            f"The database has {size} audit log entries, but the installation has already seen {head.size}, so it is "
            f"an older copy. {remedy}"
        )
    try:
        root = merkle.root(head.size, read)
    except ValueError:
        root = b""
    if root != head.root:
        raise OlderDatabase(
            f"The first {head.size} audit log entries are not those that the installation has seen. The database is "
            f"a different one or was altered. {remedy}"
        )


def _path() -> Path:
    return Path(settings.CC_HOME) / HEAD_FILE
