"""Signatures and MACs of transit keys."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final, final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding
from cryptography.hazmat.primitives.asymmetric.utils import (
    NoDigestInfo,
    Prehashed,
    decode_dss_signature,
    encode_dss_signature,
)
from cryptography.hazmat.primitives.hmac import HMAC

from kernel.crypto.errors import Invalid
from kernel.crypto.material import Confidential
from kernel.crypto.transit.secrets import TransitSecrets, private_key
from kernel.crypto.transit_types import TransitType

HASHES: Final[Mapping[str, hashes.HashAlgorithm]] = MappingProxyType(
    {
        "sha2-224": hashes.SHA224(),
        "sha2-256": hashes.SHA256(),
        "sha2-384": hashes.SHA384(),
        "sha2-512": hashes.SHA512(),
        "sha3-224": hashes.SHA3_224(),
        "sha3-256": hashes.SHA3_256(),
        "sha3-384": hashes.SHA3_384(),
        "sha3-512": hashes.SHA3_512(),
    }
)
# Not for signatures, because its collisions forge them (NIST SP 800-131A). A MAC does not depend on them.
MAC_HASHES: Final = MappingProxyType({**HASHES, "sha1": hashes.SHA1()})  # nosec B303  # noqa: S303 - see above
NO_HASH: Final = "none"
_DEFAULT_HASH: Final = "sha2-256"


@dataclass(frozen=True, slots=True)
class SignatureForm:
    """How a message is signed, in OpenBao's words.

    ``salt_length``: of PSS, "auto" or "0" for the longest one, "hash" or "-1", or a number of bytes.

    ``is_raw``: both integers of an ECDSA signature in full length, instead of DER. Raises Invalid.
    """

    hash_algorithm: str = _DEFAULT_HASH
    signature_algorithm: str = ""
    salt_length: str = "auto"
    is_raw: bool = False
    is_prehashed: bool = False

    def __post_init__(self) -> None:
        if self.hash_algorithm == NO_HASH:
            if not (self.is_prehashed and self.signature_algorithm == "pkcs1v15"):
                raise Invalid.of_field(
                    "hash_algorithm",
                    "hash_algorithm=none requires both prehashed=true and signature_algorithm=pkcs1v15",
                )
        elif self.hash_algorithm not in HASHES:
            raise Invalid.of_field("hash_algorithm", f'invalid hash algorithm "{self.hash_algorithm[:20]}"')

    def arguments(self, key: Any, message: bytes, *, verifies: bool) -> tuple[Any, ...]:
        """The arguments of the library's ``sign`` and ``verify`` after the message. Raises Invalid."""
        if hasattr(key, "curve"):
            return (self._ecdsa(len(message), verifies=verifies),)
        if not hasattr(key, "key_size"):
            return ()
        if self.hash_algorithm == NO_HASH:
            return (padding.PKCS1v15(), NoDigestInfo())
        digest = HASHES[self.hash_algorithm]
        how = Prehashed(digest) if self.is_prehashed else digest
        if self.signature_algorithm in {"", "pss"}:
            salt = self._salt(digest, key.key_size, verifies=verifies)
            return (padding.PSS(padding.MGF1(digest), salt), how)
        if self.signature_algorithm == "pkcs1v15":
            return (padding.PKCS1v15(), how)
        raise Invalid.of_field(
            "signature_algorithm", f"unsupported rsa signature algorithm {self.signature_algorithm[:20]}"
        )

    def _ecdsa(self, size: int, *, verifies: bool) -> ec.ECDSA:
        digest = HASHES.get(self.hash_algorithm)
        if digest is None:
            raise Invalid.of_field("hash_algorithm", "hash_algorithm=none is of RSA keys only")
        if not self.is_prehashed or size == digest.digest_size:
            how = Prehashed(digest) if self.is_prehashed else digest
            # RFC 6979: a random nonce that repeats or leaks exposes the key.
            return ec.ECDSA(how, deterministic_signing=not verifies)
        if not size:
            raise Invalid.of_field("input", "missing input")
        # OpenBao signs input of any length. Prehashed compares only the length, and RFC 6979 has no nonce for this hash.
        return ec.ECDSA(Prehashed(hashes.SHAKE256(size)))

    def _salt(self, digest: hashes.HashAlgorithm, key_size: int, *, verifies: bool) -> Any:
        named = {"auto": 0, "hash": -1}.get(self.salt_length)
        size = int(self.salt_length) if named is None else named
        if not size:
            return padding.PSS.AUTO if verifies else padding.PSS.MAX_LENGTH
        if size > key_size // 8 - 2 - digest.digest_size:
            raise Invalid.of_field("salt_length", f"requested salt length {size} is invalid")
        return digest.digest_size if size < 0 else size


