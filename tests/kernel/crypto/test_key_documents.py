"""Key documents of other systems: expanded post-quantum keys, refusals that name the cause, and hostile input."""

from itertools import takewhile

import cryptography_vectors
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    PublicFormat,
)
from hypothesis import given
from hypothesis import strategies as st

from kernel.crypto.algorithms import find_key_algorithms
from kernel.crypto.asymmetric import agreement, hybrid, key_documents, key_pairs
from kernel.crypto.errors import Invalid, WrongKey
from kernel.crypto.material import KeyMaterial
from kernel.crypto.transport import importing, key_transport, pem
from tests.foreign_keys import der, new_key, private_bytes, public_bytes
from tests.kernel.crypto.test_importing import openssl, refusal_of
from tests.personas import b64

# By NIST's identifiers: sigAlgs and kems.
IDENTIFIERS = {
    "ml-dsa-44": "311",
    "ml-dsa-65": "312",
    "ml-dsa-87": "313",
    "ml-kem-768": "402",
    "ml-kem-1024": "403",
}


def kind_of(name):
    return find_key_algorithms(name)[0]


def published(algorithm):
    """The seed, the public and the expanded key of the first published vector."""
    folder, family = algorithm[:6].replace("-", "").upper(), algorithm[7:]
    form = "_det_pure" if folder == "MLDSA" else ""
    path = f"asymmetric/{folder}/kat_{folder}_{family}{form}.rsp"
    with cryptography_vectors.open_vector_file(path, "r") as lines:
        pairs = (line.strip().partition(" = ") for line in takewhile(str.strip, lines))
        found = {
            name: bytes.fromhex(value) for name, _, value in pairs if name in {"xi", "d", "z", "pk", "sk"}
        }
    return found.get("xi") or found["d"] + found["z"], found["pk"], found["sk"]


def document(algorithm, content):
    identifier = bytes.fromhex(f"0609608648016503040{IDENTIFIERS[algorithm]}")
    return der(0x30, b"\x02\x01\0" + der(0x30, identifier) + der(0x04, content))


def both(algorithm, seed, expanded):
    return document(algorithm, der(0x30, der(0x04, seed) + der(0x04, expanded)))


@pytest.mark.parametrize("algorithm", IDENTIFIERS)
def test_a_seed_with_its_expanded_key_is_stored_as_the_seed(algorithm):
    seed, public, expanded = published(algorithm)
    material, found = importing.from_private_der(kind_of(algorithm), both(algorithm, seed, expanded))
    key = key_pairs.load_private(algorithm, material)
    assert (key.private_bytes_raw(), key.public_key().public_bytes_raw()) == (seed, public)
    assert found == public_bytes(key)


@pytest.mark.parametrize("algorithm", IDENTIFIERS)
def test_a_seed_of_another_expanded_key_is_refused(algorithm):
    seed, public, expanded = published(algorithm)
    kind, size = kind_of(algorithm), len(expanded)
    # of ML-DSA rho, K and tr; of ML-KEM ek, H(ek) and z
    places = [0, 31, 32, 63, 64, 127] if algorithm < "ml-k" else [-len(public) - 64, -65, -64, -33, -32, -1]
    for at in [place % size for place in places]:
        altered = expanded[:at] + bytes([expanded[at] ^ 1]) + expanded[at + 1 :]
        assert "do not belong together" in refusal_of(
            importing.from_private_der, kind, both(algorithm, seed, altered)
        )
    for other in (expanded + b"\0", expanded[:-1], b"\0" + expanded, b""):
        refusal_of(importing.from_private_der, kind, both(algorithm, seed, other))
    refusal_of(importing.from_private_der, kind, both(algorithm, bytes(len(seed)), expanded))


@pytest.mark.parametrize("algorithm", ["ml-dsa-44", "ml-kem-768"])
def test_an_expanded_key_without_its_seed_is_refused_with_the_reason(algorithm):
    seed, _, expanded = published(algorithm)
    kind = kind_of(algorithm)
    assert "only its expanded form" in refusal_of(
        importing.from_private_der, kind, document(algorithm, der(0x04, expanded))
    )
    malformed = [
        b"",
        seed,
        der(0x30, b""),
        der(0x30, der(0x04, seed)),
        der(0x30, der(0x80, seed) + der(0x04, expanded)),
    ]
    for content in [*malformed, der(0x80, seed[1:]), der(0x30, der(0x04, seed[1:]) + der(0x04, expanded))]:
        assert "Cannot be read" in refusal_of(importing.from_private_der, kind, document(algorithm, content))


def certificate():
    return openssl("req", "-x509", "-newkey", "ed25519", "-nodes", "-keyout", "/dev/null", "-subj", "/CN=a", "-outform", "DER")  # fmt: skip


def as_pem(label, octets):
    return f"-----BEGIN {label}-----\n{b64(octets)}\n-----END {label}-----\n"


