"""Signed checkpoints of the log (C2SP signed-note, tlog-checkpoint, tlog-cosignature).

A checkpoint contains the number of entries and the root over them. Ed25519 signs its text (type 0x01). ML-DSA-44
signs a ``cosigned_message`` with a timestamp (type 0x06), in which signer and log have the same name. A witness signs a
timestamp and the text with Ed25519 (type 0x04).
"""

import hashlib
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from audit.tlog.merkle import HASH_SIZE
from kernel.crypto import seed_signing
from kernel.crypto.encoding import decode_canonical_base64, encode_base64
from kernel.crypto.errors import SignatureInvalid

# The private key is kept elsewhere: message -> raw signature.
type Signer = Callable[[bytes], bytes]

_MAX_NOTE_SIZE: Final = 256 * 1024  # characters
_MAX_SIGNATURES: Final = 32  # signed-note requires accepting at least 16
MAX_SIZE: Final = 2**63 - 1  # entries, and seconds since 1970
COSIGNATURE: Final = "cosignature/v1"  # of a witness, with Ed25519
_TYPES: Final[Mapping[str, int]] = MappingProxyType(
    {seed_signing.ED25519: 0x01, COSIGNATURE: 0x04, seed_signing.ML_DSA_44: 0x06}
)
_TIMED: Final = frozenset({COSIGNATURE, seed_signing.ML_DSA_44})  # their signatures begin with a timestamp
_ALGORITHMS: Final = MappingProxyType({type_byte: algorithm for algorithm, type_byte in _TYPES.items()})
_KEY_ID_SIZE: Final = 4
_TIMESTAMP_SIZE: Final = 8
_MAX_NAME_SIZE: Final = 255  # bytes: the length is a uint8 in a cosigned_message
_CONTROL: Final = re.compile(r"[\x00-\x1f]")
_DECIMAL: Final = re.compile(r"0|[1-9][0-9]{0,18}")


class CheckpointInvalid(ValueError):
    """Not a checkpoint, or not signed by a trusted key."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A tree head. ``origin`` names the log (1 to 255 bytes of UTF-8, one line), ``root`` has 32 bytes.

    Extension lines are rejected, because ML-DSA-44 would not sign them.
    """

    origin: str
    size: int
    root: bytes

    def __post_init__(self) -> None:
        if _CONTROL.search(self.origin) or not 1 <= len(_utf_8(self.origin)) <= _MAX_NAME_SIZE:
            raise CheckpointInvalid("the origin is one line of 1 to 255 bytes")
        if not 0 <= self.size <= MAX_SIZE:
            raise CheckpointInvalid("the size is not within 0 and 2**63 - 1")
        if len(self.root) != HASH_SIZE:
            raise CheckpointInvalid(f"the root has {HASH_SIZE} bytes")

    @property
    def text(self) -> str:
        """The signed text: three lines."""
        return f"{self.origin}\n{self.size}\n{encode_base64(self.root)}\n"

    @classmethod
    def parse(cls, text: str) -> "Checkpoint":
        """Inverse of ``text``. Raises CheckpointInvalid for any other spelling."""
        lines = text.split("\n")
        if len(lines) != 4 or lines[3]:  # noqa: PLR2004 - three lines, each with its end
            raise CheckpointInvalid("a checkpoint has three lines: origin, size and root")
        try:
            return cls(lines[0], decode_decimal(lines[1]), decode_canonical_base64(lines[2]))
        except CheckpointInvalid:
            raise
        except ValueError as error:
            raise CheckpointInvalid(f"the size or the root is malformed: {error}") from error


