"""The installation's own keys: random, wrapped under the key-encryption key, and cached once unwrapped."""

import re
import secrets
from collections.abc import Callable
from functools import cache

from django.db import transaction

from kernel.crypto.encoding import decode_base64url, encode_base64url
from kernel.crypto.errors import MacMismatch, UnwrapFailed
from kernel.crypto.mac import Mac
from kernel.crypto.material import KeyMaterial
from kernel.crypto.sealing.document import DocumentCipher, capacity
from kernel.errors import Unavailable
from kernel.runtime import process_cache
from kernel.trust import kek
from kernel.trust.models import KeyEncryptionKey, SystemKey

_KEY_SIZE = 32
ROW_MAC = "row-mac"
AUDIT_MAC = "audit-mac"
DOCUMENTS = "documents"  # sealed, not only authenticated
STATE_MAC = "state-mac"
PURPOSES = (ROW_MAC, AUDIT_MAC, DOCUMENTS, STATE_MAC)
_KID_BYTES = 4
_KID = re.compile(f"[0-9a-f]{{{2 * _KID_BYTES}}}")


class SystemKeyMissing(Unavailable):
    """An installation that is not new lacks the key of the MACs of its rows."""

    code = "integrity_failed"
    title = "Stored data failed its integrity check"

    def __init__(self) -> None:
        super().__init__("The system key row-mac is missing. Restore the database from a backup.")


@transaction.atomic
def bootstrap() -> None:
    """Create the root of trust and the key of each purpose that has none yet. Raises KekUnavailable, SystemKeyMissing."""
    is_new = not KeyEncryptionKey.objects.exists()
    kek.bootstrap()
    forget()
    present = set(SystemKey.objects.values_list("purpose", flat=True))
    if not is_new and ROW_MAC not in present:
        raise SystemKeyMissing
    for purpose in PURPOSES:
        if purpose not in present:
            _create(purpose)


def open_key(purpose: str) -> None:
    """Read and unwrap the primary key, so that the next ``make_mac`` needs no database.

    Raises UnwrapFailed for an altered row.
    """
    _mac(purpose, _primary_kid(purpose))


def make_mac(purpose: str, version: int, message: bytes) -> str:
    """``<version>.<kid>.<base64url>`` of HMAC-SHA-256 (FIPS 198-1) under the purpose's primary key.

    The database holds the key only in wrapped form, so an attacker who can write rows cannot forge their MACs.
    ``version`` identifies the field list of the message.
    """
    kid = _primary_kid(purpose)
    return f"{version}.{kid}.{encode_base64url(_mac(purpose, kid).compute(message))}"


def tag_maker(purpose: str) -> Callable[[bytes], bytes]:
    """HMAC-SHA-256 (32 bytes) under the purpose's primary key, for many messages."""
    return _mac(purpose, _primary_kid(purpose)).compute


def mac_maker(purpose: str, version: int) -> Callable[[bytes], str]:
    """``make_mac`` for many messages."""
    kid = _primary_kid(purpose)
    compute, prefix = _mac(purpose, kid).compute, f"{version}.{kid}."
    return lambda message: prefix + encode_base64url(compute(message))


def check_mac(purpose: str, version: int, message: bytes, mac: str) -> None:
    """Raises MacMismatch unless ``make_mac`` made ``mac`` from this message, under any of the purpose's keys."""
    try:
        found, kid, tag = mac.split(".")
        if not _KID.fullmatch(kid):
            raise MacMismatch  # otherwise the text would go into a query, and the database may not even accept it
        key = _mac(purpose, kid)
        octets = decode_base64url(tag)
    except (ValueError, SystemKey.DoesNotExist):
        raise MacMismatch from None
    if found != str(version):
        raise MacMismatch
    key.verify(message, octets)


def seal(document: bytes, *, size: int, aad: bytes) -> bytes:
    """``kid ‖ sealed document`` of ``size`` bytes (``kernel.crypto.sealing.document``). Raises ValueError."""
    kid = _primary_kid(DOCUMENTS)
    octets = bytes.fromhex(kid)
    return octets + _document_cipher(kid).seal(document, size=size - _KID_BYTES, aad=octets + aad)


def unseal(sealed: bytes, *, aad: bytes) -> bytes:
    """The document that ``seal`` sealed with the same aad. Raises UnwrapFailed."""
    octets = sealed[:_KID_BYTES]
    try:
        cipher = _document_cipher(octets.hex())
    except SystemKey.DoesNotExist:
        raise UnwrapFailed from None
    return cipher.open(sealed[_KID_BYTES:], aad=octets + aad)


def room_for(size: int) -> int:
    """The largest document, in bytes, that ``seal`` accepts for ``size``."""
    return capacity(size - _KID_BYTES)


def forget() -> None:
    """Drop the unwrapped keys, so that the next use reloads them."""
    _primary_kid.cache_clear()
    _mac.cache_clear()
    _document_cipher.cache_clear()


@process_cache
@cache
def _primary_kid(purpose: str) -> str:
    return SystemKey.objects.get(purpose=purpose, is_primary=True).kid


@process_cache
@cache
def _mac(purpose: str, kid: str) -> Mac:
    row = SystemKey.objects.get(purpose=purpose, kid=kid)
    return Mac(kek.unwrap_row(row))


@process_cache
@cache
def _document_cipher(kid: str) -> DocumentCipher:
    return DocumentCipher(kek.unwrap_row(SystemKey.objects.get(purpose=DOCUMENTS, kid=kid)))


def _create(purpose: str) -> None:
    key = SystemKey(kid=secrets.token_hex(_KID_BYTES), purpose=purpose)
    kek.wrap_into(key, KeyMaterial.generate(_KEY_SIZE))
    key.save(force_insert=True)  # noqa: CC3 - the wrapping authenticates a system key
