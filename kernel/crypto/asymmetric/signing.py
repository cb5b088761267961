"""Signatures: EdDSA (RFC 8032), ECDSA and RSA (FIPS 186-5), ML-DSA (FIPS 204, hedged, with an empty context)."""

from typing import Any, Literal, final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec, padding
from cryptography.hazmat.primitives.asymmetric.utils import (
    Prehashed,
    decode_dss_signature,
    encode_dss_signature,
)
from cryptography.hazmat.primitives.hashes import HashAlgorithm

from kernel.crypto.asymmetric.key_pairs import PrivateKey, PublicKey
from kernel.crypto.errors import Invalid
from kernel.crypto.material import Confidential
from kernel.crypto.modes import DIGESTS, SigningMode

type Encoding = Literal["der", "raw"]
"""Of an ECDSA signature: DER (RFC 3279 §2.2.3), or both integers in full length (IEEE P1363, RFC 7515)."""


def digest_size(mode: SigningMode) -> int | None:
    """In bytes; None if the mode takes no digest."""
    return None if mode.digest is None else DIGESTS[mode.digest].digest_size


class _Scheme:
    """A mode with the size of the raw signatures of a key, 0 if the mode has none."""

    __slots__ = ("_of_digest", "_of_message", "raw_size")

    def __init__(self, key: PrivateKey | PublicKey, mode: SigningMode) -> None:
        self._of_message = _arguments(mode, is_prehashed=False)
        self._of_digest = _arguments(mode, is_prehashed=True) if mode.digest else None
        self.raw_size = _raw_size(key) if mode.has_raw_form else 0

    def arguments(self, *, is_digest: bool) -> "_Arguments":
        """The arguments of the library's ``sign`` and ``verify`` after the message or its digest. Raises Invalid."""
        if not is_digest:
            return self._of_message
        if self._of_digest is None:
            raise Invalid.of_field("digest", "This signing algorithm takes no digest. Send message instead.")
        return self._of_digest


@final
class Signer(Confidential):
    """A private key in one mode, ready to use. Threads may share it."""

    __slots__ = ("_is_low_s", "_key", "_scheme")

    def __init__(self, key: PrivateKey, mode: SigningMode) -> None:
        self._key: Any = key
        self._scheme = _Scheme(key, mode)
        self._is_low_s = isinstance(key, ec.EllipticCurvePrivateKey) and key.curve.name == "secp256k1"

    def sign(self, message: bytes, *, is_digest: bool = False, encoding: Encoding = "der") -> bytes:
        """The signature of a message, or of its digest."""
        signature: bytes = self._key.sign(message, *self._scheme.arguments(is_digest=is_digest))
        if self._is_low_s:
            signature = _to_low_s(signature)
        raw_size = self._scheme.raw_size
        return _to_raw(signature, raw_size) if encoding == "raw" and raw_size else signature


@final
class Verifier:
    """A public key in one mode, ready to use. Threads may share it."""

    __slots__ = ("_key", "_scheme")

    def __init__(self, key: PublicKey, mode: SigningMode) -> None:
        self._key: Any = key
        self._scheme = _Scheme(key, mode)

    def is_valid(
        self, message: bytes, signature: bytes, *, is_digest: bool = False, encoding: Encoding = "der"
    ) -> bool:
        """Whether the signature is of the message or its digest, in exactly this encoding."""
        if encoding == "raw" and self._scheme.raw_size:
            if len(signature) != self._scheme.raw_size:
                return False
            signature = _to_der(signature)
        try:
            self._key.verify(signature, message, *self._scheme.arguments(is_digest=is_digest))
        except InvalidSignature:
            return False
        return True


type _Arguments = tuple[object, ...]


def _arguments(mode: SigningMode, *, is_prehashed: bool) -> _Arguments:
    if mode.digest is None:
        return ()
    digest = DIGESTS[mode.digest]
    how = Prehashed(digest) if is_prehashed else digest
    if mode.has_raw_form:
        # RFC 6979: a random nonce that repeats or leaks exposes the key.
        return (ec.ECDSA(how, deterministic_signing=True),)
    return (rsa_padding(mode, digest), how)


def rsa_padding(mode: SigningMode, digest: HashAlgorithm) -> padding.PSS | padding.PKCS1v15:
    """PSS with a salt as long as the digest, or PKCS #1 v1.5."""
    if mode.name.startswith("rsa-pss-"):
        return padding.PSS(padding.MGF1(digest), digest.digest_size)
    return padding.PKCS1v15()


def _raw_size(key: Any) -> int:
    """Two integers, each as long as the order of the curve."""
    order: int = key.curve.group_order
    return 2 * ((order.bit_length() + 7) // 8)


def _to_low_s(signature: bytes) -> bytes:
    """The lower of the two valid values of s, which blockchains require (BIP 62, EIP-2)."""
    r, s = decode_dss_signature(signature)
    order = ec.SECP256K1().group_order
    return encode_dss_signature(r, min(s, order - s))


def _to_raw(signature: bytes, size: int) -> bytes:
    r, s = decode_dss_signature(signature)
    return r.to_bytes(size // 2) + s.to_bytes(size // 2)


def _to_der(signature: bytes) -> bytes:
    half = len(signature) // 2
    return encode_dss_signature(int.from_bytes(signature[:half]), int.from_bytes(signature[half:]))
