"""Weak keys, and keys whose checks would take long, are refused before they are used."""

import time

import pytest
from cryptography.hazmat.primitives.asymmetric import ed448, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from kernel.crypto.algorithms import find_key_algorithm
from kernel.crypto.asymmetric import hybrid
from kernel.crypto.errors import Invalid, WrongKey
from kernel.crypto.transport import importing, key_checks
from tests.foreign_keys import der, integer, private_bytes, rsa_of, rsa_with_a_composite_factor

P_25519, P_448 = 2**255 - 19, 2**448 - 2**224 - 1
RSA = rsa.generate_private_key(65_537, 3072)


@pytest.mark.parametrize(
    "change",
    [
        lambda _good: {
            "p": 2**4423 - 1
        },  # the library would test for a quarter of a minute whether it is prime
        lambda good: {"p": good.p + 2},
        lambda good: {"d": good.public_numbers.n},
    ],
)
def test_a_document_with_a_wrong_number_is_refused_at_once(change):
    good = RSA.private_numbers()
    names = ("d", "p", "q", "dmp1", "dmq1", "iqmp")
    values = {name: getattr(good, name) for name in names} | change(good)
    numbers = (0, good.public_numbers.n, good.public_numbers.e, *values.values())
    key = der(0x30, b"".join(integer(number) for number in numbers))  # RFC 8017 appendix A.1.2
    algorithm = bytes.fromhex("300d06092a864886f70d0101010500")
    document = der(0x30, integer(0) + algorithm + der(0x04, key))
    began = time.perf_counter()
    with pytest.raises(Invalid, match="do not belong together"):
        importing.from_private_der(find_key_algorithm("rsa-3072", "sign"), document)
    assert time.perf_counter() - began < 2


def test_weak_private_keys_are_refused():
    numbers = RSA.private_numbers()
    p, q = numbers.p, numbers.q
    key_checks.check_private(RSA)
    weak = [rsa_of(p, free_of_small_factors(p + 2)), rsa_of(p, q, d=3**500), rsa_of(p, q, d=2**1536 - 1)]
    for key in weak:
        with pytest.raises(WrongKey, match="weak"):
            key_checks.check_private(key)
    with pytest.raises(WrongKey, match="public exponent"):
        key_checks.check_private(rsa_of(p, q, e=3, d=numbers.d))


def numbers_of(key, **changes):
    """The key with other numbers than its own, which the library does not compare."""
    names = ("p", "q", "d", "dmp1", "dmq1", "iqmp", "public_numbers")
    values = {name: getattr(key.private_numbers(), name) for name in names}
    return rsa.RSAPrivateNumbers(**values | changes).private_key(unsafe_skip_rsa_key_validation=True)


SHORT = 2**1534 + 1


@pytest.mark.parametrize(
    "change",
    [
        lambda numbers: {"dmp1": numbers.p},
        lambda numbers: {"dmq1": numbers.q},
        lambda numbers: {"iqmp": numbers.p},
        lambda numbers: of_factors(numbers.p, free_of_small_factors(SHORT)),
        lambda numbers: of_factors(free_of_small_factors(SHORT), numbers.q),
        # Half the bits of their modulus, rounded down, are those of the first factor only.
        lambda numbers: of_factors(free_of_small_factors((3 << 1533) + 1), numbers.q),
    ],
)
def test_each_number_of_a_private_key_is_compared(change):
    with pytest.raises(WrongKey, match="do not belong together"):
        key_checks.check_private(numbers_of(RSA, **change(RSA.private_numbers())))


def of_factors(p, q):
    fitting = {"d": (1 << 1536) + 1, "dmp1": 1, "dmq1": 1, "iqmp": 1}
    return {"p": p, "q": q, "public_numbers": rsa.RSAPublicNumbers(65_537, p * q), **fitting}


def test_the_public_part_of_a_private_key_is_checked():
    with pytest.raises(WrongKey, match="small factor"):
        key_checks.check_private(numbers_of(RSA, **of_factors(3 * (2**1534 + 1), RSA.private_numbers().q)))


