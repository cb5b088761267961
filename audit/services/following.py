"""Follow the log: entries that arrive after those already shown, each once.

The tree takes each entry once, and numbers its leaves without gaps. So the size of the tree identifies what was shown.
"""

from django.db.models import Exists, OuterRef, Q, QuerySet

from audit.models import AuditLeaf, AuditLog
from audit.sequencing.eras import Eras


def leaves() -> int:
    """The number of entries in the tree."""
    return Eras.read().size


def in_tree_of(rows: QuerySet[AuditLog], size: int) -> QuerySet[AuditLog]:
    """The rows among the first ``size`` entries of the tree."""
    return rows.filter(_is_between(0, size))


def arrived_between(rows: QuerySet[AuditLog], first: int, last: int) -> QuerySet[AuditLog]:
    """The rows that arrived while the tree grew from ``first`` to ``last`` entries."""
    return rows.filter(_is_between(first, last))


def _is_between(first: int, last: int) -> Q:
    """The entries with an index from ``first`` to below ``last``."""
    eras = Eras.read()
    found = Q(id__gte=eras.id_of(max(first, eras.old_size)), id__lt=eras.id_of(last))
    if first < eras.old_size:
        leaf = AuditLeaf.objects.filter(log_id=OuterRef("id"), idx__gte=first, idx__lt=last)
        found |= Q(Exists(leaf))
    return found
