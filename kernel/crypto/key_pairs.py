"""Asymmetric keys: a private key is a PKCS #8 document (RFC 5958), a public key a SubjectPublicKeyInfo (RFC 5280 §4.1).

Both are DER, except for the private keys of ``hybrid``. The bytes of a private key are ``KeyMaterial``, as those of a
symmetric one.
"""

import textwrap
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType
from typing import Any, Final

from cryptography.exceptions import InternalError
from cryptography.exceptions import UnsupportedAlgorithm as NotInLibrary
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, mldsa, mlkem, rsa, x25519
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_der_private_key,
    load_der_public_key,
)

from kernel.crypto import hybrid, key_documents
from kernel.crypto.encoding import encode_base64
from kernel.crypto.errors import WrongKey
from kernel.crypto.material import KeyMaterial

_RSA: Final = "2a864886f70d010101"  # rsaEncryption (RFC 8017 §C)
_RSASSA_PSS: Final = "2a864886f70d01010a"  # RFC 4055 §1.2
_NIST: Final = "608648016503040"  # of NIST's algorithms: sigAlgs 3, kems 4
_RSA_EXPONENT: Final = 65_537  # FIPS 186-5 §5.4: at least 65,537

type PublicKey = (
    ec.EllipticCurvePublicKey
    | ed25519.Ed25519PublicKey
    | ed448.Ed448PublicKey
    | rsa.RSAPublicKey
    | mldsa.MLDSA44PublicKey
    | mldsa.MLDSA65PublicKey
    | mldsa.MLDSA87PublicKey
    | mlkem.MLKEM768PublicKey
    | mlkem.MLKEM1024PublicKey
    | x25519.X25519PublicKey
    | hybrid.PublicKey
)
type PrivateKey = (
    ec.EllipticCurvePrivateKey
    | ed25519.Ed25519PrivateKey
    | ed448.Ed448PrivateKey
    | rsa.RSAPrivateKey
    | mldsa.MLDSA44PrivateKey
    | mldsa.MLDSA65PrivateKey
    | mldsa.MLDSA87PrivateKey
    | mlkem.MLKEM768PrivateKey
    | mlkem.MLKEM1024PrivateKey
    | x25519.X25519PrivateKey
    | hybrid.PrivateKey
)


@dataclass(frozen=True, slots=True)
class _Type:
    """``identifier``: of the algorithm in a document, in hexadecimal digits. ``curve``: of an elliptic curve.

    ``size``: the modulus of an RSA key in bits.
    """

    identifier: str
    generate: Callable[[], Any]
    private: type[Any]
    public: type[Any]
    curve: str = ""
    size: int = 0

    def is_type_of(self, key: Any) -> bool:
        if self.curve:
            return bool(key.curve.name == self.curve)
        return not self.size or bool(key.key_size == self.size)


def _curve(curve: ec.EllipticCurve) -> _Type:
    generate = partial(ec.generate_private_key, curve)
    return _Type(
        "2a8648ce3d0201", generate, ec.EllipticCurvePrivateKey, ec.EllipticCurvePublicKey, curve=curve.name
    )


def _rsa(size: int) -> _Type:
    generate = partial(rsa.generate_private_key, _RSA_EXPONENT, size)
    return _Type(_RSA, generate, rsa.RSAPrivateKey, rsa.RSAPublicKey, size=size)


_TYPES: Final[Mapping[str, _Type]] = MappingProxyType(
    {
        "ed25519": _Type(
            "2b6570", ed25519.Ed25519PrivateKey.generate, ed25519.Ed25519PrivateKey, ed25519.Ed25519PublicKey
        ),
        "ed448": _Type("2b6571", ed448.Ed448PrivateKey.generate, ed448.Ed448PrivateKey, ed448.Ed448PublicKey),
        "ec-p256": _curve(ec.SECP256R1()),
        "ec-p384": _curve(ec.SECP384R1()),
        "ec-p521": _curve(ec.SECP521R1()),
        "ec-secp256k1": _curve(ec.SECP256K1()),
        "rsa-2048": _rsa(2048),
        "rsa-3072": _rsa(3072),
        "rsa-4096": _rsa(4096),
        "x25519": _Type(
            "2b656e", x25519.X25519PrivateKey.generate, x25519.X25519PrivateKey, x25519.X25519PublicKey
        ),
        "ml-kem-768": _Type(
            f"{_NIST}402",
            mlkem.MLKEM768PrivateKey.generate,
            mlkem.MLKEM768PrivateKey,
            mlkem.MLKEM768PublicKey,
        ),
        "ml-kem-1024": _Type(
            f"{_NIST}403",
            mlkem.MLKEM1024PrivateKey.generate,
            mlkem.MLKEM1024PrivateKey,
            mlkem.MLKEM1024PublicKey,
        ),
        "ml-dsa-44": _Type(
            f"{_NIST}311", mldsa.MLDSA44PrivateKey.generate, mldsa.MLDSA44PrivateKey, mldsa.MLDSA44PublicKey
        ),
        "ml-dsa-65": _Type(
            f"{_NIST}312", mldsa.MLDSA65PrivateKey.generate, mldsa.MLDSA65PrivateKey, mldsa.MLDSA65PublicKey
        ),
        "ml-dsa-87": _Type(
            f"{_NIST}313", mldsa.MLDSA87PrivateKey.generate, mldsa.MLDSA87PrivateKey, mldsa.MLDSA87PublicKey
        ),
    }
)