@dataclass(frozen=True, slots=True)
class VerifierKey:
    """A named public key. Raises ValueError for a name with spaces or ``+``, or for a wrong key length."""

    name: str
    algorithm: str
    public_key: bytes

    def __post_init__(self) -> None:
        if not _is_key_name(self.name):
            raise ValueError("the name of a key has 1 to 255 bytes and neither spaces nor +")
        if self.algorithm not in _TYPES:
            raise ValueError(f"a signature is of {', '.join(_TYPES)}")
        if (
            len(self.public_key)
            != seed_signing.find_seed_algorithm(_primitive(self.algorithm)).public_key_size
        ):
            raise ValueError(f"the public key has not the length of {self.algorithm}")

    @property
    def key_id(self) -> bytes:
        """4 bytes: SHA-256(name ‖ 0x0A ‖ type ‖ public key)[:4]."""
        return hashlib.sha256(self.name.encode() + b"\n" + self._typed).digest()[:_KEY_ID_SIZE]

    @property
    def key_name(self) -> str:
        """``name+key_id``, the id in hexadecimal."""
        return f"{self.name}+{self.key_id.hex()}"

    @property
    def vkey(self) -> str:
        """``name+key_id+base64(type ‖ public key)``, the id in hexadecimal."""
        return f"{self.key_name}+{encode_base64(self._typed)}"

    @property
    def _typed(self) -> bytes:
        return bytes([_TYPES[self.algorithm]]) + self.public_key

    @classmethod
    def parse(cls, vkey: str) -> "VerifierKey":
        """Inverse of ``vkey``. Raises ValueError for any other spelling, an unknown type or the id of another key."""
        name, _, rest = vkey.partition("+")
        typed = decode_canonical_base64(rest.partition("+")[2])
        if not typed or typed[0] not in _ALGORITHMS:
            raise ValueError("the type of a vkey is 0x01 (Ed25519), 0x04 (a witness) or 0x06 (ML-DSA-44)")
        key = cls(name, _ALGORITHMS[typed[0]], typed[1:])
        if key.vkey != vkey:
            raise ValueError("the vkey's id is not that of its key")
        return key


@dataclass(frozen=True, slots=True)
class _SignatureLine:
    """A signature line: the key's name, its id (4 bytes), and the signature, after its timestamp if it has one."""

    name: str
    key_id: bytes
    signature: bytes

    @property
    def text(self) -> str:
        return f"— {self.name} {encode_base64(self.key_id + self.signature)}\n"

    def verify(self, key: VerifierKey, checkpoint: Checkpoint) -> None:
        """Raises CheckpointInvalid."""
        stamp_size = _TIMESTAMP_SIZE if key.algorithm in _TIMED else 0
        stamp, signature = self.signature[:stamp_size], self.signature[stamp_size:]
        message = _message(key, checkpoint, stamp)
        try:
            seed_signing.verify(_primitive(key.algorithm), key.public_key, message, signature)
        except SignatureInvalid:
            raise CheckpointInvalid(f"the signature of {key.key_name} is wrong") from None


def sign_note(checkpoint: Checkpoint, signers: Sequence[tuple[VerifierKey, Signer]], timestamp: int) -> str:
    """The signed note, Ed25519 lines first. ``timestamp`` (seconds since 1970) is part of ML-DSA-44 signatures.

    Raises ValueError if no key is Ed25519, or if a key is not named after the origin.
    """
    ordered = sorted(signers, key=lambda signer: _TYPES[signer[0].algorithm])
    if not ordered or ordered[0][0].algorithm != seed_signing.ED25519:
        raise ValueError("a checkpoint is signed with Ed25519 at least")
    if any(key.name != checkpoint.origin for key, _ in ordered):
        raise ValueError("the keys of a log have its origin as their name")
    lines = [sign_line(checkpoint, key, sign, timestamp) for key, sign in ordered]
    return f"{checkpoint.text}\n{''.join(lines)}"


def sign_line(checkpoint: Checkpoint, key: VerifierKey, sign: Signer, timestamp: int) -> str:
    """The signature line of one key: of a log, or of a witness."""
    stamp = timestamp.to_bytes(_TIMESTAMP_SIZE) if key.algorithm in _TIMED else b""
    return _SignatureLine(key.name, key.key_id, stamp + sign(_message(key, checkpoint, stamp))).text


def open_note(note: str, trusted: Sequence[VerifierKey]) -> Checkpoint:
    """The checkpoint of a note that a trusted key of its origin has signed.

    Lines of unknown keys are ignored. A wrong signature of any trusted key invalidates the note. Raises
    CheckpointInvalid.
    """
    text, lines = split_note(note)
    checkpoint = Checkpoint.parse(text)
    known = {(key.name, key.key_id): key for key in trusted}
    if len(known) != len(set(trusted)):
        raise CheckpointInvalid("two trusted keys share a name and an id")
    signed = [(known[line.name, line.key_id], line) for line in lines if (line.name, line.key_id) in known]
    for key, line in signed:
        line.verify(key, checkpoint)
    if not any(key.name == checkpoint.origin and key.algorithm != COSIGNATURE for key, _ in signed):
        raise CheckpointInvalid("the checkpoint is signed by no trusted key of its log")
    return checkpoint


