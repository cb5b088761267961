from datetime import UTC, datetime
from hashlib import sha256
from uuid import UUID, uuid4

import pytest

from kernel import runtime
from kernel.crypto.algorithms import find_key_algorithm
from kernel.crypto.errors import UnwrapFailed
from kernel.crypto.modes import SEALING_MODES
from kernel.trust.row_mac import IntegrityFailed
from keys import new_material
from keys.editing import services as editing
from keys.models import EncryptionPolicy, ImportParameters, Key, KeyGrant, KeyVersion
from keys.reading import services as reading
from keys.ring import keyring, primitives
from keys.rotation.services import rotating
from keys.states import services as states

pytestmark = pytest.mark.django_db

GCM = SEALING_MODES["aes-256-gcm"]
PAST = datetime(2020, 1, 1, tzinfo=UTC)

KEY_ALTERATIONS = {
    "name": "renamed",
    "algorithm": "chacha20",
    "purpose": "sign",
    "modes": ["aes-256-gcm-siv"],
    "state": "suspended",
    "activates_at": PAST,
    "expires_at": PAST,
    "primary_version": 2,
    "created_by_id": None,
    "is_default": True,
    "row_seq": 7,
    "row_mac": "",
}
VERSION_ALTERATIONS = {
    "version": 2,
    "state": "disabled",
    "kek_id": "other",
    "wrapped": b"other",
    "row_seq": 7,
    "row_mac": "1.0.AAAA",
}


AN_ID, A_TIME = UUID(int=1), datetime(2026, 1, 2, 3, 4, 5, 6, tzinfo=UTC)
FIRST_KEY = {
    "id": AN_ID,
    "name": "orders",
    "algorithm": "aes-256",
    "purpose": "encrypt",
    "modes": ["aes-256-gcm"],
    "state": "active",
    "expires_at": A_TIME,
    "created_by_id": UUID(int=2),
    "created_at": PAST,
    "row_seq": 3,
}
LATER_KEY = {
    "tags": ["pci"],
    "service_account_id": UUID(int=3),
    "policy_id": UUID(int=4),
    "min_decryption_version": 2,
    "primary_version": 5,
    "successor_id": UUID(int=5),
    "deletion_at": PAST,
    "state_before_deletion": "suspended",
    "deletion_protection": True,
    "exportable": True,
    "origin": "imported",
}
FIRST_VERSION = {"key_id": AN_ID, "version": 2, "kek_id": "k", "wrapped": b"w", "created_at": PAST}
GRANT = {
    "id": AN_ID,
    "key_id": UUID(int=2),
    "tag": "pci",
    "principal_type": "role",
    "principal_id": "developer",
    "operations": ["crypto.encrypt"],
    "networks": ["192.0.2.0/24"],
    "expires_at": A_TIME,
}
POLICY = {
    "id": AN_ID,
    "name": "pci",
    "algorithm": "aes-256",
    "key_size": 256,
    "allowed_modes": ["aes-256-gcm"],
    "key_lifetime_days": 30,
    "rotation_policy": {"grace_days": 1, "every_days": 2},
    "minimum_deletion_days": 7,
    "exportable": True,
    "is_active": False,
}
PARAMETERS = {
    "id": AN_ID,
    "created_by_id": UUID(int=2),
    "service_account_id": UUID(int=3),
    "created_at": PAST,
    "expires_at": A_TIME,
    "kek_id": "k",
    "wrapped": b"w",
}
STORED = [
    (Key(**FIRST_KEY), 1, "667145d1085491c9"),
    (Key(**FIRST_KEY, tags=["pci"], service_account_id=UUID(int=3)), 2, "8d450102a0b6f17b"),
    (Key(**FIRST_KEY, **LATER_KEY | {"origin": "generated"}), 3, "67ad64030d951805"),
    (Key(**FIRST_KEY, **LATER_KEY), 4, "ab19fa1485d46b06"),
    (Key(**FIRST_KEY | {"state": "suspended"}, **LATER_KEY, resumes_at=A_TIME), 5, "7a3d1ba87983cf99"),
    (KeyVersion(**FIRST_VERSION), 1, "8ad8db395de33c05"),
    (KeyVersion(**FIRST_VERSION, destruction_at=A_TIME), 2, "e266857811f1ee59"),
    (KeyVersion(**FIRST_VERSION, destruction_at=A_TIME, public_key=b"p"), 3, "3616bc242ee7cd1f"),
    (KeyGrant(**GRANT), 1, "9e171dd9fba3ae74"),
    (EncryptionPolicy(**POLICY), 1, "76dcce919bc32199"),
    (ImportParameters(**PARAMETERS), 1, "792d78170ec1feea"),
]


@pytest.mark.parametrize(("row", "version", "digest"), STORED)
def test_stored_rows_stay_valid(row, version, digest):
    """The list of fields under a MAC never changes: a new list has a new version, and the older ones remain."""
    assert sha256(row._mac_message(version)).hexdigest()[:16] == digest


