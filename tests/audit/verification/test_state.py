"""Rows that were put back, removed, copied or swapped differ from the sums of what the application wrote."""

import pytest
from django.db import transaction

from accounts.models import User
from audit.models import AuditAlarm, AuditBundle, AuditLog, AuditReceipt, AuditTree
from audit.sequencing.alarms import AlarmKind
from audit.sequencing.bundles.step import sequence_step
from audit.sequencing.state import State, protected_models
from audit.sequencing.state_beginning import begin_state, begin_state_once
from audit.services.resolving import resolve_alarm
from audit.verification.database.state import check_state, watch_state
from audit.verification.findings import FindingKind
from audit.verification.fsck import verify_log
from kernel.clock import database_now
from kernel.errors import VersionConflict
from tests.accounts.test_totp import enrol, sign_in
from tests.factories import SYSTEM, PolicyFactory
from tests.log_entries import log_rows
from tests.personas import ApiClient, make_persona, with_token
from tests.tampering.altering import execute, query
from tests.tampering.writing import sequence

pytestmark = [pytest.mark.sqlite, pytest.mark.django_db(transaction=True)]

UNKNOWN = "the sums of the protected rows are missing, or of another tree"
ACTOR = SYSTEM.actor


def found():
    return [finding.text for finding in check_state()]


def alarms():
    kinds = (AlarmKind.STATE_ALTERED, AlarmKind.STATE_UNKNOWN)
    return list(AuditAlarm.objects.filter(kind__in=kinds, resolved_at=None).values_list("kind", "found"))


def watch_all():
    for _ in protected_models():
        watch_state()


@pytest.fixture
def admin(root_of_trust):
    """An administrator, and the sums of a database with one row of each of some tables."""
    admin = make_persona("mira", "admin")
    create_some(admin, "first")
    begin_state(actor=ACTOR)
    return admin


def create_some(admin, name):
    """A row of each table that requests insert."""
    api = admin.api
    key = ok(api.post("/api/v1/keys", {"name": name, "algorithm": "aes-256", "tags": ["a"]}))["id"]
    ok(api.post(f"/api/v1/keys/{key}/grants", grant(admin)))
    account = ok(api.post("/api/v1/service-accounts", {"name": name, "role": "developer"}))
    with_token(admin)
    PolicyFactory(name=name)
    ok(api.post("/api/v1/users", {"username": f"u-{name}", "role": "auditor"}))
    ok(api.post("/api/v1/webhooks", {"name": name, "url": "https://8.8.8.8/hook", "topics": ["audit.alarm"]}))
    ok(api.post("/api/v1/audit/log-targets", {"name": name, "url": "tls://8.8.8.8:6514"}))
    ok(api.get("/api/v1/keys/import-parameters"))
    return key, account["id"]


def grant(admin):
    return {
        "principal_type": "user",
        "principal_id": str(admin.user.id),
        "operations": ["encrypt"],
    }


def ok(response):
    assert response.status in {200, 201, 204}, response.raw.content
    return response.json


def test_what_requests_change_is_no_difference(admin):
    before = log_rows().filter(action="audit.rows.changed").count()
    key, account = create_some(admin, "second")
    api = admin.api
    [first, *_] = ok(api.get(f"/api/v1/keys/{key}/grants"))["results"]
    ok(api.delete(f"/api/v1/keys/{key}/grants/{first['id']}"))
    ok(api.post(f"/api/v1/keys/{key}/rotate", {"reason": "a test"}))
    ok(api.post(f"/api/v1/service-accounts/{account}/rotate-secret", {"overlap_hours": 1}))
    ok(api.patch(f"/api/v1/service-accounts/{account}", {"is_active": False}))
    enrol(admin)
    assert found() == []
    sequence()
    assert found() == []
    assert log_rows().filter(action="audit.rows.changed").count() == before


@pytest.mark.parametrize("is_sequenced", [True, False])
def test_each_table_shows_a_missing_row_an_older_row_and_swapped_rows(admin, is_sequenced):
    create_some(admin, "second")
    enrol(admin)
    if is_sequenced:
        sequence()
    compared = 0
    for model in protected_models():
        table, key, contents = model._meta.db_table, model._meta.pk.column, model.STATE[0]
        if (rows := model._default_manager.count()) == 0:
            continue
        compared += 1
        first, last = (f"(SELECT {which}(CAST({key} AS TEXT)) FROM {table})" for which in ("min", "max"))  # noqa: S608 - constants
        is_first, is_last = (f"CAST({key} AS TEXT) = {each}" for each in (first, last))
        assert differences_after(f"DELETE FROM {table} WHERE {is_first}") == [  # noqa: S608 - constants
            f"{table} lacks 1 row that the application wrote"
        ]
        older = [f"at least one row of {table} is an older one, or was altered"]
        other = "'1.x.y'" if contents == "row_mac" else f"{contents} + 1"
        assert differences_after(f"UPDATE {table} SET {contents} = {other} WHERE {is_first}") == older  # noqa: S608 - constants
        if rows > 1 and contents == "row_mac":
            swap = (
                f"UPDATE {table} SET row_mac = (SELECT row_mac FROM {table} o WHERE CAST(o.{key} AS TEXT) = "  # noqa: S608 - constants
                f"CASE WHEN {is_first} THEN {last} ELSE {first} END) WHERE {is_first} OR {is_last}"
            )
            assert (
                differences_after(swap.replace(f"CASE WHEN CAST({key}", f"CASE WHEN CAST({table}.{key}"))
                == older
            )
    assert compared >= 15
    assert found() == []


