import json
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection

from accounts.errors import NameTaken
from kernel.clock import database_now
from kernel.crypto.errors import UnsupportedAlgorithm
from kernel.errors import Invalid, Overloaded
from kernel.freshness.epoch import read_epoch
from keys import new_material, trail, wrapped_material
from keys.lifecycle import Status
from keys.models import Key
from keys.states import services
from tests.factories import GrantFactory

pytestmark = pytest.mark.django_db

HOUR = timedelta(hours=1)


@pytest.mark.parametrize(
    ("asked", "stored", "bits"),
    [
        ("aes-256", "aes-256", 256),
        ("aes-256-gcm", "aes-256", 256),
        ("aes-128", "aes-128", 128),
        ("chacha20", "chacha20", 256),
        ("aes-256-siv", "aes-256-siv", 256),
    ],
)
def test_a_new_key_is_active_with_one_version_of_its_size(new_key, asked, stored, bits):
    key = new_key(algorithm=asked, key_size=bits)
    (version,) = key.versions.all()
    material = wrapped_material.open_wrapped(
        version.wrapped_key, key_id=key.id, version=1, algorithm=stored, purpose="encrypt"
    )
    assert len(material.expose()) * 8 == bits
    assert (key.algorithm, key.purpose, key.primary_version, version.is_primary) == (
        stored,
        "encrypt",
        1,
        True,
    )
    assert key.lifecycle_state(database_now()).status is Status.ACTIVE
    assert key.key_size == bits


def test_a_new_key_and_its_version_carry_a_mac(key):
    Key.objects.get(pk=key.pk).check_mac()
    key.versions.get().check_mac()


def test_two_keys_never_share_material(new_key):
    opened = {
        wrapped_material.open_wrapped(
            key.versions.get().wrapped_key,
            key_id=key.id,
            version=1,
            algorithm=key.algorithm,
            purpose=key.purpose,
        ).expose()
        for key in [new_key(), new_key()]
    }
    assert len(opened) == 2


def test_creation_is_recorded_with_both_rows_and_no_wrapped_bytes(key, admin, events_of, changes_of):
    (event,) = events_of(key)
    assert (event.action, event.object_type, event.object_version) == ("keys.key.created", "key", 1)
    assert event.user_id == admin.user.id
    assert json.loads(event.meta).items() >= {"name": key.name, "row_seq": 1}.items()
    inserted = {row.table_name: row for row in changes_of(event)}
    assert set(inserted) == {"encryption_keys", "key_versions"}
    assert inserted["encryption_keys"].old_values is None
    assert inserted["encryption_keys"].new_values["name"] == key.name
    assert inserted["encryption_keys"].new_values["row_seq"] == 1
    assert "wrapped" not in inserted["key_versions"].new_values


def test_the_record_names_each_value_as_its_column(key, new_key):
    version, grant = key.versions.get(), GrantFactory(key=key)
    rows = ((key, trail.key_values), (version, trail.version_values), (grant, trail.grant_values))
    for row, values in rows:
        columns = {name: field for field in row._meta.fields for name in (field.name, field.attname)}
        assert values(row) == {name: getattr(row, columns[name].attname) for name in values(row)}
    pair = new_key(algorithm="ed25519").versions.get()
    assert trail.version_values(pair)["public_key_sha256"] == pair.fingerprint


def test_creating_a_key_leaves_cached_decisions_alone(new_key):
    before = read_epoch()
    new_key()
    assert read_epoch() == before


def test_a_name_is_taken_once(new_key):
    new_key(name="orders")
    with pytest.raises(NameTaken) as refusal:
        new_key(name="orders")
    assert refusal.value.code == "name_taken"
    assert Key.objects.filter(name="orders").count() == 1


def test_a_name_is_taken_for_all_users(new_key, developer):
    new_key(name="orders")
    with pytest.raises(NameTaken):
        new_key(name="orders", principal=developer.principal)