def causes():
    """A part of the refusal, the expected type, and the key, in DER."""
    ec256, rsa, ed = new_key("ec-p256"), new_key("rsa-2048"), new_key("ed25519")
    encrypted = private_bytes(ed, encryption=BestAvailableEncryption(b"x"))
    brainpool = public_bytes(ec.generate_private_key(ec.BrainpoolP256R1()))
    return {
        "an encrypted key": ("encrypted", "ed25519", encrypted),
        "a certificate": ("certificate", "ed25519", certificate()),
        "a private key": ("This is a private key", "ec-p256", private_bytes(ec256)),
        "PKCS #1": ("PKCS #1", "rsa-2048", private_bytes(rsa, form=PrivateFormat.TraditionalOpenSSL)),
        "SEC 1": ("SEC 1", "ec-p256", private_bytes(ec256, form=PrivateFormat.TraditionalOpenSSL)),
        "another curve": ("secp256r1. Expected a public key of type ec-p384", "ec-p384", public_bytes(ec256)),
        "an unknown curve": ("another one", "ec-p256", brainpool),
        "another type": ("This is a key of type ed25519", "x25519", public_bytes(ed)),
        "another size": ("2048 bits", "rsa-3072", public_bytes(rsa)),
        "RSA": ("an RSA key", "ec-p256", public_bytes(rsa)),
        "a hybrid key": ("x25519-ml-kem-768", "ec-p256", hybrid.generate()[1]),
        "no DER": ("Expected PKCS #8", "ed25519", b"secret"),
    }  # fmt: skip


@pytest.mark.parametrize("case", causes())
def test_every_reader_of_public_keys_names_the_cause(case):
    cause, algorithm, octets = causes()[case]
    kind = kind_of(algorithm)
    assert cause in refusal_of(importing.from_public_der, kind, octets)
    with pytest.raises(WrongKey, match=cause.replace(".", r"\.")):
        key_pairs.load_public(algorithm, octets)
    if kind.purpose == "agree":
        with pytest.raises(Invalid, match=cause) as refusal:
            agreement.Agreement(algorithm, new_key(algorithm)).agree(octets)
        assert list(refusal.value.fields) == ["public_key"]
    if case in {
        "an encrypted key",
        "a certificate",
        "a private key",
        "no DER",
        "another type",
        "another size",
    }:
        with pytest.raises(WrongKey, match=cause):
            key_transport.wrap(octets, KeyMaterial.generate(32), "name")


def test_a_public_key_instead_of_a_private_one_and_more_primes_are_named():
    key = new_key("ed25519")
    assert "This is a public key" in refusal_of(
        importing.from_private_der, kind_of("ed25519"), public_bytes(key)
    )
    made = openssl(
        "genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048", "-pkeyopt", "rsa_keygen_primes:3"
    )
    old = openssl("rsa", "-traditional", stdin=made)
    for text in (made, old):
        assert "more than two primes" in refusal_of(importing.from_pem, kind_of("rsa-2048"), text.decode())
    algorithm = bytes.fromhex("300d06092a864886f70d0101010500")
    for content in (b"", b"\x30", b"\x30\0"):
        broken = der(0x30, b"\x02\x01\0" + algorithm + der(0x04, content))
        assert "Cannot be read" in refusal_of(importing.from_private_der, kind_of("rsa-2048"), broken)


@pytest.mark.parametrize(
    ("label", "cause"),
    [
        ("ENCRYPTED PRIVATE KEY", "encrypted"),
        ("CERTIFICATE", "certificate"),
        ("CERTIFICATE REQUEST", "certificate"),
        ("RSA PUBLIC KEY", "PKCS #1"),
        ("OPENSSH PRIVATE KEY", "OpenSSH"),
        ("DH PARAMETERS", "Expected one key in PEM"),
        ("RSA PRIVATE KEY", "This is an RSA key"),
    ],
)
def test_a_pem_of_something_else_is_named(label, cause):
    text = as_pem(label, b"0123456789")
    assert cause in refusal_of(importing.from_pem, kind_of("ed25519"), text)
    with pytest.raises(WrongKey, match="private key" if label == "RSA PRIVATE KEY" else cause):
        pem.read_public(text, max_bytes=100)


def test_an_old_encrypted_pem_is_named():
    key = private_bytes(
        new_key("ec-p256"), Encoding.PEM, PrivateFormat.TraditionalOpenSSL, BestAvailableEncryption(b"x")
    )
    assert b"4,ENCRYPTED" in key
    assert "encrypted" in refusal_of(importing.from_pem, kind_of("ec-p256"), key.decode())


