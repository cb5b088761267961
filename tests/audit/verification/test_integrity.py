"""A row with any altered column is shown, and marked as altered."""

import pytest
from django.db import connection, transaction

from audit.log.events import Event, RowChange
from audit.models import AuditLog, AuditTrail, Integrity
from audit.sequencing.bundles.step import sequence_step
from audit.verification import integrity
from tests.log_entries import record
from tests.tampering import forging
from tests.tampering.alterations import LOG_COLUMNS, alterations, rolled_back
from tests.tampering.altering import execute, without_triggers
from tests.tampering.writing import Log

pytestmark = [pytest.mark.sqlite, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def entry(root_of_trust):
    return write()


def write() -> AuditLog:
    actor = Log(seed=1).user(1)
    event = Event(
        action="keys.key.updated", object_type="key", object_id="k", object_version=1, size=5, code="x"
    )
    change = RowChange.updated("encryption_keys", "k", {"name": "a"}, {"name": "b"})
    with transaction.atomic():
        return record(event, actor, changes=[change])


def found(log_id: int) -> integrity.FoundEntry:
    [row] = integrity.find_entries(AuditLog.objects.filter(id=log_id))
    return row


def found_change(row_id: int) -> integrity.FoundChange:
    [row] = integrity.find_changes(AuditTrail.objects.filter(id=row_id))
    return row


def test_an_intact_changed_row_is_pending_until_its_entry_has_its_leaf(entry):
    change = AuditTrail.objects.get()
    assert found_change(change.id).integrity == Integrity.PENDING
    sequence_step()
    assert found(entry.id).integrity == found_change(change.id).integrity == Integrity.VERIFIED


def test_a_row_that_is_shown_has_the_values_of_the_model(entry):
    sequence_step()
    change = AuditTrail.objects.get()
    for shown, stored in (
        (found(entry.id).as_row(), AuditLog.objects.get(id=entry.id)),
        (found_change(change.id).as_row(), change),
    ):
        for field in stored._meta.concrete_fields:
            assert getattr(shown, field.attname) == getattr(stored, field.attname), field


def test_an_entry_with_any_altered_column_is_altered_and_so_are_its_changed_rows(entry):
    sequence_step()
    change = AuditTrail.objects.get()
    for alteration in alterations(AuditLog):
        with rolled_back(), alteration.made(entry.id) as log_id:
            row = found(log_id)
            assert row.integrity == found_change(change.id).integrity == Integrity.ALTERED, alteration
            row.as_row()
    assert found(entry.id).integrity == Integrity.VERIFIED


def test_a_changed_row_with_any_altered_column_is_altered(entry):
    sequence_step()
    change = AuditTrail.objects.get()
    for alteration in alterations(AuditTrail):
        with rolled_back(), alteration.made(change.id) as row_id:
            row = found_change(row_id)
            assert row.integrity == Integrity.ALTERED, alteration
            row.as_row()
    assert found_change(change.id).integrity == Integrity.VERIFIED


def test_an_entry_whose_leaf_was_altered_with_it_is_altered(entry):
    """With the database, an attacker can forge a matching leaf, but not the MAC, whose key is elsewhere."""
    sequence_step()
    with without_triggers():
        execute("UPDATE audit_logs SET actor_name = 'somebody else' WHERE id = %s", [entry.id])
        forging.rebuild(forging.entries())
    assert found(entry.id).inspection.leaf == found(entry.id).leaf
    assert found(entry.id).integrity == Integrity.ALTERED


def test_an_entry_without_a_leaf_is_altered(entry):
    assert found(entry.id).integrity == Integrity.VERIFIED
    with without_triggers():
        execute("UPDATE audit_logs SET id = id + 1000")
    assert found(entry.id + 1000).integrity == Integrity.ALTERED


def test_a_changed_row_with_a_forged_bundle_is_altered(entry):
    change = AuditTrail.objects.get()
    with without_triggers():
        execute("UPDATE audit_bundles SET mac = ''")
    assert found_change(change.id).integrity == Integrity.ALTERED


def test_an_altered_leaf_shows_at_its_entry(entry):
    sequence_step()
    values = [b"\0" * 32, b"", "text"] if connection.vendor == "sqlite" else [b"\0" * 32, b""]
    for value in values:
        with without_triggers():
            execute("UPDATE audit_tiles SET hashes = %s", [value])
        assert found(entry.id).integrity == Integrity.ALTERED


def test_every_alteration_is_evidence_of_its_own(entry):
    sequence_step()
    seen = {found(entry.id).row.evidence}
    for column in LOG_COLUMNS:
        with rolled_back(), alterations(AuditLog, column)[0].made(entry.id) as log_id:
            again = {found(log_id).row.evidence, found(log_id).row.evidence}
            assert len(again) == 1
            seen |= again
    assert len(seen) == 1 + len(LOG_COLUMNS)


def test_one_statement_verifies_a_page(entry, django_assert_num_queries):
    for _ in range(3):
        write()
    sequence_step()
    with django_assert_num_queries(1):
        rows = integrity.find_entries(AuditLog.objects.order_by("-id")[:50])
    assert {row.integrity for row in rows} == {Integrity.VERIFIED}
