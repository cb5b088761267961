"""Read and change the sealed documents. A change is one transaction, with its records in the journal.

Every hour, in every installation, everything is sealed again, and the log commits to the journal: its entry has
``SHA-256(salt ‖ digest of the last page)``. The salt is in that page, so the entry shows nothing, and a page can be
proved with the salt of its hour.
"""

import hashlib
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple

from django.db import connection, transaction
from msgspec import Struct

from audit.actions import JOURNAL_ANCHORED
from audit.log.events import Actor, Event, Source
from audit.log.row_numbers import number_of_entries
from audit.models import AuditLog
from audit.services.recording import record
from canaries.documents import HOST, CanarySet, Incidents, Page, Record, active_officers
from canaries.errors import DocumentsAltered
from canaries.models import LogPosition, SealedDocument
from canaries.sealed import journal
from canaries.sealed.consistency import Consistent, check_position, read_consistent, read_documents
from canaries.sealed.sealing import open_document, seal_document
from kernel.clock import database_now
from kernel.crypto.errors import UnwrapFailed
from kernel.databases.counting import uncounted_statements
from kernel.databases.lock_waits import bounded
from kernel.databases.transactions import wait_for_lock
from kernel.errors import NotFound
from kernel.runtime import ProcessState
from kernel.trust.row_mac import IntegrityFailed

SET: Final = "set"
_INCIDENTS: Final = "incidents"
_ANCHOR: Final = "journal.anchored"  # the word of the record with the salt
_PERIOD: Final = timedelta(hours=1)
_LOCK: Final = int.from_bytes(b"cc-canar")  # our key among PostgreSQL's advisory locks, a bigint
_ACTOR: Final = Actor.system("sealed journal", Source.SCHEDULER)


class _Documents(NamedTuple):
    set: CanarySet
    incidents: Incidents


@dataclass(slots=True)
class Change:
    """The opened documents, which the caller changes, and the records of the change. ``by``: as in ``changing``."""

    set: CanarySet
    incidents: Incidents
    at: datetime
    by: str = ""
    records: list[Record] = field(default_factory=list)

    def note(self, word: str, **facts: Any) -> None:
        who = {"by": self.by} if self.by else {}
        self.records.append(Record(at=self.at, word=word, facts=who | facts))


class _Cache:
    """The opened documents as of a page of the journal, which each change adds to."""

    def __init__(self) -> None:
        self.number, self.documents = 0, _Documents(CanarySet(), Incidents())


_cache: Final = ProcessState(_Cache)


def read_set() -> CanarySet:
    """Not to be changed. Raises DocumentsAltered."""
    return read_opened().set


def read_incidents() -> Incidents:
    """Not to be changed. Raises DocumentsAltered."""
    return read_opened().incidents


@uncounted_statements()
def read_opened() -> _Documents:
    """Both documents, of one moment, with one query unless they changed. Not to be changed.

    Raises DocumentsAltered.
    """
    if connection.in_atomic_block:
        return _read_opened()  # they may never be committed
    number, cache = journal.newest_number(), _cache.current
    if number == 0 or number != cache.number:
        # Read after the number. So a later change has another number, and is read next time.
        cache.documents, cache.number = _read_opened(), number
    return cache.documents


def _read_opened() -> _Documents:
    """Empty before the first start. If everything was removed since, ``changing`` raises."""
    found = read_documents()
    return _opened_of(found) if found else _Documents(CanarySet(), Incidents())


def _opened_of(found: Mapping[str, bytes]) -> _Documents:
    return _Documents(_opened(found, SET, CanarySet), _opened(found, _INCIDENTS, Incidents))


