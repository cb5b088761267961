"""Keys from other systems: parsed, checked, and encoded as this package stores its own.

A private key may be any document that the library reads. It is stored as the PKCS #8 document that ``key_pairs``
would have generated. All errors are Invalid for the field ``material``; none repeats the input. What takes long is left
to the caller: a private RSA key also needs ``key_checks.check_rsa``.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, Final

from cryptography.exceptions import InternalError
from cryptography.exceptions import UnsupportedAlgorithm as NotInLibrary
from cryptography.hazmat.primitives.serialization import (
    load_der_private_key,
    load_pem_private_key,
)

from kernel.crypto.algorithms import KeyAlgorithm
from kernel.crypto.asymmetric import hybrid, key_documents, key_pairs
from kernel.crypto.errors import Invalid, WrongKey
from kernel.crypto.material import KeyMaterial
from kernel.crypto.transport import expanded_keys, key_checks, pem

_MAX_HMAC_KEY: Final = 1024  # bytes

# PKCS #1 (RFC 8017), SEC 1 (RFC 5915).
_OLD_LABELS: Final = {"rsa": pem.OLD_RSA, "ec": pem.OLD_EC}
_MULTI_PRIME: Final = b"\1"  # the version of an RSAPrivateKey (RFC 8017 §A.1.2)

type Parts = tuple[KeyMaterial | None, bytes | None]
"""The material, or None for a public key alone, and the public key, or None for a symmetric key."""


def refused(message: str) -> Invalid:
    """The refusal of imported material."""
    return Invalid.of_field("material", message)


def from_raw(kind: KeyAlgorithm, octets: bytes) -> Parts:
    """A symmetric key, or the 96 bytes of a private key of ``hybrid``. Raises Invalid.

    A symmetric key has exactly the size of the algorithm, except that an HMAC key has 1 to 1,024 bytes: RFC 2104 allows
    any length, and existing MACs must remain verifiable.
    """
    if kind.name == hybrid.ALGORITHM:
        return _hybrid(octets)
    if kind.is_asymmetric:
        raise refused(f"A key of type {kind.name} is not raw bytes. Send PKCS #8, PEM or JWK.")
    if kind.purpose == "mac":
        if not 1 <= len(octets) <= _MAX_HMAC_KEY:
            raise refused(f"Must be 1 to {_MAX_HMAC_KEY} bytes for {kind.name}.")
        return KeyMaterial(octets, least=1), None
    if len(octets) * 8 != kind.key_size:
        raise refused(f"Must be {kind.key_size // 8} bytes for {kind.name}.")
    return KeyMaterial(octets), None


def from_private_der(kind: KeyAlgorithm, document: bytes) -> Parts:
    """A private key in DER: PKCS #8 without encryption. Raises Invalid."""
    _require_pair(kind)
    if kind.name == hybrid.ALGORITHM:
        raise refused(f"A private key of type {kind.name} has no such format. Send its raw bytes.")
    try:
        content = key_pairs.require_algorithm(kind.name, document, is_private=True).content
        if kind.name.startswith("ml-"):
            seed = expanded_keys.seed_of(kind.name, content)
            return private_parts(kind, lambda: key_pairs.from_seed(kind.name, seed))
        if kind.name.startswith("rsa-"):
            _require_two_primes(content)
    except WrongKey as error:
        raise refused(str(error)) from None
    return _private_document(kind, partial(load_der_private_key, document, None))


def from_public_der(kind: KeyAlgorithm, document: bytes) -> Parts:
    """A SubjectPublicKeyInfo in DER. Raises Invalid."""
    if kind.name == hybrid.ALGORITHM:
        try:
            key_pairs.load_public(kind.name, document)
        except WrongKey as error:
            raise refused(str(error)) from None
        return None, document
    return public_parts(kind, lambda: key_pairs.load_public(kind.name, document))


def from_pem(kind: KeyAlgorithm, text: str) -> Parts:
    """A private key without encryption, or a public key. Raises Invalid."""
    try:
        block = pem.read(text)
        if block.label == pem.PRIVATE:
            return from_private_der(kind, block.octets)
        if block.label == pem.PUBLIC:
            return from_public_der(kind, block.octets)
        return _from_old_pem(kind, block)
    except WrongKey as error:
        raise refused(str(error)) from None


