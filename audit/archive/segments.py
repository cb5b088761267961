"""The file of a segment: its entries as the lines that are hashed into the tree, compressed with xz.

Line 1 is a JSON object: ``segment`` is the number, ``entries`` their number, and ``proof`` the C2SP tlog-proof of the
first entry. The next lines are the entries in order. The others are the changed rows that these entries name, in the
bytes whose SHA-256 an entry contains. Each line ends with a newline, which canonical JSON does not contain.

The proof also proves the root of all entries of the segment, with its hashes above the segment's own tree.
"""

import json
import lzma
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Self

from audit.log import canonical
from audit.models import AuditSegment
from audit.tlog.merkle import complete_root, leaf_hash

_LEVEL: Final = 1  # of xz: higher levels save 3 %, and take several times as long
# An entry has about 600 bytes. The largest ones would make 5 GB, which a reader could not hold.
MOST_BYTES: Final = 2**30


def name_of(number: int) -> str:
    """The name of a segment's file."""
    return f"segment-{number:08}.jsonl.xz"


@dataclass(frozen=True, slots=True)
class Segment:
    """The content of a file. ``rows`` are the changed rows, in the order of their entries."""

    number: int
    proof: str
    entries: Sequence[bytes]
    rows: Sequence[bytes]

    @property
    def root(self) -> bytes:
        """The root of the tree over these entries."""
        return complete_root([leaf_hash(entry) for entry in self.entries])

    def has_content_of(self, other: Self) -> bool:
        """Whether both have the same entries and changed rows. The proofs may have different checkpoints."""
        return (self.number, list(self.entries), list(self.rows)) == (
            other.number,
            list(other.entries),
            list(other.rows),
        )

    def encode(self) -> bytes:
        """The bytes of the file. Raises ValueError if the content has more than ``MOST_BYTES``."""
        head = canonical.encode({"entries": len(self.entries), "proof": self.proof, "segment": self.number})
        content = b"".join(line + b"\n" for line in (head, *self.entries, *self.rows))
        if len(content) > MOST_BYTES:
            raise ValueError(f"a segment has at most {MOST_BYTES} bytes")
        return lzma.compress(content, preset=_LEVEL)

    @classmethod
    def decode(cls, octets: bytes) -> Self:
        """Inverse of ``encode``. Raises ValueError."""
        try:
            decompressor = lzma.LZMADecompressor(lzma.FORMAT_XZ)
            content = decompressor.decompress(octets, MOST_BYTES)
        except lzma.LZMAError as error:
            raise ValueError("the file is not compressed with xz") from error
        head, *lines = content.split(b"\n")
        if (
            not decompressor.eof
            or decompressor.unused_data
            or lines.pop()
            or len(lines) < AuditSegment.ENTRIES
        ):
            raise ValueError("the file is incomplete")
        match json.loads(head):
            case {"segment": int(number), "proof": str(proof)}:
                return cls(number, proof, lines[: AuditSegment.ENTRIES], lines[AuditSegment.ENTRIES :])
        raise ValueError("the first line names no segment")
