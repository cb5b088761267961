"""Read the files of the archive."""

import hashlib
from functools import lru_cache

from audit.archive.places import configured_place
from audit.archive.segments import Segment, name_of
from audit.errors import SegmentUnreadable
from audit.models import AuditSegment
from audit.tlog.merkle import HASH_SIZE, leaf_hash
from audit.tlog.tiles import WIDTH
from kernel.errors import DomainError
from kernel.runtime import process_cache
from kernel.trust.row_mac import IntegrityFailed


def read_file(segment: AuditSegment) -> bytes:
    """The file of a segment, which its row describes. Raises SegmentUnreadable, and IntegrityFailed for other bytes."""
    return _read_file(name_of(segment.number), segment.version_id, segment.sha256)


def read_segment(segment: AuditSegment) -> Segment:
    """The content. Raises what ``read_file`` raises."""
    return Segment.decode(read_file(segment))


def archived_tile(number: int) -> bytes:
    """The hashes of a tile of level 0 whose entries are in the archive, ``b""`` for any other tile.

    Raises what ``read_file`` raises, and IntegrityFailed if the segment was altered.
    """
    segment_number, first = divmod(number * WIDTH, AuditSegment.ENTRIES)
    segment = AuditSegment.objects.filter(number=segment_number).first()
    if segment is None:
        return b""
    segment.check_mac()
    leaves = _leaves_of(name_of(segment.number), segment.version_id, segment.sha256)
    return leaves[first * HASH_SIZE : (first + WIDTH) * HASH_SIZE]


@process_cache
@lru_cache(1)
def _leaves_of(name: str, version_id: str, sha256: str) -> bytes:
    """The leaf hashes of a file. Readers of a tile usually read the next one, too."""
    entries = Segment.decode(_read_file(name, version_id, sha256)).entries
    return b"".join(leaf_hash(entry) for entry in entries)


def _read_file(name: str, version_id: str, sha256: str) -> bytes:
    try:
        octets = configured_place().read(name, version_id).content
    except (DomainError, OSError) as error:
        reason = error.detail if isinstance(error, DomainError) else error.strerror or str(error)
        raise SegmentUnreadable(name, reason.rstrip(".")) from error
    if hashlib.sha256(octets).hexdigest() != sha256:
        raise IntegrityFailed(
            f"The file {name} of the archive was altered. Restore it, and find out who changed it."
        )
    return octets
