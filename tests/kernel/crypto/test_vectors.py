"""Published vectors, through the functions that seal and open every message."""

import pytest

from kernel.crypto.errors import DecryptionFailed, MalformedCiphertext
from kernel.crypto.material import KeyMaterial
from kernel.crypto.modes import SEALING_MODES
from kernel.crypto.sealing import aead
from tests.kernel.crypto.vector_files import octets, read_vectors


def seal(name, key, iv, plaintext, aad):
    mode = SEALING_MODES[name]
    return aead._seal_with_iv(aead._aead(mode, KeyMaterial(key)), mode, iv, plaintext, aad)


def unseal(name, key, sealed, aad):
    mode = SEALING_MODES[name]
    return aead._open(aead._aead(mode, KeyMaterial(key)), mode, sealed, aad)


def assert_both_ways(name, key, iv, plaintext, aad, ciphertext, tag):
    expected = aead.Sealed(iv, ciphertext, tag)
    assert seal(name, key, iv, plaintext, aad) == expected
    assert unseal(name, key, expected, aad) == plaintext


def has_our_lengths(record):
    return record["ivlen"] == "96" and record["taglen"] == "128"


@pytest.mark.parametrize("bits", ["128", "256"])
def test_nist_gcm_encryption(bits):
    records = [r for r in read_vectors(f"ciphers/AES/GCM/gcmEncryptExtIV{bits}.rsp") if has_our_lengths(r)]
    assert len(records) == 375
    for r in records:
        key, iv, plaintext, aad, ciphertext, tag = (
            octets(r[name]) for name in ("key", "iv", "pt", "aad", "ct", "tag")
        )
        assert_both_ways(f"aes-{bits}-gcm", key, iv, plaintext, aad, ciphertext, tag)


@pytest.mark.parametrize("bits", ["128", "256"])
def test_nist_gcm_decryption(bits):
    refused = 0
    for r in read_vectors(f"ciphers/AES/GCM/gcmDecrypt{bits}.rsp"):
        sealed = aead.Sealed(octets(r["iv"]), octets(r["ct"]), octets(r["tag"]))
        arguments = (f"aes-{bits}-gcm", octets(r["key"]), sealed, octets(r["aad"]))
        if not has_our_lengths(r):
            with pytest.raises(MalformedCiphertext):
                unseal(*arguments)
        elif "fail" in r:
            refused += 1
            with pytest.raises(DecryptionFailed):
                unseal(*arguments)
        else:
            assert unseal(*arguments) == octets(r["pt"])
    assert refused > 100


def test_gcm_siv_of_rfc_8452():
    records = [r for r in read_vectors("ciphers/AES/GCM-SIV/openssl.txt") if len(octets(r["key"])) == 32]
    assert len(records) > 20
    for r in records:
        assert_both_ways(
            "aes-256-gcm-siv",
            octets(r["key"]),
            octets(r["iv"]),
            octets(r["plaintext"]),
            octets(r.get("aad", "")),
            octets(r["ciphertext"]),
            octets(r["tag"]),
        )


def test_chacha20_poly1305_of_rfc_8439():
    records = read_vectors("ciphers/ChaCha20Poly1305/boringssl.txt")
    assert len(records) == 66
    assert octets(records[0]["in"]).startswith(b"Ladies and Gentlemen")  # RFC 8439 §2.8.2
    for r in records:
        key, nonce, plaintext, aad, ciphertext, tag = (
            octets(r[name]) for name in ("key", "nonce", "in", "ad", "ct", "tag")
        )
        assert_both_ways("chacha20-poly1305", key, nonce, plaintext, aad, ciphertext, tag)


def test_chacha20_poly1305_of_openssl_with_its_failing_tag():
    outcomes = []
    for r in read_vectors("ciphers/ChaCha20Poly1305/openssl.txt"):
        sealed = aead.Sealed(octets(r["iv"]), octets(r["ciphertext"]), octets(r["tag"]))
        arguments = ("chacha20-poly1305", octets(r["key"]), sealed, octets(r["aad"]))
        outcomes.append("result" in r)
        if "result" in r:
            with pytest.raises(DecryptionFailed):
                unseal(*arguments)
        else:
            assert unseal(*arguments) == octets(r["plaintext"])
    assert sorted(set(outcomes)) == [False, True]


def test_aes_256_siv():
    (r,) = (r for r in read_vectors("ciphers/AES/SIV/openssl.txt") if len(octets(r["key"])) == 64)
    assert_both_ways(
        "aes-256-siv",
        octets(r["key"]),
        b"",
        octets(r["plaintext"]),
        octets(r["aad"]),
        octets(r["ciphertext"]),
        octets(r["tag"]),
    )


def test_a256cbc_hs512_of_rfc_7518_appendix_b_3():
    assert_both_ways(
        "aes-256-cbc-hmac-sha512",
        key=bytes(range(64)),
        iv=bytes.fromhex("1af38c2dc2b96ffdd86694092341bc04"),
        plaintext=(
            b"A cipher system must not be required to be secret, and it must be able to fall into "
            b"the hands of the enemy without inconvenience"
        ),
        aad=b"The second principle of Auguste Kerckhoffs",
        ciphertext=bytes.fromhex(
            "4affaaadb78c31c5da4b1b590d10ffbd3dd8d5d302423526912da037ecbcc7bd"
            "822c301dd67c373bccb584ad3e9279c2e6d12a1374b77f077553df829410446b"
            "36ebd97066296ae6427ea75c2e0846a11a09ccf5370dc80bfecbad28c73f09b3"
            "a3b75e662a2594410ae496b2e2e6609e31e6e02cc837f053d21f37ff4f51950b"
            "be2638d09dd7a4930930806d0703b1f6"
        ),
        tag=bytes.fromhex("4dd3b4c088a7f45c216839645b2012bf2e6269a8c56a816dbc1b267761955bc5"),
    )
