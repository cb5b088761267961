"""All known heads of the tree: stored checkpoints, those kept outside, and the head that this host remembers.

Each is compared when the growing tree has its size. Without pinned keys, every key of the table may sign. With pinned
keys, only these may, and keys that the log publishes before a checkpoint by a trusted key. A trusted key must also
have signed the new keys themselves.
"""

from bisect import bisect_left, bisect_right
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from audit.log.canonical import format_timestamp
from audit.log.raw_rows import rows_of, spelled
from audit.models import AuditCheckpoint
from audit.sequencing.checkpoints.links import Link
from audit.sequencing.checkpoints.signing_keys import ALGORITHMS
from audit.sequencing.head import HEAD_FILE, Head
from audit.tlog.checkpoint import (
    Checkpoint,
    CheckpointInvalid,
    VerifierKey,
    open_note,
    open_publication,
)
from audit.verification.findings import Finding, FindingKind
from audit.verification.inspection import Inspection
from audit.verification.links import Links
from kernel.crypto import seed_signing
from kernel.crypto.encoding import decode_canonical_base64

_KEY_ID_SIZE = 4
_NEVER = 2**63  # larger than the size of any tree


@dataclass(frozen=True, slots=True)
class OutsideCheckpoint:
    """A note that was kept outside this installation. ``name`` is what the reader calls it."""

    name: str
    note: str
    size: int

    @classmethod
    def parse(cls, name: str, note: str) -> "OutsideCheckpoint":
        """Only parses it. The signature is checked when the tree has its size. Raises CheckpointInvalid."""
        return cls(name, note, Checkpoint.parse(note.rpartition("\n\n")[0] + "\n").size)


@dataclass(frozen=True, slots=True)
class _Note:
    """``signed_at`` is the time in the row, None without a row."""

    name: str
    text: str
    signed_at: str | None
    link: Link | None = None
    link_mac: object = None

    @property
    def is_from_outside(self) -> bool:
        return self.signed_at is None


@dataclass(frozen=True, slots=True)
class Trust:
    """The keys that may sign for ``origin``. ``is_pinned``: they came from outside."""

    origin: str
    keys: tuple[VerifierKey, ...]
    is_pinned: bool

    def with_published(self, entry: Inspection) -> "Trust":
        """Add the keys that an entry publishes, if a trusted key signed them and their algorithm is pinned."""
        try:
            published = open_publication(self.origin, entry.published, entry.signatures, self.keys)
        except CheckpointInvalid:
            return self  # the new keys are not trusted, and each of their checkpoints is reported
        algorithms = {key.algorithm for key in self.keys}
        new = [key for key in published if key.algorithm in algorithms and key.name == self.origin]
        return Trust(self.origin, tuple(dict.fromkeys((*self.keys, *new))), self.is_pinned)


