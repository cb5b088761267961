"""The entries that only the archive has."""

import json
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from audit.archive.contents import Kept
from audit.archive.reading import read_segment
from audit.browse.matching import Matcher
from audit.browse.selection import is_between
from audit.log.entries import ACTOR_ID
from audit.models import AuditSegment, Integrity


@dataclass(frozen=True, slots=True)
class ArchivedEntry:
    """An entry in a file that has the digest of its segment. ``octets`` are the bytes that are hashed into the tree."""

    columns: Mapping[str, Any]
    octets: bytes
    integrity: Integrity = Integrity.VERIFIED

    @property
    def log_id(self) -> int:
        return int(self.columns["id"])


def segments_with_matches(matcher: Matcher) -> list[AuditSegment]:
    """The segments that may have entries that match, oldest first. Raises IntegrityFailed for an altered row."""
    if not matcher.may_match_operations:
        return []
    rows = AuditSegment.objects.filter(
        is_between("last_at", matcher.since, None) & is_between("first_at", None, matcher.until)
    )
    return [row.check_mac() for row in rows.order_by("number")]


def matching_entries(
    segments: Collection[AuditSegment], matcher: Matcher, before_each: Callable[[], object]
) -> Iterator[ArchivedEntry]:
    """The entries of the segments that match and that do not stay in the database, oldest first.

    The database may have some of them, until all are removed. Calls ``before_each`` before it reads a file. Raises
    SegmentUnreadable, IntegrityFailed, and what ``before_each`` raises.
    """
    for segment in segments:
        before_each()
        for octets in _archived_only(segment):
            entry = archived_entry(octets)
            if matcher.matches(entry.columns):
                yield entry


def archived_entry(octets: bytes) -> ArchivedEntry:
    """The entry with these bytes of a file."""
    return ArchivedEntry({ACTOR_ID: None, **json.loads(octets)}, octets)


def _archived_only(segment: AuditSegment) -> Iterator[bytes]:
    """The bytes of each entry whose row does not stay."""
    kept = Kept(segment)
    for place, octets in enumerate(read_segment(segment).entries):
        if place not in kept:
            yield octets
