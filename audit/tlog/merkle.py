"""The Merkle tree over the log: RFC 6962 section 2.1 (RFC 9162 section 2.1), with SHA-256.

A leaf is SHA-256(0x00 ‖ entry), a node SHA-256(0x01 ‖ left ‖ right). A tree of n leaves is split at the largest
power of two below n. Generators and verifiers of proofs share only ``node_hash``: the generators follow the recursion
of RFC 6962, the verifiers the algorithms of RFC 9162.
"""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar, Final

HASH_SIZE: Final = 32
EMPTY_ROOT: Final = hashlib.sha256().digest()

# (level, index) -> the hash of the complete subtree over leaves[index * 2**level : (index + 1) * 2**level].
type HashReader = Callable[[int, int], bytes]


class ProofInvalid(ValueError):
    """A proof does not prove what it should."""


def leaf_hash(entry: bytes) -> bytes:
    return hashlib.sha256(b"\x00" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\x01" + left + right).digest()


@dataclass(frozen=True, slots=True)
class Frontier:
    """The right edge of a tree: the roots of the complete subtrees that make up ``size``, largest first.

    Appending needs nothing else. There is one hash for each bit that is set in ``size``.
    """

    size: int
    hashes: tuple[bytes, ...]

    EMPTY: ClassVar["Frontier"]

    def __post_init__(self) -> None:
        if self.size < 0 or len(self.hashes) != self.size.bit_count():
            raise ValueError(f"a tree of {self.size} leaves has another number of edge hashes")

    def extended(self, leaves: Sequence[bytes]) -> "Frontier":
        """The edge after appending these leaf hashes."""
        edge, open_hashes = list(self.hashes), []
        size, row = self.size, list(leaves)
        while row or size:  # one iteration per level, from the leaves up; row has the new nodes of the level
            if size % 2:
                row.insert(0, edge.pop())
            if len(row) % 2:
                open_hashes.append(row.pop())
            row = _parents(row)
            size //= 2
        return Frontier(self.size + len(leaves), tuple(reversed(open_hashes)))

    def root(self) -> bytes:
        return _join(self.hashes)

    def encode(self) -> bytes:
        return b"".join(self.hashes)

    @classmethod
    def decode(cls, size: int, octets: bytes) -> "Frontier":
        """Inverse of ``encode``. Raises ValueError unless it is the edge of a tree of ``size``."""
        if len(octets) % HASH_SIZE:
            raise ValueError("the edge of a tree is a sequence of whole hashes")
        return cls(size, tuple(octets[at : at + HASH_SIZE] for at in range(0, len(octets), HASH_SIZE)))


Frontier.EMPTY = Frontier(0, ())


def complete_root(hashes: Sequence[bytes]) -> bytes:
    """The root above 2**k hashes of one level. Raises ValueError for another number."""
    if len(hashes).bit_count() != 1:
        raise ValueError("a complete subtree has a power of two of hashes")
    row = list(hashes)
    while len(row) > 1:
        row = _parents(row)
    return row[0]


def root(size: int, read: HashReader) -> bytes:
    """The root of the tree over the first ``size`` leaves."""
    return _range_root(0, size, read)


def covering_hashes(begin: int, end: int, read: HashReader) -> list[bytes]:
    """The roots of the largest complete subtrees that make up leaves[begin:end], from left to right.

    The hashes up to a leaf, the leaves after it, and the hashes after these make up the root of the whole tree.
    """
    hashes = []
    while begin < end:
        level = (end - begin).bit_length() - 1
        if begin:
            level = min(level, (begin & -begin).bit_length() - 1)
        hashes.append(read(level, begin >> level))
        begin += 1 << level
    return hashes


def inclusion_proof(index: int, size: int, read: HashReader) -> list[bytes]:
    """PATH(index, D[size]) of RFC 6962 section 2.1.1, from the leaf's sibling up. Raises ValueError out of range."""
    if not 0 <= index < size:
        raise ValueError(f"a tree of {size} leaves has no leaf {index}")
    begin, end, path = 0, size, []
    while end - begin > 1:
        middle = _split(begin, end)
        if index < middle:
            path.append(_range_root(middle, end, read))
            end = middle
        else:
            path.append(_range_root(begin, middle, read))
            begin = middle
    return path[::-1]


def consistency_proof(first: int, second: int, read: HashReader) -> list[bytes]:
    """PROOF(first, D[second]) of RFC 6962 section 2.1.2. Empty if ``first`` is 0 or equal to ``second``.

    Raises ValueError out of range.
    """
    if not 0 <= first <= second:
        raise ValueError(f"a tree of {second} leaves has no former size {first}")
    if first == 0:
        return []
    begin, end, path = 0, second, []
    while first < end:
        middle = _split(begin, end)
        if first <= middle:
            path.append(_range_root(middle, end, read))
            end = middle
        else:
            path.append(_range_root(begin, middle, read))
            begin = middle
    if begin:  # otherwise it is the first tree itself, and the verifier has its root
        path.append(_range_root(begin, end, read))
    return path[::-1]


def verify_inclusion(leaf: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes) -> None:
    """RFC 9162 section 2.1.3.2: check that ``leaf`` (a hash) is at ``index``. Raises ProofInvalid."""
    if not 0 <= index < size:
        raise ProofInvalid(f"a tree of {size} leaves has no leaf {index}")
    _require_hashes(leaf, *proof)
    node, last, computed = index, size - 1, leaf
    for sibling in proof:
        if last == 0:
            raise ProofInvalid("the inclusion proof is too long")
        if node % 2 or node == last:
            computed = node_hash(sibling, computed)
            while node % 2 == 0 and node:
                node, last = node // 2, last // 2
        else:
            computed = node_hash(computed, sibling)
        node, last = node // 2, last // 2
    if last:
        raise ProofInvalid("the inclusion proof is too short")
    if computed != root:
        raise ProofInvalid(f"the entry is not leaf {index} of the tree of {size}")


def verify_consistency(
    first: int, first_root: bytes, second: int, second_root: bytes, proof: Sequence[bytes]
) -> None:
    """RFC 9162 section 2.1.4.2: check that the second tree begins with the first. Raises ProofInvalid."""
    if not 0 <= first <= second:
        raise ProofInvalid(f"a tree of {second} leaves has no former size {first}")
    _require_hashes(*proof)
    if first in {0, second}:
        _verify_trivially(first, first_root, second, second_root, proof)
        return
    path = [first_root, *proof] if first.bit_count() == 1 else list(proof)
    if not path:
        raise ProofInvalid("the consistency proof is empty")
    node, last = first - 1, second - 1
    while node % 2:
        node, last = node // 2, last // 2
    former = present = path[0]
    for sibling in path[1:]:
        if last == 0:
            raise ProofInvalid("the consistency proof is too long")
        if node % 2 or node == last:
            former, present = node_hash(sibling, former), node_hash(sibling, present)
            while node % 2 == 0 and node:
                node, last = node // 2, last // 2
        else:
            present = node_hash(present, sibling)
        node, last = node // 2, last // 2
    if last or former != first_root or present != second_root:
        raise ProofInvalid(f"the tree of {second} does not begin with the tree of {first}")


def _verify_trivially(
    first: int, first_root: bytes, second: int, second_root: bytes, proof: Sequence[bytes]
) -> None:
    if proof:
        raise ProofInvalid("the consistency proof is too long")
    if first == 0 and first_root != EMPTY_ROOT:
        raise ProofInvalid("the root of an empty tree is the hash of nothing")
    if first == second and first_root != second_root:
        raise ProofInvalid(f"there are two trees of {first} leaves")


def _require_hashes(*values: bytes) -> None:
    # With another length, bytes could move from one side of a node to the other.
    if any(len(value) != HASH_SIZE for value in values):
        raise ProofInvalid(f"a hash has {HASH_SIZE} bytes")


def _split(begin: int, end: int) -> int:
    """The split point of leaves[begin:end] (two at least): after the largest power of two below their number."""
    return begin + (1 << (end - begin - 1).bit_length() - 1)


def _range_root(begin: int, end: int, read: HashReader) -> bytes:
    """The root over leaves[begin:end]. ``begin`` is a multiple of the largest power of two within their number."""
    hashes = []
    for level in reversed(range((end - begin).bit_length())):
        if (end - begin) >> level & 1:
            # The larger subtrees come first. Their sizes are the higher bits of the number of leaves.
            start = begin + ((end - begin) >> level + 1 << level + 1)
            hashes.append(read(level, start >> level))
    return _join(hashes)


def _join(hashes: Sequence[bytes]) -> bytes:
    """The root over complete subtrees, largest first."""
    if not hashes:
        return EMPTY_ROOT
    *larger, computed = hashes
    for left in reversed(larger):
        computed = node_hash(left, computed)
    return computed


def _parents(row: Sequence[bytes]) -> list[bytes]:
    return [node_hash(row[at], row[at + 1]) for at in range(0, len(row), 2)]
