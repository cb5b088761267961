"""A receiver of canonical JSON: it verifies each batch with its checkpoint, and the order of all of them."""

import base64
import json
from collections.abc import Iterable, Sequence

from audit.tlog.checkpoint import VerifierKey, open_note
from audit.tlog.merkle import Frontier, leaf_hash, node_hash


class Verified:
    """The entries from the first batch on. Each check is an assertion.

    ``duplicates`` were sent again, because an acknowledgement was lost. ``size`` is that of the newest checkpoint.
    """

    def __init__(self, keys: Sequence[VerifierKey]) -> None:
        self.keys = keys
        self.leaves: list[bytes] = []
        self.duplicates = self.batches = self.size = 0
        self._offset = 0  # of the first entry
        self._edge = Frontier.EMPTY  # after the newest entry
        self._last = range(0)  # the indices of the last batch

    @property
    def end(self) -> int:
        """The index after the newest entry."""
        return self._offset + len(self.leaves)

    def take(self, body: bytes) -> list[bytes]:
        """A batch: lines of entries, then the line of the checkpoint. Returns the lines of new entries."""
        *entries, last = body.splitlines()
        proof = json.loads(last)
        first, after = proof["first"], _hashes(proof["after"])
        before = Frontier(first, tuple(_hashes(proof["before"])))
        assert proof["entries"] == len(entries) > 0
        checkpoint = open_note(proof["checkpoint"], self.keys)
        leaves = [leaf_hash(entry) for entry in entries]
        assert root_of(before.extended(leaves), after, checkpoint.size) == checkpoint.root
        if not self.batches:
            self._offset, self._edge, self._last = first, before, range(first, first)
        # Where the last batch ended or, if its acknowledgement was lost, where it began.
        assert first in {self._last.start, self._last.stop}, f"{self._last} is followed by {first}"
        assert first != self.end or before == self._edge
        known = self.leaves[first - self._offset :]
        assert leaves[: len(known)] == known[: len(leaves)]
        self._append(leaves[len(known) :])
        self.duplicates += min(len(known), len(leaves))
        self._last = range(first, first + len(leaves))
        self.size, self.batches = max(self.size, checkpoint.size), self.batches + 1
        return entries[len(known) :]

    def _append(self, leaves: Sequence[bytes]) -> None:
        self.leaves += leaves
        self._edge = self._edge.extended(leaves)


def root_of(edge: Frontier, after: Iterable[bytes], size: int) -> bytes:
    """The root of the tree of ``size`` that begins with the edge and continues with ``after``."""
    stack = [*zip(_levels(edge.size), edge.hashes, strict=True)]
    begin = edge.size
    for each in after:
        level = (size - begin).bit_length() - 1
        if begin:
            level = min(level, (begin & -begin).bit_length() - 1)
        begin += 1 << level
        stack.append((level, each))
        while len(stack) > 1 and stack[-2][0] == stack[-1][0]:
            (level, left), (_, right) = stack[-2:]
            stack[-2:] = [(level + 1, node_hash(left, right))]
    assert begin == size
    computed = stack.pop()[1]
    while stack:
        computed = node_hash(stack.pop()[1], computed)
    return computed


def _levels(size: int) -> list[int]:
    return [level for level in reversed(range(size.bit_length())) if size >> level & 1]


def _hashes(texts: Iterable[str]) -> list[bytes]:
    return [base64.b64decode(text, validate=True) for text in texts]
