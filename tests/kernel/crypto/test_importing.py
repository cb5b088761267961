"""Keys from other systems: every document of every algorithm, those of OpenSSL's command, and refusals."""

import subprocess
import time

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PrivateFormat,
    PublicFormat,
)

from kernel.crypto.algorithms import KEY_ALGORITHMS, find_key_algorithms
from kernel.crypto.asymmetric import hybrid, key_pairs
from kernel.crypto.errors import Invalid, WrongKey
from kernel.crypto.material import KeyMaterial
from kernel.crypto.transport import importing, key_transport
from tests.foreign_keys import ALGORITHMS, der, integer, new_key, private_bytes, public_bytes
from tests.personas import b64

PAIRS = {name: find_key_algorithms(name)[0] for name in ALGORITHMS}
SYMMETRIC = [kind for kind in KEY_ALGORITHMS if not kind.is_asymmetric]


def kind_of(name):
    return find_key_algorithms(name)[0]


def refusal_of(read, *arguments):
    with pytest.raises(Invalid) as refusal:
        read(*arguments)
    assert list(refusal.value.fields) == ["material"]
    return refusal.value.detail


@pytest.mark.parametrize("algorithm", PAIRS)
def test_documents_of_a_pair_give_the_key_as_we_store_it(algorithm):
    key, kind = new_key(algorithm), PAIRS[algorithm]
    private, public = private_bytes(key), public_bytes(key)
    for found in (
        importing.from_private_der(kind, private),
        importing.from_pem(kind, private_bytes(key, Encoding.PEM).decode()),
    ):
        material, document = found
        assert (material.expose(), document) == (private, public)
        assert key_pairs.load_private(algorithm, material)
    assert importing.from_public_der(kind, public) == (None, public)
    assert importing.from_pem(kind, public_bytes(key, Encoding.PEM).decode()) == (None, public)
    assert key_pairs.load_public(algorithm, public)


@pytest.mark.parametrize("kind", SYMMETRIC, ids=lambda kind: kind.name)
def test_symmetric_material_is_raw_bytes_of_the_exact_size(kind):
    size = kind.key_size // 8
    material, public = importing.from_raw(kind, bytes(range(size)))
    assert (material.expose(), public) == (bytes(range(size)), None)
    if kind.purpose != "mac":
        for other in (size - 1, size + 1, 0):
            assert f"{size} bytes" in refusal_of(importing.from_raw, kind, bytes(other))


def test_an_imported_hmac_key_has_1_to_1024_bytes():
    kind = kind_of("hmac-sha256")
    for size in (1, 15, 1024):
        assert importing.from_raw(kind, bytes(size))[0].expose() == bytes(size)
    for size in (0, 1025):
        assert "1 to 1024 bytes" in refusal_of(importing.from_raw, kind, bytes(size))


def test_other_encodings_of_a_private_key_are_stored_as_pkcs_8():
    for algorithm in ("ec-p256", "rsa-2048"):
        key, kind = new_key(algorithm), PAIRS[algorithm]
        traditional = private_bytes(key, Encoding.PEM, PrivateFormat.TraditionalOpenSSL).decode()
        assert importing.from_pem(kind, traditional)[0].expose() == private_bytes(key)


def test_a_compressed_point_is_stored_as_an_uncompressed_one():
    key = ec.generate_private_key(ec.SECP256R1())
    compressed = key.public_key().public_bytes(Encoding.X962, PublicFormat.CompressedPoint)
    header = bytes.fromhex("3039301306072a8648ce3d020106082a8648ce3d030107032200")
    assert importing.from_public_der(PAIRS["ec-p256"], header + compressed) == (None, public_bytes(key))


COMMANDS = {
    "ec-p256": ["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"],
    "ec-secp256k1": ["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:secp256k1"],
    "rsa-2048": ["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"],
    "ed25519": ["-algorithm", "ED25519"],
    "x25519": ["-algorithm", "X25519"],
    "ml-dsa-44": ["-algorithm", "ML-DSA-44"],
    "ml-dsa-65": ["-algorithm", "ML-DSA-65", "-provparam", "ml-dsa.output_formats=seed-only"],
    "ml-kem-768": ["-algorithm", "ML-KEM-768"],
}


