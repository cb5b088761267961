"""Keys made without our code, and their documents in the formats of other systems."""

from functools import cache
from math import gcd

from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, mldsa, mlkem, rsa, x25519
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

from kernel.crypto.encoding import encode_base64url

_GENERATE = {
    "ed25519": ed25519.Ed25519PrivateKey.generate,
    "ed448": ed448.Ed448PrivateKey.generate,
    "x25519": x25519.X25519PrivateKey.generate,
    "ec-p256": lambda: ec.generate_private_key(ec.SECP256R1()),
    "ec-p384": lambda: ec.generate_private_key(ec.SECP384R1()),
    "ec-p521": lambda: ec.generate_private_key(ec.SECP521R1()),
    "ec-secp256k1": lambda: ec.generate_private_key(ec.SECP256K1()),
    "rsa-2048": lambda: _rsa(2048),
    "rsa-3072": lambda: _rsa(3072),
    "ml-dsa-44": mldsa.MLDSA44PrivateKey.generate,
    "ml-dsa-65": mldsa.MLDSA65PrivateKey.generate,
    "ml-dsa-87": mldsa.MLDSA87PrivateKey.generate,
    "ml-kem-768": mlkem.MLKEM768PrivateKey.generate,
    "ml-kem-1024": mlkem.MLKEM1024PrivateKey.generate,
}
# RSA-4096 differs from RSA-3072 by its size only, and takes seconds.
ALGORITHMS = tuple(_GENERATE)
_CURVES = {"ed25519": "Ed25519", "ed448": "Ed448", "x25519": "X25519"}


@cache
def _rsa(size):
    """One key of each size for all tests of a process, because RSA keys take long."""
    return rsa.generate_private_key(65_537, size)


def rsa_of(p, q, e=65_537, d=None, n=None):
    """A private RSA key of these numbers, unchecked."""
    d = pow(e, -1, (p - 1) * (q - 1)) if d is None else d
    public = rsa.RSAPublicNumbers(e, p * q if n is None else n)
    numbers = rsa.RSAPrivateNumbers(
        p, q, d, rsa.rsa_crt_dmp1(d, p), rsa.rsa_crt_dmq1(d, q), rsa.rsa_crt_iqmp(p, q), public
    )
    return numbers.private_key(unsafe_skip_rsa_key_validation=True)


@cache
def rsa_with_a_composite_factor():
    """A key of 2,048 bits whose numbers agree. Only a test for primes sees what is wrong."""
    while True:
        p, q = (
            rsa.generate_private_key(65_537, 1024).public_key().public_numbers().n,  # noqa: S505 - a product of primes
            _rsa(2048).private_numbers().q,
        )
        if gcd(65_537, p - 1) == 1 and (p * q).bit_length() == 2048:
            return rsa_of(p, q)


def new_key(algorithm):
    """A private key of the library."""
    return _GENERATE[algorithm]()


def private_bytes(key, encoding=Encoding.DER, form=PrivateFormat.PKCS8, encryption=None):
    return key.private_bytes(encoding, form, encryption or NoEncryption())


def public_bytes(key, encoding=Encoding.DER):
    return key.public_key().public_bytes(encoding, PublicFormat.SubjectPublicKeyInfo)


def jwk_of(algorithm, key, *, is_private=True):
    if algorithm.startswith(("ec-", "rsa-")):
        encode = ECAlgorithm if algorithm.startswith("ec-") else RSAAlgorithm
        members = encode.to_jwk(key if is_private else key.public_key(), as_dict=True)
        members.pop("key_ops", None)  # PyJWT writes that an RSA key signs
        return members
    public, private = ("pub", "priv") if algorithm.startswith("ml-") else ("x", "d")
    kind = {"kty": "OKP", "crv": _CURVES[algorithm]} if algorithm in _CURVES else {"kty": "AKP"}
    jwk = {**kind, public: encode_base64url(key.public_key().public_bytes_raw())}
    return jwk | ({private: encode_base64url(key.private_bytes_raw())} if is_private else {})


def der(tag, content):
    """An element in DER: the library refuses longer encodings of the length."""
    size = len(content).to_bytes((len(content).bit_length() + 7) // 8 or 1)
    return bytes([tag, *([] if len(content) < 128 else [0x80 + len(size)])]) + size + content


def integer(number):
    return der(0x02, number.to_bytes(number.bit_length() // 8 + 1))
