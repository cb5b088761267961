"""The signed manifest of a backup: its contents, and the SHA-256 of each of its files.

``manifest.json`` is signed with both checkpoint keys. ``manifest.sig`` has the signatures, by the name of their key.
"""

import hashlib
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from audit.sequencing.checkpoints.signing_keys import ALGORITHMS
from audit.tlog.checkpoint import Signer, VerifierKey
from kernel.crypto import seed_signing
from kernel.crypto.encoding import decode_canonical_base64, encode_base64
from kernel.crypto.errors import SignatureInvalid
from kernel.errors import Invalid
from kernel.home import replace_private_file

FORMAT = 1
MANIFEST_FILE, _SIGNATURE_FILE = "manifest.json", "manifest.sig"
# No checkpoint and no publication of keys begins like it.
_CONTEXT = b"ciphercanary/backup/v1\n"
_MAX_BYTES = 16 * 1024 * 1024


class TableFile(Struct, frozen=True, forbid_unknown_fields=True):
    """The file of one table. ``size`` and ``sha256`` (hex) are those of the compressed file."""

    name: Annotated[str, Meta(pattern=r"^[a-z][a-z0-9_]*\Z")]
    columns: dict[str, str]
    rows: int
    size: int
    sha256: str

    @property
    def file(self) -> str:
        return f"{self.name}.copy.gz"


class Manifest(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """``checkpoint`` is the newest signed note, "" before the first. ``keys`` are those that signed the manifest."""

    format: int
    origin: str
    version: str
    database: str
    created_at: str
    migrations: list[tuple[str, str]]
    checkpoint: str
    keys: list[str]
    tables: list[TableFile]

    @property
    def rows(self) -> int:
        return sum(table.rows for table in self.tables)

    @property
    def size(self) -> int:
        """Bytes of all files of tables."""
        return sum(table.size for table in self.tables)


class SignedManifest(Struct, frozen=True):
    """A manifest, the bytes that were signed, and the signatures by the name of their key."""

    manifest: Manifest
    octets: bytes
    signatures: dict[str, str]

    @property
    def digest(self) -> str:
        """SHA-256 (hex) of the manifest, which identifies the backup."""
        return hashlib.sha256(self.octets).hexdigest()

    def require_signed_by(self, trusted: Sequence[VerifierKey]) -> None:
        """Raises Invalid unless a trusted key of each algorithm has signed the manifest."""
        signed = {key.algorithm for key in trusted if self._is_signed_by(key)}
        if signed != set(ALGORITHMS):
            raise Invalid(
                "The manifest of the backup is not signed by trusted keys, so the backup may have been altered. "
                "Use another backup."
            )

    def _is_signed_by(self, key: VerifierKey) -> bool:
        with suppress(SignatureInvalid, ValueError, KeyError):  # untrusted input
            signature = decode_canonical_base64(self.signatures[key.key_name])
            seed_signing.verify(key.algorithm, key.public_key, _CONTEXT + self.octets, signature)
            return True
        return False


def write_manifest(
    folder: Path, manifest: Manifest, signers: Sequence[tuple[VerifierKey, Signer]]
) -> SignedManifest:
    """Sign the manifest, and write both files. Raises OSError."""
    octets = msgspec.json.format(msgspec.json.encode(manifest)) + b"\n"
    signatures = {key.key_name: encode_base64(sign(_CONTEXT + octets)) for key, sign in signers}
    replace_private_file(folder / MANIFEST_FILE, octets)
    replace_private_file(
        folder / _SIGNATURE_FILE, msgspec.json.format(msgspec.json.encode(signatures)) + b"\n"
    )
    return SignedManifest(manifest, octets, signatures)


def read_manifest(folder: Path, pinned: Sequence[VerifierKey] = ()) -> SignedManifest:
    """The manifest of a complete backup, whose signatures and files match it.

    Without ``pinned`` keys, the keys that the manifest names must have signed it. This detects damage. To detect a
    forged manifest, compare its keys with trusted ones. Raises Invalid and OSError.
    """
    octets = _read(folder / MANIFEST_FILE)
    try:
        manifest = msgspec.json.decode(octets, type=Manifest)
        signatures = msgspec.json.decode(_read(folder / _SIGNATURE_FILE), type=dict[str, str])
        named = [VerifierKey.parse(vkey) for vkey in manifest.keys]
    except ValueError as error:  # includes msgspec's errors
        raise Invalid(f"The manifest of the backup is malformed ({error}). Use another backup.") from None
    if manifest.format != FORMAT:
        raise Invalid(
            f"The backup has the format {manifest.format}, which this version cannot read. Restore it with version "
            f"{manifest.version} or newer."
        )
    signed = SignedManifest(manifest, octets, signatures)
    signed.require_signed_by(pinned or named)
    _require_files(folder, manifest.tables)
    return signed


def digest_of(path: Path) -> tuple[int, str]:
    """Size and SHA-256 (hex) of a file, as the disk returns it. Raises OSError."""
    with path.open("rb") as file:
        return path.stat().st_size, hashlib.file_digest(file, "sha256").hexdigest()


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            octets = file.read(_MAX_BYTES + 1)
    except FileNotFoundError:
        raise Invalid(f"{path} is missing. Name the folder of a complete backup.") from None
    if len(octets) > _MAX_BYTES:
        raise Invalid(f"{path} is too large for a backup of this application. Use another backup.")
    return octets


def _require_files(folder: Path, tables: Sequence[TableFile]) -> None:
    for table in tables:
        try:
            found = digest_of(folder / table.file)
        except FileNotFoundError:
            raise Invalid(f"{table.file} is missing from the backup. Use another backup.") from None
        if found != (table.size, table.sha256):
            raise Invalid(
                f"{table.file} is not the file that the manifest lists: it is damaged or was altered. "
                "Use another backup."
            )
