"""Our backups have what ``read_backup`` reads, and our exports refuse what OpenBao refuses."""

from datetime import UTC, datetime, timedelta

import pytest

from kernel.crypto.errors import Invalid
from kernel.crypto.transit.backup import BackupVersion, TransitBackup, read_backup
from kernel.crypto.transit.exporting import exported, require_form
from kernel.crypto.transit.secrets import generate
from kernel.crypto.transit.writing import write_backup
from kernel.crypto.transit_types import TRANSIT_TYPES

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


@pytest.mark.parametrize(
    ("name", "is_derived"), [("aes256-gcm96", True), ("ed25519", False), ("ecdsa-p384", False)]
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
