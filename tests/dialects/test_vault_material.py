"""The guards and the records of requests that disclose or end material."""

import base64
import json
from datetime import timedelta

import pytest

from audit.models import AuditTrail
from kernel.trust.row_mac import IntegrityFailed
from keys.deletion.services import cancel_deletion
from keys.lifecycle import VersionState
from keys.models import KeyVersion, TransitKey, TransitMount
from keys.models.policies import MAX_DELETION_DAYS
from keys.states.services import disable_key
from tests.dialects.conftest import Vault, native_key, vault_of
from tests.factories import SYSTEM
from tests.log_entries import log_rows
from tests.personas import with_token

EXPORT, BACKUP = "transit/export/encryption-key/orders", "transit/backup/orders"
ELSEWHERE = {"X_Forwarded_For": "203.0.113.9"}
SCOPES = ("vault.manage", "keys.create", "keys.read", "keys.update", "keys.rotate", "crypto.decrypt")


@pytest.fixture
def migrating(admin, transactional_db) -> Vault:
    return vault_of(with_token(admin, SCOPES))


@pytest.fixture
def orders(migrating):
    migrating.data("keys/orders", {"exportable": True, "allow_plaintext_backup": True})
    migrating.data("keys/another")
    return native_key("orders")


def recorded(action):
    """The last entry of an action, and its changed rows as (table, before, after)."""
    entry = log_rows().filter(action=action, outcome="ok").latest("id")
    changes = AuditTrail.objects.filter(event_id=entry.event_id).order_by("id")
    return entry, [(each.table_name, each.old_values, each.new_values) for each in changes]


def test_secrets_pass_over_private_connections_only(migrating, orders):
    backup = migrating.send("GET", BACKUP).json["data"]["backup"]
    for method, path, body in (
        ("GET", EXPORT, None),
        ("GET", BACKUP, None),
        ("POST", "transit/restore/copy", {"backup": backup}),
    ):
        refused = migrating.send(method, path, body, **ELSEWHERE)
        assert (refused.status, "only over https" in str(refused.json)) == (403, True), path
        entry = log_rows().latest("id")
        assert (entry.code, json.loads(entry.meta)["rule"]) == ("permission_denied", "private_connection")


def test_a_public_key_is_no_secret(migrating):
    migrating.data("keys/releases", {"type": "ed25519"})
    for path, status in (("public-key", 200), ("signing-key", 403)):
        assert migrating.send("GET", f"transit/export/{path}/releases", **ELSEWHERE).status == status


def test_altered_rows_are_refused(migrating, orders):
    migrating.data("keys/orders/rotate")
    migrating.data("keys/orders/config", {"min_decryption_version": 2, "min_encryption_version": 2})
    trim = ("POST", "transit/keys/orders/trim", {"min_available_version": 2})
    for rows, altered, requests in (
        (TransitKey.objects.filter(key=orders), {"min_encryption_version": 1}, [("GET", BACKUP), trim]),
        (
            KeyVersion.objects.filter(key=orders, version=1),
            {"kek_id": "x"},
            [("GET", EXPORT), ("GET", BACKUP), trim],
        ),
    ):
        before = rows.values(*altered).get()
        rows.update(**altered)
        for request in requests:
            refused = migrating.send(*request)
            assert (refused.status, "changed outside the application" in str(refused.json)) == (503, True)
        rows.update(**before)
    assert migrating.send(*trim).status == 200


def test_a_key_that_is_out_of_use_is_not_exported(migrating, orders):
    disable_key(principal=SYSTEM, key_id=orders.pk, reason="a doubt")
    for path in (EXPORT, BACKUP):
        assert "The key is disabled. It cannot be exported." in str(migrating.send("GET", path).json)
    assert not log_rows().filter(action="keys.key.exported", outcome="ok").exists()


def test_a_disclosure_is_recorded_with_its_versions(migrating, orders):
    migrating.data("keys/orders/rotate")
    for path, what in ((EXPORT, "transit encryption-key"), (f"{EXPORT}/2", None), (BACKUP, "transit backup")):
        assert migrating.send("GET", path).status == 200
        meta = json.loads(recorded("keys.key.exported")[0].meta)
        assert meta["versions"] == ([1, 2] if what else [2])
        assert meta["format"] == (what or "transit encryption-key")


def test_one_version_is_exported_by_its_number(migrating, orders):
    migrating.data("keys/orders/rotate")
    everything = migrating.send("GET", EXPORT).json["data"]["keys"]
    for version, number in {"1": "1", "2": "2", "latest": "2"}.items():
        found = migrating.send("GET", f"{EXPORT}/{version}").json["data"]["keys"]
        assert found == {number: everything[number]}
    migrating.data("keys/orders/config", {"min_decryption_version": 2})
    assert migrating.send("GET", EXPORT).json["data"]["keys"].keys() == {"2"}
    for version in ("1", "3", "x"):
        assert migrating.send("GET", f"{EXPORT}/{version}").status == 400