@pytest.mark.parametrize("algorithm", COMMANDS)
def test_keys_made_by_openssl_are_read(algorithm):
    made = openssl("genpkey", *COMMANDS[algorithm])
    material, public = importing.from_pem(PAIRS[algorithm], made.decode())
    assert openssl("pkey", "-pubout", "-outform", "DER", stdin=made) == public
    assert key_pairs.load_private(algorithm, material)


def openssl(*arguments, stdin=b""):
    done = subprocess.run(["openssl", *arguments], input=stdin, capture_output=True, check=False)
    if done.returncode and b"nsupported" in done.stderr:
        pytest.skip("this openssl is older than the algorithm")
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_key_of_another_type_is_refused():
    others = {"ec-p256": "ec-p384", "ed25519": "x25519", "rsa-3072": "rsa-2048", "ml-dsa-44": "ml-dsa-65"}
    for algorithm, other in others.items():
        key = new_key(other)
        assert algorithm in refusal_of(importing.from_private_der, PAIRS[algorithm], private_bytes(key))
        assert algorithm in refusal_of(importing.from_public_der, PAIRS[algorithm], public_bytes(key))


def test_a_document_of_another_algorithm_never_reaches_the_library():
    """The library would test for minutes whether the modulus of Diffie-Hellman is prime, with every thread stopped."""
    parameters = der(0x30, integer(2**4423 - 1) + integer(2))
    algorithm = der(0x30, bytes.fromhex("06092a864886f70d010301") + parameters)
    public = der(0x30, algorithm + der(0x03, b"\0" + integer(4)))
    private = der(0x30, integer(0) + algorithm + der(0x04, integer(5)))
    pem = f"-----BEGIN PRIVATE KEY-----\n{b64(private)}\n-----END PRIVATE KEY-----"
    kind, began = PAIRS["x25519"], time.monotonic()
    refusal_of(importing.from_public_der, kind, public)
    refusal_of(importing.from_private_der, kind, private)
    refusal_of(importing.from_pem, kind, pem)
    refusal_of(importing.from_pem, PAIRS["ec-p256"], pem.replace("PRIVATE", "EC PRIVATE"))
    refusal_of(importing.from_pem, PAIRS["rsa-3072"], pem.replace("PRIVATE", "RSA PRIVATE"))
    with pytest.raises(WrongKey):
        key_pairs.load_public("x25519", public)
    with pytest.raises(WrongKey):
        key_transport.wrap(public, KeyMaterial.generate(32), "name")
    assert time.monotonic() - began < 1


def test_a_pem_is_one_key_with_any_text_around():
    kind, key = PAIRS["ec-p256"], new_key("ec-p256")
    pem = private_bytes(key, Encoding.PEM).decode()
    old = private_bytes(key, Encoding.PEM, PrivateFormat.TraditionalOpenSSL).decode()
    parameters = "-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n"
    for text in (pem, f"Bag Attributes\n{pem}the end", pem.replace("\n", "\r\n"), parameters + old):
        assert importing.from_pem(kind, text)[0].expose() == private_bytes(key)
    for text in (
        "",
        pem + pem,
        pem.replace("PRIVATE KEY", "DSA PRIVATE KEY"),
        pem.replace("\n", "\nA: b\n", 1),
    ):
        refusal_of(importing.from_pem, kind, text)
    refusal_of(importing.from_pem, PAIRS["ed25519"], old)


def test_a_key_of_another_length_in_a_document_is_refused():
    private = bytes.fromhex("302d020100300506032b65700421041f") + bytes(31)
    refusal_of(importing.from_private_der, PAIRS["ed25519"], private)
    public = bytes.fromhex("3029300506032b6570032000") + bytes(31)
    refusal_of(importing.from_public_der, PAIRS["ed25519"], public)


def test_an_invalid_key_is_refused_without_an_echo():
    kind = PAIRS["ed25519"]
    for garbage in (b"", b"\x30", b"secret" * 20, private_bytes(new_key("ed25519"))[:-1]):
        for read in (importing.from_private_der, importing.from_public_der):
            assert "secret" not in refusal_of(read, kind, garbage)
        refusal_of(importing.from_pem, kind, "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----")


def test_inconsistent_keys_are_refused():
    point = ec.generate_private_key(ec.SECP256R1()).public_key()
    point = point.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    key = ec.generate_private_key(ec.SECP256R1())
    own = key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    refusal_of(importing.from_private_der, PAIRS["ec-p256"], private_bytes(key).replace(own, point))