def test_a_size_that_disagrees_names_its_field(new_key):
    with pytest.raises(Invalid) as refusal:
        new_key(key_size=512)
    assert set(refusal.value.fields) == {"key_size"}


@pytest.mark.parametrize("algorithm", ["rot13", "", "AES-256", "aes-256-cbc", "des", "aes-192"])
def test_an_unknown_algorithm_is_refused(new_key, algorithm):
    with pytest.raises(UnsupportedAlgorithm):
        new_key(algorithm=algorithm)


def test_an_expiry_in_the_past_is_refused(new_key):
    with pytest.raises(Invalid) as refusal:
        new_key(expires_at=database_now() - timedelta(seconds=1))
    assert set(refusal.value.fields) == {"expires_at"}


def test_an_expiry_before_the_activation_is_refused(new_key):
    with pytest.raises(Invalid) as refusal:
        new_key(activates_at=database_now() + 2 * HOUR, expires_at=database_now() + HOUR)
    assert set(refusal.value.fields) == {"expires_at"}


def test_a_key_that_activates_later_is_pending(new_key):
    key = new_key(activates_at=database_now() + HOUR)
    assert key.lifecycle_state(database_now()).status is Status.PENDING
    assert key.lifecycle_state(database_now() + 2 * HOUR).status is Status.ACTIVE


def test_an_activation_in_the_past_is_no_activation_to_wait_for(new_key):
    key = new_key(activates_at=datetime(2020, 1, 1, tzinfo=UTC))
    assert key.lifecycle_state(database_now()).status is Status.ACTIVE


def test_the_rotation_period_counts_from_creation(new_key):
    key = new_key(rotation_period_days=30)
    assert key.next_rotation_at == key.created_at + timedelta(days=30)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", "No Capitals"),
        ("tags", ["twice", "twice"]),
        ("description", "nul \x00"),
        ("rotation_period_days", 0),
    ],
)
def test_the_service_itself_refuses_what_no_interface_should_let_through(new_key, field, value):
    with pytest.raises(Invalid) as refusal:
        new_key(**{field: value})
    assert set(refusal.value.fields) == {field}
    assert not Key.objects.exists()


def test_is_active_follows_the_stored_state(admin, key):
    assert Key.objects.get(pk=key.pk).is_active is True
    services.disable_key(principal=admin.principal, key_id=key.id, reason="test")
    assert Key.objects.get(pk=key.pk).is_active is False


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("call", ["create", "rotate", "succeed"])
def test_material_is_generated_outside_of_every_transaction(admin, new_key, monkeypatch, call):
    """RSA takes seconds, and on SQLite a transaction stops all writes."""
    generate, seen = new_material.generate, []

    def watched(*arguments):
        seen.append(connection.in_atomic_block)
        return generate(*arguments)

    key = new_key()
    monkeypatch.setattr(new_material, "generate", watched)
    path, body = {
        "create": ("/api/v1/keys", {"name": "of-a-retry", "algorithm": "aes-256"}),
        "rotate": (f"/api/v1/keys/{key.id}/rotate", {"reason": "test"}),
        "succeed": (f"/api/v1/keys/{key.id}/succeed", {"name": "of-a-retry", "reason": "test"}),
    }[call]
    for headers in ({}, {"Idempotency_Key": "once"}):
        response = admin.api.post(path, body, **headers)
        assert response.status == 201 or call != "rotate", response.json
    assert seen
    assert not any(seen)


@pytest.mark.django_db(transaction=True)
def test_a_generation_that_was_refused_is_not_repeated_in_the_transaction(admin, monkeypatch):
    seen = []

    def refused(*_):
        seen.append(connection.in_atomic_block)
        raise Overloaded

    monkeypatch.setattr(new_material, "generate", refused)
    body = {"name": "of-a-retry", "algorithm": "aes-256"}
    assert admin.api.post("/api/v1/keys", body, Idempotency_Key="once").code == "overloaded"
    assert seen == [False]
    monkeypatch.undo()
    assert admin.api.post("/api/v1/keys", body, Idempotency_Key="once").status == 201
