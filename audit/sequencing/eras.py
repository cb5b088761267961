"""The places of entries in the tree, in both eras of the log.

In the first era, ids were assigned when entries were written, and ``audit_leaves`` has the place of each. Since then the
sequencer assigns ids in the order of the tree, so a place follows from an id. A new installation has no first era.
"""

from dataclasses import dataclass
from typing import Any, Self

from django.db.models import BinaryField, Func, QuerySet, Subquery
from django.db.models.functions import Coalesce

from audit.log.packed_rows import LEAST, MOST
from audit.models import AuditLeaf, AuditTree
from audit.sequencing.tree import read_tree
from audit.tlog.merkle import HASH_SIZE
from audit.tlog.tiles import WIDTH

# The stored hashes of the entries of a row, NULL or empty if it has none. ``{0}`` is the column with its id, ``{1}`` its
# number of entries. The numeric 0.0, because a sum of altered numbers could overflow.
_INDEX = "({0} - 1 - era.id_shift)"
_STORED_LEAVES = (
    "coalesce((SELECT leaf_hash FROM audit_leaves WHERE log_id = {0}), "  # noqa: S608 - constants
    f"(SELECT substr(tile.hashes, CAST(({_INDEX} - {_INDEX} / {WIDTH} * {WIDTH}) * {HASH_SIZE} + 1 AS integer), {HASH_SIZE} * {{1}}) "
    f"FROM audit_tree era JOIN audit_tiles tile ON tile.level = 0 AND tile.number = {_INDEX} / {WIDTH} "
    "WHERE era.id = 1 AND {0} > era.old_size + 0.0 + era.id_shift AND {0} <= era.size + 0.0 + era.id_shift))"
)

STORED_LEAF = _STORED_LEAVES.format("{0}", 1)
# The number of entries of a row. An altered number must not overflow.
_ENTRIES = f"CASE WHEN {{0}} BETWEEN {LEAST} AND {MOST} THEN {{0}} ELSE 1 END"


@dataclass(frozen=True, slots=True)
class Eras:
    """The tree has ``size`` leaves. The first ``old_size`` are in ``audit_leaves``; see ``AuditTree``."""

    size: int
    old_size: int
    id_shift: int

    @classmethod
    def of(cls, tree: AuditTree) -> Self:
        return cls(tree.size, tree.old_size, tree.id_shift)

    @classmethod
    def read(cls) -> Self:
        """As stored. Raises IntegrityFailed if the row is missing or holds other types."""
        return cls.of(read_tree())

    @property
    def last_old_id(self) -> int:
        """Every entry with a larger id is of the second era."""
        return self.old_size + self.id_shift

    @property
    def last_id(self) -> int:
        """The largest id of an entry in the tree."""
        return self.size + self.id_shift

    def id_of(self, index: int) -> int:
        """The id of a leaf of the second era."""
        return index + 1 + self.id_shift

    def places(self) -> str:
        """(idx, log_id) of every row in the tree, for a FROM clause: the index of its first entry."""
        return (
            f"(SELECT idx, log_id FROM audit_leaves UNION ALL SELECT id - {self.id_shift + 1}, id FROM audit_logs "  # noqa: S608 - integers
            f"WHERE id > {self.last_old_id} AND id <= {self.last_id})"
        )

    def index_of(self, log_id: int) -> int | None:
        """The place of an entry in the tree, None if it has none. Queries the leaves for an entry of the first era."""
        if log_id > self.last_old_id:
            return log_id - 1 - self.id_shift if log_id <= self.last_id else None
        return AuditLeaf.objects.filter(log_id=log_id).values_list("idx", flat=True).first()


class StoredLeaves(Func):
    """The stored leaf hashes of the row with this id and number of entries; NULL or shorter if they are not in the tree.

    They are in one tile.
    """

    output_field = BinaryField()

    def as_sql(self, compiler: Any, connection: Any, **_context: Any) -> tuple[str, Any]:  # type: ignore[override]  # noqa: ARG002 - Django's signature, without options
        compiled = [compiler.compile(column) for column in self.get_source_expressions()]
        assert not any(parameters for _, parameters in compiled)  # noqa: S101 - columns
        (log_id, _), (entries, _) = compiled
        return _STORED_LEAVES.format(log_id, _ENTRIES.format(entries)), []


def id_at(index: Any) -> Coalesce:
    """The id of the entry at an index (an expression), as an expression. Such an entry may not exist."""
    old = AuditLeaf.objects.filter(idx=index).values("log_id")[:1]
    shift: QuerySet[Any, Any] = AuditTree.objects.filter(id=1).values("id_shift")[:1]
    return Coalesce(Subquery(old), index + 1 + Subquery(shift))
