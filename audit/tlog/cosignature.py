"""Cosignatures of witnesses (C2SP tlog-cosignature, with Ed25519), and requests for them (C2SP tlog-witness).

A witness states that a checkpoint is the largest that it has seen of this log, and that it extends all earlier ones.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from audit.tlog.checkpoint import (
    COSIGNATURE,
    MAX_SIZE,
    Checkpoint,
    CheckpointInvalid,
    VerifierKey,
    decode_decimal,
    split_note,
)
from audit.tlog.merkle import HASH_SIZE
from kernel.crypto.encoding import decode_canonical_base64, encode_base64

_MAX_PROOF: Final = 63  # hashes
_TIMESTAMP_SIZE: Final = 8
_MALFORMED: Final = "not the old size, a proof, an empty line and a checkpoint"


@dataclass(frozen=True, slots=True)
class Cosignature:
    """A verified cosignature. ``timestamp`` is in seconds since 1970, ``line`` its signature line."""

    witness: VerifierKey
    timestamp: int
    line: str


@dataclass(frozen=True, slots=True)
class WitnessRequest:
    """The body of ``add-checkpoint``: the size that the witness has, the proof from there, and the signed note."""

    old_size: int
    proof: tuple[bytes, ...]
    note: str

    def encode(self) -> bytes:
        lines = "".join(f"{encode_base64(each)}\n" for each in self.proof)
        return f"old {self.old_size}\n{lines}\n{self.note}".encode()

    @classmethod
    def decode(cls, body: bytes) -> "WitnessRequest":
        """Inverse of ``encode``. The note is not validated. Raises CheckpointInvalid."""
        try:
            head, _, note = body.decode().partition("\n\n")
            first, *lines = head.split("\n")
            word, _, size = first.partition(" ")
            request = cls(decode_decimal(size), tuple(map(decode_canonical_base64, lines)), note)
        except ValueError as error:
            raise CheckpointInvalid(_MALFORMED) from error
        if word != "old" or len(lines) > _MAX_PROOF or any(len(each) != HASH_SIZE for each in request.proof):
            raise CheckpointInvalid(_MALFORMED)
        return request


def read_witness(vkey: str) -> VerifierKey:
    """The key of a witness. Raises ValueError for any other key."""
    key = VerifierKey.parse(vkey)
    if key.algorithm != COSIGNATURE:
        raise ValueError("the key of a witness has the type 0x04")
    return key


def find_cosignatures(note: str, witnesses: Sequence[VerifierKey]) -> list[Cosignature]:
    """The cosignatures of these witnesses. Ignores other lines. Raises CheckpointInvalid if one is wrong."""
    text, lines = split_note(note)
    checkpoint, found = Checkpoint.parse(text), dict[VerifierKey, Cosignature]()
    known = {(key.name, key.key_id): key for key in witnesses}
    for line in lines:
        if key := known.get((line.name, line.key_id)):
            line.verify(key, checkpoint)
            timestamp = int.from_bytes(line.signature[:_TIMESTAMP_SIZE])
            if not 1 <= timestamp <= MAX_SIZE:
                raise CheckpointInvalid(f"the time of {key.key_name} is out of range")
            found[key] = Cosignature(key, timestamp, line.text)
    return list(found.values())