def test_the_factors_differ_and_the_private_exponent_is_long():
    """By more than 2^(half - 100), and longer than half of the bits (FIPS 186-5 appendix A.1.1)."""
    least = 1 << (1536 - 100)
    begin = (3 << 1534) + 1
    close = next(n for n in range(begin, begin + 100_000, 2) if is_free(n) and is_free(n + least))
    far = next(n for n in range(begin, begin + 100_000, 2) if is_free(n) and is_free(n + least + 2))
    weak = [of_factors(close, close + least), {"d": 1 << 1536}]
    for change in weak:
        with pytest.raises(WrongKey, match="weak"):
            key_checks.check_private(numbers_of(RSA, **change))
    for change in (of_factors(far, far + least + 2), {"d": (1 << 1536) + 1}):
        key_checks.check_private(numbers_of(RSA, **change))


def is_free(number):
    return all(number % factor for factor in range(3, 1000, 2))


def free_of_small_factors(begin):
    return next(n for n in range(begin, begin + 10_000, 2) if is_free(n))


def test_wrong_numbers_and_composite_factors_are_refused():
    numbers = RSA.private_numbers()
    key_checks.check_rsa(private_bytes(RSA))
    for key in (rsa_of(numbers.p, numbers.q, d=numbers.d + 2), rsa_with_a_composite_factor()):
        key_checks.check_private(key)  # too fast to see it
        with pytest.raises(WrongKey):
            key_checks.check_rsa(private_bytes(key))


def test_useless_public_keys_are_refused():
    n = RSA.public_key().public_numbers().n
    even, small_factor, large_exponent = (n - 1, 65_537), (3 * (2**3070 - 5), 65_537), (n, (1 << 256) + 1)
    for modulus, exponent in (even, small_factor, large_exponent):
        with pytest.raises(WrongKey):
            key_checks.check_public(rsa.RSAPublicNumbers(exponent, modulus).public_key())


ORDER_8 = int.from_bytes(
    bytes.fromhex("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05"), "little"
)


def test_ed25519_keys_of_both_signs_are_accepted():
    keys = [ed25519.Ed25519PrivateKey.from_private_bytes(bytes([n]) * 32).public_key() for n in range(8)]
    assert {key.public_bytes_raw()[31] >> 7 for key in keys} == {0, 1}
    for key in keys:
        key_checks.check_public(key)


@pytest.mark.parametrize("sign", [0, 1 << 255], ids=["even", "odd"])
@pytest.mark.parametrize(
    "y",
    [0, 1, P_25519 - 1, P_25519, P_25519 + 1, 2**255 - 1, ORDER_8, P_25519 - ORDER_8],
    ids=["order 4", "order 1", "order 2", "p", "p + 1", "2^255 - 1", "order 8", "another of order 8"],
)
def test_ed25519_keys_of_small_order_and_other_encodings_are_refused(y, sign):
    key = ed25519.Ed25519PublicKey.from_public_bytes((y | sign).to_bytes(32, "little"))
    document = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    with pytest.raises(Invalid, match="small order"):
        importing.from_public_der(find_key_algorithm("ed25519"), document)


@pytest.mark.parametrize(
    "octets", [bytes(57), b"\x01" + bytes(56), (P_448 - 1).to_bytes(57, "little")], ids=["0", "1", "-1"]
)
def test_ed448_keys_of_small_order_are_refused(octets):
    with pytest.raises(WrongKey, match="small order"):
        key_checks.check_public(ed448.Ed448PublicKey.from_public_bytes(octets))
    with pytest.raises(WrongKey, match="not a point"):
        key_checks.check_public(ed448.Ed448PublicKey.from_public_bytes(b"\x02" + bytes(55) + b"\x01"))


def test_a_hybrid_key_without_its_curve_part_is_refused():
    _, document = hybrid.generate()
    with pytest.raises(WrongKey):
        hybrid.load_public(document[:-32] + bytes(32))
