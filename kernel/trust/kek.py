"""The ring of key-encryption keys, which wrap every stored key and bind it to its row.

A key-encryption key (KEK) is 32 random bytes that never enter the database: a file ``kek-<id>.key`` in the data
folder, or an entry of ``CC_KEK``. The table ``key_encryption_keys`` (``kernel.trust.kek_records``) lists the keys that
the database relies on, marks the primary one, and holds a sentinel wrapped under each.

The additional data of a wrapped key is ``label ‖ 0x00``, then the instance id and the caller's parts, each with its
length (``kernel.crypto.keywrap.binding``). A wrapped key therefore opens only in its own row and
installation.
"""

import base64
import uuid
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path

from django.conf import settings
from django.db import transaction

from kernel import home
from kernel.crypto import keywrap
from kernel.crypto.errors import UnwrapFailed
from kernel.crypto.material import KeyMaterial
from kernel.runtime import ProcessState, process_cache
from kernel.trust import kek_records
from kernel.trust.kek_records import KekUnavailable
from kernel.trust.models import Instance, KeyEncryptionKey
from kernel.trust.wrapped_row import Wrapped, WrappedRow

_KEK_SIZE = 32
_SENTINEL_LABEL = "cc/kek-sentinel/v1"
_SENTINEL = b"this key-encryption key is right"
KEK_FILES = "kek-*.key"  # in the data folder, and in copies of the ring


def wrap(material: KeyMaterial, *, label: str, parts: Sequence[bytes]) -> Wrapped:
    """Wrap under the primary key-encryption key, in the transaction that stores the row.

    The key stays primary until the transaction ends. Otherwise it could be retired before the row is committed.
    Raises KekUnavailable, and TransactionManagementError outside a transaction.
    """
    kek_id = kek_records.lock_primary()
    return Wrapped(kek_id, keywrap.wrap(_find(kek_id), material, aad=_binding(label, parts)))


def wrap_into(row: WrappedRow, material: KeyMaterial) -> None:
    """Wrap the key of a row, which the caller then saves. Raises as ``wrap``."""
    label, parts = row.binding
    wrapped = wrap(material, label=label, parts=parts)
    row.kek_id, row.wrapped = wrapped.kek_id, wrapped.wrapped


def unwrap(wrapped: Wrapped, *, label: str, parts: Sequence[bytes]) -> KeyMaterial:
    """Unwrap a key that ``wrap`` wrapped with the same label and parts. Raises UnwrapFailed, KekUnavailable."""
    return keywrap.unwrap(_find(wrapped.kek_id), wrapped.wrapped, aad=_binding(label, parts))


def unwrap_row(row: WrappedRow) -> KeyMaterial:
    """The key of a row. Raises as ``unwrap``."""
    label, parts = row.binding
    return unwrap(row.wrapped_key, label=label, parts=parts)


def rewrap_row(row: WrappedRow, kek_id: str) -> None:
    """Wrap the key of a row again, under the primary key-encryption key, which the caller has locked.

    The caller then saves the row. Raises UnwrapFailed, KekUnavailable.
    """
    label, parts = row.binding
    wrapped = keywrap.wrap(_find(kek_id), unwrap_row(row), aad=_binding(label, parts))
    row.kek_id, row.wrapped = kek_id, wrapped


@transaction.atomic
def bootstrap() -> None:
    """Create the root of trust on an empty database; on any other, open every sentinel before serving requests.

    Raises KekUnavailable, and writes nothing, if a key-encryption key is missing or wrong.
    """
    forget()
    Instance.objects.get_or_create(singleton=True)  # noqa: CC3 - the row of the instance has no MAC
    if not KeyEncryptionKey.objects.exists():
        _adopt_first_kek()
    check_sentinels()


def check_sentinels() -> None:
    """Open the sentinel of every key-encryption key that is not retired. Raises KekUnavailable."""
    for record in KeyEncryptionKey.objects.filter(retired_at=None):
        check_sentinel(record)


def check_sentinel(record: KeyEncryptionKey) -> None:
    """Open the sentinel of one key-encryption key. Raises KekUnavailable."""
    if not _opens(_find(record.id), record.id, bytes(record.sentinel)):
        raise KekUnavailable(
            f"Key-encryption key {record.id} does not match this database. Restore its file."
        )


def is_copy_of(record: KeyEncryptionKey, text: bytes) -> bool:
    """Whether the text (base64) is this key-encryption key. Raises KekUnavailable if it is no such key at all."""
    return _opens(KeyMaterial(_decode(record.id, text)), record.id, bytes(record.sentinel))


