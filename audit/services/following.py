"""Follow the log: entries that arrive after those already shown, each once.

The tree takes each entry once, and numbers its leaves without gaps. So the size of the tree identifies what was shown.
"""

from django.db.models import Exists, OuterRef, Q

from audit.models import AuditLeaf
from audit.models.logs import AuditLogQuerySet
from audit.sequencing.eras import Eras


def in_tree(rows: AuditLogQuerySet, eras: Eras) -> AuditLogQuerySet:
    """The rows among the entries of the tree, when it was as in ``eras``."""
    return arrived_since(rows, 0, eras)


def arrived_since(rows: AuditLogQuerySet, first: int, eras: Eras) -> AuditLogQuerySet:
    """The rows that arrived while the tree grew from ``first`` entries to that of ``eras``."""
    found = Q(id__gte=eras.id_of(max(first, eras.old_size)), id__lt=eras.id_of(eras.size))
    if first < eras.old_size:
        leaf = AuditLeaf.objects.filter(log_id=OuterRef("id"), idx__gte=first, idx__lt=eras.size)
        found |= Q(Exists(leaf))
    return rows.filter(found)
