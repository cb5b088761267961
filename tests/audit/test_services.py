import base64
import hashlib
import hmac
import json
import re
import uuid
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection, transaction

from audit.browse.selection import LogCriteria
from audit.errors import AuditUnavailable
from audit.log import entries
from audit.log.events import Actor, Event, Outcome, RowChange
from audit.log.packed_rows import ROW_COLUMNS
from audit.models import AuditLog, AuditTrail
from audit.services.reading import find_logs
from kernel.clock import database_now
from kernel.trust import kek
from kernel.trust.models import SystemKey
from kernel.trust.wrapped_row import SYSTEM_LABEL
from tests.log_entries import log_rows, record, record_alone

ACTOR = Actor(
    user_id=uuid.UUID("0b1e7a52-9c1d-4c8e-8f6e-0d3c1a2b3c4d"),
    actor_type="user",
    actor_name="mira",
    auth_method="password",
    token_id="t-1",
    client_ip="2001:DB8::0:1",
    user_agent="curl/8\x00\ud800",
    source="api",
    request_id="r-1",
)
EVENT = Event(
    action="keys.key.rotated",
    object_type="key",
    object_id="k-1",
    object_version=2,
    outcome=Outcome.OK,
    code="c",
    count=3,
    size=64,
    meta={"reason": "\u00e9", "a": None},
)


@pytest.mark.django_db
def test_an_event_is_stored_with_its_actor_and_the_databases_time():
    before = database_now()
    row = record(EVENT, ACTOR)
    stored = log_rows().get(event_id=row.event_id)

    assert before <= stored.timestamp <= database_now()
    assert (stored.user_id, stored.actor_name, stored.auth_method, stored.token_id) == (
        ACTOR.user_id,
        "mira",
        "password",
        "t-1",
    )
    assert (stored.client_ip, stored.user_agent) == ("2001:db8::1", "curl/8\ufffd\ufffd")
    assert (stored.source, stored.request_id) == ("api", "r-1")
    assert (stored.action, stored.object_type, stored.object_id, stored.object_version) == (
        "keys.key.rotated",
        "key",
        "k-1",
        2,
    )
    assert (stored.outcome, stored.code, stored.count, stored.size) == ("ok", "c", 3, 64)
    assert stored.meta == '{"a":null,"reason":"\u00e9"}'


@pytest.mark.django_db
@pytest.mark.parametrize("microsecond", [0, 1, 999_999])
def test_the_row_as_read_back_gives_the_bytes_that_were_maced(microsecond):
    moment = datetime(2026, 11, 24, 15, 3, 9, microsecond, tzinfo=UTC)
    written = record(EVENT, ACTOR, at=moment)
    stored = log_rows().values().get(event_id=written.event_id)
    assert (stored["timestamp"], stored["wseq"]) == (moment, written.wseq)

    version, kid, tag = stored["mac"].split(".")
    wrapped = SystemKey.objects.get(kid=kid).wrapped_key
    key = kek.unwrap(wrapped, label=SYSTEM_LABEL, parts=[b"audit-mac", kid.encode()])
    expected = hmac.digest(key.expose(), entries.mac_bytes(stored), "sha256")
    assert (version, base64.urlsafe_b64decode(tag + "=")) == ("1", expected)


@pytest.mark.django_db
def test_the_entry_fields_are_all_columns_of_the_tables():
    # In this order, because a row that is shown is made of the values by their place.
    assert list(ROW_COLUMNS) == [field.column for field in AuditLog._meta.fields]
    assert list(entries.TRAIL_FIELDS) == [field.column for field in AuditTrail._meta.fields]


@pytest.mark.django_db
def test_changed_rows_are_stored_and_bound_to_their_event():
    expiry = datetime(2027, 1, 1, tzinfo=UTC)
    changes = [
        RowChange(
            table_name="encryption_keys",
            record_id="k-1",
            action="update",
            old_values={"state": "active", "expires_at": None},
            new_values={"state": "suspended", "expires_at": expiry, "tags": ["b\x00", "a"]},
        ),
        RowChange(table_name="key_versions", record_id="9", action="insert", new_values={}),
    ]
    row = record(EVENT, ACTOR, changes=changes)

    first, second = AuditTrail.objects.order_by("id")
    assert first.old_values == {"state": "active", "expires_at": None}
    assert first.new_values == {
        "state": "suspended",
        "expires_at": "2027-01-01T00:00:00.000000Z",
        "tags": ["b\ufffd", "a"],
    }
    assert (second.old_values, second.new_values) == (None, {})
    assert {first.event_id, second.event_id} == {row.event_id}
    assert {first.changed_by, second.changed_by} == {ACTOR.user_id}
    assert {first.changed_at, second.changed_at} == {row.timestamp}
    digests = [entries.trail_digest(values) for values in AuditTrail.objects.order_by("id").values()]
    assert json.loads(log_rows().get().meta)["trail_sha256"] == digests
    assert len(digests[0]) == 2 * hashlib.sha256().digest_size