def _from_old_pem(kind: KeyAlgorithm, block: pem.Block) -> Parts:
    if block.label != _OLD_LABELS.get(kind.name.partition("-")[0]):
        raise WrongKey(f"This is an {block.label[:3].strip()} key. Expected a key of type {kind.name}.")
    if block.label == pem.OLD_RSA:
        _require_two_primes(block.octets)
    return _private_document(kind, partial(load_pem_private_key, block.text.encode(), None))


def from_seed(kind: KeyAlgorithm, seed: bytes, public: bytes) -> Parts:
    """A private key as its raw bytes or seed, with its raw public key, which must belong to it. Raises Invalid.

    Of EdDSA, X25519, ML-DSA, ML-KEM and ``hybrid``.
    """
    if kind.name == hybrid.ALGORITHM:
        found = _hybrid(seed)
    else:
        found = private_parts(kind, lambda: key_pairs.from_seed(kind.name, seed))
    if found[1] != from_raw_public(kind, public)[1]:
        raise refused("The public key does not belong to the private key.")
    return found


def from_raw_public(kind: KeyAlgorithm, public: bytes) -> Parts:
    """A raw public key of the same types. Raises Invalid."""
    if kind.name == hybrid.ALGORITHM:
        return from_public_der(kind, hybrid.document_of(public))
    return public_parts(kind, lambda: key_pairs.from_raw_public(kind.name, public))


def from_transport(kind: KeyAlgorithm, octets: bytes) -> Parts:
    """Unwrapped material: PKCS #8 of a pair that has it, otherwise raw bytes. Raises Invalid."""
    return from_private_der(kind, octets) if kind.has_document else from_raw(kind, octets)


def private_parts(kind: KeyAlgorithm, load: Callable[[], Any]) -> Parts:
    """The private key that ``load`` returns, a key of the library. Raises Invalid."""
    _require_pair(kind)
    try:
        # The library checks that a point is on its curve.
        key = load()
        key_checks.check_private(key)
        parts = key_pairs.encode_pair(kind.name, key)
    except WrongKey as error:
        raise refused(str(error)) from None
    except (ValueError, TypeError, NotInLibrary, InternalError):
        raise refused(f"Cannot be read as a private key of type {kind.name}.") from None
    return parts


def public_parts(kind: KeyAlgorithm, load: Callable[[], Any]) -> Parts:
    """The public key that ``load`` returns, a key of the library. Raises Invalid."""
    _require_pair(kind)
    try:
        key = load()
        key_checks.check_public(key)
        document = key_pairs.encode_public(kind.name, key)
    except WrongKey as error:
        raise refused(str(error)) from None
    except (ValueError, TypeError, NotInLibrary, InternalError):
        raise refused(f"Cannot be read as a public key of type {kind.name}.") from None
    return None, document


def _private_document(kind: KeyAlgorithm, load: Callable[..., Any]) -> Parts:
    return private_parts(kind, partial(load, unsafe_skip_rsa_key_validation=True))


def _require_two_primes(content: bytes) -> None:
    """Raises WrongKey for an RSAPrivateKey with more primes, which the library refuses without a reason."""
    try:
        [(_, numbers)] = key_documents.elements(content)
        version, *_ = key_documents.elements(numbers)
    except ValueError:
        return  # the library refuses it
    if version == (key_documents.INTEGER, _MULTI_PRIME):
        raise WrongKey("An RSA key with more than two primes is not supported.")


def _hybrid(octets: bytes) -> Parts:
    try:
        material = KeyMaterial(octets)
        return material, hybrid.public_of(material)
    except ValueError:  # also WrongKey
        raise refused(f"Must be {hybrid.PRIVATE_SIZE} bytes for {hybrid.ALGORITHM}.") from None


def _require_pair(kind: KeyAlgorithm) -> None:
    if not kind.is_asymmetric:
        raise refused(f"A key of type {kind.name} is symmetric. Send raw bytes or a JWK of type oct.")