def test_a_pasted_public_key_is_pem_or_base64():
    _, octets = key_pairs.generate("ed25519")
    text = key_pairs.encode_pem(octets)
    for pasted in (text, f"my key\n{text}", f" {b64(octets)}\n", b64(octets)):
        assert pem.read_public(pasted, max_bytes=len(octets)) == octets
    for pasted, cause in (
        (text.replace("PUBLIC", "PRIVATE"), "private key"),
        (text + text, "several"),
        ("secret!", "base64"),
        (b64(octets + b"\0"), "at most 44 bytes"),
        (" " * 177, "at most 44 bytes"),
    ):
        with pytest.raises(WrongKey, match=cause):
            pem.read_public(pasted, max_bytes=100 if cause == "several" else len(octets))


def test_explicit_parameters_of_a_known_curve_are_read():
    path = "asymmetric/EC/secp256r1-pub-explicit-no-seed.pem"
    with cryptography_vectors.open_vector_file(path, "r") as file:
        text = file.read()
    assert importing.from_pem(kind_of("ec-p256"), text)[1]
    assert "secp256r1" in refusal_of(importing.from_pem, kind_of("ec-p384"), text)


@pytest.mark.parametrize("algorithm", ["ec-p256", "ec-p521"])
def test_a_compressed_point_agrees_and_wraps_as_the_uncompressed_one(algorithm):
    ours, theirs = new_key(algorithm), new_key(algorithm)
    whole = public_bytes(theirs)
    point = theirs.public_key().public_bytes(Encoding.X962, PublicFormat.CompressedPoint)
    [(_, parts)] = key_documents.elements(whole)
    [(_, identifiers), _] = key_documents.elements(parts)
    compressed = der(0x30, der(0x30, identifiers) + der(0x03, b"\0" + point))
    agree = agreement.Agreement(algorithm, ours).agree
    assert agree(compressed) == agree(whole) == theirs.exchange(ec.ECDH(), ours.public_key())


CHEAP = ("ed25519", "x25519", "ec-p256", "ml-kem-768")
DOCUMENTS = [
    *[(name, public_bytes(new_key(name))) for name in CHEAP],
    *[(name, private_bytes(new_key(name))) for name in CHEAP],
    ("ml-dsa-44", both("ml-dsa-44", *published("ml-dsa-44")[::2])),
    ("rsa-2048", public_bytes(new_key("rsa-2048"))),
]


@given(
    st.sampled_from(DOCUMENTS),
    st.lists(st.tuples(st.integers(0, 5000), st.binary(max_size=4), st.integers(0, 4)), max_size=3),
)
def test_an_altered_document_is_read_or_refused(original, edits):
    algorithm, octets = original
    for at, inserted, removed in edits:
        octets = octets[: at % len(octets)] + inserted + octets[at % len(octets) + removed :] or b"\0"
    kind = kind_of(algorithm)
    readers = [
        importing.from_private_der,
        importing.from_public_der,
        lambda kind, octets: importing.from_pem(kind, as_pem("PRIVATE KEY", octets)),
    ]
    for read in readers:
        try:
            _, public = read(kind, octets)
        except Invalid:
            continue
        assert key_pairs.load_public(algorithm, public)


@given(
    st.binary(max_size=40)
    | st.text("0\x02\x04\x03\x06\x80\x81\x01\x7f\xff", max_size=30).map(lambda text: text.encode("latin-1"))
)
def test_any_bytes_are_a_document_or_refused(octets):
    try:
        found = key_documents.read(octets)
    except WrongKey:
        return
    assert isinstance(found.identifier, str)


@given(st.text("-BEGIN PUBLICKEY\n=A", max_size=200))
def test_any_text_is_a_key_or_refused(text):
    with pytest.raises(Invalid):
        importing.from_pem(kind_of("ed25519"), text)


def test_elements_have_a_definite_length_and_end_within_the_document():
    """X.690 §8.1.3. 0x80 would be the indefinite form, which DER excludes."""
    assert list(key_documents.elements(b"\x04\x01a\x05\x00")) == [(4, b"a"), (5, b"")]
    assert list(key_documents.elements(b"\x04\x81\x80" + b"a" * 128)) == [(4, b"a" * 128)]
    for octets in (b"\x04", b"\x04\x02a", b"\x04\x80" + b"a" * 128, b"\x04\x81"):
        with pytest.raises(ValueError, match="beyond the document"):
            list(key_documents.elements(octets))


ED25519_PARTS = der(0x02, b"\x00") + der(0x30, der(0x06, bytes.fromhex("2b6570"))) + der(0x04, b"secret")


def test_a_private_key_may_have_attributes_and_is_a_sequence():
    found = key_documents.read(der(0x30, ED25519_PARTS + der(0xA0, b"")))
    assert (found.is_private, found.identifier, found.content) == (True, "2b6570", b"secret")
    with pytest.raises(WrongKey):
        key_documents.read(der(0x31, ED25519_PARTS))


@pytest.mark.parametrize("octets", [b"\x30", b"\x30\x80", b"\x30\x81", b"\x30\x01", b"\x30\x00\x30"])
def test_an_element_without_its_length_or_all_its_bytes_is_refused(octets):
    with pytest.raises(ValueError, match="ends beyond"):
        list(key_documents.elements(octets))
