"""For each database constraint, by name, an attempt to violate it directly in the database."""

import uuid

import pytest
from django.apps import apps
from django.db import IntegrityError, connection, models, transaction
from django.utils import timezone

from accounts.models import (
    BrowserSession,
    ClientSecret,
    OidcIdentity,
    Passkey,
    RecoveryCode,
    RefreshToken,
    ServiceAccount,
    ServiceToken,
    SetupLink,
    SigningKey,
    TotpDevice,
    User,
)
from accounts.second_factors.services import totp
from accounts.users.services import creation
from audit.log.events import Actor, Event
from audit.models import (
    AuditAlarm,
    AuditCheckpoint,
    AuditExport,
    AuditLeaf,
    AuditLog,
    AuditPass,
    AuditReceipt,
    AuditTile,
    AuditTrail,
    AuditTree,
    AuditVerification,
    CheckpointKey,
    LogTarget,
    SavedFilter,
    UsageDay,
    UsageRollup,
    WitnessKey,
)
from audit.sequencing.alarms import Alarm, AlarmKind
from audit.sequencing.bundles.step import sequence_step
from audit.sequencing.checkpoints.signing import sign_checkpoint
from audit.services.alarms import raise_alarms
from canaries.models import JournalPage, LogPosition
from canaries.sealed.store import anchor_due
from crypto_ops.actions import MESSAGE_ENCRYPTED
from crypto_ops.models import FileJob, Reencryption
from crypto_ops.reencryption.services.jobs import begin_reencryption
from kernel.freshness.models import SecurityEpoch
from kernel.idempotency.models import CompletedRequest
from kernel.jobs import delivery as jobs_delivery
from kernel.jobs.job import JobRecord
from kernel.models import KekRewrap
from kernel.outbox.models import Notification
from kernel.trust.models import Instance, KeyEncryptionKey, SystemKey
from keys.creation import services as creation_services
from keys.models import (
    EncryptionPolicy,
    Key,
    KeyGrant,
    KeyRotation,
    KeyRotationJob,
    KeyVersion,
    Selection,
    TransitKey,
    TransitMount,
)
from keys.rotation.services import rotating
from keys.rotation.services.jobs import RotationRequest, request_rotation
from notifications.models import Delivery
from tests.architecture.sources import PACKAGES
from tests.endpoints import code_to_confirm, make_delivery, make_passkey
from tests.factories import GrantFactory, KeyFactory, PolicyFactory, ServiceAccountFactory, TokenFactory
from tests.log_entries import record

pytestmark = [pytest.mark.sqlite, pytest.mark.django_db]