@contextmanager
def changing(by: str = "") -> Iterator[Change]:
    """Open both documents, and seal them again at the end of the block, unless it raises.

    ``by``: an officer's id, ``HOST``, or "" for the product itself. Creates the documents of a new installation. Raises
    NotFound if the office has ended since the request began, DocumentsAltered and IntegrityFailed.
    """
    # ``bounded``: any session of the database can hold the lock for ever.
    with uncounted_statements(), bounded(), transaction.atomic():
        wait_for_lock(_LOCK)
        last, found = read_consistent()
        if last is None and _is_new():
            # Nothing was planted yet, so earlier entries are of no interest.
            LogPosition(last_id=_newest_id()).save_with_mac()
            documents = _Documents(CanarySet(), Incidents())
        else:
            documents = _opened_of(found)
        change = Change(*documents, database_now(), by)
        _require_office(change)
        yield change
        salt = secrets.token_hex(32) if _is_due(change.incidents, change.at) else ""
        if salt:
            change.incidents.anchored_at = change.at
            change.note(_ANCHOR, salt=salt)
        digest = journal.append(last, change.records, _write(change), _position_after(last))
        if salt:
            event = Event(action=JOURNAL_ANCHORED, meta={"digest": commitment(salt, digest)})
            record(event, _ACTOR, at=change.at)


def anchor_due(state: Consistent | None = None) -> None:
    """Seal everything again, and anchor the journal, unless this happened within the last hour.

    ``state``: as it was just read. Raises DocumentsAltered and IntegrityFailed.
    """
    found = (state or read_consistent()).documents
    if not found or _is_due(_opened(found, _INCIDENTS, Incidents), database_now()):
        with changing():
            pass


class _Anchor(NamedTuple):
    """What a page shows about its hour. The entry of the log has the commitment."""

    salt: str
    commitment: str


def anchor_of(page: Page, digest: str) -> _Anchor | None:
    """The anchor in a page with this digest, if it has one."""
    salt = next((record.facts["salt"] for record in page.records if record.word == _ANCHOR), None)
    return _Anchor(salt, commitment(salt, digest)) if salt else None


def commitment(salt: str, digest: str) -> str:
    """Hex, as both arguments."""
    return hashlib.sha256(bytes.fromhex(salt) + bytes.fromhex(digest)).hexdigest()


def _require_office(change: Change) -> None:
    if change.by not in ("", HOST, *map(str, active_officers(change.set.offices, change.at))):
        raise NotFound


def _is_due(incidents: Incidents, now: datetime) -> bool:
    return incidents.anchored_at is None or now - incidents.anchored_at >= _PERIOD


def _is_new() -> bool:
    """Whether nothing was ever sealed. The first change is anchored in the log, where the entry stays."""
    return not AuditLog.objects.filter(action=JOURNAL_ANCHORED).exists()  # noqa: CC2 - of the whole installation


def _newest_id() -> int:
    rows = AuditLog.objects.order_by("-id").values_list("id", "entries")  # noqa: CC2 - of the whole log
    log_id, entries = rows.first() or (0, None)
    return log_id + number_of_entries(entries) - 1 if log_id else 0


def _write(change: Change) -> Mapping[str, str]:
    """Their digests."""
    sealed = {SET: seal_document(SET, change.set), _INCIDENTS: seal_document(_INCIDENTS, change.incidents)}
    SealedDocument.objects.bulk_create(  # noqa: CC3 - sealing authenticates them
        [SealedDocument(name=name, sealed=octets) for name, octets in sealed.items()],
        update_conflicts=True,
        unique_fields=["name"],
        update_fields=["sealed"],
    )
    return {name: journal.digest_of(octets) for name, octets in sealed.items()}


def _position_after(last: journal.ChainedPage | None) -> int:
    """If the stored position was altered, that of the last page: the officers must still get a notice."""
    try:
        return check_position(last).last_id
    except (DocumentsAltered, IntegrityFailed):
        return last.page.position if last else 0


def _opened[D: Struct](found: Mapping[str, bytes], name: str, form: type[D]) -> D:
    try:
        return open_document(name, found[name], form)
    except (KeyError, UnwrapFailed):
        raise DocumentsAltered from None