def is_copy_of_ring(kek_id: str, text: bytes) -> bool:
    """Whether the text (base64) is the key with this id in the ring, recorded or not. Raises as ``is_copy_of``."""
    copy, key = KeyMaterial(_decode(kek_id, text)), _ring.current.find(kek_id)
    return key is not None and _opens(copy, kek_id, _sentinel(key, kek_id))


def make_primary(kek_id: str) -> None:
    """Record a key of the ring as the primary one, in place of the current one.

    Raises KekUnavailable if the ring has no such key.
    """
    kek_records.replace_primary(kek_id, _sentinel(_find(kek_id), kek_id))


def create_file() -> str:
    """Generate a key-encryption key as a file of the data folder. Returns its id.

    The file is on the disk before this returns, so before any row is wrapped under its key. Raises OSError.
    """
    kek_id, text = keywrap.generate_kek()
    home.create_private_file(file_of(kek_id), text.encode() + b"\n")
    return kek_id


def file_of(kek_id: str) -> Path:
    return settings.CC_HOME / f"kek-{kek_id}.key"


def forget() -> None:
    """Clear this process's cache of the ring and the instance, so that the next use reloads them."""
    _ring.drop()
    _instance_id.cache_clear()


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


def _ids_in_ring() -> set[str]:
    """The ids of the keys that this process finds. Raises KekUnavailable."""
    return set(_ring_texts())


def parse_entries(entries: Iterable[str]) -> Mapping[str, bytes]:
    """Entries of ``CC_KEK``: the keys by id, in base64, without a check. Raises KekUnavailable."""
    parts = [entry.partition(":") for entry in entries]
    if not all(colon for _, colon, _ in parts):
        raise KekUnavailable("CC_KEK has an entry without a colon. Write each entry as id:base64.")
    return {kek_id: text.encode() for kek_id, _, text in parts}


class _Ring:
    """The keys that this process has read.

    A missing one is looked for again, because a rotation in another process adds it. None is removed before the process
    ends: cached rows may still be wrapped under a key that has been retired since.
    """

    def __init__(self) -> None:
        self._keys: Mapping[str, KeyMaterial] = {}

    def find(self, kek_id: str) -> KeyMaterial | None:
        if kek_id not in self._keys:
            read = {each: KeyMaterial(_decode(each, text)) for each, text in _ring_texts().items()}
            self._keys = {**self._keys, **read}
        return self._keys.get(kek_id)


_ring = ProcessState(_Ring)


def _ring_texts() -> Mapping[str, bytes]:
    """The keys by id, in base64, without a check."""
    files = {path.stem.removeprefix("kek-"): path.read_bytes().strip() for path in ring_files()}
    return {**parse_entries(settings.CC_KEK), **files}


def _decode(kek_id: str, text: bytes) -> bytes:
    try:
        content = base64.b64decode(text, validate=True)
    except ValueError:  # includes binascii.Error, and non-ASCII text
        content = b""
    if len(content) != _KEK_SIZE:
        raise KekUnavailable(
            f"Key-encryption key {kek_id} is not {_KEK_SIZE} bytes in base64. Restore its file."
        )
    return content


def _find(kek_id: str) -> KeyMaterial:
    key = _ring.current.find(kek_id)
    if key is None:
        raise KekUnavailable(
            f"Key-encryption key {kek_id} is missing. Restore kek-{kek_id}.key to the data folder, or add it to CC_KEK."
        )
    return key


def _opens(key: KeyMaterial, kek_id: str, sentinel: bytes) -> bool:
    try:
        keywrap.unwrap(key, sentinel, aad=_sentinel_binding(kek_id))
    except UnwrapFailed:
        return False
    return True


def _sentinel(key: KeyMaterial, kek_id: str) -> bytes:
    return keywrap.wrap(key, KeyMaterial(_SENTINEL), aad=_sentinel_binding(kek_id))


def _sentinel_binding(kek_id: str) -> bytes:
    return _binding(_SENTINEL_LABEL, [kek_id.encode()])


@process_cache
@cache
def _instance_id() -> uuid.UUID:
    return Instance.objects.get().id


def _binding(label: str, parts: Sequence[bytes]) -> bytes:
    return keywrap.binding(label, _instance_id().bytes, *parts)


def _adopt_first_kek() -> None:
    if any(model._default_manager.exists() for model in kek_records.wrapped_models()):
        raise KekUnavailable(
            "The database has wrapped keys but no record of a key-encryption key. Restore a backup of the database."
        )
    # Use an existing file: a start may have been interrupted before its first commit, or the file may have been
    # created for another database.
    make_primary(min(_ids_in_ring(), default="") or create_file())
