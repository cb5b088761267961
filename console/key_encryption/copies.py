"""Prove that a copy of the key-encryption keys is good: each key opens the sentinel of its record."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final

from django.conf import settings

from accounts.principals import Principal
from audit.log.events import Event, Outcome
from audit.services.recording import record_alone
from console import actions
from console.key_encryption.services import KEK_ID, OBJECT_TYPE, PERMISSION
from kernel.errors import Conflict
from kernel.trust import kek
from kernel.trust.kek_records import KekUnavailable
from kernel.trust.models import KeyEncryptionKey

_MOST_BYTES: Final = 64 * 1024  # of a file that could be a copy


class Verdict(StrEnum):
    GOOD = "good"
    WRONG = "wrong"  # another key under the same id
    DAMAGED = "damaged"  # no key at all
    UNKNOWN = "unknown"  # of another installation
    MISSING = "missing"


TEXTS: Final[Mapping[Verdict, str]] = {
    Verdict.GOOD: "is good.",
    Verdict.WRONG: "is not the key with this id. The copy is useless.",
    Verdict.DAMAGED: "is not 32 bytes in base64. The copy is damaged.",
    Verdict.UNKNOWN: "is not a key that this database uses.",
    Verdict.MISSING: "is not in the copy, but this database needs it.",
}


@dataclass(frozen=True, slots=True)
class CheckedCopy:
    """``kek_id`` is empty if the file names none. ``use`` is ``primary``, ``older``, ``retired`` or ``not used``."""

    file: str
    kek_id: str
    use: str
    verdict: Verdict


def check_kek_copies(*, principal: Principal, path: Path) -> list[CheckedCopy]:
    """Check a file ``kek-<id>.key``, a folder of ``backup_kek``, or a file with the value of ``CC_KEK``; record the result of each key.

    A folder and a value of ``CC_KEK`` must contain every key that the database needs. Raises Denied, Conflict if there is
    nothing to check, OSError and AuditUnavailable.
    """
    principal.require(PERMISSION)
    if path.resolve().is_relative_to(Path(settings.CC_HOME).resolve()):
        raise Conflict("This is the data folder, not a copy. Name a copy in another place.")
    records = {record.id: record for record in KeyEncryptionKey.objects.order_by("id")}
    checked = list(_checked(path, records))
    primary = next((record.id for record in records.values() if record.is_primary), "")
    for copy in checked:
        record_alone(_event(copy, copy.kek_id or primary), principal.actor)
    return checked


def _event(copy: CheckedCopy, kek_id: str) -> Event:
    is_good = copy.verdict == Verdict.GOOD
    return Event(
        action=actions.KEK_COPY_CHECKED,
        object_type=OBJECT_TYPE,
        object_id=kek_id,
        outcome=Outcome.OK if is_good else Outcome.ERROR,
        code="" if is_good else "kek_copy_unusable",
        meta={"verdict": str(copy.verdict)},
    )


def _checked(path: Path, records: Mapping[str, KeyEncryptionKey]) -> Iterator[CheckedCopy]:
    """Raises Conflict, OSError."""
    found, is_whole_ring = _texts(path)
    for file, kek_id, text in found:
        record = records.get(kek_id)
        yield CheckedCopy(file, kek_id, _use(record), _verdict(kek_id, text, record))
    if is_whole_ring:
        copied = {kek_id for _, kek_id, _ in found}
        for record in records.values():
            if record.retired_at is None and record.id not in copied:
                yield CheckedCopy(f"kek-{record.id}.key", record.id, _use(record), Verdict.MISSING)


def _texts(path: Path) -> tuple[list[tuple[str, str, bytes]], bool]:
    """File, id and content of each key, and whether the copy is meant to be complete. Raises Conflict, OSError."""
    if path.is_dir():
        files = sorted(path.glob(kek.KEK_FILES))
        if not files:
            raise Conflict(f"{path} has no file {kek.KEK_FILES}. Name a folder that backup_kek has written.")
        return [(file.name, _id_of(file), _read(file)) for file in files], True
    content = _read(path)
    if b":" not in content:
        return [(path.name, _id_of(path), content)], False
    try:
        entries = kek.parse_entries(content.decode().split(","))
    except (UnicodeDecodeError, KekUnavailable):
        entries = {}
    if not entries or not all(KEK_ID.fullmatch(kek_id) for kek_id in entries):
        return [(path.name, "", b"")], False
    return [(path.name, kek_id, text) for kek_id, text in entries.items()], True


def _id_of(file: Path) -> str:
    kek_id = file.stem.removeprefix("kek-") if file.match(kek.KEK_FILES) else ""
    return kek_id if KEK_ID.fullmatch(kek_id) else ""


def _read(path: Path) -> bytes:
    with path.open("rb") as file:
        content = file.read(_MOST_BYTES + 1)
    return content.strip() if len(content) <= _MOST_BYTES else b""


def _verdict(kek_id: str, text: bytes, record: KeyEncryptionKey | None) -> Verdict:
    try:
        if record is not None:
            return Verdict.GOOD if kek.is_copy_of(record, text) else Verdict.WRONG
        return Verdict.GOOD if kek.is_copy_of_ring(kek_id, text) else Verdict.UNKNOWN
    except KekUnavailable:
        return Verdict.DAMAGED


def _use(record: KeyEncryptionKey | None) -> str:
    if record is None:
        return "not used"
    if record.retired_at is not None:
        return "retired"
    return "primary" if record.is_primary else "older"