def test_stored_material_opens_as_it_was_wrapped():
    binding = KeyVersion(key=Key(**FIRST_KEY), version=2).binding
    assert binding == ("cc/kv/v1", [AN_ID.bytes, b"\0\0\0\2", b"aes-256", b"encrypt"])
    assert ImportParameters(id=AN_ID).binding == ("cc/sys/v1", [b"key-import", AN_ID.bytes])


def load(admin, key):
    runtime.fresh()
    return keyring.find(key.id, admin.principal)


@pytest.mark.parametrize("column", list(KEY_ALTERATIONS))
def test_a_key_with_any_altered_column_is_not_used_or_changed(admin, key, column):
    Key.objects.filter(pk=key.pk).update(**{column: KEY_ALTERATIONS[column]})
    with pytest.raises(IntegrityFailed):
        load(admin, key)
    with pytest.raises(IntegrityFailed):
        reading.get_key(principal=admin.principal, key_id=key.id)
    with pytest.raises(IntegrityFailed):
        states.disable_key(principal=admin.principal, key_id=key.id, reason="test")


@pytest.mark.parametrize("column", list(VERSION_ALTERATIONS))
def test_a_version_with_any_altered_column_is_not_used(admin, key, column):
    KeyVersion.objects.filter(key=key).update(**{column: VERSION_ALTERATIONS[column]})
    with pytest.raises(IntegrityFailed):
        load(admin, key)


def test_a_disabled_version_that_was_altered_is_not_enabled(admin, key):
    rotating.rotate_key(principal=admin.principal, key_id=key.id, reason="test")
    states.disable_version(principal=admin.principal, key_id=key.id, version=1, reason="test")
    KeyVersion.objects.filter(key=key, version=1).update(wrapped=b"other")
    with pytest.raises(IntegrityFailed):
        states.enable_version(principal=admin.principal, key_id=key.id, version=1, reason="test")


def test_a_rotation_period_does_not_count_from_an_altered_version(admin, key):
    KeyVersion.objects.filter(key=key).update(created_at=PAST)
    with pytest.raises(IntegrityFailed):
        editing.update_key(principal=admin.principal, key_id=key.id, changes={"rotation_period_days": 30})


def test_a_version_that_was_deleted_is_missed(admin, key):
    rotating.rotate_key(principal=admin.principal, key_id=key.id, reason="test")
    KeyVersion.objects.filter(key=key, version=1).delete()
    with pytest.raises(IntegrityFailed):
        load(admin, key)


def test_a_version_moved_to_another_key_is_noticed(admin, new_key):
    mine, theirs = new_key(), new_key()
    KeyVersion.objects.filter(key=mine).delete()
    KeyVersion.objects.filter(key=theirs).update(key=mine)
    with pytest.raises(IntegrityFailed):
        load(admin, mine)


def test_a_version_moved_to_another_key_does_not_open_even_with_a_mac(admin, new_key):
    # An attacker who can write to the database and compute the MAC, but cannot unwrap.
    mine, theirs = new_key(), new_key()
    KeyVersion.objects.filter(key=mine).delete()
    moved = theirs.versions.get()
    moved.key = mine
    moved.save_with_mac()
    with pytest.raises(UnwrapFailed):
        load(admin, mine).versions[1].primitive(primitives.cipher, GCM)


@pytest.mark.parametrize("column", ["algorithm", "purpose"])
def test_material_does_not_open_for_another_algorithm_or_purpose(admin, key, column):
    setattr(key, column, {"algorithm": "chacha20", "purpose": "sign"}[column])
    key.save_with_mac()
    with pytest.raises(UnwrapFailed):
        load(admin, key).versions[1].primitive(primitives.cipher, GCM)


def test_material_for_another_algorithm_becomes_no_version(admin, key):
    material = new_material.generate(find_key_algorithm("chacha20"), admin.principal.identity)
    with pytest.raises(IntegrityFailed):
        rotating.rotate_key(principal=admin.principal, key_id=key.id, reason="test", material=material)
    assert key.versions.count() == 1


def test_a_wrapped_key_copied_to_another_version_does_not_open(admin, key):
    rotating.rotate_key(principal=admin.principal, key_id=key.id, reason="test")
    first, second = key.versions.order_by("version")
    second.wrapped = first.wrapped
    second.save_with_mac()
    with pytest.raises(UnwrapFailed):
        load(admin, key).versions[2].primitive(primitives.cipher, GCM)


def test_an_altered_key_is_still_listed(admin, key):
    Key.objects.filter(pk=key.pk).update(name="altered-name")
    assert [row.name for row in reading.list_keys(principal=admin.principal, only={})] == ["altered-name"]


def test_a_row_put_in_by_hand_is_not_used(admin, key):
    forged = Key.objects.get(pk=key.pk)
    forged.pk, forged.name = uuid4(), "forged"
    forged._state.adding = True
    forged.save()
    version = key.versions.get()
    version.pk, version.key = uuid4(), forged
    version._state.adding = True
    version.save()
    with pytest.raises(IntegrityFailed):
        load(admin, forged)