NOW = timezone.now()
# name -> (model, filter for the row to copy, changes to the copy). A copy always gets its own key.
PROVOCATIONS = {
    "instance_is_single": (Instance, {}, {"singleton": False}),
    "instance.singleton": (Instance, {}, {}),
    "one_primary_kek": (KeyEncryptionKey, {"is_primary": True}, {}),
    "primary_kek_is_not_retired": (KeyEncryptionKey, {"is_primary": True}, {"retired_at": NOW}),
    "encryption_operations_have_a_kind": (JobRecord, {}, {"kind": ""}),
    "encryption_operations_status_is_known": (JobRecord, {}, {"status": "asleep"}),
    "encryption_operations_lease_while_running": (
        JobRecord,
        {"status": "pending"},
        {"status": "running"},
    ),
    "encryption_operations_finished_when_ended": (JobRecord, {}, {"status": "cancelled"}),
    "encryption_operations_failure_has_a_code": (JobRecord, {}, {"status": "failed", "finished_at": NOW}),
    "encryption_operations_progress_within_total": (JobRecord, {}, {"done": 2, "total": 1}),
    "reencryptions_counts_are_not_negative": (Reencryption, {}, {"refused": -1}),
    "file_jobs_operation_is_known": (FileJob, {}, {"operation": "shred"}),
    "file_jobs_result_is_complete": (FileJob, {}, {"size": 1}),
    "audit_verifications_result_is_complete": (AuditVerification, {}, {"findings": 0}),
    "kek_rewraps_result_is_complete": (KekRewrap, {}, {"altered": 0}),
    "one_primary_system_key": (SystemKey, {"is_primary": True}, {}),
    "completed_requests.key_hash": (CompletedRequest, {}, {}),
    "audit_logs_writer_is_sequenced": (AuditLog, {}, {"id": 1_000_000}),
    "audit_logs_outcome_is_known": (
        AuditLog,
        {},
        {"id": 1_000_000, "writer": uuid.uuid4(), "outcome": "perhaps"},
    ),
    "audit_logs_count_is_positive": (AuditLog, {}, {"id": 1_000_000, "writer": uuid.uuid4(), "count": 0}),
    "audit_logs_entries_are_several": (
        AuditLog,
        {},
        {"id": 1_000_000, "writer": uuid.uuid4(), "entries": 1, "details": b"x"},
    ),
    "audit_logs_details_are_of_several": (
        AuditLog,
        {},
        {"id": 1_000_000, "writer": uuid.uuid4(), "entries": 2},
    ),
    "security_epoch_is_single": (SecurityEpoch, {}, {"id": 2}),
    "audit_leaves.log_id": (AuditLeaf, {}, {"idx": 1_000_000}),
    "audit_tiles_position": (AuditTile, {}, {}),
    "audit_tree_is_single": (AuditTree, {}, {"id": 2}),
    "audit_receipts_once": (AuditReceipt, {}, {}),
    "transit_keys_one_name": (TransitKey, {}, {"key_id": uuid.uuid4()}),
    "audit_passes_is_single": (AuditPass, {}, {"id": 2}),
    "usage_rollups_once": (UsageRollup, {}, {}),
    "usage_days_once": (UsageDay, {}, {}),
    "audit_witness_key_is_single": (WitnessKey, {}, {"id": 2}),
    "one_next_and_one_active_checkpoint_key": (CheckpointKey, {"state": "active"}, {}),
    "checkpoint_key_state_is_known": (CheckpointKey, {}, {"state": "tired"}),
    "audit_exports_format_is_known": (AuditExport, {}, {"format": "xml"}),
    "audit_exports_result_is_complete": (AuditExport, {}, {"rows": 3}),
    "audit_alarms.evidence": (AuditAlarm, {}, {"event_id": uuid.uuid4()}),
    "audit_alarms.event_id": (AuditAlarm, {}, {"evidence": "of another alarm"}),
    "audit_alarms_resolved_with_reason": (AuditAlarm, {}, {"resolved_at": NOW}),
    "audit_saved_filters_name_once": (SavedFilter, {}, {}),
    "audit_log_targets.name": (LogTarget, {}, {}),
    "audit_log_targets_format_is_known": (LogTarget, {}, {"name": "another", "format": "xml"}),
    "audit_log_targets_style_is_known": (LogTarget, {}, {"name": "another", "style": "loud"}),
    "audit_log_targets_size_is_positive": (LogTarget, {}, {"name": "another", "size": -1}),
    "journal_pages_begin_at_1": (JournalPage, {}, {"pk": 0}),
    "log_position_is_single": (LogPosition, {}, {"pk": False}),
    "users.username": (User, {}, {}),
    "users.email": (User, {"username": "mila"}, {"username": "nina"}),
    "users_username_is_lower_case": (User, {}, {"username": "Root"}),
    "users_email_is_lower_case": (User, {}, {"username": "root", "email": "Root@example.org"}),
    "passkeys.credential_id_sha256": (Passkey, {}, {}),
    "oidc_identities_subject_once": (OidcIdentity, {}, {}),
    "browser_sessions.id": (BrowserSession, {}, {}),
    "setup_link_is_single": (SetupLink, {}, {"id": 2}),
    "refresh_tokens.token_hash": (RefreshToken, {}, {}),
    "one_next_and_one_active_signing_key": (SigningKey, {"state": "active"}, {}),
    "signing_key_state_is_known": (SigningKey, {}, {"state": "tired"}),
    "totp_devices.user_id": (TotpDevice, {}, {}),
    "recovery_code_once_per_device": (RecoveryCode, {}, {}),
    "encryption_keys.name": (Key, {"is_default": False}, {}),
    "encryption_keys_one_default": (Key, {"is_default": True}, {"name": "another"}),
    "encryption_keys_state_is_known": (Key, {"is_default": False}, {"name": "another", "state": "asleep"}),
    "encryption_keys_origin_is_known": (Key, {"is_default": False}, {"name": "another", "origin": "found"}),
    "encryption_keys_has_primary_version": (
        Key,
        {"is_default": False},
        {"name": "another", "primary_version": 0},
    ),
    "encryption_keys_expires_after_activation": (
        Key,
        {"is_default": False},
        {"name": "another", "activates_at": NOW, "expires_at": NOW},
    ),
    "encryption_keys_minimum_is_a_version": (
        Key,
        {"is_default": False},
        {"name": "another", "min_decryption_version": 9},
    ),
    "encryption_keys_only_a_suspension_ends": (
        Key,
        {"is_default": False},
        {"name": "another", "resumes_at": NOW},
    ),
    "encryption_keys_deletion_has_a_time": (
        Key,
        {"is_default": False},
        {"name": "another", "state": "deletion_scheduled"},
    ),
    "encryption_policies.name": (EncryptionPolicy, {}, {}),
    "encryption_policies_deletion_days_in_range": (
        EncryptionPolicy,
        {},
        {"name": "another", "minimum_deletion_days": 6},
    ),
    "key_versions_destruction_has_a_time": (
        KeyVersion,
        {"is_primary": False},
        {"version": 9, "state": "scheduled"},
    ),
    "key_versions_number_is_unique": (KeyVersion, {"is_primary": False}, {}),
    "key_versions_one_primary": (KeyVersion, {"is_primary": True}, {"version": 9}),
    "key_versions_state_is_known": (KeyVersion, {"is_primary": False}, {"version": 9, "state": "asleep"}),
    "key_versions_number_from_one": (KeyVersion, {"is_primary": False}, {"version": 0}),
    "key_grants_key_or_tag": (KeyGrant, {}, {"tag": "prod"}),
    "service_accounts.name": (ServiceAccount, {}, {}),
    "client_secrets.secret_hash": (ClientSecret, {}, {}),
    "service_tokens.token_hash": (ServiceToken, {}, {}),
    "service_tokens_has_one_owner": (ServiceToken, {}, {"token_hash": "1" * 64, "service_account_id": None}),
    "notifications.dedup_key": (Notification, {}, {}),
    "deliveries_status_is_known": (
        Delivery,
        {"email": ""},
        {"status": "asleep", "email": "a", "webhook_id": None, "next_attempt_at": None, "finished_at": NOW},
    ),
    "deliveries_has_one_target": (Delivery, {"email": ""}, {"email": "ops@example.org"}),
    "deliveries_attempt_while_pending": (
        Delivery,
        {"email": ""},
        {"email": "other@example.org", "webhook_id": None, "next_attempt_at": None},
    ),
    "deliveries_once_per_webhook": (Delivery, {"email": ""}, {}),
    "deliveries_once_per_address": (Delivery, {"webhook": None}, {}),
    "key_rotations_status_is_known": (KeyRotation, {}, {"status": "perhaps"}),
    "key_rotations_failure_has_a_code": (KeyRotation, {"status": "completed"}, {"status": "failed"}),
    "key_rotations_pending_has_a_job": (KeyRotation, {"status": "completed"}, {"status": "pending"}),
    "key_rotations_one_pending": (KeyRotation, {"status": "pending"}, {}),
    "key_rotation_jobs_selection_is_known": (KeyRotationJob, {}, {"selection": "some"}),
    "key_rotation_jobs_selection_has_its_value": (KeyRotationJob, {}, {"algorithm": "aes-256"}),
}
# A row that violates one must violate the other. PostgreSQL names the first in alphabetical order.
NAMED_FIRST = {("postgresql", "key_rotations_status_is_known"): "key_rotations_failure_has_a_code"}
LOG_TABLES = {
    "audit_logs": AuditLog,
    "audit_trail": AuditTrail,
    "audit_leaves": AuditLeaf,
    "audit_checkpoints": AuditCheckpoint,
}
MAY_SHRINK = {"audit_checkpoints"}
# The triggers of each table of the log, and the statements that they refuse.
TRIGGERS = {
    "postgresql": {"{}_append_only": ["UPDATE {0} SET {1} = {1}", "DELETE FROM {0}", "TRUNCATE {0}"]},
    "sqlite": {
        "{}_no_UPDATE": ["UPDATE {0} SET {1} = {1}"],
        "{}_no_DELETE": ["DELETE FROM {0}"],
        "{}_no_INSERT": ["INSERT OR REPLACE INTO {0} SELECT * FROM {0}"],
    },
}
# They have their own tests.
OWN_TESTS = {"postgresql": {"audit_logs_removal"}, "sqlite": {"audit_logs_ids"}}
# On SQLite the trigger against REPLACE detects a duplicate row before the index does.
SEEN_BY_A_TRIGGER = {("sqlite", "audit_logs_writer_is_sequenced"), ("sqlite", "audit_leaves.log_id")}


