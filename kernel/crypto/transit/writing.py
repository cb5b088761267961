"""Write plaintext backups of transit keys as OpenBao writes them, so that it restores them."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from kernel.crypto.encoding import encode_base64
from kernel.crypto.transit.backup import BY_KEY, CONVERGENT_VERSION, HKDF, BackupVersion, TransitBackup
from kernel.crypto.transit.exporting import exported
from kernel.crypto.transit.secrets import PAIRS, ed25519_public, private_key
from kernel.crypto.transit_types import TransitType

_MICROSECOND: Final = timedelta(microseconds=1)
_NO_TIME: Final = "0001-01-01T00:00:00Z"
_EMPTY: Final[Mapping[str, Any]] = {
    "key": None,
    "hmac_key": None,
    "time": _NO_TIME,
    "ec_x": None,
    "ec_y": None,
    "ec_d": None,
    "rsa_key": None,
    "rsa_public_key": None,
    "public_key": "",
    "convergent_version": 0,
    "creation_time": 0,
    "certificate_chain": None,
    "external_key_ref": "",
}


def write_backup(backup: TransitBackup, now: datetime) -> str:
    """Base64 of a document with all secrets. ``read_backup`` reads it."""
    kind, oldest = backup.kind, backup.versions[0].number
    entries = {version.number: _entry(kind, version) for version in backup.versions}
    policy = {
        "name": backup.name,
        "keys": {
            str(number): entry for number, entry in entries.items() if number >= backup.min_decryption_version
        },
        "derived": kind.is_derived,
        "kdf": HKDF if kind.is_derived else 0,
        "convergent_encryption": kind.is_convergent,
        "exportable": backup.exportable,
        "min_decryption_version": backup.min_decryption_version,
        "min_encryption_version": backup.min_encryption_version,
        "latest_version": backup.newest,
        "archive_version": backup.newest,
        "archive_min_version": oldest - 1,
        "min_available_version": oldest if oldest > 1 else 0,
        "deletion_allowed": backup.deletion_allowed,
        "convergent_version": BY_KEY if kind.is_convergent else 0,
        "type": kind.number,
        "key_size": kind.key_size // 8 if kind.name == "hmac" else 0,
        "backup_info": {"time": _text(now), "version": backup.newest},
        "restore_info": None,
        "allow_plaintext_backup": backup.allow_plaintext_backup,
        "version_template": "",
        "storage_prefix": "",
        "auto_rotate_period": backup.rotation_period // _MICROSECOND * 1000,
        "Imported": False,
        "AllowImportedKeyRotation": False,
        "soft_deleted": False,
    }
    document = {"policy": policy, "archived_keys": {"keys": [_EMPTY, *entries.values()]}}
    return encode_base64(json.dumps(document).encode())


def _entry(kind: TransitType, version: BackupVersion) -> dict[str, Any]:
    entry = {**_EMPTY, "hmac_key": encode_base64(version.secrets.mac_key)}
    if version.created_at is not None:
        entry |= {"time": _text(version.created_at), "creation_time": int(version.created_at.timestamp())}
    if kind.is_convergent:
        entry["convergent_version"] = CONVERGENT_VERSION
    return entry | _key(kind, version)


def _key(kind: TransitType, version: BackupVersion) -> dict[str, Any]:
    secret = version.secrets.key
    if kind.name == "ed25519":
        public = ed25519_public(secret)
        return {"key": encode_base64(secret + public), "public_key": encode_base64(public)}
    if kind.name not in PAIRS:
        return {"key": encode_base64(secret)}
    pair: Any = private_key(kind, version.secrets)
    numbers = pair.private_numbers()
    if kind.encrypts:
        public = numbers.public_numbers
        precomputed = {"Dp": numbers.dmp1, "Dq": numbers.dmq1, "Qinv": numbers.iqmp, "CRTValues": []}
        primes = [numbers.p, numbers.q]
        return {
            "rsa_key": {
                "N": public.n,
                "E": public.e,
                "D": numbers.d,
                "Primes": primes,
                "Precomputed": precomputed,
            }
        }
    point = numbers.public_numbers
    public_key = (
        exported(kind, version.secrets, "public-key") + "\n"
    )  # OpenBao shows this text, and derives none
    return {"ec_d": numbers.private_value, "ec_x": point.x, "ec_y": point.y, "public_key": public_key}


def _text(at: datetime) -> str:
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")
