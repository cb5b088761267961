"""The ring of key-encryption keys, which wrap every stored key and bind it to its row.

A key-encryption key (KEK) is 32 random bytes that never enter the database: a file ``kek-<id>.key`` in the data
folder, or an entry of ``CC_KEK``. The table ``key_encryption_keys`` lists the keys that the database relies on,
marks the primary one, and holds a sentinel wrapped under each.

The additional data of a wrapped key is ``label ‖ 0x00``, then the instance id and the caller's parts, each with its
length (``kernel.crypto.keywrap.binding``). A wrapped key therefore opens only in its own row and
installation.
"""

import base64
import uuid
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

from django.apps import apps
from django.conf import settings
from django.db import transaction

from kernel import home
from kernel.crypto import keywrap
from kernel.crypto.errors import UnwrapFailed
from kernel.crypto.material import KeyMaterial
from kernel.errors import Unavailable
from kernel.runtime import process_cache
from kernel.trust.models import Instance, KeyEncryptionKey
from kernel.trust.wrapped_row import Wrapped, WrappedRow

KEK_SIZE = 32
SENTINEL_LABEL = "cc/kek-sentinel/v1"
SENTINEL = b"this key-encryption key is right"
KEK_FILES = "kek-*.key"  # in the data folder, and in copies of the ring


class KekUnavailable(Unavailable):
    """The ring lacks, or contradicts, a key-encryption key that the database relies on."""

    code = "integrity_failed"
    title = "Stored data failed its integrity check"


def wrap(material: KeyMaterial, *, label: str, parts: Sequence[bytes]) -> Wrapped:
    """Wrap under the primary key-encryption key."""
    kek_id = _primary_id()
    return Wrapped(kek_id, keywrap.wrap(_find(kek_id), material, aad=_binding(label, parts)))


def unwrap(wrapped: Wrapped, *, label: str, parts: Sequence[bytes]) -> KeyMaterial:
    """Unwrap a key that ``wrap`` wrapped with the same label and parts. Raises UnwrapFailed, KekUnavailable."""
    return keywrap.unwrap(_find(wrapped.kek_id), wrapped.wrapped, aad=_binding(label, parts))


@transaction.atomic
def bootstrap() -> None:
    """Create the root of trust on an empty database; on any other, open every sentinel before serving requests.

    Raises KekUnavailable, and writes nothing, if a key-encryption key is missing or wrong.
    """
    forget()
    Instance.objects.get_or_create(singleton=True)
    if not KeyEncryptionKey.objects.exists():
        _adopt_first_kek()
    check_sentinels()


def check_sentinels() -> None:
    """Open the sentinel of every key-encryption key. Raises KekUnavailable."""
    for record in KeyEncryptionKey.objects.all():
        check_sentinel(record)


def check_sentinel(record: KeyEncryptionKey) -> None:
    """Open the sentinel of one key-encryption key. Raises KekUnavailable."""
    try:
        keywrap.unwrap(
            _find(record.id), bytes(record.sentinel), aad=_binding(SENTINEL_LABEL, [record.id.encode()])
        )
    except UnwrapFailed:
        raise KekUnavailable(
            f"Key-encryption key {record.id} does not match this database. Restore its file."
        ) from None


def forget() -> None:
    """Clear this process's cache of the ring and the instance, so that the next use reloads them."""
    for remembered in (_ring, _instance_id, _primary_id):
        remembered.cache_clear()


def ring_files() -> list[Path]:
    """The key files in the data folder. Operators must back them up separately from the database."""
    return sorted(settings.CC_HOME.glob(KEK_FILES))


def copy_ring(folder: Path) -> list[str]:
    """Write each key of the ring into a file of this folder, under its name in the data folder. Returns their ids.

    Raises KekUnavailable and OSError.
    """
    texts = _ring_texts()
    for kek_id, text in texts.items():
        _decode(kek_id, text)
        # Unlike create_private_file, it needs no hard link, which the file system of a USB stick may lack.
        home.replace_private_file(folder / f"kek-{kek_id}.key", text + b"\n")
    return sorted(texts)


@process_cache
@cache
def _ring() -> Mapping[str, KeyMaterial]:
    return {kek_id: KeyMaterial(_decode(kek_id, text)) for kek_id, text in _ring_texts().items()}


def _ring_texts() -> Mapping[str, bytes]:
    """The keys by id, in base64, without a check."""
    if any(":" not in entry for entry in settings.CC_KEK):
        raise KekUnavailable("CC_KEK has an entry without a colon. Write each entry as id:base64.")
    entries = (entry.split(":", 1) for entry in settings.CC_KEK)
    texts = {kek_id: text.encode() for kek_id, text in entries}
    return texts | {path.stem.removeprefix("kek-"): path.read_bytes().strip() for path in ring_files()}


def _decode(kek_id: str, text: bytes) -> bytes:
    try:
        content = base64.b64decode(text, validate=True)
    except ValueError:  # includes binascii.Error, and non-ASCII text
        content = b""
    if len(content) != KEK_SIZE:
        raise KekUnavailable(
            f"Key-encryption key {kek_id} is not {KEK_SIZE} bytes in base64. Restore its file."
        )
    return content


def _find(kek_id: str) -> KeyMaterial:
    try:
        return _ring()[kek_id]
    except KeyError:
        raise KekUnavailable(
            f"Key-encryption key {kek_id} is missing. Restore kek-{kek_id}.key to the data folder, or add it to CC_KEK."
        ) from None


@process_cache
@cache
def _instance_id() -> uuid.UUID:
    return Instance.objects.get().id


@process_cache
@cache
def _primary_id() -> str:
    return KeyEncryptionKey.objects.get(is_primary=True).id


def _binding(label: str, parts: Sequence[bytes]) -> bytes:
    return keywrap.binding(label, _instance_id().bytes, *parts)


def _adopt_first_kek() -> None:
    if _holds_wrapped_rows():
        raise KekUnavailable(
            "The database has wrapped keys but no record of a key-encryption key. Restore a backup of the database."
        )
    # Use an existing file: a start may have been interrupted before its first commit, or the file may have been
    # created for another database.
    kek_id = min(_ring(), default="") or _generate_file()
    KeyEncryptionKey.objects.create(
        id=kek_id,
        is_primary=True,
        sentinel=keywrap.wrap(
            _find(kek_id), KeyMaterial(SENTINEL), aad=_binding(SENTINEL_LABEL, [kek_id.encode()])
        ),
    )


def _generate_file() -> str:
    # Write the file to the disk before the first row is wrapped under it, never the other way round.
    kek_id, text = keywrap.generate_kek()
    home.create_private_file(settings.CC_HOME / f"kek-{kek_id}.key", text.encode() + b"\n")
    _ring.cache_clear()
    return kek_id


def _holds_wrapped_rows() -> bool:
    return any(
        model._default_manager.exists() for model in apps.get_models() if issubclass(model, WrappedRow)
    )