def our_models():
    return [model for model in apps.get_models() if model._meta.app_label in PACKAGES]


def promises():
    """``{name: its columns}`` of every constraint; a unique column without a name is ``table.column``."""
    named = {
        constraint.name: columns_of(model, getattr(constraint, "fields", ()))
        for model in our_models()
        for constraint in model._meta.constraints
    }
    return named | {
        column: [column]
        for model in our_models()
        for field in model._meta.local_fields
        if field.unique and not field.primary_key
        for column in columns_of(model, [field.name])
    }


def columns_of(model, fields):
    return [f"{model._meta.db_table}.{model._meta.get_field(name).column}" for name in fields]


@pytest.fixture
def rows(admin):
    """Create at least one row of each kind that an attempt copies."""
    everybody = {"principal": admin.principal}
    creation.create_user(
        **everybody,
        username="mila",
        password="a long enough phrase",
        role="auditor",
        email="mila@example.org",
    )
    key = KeyFactory(**everybody, name="orders")
    rotating.rotate_key(**everybody, key_id=key.id, reason="a second version")
    wanted = RotationRequest(Selection.KEYS, chosen=[(key.id, 2)])
    request_rotation(**everybody, request=wanted, reason="a third version")
    begin_reencryption(**everybody, key_id=key.id)
    TransitKey(key=key, mount="transit", name="orders").save_with_mac()
    TransitMount(path="payments").save_with_mac()
    FileJob(kind="file", key_id=key.id, operation="encrypt", upload_size=1).save_with_mac()
    account = ServiceAccountFactory(**everybody, name="billing")
    GrantFactory(key=key, to=account)
    TokenFactory(account_id=account.id)
    creation_services.default_key(admin.principal, "aes-256")
    PolicyFactory(**everybody, name="strict")
    BrowserSession.objects.create(session_key="k" * 32, expire_date=NOW, began_at=NOW, last_seen_at=NOW)
    make_passkey(admin.user)
    OidcIdentity(user=admin.user, issuer="https://id.example.org", subject="1").save_with_mac()
    totp.confirm_totp(**everybody, **code_to_confirm(None, admin))
    SetupLink(code_hash="0" * 64, expires_at=NOW).save_with_mac()
    CompletedRequest(key_hash="0" * 64, expires_at=NOW).save_with_mac()
    jobs_delivery.submit(AuditExport(format="jsonl"))
    jobs_delivery.submit(AuditVerification())
    jobs_delivery.submit(KekRewrap())
    SavedFilter.objects.create(name="refusals", owner=uuid.uuid4(), filters={"outcome": "denied"})
    LogTarget(name="siem", url="https://siem.example.org/", created_at=NOW).save_with_mac()
    WitnessKey(public_key=bytes(32), wrapped=b"x", created_at=NOW).save_with_mac()
    raise_alarms([Alarm(kind=AlarmKind.ENTRY_ALTERED, expected="a leaf", found="another")])
    anchor_due()
    delivery = make_delivery()
    Delivery.objects.create(
        notification=delivery.notification, email="ops@example.org", created_at=NOW, next_attempt_at=NOW
    )
    used = Event(action=MESSAGE_ENCRYPTED, object_type="key", object_id=str(key.id))
    record(used, Actor.system("test", "command"))
    assert sequence_step()
    AuditLeaf.objects.create(idx=0, log_id=1, leaf_hash=b"x" * 32)  # as in a log with a first era
    checkpoint = sign_checkpoint()
    AuditReceipt.objects.create(size=checkpoint.size, anchor="file", anchored_at=NOW)
    AuditPass.objects.create(started_at=NOW, size=1, trail_size=0)


