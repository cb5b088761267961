"""The sums of protected rows: how they begin, follow the log, and are protected themselves."""

import pytest
from django.db import transaction

from accounts.models import User
from audit.models import AuditAlarm, AuditBundle, AuditLog, AuditReceipt, AuditTree
from audit.sequencing.alarms import AlarmKind
from audit.sequencing.bundles.step import sequence_step
from audit.sequencing.state import UNKNOWN as UNKNOWN_SUMS
from audit.sequencing.state import State, Sum, protected_models
from audit.sequencing.state_beginning import begin_state, begin_state_once
from audit.services.alarms import raise_alarms
from audit.services.resolving import resolve_alarm
from audit.verification.database.state import _Round
from audit.verification.findings import FindingKind
from audit.verification.fsck import verify_log
from kernel.clock import database_now
from kernel.errors import VersionConflict
from tests.audit.verification.states import ACTOR, alarms, create_some, found, watch_all
from tests.factories import PolicyFactory
from tests.log_entries import log_rows
from tests.tampering.altering import execute
from tests.tampering.writing import sequence

pytestmark = [pytest.mark.sqlite, pytest.mark.django_db(transaction=True)]

UNKNOWN = "the sums of the protected rows are missing, or of another tree"


def test_a_sum_counts_rows_and_wraps_at_256_bits():
    assert Sum(1, 1) - Sum(3, 2) == Sum(-2, 2**256 - 1)
    assert Sum(1, 2**256 - 1) + Sum(1, 3) == Sum(2, 2)


def test_the_worker_compares_two_tables_at_a_time_until_all_were_compared():
    rounds, models = _Round(), protected_models()
    taken = [rounds.next() for _ in range((len(models) + 1) // 2)]
    assert {len(some) for some in taken[:-1]} == {2}
    assert {model for some in taken for model in some} == set(models)


@pytest.mark.parametrize("sums", ["NULL", "(SELECT sums FROM kept)"])
def test_removed_or_older_sums_raise_an_alarm_until_a_person_accepts_the_rows(admin, sums):
    execute("CREATE TABLE kept AS SELECT sums FROM audit_tree")
    create_some(admin, "second")
    sequence()
    execute(f"UPDATE audit_tree SET sums = {sums}")  # noqa: S608 - constants
    execute("DROP TABLE kept")
    assert found() == [UNKNOWN]
    watch_all()
    assert [kind for kind, _ in alarms()] == ["state_unknown"]
    execute("DELETE FROM webhooks WHERE name = 'first'")
    PolicyFactory(name="third")
    assert sequence_step() > 0  # the log goes on
    assert found() == [UNKNOWN]
    [alarm] = AuditAlarm.objects.filter(kind=AlarmKind.STATE_UNKNOWN)
    resolve_alarm(principal=admin.principal, alarm_id=alarm.id, reason="a restore went wrong")
    assert found() == []
    PolicyFactory(name="fourth")
    sequence()
    assert found() == []
    [accepted] = verify_log().accepted
    assert accepted.startswith("all protected rows as they are now; accepted by mira")


def test_the_sums_are_those_of_the_tree_with_their_size_and_root(admin):
    sequence()
    tree = AuditTree.objects.get()
    assert State.of(tree).sums is not None
    others = ({"size": tree.size + 1}, {"size": -1}, {"size": "x"}, {"root": bytes(32)})
    for other in (*others, {"sums": b"x"}, {"sums": "x"}, {"sums": bytes(4096)}):
        changed = AuditTree(**{"size": tree.size, "root": tree.root, "sums": tree.sums} | other)
        assert State.of(changed) == State(is_altered=True)


def test_a_change_that_was_lost_with_its_bundle_is_found(admin):
    sequence()
    PolicyFactory(name="third")
    assert AuditBundle.objects.count() == 1
    execute("DELETE FROM audit_bundles")
    assert found() == ["encryption_policies has 1 row more than the application wrote"]


def test_a_change_counts_once_even_if_its_bundle_is_put_back(admin):
    sequence()
    PolicyFactory(name="third")
    execute("CREATE TABLE kept AS SELECT * FROM audit_bundles")
    sequence()
    execute("INSERT INTO audit_bundles SELECT * FROM kept")
    execute("DROP TABLE kept")
    sequence()
    assert AuditBundle.objects.exclude(rejected_at=None).count() == 1
    assert found() == []
    execute("UPDATE audit_bundles SET rejected_at = NULL")  # it waits
    assert found() == []
    execute("UPDATE audit_tree SET sums = NULL")
    begin_state(actor=ACTOR, reason="they were removed")
    execute("DELETE FROM audit_bundles WHERE first > 1")
    assert found() == []


def test_only_the_row_that_was_read_is_saved(admin):
    one, other = User.objects.get(username="mira"), User.objects.get(username="mira")
    with transaction.atomic():
        one.save_with_mac()
    with pytest.raises(VersionConflict, match="Repeat the request"), transaction.atomic():
        other.save_with_mac()
    other.refresh_from_db()
    with transaction.atomic():
        other.save_with_mac()
    assert found() == []


def test_a_transaction_without_an_entry_gets_one_for_its_changes(admin):
    before = log_rows().filter(action="audit.rows.changed").count()
    with transaction.atomic():
        User.objects.get(username="mira").save_with_mac()
    sequence()
    [entry] = AuditLog.objects.filter(action="audit.rows.changed").order_by("id")[before:]
    assert (entry.actor_type, entry.meta) == ("system", '{"rows":1,"tables":["users"]}')
    assert found() == []


def test_the_state_begins_once(root_of_trust):
    PolicyFactory(name="first")
    sequence()
    watch_all()
    assert alarms() == []
    assert "the sums of the rows have not begun" in "; ".join(verify_log().unchecked)
    begin_state_once()
    sums = AuditTree.objects.get().sums
    begin_state_once()
    assert AuditTree.objects.get().sums == sums
    assert "have not begun" not in "; ".join(verify_log().unchecked)
    sequence()
    execute("UPDATE audit_tree SET sums = NULL")
    begin_state_once()
    assert AuditTree.objects.get().sums is None


def test_valid_sums_do_not_begin_again_and_a_second_beginning_is_found(admin):
    begin_state(actor=ACTOR, reason="a person")
    raise_alarms([UNKNOWN_SUMS])
    [alarm] = AuditAlarm.objects.filter(kind=AlarmKind.STATE_UNKNOWN)
    resolved = resolve_alarm(principal=admin.principal, alarm_id=alarm.id, reason="an older row of it")
    assert resolved.accepted == ""
    assert log_rows().filter(action="audit.state.begun").count() == 1
    execute("UPDATE audit_tree SET sums = NULL")
    begin_state(actor=ACTOR)
    texts = [finding.text for finding in verify_log().findings if finding.kind == FindingKind.STATE]
    assert texts == ["the state began 2 times without a person"]


def test_an_invented_receipt_is_found_and_earlier_ones_get_their_mac(root_of_trust):
    def found():
        return {finding.kind for finding in verify_log().findings} & {FindingKind.ROW}

    receipt = {"anchor": "file", "receipt": "offset 0", "anchored_at": database_now()}
    AuditReceipt.objects.create(size=1, **receipt)
    assert found() == set()
    begin_state(actor=ACTOR)
    assert (AuditReceipt.objects.get().is_authentic, found()) == (True, set())
    AuditReceipt.objects.create(size=2, **receipt)
    execute("UPDATE audit_tree SET sums = NULL")
    begin_state(actor=ACTOR, reason="a person")
    assert found() == {FindingKind.ROW}