class Heads:
    """``next_size`` is the smallest size for which there is a head to compare.

    ``stored_keys`` are the keys of this installation. A stored checkpoint must have one signature of each algorithm by
    them, and no others, whichever keys are trusted.
    """

    def __init__(
        self,
        trust: Trust,
        stored_keys: Sequence[VerifierKey],
        outside: Sequence[OutsideCheckpoint],
        remembered: Head | None,
    ) -> None:
        self.signed_size = 0  # of the largest valid checkpoint
        self.counted = 0  # number of valid checkpoints
        self._agreed = 0  # signed_size from outside only: an attacker with the keys can re-sign stored ones
        self._trust = trust
        self._stored_keys = {(key.name, key.key_id): key for key in stored_keys}
        self._outside = outside
        self._remembered = remembered
        self._published: list[tuple[int, Inspection]] = []
        stored = [size for (size,) in rows_of("SELECT size FROM audit_checkpoints")]
        self._odd = [size for size in stored if not isinstance(size, int) or size < 0]
        self._stored = {size for size in stored if size not in self._odd}
        others = {each.size for each in outside} | ({remembered.size} if remembered else set())
        self._all_sizes = sorted(self._stored | others)
        self._sizes = deque(self._all_sizes)
        self._links = Links(self._stored)
        self._refused = 0  # the size of the last invalid checkpoint

    def any_within(self, first: int, last: int) -> bool:
        """Whether there is a head with a size from first to last, compared or not."""
        return bisect_left(self._all_sizes, first) < bisect_right(self._all_sizes, last)

    @property
    def next_size(self) -> int:
        return self._sizes[0] if self._sizes else _NEVER

    def publish(self, index: int, entry: Inspection) -> None:
        """Remember that the entry at this index publishes keys."""
        self._published.append((index, entry))
        if entry.links_checkpoints:
            self._links.require(beyond=index)

    def meet(self, size: int, root: Callable[[], bytes]) -> Iterator[Finding]:
        """Compare the heads of this size, if any, with the tree."""
        if size != self.next_size:
            return
        self._sizes.popleft()
        head = Checkpoint(self._trust.origin, size, root())
        agreed = self._agreed
        for note in self._notes(size):
            yield from self._check(note, head)
        if self._remembers(size) and self._remembered != Head(size, head.root):
            text = f"{HEAD_FILE} in the data folder remembers another tree of {size} entries"
            yield Finding(FindingKind.OLDER, text, agreed, size - 1)

    def finish(self, size: int) -> Iterator[Finding]:
        """The tree ends with this size: report heads beyond it, because their entries were cut off."""
        for odd in self._odd:
            yield Finding(FindingKind.CHECKPOINT, f"a checkpoint of {odd!r} entries is none of this log")
        for beyond in self._sizes:
            yield from self._find_beyond(beyond, size)
        unsigned = min(self._refused, size)
        if unsigned > self.signed_size:
            text = f"no checkpoint that counts vouches for the entries from {self.signed_size} on"
            yield Finding(FindingKind.CHECKPOINT, text, self.signed_size, unsigned - 1)
        newest = max(self._stored, default=0)
        if self._remembered and newest < self._remembered.size:
            # The head is written after signing, and the newest checkpoint is never thinned out.
            text = f"{HEAD_FILE} remembers {self._remembered.size} signed entries, the newest checkpoint {newest}"
            yield Finding(FindingKind.CHECKPOINT, text)

    def _find_beyond(self, beyond: int, size: int) -> Iterator[Finding]:
        for note in self._notes(beyond):
            try:
                open_note(note.text, self._trust.keys)
            except CheckpointInvalid as error:
                yield self._refuse(note, error, beyond)
            else:
                text = f"{note.name} signs {beyond} entries, of which only the first {size} are there"
                yield Finding.at(FindingKind.CHECKPOINT, text, size)
        if self._remembers(beyond):
            text = (
                f"{HEAD_FILE} in the data folder remembers {beyond} entries, of which only {size} are there"
            )
            yield Finding.at(FindingKind.OLDER, text, size)

    def _remembers(self, size: int) -> bool:
        return self._remembered is not None and self._remembered.size == size

    def _notes(self, size: int) -> Iterator[_Note]:
        """The notes that sign a tree of this size."""
        columns = spelled(AuditCheckpoint, ["note", "signed_at", "previous", "kept", "link_mac"], "c")
        statement = f"SELECT {columns} FROM audit_checkpoints c WHERE c.size = %s"  # noqa: S608 - constants
        for note, signed_at, previous, kept, mac in (
            list(rows_of(statement, [size])) if size in self._stored else []
        ):
            link = Link(size, previous, kept)
            yield _Note(f"the checkpoint of {size}", str(note), str(signed_at), link, mac)
        for each in self._outside:
            if each.size == size:
                yield _Note(each.name, each.note, None)

    def _check(self, note: _Note, head: Checkpoint) -> Iterator[Finding]:
        try:
            signed = open_note(note.text, self._trust.keys)
        except CheckpointInvalid as error:
            yield self._refuse(note, error, head.size)
            return
        if (signed.origin, signed.size) != (head.origin, head.size):
            text = f"{note.name} signs {signed.size} entries of {signed.origin}, not of this log"
            yield Finding(FindingKind.CHECKPOINT, text)
        elif signed != head:
            text = f"{note.name} signs another tree of that size"
            first = self._agreed if note.is_from_outside else self.signed_size
            yield Finding(FindingKind.CHECKPOINT, text, min(first, head.size - 1), head.size - 1)
        else:
            yield from self._accept(note, head.size)

    def _refuse(self, note: _Note, error: CheckpointInvalid, size: int) -> Finding:
        self._refused = size
        return Finding(FindingKind.CHECKPOINT, f"{note.name} does not count: {error}")

    def _accept(self, note: _Note, size: int) -> Iterator[Finding]:
        self.counted += 1
        self.signed_size = size
        if note.is_from_outside:
            self._agreed = size
        else:
            yield from self._check_signatures(note)
        if note.link and note.signed_at:
            yield from self._links.check(note.link, note.link_mac, note.signed_at)
        covered = [entry for index, entry in self._published if index < size]
        self._published = [(index, entry) for index, entry in self._published if index >= size]
        for entry in covered if self._trust.is_pinned else ():
            self._trust = self._trust.with_published(entry)

    def _check_signatures(self, note: _Note) -> Iterator[Finding]:
        """Check every signature of a valid stored checkpoint. An unknown one would otherwise be ignored unnoticed."""
        lines = [line.split(" ") for line in note.text.rpartition("\n\n")[2].splitlines()]
        signed = [(name, decode_canonical_base64(signature)) for _, name, signature in lines]
        keys = [self._stored_keys.get((name, octets[:_KEY_ID_SIZE])) for name, octets in signed]
        if sorted(key.algorithm if key else "" for key in keys) != sorted(ALGORITHMS):
            yield Finding(
                FindingKind.CHECKPOINT, f"{note.name} has not the signatures of its log, and no others"
            )
            return
        try:
            open_note(note.text, list(self._stored_keys.values()))
        except CheckpointInvalid as error:
            yield Finding(FindingKind.CHECKPOINT, f"{note.name} does not count: {error}")
            return
        [timestamp] = [
            _timestamp(octets) for key, (_, octets) in zip(keys, signed, strict=True) if _is_dated(key)
        ]
        if timestamp != note.signed_at:
            yield Finding(FindingKind.CHECKPOINT, f"{note.name} was not signed when its row says")


def _is_dated(key: VerifierKey | None) -> bool:
    return key is not None and key.algorithm == seed_signing.ML_DSA_44


def _timestamp(octets: bytes) -> str:
    """When ML-DSA-44 signed, in whole seconds (C2SP tlog-cosignature)."""
    stamp = int.from_bytes(octets[_KEY_ID_SIZE : _KEY_ID_SIZE + 8])
    try:
        return format_timestamp(datetime.fromtimestamp(stamp, UTC))
    except (ValueError, OverflowError, OSError):
        return "beyond the year 9999"