def copy_of(model, which, changes):
    row = model._default_manager.filter(**which).first()
    row.pk = None if isinstance(row._meta.pk, models.BigAutoField) else new_key_of(row)
    for column, value in changes.items():
        setattr(row, column, value)
    return row


def insert(row):
    if row._meta.parents:  # rows of two tables
        row.id = row.pk
        row.save(force_insert=True)
    else:
        type(row)._base_manager.bulk_create([row])


def new_key_of(row):
    return uuid.uuid4() if isinstance(row.pk, uuid.UUID) else uuid.uuid4().hex[:16]


def says(response, name):
    """PostgreSQL names the constraint. SQLite names a CHECK, but for a unique index it names the columns."""
    message = str(response)
    if (connection.vendor, name) in SEEN_BY_A_TRIGGER:
        return "append-only: REPLACE is refused" in message
    columns = ", ".join(promises()[name])  # none of a CHECK
    name = NAMED_FIRST.get((connection.vendor, name), name)
    return name.replace(".", "_") in message or bool(columns and columns in message.replace("'", ""))


def test_every_constraint_has_its_provocation():
    assert set(promises()) == set(PROVOCATIONS)


def test_the_database_keeps_its_promises(rows):
    responses = {name: response_to(*provocation) for name, provocation in PROVOCATIONS.items()}
    wrong = [(name, str(response)[:150]) for name, response in responses.items() if not says(response, name)]
    assert [name for name, _ in wrong] == [], wrong