@final
class TransitSigner(Confidential):
    """The private key of one version, ready to use. Threads may share it."""

    __slots__ = ("_key", "_kind", "_secrets")

    def __init__(self, kind: TransitType, secrets: TransitSecrets) -> None:
        self._kind, self._secrets = kind, secrets
        self._key: Any = None if kind.is_derived else private_key(kind, secrets)

    def public_key(self, context: bytes) -> bytes:
        """The 32 bytes of the derived key of this context; empty for another key. Raises Invalid."""
        if not self._kind.is_derived:
            return b""
        found: bytes = self._key_for(context).public_key().public_bytes_raw()
        return found

    def sign(self, message: bytes, form: SignatureForm, context: bytes = b"") -> bytes:
        """Raises Invalid."""
        key = self._key_for(context)
        arguments = form.arguments(key, message, verifies=False)
        try:
            signature: bytes = key.sign(message, *arguments)
        except ValueError:
            # The library refuses a digest of another length.
            raise Invalid.of_field("input", "crypto/rsa: input must be hashed with given hash") from None
        return _to_raw(signature, key) if form.is_raw and hasattr(key, "curve") else signature

    def is_valid(self, message: bytes, signature: bytes, form: SignatureForm, context: bytes = b"") -> bool:
        """Whether the signature is of this message, in exactly this form. Raises Invalid."""
        key = self._key_for(context).public_key()
        arguments = form.arguments(key, message, verifies=True)
        if hasattr(key, "curve"):
            found = _from_raw(signature, key) if form.is_raw else _require_der(signature)
            if found is None:
                return False
            signature = found
        try:
            key.verify(signature, message, *arguments)
        except (InvalidSignature, ValueError):  # ValueError: a digest of another length
            return False
        return True

    def _key_for(self, context: bytes) -> Any:
        return self._key if self._key is not None else private_key(self._kind, self._secrets, context)


@final
class TransitMac(Confidential):
    """The MAC key of one version, ready to use. Threads may share it."""

    __slots__ = ("_key",)

    def __init__(self, secrets: TransitSecrets) -> None:
        self._key = secrets.mac_key

    def compute(self, message: bytes, hash_algorithm: str) -> bytes:
        return self._of(message, hash_algorithm).finalize()

    def is_valid(self, message: bytes, mac: bytes, hash_algorithm: str) -> bool:
        """In constant time."""
        try:
            self._of(message, hash_algorithm).verify(mac)
        except InvalidSignature:
            return False
        return True

    def _of(self, message: bytes, hash_algorithm: str) -> HMAC:
        mac = HMAC(self._key, MAC_HASHES[hash_algorithm])
        mac.update(message)
        return mac


def digest(message: bytes, hash_algorithm: str) -> bytes:
    """``hash_algorithm``: one of ``HASHES``."""
    hashed = hashes.Hash(HASHES[hash_algorithm])
    hashed.update(message)
    return hashed.finalize()


def _raw_size(key: Any) -> int:
    return 2 * ((int(key.curve.group_order).bit_length() + 7) // 8)


def _to_raw(signature: bytes, key: Any) -> bytes:
    r, s = decode_dss_signature(signature)
    half = _raw_size(key) // 2
    return r.to_bytes(half) + s.to_bytes(half)


def _from_raw(signature: bytes, key: Any) -> bytes | None:
    if len(signature) != _raw_size(key):
        return None
    half = len(signature) // 2
    return encode_dss_signature(int.from_bytes(signature[:half]), int.from_bytes(signature[half:]))


def _require_der(signature: bytes) -> bytes:
    try:
        decode_dss_signature(signature)
    except ValueError:
        raise Invalid.of_field("signature", "supplied signature is invalid") from None
    return signature
