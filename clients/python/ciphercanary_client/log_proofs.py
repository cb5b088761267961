"""Checkpoints and proofs of the audit log, checked with public keys alone.

Formats: C2SP signed-note, tlog-checkpoint, tlog-cosignature and tlog-proof; hashes of RFC 6962. docs/audit-log.md
describes how the log uses them.
"""

import base64
import hashlib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PublicKey

from ciphercanary_client.errors import VerificationFailed

ED25519, ML_DSA_44 = 0x01, 0x06
_KEY_SIZES = {ED25519: 32, ML_DSA_44: 1312}
_HASH_SIZE, _ID_SIZE, _TIME_SIZE, MAX_NAME = 32, 4, 8, 255
_NOTE = re.compile(r"\A(([^\n]+)\n(0|[1-9][0-9]{0,17})\n(\S+)\n)\n((?:\u2014 \S+ \S+\n)+)\Z")
_PROOF = re.compile(
    r"c2sp\.org/tlog-proof@v1\n(?:extra \S+\n)?index (0|[1-9][0-9]{0,17})\n((?:\S+\n)*)\n(.*)", re.DOTALL
)
_KEY_NAME_AND_ID = tuple[str, bytes]


@dataclass(frozen=True)
class VerifierKey:
    """A public key of the log: ``name+id+base64(type ‖ key)``."""

    name: str
    kind: int
    octets: bytes

    @staticmethod
    def parse(vkey: str) -> "VerifierKey":
        """Raises ValueError."""
        name, _, rest = vkey.partition("+")
        key_id, _, typed = rest.partition("+")
        octets = _decode(typed)
        key = VerifierKey(name, octets[0] if octets else 0, octets[1:])
        is_of_size = _KEY_SIZES.get(key.kind) == len(key.octets)
        if not is_of_size or len(name.encode()) > MAX_NAME or key.place[1].hex() != key_id:
            raise ValueError("This is not a vkey of Ed25519 or ML-DSA-44.")
        return key

    @property
    def vkey(self) -> str:
        return f"{self.name}+{self.place[1].hex()}+{_encode(bytes([self.kind]) + self.octets)}"

    @property
    def place(self) -> _KEY_NAME_AND_ID:
        """Name and id, which identify the key in a signature line."""
        typed = bytes([self.kind]) + self.octets
        return self.name, hashlib.sha256(self.name.encode() + b"\n" + typed).digest()[:_ID_SIZE]

    def verify(self, checkpoint: "Checkpoint", signature: bytes) -> None:
        """Raises InvalidSignature, or UnsupportedAlgorithm if this cryptography has no ML-DSA."""
        if self.kind == ED25519:
            Ed25519PublicKey.from_public_bytes(self.octets).verify(signature, checkpoint.text.encode())
            return
        time, raw = signature[:_TIME_SIZE], signature[_TIME_SIZE:]
        message = b"".join(
            (
                b"subtree/v1\n\0",
                _prefixed(self.name),
                time,
                _prefixed(checkpoint.origin),
                bytes(8),
                checkpoint.size.to_bytes(8, "big"),
                checkpoint.root,
            )
        )
        MLDSA44PublicKey.from_public_bytes(self.octets).verify(raw, message)


@dataclass(frozen=True)
class Checkpoint:
    """A signed head of the tree. It counts once ``verify`` has returned."""

    note: str = field(repr=False)
    text: str = field(repr=False)
    origin: str
    size: int
    root: bytes
    signatures: tuple[tuple[_KEY_NAME_AND_ID, bytes], ...] = field(repr=False)

    @staticmethod
    def parse(note: str) -> "Checkpoint":
        """Raises VerificationFailed."""
        try:
            [(text, origin, size, root, lines)] = _NOTE.findall(note)
            signatures = tuple(_signature(line) for line in lines.splitlines())
            return Checkpoint(note, text, origin, int(size), _decode(root, _HASH_SIZE), signatures)
        except ValueError:
            raise VerificationFailed("The checkpoint is malformed.") from None

    def verify(self, keys: Iterable[VerifierKey]) -> int:
        """The number of valid signatures by trusted keys of this log.

        Raises VerificationFailed if there is none, or if the signature of a trusted key is wrong.
        """
        trusted = {key.place: key for key in keys if key.name == self.origin}
        count = 0
        for place, signature in self.signatures:
            if place not in trusted:
                continue
            try:
                trusted[place].verify(self, signature)
            except InvalidSignature:
                raise VerificationFailed("A signature of the checkpoint is wrong.") from None
            except UnsupportedAlgorithm:
                continue
            count += 1
        if not count:
            raise VerificationFailed(
                "No trusted key signed the checkpoint. If the keys of the log were rotated, check the rotation with "
                "ccverify, and pass the new keys."
            )
        return count


