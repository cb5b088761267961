"""Secrets of transit keys that a caller wrapped, as ``key_transport`` does, for the transit engine of OpenBao or for this server."""

import os
from collections.abc import Sequence
from types import MappingProxyType
from typing import Final, cast

from cryptography.hazmat.primitives.hashes import SHA224, SHA256, SHA384, SHA512

from kernel.crypto.algorithms import find_key_algorithm
from kernel.crypto.asymmetric import key_pairs
from kernel.crypto.errors import Invalid
from kernel.crypto.material import KeyMaterial
from kernel.crypto.transit.secrets import HMAC_SIZES, PAIRS, TransitSecrets
from kernel.crypto.transit_types import TransitType
from kernel.crypto.transport import importing, key_transport
from kernel.crypto.transport.key_transport import TransportFailed

_MAC_KEY_SIZE: Final = 32
_HASHES: Final = MappingProxyType(
    {"SHA224": SHA224(), "SHA256": SHA256(), "SHA384": SHA384(), "SHA512": SHA512()}
)
HASHES: Final = tuple(_HASHES)
"""The names of the hash functions of OAEP."""


def unwrap(recipients: Sequence[KeyMaterial], wrapped: bytes, hash_name: str) -> bytes:
    """The bytes that were wrapped for one of the recipients. ``hash_name``: one of ``HASHES``. Raises Invalid."""
    for recipient in recipients:
        try:
            return key_transport.unwrap_rsa(recipient, wrapped, _HASHES[hash_name])
        except TransportFailed:
            continue
    raise _refused(
        "the ciphertext cannot be unwrapped: it was altered, or wrapped with another key or hash_function; read "
        "transit/wrapping_key with the account that imports, and wrap the key again"
    )


def secrets_of(kind: TransitType, octets: bytes) -> TransitSecrets:
    """Secrets with this material: PKCS #8 in DER of a pair, otherwise raw bytes. Raises Invalid.

    The MAC key is new, as in OpenBao, except that the type ``hmac`` has one key only. A private RSA key also needs
    ``key_checks.check_rsa``.
    """
    if kind.name == "hmac":
        if len(octets) not in HMAC_SIZES:
            raise _wrong_size(kind, octets)
        return TransitSecrets(octets, octets)
    mac_key = os.urandom(_MAC_KEY_SIZE)
    if kind.is_asymmetric:
        return TransitSecrets(_private(PAIRS[kind.name], octets), mac_key)
    if len(octets) * 8 != kind.key_size:
        raise _wrong_size(kind, octets)
    return TransitSecrets(octets, mac_key)


def _private(pair: str, document: bytes) -> bytes:
    try:
        found, _ = importing.from_private_der(find_key_algorithm(pair, "sign"), document)
    except Invalid as error:
        [texts] = error.fields.values()
        raise _refused(f"error importing key: {' '.join(texts)}") from None
    material = cast("KeyMaterial", found)  # a private key has material
    if pair != "ed25519":
        return material.expose()
    seed: bytes = key_pairs.load_private(pair, material).private_bytes_raw()  # type: ignore[union-attr]  # of this type
    return seed


def _wrong_size(kind: TransitType, octets: bytes) -> Invalid:
    return _refused(f"error importing key: invalid key size {len(octets)} bytes for key type {kind.name}")


def _refused(text: str) -> Invalid:
    return Invalid.of_field("ciphertext", text)
