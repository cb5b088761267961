"""The position of a log target: how many leaves of the tree it has, and the root of the tree at that size."""

from collections.abc import Collection, Mapping
from datetime import datetime
from uuid import UUID

from django.db.models import OuterRef

from audit.models import LogTarget
from audit.models.log_targets import TargetLag
from audit.sequencing.timestamps import written_after
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


def lags_of(targets: Collection[LogTarget]) -> Mapping[UUID, TargetLag]:
    """The lag of each target, in a fixed number of statements."""
    now, total = database_now(), read_tree().size
    ids = [target.id for target in targets]
    rows = LogTarget.objects.filter(pk__in=ids).annotate(since=written_after(OuterRef("size")))
    since = dict(rows.values_list("pk", "since"))
    return {target.id: _lag(total, target.size, since.get(target.id), now) for target in targets}


def _lag(total: int, size: int, since: datetime | None, now: datetime) -> TargetLag:
    if size >= total:
        return TargetLag(total, 0, None, 0.0)
    seconds = max(0.0, (now - since).total_seconds()) if since else 0.0
    return TargetLag(total, total - size, since, seconds)
