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

from kernel.crypto.asymmetric import hybrid, key_documents
from kernel.crypto.asymmetric.key_documents import Document
from kernel.crypto.encoding import encode_base64
from kernel.crypto.errors import WrongKey
from kernel.crypto.material import KeyMaterial

_RSA: Final = "2a864886f70d010101"  # rsaEncryption (RFC 8017 §C)
_EC: Final = "2a8648ce3d0201"  # id-ecPublicKey (RFC 5480 §2.1.1)
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
    """``identifier`` and ``curve_identifier``: in a document, in hexadecimal digits.

    ``curve``: of an elliptic curve. ``size``: the modulus of an RSA key in bits, 0 for any.
    """

    identifier: str
    generate: Callable[[], Any]
    private: type[Any]
    public: type[Any]
    curve: str = ""
    curve_identifier: str = ""
    size: int = 0

    def require_type_of(self, key: Any, expected: str) -> None:
        """Raises WrongKey for a key of the library on another curve or of another size."""
        if self.curve and key.curve.name != self.curve:
            raise _wrong_curve(key.curve.name, expected, self.curve)
        if self.size and key.key_size != self.size:
            raise WrongKey(f"The modulus has {key.key_size} bits. Expected {expected}.")


def _wrong_curve(found: str, expected: str, curve: str) -> WrongKey:
    return WrongKey(f"The curve of the key is {found}. Expected {expected}, with {curve}.")


def _curve(curve: ec.EllipticCurve, identifier: str) -> _Type:
    generate = partial(ec.generate_private_key, curve)
    return _Type(_EC, generate, ec.EllipticCurvePrivateKey, ec.EllipticCurvePublicKey, curve.name, identifier)


def _rsa(size: int) -> _Type:
    generate = partial(rsa.generate_private_key, _RSA_EXPONENT, size)
    return _Type(_RSA, generate, rsa.RSAPrivateKey, rsa.RSAPublicKey, size=size)


