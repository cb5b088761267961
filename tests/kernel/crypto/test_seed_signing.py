import cryptography_vectors
import pytest

from kernel.crypto import seed_signing
from kernel.crypto.errors import SignatureInvalid, UnsupportedAlgorithm
from kernel.crypto.material import KeyMaterial
from tests.kernel.crypto.vector_files import octets, read_vectors

# RFC 8032 section 7.1, TEST 1 to 3: seed, public key, message, signature.
RFC_8032 = [
    (
        "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        "",
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
    ),
    (
        "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
        "72",
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
    ),
    (
        "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
        "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
        "af82",
        "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a",
    ),
]
BOTH = pytest.mark.parametrize("algorithm", seed_signing.SEED_ALGORITHMS)


@pytest.mark.parametrize("vector", RFC_8032, ids=["1", "2", "3"])
def test_rfc_8032_vectors_hold(vector):
    seed, public, message, signature = map(bytes.fromhex, vector)
    material = KeyMaterial(seed)

    assert seed_signing.public_key(seed_signing.ED25519, material) == public
    assert seed_signing.sign(seed_signing.ED25519, material, message) == signature
    seed_signing.verify(seed_signing.ED25519, public, message, signature)


def test_the_thousand_published_ed25519_signatures_are_ours():
    with cryptography_vectors.open_vector_file("asymmetric/Ed25519/sign.input", "r") as lines:
        records = [list(map(bytes.fromhex, line.split(":")[:4])) for line in lines]
    assert len(records) == 1024
    for seed_and_public, public, message, signed in records[::16]:
        material = KeyMaterial(seed_and_public[:32])
        assert seed_signing.public_key(seed_signing.ED25519, material) == public
        assert seed_signing.sign(seed_signing.ED25519, material, message) + message == signed


# Only the keys are usable: like ours, they come from seeds. Each signature has a context; ours never have
# one.
ML_DSA_44_VECTORS = read_vectors("asymmetric/MLDSA/kat_MLDSA_44_det_pure.rsp")


def test_the_hundred_published_ml_dsa_44_keys_are_ours():
    assert len(ML_DSA_44_VECTORS) == 100
    for r in ML_DSA_44_VECTORS:
        assert seed_signing.public_key(seed_signing.ML_DSA_44, KeyMaterial(octets(r["xi"]))) == octets(
            r["pk"]
        )


def test_a_published_signature_with_a_context_is_not_one_without():
    r = ML_DSA_44_VECTORS[0]
    assert r["ctx"]
    with pytest.raises(SignatureInvalid):
        seed_signing.verify(seed_signing.ML_DSA_44, octets(r["pk"]), octets(r["msg"]), octets(r["sm"])[:2420])


@BOTH
def test_a_signature_verifies_and_has_the_sizes_of_the_table(algorithm):
    row = seed_signing.SEED_ALGORITHMS[algorithm]
    material, public = seed_signing.generate(algorithm)

    signature = seed_signing.sign(algorithm, material, b"message")

    seed_signing.verify(algorithm, public, b"message", signature)
    assert (len(material.expose()), len(public), len(signature)) == (
        row.seed_size,
        row.public_key_size,
        row.signature_size,
    )


@BOTH
def test_two_generated_keys_differ(algorithm):
    assert seed_signing.generate(algorithm)[1] != seed_signing.generate(algorithm)[1]


@BOTH
def test_another_message_or_key_is_refused(algorithm):
    material, public = seed_signing.generate(algorithm)
    signature = seed_signing.sign(algorithm, material, b"message")
    for key, message in ((public, b"massage"), (seed_signing.generate(algorithm)[1], b"message")):
        with pytest.raises(SignatureInvalid):
            seed_signing.verify(algorithm, key, message, signature)


@BOTH
def test_a_flipped_bit_in_any_byte_of_the_signature_is_refused(algorithm):
    material, public = seed_signing.generate(algorithm)
    signature = seed_signing.sign(algorithm, material, b"message")
    for at in range(len(signature)):
        altered = bytearray(signature)
        altered[at] ^= 1 << at % 8
        with pytest.raises(SignatureInvalid):
            seed_signing.verify(algorithm, public, b"message", bytes(altered))


@BOTH
@pytest.mark.parametrize("size", [0, 1, 63, 65, 2419, 2421])
def test_a_signature_of_another_length_is_refused(algorithm, size):
    _, public = seed_signing.generate(algorithm)
    with pytest.raises(SignatureInvalid):
        seed_signing.verify(algorithm, public, b"message", bytes(size))


@BOTH
def test_a_seed_or_a_public_key_of_another_length_is_an_error(algorithm):
    with pytest.raises(ValueError, match="32 bytes"):
        seed_signing.sign(algorithm, KeyMaterial(bytes(31)), b"message")
    with pytest.raises(ValueError, match="bytes"):
        seed_signing.verify(algorithm, bytes(31), b"message", bytes(64))


@pytest.mark.parametrize("name", ["", "rsa", "Ed25519", "ml-dsa-65", "ed25519 "])
def test_anything_else_is_refused_with_the_allowed_words_and_without_an_echo(name):
    with pytest.raises(UnsupportedAlgorithm) as refusal:
        seed_signing.generate(name)
    assert refusal.value.detail == "Unknown signing algorithm. Allowed: ed25519, ml-dsa-44."


def test_the_table_cannot_be_changed():
    with pytest.raises(TypeError):
        seed_signing.SEED_ALGORITHMS["rsa"] = seed_signing.SEED_ALGORITHMS["ed25519"]
