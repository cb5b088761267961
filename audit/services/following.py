"""Follow the log: entries that arrive after those already shown, each once.

Ids are not sufficient, because entries are not committed in the order of their ids. The tree takes each entry once,
and numbers its leaves without gaps. So the size of the tree identifies what was shown.
"""

from django.db.models import Exists, OuterRef, QuerySet

from audit.models import AuditLeaf, AuditLog


def leaves() -> int:
    """The number of entries in the tree."""
    newest = AuditLeaf.objects.order_by("-idx").values_list("idx", flat=True).first()
    return 0 if newest is None else newest + 1


def in_tree_of(rows: QuerySet[AuditLog], size: int) -> QuerySet[AuditLog]:
    """The rows among the first ``size`` entries of the tree."""
    return rows.filter(Exists(AuditLeaf.objects.filter(log_id=OuterRef("id"), idx__lt=size)))


def arrived_between(rows: QuerySet[AuditLog], first: int, last: int) -> QuerySet[AuditLog]:
    """The rows that arrived while the tree grew from ``first`` to ``last`` entries."""
    arrived = AuditLeaf.objects.filter(idx__gte=first, idx__lt=last).values("log_id")
    return rows.filter(id__in=arrived)
