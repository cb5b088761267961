"""Checks of keys from other systems that the library does not make. All raise WrongKey."""

from math import gcd, prod
from typing import Any, Final

from cryptography.exceptions import InternalError
from cryptography.hazmat.primitives.asymmetric import ed448, ed25519, rsa
from cryptography.hazmat.primitives.serialization import load_der_private_key

from kernel.crypto.errors import WrongKey

NOT_RSA: Final = "A factor of the private key is not prime, or its numbers do not belong together."
_RSA_EXPONENT: Final = 65_537  # FIPS 186-5 §5.4, for private keys
_MIN_EXPONENT: Final = 3  # RFC 8017 §3.1, for public keys alone: existing signatures must remain verifiable
_MAX_EXPONENT: Final = 1 << 256  # FIPS 186-5 §5.4; each use of a larger one takes long
# NIST SP 800-89 §5.3.3: a modulus has no factor below 752.
_SMALL_FACTORS: Final = prod(number for number in range(2, 752) if all(number % i for i in range(2, number)))
_FIELD_25519: Final = 2**255 - 19
_FIELD_448: Final = 2**448 - 2**224 - 1
# The y coordinates of the points of order 1, 2, 4 and 8 (RFC 7748 §6.1, RFC 8032): with such a key, anyone can make
# signatures that verify.
_SMALL_ORDER_25519: Final = frozenset(
    {
        0,
        1,
        _FIELD_25519 - 1,
        int.from_bytes(
            bytes.fromhex("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05"), "little"
        ),
        int.from_bytes(
            bytes.fromhex("c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a"), "little"
        ),
    }
)
_SMALL_ORDER_448: Final = frozenset({0, 1, _FIELD_448 - 1})


def check_public(key: Any) -> None:
    """Refuse an RSA key with a useless modulus or exponent, and points of small order or in another encoding."""
    if isinstance(key, rsa.RSAPublicKey):
        numbers = key.public_numbers()
        if gcd(numbers.n, _SMALL_FACTORS) != 1:
            raise WrongKey("The modulus has a small factor.")
        if not _MIN_EXPONENT <= numbers.e < _MAX_EXPONENT or numbers.e % 2 == 0:
            raise WrongKey("The public exponent must be odd, at least 3 and at most 256 bits long.")
    elif isinstance(key, ed25519.Ed25519PublicKey):
        y = int.from_bytes(key.public_bytes_raw(), "little") & (2**255 - 1)
        _check_point(y, _FIELD_25519, _SMALL_ORDER_25519)
    elif isinstance(key, ed448.Ed448PublicKey):
        octets = key.public_bytes_raw()
        if octets[-1] & 0x7F:
            raise WrongKey("The public key is not a point of the curve.")
        _check_point(int.from_bytes(octets[:-1], "little"), _FIELD_448, _SMALL_ORDER_448)


def check_private(key: Any) -> None:
    """Refuse an RSA key whose numbers do not fit or are weak (FIPS 186-5 appendix A.1.1). It takes microseconds.

    ``check_rsa`` then tests whether both factors are prime. For a factor of the wrong size, that would take minutes.
    """
    check_public(key.public_key())
    if not isinstance(key, rsa.RSAPrivateKey):
        return
    numbers, half = key.private_numbers(), key.key_size // 2
    p, q, d = numbers.p, numbers.q, numbers.d
    if numbers.public_numbers.e < _RSA_EXPONENT:
        raise WrongKey(f"Expected a public exponent of at least {_RSA_EXPONENT}.")
    if (
        p * q != numbers.public_numbers.n
        or p.bit_length() != half
        or q.bit_length() != half
        or numbers.dmp1 >= p
        or numbers.dmq1 >= q
        or numbers.iqmp >= p
        or d >= numbers.public_numbers.n
    ):
        raise WrongKey("The numbers of the private key do not belong together.")
    if abs(p - q) <= 1 << (half - 100) or d <= 1 << half:
        raise WrongKey("The private key is weak.")


def check_rsa(document: bytes) -> None:
    """Refuse an RSA key (PKCS #8 in DER) with a factor that is not prime. ``check_private`` must have accepted it.

    It takes up to 0.3 s, in which no other thread of the process runs: see ``kernel.rsa.process``.
    """
    try:
        load_der_private_key(document, None)
    except (ValueError, InternalError):
        raise WrongKey(NOT_RSA) from None


def _check_point(y: int, field: int, small_order: frozenset[int]) -> None:
    if y >= field or y in small_order:
        raise WrongKey("The public key is a point of small order, or not in its only encoding.")