_TYPES: Final[Mapping[str, _Type]] = MappingProxyType(
    {
        "ed25519": _Type(
            "2b6570", ed25519.Ed25519PrivateKey.generate, ed25519.Ed25519PrivateKey, ed25519.Ed25519PublicKey
        ),
        "ed448": _Type("2b6571", ed448.Ed448PrivateKey.generate, ed448.Ed448PrivateKey, ed448.Ed448PublicKey),
        "ec-p256": _curve(ec.SECP256R1(), "2a8648ce3d030107"),
        "ec-p384": _curve(ec.SECP384R1(), "2b81040022"),
        "ec-p521": _curve(ec.SECP521R1(), "2b81040023"),
        "ec-secp256k1": _curve(ec.SECP256K1(), "2b8104000a"),
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

# The name of a document in a refusal, by its identifier.
_NAMES: Final[Mapping[str, str]] = MappingProxyType(
    {
        **{kind.identifier: f"a key of type {name}" for name, kind in _TYPES.items()},
        _RSA: "an RSA key",
        _EC: "a key on an elliptic curve",
        hybrid.IDENTIFIER: f"a key of type {hybrid.ALGORITHM}",
        "2a864886f70d010301": "a Diffie-Hellman key",  # PKCS #3
        "2a8648ce380401": "a DSA key",  # RFC 3279 §2.3.2
        "2b656f": "a key of type x448",  # RFC 8410
    }
)


def generate(algorithm: str) -> tuple[KeyMaterial, bytes]:
    """A new private key and its public key. RSA takes up to seconds of a core: see ``kernel.rsa.process``."""
    if algorithm == hybrid.ALGORITHM:
        return hybrid.generate()
    return encode_pair(algorithm, _TYPES[algorithm].generate())


def pair_of(algorithm: str, material: KeyMaterial) -> tuple[KeyMaterial, bytes]:
    """Material that ``generate`` has returned elsewhere, and its public key. Raises WrongKey."""
    key: Any = load_private(algorithm, material)
    return material, encode_public(algorithm, key.public_key())


def encode_pair(algorithm: str, key: Any) -> tuple[KeyMaterial, bytes]:
    """A private key of the library and its public key, as ``generate`` returns them. Raises WrongKey."""
    _require_type(algorithm, key, is_private=True)
    document = key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    return KeyMaterial(document), encode_public(algorithm, key.public_key())


def encode_public(algorithm: str, key: Any) -> bytes:
    """A public key of the library as a SubjectPublicKeyInfo. Raises WrongKey."""
    _require_type(algorithm, key, is_private=False)
    document: bytes = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return document


def from_seed(algorithm: str, seed: bytes) -> Any:
    """The private key of the library with these raw bytes: of EdDSA, X25519, ML-DSA or ML-KEM. Raises ValueError."""
    kind = _TYPES[algorithm].private
    return kind.from_seed_bytes(seed) if algorithm.startswith("ml-") else kind.from_private_bytes(seed)


def from_raw_public(algorithm: str, public: bytes) -> Any:
    """The public key of the library with these raw bytes, of the same types. Raises ValueError."""
    return _TYPES[algorithm].public.from_public_bytes(public)


def rsa_from_numbers(numbers: Mapping[str, int]) -> Any:
    """The RSA key of the library with these members of a JWK (RFC 7518 §6.3), private if it has ``d``. Its numbers may be wrong.

    Raises ValueError.
    """
    try:
        public = rsa.RSAPublicNumbers(numbers["e"], numbers["n"])
        if "d" not in numbers:
            return public.public_key()
        p, q, d, dp, dq, qi = (numbers[name] for name in ("p", "q", "d", "dp", "dq", "qi"))
    except KeyError:
        raise ValueError("a number is missing") from None
    private = rsa.RSAPrivateNumbers(p, q, d, dp, dq, qi, public)
    return private.private_key(unsafe_skip_rsa_key_validation=True)


def load_private(algorithm: str, material: KeyMaterial) -> PrivateKey:
    """The private key of material that ``generate`` has returned. Raises WrongKey."""
    if algorithm == hybrid.ALGORITHM:
        return hybrid.load_private(material)
    # Our own key-encryption key has authenticated the bytes, so the slow checks of an RSA key are not repeated.
    key: Any = load_der_private_key(material.expose(), None, unsafe_skip_rsa_key_validation=True)
    _require_type(algorithm, key, is_private=True)
    found: PrivateKey = key
    return found


def load_public(algorithm: str, document: bytes) -> PublicKey:
    """The public key of a SubjectPublicKeyInfo, ours or of another system. Raises WrongKey, which names the cause.

    A point may be compressed (RFC 5480 §2.2).
    """
    require_algorithm(algorithm, document, is_private=False)
    if algorithm == hybrid.ALGORITHM:
        return hybrid.load_public(document)
    key = _load_public(document, f"a public key of type {algorithm}")
    _require_type(algorithm, key, is_private=False)
    found: PublicKey = key
    return found


def load_recipient(document: bytes) -> rsa.RSAPublicKey | hybrid.PublicKey:
    """As ``load_public``, for an RSA key of any size or a key of ``hybrid``."""
    expected = f"a public RSA key or one of type {hybrid.ALGORITHM}"
    found = _read(document, expected, is_private=False)
    if found.identifier == hybrid.IDENTIFIER:
        return hybrid.load_public(document)
    _require_identifier(found, _RSA, expected)
    key: rsa.RSAPublicKey = _load_public(document, expected)
    return key


def require_algorithm(algorithm: str, document: bytes, *, is_private: bool) -> Document:
    """The parts of a document. Raises WrongKey for a key of another algorithm or curve. The size is not compared."""
    expected = f"a {'private' if is_private else 'public'} key of type {algorithm}"
    found = _read(document, expected, is_private=is_private)
    kind = _TYPES.get(algorithm)
    _require_identifier(found, kind.identifier if kind else hybrid.IDENTIFIER, expected)
    if kind and kind.curve and found.curve not in {"", kind.curve_identifier}:
        known = {each.curve_identifier: each.curve for each in _TYPES.values() if each.curve}
        raise _wrong_curve(known.get(found.curve, "another one"), expected, kind.curve)
    return found


def _read(document: bytes, expected: str, *, is_private: bool) -> Document:
    found = key_documents.read(document)
    if found.is_private is not is_private:
        raise WrongKey(f"This is a {'private' if found.is_private else 'public'} key. Expected {expected}.")
    return found


def _require_identifier(found: Document, identifier: str, expected: str) -> None:
    if found.identifier == _RSASSA_PSS:  # the library reads it as any RSA key
        raise WrongKey(
            "A key for RSASSA-PSS only is not supported. Send a key with the identifier rsaEncryption."
        )
    if found.identifier != identifier:
        name = _NAMES.get(found.identifier, "a key of an unknown algorithm")
        raise WrongKey(f"This is {name}. Expected {expected}.")


def _load_public(document: bytes, expected: str) -> Any:
    try:
        return load_der_public_key(document)
    except (ValueError, NotInLibrary, InternalError):
        raise WrongKey(f"The document does not contain {expected}.") from None


def _require_type(algorithm: str, key: Any, *, is_private: bool) -> None:
    kind, expected = _TYPES[algorithm], f"a {'private' if is_private else 'public'} key of type {algorithm}"
    if not isinstance(key, kind.private if is_private else kind.public):
        raise WrongKey(f"Expected {expected}.")
    kind.require_type_of(key, expected)


def encode_pem(document: bytes) -> str:
    """A SubjectPublicKeyInfo as PEM (RFC 7468 §13)."""
    lines = textwrap.wrap(encode_base64(document), 64)
    return "\n".join(("-----BEGIN PUBLIC KEY-----", *lines, "-----END PUBLIC KEY-----", ""))
