"""Plaintext backups of transit keys, as OpenBao and Vault write them: base64 of a JSON document."""

import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric import ec, rsa

from kernel.crypto.asymmetric import key_pairs
from kernel.crypto.errors import Invalid
from kernel.crypto.transit.secrets import HMAC_SIZES, PAIRS, TransitSecrets
from kernel.crypto.transit_types import TRANSIT_TYPES, TransitType

_MAX_VERSION: Final = 10_000
_MAC_KEY_SIZE: Final = 32
HKDF, CONVERGENT_VERSION = 1, 3
BY_KEY: Final = -1  # the convergent version of each key version counts
_CURVES: Final[Mapping[str, ec.EllipticCurve]] = MappingProxyType(
    {"ecdsa-p256": ec.SECP256R1(), "ecdsa-p384": ec.SECP384R1(), "ecdsa-p521": ec.SECP521R1()}
)
_SECRETS: Final = ("key", "hmac_key", "ec_d", "rsa_key")
_BY_NUMBER: Final = MappingProxyType({kind.number: kind for kind in TRANSIT_TYPES.values()})
# OpenBao numbers HMAC keys 10 and XChaCha20 keys 11; Vault numbers managed keys 10 and HMAC keys 11.
_AMBIGUOUS: Final = frozenset({10, 11})
_MANAGED: Final = 10
_MICROSECONDS: Final = 1000  # nanoseconds in one

type _Json = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class BackupVersion:
    """``created_at``: None if the backup has no time."""

    number: int
    secrets: TransitSecrets
    created_at: datetime | None


@dataclass(frozen=True, slots=True)
class TransitBackup:
    """A key with its kept versions, oldest first; the last one is the newest. The versions before the first were deleted.

    ``min_encryption_version``: 0 for the newest only. ``exportable`` and ``allow_plaintext_backup``: as its origin had them.
    """

    name: str
    kind: TransitType
    versions: Sequence[BackupVersion] = field(repr=False)
    min_decryption_version: int
    min_encryption_version: int
    deletion_allowed: bool
    rotation_period: timedelta
    exportable: bool = False
    allow_plaintext_backup: bool = False

    @property
    def newest(self) -> int:
        return self.versions[-1].number


def read_backup(text: str) -> TransitBackup:
    """Raises Invalid for a document that is malformed or contradicts itself, and for keys that we cannot use as OpenBao does."""
    document = _document(text)
    policy = _member(document, "policy", dict, {})
    _require_plain(policy)
    numbers = _numbers(policy)
    entries = {number: _entry(document, policy, number) for number in numbers}
    kind = _kind(policy, list(entries.values()))
    minimum = max(1, _member(policy, "min_decryption_version", int, 0))
    min_encryption = _member(policy, "min_encryption_version", int, 0)
    if minimum not in numbers or (min_encryption and min_encryption not in range(minimum, numbers.stop)):
        raise _refused("Its minimum versions are not among its versions.")
    return TransitBackup(
        name=_member(policy, "name", str, ""),
        kind=kind,
        versions=[
            BackupVersion(number, _secrets(kind, number, entry), _time(entry))
            for number, entry in entries.items()
        ],
        min_decryption_version=minimum,
        min_encryption_version=min_encryption,
        deletion_allowed=_member(policy, "deletion_allowed", bool, False),
        rotation_period=_period(policy),
        exportable=_member(policy, "exportable", bool, False),
        allow_plaintext_backup=_member(policy, "allow_plaintext_backup", bool, False),
    )


def _document(text: str) -> _Json:
    try:
        found = json.loads(base64.b64decode("".join(text.split()), validate=True))
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict) or not isinstance(found.get("policy"), dict):
        raise _refused("It is no plaintext backup. Write it with: bao read -field=backup transit/backup/NAME")
    return found


def _require_plain(policy: _Json) -> None:
    """Refuse the properties of keys whose texts differ from those of other keys."""
    if _member(policy, "soft_deleted", bool, False):
        raise _refused("The key is deleted. Restore it first, and back it up again.")
    if _member(policy, "version_template", str, ""):
        raise _refused("The key has a version_template, so its texts have another form.")
    if _member(policy, "derived", bool, False) and _member(policy, "kdf", int, 0) != HKDF:
        raise _refused("The key derives keys by kdf 0, which versions before 0.3 used.")


def _numbers(policy: _Json) -> range:
    """The numbers of the kept versions."""
    newest = _member(policy, "latest_version", int, 0)
    oldest = max(1, _member(policy, "min_available_version", int, 0))
    if not oldest <= newest <= _MAX_VERSION:
        raise _refused(f"Its versions must be from 1 to {_MAX_VERSION}.")
    return range(oldest, newest + 1)


def _entry(document: _Json, policy: _Json, number: int) -> _Json:
    """The secrets of one version, which may be in the policy and in the archive."""
    archive = _member(document, "archived_keys", dict, {})
    archived = _member(archive, "keys", list, [])
    index = number - _member(policy, "archive_min_version", int, 0)
    current = _member(policy, "keys", dict, {}).get(str(number))
    kept = archived[index] if 0 <= index < len(archived) else None
    found = kept if current is None else current
    if not isinstance(found, dict):
        raise _refused(f"It has no version {number}.")
    if isinstance(kept, dict) and any(kept.get(name) != found.get(name) for name in _SECRETS):
        raise _refused(f"Its policy and its archive have different versions {number}.")
    return found


