"""Export of exportable keys, and its round trips to an import."""

import base64
from dataclasses import replace
from datetime import timedelta
from hashlib import sha256

import pytest
import time_machine
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.keywrap import aes_key_unwrap_with_padding
from cryptography.hazmat.primitives.serialization import Encoding

from audit.models import AuditLog
from kernel.clock import database_now
from kernel.crypto.asymmetric import hybrid
from kernel.errors import RecentAuthRequired
from kernel.idempotency.models import CompletedRequest
from kernel.trust.row_mac import IntegrityFailed
from keys.editing import services as editing
from keys.errors import KeyNotUsable, NotExportable, PolicyViolated
from keys.models import Key
from keys.policies.services import changing
from keys.ring.key_loading import load_key
from keys.rotation.services import rotating
from keys.states import services as states
from keys.transport.services import exporting, import_parameters
from tests.foreign_keys import new_key as foreign_key
from tests.foreign_keys import public_bytes
from tests.keys.steps import schedule_deletion
from tests.keys.test_import import ELSEWHERE, imported, material_of, parameters_of, public_key_of
from tests.log_entries import log_rows
from tests.personas import b64, with_token

pytestmark = pytest.mark.django_db

REASON = {"reason": "moves to the new data centre"}


def export(person, key, *, headers=None, **fields):
    return person.api.post(f"/api/v1/keys/{key.id}/export", REASON | fields, **headers or {})


def exported(principal, key, **fields):
    given = {"reason": "test", "is_private_connection": True} | fields
    return exporting.export_key(principal=principal, key_id=key.id, **given)


@pytest.fixture
def exportable(new_key):
    return new_key(exportable=True)


def stored_material(key, number=1):
    return load_key(key.id).versions[number]._unwrap().expose()


def test_a_symmetric_key_is_exported_as_raw_bytes_once_recorded(admin, exportable):
    response = export(admin, exportable)
    assert response.json == {
        "key_id": str(exportable.id),
        "name": exportable.name,
        "algorithm": "aes-256",
        "purpose": "encrypt",
        "versions": [{"version": 1, "material": b64(stored_material(exportable))}],
    }
    assert response.headers["Cache-Control"] == "no-store"
    event = log_rows().get(action="keys.key.exported")
    assert (event.object_id, event.outcome) == (str(exportable.id), "ok")
    assert '"versions":[1]' in event.meta
    assert "wrapping_key" not in event.meta


@pytest.mark.parametrize("algorithm", ["ed25519", "ec-p384", "ml-dsa-65", "ml-kem-768"])
def test_an_exported_pair_can_be_imported_again(admin, new_key, algorithm):
    key = new_key(algorithm=algorithm, exportable=True)
    material = export(admin, key).json["versions"][0]["material"]
    assert base64.b64decode(material) == stored_material(key)
    again = imported(admin, algorithm, "pkcs8", material)
    original = {"id": str(key.id)}
    assert public_key_of(admin, again)["fingerprint"] == public_key_of(admin, original)["fingerprint"]


def test_a_hybrid_key_is_exported_as_raw_bytes(admin, new_key):
    key = new_key(algorithm=hybrid.ALGORITHM, exportable=True)
    material = export(admin, key).json["versions"][0]["material"]
    assert material_of(imported(admin, hybrid.ALGORITHM, "raw", material)) == stored_material(key)


@pytest.mark.parametrize("form", ["wrapped", "hpke"])
@pytest.mark.parametrize("algorithm", ["hmac-sha512", "ed448", hybrid.ALGORITHM])
def test_a_wrapped_export_is_an_import_of_another_installation(admin, new_key, form, algorithm):
    """``admin`` imports what was wrapped for their parameters, under the same name once the first key is gone."""
    parameters_of(admin)
    parameters = import_parameters.get_import_parameters(principal=admin.principal)
    recipient = parameters.hpke if form == "hpke" else parameters.rsa
    key = new_key(algorithm=algorithm, exportable=True, name="moves")
    material = stored_material(key)
    response = export(admin, key, wrapping_key=b64(recipient), headers=ELSEWHERE).json
    assert list(response["versions"][0]) == ["version", "wrapped"]
    Key.objects.filter(pk=key.pk).update(name="moved-away")
    made = imported(
        admin,
        algorithm,
        form,
        response["versions"][0]["wrapped"],
        name="moves",
        import_parameters_id=str(parameters.id),
    )
    assert material_of(made) == material
    event = log_rows().get(action="keys.key.exported")
    assert f'"wrapping_key_sha256":"{sha256(recipient).hexdigest()}"' in event.meta


def test_another_system_unwraps_with_its_rsa_key(admin, exportable):
    recipient = foreign_key("rsa-3072")
    pem = public_bytes(recipient, Encoding.PEM).decode()
    response = export(admin, exportable, wrapping_key=pem).json
    wrapped = base64.b64decode(response["versions"][0]["wrapped"])
    key = recipient.decrypt(wrapped[:384], padding.OAEP(padding.MGF1(SHA256()), SHA256(), None))
    assert aes_key_unwrap_with_padding(key, wrapped[384:]) == stored_material(exportable)