def test_altered_columns_that_no_mac_covers_are_found(admin):
    create_some(admin, "second")
    _, [code, *_] = enrol(admin)
    ok(sign_in(admin, code))
    ok(ApiClient().post("/auth/refresh", {"refresh_token": admin.refresh_token}))
    sequence()
    assert found() == []
    for table, column, value, where in (
        ("users", "email", "'thief@example.org'", "true"),
        ("encryption_keys", "description", "'x'", "true"),
        ("encryption_keys", "rotation_period_days", "9", "true"),
        ("encryption_keys", "searched_text", "'x'", "true"),
        ("service_accounts", "description", "'x'", "true"),
        ("service_tokens", "name", "'x'", "true"),
        ("webhooks", "name", "'x'", "true"),
        ("refresh_tokens", "used_at", "NULL", "used_at IS NOT NULL"),
        ("recovery_codes", "used_at", "NULL", "used_at IS NOT NULL"),
    ):
        row = f"(SELECT min(CAST(id AS TEXT)) FROM {table} WHERE {where})"  # noqa: S608 - constants
        statement = f"UPDATE {table} SET {column} = {value} WHERE CAST(id AS TEXT) = {row}"  # noqa: S608 - constants
        assert differences_after(statement) == [
            f"at least one row of {table} is an older one, or was altered"
        ]


def differences_after(statement):
    with transaction.atomic():
        execute(statement)
        texts = found()
        transaction.set_rollback(True)
    return texts


def test_the_row_of_a_removed_grant_that_was_put_back_raises_an_alarm(admin):
    key, _ = create_some(admin, "second")
    [held] = ok(admin.api.get(f"/api/v1/keys/{key}/grants"))["results"]
    execute("CREATE TABLE kept AS SELECT * FROM key_grants")
    try:
        ok(admin.api.delete(f"/api/v1/keys/{key}/grants/{held['id']}"))
        sequence()
        watch_all()
        assert alarms() == []
        execute("DELETE FROM key_grants")
        execute("INSERT INTO key_grants SELECT * FROM kept")
    finally:
        execute("DROP TABLE kept")
    text = "key_grants has 1 row more than the application wrote"
    assert found() == [text]
    watch_all()
    assert alarms() == [("state_altered", text)]


def test_a_former_administrator_is_found(admin):
    nina = make_persona("nina", "admin")
    [former] = query("SELECT role, row_seq, row_mac, subject_version FROM users WHERE username = 'nina'")
    ok(admin.api.patch(f"/api/v1/users/{nina.user.id}", {"role": "auditor"}))
    sequence()
    restore = (
        "UPDATE users SET role = %s, row_seq = %s, row_mac = %s, subject_version = %s WHERE username = 'nina'"
    )
    execute(restore, former)
    text = "at least one row of users is an older one, or was altered"
    assert [finding.text for finding in verify_log().findings if finding.kind == FindingKind.STATE] == [text]
    assert User.objects.get(username="nina").check_mac().role == "admin"


def test_a_person_accepts_the_difference_that_the_alarm_names_and_no_other(admin):
    execute("DELETE FROM webhooks")
    watch_all()
    [alarm] = AuditAlarm.objects.filter(kind=AlarmKind.STATE_ALTERED)
    assert alarm.loss == "webhooks lacks 1 row that the application wrote"
    resolve_alarm(principal=admin.principal, alarm_id=alarm.id, reason="removed by hand")
    create_some(admin, "second")
    assert found() == []
    sequence()
    assert found() == []
    [accepted] = verify_log().accepted
    assert accepted.startswith(f"{alarm.loss}; accepted by mira at ")
    watch_all()
    assert alarms() == []
    execute("DELETE FROM webhooks")
    watch_all()
    assert alarms() == [("state_altered", alarm.loss)]


def test_a_difference_that_has_ended_is_not_accepted(admin):
    execute("CREATE TABLE kept AS SELECT * FROM webhooks")
    execute("DELETE FROM webhooks")
    watch_all()
    [alarm] = AuditAlarm.objects.filter(kind=AlarmKind.STATE_ALTERED)
    execute("INSERT INTO webhooks SELECT * FROM kept")
    execute("DROP TABLE kept")
    resolve_alarm(principal=admin.principal, alarm_id=alarm.id, reason="the rows are back")
    sequence()
    assert found() == []
    execute("DELETE FROM webhooks")
    watch_all()
    assert alarms() == [("state_altered", alarm.found)]


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
    assert accepted.startswith("the protected rows were accepted as they were by")


def test_the_sums_are_those_of_the_tree_with_their_size_and_root(admin):
    sequence()
    tree = AuditTree.objects.get()
    assert State.of(tree).sums is not None
    for other in ({"size": tree.size + 1}, {"root": bytes(32)}, {"sums": b"x"}, {"sums": bytes(4096)}):
        changed = AuditTree(**{"size": tree.size, "root": tree.root, "sums": tree.sums} | other)
        assert State.of(changed) == State(has_begun=True, sums=None)


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
    execute("DELETE FROM audit_bundles")


def test_only_the_row_that_was_read_is_saved(admin):
    one, other = User.objects.get(username="mira"), User.objects.get(username="mira")
    with transaction.atomic():
        one.save_with_mac()
    with pytest.raises(VersionConflict, match="Repeat the request"), transaction.atomic():
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


def test_an_invented_receipt_is_found_and_earlier_ones_get_their_mac(root_of_trust):
    def found():
        return {finding.kind for finding in verify_log().findings} & {FindingKind.ROW}

    receipt = {"anchor": "file", "receipt": "offset 0", "anchored_at": database_now()}
    AuditReceipt.objects.create(size=1, **receipt)
    assert found() == set()
    begin_state(actor=ACTOR)
    assert (AuditReceipt.objects.get().is_authentic, found()) == (True, set())
    AuditReceipt.objects.create(size=2, **receipt)
    assert found() == {FindingKind.ROW}