def publication_message(origin: str, vkeys: Sequence[str]) -> bytes:
    """The message with which the current keys sign the next keys. No checkpoint begins like it."""
    return "\n".join(("ciphercanary/checkpoint-keys/v1", origin, *vkeys, "")).encode()


def open_publication(
    origin: str, vkeys: Sequence[str], signatures: Mapping[str, str], trusted: Sequence[VerifierKey]
) -> list[VerifierKey]:
    """The published keys, if a trusted key of the log has signed them. Raises CheckpointInvalid.

    ``signatures``: ``key_name`` of the signer -> raw signature of ``publication_message``, in base64.
    """
    for key in trusted:
        if key.name != origin or key.key_name not in signatures:
            continue
        with suppress(SignatureInvalid, ValueError):  # untrusted input
            message, signature = (
                publication_message(origin, vkeys),
                decode_canonical_base64(signatures[key.key_name]),
            )
            seed_signing.verify(key.algorithm, key.public_key, message, signature)
            return [VerifierKey.parse(vkey) for vkey in vkeys]
    raise CheckpointInvalid("no trusted key of the log signed the keys that follow")


def ed25519_only(note: str) -> str:
    """The note with only its first signature line, the Ed25519 line of ``sign_note``; for short messages.

    Raises CheckpointInvalid for a malformed note. Does not verify signatures.
    """
    text, [first, *_] = split_note(note)
    return f"{Checkpoint.parse(text).text}\n{first.text}"


def decode_decimal(text: str) -> int:
    """Decode an ASCII decimal without leading zeros, at most 2**63 - 1. Raises ValueError."""
    if not _DECIMAL.fullmatch(text) or int(text) > MAX_SIZE:
        raise ValueError("not a decimal number within 2**63 - 1")
    return int(text)


def split_note(note: str) -> tuple[str, list[_SignatureLine]]:
    """The text, including its last newline, and at least one signature line. The text is not validated.

    Raises CheckpointInvalid.
    """
    if len(note) > _MAX_NOTE_SIZE:
        raise CheckpointInvalid(f"a note has at most {_MAX_NOTE_SIZE} characters")
    head, _, signatures = note.rpartition("\n\n")
    lines = signatures.split("\n")
    if lines.pop() or not lines:
        raise CheckpointInvalid("a note is a text, an empty line and signature lines")
    if len(lines) > _MAX_SIGNATURES:
        raise CheckpointInvalid(f"a note has at most {_MAX_SIGNATURES} signatures")
    return head + "\n", list(_read_lines(lines))


def _read_lines(lines: Sequence[str]) -> Iterator[_SignatureLine]:
    for line in lines:
        dash, _, rest = line.partition(" ")
        name, _, signature = rest.partition(" ")
        if dash != "—" or not _is_key_name(name):
            raise CheckpointInvalid("a signature line is a dash, the name of a key and base64")
        try:
            octets = decode_canonical_base64(signature)
        except ValueError as error:
            raise CheckpointInvalid("a signature is not canonical base64") from error
        if len(octets) <= _KEY_ID_SIZE:
            raise CheckpointInvalid("a signature begins with the id of its key")
        yield _SignatureLine(name, octets[:_KEY_ID_SIZE], octets[_KEY_ID_SIZE:])


def _message(key: VerifierKey, checkpoint: Checkpoint, stamp: bytes) -> bytes:
    """The signed bytes: the text, or the ``cosigned_message`` of tlog-cosignature for the whole tree."""
    if key.algorithm == seed_signing.ED25519:
        return checkpoint.text.encode()
    if key.algorithm == COSIGNATURE:
        return f"cosignature/v1\ntime {int.from_bytes(stamp)}\n{checkpoint.text}".encode()
    name, origin = key.name.encode(), checkpoint.origin.encode()
    first, end = 0, checkpoint.size
    return b"".join(
        (
            b"subtree/v1\n\x00",
            bytes([len(name)]) + name,
            stamp,
            bytes([len(origin)]) + origin,
            first.to_bytes(8) + end.to_bytes(8),
            checkpoint.root,
        )
    )


def _primitive(algorithm: str) -> str:
    return seed_signing.ED25519 if algorithm == COSIGNATURE else algorithm


def _is_key_name(name: str) -> bool:
    is_plain = not any(char.isspace() or char == "+" or char < " " for char in name)
    return is_plain and 1 <= len(_utf_8(name)) <= _MAX_NAME_SIZE


def _utf_8(text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        raise CheckpointInvalid("a lone surrogate has no place in UTF-8") from error