@pytest.mark.django_db(transaction=True)
def test_recording_outside_a_transaction_is_refused():
    with pytest.raises(transaction.TransactionManagementError, match="transaction of its change"):
        record(EVENT, ACTOR)

    assert not log_rows().exists()


@pytest.mark.django_db(transaction=True)
def test_a_change_that_is_rolled_back_leaves_no_record():
    with transaction.atomic():
        record(EVENT, ACTOR, changes=[RowChange(table_name="t", record_id="r", action="delete")])
        transaction.set_rollback(True)

    assert not log_rows().exists()
    assert not AuditTrail.objects.exists()


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("unwritable_log")
def test_a_log_that_cannot_be_written_takes_the_change_with_it():
    with pytest.raises(AuditUnavailable) as refused, transaction.atomic():
        record(EVENT, ACTOR)

    assert refused.value.code == "audit_unavailable"


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("unwritable_log")
def test_a_refusal_that_cannot_be_written_raises():
    with pytest.raises(AuditUnavailable):
        record_alone(EVENT, ACTOR)


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("failing_commit")
def test_a_refusal_whose_commit_fails_raises():
    with pytest.raises(AuditUnavailable):
        record_alone(EVENT, ACTOR)

    assert not log_rows().exists()


@pytest.mark.django_db(transaction=True)
def test_a_refusal_has_a_transaction_of_its_own():
    record_alone(EVENT, ACTOR)

    assert log_rows().count() == 1
    with transaction.atomic(), pytest.raises(RuntimeError, match="durable"):
        record_alone(EVENT, ACTOR)


@pytest.mark.django_db
def test_the_callers_clock_is_the_timestamp():
    moment = datetime.now(UTC) - timedelta(minutes=1)

    recorded = record(EVENT, ACTOR, at=moment)
    assert log_rows().get(event_id=recorded.event_id).timestamp == moment


@pytest.mark.django_db
def test_the_indexes_of_the_specification_exist_under_their_names():
    with connection.cursor() as cursor:
        found = connection.introspection.get_constraints(cursor, "audit_logs")

    assert found["idx_audit_logs_timestamp"]["columns"] == ["timestamp"]
    assert found["idx_audit_logs_user_action"]["columns"] == ["user_id", "action"]
    assert found["audit_logs_writer_is_sequenced"]["unique"] is True


COLUMNS_OF_INDEXES = [
    ("user", "user_id"),
    ("account", "actor_id"),
    ("object", "object_id"),
    ("actor", "actor_name"),
    ("action", "action"),
]


@pytest.mark.django_db
@pytest.mark.parametrize(("name", "column"), COLUMNS_OF_INDEXES)
def test_each_filter_finds_its_newest_page_without_a_sort(name, column):
    value = str(uuid.uuid4())
    with connection.cursor() as cursor:
        found = connection.introspection.get_constraints(cursor, "audit_logs")[f"idx_audit_logs_{name}"]
        if connection.vendor == "sqlite":
            assert found["columns"] == [column, "id"]
            return
        assert re.search(rf"hash\w*\(\(?{column}\b.*, id\)", found["definition"])
        cursor.execute("SET LOCAL enable_seqscan = off")
        cursor.execute("SET LOCAL enable_indexscan = off")
    for rows in (log_rows().filter(**{column: value}), log_rows().filter(**{f"{column}__in": [value]})):
        assert f"idx_audit_logs_{name}" in rows.order_by().explain()


@pytest.mark.postgresql
@pytest.mark.django_db
@pytest.mark.parametrize(
    "rare",
    [{"outcome": "denied"}, {"source": "admin"}, {"actor_type": "system"}, {"actor_type": "anonymous"}],
)
def test_a_rare_value_has_an_index_of_its_own(rare):
    with connection.cursor() as cursor:
        # An empty table is cheapest read whole, or along any index; a bitmap needs one that fits the
        # condition.
        cursor.execute("SET LOCAL enable_seqscan = off")
        cursor.execute("SET LOCAL enable_indexscan = off")

    plan = log_rows().filter(**rare).order_by().explain()
    # Both indexes have only refusals.
    plan = plan.replace("idx_audit_logs_object_refused", "idx_audit_logs_outcome")
    assert f"idx_audit_logs_{next(iter(rare))}" in plan


@pytest.mark.postgresql
@pytest.mark.django_db
def test_entries_of_service_accounts_are_found_by_the_index_of_their_ids(auditor):
    criteria = LogCriteria(actor_type="service_account")
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
        cursor.execute("SET LOCAL enable_indexscan = off")

    found = find_logs(reader=auditor.principal, criteria=criteria)
    assert "idx_audit_logs_account" in found.order_by().explain()
