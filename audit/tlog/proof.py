"""Offline proof that an entry is in the log (C2SP tlog-proof): a text that includes the checkpoint."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from audit.tlog.checkpoint import decode_decimal
from audit.tlog.merkle import HASH_SIZE
from kernel.crypto.encoding import decode_canonical_base64, encode_base64

HEADER: Final = "c2sp.org/tlog-proof@v1"
MAX_HASHES: Final = 63  # the height of a tree of 2**63 - 1 leaves


@dataclass(frozen=True, slots=True)
class Proof:
    """``hashes`` is the inclusion proof of the leaf ``index`` in the tree of the checkpoint in ``note``.

    Nothing of it is verified yet. ``extra`` is never authenticated.
    """

    index: int
    hashes: tuple[bytes, ...]
    note: str
    extra: bytes = b""


def format_proof(index: int, hashes: Sequence[bytes], note: str, extra: bytes = b"") -> str:
    """The proof as text, with ``note`` verbatim."""
    lines = [HEADER]
    if extra:
        lines.append(f"extra {encode_base64(extra)}")
    lines += [f"index {index}", *map(encode_base64, hashes), "", note]
    return "\n".join(lines)


def parse_proof(text: str) -> Proof:
    """Inverse of ``format_proof``. Raises ValueError for any other spelling. Does not verify the note."""
    head, separator, note = text.partition("\n\n")
    header, *lines = head.split("\n")
    if header != HEADER or not separator or not note:
        raise ValueError(f"a proof begins with {HEADER} and holds a checkpoint after an empty line")
    extra = b""
    if lines and lines[0].startswith("extra "):
        extra = decode_canonical_base64(lines.pop(0).removeprefix("extra "))
        if not extra:
            raise ValueError("extra is left out where it is empty")
    if not lines or not lines[0].startswith("index "):
        raise ValueError("the line of the index is missing")
    index = decode_decimal(lines.pop(0).removeprefix("index "))
    if len(lines) > MAX_HASHES:
        raise ValueError(f"an inclusion proof has at most {MAX_HASHES} hashes")
    hashes = tuple(map(decode_canonical_base64, lines))
    if any(len(value) != HASH_SIZE for value in hashes):
        raise ValueError(f"a hash has {HASH_SIZE} bytes")
    return Proof(index, hashes, note, extra)
