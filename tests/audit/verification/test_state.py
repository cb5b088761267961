"""Rows that were put back, removed, copied or swapped differ from the sums of what the application wrote."""

from datetime import timedelta

import pytest
from django.db import transaction

from accounts.models import User
from audit.models import AuditAlarm, LogTarget
from audit.sequencing.alarms import AlarmKind
from audit.sequencing.state import protected_models
from audit.sequencing.state_heads import renew_heads
from audit.services.resolving import resolve_alarm
from audit.verification.findings import FindingKind
from audit.verification.fsck import verify_log
from kernel.clock import database_now
from keys.models import ImportParameters
from keys.transport.services.import_parameters import delete_expired_parameters
from tests.accounts.test_totp import enrol, sign_in
from tests.audit.verification.states import alarms, create_some, found, ok, watch_all, without_names
from tests.log_entries import log_rows
from tests.personas import ApiClient, make_persona
from tests.tampering.altering import execute, query
from tests.tampering.writing import sequence

pytestmark = [pytest.mark.sqlite, pytest.mark.django_db(transaction=True)]


def test_changes_by_requests_are_no_difference(admin):
    before = log_rows().filter(action="audit.rows.changed").count()
    key, account = create_some(admin, "second")
    api = admin.api
    [first, *_] = ok(api.get(f"/api/v1/keys/{key}/grants"))["results"]
    ok(api.delete(f"/api/v1/keys/{key}/grants/{first['id']}"))
    ok(api.post(f"/api/v1/keys/{key}/rotate", {"reason": "a test"}))
    ok(api.post(f"/api/v1/service-accounts/{account}/rotate-secret", {"overlap_hours": 1}))
    ok(api.patch(f"/api/v1/service-accounts/{account}", {"is_active": False}))
    enrol(admin)
    repeatable = {"Idempotency_Key": "once"}  # its row is outside of the state
    ok(api.post("/api/v1/keys", {"name": "third", "algorithm": "aes-256"}, **repeatable))
    with transaction.atomic():
        LogTarget.objects.first().save_with_mac(["size"])  # a delivery
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
        is_first, is_last = (f"CAST({table}.{key} AS TEXT) = {each}" for each in (first, last))
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
            assert differences_after(swap) == older
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
        for model in protected_models():
            renew_heads(model)  # as an attacker who puts back the heads, too
        assert found() == texts
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
    named = f"{text}; state_heads differs for {nina.user.id}"
    assert [finding.text for finding in verify_log().findings if finding.kind == FindingKind.STATE] == [named]
    assert User.objects.get(username="nina").check_mac().role == "admin"


def test_a_person_accepts_the_difference_that_the_alarm_names_and_no_other(admin):
    execute("DELETE FROM webhooks")
    watch_all()
    [alarm] = AuditAlarm.objects.filter(kind=AlarmKind.STATE_ALTERED)
    assert without_names(alarm.acceptance) == "webhooks lacks 1 row that the application wrote"
    resolve_alarm(principal=admin.principal, alarm_id=alarm.id, reason="removed by hand")
    create_some(admin, "second")
    assert found() == []
    sequence()
    assert found() == []
    [accepted] = verify_log().accepted
    assert accepted.startswith(f"{alarm.found}; accepted by mira at ")
    watch_all()
    assert alarms() == []


def test_a_difference_that_was_accepted_raises_an_alarm_again_when_it_returns(admin):
    key, _ = create_some(admin, "second")
    [held] = ok(admin.api.get(f"/api/v1/keys/{key}/grants"))["results"]
    execute("CREATE TABLE kept AS SELECT * FROM key_grants")
    ok(admin.api.delete(f"/api/v1/keys/{key}/grants/{held['id']}"))
    for _ in range(2):
        execute("DELETE FROM key_grants")
        execute("INSERT INTO key_grants SELECT * FROM kept")
        watch_all()
        [alarm] = AuditAlarm.objects.filter(kind=AlarmKind.STATE_ALTERED, resolved_at=None)
        assert without_names(alarm.found) == "key_grants has 1 row more than the application wrote"
        resolve_alarm(principal=admin.principal, alarm_id=alarm.id, reason="it is right")
        ok(admin.api.delete(f"/api/v1/keys/{key}/grants/{held['id']}"))
        assert found() == []
    execute("DROP TABLE kept")


def test_an_altered_row_that_the_application_deletes_is_missing_in_the_state(admin):
    past = database_now() - timedelta(days=900)
    execute("UPDATE key_import_parameters SET row_mac = 'accepted', expires_at = %s", [past])
    delete_expired_parameters()
    assert ImportParameters.objects.count() == 0
    sequence()
    assert found() == ["key_import_parameters lacks 1 row that the application wrote"]


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
    assert alarms() == [("state_altered", without_names(alarm.found))]
