"""Following the log: what arrives after what was shown, each entry once.

Ids would not do: entries are committed in another order than their ids. The tree takes each entry once, and its leaves
are numbered without a gap, so the size of the tree says what was shown.
"""

from django.db.models import Exists, OuterRef, QuerySet

from audit.models import AuditLeaf, AuditLog


def leaves() -> int:
    """How many entries are in the tree."""
    newest = AuditLeaf.objects.order_by("-idx").values_list("idx", flat=True).first()
    return 0 if newest is None else newest + 1


def in_tree_of(rows: QuerySet[AuditLog], size: int) -> QuerySet[AuditLog]:
    """Those among the first ``size`` of the tree."""
    return rows.filter(Exists(AuditLeaf.objects.filter(log_id=OuterRef("id"), idx__lt=size)))


def arrived_between(rows: QuerySet[AuditLog], first: int, last: int) -> QuerySet[AuditLog]:
    """Those that came when the tree grew from ``first`` entries to ``last``."""
    arrived = AuditLeaf.objects.filter(idx__gte=first, idx__lt=last).values("log_id")
    return rows.filter(id__in=arrived)
