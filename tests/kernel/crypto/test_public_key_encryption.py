"""RSA-OAEP and HPKE. The HPKE vectors prove our encoding of the keys: the library has no interface for their nonces."""

import hashlib
import json

import cryptography_vectors
import pytest

from kernel.crypto.asymmetric import hybrid, key_pairs
from kernel.crypto.asymmetric.public_key_encryption import PrivateKeyOpener, PublicKeySealer
from kernel.crypto.errors import DecryptionFailed, Invalid, MalformedCiphertext, WrongKey
from kernel.crypto.material import KeyMaterial
from kernel.crypto.modes import SEALING_MODES
from kernel.crypto.sealing.aead import Sealed

OAEP, HPKE = SEALING_MODES["rsa-oaep-sha256"], SEALING_MODES["hpke-x25519-ml-kem-768"]
PLAINTEXT = b"a plaintext of thirty-three bytes"


@pytest.fixture(scope="module")
def pairs():
    """A sealer and an opener for each mode."""
    made = {}
    for mode, algorithm in ((OAEP, "rsa-3072"), (HPKE, hybrid.ALGORITHM)):
        private, public = key_pairs.generate(algorithm)
        opener = PrivateKeyOpener(key_pairs.load_private(algorithm, private), mode)
        made[mode.name] = PublicKeySealer(key_pairs.load_public(algorithm, public), mode), opener
    return made


def test_a_hybrid_key_is_that_of_the_published_hpke_vectors():
    with cryptography_vectors.open_vector_file("HPKE/hpke-pq-test-vectors.json", "r") as file:
        found = [each for each in json.load(file) if each["kem_id"] == 0x647A]  # X-Wing
    assert len(found) == 2
    for each in found:
        expanded = hashlib.shake_256(bytes.fromhex(each["skRm"])).digest(96)
        public = hybrid.load_private(KeyMaterial(expanded)).public_key()
        document = hybrid._SPKI_HEADER + bytes.fromhex(each["pkRm"])
        bound = b"not in the vector"
        sealed = PublicKeySealer(hybrid.load_public(document), HPKE)._scheme.encrypt(PLAINTEXT, bound)
        opener = PrivateKeyOpener(hybrid.load_private(KeyMaterial(expanded)), HPKE)
        assert opener._scheme.decrypt(sealed, bound) == PLAINTEXT
        assert type(public) is type(hybrid.load_public(document))


@pytest.mark.parametrize("name", [OAEP.name, HPKE.name])
def test_a_message_opens_and_anything_altered_does_not(pairs, key_id, name):
    sealer, opener = pairs[name]
    bound = {"key_id": key_id, "version": 7, "aad": b"" if name == OAEP.name else b"row 7"}
    sealed = sealer.seal(PLAINTEXT, **bound)
    assert opener.open(sealed, **bound) == PLAINTEXT
    octets = sealed.ciphertext
    altered = [b"", octets[:-1], octets + b"\0", bytes(len(octets)), b"\xff" * len(octets)]
    altered += [octets[:at] + bytes([octets[at] ^ 1]) + octets[at + 1 :] for at in range(0, len(octets), 7)]
    for each in altered:
        with pytest.raises(DecryptionFailed):
            opener.open(Sealed(b"", each, b""), **bound)
    with pytest.raises(DecryptionFailed):
        opener.open(sealed, **bound | {"aad": b"another"})
    with pytest.raises(MalformedCiphertext):
        opener.open(Sealed(b"", octets[:-1], octets[-1:]), **bound)


def test_an_hpke_message_is_bound_to_its_key_and_version(pairs, key_id):
    sealer, opener = pairs[HPKE.name]
    sealed = sealer.seal(PLAINTEXT, key_id=key_id, version=1, aad=b"")
    with pytest.raises(DecryptionFailed):
        opener.open(sealed, key_id=key_id, version=2, aad=b"")


def test_rsa_refuses_long_messages_and_additional_data(pairs):
    sealer, _ = pairs[OAEP.name]
    sealer.check(bytes(318), b"")
    for plaintext, aad, field in ((bytes(319), b"", "data"), (b"", b"aad", "aad")):
        with pytest.raises(Invalid) as refusal:
            sealer.check(plaintext, aad)
        assert list(refusal.value.fields) == [field]
    pairs[HPKE.name][0].check(bytes(100_000), b"aad")


def test_other_documents_are_no_hybrid_keys():
    private, public = hybrid.generate()
    assert hybrid.load_public(public)
    _, other = key_pairs.generate("x25519")
    # Every coefficient of an encapsulation key is below 3329 (FIPS 203 §7.2).
    too_large = public[:30] + b"\xff" * 1000 + public[1030:]
    for document in (b"", public[:-1], public + b"\0", b"\x31" + public[1:], other, too_large):
        with pytest.raises(WrongKey):
            hybrid.load_public(document)
    with pytest.raises(WrongKey):
        hybrid.load_private(KeyMaterial(private.expose()[:-1]))
