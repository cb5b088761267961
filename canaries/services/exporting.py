"""Export the journal as JSON lines, for ``ccverify verify-journal``."""

import json
from collections.abc import Iterator

import msgspec

from audit.actions import JOURNAL_ANCHORED
from audit.models import AuditLog
from canaries.sealed import journal
from canaries.sealed.alarms import alarm_if_altered
from canaries.sealed.store import anchor_of, changing
from kernel.crypto.encoding import encode_base64

_encode = msgspec.json.Encoder().encode


def export_journal(*, by: str) -> Iterator[bytes]:
    """A line for each page. Its last record is that of the export. ``by``: an officer's id, or ``HOST``.

    Raises DocumentsAltered, also after some lines.
    """
    with alarm_if_altered():
        with changing(by) as change:
            change.note("journal.exported")
        entries = _anchored()
        for found in journal.read():
            yield _line(found, entries)


def _line(found: journal.ChainedPage, entries: dict[str, int]) -> bytes:
    """``digest`` and ``previous`` are over the sealed bytes. The other members are what was sealed."""
    page = found.page
    members: dict[str, object] = {
        "page": page.number,
        "sealed": encode_base64(found.sealed),
        "digest": found.digest,
        "previous": page.previous,
        "position": page.position,
        "documents": page.documents,
        "records": page.records,
    }
    if anchor := anchor_of(page, found.digest):
        members["anchor"] = {"salt": anchor.salt, "log_id": entries.get(anchor.commitment)}
    return _encode(members) + b"\n"


def _anchored() -> dict[str, int]:
    """The ids of the entries that commit to the journal, by commitment. One that waits has no id yet."""
    rows = AuditLog.objects.filter(action=JOURNAL_ANCHORED).values_list("id", "meta")  # noqa: CC2 - of the whole installation
    return {json.loads(meta).get("digest", ""): log_id for log_id, meta in rows.iterator()}