@pytest.mark.parametrize("recipient", ["rsa-2048", "ed25519"])
def test_a_weak_or_foreign_wrapping_key_is_refused(admin, exportable, recipient):
    response = export(admin, exportable, wrapping_key=b64(public_bytes(foreign_key(recipient))))
    assert (response.status, list(response.json["errors"])) == (400, ["wrapping_key"])


def test_the_enabled_versions_are_exported_or_the_named_ones(admin, exportable):
    for _ in range(2):
        rotating.rotate_key(principal=admin.principal, key_id=exportable.id, reason="test")
    states.disable_version(principal=admin.principal, key_id=exportable.id, version=2, reason="test")

    def versions(**fields):
        return [
            (each.version, each.material) for each in exported(admin.principal, exportable, **fields).versions
        ]

    first, third = (1, stored_material(exportable)), (3, stored_material(exportable, 3))
    assert versions() == [first, third]
    assert versions(versions=[3]) == [third]
    with pytest.raises(KeyNotUsable):
        versions(versions=[1, 2])
    response = export(admin, exportable, versions=[4])
    assert (response.status, list(response.json["errors"])) == (400, ["versions"])


def test_versions_below_the_minimum_or_after_the_grace_period_stay(admin, new_key, new_policy):
    policy = new_policy(rotation_policy={"grace_days": 0}, exportable=True)
    lapsed, limited = new_key(exportable=True, policy_id=policy.id), new_key(name="limited", exportable=True)
    for key in (lapsed, limited):
        rotating.rotate_key(principal=admin.principal, key_id=key.id, reason="test")
    change = {"min_decryption_version": 2}
    editing.update_key(principal=admin.principal, key_id=limited.id, changes=change)
    for key in (lapsed, limited):
        assert [each.version for each in exported(admin.principal, key).versions] == [2]
        with pytest.raises(KeyNotUsable, match="Version 1"):
            exported(admin.principal, key, versions=[1])
    replaced_at = lapsed.versions.get(version=2).created_at
    with time_machine.travel(replaced_at, tick=False):
        assert [each.version for each in exported(admin.principal, lapsed).versions] == [2]


def test_a_version_that_was_enabled_in_the_database_is_not_exported(admin, exportable):
    rotating.rotate_key(principal=admin.principal, key_id=exportable.id, reason="test")
    states.disable_version(principal=admin.principal, key_id=exportable.id, version=1, reason="leak")
    exportable.versions.update(state="enabled")
    with pytest.raises(IntegrityFailed):
        exported(admin.principal, exportable)


def test_only_exportable_keys_are_exported(admin, key):
    with pytest.raises(NotExportable):
        exported(admin.principal, key)
    response = export(admin, key)
    assert (response.status, response.code) == (409, "key_not_exportable")


def test_the_policy_must_allow_export_now(admin, new_key, new_policy):
    policy = new_policy(exportable=True)
    key = new_key(policy_id=policy.id, exportable=True)
    assert exported(admin.principal, key).versions
    changing.update_policy(principal=admin.principal, policy_id=policy.id, changes={"exportable": False})
    with pytest.raises(PolicyViolated):
        exported(admin.principal, key)


def test_a_public_key_alone_has_nothing_to_export(admin):
    made = imported(admin, "ed25519", "public", b64(public_bytes(foreign_key("ed25519"))))
    row = Key.objects.get(pk=made["id"])
    row.exportable = True
    row.save_with_mac()
    assert export(admin, row).code == "private_key_missing"


def test_only_states_in_which_a_key_is_used_allow_export(admin, new_key):
    deactivated = new_key(exportable=True)
    states.revoke_key(principal=admin.principal, key_id=deactivated.id, reason="test")
    pending = new_key(exportable=True, activates_at=database_now() + timedelta(days=1))
    for key in (deactivated, pending):
        assert exported(admin.principal, key).versions
    suspended, compromised, scheduled = (new_key(exportable=True) for _ in range(3))
    states.disable_key(principal=admin.principal, key_id=suspended.id, reason="test")
    states.revoke_key(principal=admin.principal, key_id=compromised.id, reason="test", compromised=True)
    schedule_deletion(admin, scheduled)
    for key in (suspended, compromised, scheduled):
        with pytest.raises(KeyNotUsable):
            exported(admin.principal, key)


def test_an_export_needs_the_permission_and_a_recent_sign_in(admin, developer, exportable):
    assert export(developer, exportable).status == 403
    old = replace(admin.principal, auth_time=database_now() - timedelta(hours=1))
    with pytest.raises(RecentAuthRequired):
        exported(old, exportable)
    response = export(with_token(admin, ["keys.export", "keys.read"]), exportable)
    assert (response.status, response.code) == (403, "recent_auth_required")


def test_plain_material_leaves_over_private_connections_only(admin, exportable):
    response = export(admin, exportable, headers=ELSEWHERE)
    assert (response.status, response.json["rule"]) == (403, "private_connection")


def test_nothing_of_an_export_is_stored(admin, exportable):
    material = export(admin, exportable, headers={"Idempotency_Key": "once"}).json["versions"][0]["material"]
    assert not CompletedRequest.objects.exists()
    log_rows()
    for row in AuditLog.objects.values():
        assert material[:16] not in str(row)
    version = exported(admin.principal, exportable).versions[0]
    assert material[:8] not in repr(version)
    assert b"material" not in repr(version).encode()