def test_a_backup_has_the_settings_of_the_key(migrating, orders):
    migrating.data("keys/orders/rotate")
    settings = {"min_decryption_version": 2, "min_encryption_version": 2, "auto_rotate_period": "48h"}
    migrating.data("keys/orders/config", {**settings, "deletion_allowed": True})
    policy = json.loads(base64.b64decode(migrating.send("GET", BACKUP).json["data"]["backup"]))["policy"]
    assert (policy["min_decryption_version"], policy["min_encryption_version"]) == (2, 2)
    assert policy["auto_rotate_period"] == int(timedelta(days=2).total_seconds()) * 10**9
    assert all(policy[name] for name in ("deletion_allowed", "exportable", "allow_plaintext_backup"))


def test_trimming_ends_each_version_once_and_records_it(migrating, orders):
    for _ in range(3):
        migrating.data("keys/orders/rotate")
    migrating.data("keys/orders/config", {"min_decryption_version": 3, "min_encryption_version": 3})
    migrating.data("keys/orders/trim", {"min_available_version": 2})
    entry, [(table, before, after)] = recorded("keys.version.destruction_scheduled")
    assert (entry.object_id, json.loads(entry.meta)["min_available_version"]) == (str(orders.pk), 2)
    assert (table, before["state"], after["state"]) == ("key_versions", "enabled", "scheduled")
    ended = KeyVersion.objects.get(key=orders, version=1)
    left = ended.destruction_at - entry.timestamp
    assert abs(left - timedelta(days=MAX_DELETION_DAYS)) < timedelta(minutes=1)
    assert ended.is_authentic
    migrating.data("keys/orders/trim", {"min_available_version": 2})  # nothing is left to end
    assert log_rows().filter(action="keys.version.destruction_scheduled").count() == 1
    migrating.data("keys/orders/trim", {"min_available_version": 3})
    assert KeyVersion.objects.get(key=orders, version=1).destruction_at == ended.destruction_at
    states = KeyVersion.objects.filter(key=orders).order_by("version").values_list("state", flat=True)
    assert list(states) == [VersionState.SCHEDULED] * 2 + [VersionState.ENABLED] * 2


def test_the_record_has_the_freed_and_the_reclaimed_name(migrating, orders):
    migrating.data("keys/orders/config", {"deletion_allowed": True})
    assert migrating.send("DELETE", "transit/keys/orders").status == 204
    held, freed = {"mount": "transit"}, {"mount": f"!{orders.pk.hex}/transit"}
    assert recorded("keys.key.updated")[1] == [("transit_keys", held, freed)]
    row = TransitKey.objects.filter(key=orders)
    row.update(name="another")
    with pytest.raises(IntegrityFailed):
        cancel_deletion(principal=SYSTEM, key_id=orders.pk, reason="a mistake")
    row.update(name="orders")
    cancel_deletion(principal=SYSTEM, key_id=orders.pk, reason="a mistake")
    assert ("transit_keys", freed, held) in recorded("keys.key.deletion_cancelled")[1]


def test_the_same_name_in_another_mount_is_another_key(migrating, orders):
    backup = migrating.send("GET", BACKUP).json["data"]["backup"]
    migrating.send("POST", "sys/mounts/eu", {"type": "transit"})
    assert migrating.send("POST", "eu/restore", {"backup": backup}).status == 204
    migrating.send("POST", "eu/keys/orders/config", {"deletion_allowed": True})
    assert migrating.send("DELETE", "eu/keys/orders").status == 204
    assert native_key("orders") == orders
    assert migrating.send("GET", "transit/keys/orders").status == 200


def test_each_change_of_a_mount_changes_that_one_and_is_recorded(migrating):
    for path in ("eu", "us"):
        migrating.send("POST", f"sys/mounts/{path}", {"type": "transit", "description": path})
    assert migrating.send("POST", "sys/mounts/us/tune", {"description": "cards"}).status == 204
    assert migrating.send("POST", "sys/mounts/us/tune", {"description": "\x00"}).status == 400
    assert migrating.send("DELETE", "sys/mounts/us").status == 204
    assert [str(mount) for mount in TransitMount.objects.all()] == ["eu"]
    assert migrating.send("GET", "sys/mounts/eu").json["data"]["description"] == "eu"
    assert migrating.send("GET", "sys/mounts/us").status == 400
    for action, before, after in (
        ("created", None, {"path": "us", "description": "us"}),
        ("changed", {"description": "us"}, {"description": "cards"}),
        ("deleted", {"path": "us", "description": "cards"}, None),
    ):
        entry, [change] = recorded(f"keys.mount.{action}")
        named = (entry.object_type, entry.object_id, json.loads(entry.meta)["name"])
        assert (named, change) == (("transit_mount", "us", "us"), ("transit_mounts", before, after)), action


@pytest.mark.parametrize("path", ["eu/cards", "eu", "transit", "a" * 222, "eu/keys", "auth/eu"])
def test_a_mount_has_a_path_of_its_own(migrating, path):
    assert migrating.send("POST", "sys/mounts/eu/cards", {"type": "transit"}).status == 204
    assert migrating.send("POST", f"sys/mounts/{path}", {"type": "transit"}).status == 400
    assert migrating.send("POST", f"sys/mounts/{'a' * 221}", {"type": "transit"}).status == 204


def test_the_mount_of_every_installation_does_not_end(migrating, orders):
    assert "always exists" in str(migrating.send("DELETE", "sys/mounts/transit").json)
    assert native_key("orders") == orders
