"""Keys of OpenBao move in: its texts open, its signatures and MACs verify, under the same names and versions."""

import base64
import json

import pytest
from django.core.management import CommandError

from audit.models import AuditLog
from kernel.crypto.algorithms import algorithm_of_key
from keys import actions
from keys.models import Key, KeyVersion, TransitKey
from tests.kernel.crypto.transit.recorded import VECTORS
from tests.keys.steps import run_command

pytestmark = pytest.mark.django_db

BACKUPS = {recorded["name"]: recorded for recorded in VECTORS["backups"]}


@pytest.fixture
def move_in(admin, tmp_path):
    """Run the command with a recorded backup, or with a file that has this content."""

    def run(name, *options, content=None, owner=admin.user.username):
        file = tmp_path / f"{name}.backup"
        document = json.dumps(BACKUPS[name]["backup"]).encode() if content is None else b""
        file.write_bytes(content or base64.b64encode(document) + b"\n")
        return run_command("import_vault_backup", str(file), "--owner", owner, *options)

    return run


def transit_key(name):
    return Key.objects.get(transit__name=name)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("recorded", VECTORS["backups"], ids=lambda recorded: recorded["name"])
def test_the_responses_to_recorded_calls_are_those_of_openbao(recorded, move_in, admin):
    name = recorded["name"]
    move_in(name)
    for operation, body, expected in recorded["calls"]:
        found = admin.api.post(f"/v1/transit/{operation}/{name}", body)
        assert (found.status, found.json["data"]) == (200, expected), (operation, found.json)


def test_versions_times_and_settings_are_those_of_the_backup(move_in, admin):
    [imported, rotated, delete] = move_in("Trimmed_key")
    key = transit_key("Trimmed_key")
    assert imported == f"transit/Trimmed_key imported with 3 versions as {key.name}, ID {key.id}"
    assert rotated == "Rotated to version 5. The imported versions only decrypt."
    assert delete.endswith("all secrets of the key are in it.")
    assert (key.owner.user_id, key.origin, key.exportable) == (admin.user.id, "imported", False)
    assert (key.primary_version, key.min_decryption_version, key.deletion_protection) == (5, 3, True)
    assert key.transit.min_encryption_version == 3
    rows = list(key.versions.order_by("version"))
    states = ["destroyed", "enabled", "enabled", "enabled", "enabled"]
    assert [row.state for row in rows] == states
    assert [bool(row.wrapped) for row in rows] == [state == "enabled" for state in states]
    times = [entry["creation_time"] for entry in BACKUPS["Trimmed_key"]["backup"]["archived_keys"]["keys"]]
    assert [row.created_at.timestamp() for row in rows[1:4]] == times
    assert [row.is_primary for row in rows] == [False, False, False, False, True]


@pytest.mark.django_db(transaction=True)
def test_imported_versions_with_random_nonces_only_decrypt(move_in, admin):
    move_in("Trimmed_key")
    body = {"plaintext": "aGVsbG8=", "key_version": 4}
    assert admin.api.post("/v1/transit/encrypt/Trimmed_key", body).status == 400
    sealed = admin.api.post("/v1/transit/encrypt/Trimmed_key", {"plaintext": "aGVsbG8="}).json["data"]
    assert sealed["key_version"] == 5


@pytest.mark.parametrize("name", ["derived", "convergent", "signer", "curve", "imported", "mac"])
def test_keys_without_a_limit_and_convergent_ones_keep_their_newest_version(name, move_in):
    assert len(move_in(name)) == 2
    assert transit_key(name).primary_version == BACKUPS[name]["backup"]["policy"]["latest_version"]


def test_the_import_and_the_rotation_are_recorded_without_secrets(move_in, events_of):
    move_in("Trimmed_key")
    imported, rotated = events_of(transit_key("Trimmed_key"))
    assert (imported.action, rotated.action) == (actions.KEY_IMPORTED, actions.KEY_ROTATED)
    meta = json.loads(imported.meta)
    assert (meta["format"], meta["transit"]) == ("vault-backup", "transit/Trimmed_key")
    secrets = [entry["key"] for entry in BACKUPS["Trimmed_key"]["backup"]["archived_keys"]["keys"]]
    assert not [row for row in AuditLog.objects.all() if any(secret in str(vars(row)) for secret in secrets)]


def test_a_name_in_use_is_refused_and_another_name_can_be_chosen(move_in):
    move_in("mac")
    with pytest.raises(CommandError, match="exists already"):
        move_in("mac")
    move_in("mac", "--name", "mac-2")
    assert sorted(TransitKey.objects.values_list("name", flat=True)) == ["mac", "mac-2"]


@pytest.mark.parametrize(
    ("options", "content", "words"),
    [
        ((), b"no backup", "backup: It is no plaintext backup"),
        (("--name", "a/b"), None, "A name has"),
        (("--owner", "unknown"), None, "no user"),
    ],
)
def test_a_refusal_leaves_nothing_behind(options, content, words, move_in):
    with pytest.raises(CommandError, match=words):
        move_in("curve", *options, content=content)
    assert not Key.objects.exists()
    assert not KeyVersion.objects.exists()


def test_a_missing_file_is_one_line(admin, tmp_path):
    with pytest.raises(CommandError, match="No such file"):
        run_command("import_vault_backup", str(tmp_path / "absent"), "--owner", admin.user.username)


def test_the_material_is_bound_to_the_transit_algorithm(move_in):
    move_in("convergent")
    key = transit_key("convergent")
    assert key.kind == algorithm_of_key("vault-aes256-gcm96-convergent", "transit")
