"""JSON Web Keys from other systems (RFC 7517): oct, EC and RSA (RFC 7518), OKP (RFC 8037), AKP (RFC 9964).

The request names the algorithm and the purpose. A JWK whose ``use``, ``key_ops`` or ``alg`` contradicts them is refused.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

from jwt.algorithms import ECAlgorithm
from jwt.exceptions import InvalidKeyError

from kernel.crypto.algorithms import KeyAlgorithm
from kernel.crypto.asymmetric import key_pairs
from kernel.crypto.encoding import decode_base64url
from kernel.crypto.transport import importing
from kernel.crypto.transport.importing import Parts, refused
from keys.transport.jose import NAMES, names_of

_MAX_MEMBER: Final = 4096  # characters; the public key of ML-DSA-87 has 3,456
_CURVES: Final = MappingProxyType(
    {
        "ed25519": "Ed25519",
        "ed448": "Ed448",
        "x25519": "X25519",
        "ec-p256": "P-256",
        "ec-p384": "P-384",
        "ec-p521": "P-521",
        "ec-secp256k1": "secp256k1",
    }
)
_MEMBERS: Final = MappingProxyType(
    {
        "oct": ("k",),
        "OKP": ("x", "d"),
        "AKP": ("pub", "priv"),
        "EC": ("x", "y", "d"),
        "RSA": ("n", "e", "d", "p", "q", "dp", "dq", "qi"),
    }
)

# RFC 7517 §4.2 and §4.3; the operations of KEMs are those of the Web Cryptography API.
_USES: Final = MappingProxyType(
    {"sign": "sig", "mac": "sig", "encrypt": "enc", "encapsulate": "enc", "agree": "enc"}
)
_OPERATIONS: Final = MappingProxyType(
    {
        "sign": {"sign", "verify"},
        "mac": {"sign", "verify"},
        "encrypt": {"encrypt", "decrypt", "wrapKey", "unwrapKey"},
        "encapsulate": {"encapsulateKey", "encapsulateBits", "decapsulateKey", "decapsulateBits"},
        "agree": {"deriveKey", "deriveBits"},
    }
)
_ALL_OPERATIONS: Final = frozenset(word for words in _OPERATIONS.values() for word in words)
_FACTORS: Final = frozenset({"p", "q", "dp", "dq", "qi"})


def from_jwk(kind: KeyAlgorithm, jwk: Mapping[str, object]) -> Parts:
    """The key, private if the JWK has a private member. Raises Invalid."""
    kty, crv = _kty(kind), _CURVES.get(kind.name)
    if jwk.get("kty") != kty:
        raise refused(f"The kty of a key of type {kind.name} is {kty}.")
    if crv is not None and jwk.get("crv") != crv:
        raise refused(f"The crv of a key of type {kind.name} is {crv}.")
    _require_purpose(kind, jwk)
    if "oth" in jwk:
        raise refused("An RSA key with more than two primes is not supported.")
    given = {name: _text(jwk, name) for name in _MEMBERS[kty] if name in jwk}
    if kty == "RSA":
        return _from_rsa(kind, given)
    if kty == "EC":
        return _from_ec(kind, {"kty": kty, "crv": str(crv), **given})
    if kty == "oct":
        return importing.from_raw(kind, _octets(given, "k"))
    public, private = _MEMBERS[kty]
    raw = _octets(given, public)
    if private in given:
        return importing.from_seed(kind, _octets(given, private), raw)
    return importing.from_raw_public(kind, raw)


def _require_purpose(kind: KeyAlgorithm, jwk: Mapping[str, object]) -> None:
    """Refuse a JWK that another system uses for something else. Words that we do not know say nothing."""
    use, alg = (_text(jwk, name) if name in jwk else None for name in ("use", "alg"))
    own = names_of(kind)
    operations = jwk.get("key_ops", [])
    if use in set(_USES.values()) - {_USES[kind.purpose]}:
        raise refused(
            f"The use of the JWK is {use}. A key with the purpose {kind.purpose} has {_USES[kind.purpose]}."
        )
    if not isinstance(operations, list) or not all(isinstance(word, str) for word in operations):
        raise refused("The member key_ops must be a list of strings.")
    known = _ALL_OPERATIONS.intersection(operations)
    if known and not known & _OPERATIONS[kind.purpose]:
        raise refused(
            f"The key_ops of the JWK are {', '.join(sorted(known))}. They do not fit the purpose {kind.purpose}."
        )
    if alg is not None and alg not in own and (own or alg in NAMES):
        allowed = f"has one of: {', '.join(own)}" if own else f"has the purpose {kind.purpose}"
        raise refused(f"The alg of the JWK does not fit. A key of type {kind.name} {allowed}.")


def _kty(kind: KeyAlgorithm) -> str:
    if not kind.is_asymmetric:
        return "oct"
    if kind.name.startswith("rsa-"):
        return "RSA"
    if kind.name in _CURVES:
        return "EC" if kind.name.startswith("ec-") else "OKP"
    return "AKP"


def _from_rsa(kind: KeyAlgorithm, members: Mapping[str, str]) -> Parts:
    octets = {name: _octets(members, name) for name in members}
    if "n" in octets and len(octets["n"]) * 8 != kind.key_size:
        raise refused(f"Expected a modulus of {kind.key_size} bits.")  # before slow checks of a large one
    if "d" in octets and not octets.keys() >= _FACTORS:
        # To find the factors would take too long.
        raise refused(f"The members {', '.join(sorted(_FACTORS))} are required beside d.")
    if any(len(octets[name]) * 16 != kind.key_size for name in octets.keys() & {"p", "q"}):
        raise refused(f"Expected factors p and q of {kind.key_size // 2} bits.")  # as for the modulus
    numbers = {name: int.from_bytes(each) for name, each in octets.items()}
    return _parts(kind, members, lambda: key_pairs.rsa_from_numbers(numbers))


def _from_ec(kind: KeyAlgorithm, jwk: dict[str, str]) -> Parts:
    def load() -> object:
        try:
            return ECAlgorithm.from_jwk(jwk)
        except (InvalidKeyError, KeyError) as error:  # a member is missing or inconsistent
            raise ValueError from error

    return _parts(kind, jwk, load)


def _parts(kind: KeyAlgorithm, members: Mapping[str, str], load: Callable[[], object]) -> Parts:
    return (importing.private_parts if "d" in members else importing.public_parts)(kind, load)


def _text(jwk: Mapping[str, object], name: str) -> str:
    value = jwk[name]
    if not isinstance(value, str):
        raise refused(f"The member {name} must be a string.")
    if len(value) > _MAX_MEMBER:
        raise refused(f"The member {name} is too long.")
    return value


def _octets(given: Mapping[str, str], name: str) -> bytes:
    try:
        return decode_base64url(given[name])
    except KeyError:
        raise refused(f"The member {name} is missing.") from None
    except ValueError:
        raise refused(f"The member {name} is not base64url without padding.") from None