PKCS8_ALGORITHMS: Final = tuple(_TYPES)


def generate(algorithm: str) -> tuple[KeyMaterial, bytes]:
    """A new private key and its public key. RSA takes up to seconds, in which other threads run."""
    if algorithm == hybrid.ALGORITHM:
        return hybrid.generate()
    return encode_pair(algorithm, _TYPES[algorithm].generate())


def encode_pair(algorithm: str, key: Any) -> tuple[KeyMaterial, bytes]:
    """A private key of the library and its public key, as ``generate`` returns them. Raises WrongKey."""
    kind = _TYPES[algorithm]
    if not isinstance(key, kind.private) or not kind.is_type_of(key):
        raise WrongKey(f"Expected a private key of type {algorithm}.")
    document = key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    return KeyMaterial(document), encode_public(algorithm, key.public_key())


def encode_public(algorithm: str, key: Any) -> bytes:
    """A public key of the library as a SubjectPublicKeyInfo. Raises WrongKey."""
    kind = _TYPES[algorithm]
    if not isinstance(key, kind.public) or not kind.is_type_of(key):
        raise WrongKey(f"Expected a public key of type {algorithm}.")
    return _encode(key)


def from_seed(algorithm: str, seed: bytes) -> Any:
    """The private key of the library with these raw bytes: of EdDSA, X25519, ML-DSA or ML-KEM. Raises ValueError."""
    kind = _TYPES[algorithm].private
    return kind.from_seed_bytes(seed) if algorithm.startswith("ml-") else kind.from_private_bytes(seed)


def from_raw_public(algorithm: str, public: bytes) -> Any:
    """The public key of the library with these raw bytes, of the same types. Raises ValueError."""
    return _TYPES[algorithm].public.from_public_bytes(public)


def load_private(algorithm: str, material: KeyMaterial) -> PrivateKey:
    """The private key of material that ``generate`` has returned. Raises WrongKey."""
    if algorithm == hybrid.ALGORITHM:
        return hybrid.load_private(material)
    kind = _TYPES[algorithm]
    # Our own key-encryption key has authenticated the bytes, so the slow checks of an RSA key are not repeated.
    key: Any = load_der_private_key(material.expose(), None, unsafe_skip_rsa_key_validation=True)
    if not isinstance(key, kind.private) or not kind.is_type_of(key):
        raise WrongKey(f"Expected a private key of type {algorithm}.")
    found: PrivateKey = key
    return found


def load_public(algorithm: str, document: bytes) -> PublicKey:
    """The public key. Raises WrongKey."""
    if algorithm == hybrid.ALGORITHM:
        return hybrid.load_public(document)
    kind = _TYPES[algorithm]
    require_algorithm(algorithm, document)
    try:
        key: Any = load_der_public_key(document)
    except (ValueError, NotInLibrary, InternalError):
        raise WrongKey("Expected a SubjectPublicKeyInfo in DER.") from None
    if not isinstance(key, kind.public) or not kind.is_type_of(key) or _encode(key) != document:
        raise WrongKey(f"Expected a public key of type {algorithm}.")
    found: PublicKey = key
    return found


def require_algorithm(algorithm: str, document: bytes) -> None:
    """Raises WrongKey for the document of a key of another algorithm. Curve and size are not compared."""
    try:
        found = key_documents.identifier_of(document).hex()
    except ValueError:
        raise WrongKey("Expected PKCS #8 or a SubjectPublicKeyInfo in DER.") from None
    if found == _RSASSA_PSS:  # the library reads it as any RSA key
        raise WrongKey(
            "A key for RSASSA-PSS only is not supported. Send a key with the identifier rsaEncryption."
        )
    if found != _TYPES[algorithm].identifier:
        raise WrongKey(f"Expected a key of type {algorithm}, without encryption.")


def encode_pem(document: bytes) -> str:
    """A SubjectPublicKeyInfo as PEM (RFC 7468 §13)."""
    lines = textwrap.wrap(encode_base64(document), 64)
    return "\n".join(("-----BEGIN PUBLIC KEY-----", *lines, "-----END PUBLIC KEY-----", ""))


def body_of_public_pem(text: str) -> str:
    """The base64 of a public key in PEM, without its armour and white space, or of base64 alone. Raises ValueError."""
    body = text.strip().removeprefix("-----BEGIN PUBLIC KEY-----").removesuffix("-----END PUBLIC KEY-----")
    if "-----" in body:
        raise ValueError("not the PEM of a public key")
    return "".join(body.split())


def _encode(key: Any) -> bytes:
    document: bytes = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return document