@dataclass(frozen=True)
class EntryProof:
    """A C2SP tlog-proof: the index of a leaf, its path to the root, and a checkpoint that is not verified yet."""

    index: int
    hashes: tuple[bytes, ...]
    checkpoint: Checkpoint

    @staticmethod
    def parse(text: str) -> "EntryProof":
        """Raises VerificationFailed."""
        found = _PROOF.fullmatch(text)
        if found is None:
            raise VerificationFailed("The proof is malformed.")
        index, lines, note = found.groups()
        return EntryProof(int(index), hashes_of(lines.split()), Checkpoint.parse(note))

    def verify(self, entry: bytes) -> None:
        """Raise VerificationFailed unless ``entry`` is the leaf of the tree that the checkpoint signs."""
        leaf = hashlib.sha256(b"\0" + entry).digest()
        size = self.checkpoint.size
        if (
            self.index >= size
            or _climb(self.index, self.index + 1, size, leaf, self.hashes)[1] != self.checkpoint.root
        ):
            raise VerificationFailed("The entry is not in the tree that the checkpoint signs.")


def hashes_of(lines: Iterable[str]) -> tuple[bytes, ...]:
    """Hashes from base64; raises VerificationFailed."""
    try:
        return tuple(_decode(line, _HASH_SIZE) for line in lines)
    except ValueError:
        raise VerificationFailed("The proof contains a malformed hash.") from None


def verify_consistency(old: Checkpoint, new: Checkpoint, hashes: Sequence[bytes]) -> None:
    """Raise VerificationFailed unless the tree of ``new`` begins with that of ``old`` (RFC 9162, section 2.1.4)."""
    if old.origin != new.origin:
        raise VerificationFailed("The checkpoint is of another log.")
    if old.size > new.size:
        raise VerificationFailed(f"The log has {new.size} entries, but had {old.size} before.")
    if old.size == new.size:
        is_same = old.root == new.root and not hashes
    elif not old.size:
        is_same = not hashes
    else:
        begin = old.size - (
            old.size & -old.size
        )  # of the last complete subtree, with whose hash the proof begins
        known, path = (hashes[0], hashes[1:]) if begin and hashes else (old.root, hashes)
        is_same = _climb(begin, old.size, new.size, known, path) == (old.root, new.root)
    if not is_same:
        raise VerificationFailed(
            f"The log with {new.size} entries does not begin with the {old.size} entries of the earlier checkpoint."
        )


def _climb(begin: int, end: int, size: int, known: bytes, path: Sequence[bytes]) -> tuple[bytes, bytes]:
    """The roots over leaves[:end] and leaves[:size], from the hash ``known`` of leaves[begin:end].

    Both are empty if the path has another length.
    """
    low, high = 0, size
    turns: list[bool] = []
    while (low, high) != (begin, end):
        middle = low + (1 << (high - low - 1).bit_length() - 1)
        turns.append(begin >= middle)
        low, high = (middle, high) if turns[-1] else (low, middle)
    if len(turns) != len(path):
        return b"", b""
    former = present = known
    for is_right, sibling in zip(reversed(turns), path, strict=True):
        former = _node(sibling, former) if is_right else former
        present = _node(sibling, present) if is_right else _node(present, sibling)
    return former, present


def _node(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\x01" + left + right).digest()


def _signature(line: str) -> tuple[_KEY_NAME_AND_ID, bytes]:
    _, name, encoded = line.split(" ")
    octets = _decode(encoded)
    return (name, octets[:_ID_SIZE]), octets[_ID_SIZE:]


def _prefixed(text: str) -> bytes:
    octets = text.encode()
    return bytes([len(octets)]) + octets


def _encode(octets: bytes) -> str:
    return base64.b64encode(octets).decode()


def _decode(text: str, size: int | None = None) -> bytes:
    octets = base64.b64decode(text, validate=True)
    if _encode(octets) != text or size not in {None, len(octets)}:
        raise ValueError("The base64 is not canonical, or of another length.")
    return octets
