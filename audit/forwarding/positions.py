"""The position of a log target: how many leaves of the tree it has, and the root of the tree at that size."""

from datetime import datetime

from audit.forwarding.reading import timestamp_at
from audit.models import LogTarget
from audit.sequencing.tree import database_reader, read_tree
from audit.tlog import merkle
from kernel.clock import database_now
from kernel.crypto.encoding import encode_base64
from kernel.errors import Invalid


def set_position(target: LogTarget, size: int | None) -> None:
    """Set the columns, which the caller saves. None: the whole tree. Raises Invalid, and IntegrityFailed."""
    tree = read_tree()
    if size is None:
        size = tree.size
    if not 0 <= size <= tree.size:
        raise Invalid.of_field(
            "size", f"Use a number from 0 to {tree.size}, the number of entries in the log."
        )
    target.size, target.root = size, root_at(size)


def root_at(size: int) -> str:
    """The root of the stored tree at a size (base64). Raises ValueError if a tile is missing."""
    return encode_base64(merkle.root(size, database_reader()))


def is_in_tree(target: LogTarget) -> bool:
    """Whether the stored tree begins with what was delivered. It does not if an older database was accepted."""
    if target.size > read_tree().size:
        return False
    try:
        return root_at(target.size) == target.root
    except ValueError:
        return False


def lag_of(target: LogTarget) -> tuple[int, float]:
    """How many entries of the tree were not delivered, and the age of the first of them in seconds; 0.0 without any."""
    behind = max(0, read_tree().size - target.size)
    if not behind:
        return 0, 0.0
    return behind, _age(timestamp_at(target.size))


def _age(timestamp: datetime | None) -> float:
    return 0.0 if timestamp is None else max(0.0, (database_now() - timestamp).total_seconds())