def response_to(model, which, changes):
    """The database's response to the copy of a row: an error, or "accepted"."""
    try:
        with transaction.atomic():
            insert(copy_of(model, which, changes))
            transaction.set_rollback(True)
    except IntegrityError as error:
        return error
    return "accepted"


def test_every_trigger_has_its_provocation(db):
    query = {
        "postgresql": "SELECT tgname FROM pg_trigger WHERE NOT tgisinternal",
        "sqlite": "SELECT name FROM sqlite_master WHERE type = 'trigger'",
    }[connection.vendor]
    with connection.cursor() as cursor:
        cursor.execute(query)
        found = {row[0] for row in cursor.fetchall()}
    assert found == OWN_TESTS[connection.vendor] | {
        trigger for table in LOG_TABLES for trigger, _ in refused(table)
    }


def refused(table):
    """Each trigger of the table with a statement that it refuses."""
    key = LOG_TABLES[table]._meta.pk.column
    return [
        (trigger.format(table), statement.format(table, key))
        for trigger, statements in TRIGGERS[connection.vendor].items()
        for statement in statements
        if table not in MAY_SHRINK or not statement.startswith("DELETE")
    ]


@pytest.mark.parametrize("table", LOG_TABLES)
def test_no_statement_changes_the_log(table, rows):
    before = [model.objects.count() for model in LOG_TABLES.values()]
    assert all(before)
    for _, statement in refused(table):
        with pytest.raises(IntegrityError, match="append-only"), transaction.atomic():
            connection.cursor().execute(statement)
    assert [model.objects.count() for model in LOG_TABLES.values()] == before


@pytest.mark.skipif(connection.vendor != "sqlite", reason="PostgreSQL keeps foreign keys always")
def test_sqlite_keeps_foreign_keys_and_what_it_acknowledged(db):
    pragmas = {"foreign_keys": 1, "synchronous": 2, "journal_mode": "wal"}
    with connection.cursor() as cursor:
        found = {name: cursor.execute(f"PRAGMA {name}").fetchone()[0] for name in pragmas}
    assert found == pragmas
