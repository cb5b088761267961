"""Offline proof that an entry is in the log (C2SP tlog-proof): a text that includes the checkpoint."""

from collections.abc import Sequence
from typing import Final

from kernel.crypto.encoding import decode_canonical_base64, encode_base64

_HEADER: Final = "c2sp.org/tlog-proof@v1"


def format_proof(index: int, hashes: Sequence[bytes], note: str, extra: bytes = b"") -> str:
    """The proof as text: the leaf ``index``, its inclusion proof in the tree of the checkpoint, and ``note`` verbatim.

    Readers must not trust ``extra``, which no signature covers.
    """
    lines = [_HEADER]
    if extra:
        lines.append(f"extra {encode_base64(extra)}")
    lines += [f"index {index}", *map(encode_base64, hashes), "", note]
    return "\n".join(lines)


def parse_proof(text: str, index: int) -> tuple[list[bytes], str]:
    """The hashes and the note of a proof of this leaf, without ``extra``: inverse of ``format_proof``. Raises ValueError."""
    head, _, note = text.partition("\n\n")
    hashes = [decode_canonical_base64(line) for line in head.split("\n")[2:]]
    if format_proof(index, hashes, note) != text:
        raise ValueError(f"no proof of leaf {index}")
    return hashes, note
