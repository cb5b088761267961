"""Our backups have what ``read_backup`` reads, and our exports refuse what OpenBao refuses."""

import base64
import json
import re
from datetime import UTC, datetime, timedelta

import pytest

from kernel.crypto.errors import Invalid
from kernel.crypto.transit.backup import BackupVersion, TransitBackup, read_backup
from kernel.crypto.transit.exporting import exported, require_form
from kernel.crypto.transit.secrets import generate
from kernel.crypto.transit.writing import write_backup
from kernel.crypto.transit_types import TRANSIT_TYPES
from tests.kernel.crypto.transit.test_backup import BACKUPS, text_of

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


@pytest.mark.parametrize(
    ("name", "is_derived"),
    [
        ("aes256-gcm96", True),
        *((name, False) for name in ("ed25519", "ecdsa-p256", "ecdsa-p384", "ecdsa-p521")),
    ],
)
def test_a_backup_is_read_as_it_was_written(name, is_derived):
    kind = TRANSIT_TYPES[name].variant(is_derived=is_derived, is_convergent=is_derived)
    versions = [BackupVersion(2, generate(kind), None), BackupVersion(3, generate(kind), NOW)]
    wanted = TransitBackup("orders", kind, versions, 3, 3, True, timedelta(days=2), True, True)
    found = read_backup(write_backup(wanted, NOW))
    assert [(each.number, each.secrets.encode().expose(), each.created_at) for each in found.versions] == [
        (each.number, each.secrets.encode().expose(), each.created_at) for each in versions
    ]
    names = set(TransitBackup.__slots__) - {"versions"}
    assert [getattr(found, name) for name in names] == [getattr(wanted, name) for name in names]


def archive_of(document):
    return dict(enumerate(document["archived_keys"]["keys"], document["policy"].pop("archive_min_version")))


@pytest.mark.parametrize("name", BACKUPS)
def test_a_backup_of_openbao_is_written_as_openbao_wrote_it(name):
    whole_seconds = re.sub(r"\.\d+Z", "Z", json.dumps(BACKUPS[name]))
    theirs = json.loads(
        whole_seconds.replace('"Imported": true', '"Imported": false')
    )  # so that it may rotate
    ours = json.loads(base64.b64decode(write_backup(read_backup(text_of(theirs)), NOW)))
    policy = theirs["policy"]
    for entry in (*policy["keys"].values(), *theirs["archived_keys"]["keys"]):
        entry["rsa_public_key"] = None  # it is in ``rsa_key``
    archives = archive_of(theirs), archive_of(ours)  # from another first version on
    assert archives[0] | archives[1] == archives[1] | archives[0] == archives[1]
    assert min(archives[1]) == max(1, policy["min_available_version"]) - 1
    policy["backup_info"]["time"] = "2026-01-02T03:04:05Z"
    policy["key_size"] = 32 if name == "mac" else 0  # the next version has the usual size
    assert ours["policy"] == policy


@pytest.mark.parametrize(
    ("name", "form"),
    [("hmac", "encryption-key"), ("hmac", "signing-key"), ("hmac", "public-key"), ("hmac", "odd")],
)
def test_a_key_has_no_form_of_another_type(name, form):
    with pytest.raises(Invalid):
        require_form(TRANSIT_TYPES[name], form)


def test_an_exported_key_on_a_curve_is_a_pem_document():
    kind = TRANSIT_TYPES["ecdsa-p256"]
    secrets = generate(kind)
    assert exported(kind, secrets, "signing-key").startswith("-----BEGIN EC PRIVATE KEY-----")
    assert exported(kind, secrets, "public-key").endswith("-----END PUBLIC KEY-----")
