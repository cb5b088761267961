"""The columns ``kept`` and ``removed`` of a segment: entries that the database keeps, and numbers of the others.

``AuditSegment.kept`` is a bit for each entry, set if it stays, compressed with zlib: bit ``n % 8`` of octet ``n // 8``.
``AuditSegment.removed`` is the canonical JSON of ``{writer: [[first, last], …]}``.
"""

import json
import zlib
from collections.abc import Collection, Iterable, Iterator, Mapping
from itertools import groupby

from audit.log import canonical
from audit.models import AuditSegment


def encode_kept(places: Iterable[int]) -> bytes:
    """The places of kept entries within the segment, from 0."""
    bits = bytearray(AuditSegment.ENTRIES // 8)
    for place in places:
        bits[place // 8] |= 1 << place % 8
    return zlib.compress(bytes(bits))


class Kept:
    """Inverse of ``encode_kept``."""

    def __init__(self, segment: AuditSegment) -> None:
        self._bits = zlib.decompress(bytes(segment.kept))

    def __contains__(self, place: int) -> bool:
        return bool(self._bits[place // 8] >> place % 8 & 1)

    def __len__(self) -> int:
        return int.from_bytes(self._bits).bit_count()


def count_moved(segment: AuditSegment) -> int:
    """The number of entries that do not stay in the database."""
    return AuditSegment.ENTRIES - len(Kept(segment))


def encode_removed(numbers: Iterable[tuple[str, int]]) -> str:
    """The numbers (writer, wseq) of removed entries."""
    of_writer: dict[str, list[int]] = {}
    for writer, wseq in numbers:
        of_writer.setdefault(writer, []).append(wseq)
    ranges = {writer: list(ranges_of(wseqs)) for writer, wseqs in of_writer.items()}
    return canonical.encode(ranges).decode()


def removed_numbers(segment: AuditSegment) -> Mapping[str, list[tuple[int, int]]]:
    """Inverse of ``encode_removed``: the first and the last number of each range."""
    return {
        writer: [(first, last) for first, last in ranges]
        for writer, ranges in json.loads(segment.removed).items()
    }


def has_removed(writer: str, numbers: range) -> bool:
    """Whether the archive has removed entries with any of these numbers. Reads the segments of the writer."""
    segments = AuditSegment.objects.filter(removed__contains=writer).only("removed")
    return any(
        first < numbers.stop and numbers.start <= last
        for segment in segments.iterator()
        for first, last in removed_numbers(segment).get(writer, ())
    )


def ranges_of(numbers: Collection[int]) -> Iterator[tuple[int, int]]:
    """The ranges (first, last) of consecutive numbers."""
    for _, run in groupby(enumerate(sorted(numbers)), lambda each: each[1] - each[0]):
        found = [number for _, number in run]
        yield found[0], found[-1]