def test_a_small_rsa_exponent_is_refused_unless_the_key_only_verifies_or_encrypts():
    key = rsa.generate_private_key(3, 2048)
    assert "65537" in refusal_of(importing.from_private_der, PAIRS["rsa-2048"], private_bytes(key))
    assert importing.from_public_der(PAIRS["rsa-2048"], public_bytes(key)) == (None, public_bytes(key))


def test_a_form_that_the_type_does_not_have_is_refused():
    assert "symmetric" in refusal_of(importing.from_private_der, kind_of("aes-256"), b"")
    assert "symmetric" in refusal_of(importing.from_public_der, kind_of("hmac-sha256"), b"")
    assert "symmetric" in refusal_of(importing.from_seed, kind_of("aes-256"), bytes(32), bytes(32))
    assert "not raw bytes" in refusal_of(importing.from_raw, PAIRS["ed25519"], bytes(32))
    assert "Send its raw bytes" in refusal_of(importing.from_private_der, kind_of(hybrid.ALGORITHM), b"")


def test_a_hybrid_key_is_its_raw_bytes():
    kind, (material, public) = kind_of(hybrid.ALGORITHM), hybrid.generate()
    found, document = importing.from_raw(kind, material.expose())
    assert (found.expose(), document) == (material.expose(), public)
    assert importing.from_public_der(kind, public) == (None, public)
    assert "96 bytes" in refusal_of(importing.from_raw, kind, bytes(95))
    refusal_of(importing.from_public_der, kind, public[:-1])


def test_a_seed_needs_the_public_key_that_belongs_to_it():
    for algorithm in ("ed448", "x25519", "ml-dsa-44", "ml-kem-1024"):
        kind, key = PAIRS[algorithm], new_key(algorithm)
        seed, public = key.private_bytes_raw(), key.public_key().public_bytes_raw()
        material, document = importing.from_seed(kind, seed, public)
        assert (material.expose(), document) == (private_bytes(key), public_bytes(key))
        assert importing.from_raw_public(kind, public) == (None, public_bytes(key))
        other = new_key(algorithm).public_key().public_bytes_raw()
        assert "does not belong" in refusal_of(importing.from_seed, kind, seed, other)
        refusal_of(importing.from_seed, kind, seed[1:], public)
        refusal_of(importing.from_raw_public, kind, public[1:])
    kind, (material, public) = kind_of(hybrid.ALGORITHM), hybrid.generate()
    found, _ = importing.from_seed(kind, material.expose(), hybrid.raw_public(public))
    assert isinstance(found, KeyMaterial)


def test_a_key_for_rsassa_pss_only_is_refused():
    def openssl(*arguments, given=None):
        return subprocess.run(["openssl", *arguments], input=given, capture_output=True, check=True).stdout

    pem = openssl("genpkey", "-algorithm", "RSA-PSS", "-pkeyopt", "rsa_keygen_bits:3072")
    kind = kind_of("rsa-3072")
    for read, document in (
        (importing.from_pem, pem.decode()),
        (importing.from_pem, f"my key\n{pem.decode()}"),
        (importing.from_private_der, openssl("pkey", "-outform", "DER", given=pem)),
        (importing.from_public_der, openssl("pkey", "-pubout", "-outform", "DER", given=pem)),
    ):
        assert "RSASSA-PSS" in refusal_of(read, kind, document)


@pytest.mark.parametrize("algorithm", ["ec-p256", "rsa-3072"])
def test_a_public_key_that_the_library_cannot_read_is_refused(algorithm):
    document = public_bytes(new_key(algorithm))
    with pytest.raises(WrongKey, match="does not contain"):
        key_pairs.load_public(algorithm, document[:-32] + bytes(32))


def test_a_hybrid_public_key_of_another_form_is_refused():
    document = hybrid.generate()[1]
    for other in (document[:-1], document + b"x", hybrid.raw_public(document), b""):
        with pytest.raises(WrongKey):
            hybrid.raw_public(other)


def test_a_hybrid_public_key_is_read_as_pem():
    kind, (_, document) = kind_of(hybrid.ALGORITHM), hybrid.generate()
    pem = key_pairs.encode_pem(document)
    assert importing.from_pem(kind, pem) == (None, document)
    for text in ("", pem[:100], pem.replace("PUBLIC", "PRIVATE"), "-----BEGIN PUBLIC KEY-----\n?"):
        refusal_of(importing.from_pem, kind, text)
