"""The beginning of the sums of protected rows (``audit.sequencing.state``): the rows are taken as they are, on record."""

from django.db import connection

from audit import actions
from audit.log.events import Actor, Event
from audit.log.raw_rows import any_text
from audit.models import AuditLog, AuditReceipt, AuditTree
from audit.sequencing.bundles.continuity import waiting_changes
from audit.sequencing.leadership import leading
from audit.sequencing.state import State, Sums, protected_models
from audit.sequencing.state_heads import renew_heads
from audit.sequencing.tree import read_tree
from audit.services.recording import ACTOR_OF_STATE, record


def begin_state_once() -> None:
    """Begin, unless the state has begun before: sums that were removed are not made again. Raises django.db.Error."""
    sums = State.of(read_tree()).sums
    if not has_state_begun() or (sums is not None and not sums.has_heads):
        begin_state(actor=ACTOR_OF_STATE)


def has_state_begun() -> bool:
    """Whether there are sums, or the log has the entry of their beginning."""
    if AuditTree.objects.exclude(sums=None).exists():
        return True
    return AuditLog.objects.filter(action=actions.STATE_BEGUN).exists()  # noqa: CC2 - whether the state has begun


def begin_state(*, actor: Actor, reason: str = "") -> None:
    """Take all protected rows as they are now, unless there are valid sums. Writers wait meanwhile.

    Sums of an earlier version stay, and get their heads. Raises django.db.Error.
    """
    sums = State.of(read_tree()).sums
    if sums is not None and sums.has_heads:
        return
    for model in protected_models():
        renew_heads(model)  # before the lock: a writer that has locked a row waits for it
    with leading(waits=True), any_text():
        tree = read_tree()
        if (sums := State.of(tree).sums) is not None:
            sums.begin_heads()
            AuditTree.objects.filter(id=1).update(sums=sums.seal(tree.size, bytes(tree.root)))  # noqa: CC3 - sealed
            return
        if connection.vendor == "postgresql":
            # Each change has a bundle in its transaction. So the rows and the bundles below are of the same moment.
            with connection.cursor() as cursor:
                cursor.execute("LOCK TABLE audit_bundles IN EXCLUSIVE MODE")
        if not reason:
            for receipt in AuditReceipt.objects.filter(row_mac=""):
                receipt.save_with_mac()
        sums = Sums({})
        sums.begin_heads()
        for model in protected_models():
            sums.add_rows(model)
        meta = {"rows": sum(each.rows for each in sums.tables.values()), "reason": reason}
        sums.revert(waiting_changes())
        record(Event(action=actions.STATE_BEGUN, object_type="audit_log", meta=meta), actor)
        sealed = sums.seal(tree.size, bytes(tree.root))
        AuditTree.objects.filter(id=1).update(sums=sealed)  # noqa: CC3 - sealed
