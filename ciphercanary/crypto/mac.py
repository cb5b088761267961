"""HMAC-SHA-256 (FIPS 198-1, RFC 2104) under key material that never leaves this package."""

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, hmac

from ciphercanary.crypto.errors import MacMismatch
from ciphercanary.crypto.material import KeyMaterial


def compute_mac(key: KeyMaterial, message: bytes) -> bytes:
    """The 32-byte tag of a message."""
    mac = hmac.HMAC(key.expose(), hashes.SHA256())
    mac.update(message)
    return mac.finalize()


def verify_mac(key: KeyMaterial, message: bytes, tag: bytes) -> None:
    """Compare in constant time. Raises MacMismatch."""
    mac = hmac.HMAC(key.expose(), hashes.SHA256())
    mac.update(message)
    try:
        mac.verify(tag)
    except InvalidSignature:
        raise MacMismatch from None
