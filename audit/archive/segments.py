"""The file of a segment: its entries as the lines that are hashed into the tree, compressed with xz.

Line 1 is a JSON object: ``segment`` is the number, ``entries`` their number, and ``proof`` the C2SP tlog-proof of the
first entry. The next lines are the entries in order. The others are the changed rows that these entries name, in the
bytes whose SHA-256 an entry contains. Each line ends with a newline, which canonical JSON does not contain.

The proof also proves the root of all entries of the segment, with its hashes above the segment's own tree.
"""

import hashlib
import json
import lzma
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final, Self

from audit.log import canonical
from audit.log.events import TRAIL_DIGESTS
from audit.models import AuditSegment
from audit.tlog.merkle import complete_root, leaf_hash

_LEVEL: Final = 1  # of xz: higher levels save 3 %, and take several times as long
# An entry has about 600 bytes. The largest ones would make 5 GB, which a reader could not hold.
MOST_CONTENT_BYTES: Final = 2**30
_MOST_OF_A_HEAD: Final = 2**17  # a proof has a few kilobytes
_MOST_MEMORY: Final = 2**26  # of the decoder: a file may claim a dictionary of 4 GiB
_NAMES: Final = TRAIL_DIGESTS.encode()


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

    @property
    def has_named_rows(self) -> bool:
        """Whether the changed rows are those whose digests the entries contain."""
        named = [json.loads(json.loads(entry)["meta"]) for entry in self.entries if _NAMES in entry]
        digests = [digest for meta in named for digest in meta.get(TRAIL_DIGESTS, ())]
        return sorted(digests) == sorted(hashlib.sha256(row).hexdigest() for row in self.rows)

    @property
    def content(self) -> bytes:
        """The lines of the file."""
        head = canonical.encode({"entries": len(self.entries), "proof": self.proof, "segment": self.number})
        return b"".join(line + b"\n" for line in (head, *self.entries, *self.rows))

    def encode(self) -> bytes:
        """The bytes of the file. Raises ValueError if the content has more than ``MOST_CONTENT_BYTES``."""
        content = self.content
        if len(content) > MOST_CONTENT_BYTES:
            raise ValueError(f"a segment has at most {MOST_CONTENT_BYTES} bytes")
        return lzma.compress(content, preset=_LEVEL)

    def with_proof_of(self, octets: bytes) -> Self:
        """The segment as a file has it, whose proof may have another checkpoint. Raises ValueError for other content.

        Anyone may have written the file: it is decompressed up to the expected length, and the proof is not verified.
        """
        content = _decompressed(octets, len(self.content) + _MOST_OF_A_HEAD)
        _, proof = _parsed(content.partition(b"\n")[0])
        found = replace(self, proof=proof)
        if found.content != content:
            raise ValueError("the file has other content")
        return found

    @classmethod
    def decode(cls, octets: bytes) -> Self:
        """Inverse of ``encode``, for bytes with a known digest. Raises ValueError."""
        head, _, rest = _decompressed(octets, MOST_CONTENT_BYTES).partition(b"\n")
        lines = rest.split(b"\n")
        if lines.pop() or len(lines) < AuditSegment.ENTRIES:
            raise ValueError("the file is incomplete")
        return cls(*_parsed(head), lines[: AuditSegment.ENTRIES], lines[AuditSegment.ENTRIES :])


def _decompressed(octets: bytes, most: int) -> bytes:
    """Raises ValueError for more than ``most`` bytes, and for a file that is damaged or was cut off."""
    try:
        decompressor = lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=_MOST_MEMORY)
        content = decompressor.decompress(octets, most + 1)
    except lzma.LZMAError as error:
        raise ValueError("the file is not compressed with xz") from error
    if not decompressor.eof or decompressor.unused_data or len(content) > most:
        raise ValueError("the file is incomplete, or too long")
    return content


def _parsed(head: bytes) -> tuple[int, str]:
    """The number of the segment, and the proof."""
    try:
        match json.loads(head):
            case {"segment": int(number), "proof": str(proof)}:
                return number, proof
    except (ValueError, RecursionError):
        pass
    raise ValueError("the first line names no segment")