def _kind(policy: _Json, entries: Sequence[_Json]) -> TransitType:
    number = _member(policy, "type", int, 0)
    is_derived = _member(policy, "derived", bool, False)
    is_convergent = _member(policy, "convergent_encryption", bool, False)
    if number in _AMBIGUOUS and all(entry.get("key") == entry.get("hmac_key") for entry in entries):
        kind = TRANSIT_TYPES["hmac"]
    elif number == _MANAGED:
        raise _refused("It is a managed key, whose secret is not in the backup.")
    elif number in _BY_NUMBER:
        kind = _BY_NUMBER[number]
    else:
        raise _refused(f"Keys of type {number} are not supported.")
    if is_convergent:
        of_policy = _member(policy, "convergent_version", int, 0)
        for entry in entries:
            version = _member(entry, "convergent_version", int, 0) if of_policy == BY_KEY else of_policy
            if version != CONVERGENT_VERSION:
                raise _refused("Its convergent encryption has version 1 or 2. Only version 3 is supported.")
    try:
        return kind.variant(is_derived=is_derived, is_convergent=is_convergent)
    except ValueError:
        raise _refused(f"Keys of type {kind.name} are not derived or convergent in this way.") from None


def _secrets(kind: TransitType, number: int, entry: _Json) -> TransitSecrets:
    if _member(entry, "external_key_ref", str, ""):
        raise _refused(f"The secret of version {number} is in another system.")
    mac_key = _octets(entry, "hmac_key")
    if len(mac_key) not in (HMAC_SIZES if kind.name == "hmac" else (_MAC_KEY_SIZE,)):
        raise _refused(f"The hmac_key of version {number} has a wrong size.")
    try:
        return TransitSecrets(_key(kind, entry), mac_key)
    except Invalid:
        raise
    except Exception:  # noqa: BLE001 - the library has many errors for numbers that are no key
        raise _refused(f"The key of version {number} is no private key of type {kind.name}.") from None


def _key(kind: TransitType, entry: _Json) -> bytes:
    """Raises Invalid, ValueError and the errors of the library."""
    if kind.name in _CURVES:
        on_curve = ec.derive_private_key(_member(entry, "ec_d", int, 0), _CURVES[kind.name])
        point = on_curve.public_key().public_numbers()
        _require((point.x, point.y) == (entry.get("ec_x"), entry.get("ec_y")))
        return key_pairs.encode_pair(PAIRS[kind.name], on_curve)[0].expose()
    if kind.signs and kind.encrypts:
        pair = _rsa(_member(entry, "rsa_key", dict, {}), kind.key_size)
        return key_pairs.encode_pair(PAIRS[kind.name], pair)[0].expose()
    key, size = _octets(entry, "key"), kind.key_size // 8
    if kind.name == "hmac":
        return key
    if kind.name == "ed25519":  # Go keeps the seed with the public key
        public = key_pairs.from_seed("ed25519", key[:size]).public_key().public_bytes_raw()
        _require(key[size:] == public)
        return key[:size]
    _require(len(key) == size)
    return key


def _rsa(numbers: _Json, bits: int) -> rsa.RSAPrivateKey:
    n, e, d = (_member(numbers, name, int, 0) for name in ("N", "E", "D"))
    p, q = _member(numbers, "Primes", list, [])
    # Before the work with them, which takes long for large numbers.
    _require(n.bit_length() == bits and p * q == n and 0 < d < n and p > 1 and q > 1)
    private = rsa.RSAPrivateNumbers(
        p, q, d, d % (p - 1), d % (q - 1), pow(q, -1, p), rsa.RSAPublicNumbers(e, n)
    )
    return private.private_key()


def _time(entry: _Json) -> datetime | None:
    seconds = _member(entry, "creation_time", int, 0)
    try:
        return datetime.fromtimestamp(seconds, UTC) if seconds > 0 else None
    except (ValueError, OverflowError, OSError):
        raise _malformed("creation_time") from None


def _period(policy: _Json) -> timedelta:
    try:
        return timedelta(microseconds=_member(policy, "auto_rotate_period", int, 0) // _MICROSECONDS)
    except OverflowError:
        raise _malformed("auto_rotate_period") from None


def _octets(entry: _Json, name: str) -> bytes:
    try:
        return base64.b64decode(_member(entry, name, str, ""), validate=True)
    except ValueError:
        raise _malformed(name) from None


def _member[T](of: _Json, name: str, kind: type[T], default: T) -> T:
    """A member; null and a missing one are the default. Raises Invalid for another type."""
    found = of.get(name)
    if found is None:
        return default
    if type(found) is not kind:
        raise _malformed(name)
    return found


def _require(condition: bool) -> None:  # noqa: FBT001 - one argument
    if not condition:
        raise ValueError("this is no key")


def _malformed(name: str) -> Invalid:
    return _refused(f"Its member {name} is malformed.")


def _refused(text: str) -> Invalid:
    return Invalid.of_field("backup", text)
