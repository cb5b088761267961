"""Read the files of the archive."""

import hashlib

from audit.archive.places import configured_place
from audit.archive.segments import Segment, name_of
from audit.errors import SegmentUnreadable
from audit.models import AuditSegment
from kernel.errors import Conflict
from kernel.trust.row_mac import IntegrityFailed


def read_file(segment: AuditSegment) -> bytes:
    """The file of a segment, which its row describes. Raises SegmentUnreadable, and IntegrityFailed for other bytes."""
    name = name_of(segment.number)
    try:
        octets = configured_place().read(name)
    except (Conflict, OSError) as error:
        reason = error.detail if isinstance(error, Conflict) else error.strerror or str(error)
        raise SegmentUnreadable(name, reason.rstrip(".")) from error
    if hashlib.sha256(octets).hexdigest() != segment.sha256:
        raise IntegrityFailed(
            f"The file {name} of the archive was altered. Restore it, and find out who changed it."
        )
    return octets


def read_segment(segment: AuditSegment) -> Segment:
    """The content. Raises what ``read_file`` raises."""
    return Segment.decode(read_file(segment))
